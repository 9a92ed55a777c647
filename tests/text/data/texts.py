"""The texts whose tokens the test vectors hold: prose, code, white space, digits, odd and random Unicode."""
import random
import unicodedata

PROSE = [
    "", " ", "  ", "   ", "\n", "\n\n", "\t", "\t\t x", " \n", "\n ", "a", " a", "a ", " a ", "  a  b  ",
    "Once upon a time, there was a little girl named Lily.",
    "The quick brown fox jumps over the lazy dog.",
    "It's, we'll, I'm, they've, you'd, don't, IT'S, WE'LL, I'M, 's, 'S, ''s, can’t, it’s",
    "Hello, world!", " Hello, world! ", "hello\nworld\r\nagain\rand again", "end of line \n next",
    "MiXeD CaSe aNd CamelCaseWords and snake_case_words and kebab-case-words",
    "Dr. Smith earned $1,234.56 (about 12%) on 2024-01-31 at 09:15:07.",
    "e-mail: someone@example.com, see https://example.com/a/b?c=d&e=f#g",
    "...", "!!!???", "—–-", "“quoted” ‘text’", "a…b", "#hashtag @name", "© ® ™ § ¶",
    "supercalifragilisticexpialidocious antidisestablishmentarianism", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "ſ's İstanbul ıI ǅ ß ﬁ", "'ſ 'ſome",
]
DIGITS = ["0", "12", "123", "1234", "12345", "123456", "1234567890", "1 2 3", " 1", "3.14159", "1,000,000", "0x1F", "1e-5",
          "٠١٢٣", "１２３", "Ⅷ Ⅻ", "½ ¼ ²³", "x2y3z4", "2nd 3rd 4th", "①②③", "১২৩", "v1.2.3-rc4", "00007"]
CODE = [
    "int main(int argc, char** argv) {\n  return 0;\n}\n",
    "def f(x):\n    if x > 0:\n        return x ** 2\n\n    return None\n",
    "for (size_t i = 0; i < n; ++i) { a[i] += b[i] * c[i]; }  // fused",
    "<html>\n\t<body class=\"x\">&nbsp;</body>\n</html>",
    "SELECT * FROM t WHERE a = 'b' AND c <> 1;", "#!/bin/sh\nset -eu\necho \"$HOME\"\n",
    "{\"a\": [1, 2.5, null, true], \"b\": {\"c\": \"\\n\"}}", "x = a if b else c; y=lambda z:z*2",
    "\\frac{a}{b} = \\sum_{i=0}^{n} x_i", "a->b::c.d[e](f)&&g||!h", "\t\tif (x)\n\t\t\ty();\n", "    \n    \n    x\n",
    "import numpy as np\n\n\nnp.zeros((3, 4), dtype=np.float32)", "/* comment */ // another\n# and another",
    "template <class T, std::size_t N>\nconstexpr auto f(T (&x)[N]) noexcept -> decltype(auto);",
]
SPACES = ["a" + " " * n + "b" for n in (1, 2, 3, 4, 7, 8, 16, 33)] + [" " * n for n in (4, 5, 8, 15, 64)] + [
    "\n" * n for n in (3, 4, 5, 9)] + [" \t \t ", "a \n b", "a\n\n\n b", "\r\n\r\n", "\r\r", "a\u00a0b", "\u00a0\u00a0", "\u2003\u2003a",
    "a\u3000b", "a\u180eb", "\u180e", "a\u200bb", "\u200b", "\ufeffa", "a\u2028b\u2029c", "\x0b\x0c", "\x85a", "\x1c\x1d", "a \u00a0 b",
    "tab\tseparated\tvalues", "trailing   ", "   leading", "x \r\n y", "\u2009thin\u2009"]
WORLD = [
    "日本語のテキストです。", "我想在apple工作1314151天～", "한국어 문장입니다.", "Привет, как дела?", "Ελληνικά γράμματα", "שלום עולם",
    "مرحبا بالعالم", "नमस्ते दुनिया", "สวัสดีชาวโลก", "Tiếng Việt có dấu", "ខ្មែរ", "Çok güzel", "Ünïcödé", "naïve café",
    "e\u0301 a\u0308 n\u0303", "é ä ñ", "ＦＵＬＬ ｗｉｄｔｈ", "🙂", "🙂🙂", "👨‍👩‍👧‍👦", "🇩🇪🇫🇷", "🚀 (normal) 😶‍🌫️ (multiple)", "👍🏽", "𝕳𝖊𝖑𝖑𝖔",
    "𐍈𐌰", "\U0001F9FF", "\u0000", "a\u0000b", "\u0001\u0002\u007f", "\ufffd", "\uffff", "\U0010ffff", "\ue000", "ﷺ", "Z͑ͫ̓ͪ̂ͫ̽a͎l̨g͘o", "ａ゙", "가\u1100\u1161",
    "Å Å Å", "\u0344 \u0958 \u2adc", "ﾊﾝｶｸ", "∀x∈ℝ: ⌈x⌉ = −⌊−x⌋", "a₁b²", "‼⁇", "¡Hola! ¿Qué tal?", "Ā ă Ġ ġ Ċ ĉ", "▁ ▁▁ a▁b", "<0x41> <0xFF>", "<unk>", "</s><s>",
]


def random_texts(count, seed):
    """Characters of all assigned planes, mixed with ASCII so that the rules of pre-tokenizers meet."""
    generator = random.Random(seed)
    ranges = [(0x20, 0x7F)] * 4 + [(0x00, 0x20), (0xA0, 0x250), (0x300, 0x600), (0x600, 0x1000), (0x1000, 0x2000), (0x2000, 0x2C00),
                                   (0x3000, 0xA000), (0xA000, 0xD7A4), (0xF900, 0xFFFE), (0x10000, 0x13000), (0x1D000, 0x1FB00)]
    texts = []
    while len(texts) < count:
        text = ""
        while len(text) < generator.randint(1, 30):
            low, high = generator.choice(ranges)
            character = chr(generator.randrange(low, high))
            # Unassigned characters may have been assigned since, in the Unicode version of one side only.
            if unicodedata.category(character) not in ("Cn", "Cs"):
                text += character * generator.choice((1, 1, 1, 2, 3))
        texts.append(text)
    return texts


def all_texts(special=()):
    chat = []
    for token in special:
        chat += [token, token + token, "a" + token + "b", " " + token + " ", token + "\nuser\nHi" + token, token[:-1], token + " 12\n\n"]
    return PROSE + DIGITS + CODE + SPACES + WORLD + chat + random_texts(60, 7)
