"""What llama.cpp and the package gguf read of a GGUF file.

Usage: python llama_cpp_tokens.py MODEL.gguf TEXTS      # packages llama-cpp-python, gguf
Prints llama.cpp's tokens of each line of TEXTS, with those that stand around a text. Exits with an error where gguf's reader
finds other tensors or tokens than llama.cpp.
"""
import ctypes
import sys
from pathlib import Path

import gguf
import llama_cpp.llama_cpp as l


def main(path: str, texts: str) -> None:
    quiet = l.llama_log_callback(lambda level, text, data: None)
    l.llama_log_set(quiet, ctypes.c_void_p(0))
    model = l.llama_model_load_from_file(path.encode(), l.llama_model_default_params())
    assert model, "llama.cpp does not load it"
    vocabulary = l.llama_model_get_vocab(model)
    reader = gguf.GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    assert fields["general.quantization_version"] == 2
    assert len(fields["tokenizer.ggml.tokens"]) == l.llama_vocab_n_tokens(vocabulary)
    assert len({tensor.name for tensor in reader.tensors}) == fields["GGUF.tensor_count"]
    for line in Path(texts).read_text().splitlines():
        text = line.encode()
        room = (l.llama_token * (len(text) + 8))()
        count = l.llama_tokenize(vocabulary, text, len(text), room, len(room), True, True)
        print(*room[:count])


if __name__ == "__main__":
    main(*sys.argv[1:])
