"""Writes golden_gguf.safetensors: what the package gguf and libggml make of GGUF's block types.

Usage: python make_golden_gguf.py [FOLDER] [--blocks COUNT] [--seed SEED]
TYPE.random, TYPE.random.decoded: random blocks of a type, and the values that the package gguf gives them; among the
blocks are the ends of their scales. weights: rows to encode; TYPE.blocks: the rows as the package gguf encodes them or,
of types that it only decodes, libggml (ggml_quantize_chunk, without importance; importance 1 where it demands one).
Run it with the interpreter of `scripts/peers --python llama-cpp`.
"""
import argparse
import ctypes
import importlib.util
import json
import struct
from pathlib import Path

import gguf
import numpy as np

# name: offsets of the halves of a block
TYPES = {
    "q5_0": (0,), "q5_1": (0, 2), "q2_k": (80, 82), "q3_k": (108,), "q4_k": (0, 2), "q5_k": (0, 2), "q6_k": (208,),
    "iq4_nl": (0,), "iq4_xs": (0,), "tq1_0": (52,), "tq2_0": (64,), "gguf_mxfp4": (), "gguf_nvfp4": (),
    "iq3_s": (0,), "iq3_xxs": (0,), "iq2_s": (0,), "iq2_xs": (0,), "iq2_xxs": (0,), "iq1_s": (0,), "iq1_m": (),
}
NEEDS_IMPORTANCE = ("iq2_xxs", "iq2_xs", "iq1_s", "iq1_m")
K = 512


def type_of(name: str) -> gguf.GGMLQuantizationType:
    return gguf.GGMLQuantizationType[name.removeprefix("gguf_").upper()]


def halves(count: int, g: np.random.Generator) -> np.ndarray:
    """The ends and zero first, as far as they fit, then scales of every size and sign."""
    ends = np.array([65504, 2.0**-24, -65504, 0, -(2.0**-24), 2.0**-14, 1023 * 2.0**-24], np.float16)
    others = (np.exp2(g.uniform(-14, 6, count)) * np.where(g.integers(0, 4, count) == 0, -1, 1)).astype(np.float16)
    others[1:min(count, len(ends)) + 1] = ends[:max(0, min(count - 1, len(ends)))]
    return others


def random_blocks(name: str, count: int, g: np.random.Generator) -> np.ndarray:
    size, width = gguf.GGML_QUANT_SIZES[type_of(name)]
    blocks = g.integers(0, 256, (count, width), dtype=np.uint8)
    for at in TYPES[name]:
        blocks[:, at:at + 2] = halves(count, g)[:, None].view(np.uint8)
    if name == "gguf_mxfp4":
        blocks[:, 0] = g.integers(0, 250, count)  # 2^(249 - 128) times 12 is still finite
        blocks[:3, 0] = 0, 1, 2
    if name == "gguf_nvfp4":
        blocks[:2, :4] = [[0, 1, 0x7e, 0x7f], [7, 8, 0x80, 0xff]]
    if name == "iq1_m":  # a half in the upper nibbles of four words
        bits = halves(count, g).view(np.uint16)
        for word in range(4):
            high = blocks[:, 49 + 2 * word]
            high[:] = (high & 0x0F) | ((bits >> (4 * word) & 15) << 4).astype(np.uint8)
    return blocks


def weights(g: np.random.Generator) -> np.ndarray:
    offset = g.normal(0, 0.02, K) + np.repeat(g.normal(0, 0.05, K // 32), 32)
    sparse = np.where(g.uniform(size=K) < 0.1, g.normal(0, 0.1, K), 0)
    sparse[256:320] = 0
    scales = np.repeat(np.exp2(g.uniform(-6, 0, K // 32)), 32)
    return np.stack([
        g.normal(0, 0.05, K), g.normal(0, 0.05, K), g.normal(0, 1, K),
        g.standard_t(2, K) * 0.02, g.standard_t(3, K) * 0.02, g.laplace(0, 0.03, K),
        g.uniform(-1, 1, K), offset, sparse, g.normal(0, 0.1, K) * scales,
        abs(g.normal(0, 0.05, K)), np.where(g.integers(0, 2, K) == 1, 0.3, -0.3),
    ]).astype(np.float32)


def libggml() -> ctypes.CDLL:
    folder = Path(importlib.util.find_spec("llama_cpp").origin).parent / "lib"
    lib = ctypes.CDLL(str(folder / "libggml-base.so"))
    lib.ggml_quantize_chunk.restype = ctypes.c_size_t
    lib.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
    return lib


def ggml_encoded(lib: ctypes.CDLL, name: str, rows: np.ndarray) -> np.ndarray:
    kind = type_of(name)
    size, width = gguf.GGML_QUANT_SIZES[kind]
    n, k = rows.shape
    rows = np.ascontiguousarray(rows)
    out = np.zeros((n, k // size * width), np.uint8)
    ones = np.ones(k, np.float32)
    importance = ones.ctypes.data if name in NEEDS_IMPORTANCE else None
    written = lib.ggml_quantize_chunk(int(kind), rows.ctypes.data, out.ctypes.data, 0, n, k, importance)
    assert written == out.size, name
    return out


def encoded(lib: ctypes.CDLL, name: str, rows: np.ndarray) -> np.ndarray:
    try:
        return gguf.quantize(rows, type_of(name))
    except NotImplementedError:
        return ggml_encoded(lib, name, rows)


def save(tensors: dict, path: Path) -> None:
    """safetensors, written here because that environment has no package for it."""
    header, at = {}, 0
    names = {np.dtype(np.uint8): "U8", np.dtype(np.float32): "F32"}
    order = sorted(tensors, key=lambda name: (tensors[name].dtype.itemsize == 1, name))  # floats stay aligned
    for name in order:
        t = tensors[name]
        header[name] = {"dtype": names[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + t.nbytes]}
        at += t.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            file.write(np.ascontiguousarray(tensors[name]).tobytes())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent)
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    lib = libggml()
    out = {"weights": weights(np.random.default_rng(arguments.seed))}
    for i, name in enumerate(TYPES):
        g = np.random.default_rng([arguments.seed, i])
        size, _ = gguf.GGML_QUANT_SIZES[type_of(name)]
        count = arguments.blocks if size == 256 else 2 * arguments.blocks
        blocks = random_blocks(name, count, g)
        decoded = gguf.dequantize(blocks, type_of(name))
        assert np.isfinite(decoded).all(), name
        out[f"{name}.random"] = blocks.reshape(1, -1)
        out[f"{name}.random.decoded"] = decoded.astype(np.float32).reshape(1, -1)
        out[f"{name}.blocks"] = encoded(lib, name, out["weights"])
    save(out, arguments.folder / "golden_gguf.safetensors")


if __name__ == "__main__":
    main()
