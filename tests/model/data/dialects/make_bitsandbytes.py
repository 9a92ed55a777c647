"""Writes the fixtures bitsandbytes_*: quantized, stored and decoded by the package.

Usage: python make_bitsandbytes.py, with the environment formats of scripts/peers.
Blocks are those of the flattened matrix. The package's code for processors takes rows below 64 for blocks of their own when
it decodes (version 0.50.2), so it is given rows of 64.
"""
import bitsandbytes.functional as bnb
import torch

import tiny_llama


def four_bits(kind: str, nested: bool) -> None:
    section = {"quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False, "bnb_4bit_quant_type": kind,
               "bnb_4bit_use_double_quant": nested, "bnb_4bit_quant_storage": "uint8", "llm_int8_threshold": 6.0,
               "llm_int8_skip_modules": None, "bnb_4bit_compute_dtype": "float32"}
    tensors, expected = {}, {}
    for linear, weight in tiny_llama.weights().items():
        packed, state = bnb.quantize_4bit(weight, blocksize=64, quant_type=kind, compress_statistics=nested)
        stored = state.as_dict(packed=True)
        state.shape = torch.Size((weight.numel() // 64, 64))
        values = bnb.dequantize_4bit(packed, state).float().reshape(weight.shape)
        tensors[f"{linear}.weight"] = packed
        tensors |= {f"{linear}.weight.{part}": tensor for part, tensor in stored.items()}
        scheme = ("nf4" if kind == "nf4" else "bnb_fp4") + ("_dq" if nested else "")
        expected[linear] = (f"{scheme}@f32", values)
    tiny_llama.write(f"bitsandbytes_{kind}{'_nested' if nested else ''}", section, tensors, expected, torch.float32)


def eight_bits(threshold: float, activations: str) -> None:
    section = {"quant_method": "bitsandbytes", "load_in_8bit": True, "load_in_4bit": False, "llm_int8_threshold": threshold}
    tensors, expected = {}, {}
    for linear, weight in tiny_llama.weights().items():
        codes, absmax, _ = bnb.int8_vectorwise_quant(weight.half())
        absmax = absmax.float()
        values = codes.float() * (absmax / 127)[:, None]
        # The package multiplies by the absmax first.
        assert torch.allclose(values, bnb.int8_vectorwise_dequant(codes, absmax), rtol=2**-22)
        tensors |= {f"{linear}.weight": codes, f"{linear}.SCB": absmax,
                    f"{linear}.weight_format": torch.tensor(0, dtype=torch.uint8)}
        expected[linear] = (f"int8_row@{activations}", values)
    tiny_llama.write(f"bitsandbytes_int8{'' if threshold else '_no_outliers'}", section, tensors, expected)


if __name__ == "__main__":
    four_bits("nf4", False)
    four_bits("nf4", True)
    four_bits("fp4", False)
    eight_bits(6.0, "f32")
    eight_bits(0.0, "int8_token")
