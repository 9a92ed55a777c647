"""Writes golden_scaled.safetensors beside it: integer grids of all groups, scaled and micro-scaled floats, and bitsandbytes' types.

Usage: python make_golden_scaled.py [FOLDER]   (with the environment `scripts/peers formats`)
values: the weights; NAME.values: those of a format where they are others. NAME.PLANE: the planes of a format, NAME.RULE.PLANE: by
another scale rule, NAME.decoded: the weights that they stand for. ELEMENT.points, .values, .codes: small floats.
Where they come from:
  integer grids    scales and zeros in numpy by the rule of src/formats/integer_group.h, codes by compressed-tensors; _signed in numpy
  _float_zero      scales, zeros and codes in numpy and torch by HQQ's formula
  fp8_*            as in make_golden.py
  small floats     ml_dtypes: code points, and the codes of ties, their neighbours and others
  mxfp*            torchao's to_mx (floor, rceil, even)
  nvfp4            torchao's block scales (its scale divides, and is at least 2^-6: rows where that differs are numpy's), ml_dtypes' codes
  nvfp4_46         numpy and ml_dtypes, from the text of arXiv 2512.02010
  nf4, bnb_fp4     bitsandbytes' quantize_4bit; _dq: its rule without a processor's own code, in torch, with its map
"""
import sys
from pathlib import Path

import bitsandbytes.functional as bnb
import ml_dtypes
import numpy as np
import torch
from compressed_tensors.quantization import QuantizationArgs
from compressed_tensors.quantization.lifecycle.forward import quantize
from safetensors.numpy import save_file
from torchao.prototype.mx_formats.config import ScaleCalculationMode
from torchao.prototype.mx_formats.mx_tensor import to_mx
from torchao.prototype.mx_formats.nvfp4_tensor import nvfp4_quantize

import make_golden as base

K = 2 * base.K  # groups of 256, 128 and 64 end in shorter ones
f32 = np.float32
E2M1 = ml_dtypes.float4_e2m1fn
E4M3 = ml_dtypes.float8_e4m3fn


