"""Writes the logits of a model by transformers, in f32: tokens i32 [tokens], logits f32 [tokens, vocabulary].

Usage: python make_golden.py MODEL TOKENS OUT.safetensors
MODEL is a Hugging Face directory or a GGUF file. The tokens are BOS and then random ones. stories260k.safetensors is
`make_golden.py models/stories260k 40 tests/model/data/stories260k.safetensors`.
"""
import os
import sys

import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import AutoModelForCausalLM


def main(path: str, count: int, out: str) -> None:
    torch.manual_seed(0)
    options = {"dtype": torch.float32, "attn_implementation": "eager"}
    if path.endswith(".gguf"):
        folder, file = os.path.split(path)
        model = AutoModelForCausalLM.from_pretrained(folder or ".", gguf_file=file, **options)
    else:
        model = AutoModelForCausalLM.from_pretrained(path, **options)
    tokens = np.random.default_rng(5).integers(0, model.config.vocab_size, count)
    tokens[0] = 1
    with torch.no_grad():
        logits = model.eval()(torch.from_numpy(tokens[None])).logits[0].numpy()
    save_file({"tokens": tokens.astype(np.int32), "logits": np.ascontiguousarray(logits)}, out)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
