"""Writes variants/: a small tokenizer.json for each kind of stage, and what the package tokenizers makes of texts with it.

NAME.json, NAME.vectors (add_special_tokens=True) and NAME.decoded (the text of lists of ids, special tokens kept).
"""
import json
import random
import unicodedata

import tokenizers
from texts import CODE, DIGITS, PROSE, SPACES, WORLD, random_texts
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers
from vectors import decode_all, encode_all, write_vectors

COMPOSABLE = [text for text in WORLD if unicodedata.normalize("NFC", text) != text]
TEXTS = PROSE + DIGITS[:9] + CODE[:3] + SPACES[:5] + SPACES[20:30] + WORLD[:14] + COMPOSABLE + random_texts(12, 3)
CORPUS = [text for text in PROSE + CODE + DIGITS + WORLD for _ in range(3)]
SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def template(prefix, suffix):
    single = " ".join(prefix + ["$A"] + suffix)
    return processors.TemplateProcessing(single=single, pair=single + " $B",
                                         special_tokens=[(name, SPECIAL.index(name)) for name in prefix + suffix])


def trained(pre_tokenizer, decoder, normalizer=None, byte_level=False, post_processor=None, byte_fallback=False, added=(), fuse_unk=False,
            size=380, alphabet=(), ignore_merges=False):
    tokenizer = tokenizers.Tokenizer(models.BPE(unk_token=None if byte_level else "<unk>"))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIAL + (BYTES if byte_fallback else []), show_progress=False,
                                  limit_alphabet=1000 if byte_level else 60,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if byte_level else list(alphabet))
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.decoder = decoder
    if post_processor:
        tokenizer.post_processor = post_processor
    described = json.loads(tokenizer.to_str())
    described["added_tokens"] = [token for token in described["added_tokens"] if token["content"] in SPECIAL]
    described["model"]["byte_fallback"] = byte_fallback
    described["model"]["fuse_unk"] = fuse_unk
    if ignore_merges:  # some tokens that merging does not reach
        described["model"]["ignore_merges"] = True
        described["model"]["merges"] = [merge for i, merge in enumerate(described["model"]["merges"]) if i % 7 != 0]
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(described))
    tokenizer.add_tokens(list(added))
    return tokenizer


def spm_decoder(strip=True):
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    return decoders.Sequence(steps + ([decoders.Strip(" ", 1, 0)] if strip else []))


byte = pre_tokenizers.ByteLevel
spm = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
wide = dict(byte_level=True, decoder=decoders.ByteLevel())
VARIANTS = {
    "byte_level": trained(byte(add_prefix_space=False), post_processor=processors.ByteLevel(), **wide),
    "byte_level_prefix_space": trained(byte(add_prefix_space=True), **wide),
    "byte_level_without_regex": trained(byte(add_prefix_space=False, use_regex=False), **wide),
    "nfc": trained(byte(add_prefix_space=False), normalizer=normalizers.NFC(), **wide),
    "replace_regex": trained(byte(add_prefix_space=False), normalizer=normalizers.Replace(Regex(r"\s+"), " "), **wide),
    "digits": trained(pre_tokenizers.Sequence([pre_tokenizers.Digits(True), byte(add_prefix_space=False)]), **wide),
    "digit_runs": trained(pre_tokenizers.Sequence([pre_tokenizers.Digits(False), byte(add_prefix_space=True, use_regex=False)]), **wide),
    "llama3": trained(pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), byte(False, use_regex=False)]),
                      post_processor=processors.Sequence([processors.ByteLevel(), template(["<s>"], [])]), **wide),
    "ignore_merges": trained(byte(add_prefix_space=False), ignore_merges=True, **wide),
    "template": trained(byte(add_prefix_space=False), post_processor=template(["<s>"], ["</s>", "<unk>"]), **wide),
    "prepend_replace": trained(None, spm_decoder(), normalizer=spm, byte_fallback=True, fuse_unk=True, size=480, alphabet="▁",
                               post_processor=template(["<s>"], [])),
    "unknown_fused": trained(None, spm_decoder(), normalizer=spm, fuse_unk=True, size=200, alphabet="▁"),
    "unknown_not_fused": trained(None, spm_decoder(False), normalizer=normalizers.Replace(" ", "▁"), size=200, alphabet="▁"),
    "no_decoder": trained(byte(add_prefix_space=False), byte_level=True, decoder=None),
    "added_tokens": trained(byte(add_prefix_space=False), added=[
        AddedToken("<|left|>", lstrip=True, special=True), AddedToken("<|right|>", rstrip=True, special=True),
        AddedToken("word", single_word=True, normalized=False), AddedToken("<|a|>"), AddedToken("<|a|><|b|>"),
        AddedToken("日本", normalized=False)], **wide),
    "added_tokens_normalized": trained(None, spm_decoder(), normalizer=spm, size=200, alphabet="▁", added=[
        AddedToken("<|a|>", normalized=True), AddedToken("<|b|>", normalized=False), AddedToken("Lily", normalized=True)]),
}
for scheme in ("always", "first", "never"):
    VARIANTS["metaspace_" + scheme] = trained(pre_tokenizers.Metaspace(prepend_scheme=scheme), decoders.Metaspace(prepend_scheme=scheme),
                                              size=200)