def values() -> np.ndarray:
    """The rows of make_golden.py, each followed by the next."""
    v = base.values()
    return np.concatenate([v, np.roll(v, -1, axis=0)], axis=1)


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Unsigned codes of rows, least significant bits first."""
    stream = codes.astype(np.uint8)[..., None] >> np.arange(bits, dtype=np.uint8) & 1
    return np.packbits(stream.reshape(len(codes), -1), axis=1, bitorder="little")


def integers(out: dict, name: str, bits: int, group: int, kind: str, tensor: bool = False) -> None:
    w = out["values"]
    n = len(w)
    middle, highest = 2 ** (bits - 1), 2**bits - 1
    lowest = 1 - middle if kind == "narrow" else -middle
    begins = range(0, K, group)
    scales = np.zeros((1 if tensor else n, len(begins)), np.float16)
    zeros = np.full((n, len(begins)), middle, np.int64)
    codes = np.zeros((n, K), np.int64)
    args = QuantizationArgs(num_bits=bits, symmetric=kind != "asym", strategy="channel")
    for g, begin in enumerate(begins):
        part = w[:, begin:begin + group]
        low, high = np.minimum(part.min(1), f32(0)), np.maximum(part.max(1), f32(0))
        if tensor:
            low, high = low.min(keepdims=True), high.max(keepdims=True)
        amax = np.maximum(high, -low)
        if kind == "asym":
            scale = (high - low) / f32(highest)
        elif kind == "signed":
            scale = np.where(high > -low, high, low) / f32(-middle)
        else:
            scale = amax / f32(middle - 1 if kind == "narrow" else middle - 0.5)
        scale = scale.astype(np.float16)
        empty = scale == 0
        scale[empty] = 1
        s = scale.astype(f32)
        scales[:, g] = scale
        if kind == "asym":
            zeros[:, g] = np.where(empty, 0, np.minimum(np.rint(-low / s), highest))
        ratio = np.where(empty[:, None], f32(0), part) / s[:, None]
        codes[:, begin:begin + group] = np.clip(np.rint(ratio) + zeros[:, g:g + 1], lowest + middle, highest)
        if kind == "signed":
            continue
        shifted = torch.from_numpy(zeros[:, g:g + 1] - middle).to(torch.int8)
        theirs = quantize(torch.from_numpy(np.where(empty[:, None], f32(0), part)), torch.from_numpy(np.broadcast_to(s, n)[:, None].copy()), shifted,
                          args, dtype=torch.int8).numpy().astype(np.int64) + middle
        # They round x / scale + zero, we round x / scale: at ties these differ where the zero is odd.
        tie = abs(ratio - np.floor(ratio) - 0.5) < 1e-5
        ours = codes[:, begin:begin + group]
        assert ((ours == np.maximum(theirs, lowest + middle)) | (tie & (zeros[:, g:g + 1] % 2 != middle % 2))).all(), name
    out[f"{name}.scales"] = scales
    out[f"{name}.codes"] = pack(codes, bits)
    if kind == "asym":
        out[f"{name}.zeros"] = pack(zeros, bits)


def all_integers(out: dict) -> None:
    integers(out, "int8_tensor", 8, K, "plain", tensor=True)
    for bits in (8, 7, 6, 5, 4, 3, 2):
        for group in (32, 64, 128, None) if bits > 4 else (16, 32, 64, 128, 256, None):
            name = f"int{bits}_" + (f"g{group}" if group else "row")
            in_files_alone = bits == 7 or (bits in (5, 6) and not group)
            for kind in ("plain", "asym") if in_files_alone else ("plain", "narrow", "signed", "asym"):
                full = name + ("" if kind == "plain" else f"_{kind}")
                if full not in base_names:
                    integers(out, full, bits, group or K, kind)


def float_zeros(out: dict) -> None:
    """Scales and zeros in numpy by the rule of src/formats/float_zero.h; codes and values by HQQ's formula with them."""
    w = out["values"]
    for bits, group in ((4, 32), (4, 64), (4, 128), (3, 64), (2, 32), (2, 64)):
        name = f"int{bits}_g{group}_float_zero"
        begins = range(0, K, group)
        scales = np.ones((len(w), len(begins)), np.float16)
        zeros = np.zeros((len(w), len(begins)), np.float16)
        codes = np.zeros((len(w), K), np.int64)
        decoded = np.zeros_like(w)
        for g, begin in enumerate(begins):
            part = w[:, begin:begin + group]
            low, high = np.minimum(part.min(1), f32(0)), np.maximum(part.max(1), f32(0))
            scale = ((high - low) / f32(2**bits - 1)).astype(np.float16)
            some = scale != 0
            scales[some, g] = scale[some]
            zeros[some, g] = (-low[some] / scale[some].astype(f32)).astype(np.float16)
            s, z = scales[:, g:g + 1].astype(f32), zeros[:, g:g + 1].astype(f32)
            code = torch.round(torch.from_numpy(part / s + z)).clamp(0, 2**bits - 1).numpy()
            codes[:, begin:begin + group] = code
            decoded[:, begin:begin + group] = (code - z) * s
        out[f"{name}.scales"], out[f"{name}.zeros"] = scales, zeros
        out[f"{name}.codes"], out[f"{name}.decoded"] = pack(codes, bits), decoded


