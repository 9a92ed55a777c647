"""Compares llama.cpp's logits of the GGUF files of data/families with those that transformers gave for the same models.

Usage: python llama_cpp_families.py FAMILIES      # package llama-cpp-python
Prints the largest difference of each, relative to its largest logit; exits with 1 where one is above 1e-3.
"""
import ctypes
import sys
from pathlib import Path

import llama_cpp as l
import numpy as np


# llama.cpp knows DeepSeek V2 Lite, which has no latent vector of queries, by its 27 layers; it has no biases of DeepSeek V3;
# and the ends of YaRN's blend are whole pairs there, which gpt-oss's config.json (truncate) says they are not.
NOT_HERE = ("deepseek_v2_lite", "deepseek_v3", "gpt_oss")


def golden(path: Path) -> tuple[np.ndarray, np.ndarray]:
    import json
    import struct
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])

    def tensor(name: str, kind: str) -> np.ndarray:
        begin, end = header[name]["data_offsets"]
        return np.frombuffer(data[8 + size + begin:8 + size + end], kind).reshape(header[name]["shape"])
    return tensor("tokens", "<i4"), tensor("logits", "<f4")


def logits_of(path: Path, tokens: np.ndarray, vocabulary: int) -> np.ndarray:
    parameters = l.llama_model_default_params()
    model = l.llama_load_model_from_file(str(path).encode(), parameters)
    assert model, f"{path}: llama.cpp does not load it"
    options = l.llama_context_default_params()
    options.n_ctx = 256
    options.n_threads = options.n_threads_batch = 1
    options.type_k = options.type_v = 0  # f32
    options.flash_attn_type = 0
    context = l.llama_new_context_with_model(model, options)
    batch = l.llama_batch_init(len(tokens), 0, 1)
    batch.n_tokens = len(tokens)
    for i, token in enumerate(tokens):
        batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = int(token), i, 1, 1
        batch.seq_id[i][0] = 0
    assert l.llama_decode(context, batch) == 0
    rows = [np.ctypeslib.as_array(l.llama_get_logits_ith(context, i), (vocabulary,)).copy() for i in range(len(tokens))]
    l.llama_free(context)
    l.llama_free_model(model)
    return np.stack(rows)


def main(folder: Path) -> int:
    @l.llama_log_callback
    def quiet(level: int, text: bytes, data: ctypes.c_void_p) -> None:
        if level >= 4:
            sys.stderr.write(text.decode())
    l.llama_log_set(quiet, ctypes.c_void_p(0))
    worst = 0.0
    for path in sorted(folder.glob("*/model.gguf")):
        if path.parent.name in NOT_HERE:
            continue
        tokens, wanted = golden(path.parent / "golden.safetensors")
        got = logits_of(path, tokens, wanted.shape[1])
        difference = float(np.abs(got - wanted).max() / np.abs(wanted).max())
        print(f"{path.parent.name:16} {difference:.1e}", flush=True)
        worst = max(worst, difference)
    return 1 if worst > 1e-3 else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
