"""Writes sentencepiece/: small models trained by the package sentencepiece, and what it makes of texts with them.

NAME.model, NAME.vectors, NAME.decoded; and rules.charsmap.base64, the character map of RULES as the package compiles it.
Run in this folder; the texts of training are those of texts.py and the first stories of data/tinystories.
"""
import base64
import io
import os
import pathlib
import random
import tempfile

import sentencepiece
from texts import CODE, DIGITS, PROSE, SPACES, WORLD, all_texts
from vectors import write_vectors

# Sequences that begin alike, rules that delete, that lengthen, and that make or remove spaces.
RULES = {"ﬁ": "fi", "ﬀ": "ff", "ﬃ": "ffi", "é": "e", "e\u0301": "E", "a\u0308": "ä", "\u00a0": " ", "\u3000": " ", "\t": " ", "\n": " ", "\r": "",
         "\u200b": "", "…": "...", "½": "1/2", "Ａ": "A", "Ｕ": "U", "ｗ": "w", "ab": "x", "abc": "y", "‼": "!!", "①": "1",
         "\u1100\u1161": "가", "🙂": ":)", "👍🏽": "+1", "👍": "like"}
stories = pathlib.Path("../../../data/tinystories/train.txt").read_text(encoding="utf-8").split("\n")[:400]
corpus = [line for line in stories + 3 * (PROSE + CODE + DIGITS + WORLD) if line and "\0" not in line]
random.Random(1).shuffle(corpus)


def trained(**options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(corpus), model_writer=model, num_threads=1, minloglevel=2,
                                             shuffle_input_sentence=False, **options)
    return model.getvalue()


def tsv(rules):
    path = tempfile.mktemp()
    with open(path, "w", encoding="utf-8") as out:
        for source, target in rules.items():
            out.write(" ".join(f"{ord(c):X}" for c in source) + "\t" + " ".join(f"{ord(c):X}" for c in target) + "\n")
    return path


def varint(data, at):
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def message_in(data, number):
    """The first field `number` of a message of Protocol Buffers, which is a text or a message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 2:
            length, at = varint(data, at)
            if key >> 3 == number:
                return data[at:at + length]
            at += length
        elif key & 7 == 0:
            _, at = varint(data, at)
        else:
            at += {1: 8, 5: 4}[key & 7]
    raise KeyError(number)


rules = tsv(RULES)
plain = dict(normalization_rule_name="identity", remove_extra_whitespaces=False)
MODELS = {
    "unigram": trained(vocab_size=500, normalization_rule_tsv=rules),
    "unigram_bytes": trained(vocab_size=700, byte_fallback=True, add_dummy_prefix=False, user_defined_symbols=["<sep>", "ll", "▁the"],
                             control_symbols=["<ctl>"], **plain),
    "unigram_spaces": trained(vocab_size=450, bos_id=-1, unk_id=3, eos_id=1, pad_id=0, **(plain | dict(remove_extra_whitespaces=True))),
    "bpe": trained(vocab_size=700, model_type="bpe", byte_fallback=True, split_digits=True, **plain),
    "bpe_unknown": trained(vocab_size=500, model_type="bpe", normalization_rule_tsv=rules, user_defined_symbols=["<sep>", "dog"]),
}
os.remove(rules)
os.makedirs("sentencepiece", exist_ok=True)
with open("sentencepiece/rules.charsmap.base64", "w") as out:
    out.write(base64.b64encode(message_in(message_in(MODELS["unigram"], 3), 2)).decode() + "\n")
texts = all_texts() + SPACES + ["a<sep>b", "<sep> a <sep><sep>", " <sep>x", "all <ctl> dogs", "the the  the", "abcdabcab", "hot dog", "ﬃ ﬁ"]
generator = random.Random(2)
for name, model in MODELS.items():
    pathlib.Path(f"sentencepiece/{name}.model").write_bytes(model)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    vectors = [(text, processor.encode(text)) for text in texts if "\0" not in text]
    write_vectors(f"sentencepiece/{name}.vectors", vectors)
    lists = [ids for _, ids in vectors[::3]]
    lists += [[generator.randrange(processor.vocab_size()) for _ in range(generator.randint(1, 8))] for _ in range(60)]
    decoded = [(processor.decode(ids), ids) for ids in lists if processor.unk_id() not in ids]
    write_vectors(f"sentencepiece/{name}.decoded", [pair for pair in decoded if "\ufffd" not in pair[0]])
