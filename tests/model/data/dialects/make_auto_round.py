"""Writes the fixtures auto_round_*: packed by AutoRound's own layers.

Usage: python make_auto_round.py, with the environment auto-round of scripts/peers.
"""
import torch
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


if __name__ == "__main__":
    fixture("auto_round_gptq", "auto_round:auto_gptq", FirstVersion, True)
    fixture("auto_round_gptq_asym", "auto_round:auto_gptq", FirstVersion, False)
    fixture("auto_round_asym", "auto_round", SecondVersion, False)
