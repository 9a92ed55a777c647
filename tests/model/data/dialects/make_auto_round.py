"""Writes the fixtures auto_round_*: packed by AutoRound's own layers.

Usage: python make_auto_round.py, with the environment auto-round of scripts/peers.
Small floats: scales by the package's rounding; values by elements and scales as they are stored, which agree with the rounding's.
"""
import torch
from auto_round.data_type.mxfp import quant_mx
from auto_round.data_type.nvfp import calculate_gparam, nv_fp4
from auto_round.export.export_to_autoround.qlinear_fp import QuantLinear as FloatLinear
from auto_round_extension.torch.qlinear_torch import QuantLinear as SecondVersion
from auto_round_extension.torch.qlinear_torch_zp import QuantLinear as FirstVersion

import tiny_llama


def fixture(name: str, packing_format: str, layer_type, symmetric: bool) -> None:
    """4 bits in groups of 32; down projections of 8 bits, values not quantized."""
    section = {"quant_method": "auto-round", "packing_format": packing_format, "bits": 4, "group_size": 32, "sym": symmetric,
               "data_type": "int", "autoround_version": "0.16.1", "block_name_to_quantize": "model.layers",
               "extra_config": {"model.layers.0.mlp.down_proj": {"bits": 8},
                                "model.layers.0.self_attn.v_proj": {"bits": 16, "data_type": "float"}}}
    tensors, expected = {}, {}
    for linear, weight in tiny_llama.weights().items():
        n, k = weight.shape
        if linear.endswith("v_proj"):
            tensors[f"{linear}.weight"] = weight.half()
            expected[linear] = ("f16@f32", weight.half().float())
            continue
        bits = 8 if linear.endswith("down_proj") else 4
        groups = weight.reshape(n, -1, 32)
        low, high = groups.amin(-1).clamp(max=0), groups.amax(-1).clamp(min=0)
        if symmetric:
            # AutoRound's full range: the extreme is the lowest code, whatever its sign.
            extreme = torch.where(-low > high, low, high)
            scales = (extreme / -2**(bits - 1)).half().float()
            zeros = torch.full_like(scales, 2**(bits - 1))
        else:
            scales = ((high - low) / (2**bits - 1)).half().float()
            zeros = torch.round(-low / scales).clamp(1, 2**bits - 1)
        source = torch.nn.Linear(k, n, bias=False)
        source.weight.data = weight.clone()
        layer = layer_type(bits, 32, k, n, False)
        layer.device = "cpu"
        layer.pack(source, scales, 2**(bits - 1) if symmetric else zeros.clone(), None, device="cpu")
        codes = torch.round(groups / scales[..., None] + zeros[..., None]).clamp(0, 2**bits - 1)
        values = (scales[..., None] * (codes - zeros[..., None])).reshape(n, k)
        tensors |= {f"{linear}.{part}": getattr(layer, part) for part in ("qweight", "qzeros", "scales")}
        expected[linear] = (f"int{bits}_g32{'' if symmetric else '_asym'}@f32", values)
    tiny_llama.write(name, section, tensors, expected)


ELEMENTS = torch.tensor([0, .5, 1, 1.5, 2, 3, 4, 6])


def float_fixture(name: str, data_type: str, bits: int, group: int, act_bits: int, act_data_type: str, scheme: str) -> None:
    """Values not quantized; down projections of mx_fp in 8 bits."""
    down, values_of = "model.layers.0.mlp.down_proj", "model.layers.0.self_attn.v_proj"
    section = {"quant_method": "auto-round", "packing_format": f"auto_round:{data_type}", "bits": bits, "group_size": group,
               "sym": True, "data_type": data_type, "act_bits": act_bits, "act_data_type": act_data_type, "act_group_size": group,
               "act_dynamic": True, "act_sym": True, "autoround_version": "0.16.1", "block_name_to_quantize": "model.layers",
               "extra_config": {values_of: {"bits": 16, "act_bits": 16, "data_type": "float"}}}
    if data_type == "mx_fp":
        section["extra_config"][".*down_proj"] = {"bits": 8, "act_bits": 8}
    tensors, expected = {}, {}
    for linear, weight in tiny_llama.weights().items():
        if linear == values_of:
            tensors[f"{linear}.weight"] = weight.bfloat16()
            expected[linear] = ("bf16@f32", weight.bfloat16().float())
            continue
        n, k = weight.shape
        eight = data_type == "mx_fp" and linear == down
        width, read_as = (8, "mxfp8@mxfp8") if eight else (bits, scheme)
        layer = FloatLinear(width, group, k, n, False, data_type=data_type, act_bits=act_bits)
        source = torch.nn.Linear(k, n, bias=False)
        source.weight.data = weight.clone()
        if data_type == "mx_fp":
            theirs, scales, _ = quant_mx(weight, width, group, data_type="mx_fp8" if eight else "mx_fp4")
            layer.pack(source, scales.reshape(n, -1), device="cpu")
            unit = torch.exp2(layer.weight_scale.float() - 127)
        else:
            one = calculate_gparam(weight, group)
            theirs, scales, _ = nv_fp4(weight, 4, group, global_scale=one)
            layer.pack(source, scales.reshape(n, -1), global_scale=one, input_global_scale=torch.tensor(250.), device="cpu")
            unit = layer.weight_scale.float() * (1 / layer.weight_global_scale)
        parts = {part: getattr(layer, part) for part in
                 ("weight_packed", "weight", "weight_scale", "weight_global_scale", "input_global_scale") if hasattr(layer, part)}
        if eight:
            elements = layer.weight.float()
        else:
            codes = torch.stack((layer.weight_packed & 15, layer.weight_packed >> 4), -1).flatten(1).long()
            elements = ELEMENTS[codes & 7] * torch.where(codes > 7, -1., 1.)
            parts.pop("weight", None)
        values = elements * unit.repeat_interleave(group, 1)
        assert torch.allclose(values, theirs, rtol=2**-22), linear
        expected[linear] = (read_as, values)
        tensors |= {f"{linear}.{part}": tensor for part, tensor in parts.items()}
    tiny_llama.write(name, section, tensors, expected, torch.bfloat16)


if __name__ == "__main__":
    float_fixture("auto_round_mxfp4", "mx_fp", 4, 32, 4, "mx_fp", "mxfp4@mxfp4")
    float_fixture("auto_round_nvfp4", "nv_fp", 4, 16, 4, "nv_fp4_with_static_gs", "nvfp4@nvfp4")
    fixture("auto_round_gptq", "auto_round:auto_gptq", FirstVersion, True)
    fixture("auto_round_gptq_asym", "auto_round:auto_gptq", FirstVersion, False)
    fixture("auto_round_asym", "auto_round", SecondVersion, False)
