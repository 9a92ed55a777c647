"""Decodes what `farthing convert` wrote by the formulas of the layouts, where no program that reads them runs without a GPU.

Usage: python decode_converted.py - FOLDER..., as load_converted.py has it; prints how many linears it found, and in how many weights
and static scales of inputs they differ from Farthing's. Sources of the layouts: AutoAWQ's gemv.py; vLLM's fp8.py and modelopt.py.
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import load_file

E2M1 = torch.tensor([0, .5, 1, 1.5, 2, 3, 4, 6, -0.0, -.5, -1, -1.5, -2, -3, -4, -6])


def nibbles(words):
    """I32 [rows, words] or U8 [rows, bytes] -> their nibbles, the lowest first."""
    octets = words.contiguous().view(torch.uint8)
    return torch.stack((octets & 15, octets >> 4), -1).flatten(1).long()


def awq_gemv(get, section):
    codes, size = nibbles(get("qweight")), section["group_size"]
    groups = codes.shape[1] // size
    zeros, scales = (part[:, :groups].repeat_interleave(size, 1) for part in (nibbles(get("qzeros")), get("scales").float()))
    return (codes - zeros) * scales


def one_scale(get, section):
    """FP8 with a scale for the tensor, or for each row."""
    return get("weight").float() * get("weight_scale").reshape(-1, 1)


def fp8_blocks(get, section):
    scales = get("weight_scale")
    assert scales.dim() == 4, scales.shape
    return get("weight").float() * scales[:, 0, :, 0].repeat_interleave(128, 0).repeat_interleave(128, 1)


def nvfp4(get, section):
    scales = get("weight_scale").float() * get("weight_scale_2")
    return E2M1[nibbles(get("weight"))] * scales.repeat_interleave(16, 1)


def mxfp8(get, section):
    return get("weight").float() * torch.exp2(get("weight_scale").float() - 127).repeat_interleave(32, 1)


ALGORITHMS = {"FP8": one_scale, "FP8_PER_CHANNEL_PER_TOKEN": one_scale, "FP8_PB_WO": fp8_blocks, "NVFP4": nvfp4, "W4A16_NVFP4": nvfp4,
              "MXFP8": mxfp8}


def decoder_of(section):
    if section["quant_method"] == "awq":
        assert section["version"] == "gemv", section
        return awq_gemv
    return one_scale if section["quant_method"] == "fp8" else ALGORITHMS[section["quant_algo"]]


def compare(folder):
    section = json.loads((folder / "converted/config.json").read_text())["quantization_config"]
    decode = decoder_of(section)
    stored, decoded, quantized = (load_file(folder / name / "model.safetensors") for name in ("converted", "decoded", "quantized"))
    linears = differing = 0
    for name, ours in decoded.items():
        if not name.endswith("_proj.weight"):
            continue
        module, linears = name.removesuffix(".weight"), linears + 1
        differing += int((decode(lambda part: stored[f"{module}.{part}"], section) != ours).sum())
        scale = quantized.get(f"{name}.input_scale")
        assert (scale is None) == (f"{module}.input_scale" not in stored), module
        if scale is not None:
            differing += int((stored[f"{module}.input_scale"].reshape(-1) != scale).sum())
    return {"program": section["quant_method"], "linears": linears, "differing": differing, "weights": 0.0}


if __name__ == "__main__":
    print(json.dumps([compare(pathlib.Path(folder)) for folder in sys.argv[2:]]))