VARIANTS["metaspace_without_split"] = trained(pre_tokenizers.Metaspace(split=False), decoders.Metaspace(), size=200)
for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
    for invert in (False, True):
        split = pre_tokenizers.Split(Regex(r"\p{P}|\d"), behavior, invert=invert)
        name = "split_" + behavior + ("_inverted" if invert else "")
        VARIANTS[name] = trained(pre_tokenizers.Sequence([split, byte(False, use_regex=False)]), size=300, **wide)
VARIANTS["split_string"] = trained(pre_tokenizers.Sequence([pre_tokenizers.Split("o", "merged_with_previous"), byte(False)]), size=300, **wide)

# The other kinds of models, and the stages that come with them.
ROWS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def of_kind(model, trainer, pre_tokenizer, decoder=None, normalizer=None, post_processor=None, corpus=CORPUS, edit=None):
    tokenizer = tokenizers.Tokenizer(model)
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(corpus, trainer)
    if decoder:
        tokenizer.decoder = decoder
    if post_processor:
        tokenizer.post_processor = post_processor
    described = json.loads(tokenizer.to_str())
    if edit:
        edit(described)
    return tokenizers.Tokenizer.from_str(json.dumps(described))


def unigram(pre_tokenizer=None, normalizer=None, decoder=None, edit=None):
    trainer = trainers.UnigramTrainer(vocab_size=260, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)
    return of_kind(models.Unigram(), trainer, pre_tokenizer, decoder, normalizer, corpus=3 * (PROSE + CODE + DIGITS[:9]), edit=edit)


def wordpiece(normalizer, post_processor=None, decoder=None, edit=None):
    trainer = trainers.WordPieceTrainer(vocab_size=420, special_tokens=ROWS, show_progress=False, limit_alphabet=150)
    return of_kind(models.WordPiece(unk_token="[UNK]"), trainer, pre_tokenizers.BertPreTokenizer(), decoder or decoders.WordPiece(), normalizer,
                   post_processor, edit=edit)


def with_bytes(described):
    described["model"]["byte_fallback"] = True
    described["model"]["vocab"] += [[byte, -20.0] for byte in BYTES]


def with_charsmap(described):  # as SentencePiece compiles RULES, see make_sentencepiece.py
    with open("sentencepiece/rules.charsmap.base64") as file:
        described["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": file.read().strip()}


def short_words(described):
    described["model"]["max_input_chars_per_word"] = 6
    described["model"]["continuing_subword_prefix"] = "##"


