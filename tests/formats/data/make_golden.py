"""Writes golden.safetensors beside it: what numpy, ml_dtypes, gguf and compressed-tensors make of the same weights.

Usage: python make_golden.py [FOLDER]
values, float_values: the weights. FORMAT.PLANE: the planes of a format, FORMAT.decoded: the weights that they stand for. int8_*: values as activations.
Own formats (int*): scales and zeros by the rule of src/formats/integer_group.h in numpy, codes, packing and decoded
values by compressed-tensors with these scales and zeros. fp8: scales in numpy, codes by ml_dtypes and compressed-tensors.
"""
import sys
from pathlib import Path

import gguf
import ml_dtypes
import numpy as np
import torch
from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32
from compressed_tensors.quantization import QuantizationArgs
from compressed_tensors.quantization.lifecycle.forward import dequantize, quantize
from safetensors.numpy import save_file

K = 160  # five blocks of 32; a group of 128 and a shorter one


def ties(step: float, extreme: float, generator: np.random.Generator) -> np.ndarray:
    """Values half-way between two codes; each block of 32 starts with the extreme, so that the scale is `step`."""
    row = (generator.integers(-7, 7, K) + 0.5) * step
    row[::32] = extreme
    return row


def one_rounding_differs() -> np.ndarray:
    """A block whose Q4_0 codes would change if x / d + 8.5 were rounded once instead of twice."""
    g = np.random.default_rng(0)
    while True:
        x = g.normal(0, 0.05, (20000, 32)).astype(np.float32)
        extreme = np.take_along_axis(x, abs(x).argmax(-1, keepdims=True), -1)
        inverse = 1 / (extreme / np.float32(-8))
        twice = np.trunc(x * inverse + np.float32(8.5))
        once = np.trunc((x.astype(np.float64) * inverse + 8.5).astype(np.float32))
        found = (twice != once).any(1)
        if found.any():
            return x[found][0]


def values() -> np.ndarray:
    g = np.random.default_rng(1)
    outliers = g.standard_t(2, K) * 0.02
    positive = g.uniform(0.01, 0.9, K)
    both = g.normal(0, 0.3, K)
    both[0::32], both[1::32] = -1.5, 1.5
    other_way = g.normal(0, 0.3, K)
    other_way[0::32], other_way[1::32] = 1.5, -1.5
    single = np.zeros(K)
    single[3::32] = [0.7, -0.7, 1e-3, -5.0, 33.0]
    mixed = g.normal(0, 0.05, K)
    mixed[::3] = -0.0
    mixed[1::7] = 1e-42
    roundings = g.normal(0, 0.05, K)
    roundings[64:96] = one_rounding_differs()
    rows = [
        g.normal(0, 0.05, K),                  # as weights are
        roundings,
        outliers,                              # heavy tails
        np.zeros(K),
        positive,
        -positive,
        ties(0.25, 1.875, g),                  # of amax / 7.5
        ties(0.25, -2.0, g),                   # of Q4_0
        ties(2.0**-10, 127 * 2.0**-10, g),     # of Q8_0
        ties(2.0**-7, 127.5 * 2.0**-7, g),     # of int8, amax / 127.5
        g.normal(0, 1, K) * 1e-7,              # scales among the subnormal halves
        g.normal(0, 1, K) * 1e-12,             # scales that round to zero
        both,                                  # two extremes of one magnitude, the negative one first
        other_way,
        g.uniform(-60000, 60000, K),
        np.full(K, 0.3),
        single,
        mixed,                                 # negative zeros, subnormal floats
    ]
    return np.stack(rows).astype(np.float32)


def float_values() -> np.ndarray:
    """Floats within the range of halves: ties of both 16-bit types, subnormal halves, signed zeros."""
    g = np.random.default_rng(2)
    halves = g.integers(0, 0x7BFF, 2 * K, dtype=np.uint16).view(np.float16).astype(np.float64)
    ties_f16 = ((halves[:K] + np.nextafter(halves[:K].astype(np.float16), np.float16(np.inf)).astype(np.float64)) / 2)
    bits = halves[K:].astype(np.float32).view(np.uint32) & 0xFFFF0000
    ties_bf16 = (bits | 0x8000).view(np.float32)
    tiny = (g.normal(0, 1, K) * 1e-6).astype(np.float32)
    tiny[:4] = [0.0, -0.0, 1e-42, -1e-42]
    sign = np.where(g.integers(0, 2, (3, K)) == 1, -1, 1)
    return (np.stack([ties_f16, ties_bf16, tiny]) * sign).astype(np.float32)


