"""Writes golden_activations.safetensors beside it: what torch, torchao and numpy make of the same rows of activations.

Usage: python make_golden_activations.py [FOLDER]
x: the rows, f32 [m, k]. NAME: the values, f32 [m, k], that the activation format NAME rounds them to.
  bf16             torch's cast
  fp8_e4m3_*       scales amax / 448 in numpy; torch's cast to float8_e4m3fn of the clamped quotient, times the scale
  mxfp8, mxfp4     torchao's to_mx (floor) and its elements, times 2^(e - 127)
  nvfp4            scales by torch's cast to float8_e4m3fn, elements by ml_dtypes' float4_e2m1fn, over the scale .scale
  fp8_e4m3_static  torch's cast of the clamped quotient, times .scale
  int8_static*     compressed-tensors' fake_quantize with .scale and .zero (symmetric: codes of -128 become -127)
  int8_block32 ... numpy: scales amax / 127, codes rint(x * (127 / amax)), times the scale
"""
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import torch
from compressed_tensors.quantization import QuantizationArgs
from compressed_tensors.quantization.lifecycle.forward import fake_quantize
from safetensors.numpy import save_file
from torchao.prototype.mx_formats.config import ScaleCalculationMode
from torchao.prototype.mx_formats.kernels import f4_unpacked_to_f32, unpack_uint4
from torchao.prototype.mx_formats.mx_tensor import to_mx

K = 300  # a group of 256, two of 128 and nine of 32, each followed by a shorter one


def rows() -> np.ndarray:
    g = np.random.default_rng(3)
    outliers = g.standard_t(2, K)
    mixed = g.normal(0, 1, K)
    mixed[::3] = -0.0
    mixed[1::7] = 1e-42
    mixed[32:64] = 0
    ties = (g.integers(-12, 12, K) + 0.5) / 2
    ties[::32] = 6
    wide = g.normal(0, 1, K) * 2.0 ** g.integers(-30, 30, K)
    return np.stack([g.normal(0, 1, K), outliers, mixed, ties, wide]).astype(np.float32)


def groups(x: np.ndarray, size: int):
    """The groups of `size` along k, the last one padded with zeros."""
    padded = np.pad(x, ((0, 0), (0, -x.shape[1] % size)))
    return padded.reshape(x.shape[0], -1, size)


def flat(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values.reshape(values.shape[0], -1)[:, :K])


def fp8(x: np.ndarray, size: int) -> np.ndarray:
    g = groups(x, size)
    scale = abs(g).max(-1, keepdims=True) / np.float32(448)
    scale[scale == 0] = 1
    element = torch.from_numpy(np.clip(g / scale, -448, 448)).to(torch.float8_e4m3fn)
    return flat(scale * element.to(torch.float32).numpy())


def int8(x: np.ndarray, size: int) -> np.ndarray:
    g = groups(x, size)
    amax = abs(g).max(-1, keepdims=True)
    inverse = np.where(amax == 0, 0, np.float32(127) / np.where(amax == 0, 1, amax)).astype(np.float32)
    # whole numbers, as int8 holds them: no zero with a sign
    return flat(np.rint(g * inverse).astype(np.int8).astype(np.float32) * (amax / np.float32(127)))


def mx(x: np.ndarray, element: torch.dtype) -> np.ndarray:
    scales, codes = to_mx(torch.from_numpy(groups(x, 32).reshape(x.shape[0], -1)), element, 32, ScaleCalculationMode.FLOOR)
    if element == torch.float4_e2m1fn_x2:
        values = f4_unpacked_to_f32(unpack_uint4(codes))
    else:
        values = codes.to(torch.float32)
    scale = np.ldexp(np.float32(1), scales.view(torch.uint8).numpy().astype(np.int32) - 127).astype(np.float32)
    return flat(values.numpy().reshape(*scale.shape, 32) * scale[..., None])


def nvfp4(x: np.ndarray, g: np.float32) -> np.ndarray:
    blocks = groups(x, 16)
    amax = abs(blocks).max(-1, keepdims=True)
    block_scale = torch.from_numpy(np.clip(amax / np.float32(6) / g, 2.0**-9, 448)).to(torch.float8_e4m3fn).to(torch.float32).numpy()
    scale = np.where(amax == 0, np.float32(1), block_scale) * g
    element = np.clip(blocks / scale, -6, 6).astype(ml_dtypes.float4_e2m1fn).astype(np.float32)
    return flat(scale * element)


def static(out: dict, x: np.ndarray) -> None:
    """Parameters that clip some of the rows: of the first row's extremes."""
    amax = abs(x[0]).max()
    low, high = x[0].min(), x[0].max()
    fp8_scale, g, scale = (amax / np.float32(d) for d in (448, 2688, 127))
    out["fp8_e4m3_static.scale"] = np.array([fp8_scale])
    element = torch.from_numpy(np.clip(x / fp8_scale, -448, 448)).to(torch.float8_e4m3fn)
    out["fp8_e4m3_static"] = fp8_scale * element.to(torch.float32).numpy()
    out["nvfp4.scale"] = np.array([g])
    out["nvfp4"] = nvfp4(x, g)
    asym_scale = (high - low) / np.float32(255)
    zero = np.clip(np.rint(np.float32(-128) - low / asym_scale), -128, 127).astype(np.int8)
    for name, s, z, symmetric in (("int8_static", scale, np.int8(0), True), ("int8_static_asym", asym_scale, zero, False)):
        arguments = QuantizationArgs(num_bits=8, type="int", strategy="tensor", symmetric=symmetric)
        values = fake_quantize(torch.from_numpy(x), torch.tensor([s]), torch.tensor([z]), arguments).numpy()
        out[name] = np.maximum(values, -127 * s) if symmetric else values
        out[name] += np.float32(0)  # no zero with a sign, as whole numbers have none
        out[name + ".scale"] = np.array([s])
        if not symmetric:
            out[name + ".zero"] = np.array([z])


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    x = rows()
    out = {
        "x": x,
        "bf16": torch.from_numpy(x).to(torch.bfloat16).to(torch.float32).numpy(),
        "int8_block32": int8(x, 32),
        "int8_block256": int8(x, 256),
        "int8_token": int8(x, K),
        "fp8_e4m3_token": fp8(x, K),
        "fp8_e4m3_g128": fp8(x, 128),
        "mxfp8": mx(x, torch.float8_e4m3fn),
        "mxfp4": mx(x, torch.float4_e2m1fn_x2),
    }
    static(out, x)
    save_file(out, folder / "golden_activations.safetensors")


main()
