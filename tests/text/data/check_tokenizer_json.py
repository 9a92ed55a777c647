"""Exits with 1 unless the package tokenizers gives the tokens of a file of vectors.

  check_tokenizer_json.py TOKENIZER.json NAME.vectors
"""
import re
import sys

import tokenizers

tokenizer = tokenizers.Tokenizer.from_file(sys.argv[1])
# The vectors of SentencePiece, which does not look for special tokens in texts.
tokenizer.encode_special_tokens = "llama-spm" in sys.argv[2]
with open(sys.argv[2], encoding="utf-8", newline="\n") as file:
    lines = file.read().split("\n")
wrong = 0
for text, ids in zip(lines[::2], lines[1::2]):
    text = re.sub(r"\\(.)", lambda match: {"n": "\n", "r": "\r"}.get(match[1], match[1]), text)
    found = tokenizer.encode(text, add_special_tokens=False).ids
    if found != [int(id) for id in ids.split()]:
        wrong += 1
        print(f"{text!r}: {found}, wanted {ids}")
print(f"{len(lines) // 2} texts, {wrong} wrong")
sys.exit(1 if wrong or len(lines) < 400 else 0)
