"""Writes the vocabulary of a GGUF file as the text that tests/text/support/fixtures.cc reads.

  make_vocabularies.py MODEL.gguf OUT.vocabulary
"""
import sys

import gguf


def main(source, target):
    fields = gguf.GGUFReader(source).fields

    def value(name):
        field = fields.get("tokenizer.ggml." + name)
        return None if field is None else field.contents()

    with open(target, "w", encoding="utf-8", newline="\n") as out:
        for name in ("model", "pre", "bos_token_id", "eos_token_id", "unknown_token_id", "add_bos_token", "add_eos_token",
                     "add_space_prefix"):
            if value(name) is not None:
                item = value(name)
                out.write(f"{name} {int(item) if isinstance(item, bool) else item}\n")
        tokens, types, scores = value("tokens"), value("token_type"), value("scores")
        out.write(f"tokens {len(tokens)}\n")
        for i, token in enumerate(tokens):
            assert "\n" not in token and "\t" not in token
            # A normal token (type 1) of a byte-level vocabulary is the line alone.
            out.write((f"{types[i]}\t" if types[i] != 1 or scores else "") + (f"{scores[i]:g}\t" if scores else "") + token + "\n")
        merges = value("merges") or []
        out.write(f"merges {len(merges)}\n")
        out.writelines(merge + "\n" for merge in merges)


main(*sys.argv[1:])
