"""Writes golden_packing.safetensors beside it: the same codes as other packages, and numpy by other formulas, pack them.

Usage: python make_golden_packing.py [FOLDER]
codes (zeros): unsigned 8-bit codes [128, 32] ([128, 3]); a packing of `bits` bits has their lower bits, as PACKING.bits.
ragged: [5, 37], no multiple of anything, as PACKING.ragged.bits. bitsandbytes.codes: of its own, see there.
compressed_tensors: by the package. bitsandbytes: by the package, from values that its table holds. gptq and awq: the formulas
for one code. awq_gemv_fast.codes: of its own, in the steps of AutoAWQ's pack_intweight. gptq_planar, compressed_tensors_legacy: lists of bits, and sums. marlin: the permutation of 1024 codes.
"""
import sys
from pathlib import Path

import bitsandbytes.functional as bnb
import numpy as np
import torch
from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32, unpack_from_int32
from safetensors.numpy import save_file

N, K, GROUPS = 128, 32, 3
EVEN_THEN_ODD = [0, 2, 4, 6, 1, 3, 5, 7]


def words(bits: np.ndarray) -> np.ndarray:
    """Words of a last dimension of single bits, the lowest first."""
    return np.packbits(bits.astype(np.uint8), axis=-1, bitorder="little").view(np.int32)


def fields(codes: np.ndarray, bits: int) -> np.ndarray:
    """The single bits of each code, the lowest first, in one last dimension."""
    return (codes[..., None].astype(np.int64) >> np.arange(bits) & 1).reshape(*codes.shape[:-1], -1)


