"""Writes checksums of numpy's and ml_dtypes' conversions of 16-bit floats beside it.

Usage: python make_golden.py [FOLDER]
Each line: name, FNV-1a (64 bits) of the results as little-endian words. The inputs are those of dtype_test.cc.
"""

import sys
from pathlib import Path

import ml_dtypes
import numpy as np


def fnv1a(words: np.ndarray) -> str:
    digest = 0xCBF29CE484222325
    for byte in words.tobytes():
        digest = (digest ^ byte) * 0x100000001B3 % (1 << 64)
    return f"{digest:016x}"


def without_nan(bits: np.ndarray) -> np.ndarray:
    return bits[(bits & 0x7FFFFFFF) <= 0x7F800000]


def main(folder: Path) -> None:
    np.seterr(over="ignore")
    halves = np.arange(65536, dtype=np.uint16)
    finite = halves[(halves & 0x7FFF) < 0x7C00]
    # Every tie between neighbours of f16, and the floats beside it: a half's float plus half a step.
    base = finite.view(np.float16).astype(np.float64)
    step = np.ldexp(1.0, np.maximum(finite >> 10 & 31, 1).astype(np.int64) - 26)
    ties = (base + np.where(finite & 0x8000, -step, step)).astype(np.float32).view(np.uint32)
    around = np.stack([ties - 1, ties, ties + 1], axis=1).reshape(-1)
    top = halves.astype(np.uint32) << 16
    bf_around = without_nan(np.stack([top | 0x7FFF, top | 0x8000, top | 0x8001, top], axis=1).reshape(-1))
    lines = {
        "f32_from_f16": halves[(halves & 0x7FFF) <= 0x7C00].view(np.float16).astype(np.float32).view(np.uint32),
        "f16_from_f32": around.view(np.float32).astype(np.float16).view(np.uint16),
        "f16_from_top_bits": bf_around.view(np.float32).astype(np.float16).view(np.uint16),
        "bf16_from_f32": bf_around.view(np.float32).astype(ml_dtypes.bfloat16).view(np.uint16),
    }
    (folder / "half_floats.txt").write_text("".join(f"{k} {fnv1a(v)}\n" for k, v in lines.items()))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
