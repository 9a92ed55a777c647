"""Writes what the Python package tokenizers makes of the texts: NAME.vectors (no BOS) and NAME.decoded.

  make_json_vectors.py TOKENIZER.json NAME [SPECIAL_TOKEN ...]
"""
import random
import sys

import tokenizers
from texts import all_texts
from vectors import decode_all, encode_all, write_vectors

path, name, *special = sys.argv[1:]
tokenizer = tokenizers.Tokenizer.from_file(path)
vectors = encode_all(tokenizer, all_texts(special))
write_vectors(f"{name}.vectors", vectors)
generator = random.Random(11)
lists = [ids for _, ids in vectors[::6]]
lists += [[generator.randrange(tokenizer.get_vocab_size()) for _ in range(generator.randint(1, 8))] for _ in range(60)]
decoded = decode_all(tokenizer, lists)
write_vectors(f"{name}.decoded", [pair for pair in decoded if "\ufffd" not in pair[0]])
