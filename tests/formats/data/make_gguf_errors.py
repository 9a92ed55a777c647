"""Writes gguf_errors.inc: the squared errors of libggml's encodings of ../shared/tensors/gpt2-attention.safetensors.

Usage: python make_gguf_errors.py TENSORS [FOLDER]
Of the first 64 rows of each tensor: the weighted sum (weights as in support/gguf_error.h) and the plain one, in double.
Run it with the interpreter of `scripts/peers --python llama-cpp`.
"""
import json
import struct
import sys
from pathlib import Path

import gguf
import numpy as np

from make_golden_gguf import TYPES, ggml_encoded, libggml, type_of

ROWS = 64
WITH_MINIMUM = {"q2_k": 16, "q4_k": 32, "q5_k": 32}
ALIKE = ("gguf_nvfp4", "iq3_s", "iq3_xxs", "iq2_s", "iq2_xs", "iq2_xxs", "iq1_s", "iq1_m")
BY_RULE = ("q5_0", "q5_1", "tq1_0", "tq2_0", "gguf_mxfp4")


def rows(path: Path) -> np.ndarray:
    raw = path.read_bytes()
    size, = struct.unpack("<Q", raw[:8])
    out = []
    for name, entry in sorted(json.loads(raw[8:8 + size]).items()):
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            out.append(np.frombuffer(raw[8 + size + begin:8 + size + end], np.float32).reshape(entry["shape"])[:ROWS])
    return np.concatenate(out)


def weights(name: str, x: np.ndarray) -> np.ndarray:
    if name in ALIKE:
        return np.ones_like(x)
    if name not in WITH_MINIMUM:
        return x**2
    parts = x.reshape(len(x), -1, WITH_MINIMUM[name])
    return (np.sqrt((parts**2).mean(-1, keepdims=True)) + abs(parts)).reshape(x.shape)


def main() -> None:
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent
    lib, x = libggml(), rows(Path(sys.argv[1]))
    exact = x.astype(np.float64)
    with open(folder / "gguf_errors.inc", "w") as out:
        out.write("// Made by make_gguf_errors.py: format, weighted and plain sum of squared errors of libggml's encoding.\n")
        for name in TYPES:
            if name in BY_RULE:
                continue
            miss = gguf.dequantize(ggml_encoded(lib, name, x), type_of(name)).astype(np.float64) - exact
            out.write(f'{{"{name}", {(weights(name, exact) * miss**2).sum():.9g}, {(miss**2).sum():.9g}}},\n')


if __name__ == "__main__":
    main()
