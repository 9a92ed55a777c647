"""Writes test vectors: a line of escaped text, a line of token ids, and so on."""


def escape(text):
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


def write_vectors(path, pairs):
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        for text, ids in pairs:
            out.write(escape(text) + "\n" + " ".join(map(str, ids)) + "\n")


def encode_all(tokenizer, texts, add_special_tokens=False):
    return [(text, tokenizer.encode(text, add_special_tokens=add_special_tokens).ids) for text in texts]


def decode_all(tokenizer, lists_of_ids):
    return [(tokenizer.decode(ids, skip_special_tokens=False), ids) for ids in lists_of_ids]