metaspace = pre_tokenizers.Metaspace()
nfkc = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
bert = normalizers.BertNormalizer
cls = dict(cls=("[CLS]", 2), sep=("[SEP]", 3))
VARIANTS |= {
    "unigram": unigram(metaspace, nfkc, decoders.Metaspace()),
    "unigram_byte_fallback": unigram(None, spm, spm_decoder(), edit=with_bytes),
    "unigram_precompiled": unigram(metaspace, None, decoders.Metaspace(), edit=with_charsmap),
    "wordpiece": wordpiece(bert(), processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]",
                                                                special_tokens=[("[CLS]", 2), ("[SEP]", 3)])),
    "wordpiece_cased": wordpiece(bert(lowercase=False), processors.BertProcessing(cls["sep"], cls["cls"])),
    "wordpiece_accents": wordpiece(bert(strip_accents=False, handle_chinese_chars=False, clean_text=False),
                                   decoder=decoders.WordPiece(cleanup=False)),
    "wordpiece_short_words": wordpiece(bert(), edit=short_words),
    "wordlevel": of_kind(models.WordLevel(unk_token="<unk>"), trainers.WordLevelTrainer(vocab_size=200, special_tokens=SPECIAL, show_progress=False),
                         pre_tokenizers.Whitespace()),
    "roberta": trained(byte(add_prefix_space=False), post_processor=processors.RobertaProcessing(("</s>", 2), ("<s>", 1)), **wide),
    "bpe_decoder": trained(pre_tokenizers.WhitespaceSplit(), decoders.BPEDecoder(suffix="e"), size=200),
    "byte_level_normalizer": trained(None, decoders.ByteLevel(), normalizer=normalizers.ByteLevel(), byte_level=True),
    "strip_accents": trained(byte(False), normalizer=normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(),
                                                                          normalizers.Lowercase()]), **wide),
    "char_delimiter": trained(pre_tokenizers.Sequence([pre_tokenizers.CharDelimiterSplit("e"), byte(False, use_regex=False)]), **wide),
}
for name, step in {"nfd": normalizers.NFD(), "nfkc": normalizers.NFKC(), "nfkd": normalizers.NFKD(), "lowercase": normalizers.Lowercase(),
                   "nmt": normalizers.Nmt(), "strip": normalizers.Strip(), "strip_left": normalizers.Strip(True, False)}.items():
    VARIANTS[name] = trained(byte(False), normalizer=step, size=300, **wide)
for name, step in {"whitespace": pre_tokenizers.Whitespace(), "whitespace_split": pre_tokenizers.WhitespaceSplit(),
                   "punctuation": pre_tokenizers.Punctuation("merged_with_next"), "bert_pre_tokenizer": pre_tokenizers.BertPreTokenizer()}.items():
    VARIANTS[name] = trained(pre_tokenizers.Sequence([step, byte(False, use_regex=False)]), size=300, **wide)

ADDED = ["a <|left|> b", "  <|left|>\n<|left|> ", "a <|right|>  b", "<|right|><|right|> ", "word sword words word. _word word", "word",
         "<|a|><|b|>", "<|a|><|a|><|b|>x<|b|>", "日本語日本", "a  b   c", "\u00a0<|left|>", "a<|a|>b <|a|> c<|b|>d <|b|>", "Lily Lily xLily",
         "<s>a</s>b<unk>c", " <s> a </s>", "wordé wordʼ 日本word"]
generator = random.Random(5)
for name, tokenizer in VARIANTS.items():
    with open(f"variants/{name}.json", "w", encoding="utf-8") as out:
        out.write(tokenizer.to_str(pretty=False))
    vectors = encode_all(tokenizer, TEXTS + ADDED, add_special_tokens=True)
    write_vectors(f"variants/{name}.vectors", vectors)
    lists = [ids for _, ids in vectors[::5]]
    for _ in range(40):  # tokens in any order, where the characters come out whole
        ids = [generator.randrange(tokenizer.get_vocab_size()) for _ in range(generator.randint(1, 8))]
        if "\ufffd" not in tokenizer.decode(ids, skip_special_tokens=False):
            lists.append(ids)
    decoded = decode_all(tokenizer, lists)
    write_vectors(f"variants/{name}.decoded", [pair for pair in decoded if "\ufffd" not in pair[0]])
