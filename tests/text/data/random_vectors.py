"""Writes random texts and the tokens that a Python package makes of them, in the form of vectors.py.

  random_vectors.py KIND FILE COUNT SEED OUT     KIND: json (tokenizers), sentencepiece, or gpt2 (FILE is the folder of
                                                 vocab.json and merges.txt)
"""
import random
import sys
import unicodedata

import tokenizers
from texts import all_texts
from vectors import write_vectors

kind, path, count, seed, out = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
generator = random.Random(seed)
FRAGMENTS = [text for text in all_texts() if text and "\0" not in text]
RANGES = [(0x20, 0x7F)] * 3 + [(0x01, 0x20), (0x80, 0x300), (0x300, 0x370), (0x370, 0x900), (0x900, 0x1200), (0x1200, 0x2000),
                               (0x2000, 0x2070), (0x2070, 0x3040), (0x3040, 0x4E00), (0x4E00, 0xA000), (0xA000, 0xD800), (0xE000, 0x10000),
                               (0x10000, 0x14000), (0x16000, 0x19000), (0x1B000, 0x1D400), (0x1D400, 0x1F300), (0x1F300, 0x1FB00),
                               (0x20000, 0x32000), (0xE0000, 0xE0200), (0xF0000, 0x10FFFE)]


def character(first, last):
    """An assigned one: others may have been assigned since, in the Unicode version of one side only."""
    while True:
        one = chr(generator.randrange(first, last))
        if unicodedata.category(one) not in ("Cn", "Cs"):
            return one


def text():
    """A few runs, each of one part of Unicode, and pieces of real texts between them."""
    parts = []
    for _ in range(generator.randint(1, 5)):
        if generator.random() < 0.4:
            fragment = generator.choice(FRAGMENTS)
            start = generator.randrange(len(fragment))
            parts.append(fragment[start:start + generator.randint(1, 12)])
        else:
            first, last = generator.choice(RANGES)
            parts.append("".join(character(first, last) for _ in range(generator.randint(1, 5))))
        parts.append(generator.choice(["", "", " ", "  ", "\n", "\u3000"]))
    return "".join(parts)


texts = [text() for _ in range(count)]
if kind == "sentencepiece":
    import sentencepiece
    processor = sentencepiece.SentencePieceProcessor(model_file=path)
    pairs = list(zip(texts, processor.encode(texts)))
else:
    if kind == "gpt2":
        tokenizer = tokenizers.ByteLevelBPETokenizer(path + "/vocab.json", path + "/merges.txt")
        pairs = [(one, tokenizer.encode(one).ids) for one in texts]
    else:
        tokenizer = tokenizers.Tokenizer.from_file(path)
        pairs = [(one, found.ids) for one, found in zip(texts, tokenizer.encode_batch(texts))]
write_vectors(out, pairs)
