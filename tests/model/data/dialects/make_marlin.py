"""Writes the fixtures gptq_marlin and marlin_row: an oracle in NumPy, as the package that packs this order needs a GPU.

Usage: python make_marlin.py, with the environment formats of scripts/peers.
The order is that of IST-DASLab/marlin, marlin/__init__.py, in its own steps: tiles of 16 x 16, a permutation of each 1024 codes, eight
codes in a word, permuted scales. Attention's 64 inputs are fewer than the kernel takes; the order is the same.
"""
import numpy as np
import torch

import tiny_llama


def order_of_codes() -> np.ndarray:
    """Of 1024 codes, four tiles of 16 x 16: which lies at each place."""
    out = []
    for lane in range(32):
        column, pair = lane // 4, 2 * (lane % 4)
        of_tile = [16 * row + column + 8 * block for block in (0, 1) for row in (pair, pair + 1, pair + 8, pair + 9)]
        for tile in range(4):
            out += [place + 256 * tile for place in of_tile]
    return np.array(out).reshape(-1, 8)[:, [0, 2, 4, 6, 1, 3, 5, 7]].ravel()


def packed(codes: np.ndarray) -> np.ndarray:
    """Codes [n, k] as I32 [k / 16, 2 n]."""
    n, k = codes.shape
    tiles = codes.T.reshape(k // 16, 16, n // 16, 16).transpose(0, 2, 1, 3).reshape(-1, 1024)
    nibbles = tiles[:, order_of_codes()].reshape(k // 16, 2 * n, 8).astype(np.uint32)
    words = np.zeros((k // 16, 2 * n), np.uint32)
    for i in range(8):
        words |= nibbles[:, :, i] << np.uint32(4 * i)
    return words.view(np.int32)


def permuted(scales: np.ndarray) -> np.ndarray:
    """Scales [groups, n]."""
    if len(scales) > 1:
        order = [i + 8 * j for i in range(8) for j in range(8)]
    else:
        order = [2 * i + j for i in range(4) for j in (0, 1, 8, 9, 16, 17, 24, 25)]
    return scales.reshape(-1, len(order))[:, order].reshape(scales.shape)


def fixture(name: str, inner: int, group: int, section: dict) -> None:
    tiny_llama.resize(64, inner)
    tensors, expected = {}, {}
    for linear, weight in tiny_llama.weights().items():
        w = weight.numpy()
        n, k = w.shape
        size = k if group == -1 else min(group, k)
        groups = w.reshape(n, -1, size)
        scales = (abs(groups).max(-1) / np.float32(7.5)).astype(np.float16).astype(np.float32)
        codes = np.clip(np.rint(groups / scales[..., None]), -8, 7).astype(np.int32)  # no zero has a sign
        values = (scales[..., None] * codes).astype(np.float32).reshape(n, k)
        tensors[f"{linear}.B"] = torch.from_numpy(packed((codes + 8).astype(np.uint32).reshape(n, k)))
        tensors[f"{linear}.s"] = torch.from_numpy(permuted(np.ascontiguousarray(scales.T)).astype(np.float16))
        tensors[f"{linear}.workspace"] = torch.zeros(n // 64, dtype=torch.int32)
        expected[linear] = ("int4_row@f32" if group == -1 else f"int4_g{group}@f32", torch.from_numpy(values))
    tiny_llama.write(name, section, tensors, expected)


if __name__ == "__main__":
    fixture("gptq_marlin", 256, 128, {"bits": 4, "group_size": 128, "desc_act": False, "sym": True, "lm_head": False,
                                      "quant_method": "gptq", "checkpoint_format": "marlin"})
    fixture("marlin_row", 128, -1, {"group_size": -1, "quant_method": "marlin"})