def fp8(out: dict, name: str, rows: int, columns: int, dtype, largest: float) -> None:
    w = out["values"]
    n = len(w)
    scales = np.ones((-(-n // rows), -(-K // columns)), f32)
    codes = np.zeros((n, K), np.uint8)
    torch_dtype = torch.float8_e4m3fn if dtype is E4M3 else torch.float8_e5m2
    for r in range(scales.shape[0]):
        for c in range(scales.shape[1]):
            at = np.s_[r * rows:(r + 1) * rows, c * columns:(c + 1) * columns]
            scale = abs(w[at]).max() / f32(largest)
            if scale == 0:
                continue
            scales[r, c] = scale
            clamped = np.clip(w[at] / scale, f32(-largest), f32(largest))
            codes[at] = clamped.astype(dtype).view(np.uint8)
            theirs = torch.from_numpy(clamped).to(torch_dtype).view(torch.uint8).numpy()
            assert np.array_equal(codes[at], theirs), name
    spread = scales.repeat(rows, 0)[:n].repeat(columns, 1)[:, :K]
    out[f"{name}.scales"] = scales
    out[f"{name}.codes"] = codes.view(dtype)
    out[f"{name}.decoded"] = codes.view(dtype).astype(f32) * spread


def elements(out: dict) -> None:
    """As make_golden.py's e4m3, for the other small floats."""
    for name, dtype, bits, largest in (("e5m2", ml_dtypes.float8_e5m2, 8, 57344), ("e2m3", ml_dtypes.float6_e2m3fn, 6, 7.5),
                                       ("e3m2", ml_dtypes.float6_e3m2fn, 6, 28), ("e2m1", E2M1, 4, 6)):
        points = np.arange(2**bits, dtype=np.uint8).view(dtype).astype(f32)
        out[f"{name}.points"] = points
        ascending = points[:2 ** (bits - 1)]
        ascending = ascending[np.isfinite(ascending)]
        ties = (ascending[1:] + ascending[:-1]) / 2
        g = np.random.default_rng(4)
        x = np.concatenate([ascending, ties, np.nextafter(ties, f32(0)), np.nextafter(ties, f32(np.inf)), np.array([1e9, 3.4e38, 1e-42, 2.0**-149], f32),
                            (g.normal(0, largest, 300) * 2.0 ** g.integers(-20, 1, 300)).astype(f32)])
        x = np.concatenate([x, -x]).astype(f32)
        out[f"{name}.values"] = x
        out[f"{name}.codes"] = np.clip(x, -largest, largest).astype(dtype).view(np.uint8)
    out["e8m0.points"] = np.arange(256, dtype=np.uint8).view(ml_dtypes.float8_e8m0fnu).astype(f32)


def mx(out: dict) -> None:
    modes = {"": ScaleCalculationMode.FLOOR, ".rceil": ScaleCalculationMode.RCEIL, ".even": ScaleCalculationMode.EVEN}
    for name, dtype, points, bits, stored in (("mxfp8", torch.float8_e4m3fn, None, 8, E4M3), ("mxfp8_e5m2", torch.float8_e5m2, None, 8, ml_dtypes.float8_e5m2),
                                              ("mxfp6_e2m3", "fp6_e2m3", "e2m3.points", 6, None), ("mxfp6_e3m2", "fp6_e3m2", "e3m2.points", 6, None),
                                              ("mxfp4", torch.float4_e2m1fn_x2, "e2m1.points", 4, None)):
        for suffix, mode in modes.items():
            scales, codes = to_mx(torch.from_numpy(out["values"]), dtype, 32, mode)
            scales = scales.view(torch.uint8).numpy()
            codes = codes.view(torch.uint8).numpy()
            if bits == 4:  # pack_uint4: even in the low nibble
                codes = np.stack([codes & 15, codes >> 4], -1).reshape(-1, K)
            # torchao takes 2^-126 for e = 0; that is another scale than the one it stores
            exact = scales.repeat(32, 1) != 0
            out[f"{name}{suffix}.scales"] = scales.view(ml_dtypes.float8_e8m0fnu)
            with np.errstate(under="ignore"):
                factor = np.ldexp(f32(1), scales.repeat(32, 1).astype(np.int32) - 127)
            if not exact.all():
                assert (out["values"][~exact] == 0).all(), name  # no difference for zeros
            if suffix == "":
                number = codes.view(stored).astype(f32) if stored else out[points][codes]
                out[f"{name}.decoded"] = number * factor
            out[f"{name}{suffix}.codes"] = codes.view(stored) if stored else pack(codes, bits)


def e4m3_scales(wanted: np.ndarray) -> np.ndarray:
    return np.clip(wanted, f32(2.0**-9), f32(448)).astype(f32).astype(E4M3)


def nvfp4(out: dict) -> None:
    w = out["values"]
    blocks = w.reshape(len(w), -1, 16)
    amax = abs(blocks).max(-1)

    def encoded(scale):  # of blocks, by the product of both scales
        return np.clip(blocks / scale[..., None], f32(-6), f32(6)).astype(E2M1)

    def put(name, g, scales, codes):
        out[f"{name}.tensor_scale"] = np.array([g], f32)
        out[f"{name}.scales"] = scales
        out[f"{name}.codes"] = pack(codes.view(np.uint8).reshape(len(w), K), 4)
        out[f"{name}.decoded"] = ((scales.astype(f32) * g)[..., None] * codes.astype(f32)).reshape(w.shape)

    def invertible(g):  # its inverse can be stored as well
        return f32(1) / (f32(1) / g)

    g = invertible(f32(w.max() if w.max() > -w.min() else -w.min()) / f32(448 * 6))
    one = E4M3(1)
    scales = np.where(amax == 0, one, e4m3_scales(amax / f32(6) / g))
    theirs, packed = nvfp4_quantize(torch.from_numpy(w), 16, torch.tensor(g))
    theirs = theirs.view(torch.uint8).numpy().view(E4M3)
    above = theirs.astype(f32) > 2.0**-6
    assert np.array_equal(theirs[above].view(np.uint8), scales[above].view(np.uint8))
    codes = encoded(scales.astype(f32) * g)
    of_theirs = packed.numpy()
    of_theirs = np.stack([of_theirs & 15, of_theirs >> 4], -1).reshape(blocks.shape)
    assert (of_theirs == codes.view(np.uint8))[above].mean() > 0.999  # they multiply by a reciprocal
    put("nvfp4", g, scales, codes)

    g = invertible(f32(abs(w).max()) / f32(256 * 6))
    candidates = []
    for target in (6, 4):
        scale = np.where(amax == 0, one, e4m3_scales(amax / f32(target) / g))
        product = scale.astype(f32) * g
        codes = encoded(product)
        error = (product[..., None] * codes.astype(f32)).astype(np.float64) - blocks
        total = np.zeros(amax.shape)
        for i in range(16):
            total += error[..., i] ** 2
        candidates.append((scale, codes, total))
    (s6, c6, e6), (s4, c4, e4) = candidates
    four = (e4 < e6) & (amax != 0)
    assert 0.2 < four.mean() < 0.8
    put("nvfp4_46", g, np.where(four, s4, s6), np.where(four[..., None], c4.view(np.uint8), c6.view(np.uint8)).view(E2M1))


def bits_and_bytes(out: dict) -> None:
    nested_map = bnb.create_dynamic_map()
    out["dynamic_map.points"] = nested_map.numpy()
    for name, kind in (("nf4", "nf4"), ("bnb_fp4", "fp4")):
        number = bnb.get_4bit_type(kind, device="cpu")
        out[f"{name}.points"] = number.numpy()
        # 320 = 5 * 64; 90: blocks that cross rows, odd groups of them, a shorter last one
        for suffix, w in (("", out["values"]), ("_flat", out["values"][:, 150:241])):
            w = np.ascontiguousarray(w)
            packed, state = bnb.quantize_4bit(torch.from_numpy(w), quant_type=kind, blocksize=64)
            packed = packed.numpy().ravel()
            if kind == "fp4":  # code 8 is a second zero, which they give what rounds to it from above
                high, low = packed >> 4, packed & 15
                packed = np.where(high == 8, 0, high) << 4 | np.where(low == 8, 0, low)
            absmax = state.absmax.numpy()
            codes = np.stack([packed >> 4, packed & 15], -1).ravel()[:w.size]
            spread = absmax.repeat(64)[:w.size]
            out[f"{name}{suffix}.codes"] = packed.astype(np.uint8)
            out[f"{name}{suffix}.absmax"] = absmax
            out[f"{name}{suffix}.decoded"] = (number.numpy()[codes] * spread).reshape(w.shape)
            if suffix:
                out[f"{name}_flat.values"] = w
        double(out, name, kind, nested_map, number)


def double(out: dict, name: str, kind: str, nested_map: torch.Tensor, number: torch.Tensor) -> None:
    """Double quantization of more blocks than share a second-level scale."""
    w = (np.random.default_rng(7).normal(0, 0.05, (66, 320)) * np.geomspace(0.1, 3, 66)[:, None]).astype(f32)
    packed, state = bnb.quantize_4bit(torch.from_numpy(w), quant_type=kind, blocksize=64)
    absmax = state.absmax
    offset = f32(absmax.numpy().astype(np.float64).cumsum()[-1] / len(absmax))
    theirs = bnb.quantize_4bit(torch.from_numpy(w), quant_type=kind, blocksize=64, compress_statistics=True)[1]
    assert abs(theirs.offset.item() - offset) <= 2 * np.spacing(offset)
    rest = absmax - torch.tensor(offset)
    bounds = (nested_map[:-1] + nested_map[1:]) / 2
    scales, codes = [], []
    for part in rest.split(256):
        scale = part.abs().max()
        scales.append(scale)
        codes.append(torch.bucketize(torch.clamp(part * (1.0 / scale.clamp(min=1e-38)), -1, 1), bounds))
    codes = torch.cat(codes).to(torch.uint8)
    # their processor's code looks a table of 65536 up, which now and then takes a neighbour
    assert (theirs.absmax.int() - codes.int()).abs().max() <= 1 and (theirs.absmax != codes).float().mean() < 0.02
    full = f"{name}_dq"
    of_weights = packed.numpy().ravel()
    if kind == "fp4":
        high, low = of_weights >> 4, of_weights & 15
        of_weights = (np.where(high == 8, 0, high) << 4 | np.where(low == 8, 0, low)).astype(np.uint8)
    scales = torch.stack(scales)
    decoded_absmax = (nested_map[codes.long()] * scales.repeat_interleave(256)[:len(codes)] + torch.tensor(offset)).numpy()
    each = np.stack([of_weights >> 4, of_weights & 15], -1).ravel()
    out[f"{full}.values"] = w
    out[f"{full}.codes"] = of_weights
    out[f"{full}.absmax"] = codes.numpy()
    out[f"{full}.absmax_scales"] = scales.numpy()
    out[f"{full}.absmax_offset"] = np.array([offset], f32)
    out[f"{full}.decoded"] = (number.numpy()[each] * decoded_absmax.repeat(64)).reshape(w.shape)


base_names = {"int8_row", "int4_g32", "int4_g32_narrow", "int4_g32_asym", "int4_g128", "int4_g128_narrow", "int4_g128_asym", "int3_g128"}


def main(folder: Path) -> None:
    np.seterr(over="ignore")
    torch.set_num_threads(1)
    out = {"values": values()}
    all_integers(out)
    float_zeros(out)
    fp8(out, "fp8_e4m3_g128", 1, 128, E4M3, 448)
    fp8(out, "fp8_e4m3_block128", 128, 128, E4M3, 448)
    fp8(out, "fp8_e5m2_row", 1, K, ml_dtypes.float8_e5m2, 57344)
    elements(out)
    mx(out)
    nvfp4(out)
    bits_and_bytes(out)
    save_file({key: np.ascontiguousarray(out[key]) for key in sorted(out)}, folder / "golden_scaled.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