def floats(out: dict) -> None:
    w = out["float_values"]
    for name, stored, peer in [("f32", w, None), ("f16", w.astype(np.float16), torch.float16),
                               ("bf16", w.astype(ml_dtypes.bfloat16), torch.bfloat16)]:
        decoded = stored.astype(np.float32)
        if peer is not None:
            assert np.array_equal(torch.from_numpy(w).to(peer).float().numpy().view(np.uint32), decoded.view(np.uint32))
        out[f"{name}.weight"] = stored
        out[f"{name}.decoded"] = decoded


def gguf_blocks(out: dict) -> None:
    for kind in ("Q4_0", "Q4_1", "Q8_0"):
        type_id = gguf.GGMLQuantizationType[kind]
        blocks = gguf.quantize(out["values"], type_id)
        out[f"{kind.lower()}.blocks"] = blocks
        out[f"{kind.lower()}.decoded"] = gguf.dequantize(blocks, type_id)


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Signed codes, LSB first: by compressed-tensors where a 32-bit word holds them without a gap."""
    if 32 % bits == 0:
        return pack_to_int32(torch.from_numpy(codes), bits).numpy().view(np.uint8)
    unsigned = (codes.astype(np.int64) + 2 ** (bits - 1))[..., None] >> np.arange(bits) & 1
    return np.packbits(unsigned.reshape(len(codes), -1).astype(np.uint8), axis=1, bitorder="little")


def own(out: dict, name: str, bits: int, group: int, asymmetric: bool = False, narrow: bool = False) -> None:
    w = out["values"]
    n = len(w)
    begins = range(0, K, group)
    middle, highest = 2 ** (bits - 1), 2**bits - 1
    scales = np.zeros((n, len(begins)), np.float16)
    zeros = np.full((n, len(begins)), middle, np.int64)
    codes = np.zeros((n, K), np.int8)  # signed, as compressed-tensors has them
    decoded = np.zeros_like(w)
    args = QuantizationArgs(num_bits=bits, symmetric=not asymmetric, strategy="channel")
    for g, begin in enumerate(begins):
        part = w[:, begin:begin + group]
        low, high = np.minimum(part.min(1), 0), np.maximum(part.max(1), 0)
        steps = np.float32(highest) if asymmetric else np.float32(middle - 1 if narrow else middle - 0.5)
        scale = ((high - low if asymmetric else np.maximum(high, -low)) / steps).astype(np.float16)
        empty = scale == 0
        scale[empty] = 1
        s = scale.astype(np.float32)
        if asymmetric:
            zeros[:, g] = np.where(empty, 0, np.minimum(np.rint(-low / s), highest))
        shifted = torch.from_numpy(zeros[:, g:g + 1] - middle).to(torch.int8)
        s = torch.from_numpy(s[:, None])
        x = torch.from_numpy(np.where(empty[:, None], np.float32(0), part))
        theirs = quantize(x, s, shifted, args, dtype=torch.int8)
        # They round x / scale + zero, we round x / scale: at ties these differ where the zero is odd.
        ratio = x / s
        ours = (torch.round(ratio) + shifted).clamp(1 - middle if narrow else -middle, middle - 1).to(torch.int8)
        tie = ((ratio - torch.floor(ratio)) - 0.5).abs() < 1e-5
        # the narrow grid never uses the lowest code, theirs may
        assert bool(((ours == theirs.clamp(min=1 - middle if narrow else -middle)) | (tie & (shifted % 2 != 0))).all()), name
        scales[:, g] = scale
        codes[:, begin:begin + group] = ours.numpy()
        decoded[:, begin:begin + group] = dequantize(ours, s, shifted, args, dtype=torch.float32).numpy()
    out[f"{name}.scales"] = scales
    out[f"{name}.codes"] = pack(codes, bits)
    out[f"{name}.decoded"] = decoded
    if asymmetric:  # LSB first along the groups, an odd count ends in a zero nibble
        padded = np.pad(zeros, ((0, 0), (0, zeros.shape[1] % 2))).astype(np.uint8)
        out[f"{name}.zeros"] = padded[:, 0::2] | padded[:, 1::2] << 4


def e4m3(out: dict) -> None:
    """Every code point, and numbers with the codes that are nearest to them: all ties, their neighbours, the ends, and others."""
    points = np.arange(256, dtype=np.uint8).view(ml_dtypes.float8_e4m3fn).astype(np.float32)
    out["e4m3.points"] = points
    ascending = points[:127]  # 0 to 448
    ties = (ascending[1:] + ascending[:-1]) / 2
    g = np.random.default_rng(3)
    x = np.concatenate([ascending, ties, np.nextafter(ties, np.float32(0)), np.nextafter(ties, np.float32(np.inf)),
                        np.array([464, 1e9, 3.4e38, 1e-42, 2.0**-149], np.float32),
                        (g.normal(0, 1, 500) * 2.0 ** g.integers(-12, 9, 500)).astype(np.float32)])
    x = np.concatenate([x, -x]).astype(np.float32)
    out["e4m3.values"] = x
    # ml_dtypes makes NaN of what is too large; torch and we saturate where a scale is chosen for the largest
    out["e4m3.codes"] = np.clip(x, -448, 448).astype(ml_dtypes.float8_e4m3fn).view(np.uint8)


def fp8(out: dict, name: str, rows: int, columns: int) -> None:
    """One f32 scale for each block of rows x columns; codes by ml_dtypes, and again by compressed-tensors."""
    w = out["values"]
    n = len(w)
    scales = np.ones((-(-n // rows), -(-K // columns)), np.float32)
    codes = np.zeros((n, K), np.uint8)
    args = QuantizationArgs(num_bits=8, type="float", symmetric=True, strategy="tensor")
    for r in range(scales.shape[0]):
        for c in range(scales.shape[1]):
            at = np.s_[r * rows:(r + 1) * rows, c * columns:(c + 1) * columns]
            scale = abs(w[at]).max() / np.float32(448)
            if scale == 0:
                continue
            scales[r, c] = scale
            codes[at] = np.clip(w[at] / scale, -448, 448).astype(ml_dtypes.float8_e4m3fn).view(np.uint8)
            theirs = quantize(torch.from_numpy(w[at]), torch.tensor([scale]), torch.zeros(1), args, dtype=torch.float8_e4m3fn)
            # they add a zero point, which makes the quotient -0 (code 0x80) 0
            with_one_zero = [np.where(c == 0x80, 0, c) for c in (theirs.view(torch.uint8).numpy(), codes[at])]
            assert np.array_equal(*with_one_zero), name
    spread = scales.repeat(rows, 0)[:n].repeat(columns, 1)[:, :K]
    out[f"{name}.scales"] = scales
    out[f"{name}.codes"] = codes.view(ml_dtypes.float8_e4m3fn)
    out[f"{name}.decoded"] = codes.view(ml_dtypes.float8_e4m3fn).astype(np.float32) * spread


def int8_rows(out: dict, name: str, size: int) -> None:
    """Activations: one f32 scale, amax / 127, for `size` elements of a row; repeated for each block of 32."""
    x = out["values"].reshape(-1, size)
    amax = abs(x).max(1, keepdims=True)
    inverse = np.where(amax == 0, np.float32(0), np.float32(127) / np.where(amax == 0, np.float32(1), amax))
    out[f"{name}.codes"] = np.rint(x * inverse).astype(np.int8).reshape(-1, K)
    out[f"{name}.scales"] = (amax / np.float32(127)).repeat(size // 32, 1).reshape(-1, K // 32)


def main(folder: Path) -> None:
    np.seterr(over="ignore")
    out = {"values": values(), "float_values": float_values()}
    floats(out)
    gguf_blocks(out)
    own(out, "int8_row", 8, K)
    for group in (32, 128):
        own(out, f"int4_g{group}", 4, group)
        own(out, f"int4_g{group}_narrow", 4, group, narrow=True)
        own(out, f"int4_g{group}_asym", 4, group, asymmetric=True)
    own(out, "int3_g128", 3, 128)
    e4m3(out)
    n = len(out["values"])
    fp8(out, "fp8_e4m3_row", 1, K)
    fp8(out, "fp8_e4m3_tensor", n, K)  # parts that no line of the registry composes yet
    fp8(out, "fp8_e4m3_g32", 1, 32)
    fp8(out, "fp8_e4m3_8x128", 8, 128)
    int8_rows(out, "int8_block32", 32)
    int8_rows(out, "int8_token", K)
    # Values that a format holds need no second copy.
    del out["f32.decoded"]
    save_file({key: np.ascontiguousarray(out[key]) for key in sorted(out)}, folder / "golden.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
