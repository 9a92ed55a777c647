"""Writes the fixtures gptq_*: packed by GPTQModel, decoded by it.

Usage: python make_gptq.py, with the environment gptqmodel of scripts/peers.
GPTQModel decodes in half precision; expected.json has the same product in f32, where it is exact, and the script checks that
both agree once rounded.
"""
import torch
from gptqmodel.nn_modules.qlinear.torch import TorchLinear
from gptqmodel.quantization.config import FORMAT, QuantizeConfig
from gptqmodel.utils.model import convert_gptq_v2_to_v1_format_module

import tiny_llama


def quantized(weight: torch.Tensor, bits: int, group: int, symmetric: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """scales f16-exact [n, groups] and whole zeros [n, groups]."""
    n, k = weight.shape
    groups = weight.reshape(n, -1, k if group == -1 else min(group, k))
    low, high = groups.amin(-1).clamp(max=0), groups.amax(-1).clamp(min=0)
    if symmetric:
        amax = torch.maximum(-low, high)
        scales = (2 * amax / (2**bits - 1)).half().float()
        return scales, torch.full_like(scales, 2**(bits - 1))
    scales = ((high - low) / (2**bits - 1)).half().float()
    # A zero of 0 has no place in version 1.
    return scales, torch.round(-low / scales).clamp(1, 2**bits - 1)


def packed(name: str, weight: torch.Tensor, bits: int, group: int, symmetric: bool, form: FORMAT,
           order: torch.Tensor | None = None) -> tuple[dict, torch.Tensor]:
    """The tensors of a linear, and its values. `order`: the group of each input."""
    n, k = weight.shape
    size = k if group == -1 else group
    g_idx = torch.arange(k, dtype=torch.int32) // size if order is None else order
    by_group = weight[:, torch.argsort(g_idx.long(), stable=True)]
    scales, zeros = quantized(by_group, bits, group, symmetric)
    layer = TorchLinear(bits=bits, group_size=group, sym=symmetric, desc_act=order is not None, in_features=k,
                        out_features=n, format=form)
    linear = torch.nn.Linear(k, n, bias=False)
    linear.weight.data = weight.clone()
    layer.pack_original(linear, scales, zeros, g_idx)
    layer.post_init()
    theirs = layer.dequantize_weight().T  # half
    codes = torch.round(weight / scales[:, g_idx.long()] + zeros[:, g_idx.long()]).clamp(0, 2**bits - 1)
    ours = scales[:, g_idx.long()] * (codes - zeros[:, g_idx.long()])
    assert torch.equal(ours.half(), theirs.half()), name
    if form == FORMAT.GPTQ:
        layer.qzero_format(format=2)
        convert_gptq_v2_to_v1_format_module(layer, QuantizeConfig(bits=bits, group_size=group))
    return {f"{name}.{part}": getattr(layer, part).clone() for part in ("qweight", "qzeros", "scales", "g_idx")}, ours


def fixture(name: str, bits: int, group: int, symmetric: bool, form: FORMAT, scheme: str, dynamic: dict | None = None,
            overrides=lambda linear: None, order=lambda linear, k: None, side_file: str = "") -> None:
    """`overrides`: of a linear, (bits, group, symmetric, scheme), or "plain"."""
    section = {"bits": bits, "group_size": group, "sym": symmetric, "desc_act": False, "quant_method": "gptq",
               "checkpoint_format": form.value, "lm_head": False, "pack_dtype": "int32"}
    if dynamic:
        section["dynamic"] = dynamic
    if side_file:
        for key in ("quant_method", "checkpoint_format", "pack_dtype"):
            del section[key]  # as AutoGPTQ wrote it
    tensors, expected = {}, {}
    for linear, weight in tiny_llama.weights().items():
        special = overrides(linear)
        if special == "plain":
            tensors[f"{linear}.weight"] = weight.half()
            expected[linear] = ("f16@f32", weight.half().float())
            continue
        b, g, s, as_scheme = special or (bits, group, symmetric, scheme)
        order_of = order(linear, weight.shape[1])
        section["desc_act"] |= order_of is not None
        parts, values = packed(linear, weight, b, g, s, form, order_of)
        tensors |= parts
        expected[linear] = (as_scheme + "@f32", values)
    tiny_llama.write(name, section, tensors, expected, side_file=side_file)


def by_activation(name: str, bits: int, symmetric: bool, form: FORMAT) -> None:
    """The 160 inputs of down projections in five groups of any order; the one group of the others has none."""
    inputs = torch.randperm(160, generator=torch.Generator().manual_seed(5))
    groups = torch.empty(160, dtype=torch.int32)
    groups[inputs] = torch.arange(160, dtype=torch.int32) // 32
    is_down = lambda linear: linear.endswith("down_proj")
    fixture(name, bits, 32, symmetric, form, f"int{bits}_g32{'' if symmetric else '_asym'}",
            overrides=lambda linear: (bits, 32, symmetric, f"int{bits}_g32_act_order") if is_down(linear) else None,
            order=lambda linear, k: groups if is_down(linear) else None)


def main() -> None:
    fixture("gptq_int4_g32", 4, 32, True, FORMAT.GPTQ, "int4_g32")
    fixture("gptq_int4_g32_asym_v1", 4, 32, False, FORMAT.GPTQ, "int4_g32_asym", side_file="quantize_config.json")
    fixture("gptq_int4_row_asym_v2", 4, -1, False, FORMAT.GPTQ_V2, "int4_row_asym")
    fixture("gptq_int3_g32_asym_v1", 3, 32, False, FORMAT.GPTQ, "int3_g32_asym")
    fixture("gptq_int2_g16_v2", 2, 16, True, FORMAT.GPTQ_V2, "int2_g16")
    fixture("gptq_int5_g32_planar", 5, 32, False, FORMAT.GPTQ_P, "int5_g32_asym")
    by_activation("gptq_int4_g32_act_order", 4, True, FORMAT.GPTQ)
    by_activation("gptq_int3_g32_asym_act_order", 3, False, FORMAT.GPTQ)
    by_activation("gptq_int2_g32_act_order_v2", 2, True, FORMAT.GPTQ_V2)
    by_activation("gptq_int8_g32_asym_act_order_v2", 8, False, FORMAT.GPTQ_V2)
    fixture("gptq_dynamic", 4, 32, False, FORMAT.GPTQ_V2, "int4_g32_asym",
            {"+:.*\\.down_proj": {"bits": 8, "group_size": 32, "sym": True}, "-:.*\\.v_proj": {}},
            lambda linear: (8, 32, True, "int8_g32") if linear.endswith("down_proj")
            else "plain" if linear.endswith("v_proj") else None)
    tiny_llama.resize(16, 1024)
    fixture("gptq_int4_g512", 4, 512, True, FORMAT.GPTQ, "int4_g256")


if __name__ == "__main__":
    main()
