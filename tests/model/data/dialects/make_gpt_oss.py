"""Writes the fixture mxfp4_gpt_oss: the tiny gpt-oss of ../families with one layer and experts in MXFP4, decoded by transformers.

Usage: python make_gpt_oss.py, with the environment reference or gptqmodel of scripts/peers.
"""
import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

import tiny_llama

INNER = 64
ELEMENTS = torch.tensor([0, .5, 1, 1.5, 2, 3, 4, 6])


def blocks_of(stack: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[e, n, k] -> blocks U8 [e, n, k / 32, 16], scales U8 [e, n, k / 32]: OCP's rule for scales."""
    groups = stack.float().reshape(*stack.shape[:-1], -1, 32)
    exponents = torch.floor(torch.log2(groups.abs().amax(-1))) - 2
    scaled = groups / 2**exponents[..., None]
    codes = (scaled.abs()[..., None] - ELEMENTS).abs().argmin(-1) + 8 * (scaled < 0)
    return (codes[..., ::2] | codes[..., 1::2] << 4).to(torch.uint8), (exponents + 127).to(torch.uint8)


def main() -> None:
    family = Path(__file__).parent.parent / "families" / "gpt_oss"
    config = json.loads((family / "config.json").read_text())
    config |= {"num_hidden_layers": 1, "intermediate_size": INNER, "layer_types": config["layer_types"][:1]}
    generator = torch.Generator().manual_seed(5)
    tensors, expected = {}, {}
    for name, tensor in load_file(family / "model.safetensors").items():
        if ".layers.1." in name:
            continue
        if ".experts." not in name:
            tensors[name] = tensor
            continue
        n = 2 * INNER if "gate_up" in name else config["hidden_size"]
        if name.endswith("_bias"):
            tensors[name] = torch.randn((len(tensor), n), generator=generator).bfloat16()
            continue
        k = INNER if "down" in name else config["hidden_size"]
        blocks, scales = blocks_of(torch.randn((len(tensor), n, k), generator=generator))
        tensors |= {f"{name}_blocks": blocks, f"{name}_scales": scales}
        # transformers gives [e, k, n], as the file of floats has it.
        values = convert_moe_packed_tensors(blocks, scales, dtype=torch.float32).transpose(1, 2)
        stem, matrix = name.rsplit(".", 1)
        for e, of_expert in enumerate(values):
            expected[f"{stem}.{e}.{matrix}"] = ("mxfp4@f32", of_expert)
    for name, tensor in tensors.items():
        if name.endswith("_proj.weight") or name.endswith("router.weight"):
            expected[name.removesuffix(".weight")] = ("bf16@f32", tensor.float())
    section = {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router",
                                                                   "model.embed_tokens", "lm_head"]}
    tiny_llama.write_model("mxfp4_gpt_oss", config, section, tensors, expected)


if __name__ == "__main__":
    main()