def gptq(codes: np.ndarray, bits: int) -> np.ndarray:
    """Along the first dimension; where a word holds whole codes, code i is (word[i // c] >> i % c * bits)."""
    if 32 % bits != 0:
        return words(fields(codes.T, bits)).T
    per_word = 32 // bits
    out = np.zeros((len(codes) // per_word, codes.shape[1]), np.int64)
    for i, row in enumerate(codes.astype(np.int64)):
        out[i // per_word] |= row << i % per_word * bits
    return out.astype(np.uint32).view(np.int32)


def planar(codes: np.ndarray, bits: int) -> np.ndarray:
    """Along the last dimension, 32 codes at a time: the bits 0-3, then the next two, then the last one, as far as there are such."""
    planes = {2: [2], 3: [2, 1], 4: [4], 5: [4, 1], 6: [4, 2], 7: [4, 2, 1], 8: [8]}[bits]
    run = codes.reshape(*codes.shape[:-1], -1, 32).astype(np.int64)
    parts, below = [], 0
    for width in planes:
        parts.append(words(fields(run >> below & (1 << width) - 1, width)))
        below += width
    return np.concatenate(parts, -1).reshape(*codes.shape[:-1], -1)


def awq(codes: np.ndarray) -> np.ndarray:
    """[rows, n]: nibble i of word c is column 8c + EVEN_THEN_ODD[i]."""
    out = np.zeros((len(codes), codes.shape[1] // 8), np.int64)
    for i, column in enumerate(EVEN_THEN_ODD):
        out |= codes[:, column::8].astype(np.int64) << 4 * i
    return out.astype(np.uint32).view(np.int32)


def awq_gemv_fast(out: dict) -> None:
    """Within 32 inputs, then eight, then four rows."""
    codes = np.random.default_rng(3).integers(0, 16, (8, 192), dtype=np.uint8)
    n, k = codes.shape
    packed = codes.astype(np.int64).reshape(n, k // 32, 4, 4, 2).transpose(0, 1, 3, 2, 4).reshape(n, k // 32, 4, 4, 2)
    packed = packed.transpose(0, 1, 2, 4, 3).reshape(n // 4, 4, k // 64, 64).transpose(0, 2, 1, 3).reshape(n // 4, k // 64, 64, 4)
    out["awq_gemv_fast.codes"] = codes
    out["awq_gemv_fast.4"] = (packed << np.arange(4) * 4).sum(-1).reshape(n // 4, k).astype(np.uint16).view(np.int16)


def legacy(codes: np.ndarray, bits: int) -> np.ndarray:
    """Along the last dimension, 32 // bits codes in a word, as compressed-tensors 0.15 has it."""
    per_word = 32 // bits
    padded = np.pad(codes, ((0, 0), (0, -codes.shape[1] % per_word))).reshape(len(codes), -1, per_word)
    return (padded.astype(np.int64) << np.arange(per_word) * bits).sum(-1).astype(np.uint32).view(np.int32)


def compressed_tensors(codes: np.ndarray, bits: int, along: int) -> np.ndarray:
    signed = torch.from_numpy((codes.astype(np.int64) - 2 ** (bits - 1)).astype(np.int8))
    packed = pack_to_int32(signed, bits, along)
    if along == 1:  # 0.20 cannot unpack one word along the first dimension
        assert torch.equal(unpack_from_int32(packed, bits, signed.shape), signed)
    return packed.numpy()


def marlin_permutation(bits: int) -> np.ndarray:
    """Where each of 1024 codes comes from, of four 16 x 16 tiles [k, n] one after another."""
    lane, tile, block, row = np.meshgrid(np.arange(32), np.arange(4), [0, 1], np.arange(4), indexing="ij")
    k = 2 * (lane % 4) + row % 2 + 8 * (row // 2)
    n = lane // 4 + 8 * block
    together = [0, 2, 1, 3] if bits == 8 else EVEN_THEN_ODD
    return (256 * tile + 16 * k + n).reshape(-1, len(together))[:, together].ravel()


def marlin(codes: np.ndarray, bits: int) -> np.ndarray:
    tiles = codes.T.reshape(K // 16, 16, N // 16, 16).transpose(0, 2, 1, 3).reshape(-1, 1024)
    return words(fields(tiles[:, marlin_permutation(bits)].reshape(K // 16, -1), bits))


def marlin_zeros(zeros: np.ndarray, bits: int) -> np.ndarray:
    exchange = [i + 8 * j for i in range(8) for j in range(8)]
    together = [0, 2, 1, 3] if bits == 8 else EVEN_THEN_ODD
    permuted = zeros.T.reshape(-1, 64)[:, exchange].reshape(-1, len(together))[:, together]
    return words(fields(permuted.reshape(zeros.shape[1], -1), bits))


def bitsandbytes(out: dict) -> None:
    """NF4 of the table's own values; each block of 64 starts with the one whose value is 1."""
    codes = np.random.default_rng(2).integers(0, 16, (6, 64), dtype=np.uint8)
    codes[:, 0] = 15
    for name, shape in (("bitsandbytes", (12, 32)), ("bitsandbytes.ragged", (3, 21))):
        part = codes.ravel()[:np.prod(shape)].reshape(shape)
        table = bnb.get_4bit_type("nf4", device="cpu")
        packed, state = bnb.quantize_4bit(table[torch.from_numpy(part.astype(np.int64))], blocksize=64, quant_type="nf4")
        values = bnb.dequantize_4bit(packed, state)
        assert np.array_equal(np.abs(values.numpy()[..., None] - table.numpy()).argmin(-1), part)
        out[f"{name}.codes"] = part
        out[f"{name}.4"] = packed.numpy()
        if part.size % 2 != 0:  # the package fills it with the code of 0, which is not the same in every table; ours is 0
            out[f"{name}.4"][-1] &= 0xF0


def main(folder: Path) -> None:
    random = np.random.default_rng(1)
    out = {"codes": random.integers(0, 256, (N, K), dtype=np.uint8), "zeros": random.integers(0, 256, (N, GROUPS), dtype=np.uint8),
           "ragged": random.integers(0, 256, (5, 37), dtype=np.uint8)}
    for bits in range(1, 9):
        codes, zeros, ragged = (out[name] & (1 << bits) - 1 for name in ("codes", "zeros", "ragged"))
        add = {f"compressed_tensors.{bits}": compressed_tensors(codes, bits, 1),
               f"compressed_tensors.ragged.{bits}": compressed_tensors(ragged, bits, 1),
               f"compressed_tensors_zeros.{bits}": compressed_tensors(zeros, bits, 0),
               f"compressed_tensors_zeros.ragged.{bits}": compressed_tensors(ragged, bits, 0),
               f"compressed_tensors_legacy.{bits}": legacy(codes, bits),
               f"compressed_tensors_legacy.ragged.{bits}": legacy(ragged, bits),
               f"compressed_tensors_legacy_zeros.{bits}": legacy(zeros.T, bits).T,
               f"compressed_tensors_legacy_zeros.ragged.{bits}": legacy(ragged.T, bits).T}
        if bits > 1:
            add[f"gptq_planar.{bits}"] = planar(codes, bits).T
            add[f"gptq_planar_zeros.{bits}"] = planar(zeros.T, bits)
        if bits in (2, 3, 4, 8):
            add[f"gptq.{bits}"] = gptq(codes.T, bits)
            add[f"gptq_v2_zeros.{bits}"] = gptq(zeros, bits).T
            add[f"gptq_v1_zeros.{bits}"] = gptq(np.maximum(zeros, 1) - 1, bits).T  # of 1 where the code is 0
        if bits in (4, 8):
            add[f"marlin.{bits}"] = marlin(codes, bits)
            add[f"marlin_zeros.{bits}"] = marlin_zeros(zeros, bits)
        if bits == 4:
            add["awq.4"] = awq(codes.T)
            add["awq_zeros.4"] = awq(zeros.T)
        out.update(add)
    bitsandbytes(out)
    awq_gemv_fast(out)
    save_file({key: np.ascontiguousarray(out[key]) for key in sorted(out)}, folder / "golden_packing.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
