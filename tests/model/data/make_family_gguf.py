"""Writes the GGUF file of each tiny model that make_families.py made, with the package gguf's names.

Usage: python make_family_gguf.py FAMILIES [f32]
FAMILIES/NAME/model.gguf is bf16 (vectors f32), or all f32, without a vocabulary. Names of tensors are the package's; which rows are moved, and
which gains have 1 added, is what llama.cpp expects of these architectures.
"""
import json
import re
import sys
from pathlib import Path

import gguf
import torch
from safetensors.torch import load_file

ARCHITECTURES = {"llama": "LLAMA", "qwen2": "QWEN2", "qwen3": "QWEN3", "gemma": "GEMMA", "gemma2": "GEMMA2",
                 "gemma3_text": "GEMMA3", "mixtral": "LLAMA", "qwen3_moe": "QWEN3MOE", "phi3": "PHI3", "gpt2": "GPT2", "gpt_neox": "GPTNEOX"}
# Nothing in GGUF says these: rope factors other than as a tensor, windows of single layers, the scale of scores, layers
# without experts.
LEFT_OUT = ("llama", "qwen2_window", "qwen2_yarn", "gemma2_scaled", "qwen3_moe")


def interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    return weight.reshape(heads, 2, -1, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def in_blocks(tensor: torch.Tensor, heads: int) -> torch.Tensor:
    return tensor.reshape(heads, 3, -1, *tensor.shape[1:]).swapaxes(0, 1).reshape(tensor.shape)


def with_stacked_experts(tensors: dict) -> dict:
    """GGUF holds all experts of a layer in one tensor."""
    stacks, out = {}, {}
    for name, tensor in tensors.items():
        found = re.fullmatch(r"(.*\.experts)\.(\d+)(\..*)", name)
        if found:
            stacks.setdefault(found[1] + found[3], {})[int(found[2])] = tensor
        else:
            out[name] = tensor
    return out | {name: torch.stack([parts[e] for e in range(len(parts))]) for name, parts in stacks.items()}


def metadata(writer: gguf.GGUFWriter, c: dict) -> None:
    arch = writer.arch
    hidden, heads = c.get("hidden_size") or c["n_embd"], c.get("num_attention_heads") or c["n_head"]
    layers = c.get("num_hidden_layers") or c["n_layer"]
    head_dim = c.get("head_dim") or hidden // heads
    writer.add_context_length(c.get("max_position_embeddings") or c["n_positions"])
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(c.get("intermediate_size") or 4 * hidden)
    writer.add_block_count(layers)
    writer.add_head_count(heads)
    writer.add_vocab_size(c["vocab_size"])
    rope = c.get("rope_parameters") or {}
    rope = rope.get("full_attention", rope)
    factor = rope.get("partial_rotary_factor", 1.0)
    if arch in ("gpt2", "gptneox"):
        writer.add_layer_norm_eps(c.get("layer_norm_eps") or c["layer_norm_epsilon"])
    else:
        writer.add_head_count_kv(c["num_key_value_heads"])
        writer.add_layer_norm_rms_eps(c["rms_norm_eps"])
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if arch != "gpt2":
        writer.add_rope_dimension_count(int(head_dim * factor))
        writer.add_rope_freq_base(rope.get("rope_theta", 10000.0))
    if rope.get("rope_type") == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    if arch == "gptneox":
        writer.add_parallel_residual(c["use_parallel_residual"])
    if arch in ("gemma2", "gemma3", "phi3"):
        writer.add_sliding_window(c["sliding_window"])
    if experts := c.get("num_local_experts") or c.get("num_experts"):
        writer.add_expert_count(experts)
        writer.add_expert_used_count(c["num_experts_per_tok"])
        if arch == "qwen3moe":
            writer.add_expert_feed_forward_length(c["moe_intermediate_size"])
    if arch == "gemma2":
        writer.add_attn_logit_softcapping(c["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(c["final_logit_softcapping"])


def write(folder: Path, f32: bool) -> None:
    c = json.loads((folder / "config.json").read_text())
    arch = ARCHITECTURES[c["model_type"]]
    kind = getattr(gguf.MODEL_ARCH, arch)
    heads = c.get("num_attention_heads") or c["n_head"]
    names = gguf.get_tensor_name_map(kind, c.get("num_hidden_layers") or c["n_layer"])
    writer = gguf.GGUFWriter(folder / "model.gguf", gguf.MODEL_ARCH_NAMES[kind])
    writer.add_tokenizer_model("none")
    metadata(writer, c)
    for name, tensor in with_stacked_experts(load_file(folder / "model.safetensors")).items():
        if arch == "LLAMA" and name.endswith(("q_proj.weight", "q_proj.bias")):
            tensor = interleaved(tensor, heads)
        if arch == "LLAMA" and name.endswith(("k_proj.weight", "k_proj.bias")):
            tensor = interleaved(tensor, c["num_key_value_heads"])
        if arch == "GPTNEOX" and "query_key_value" in name:
            tensor = in_blocks(tensor, heads)
        if arch == "GPT2" and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
            tensor = tensor.T
        if arch.startswith("GEMMA") and name.endswith("norm.weight"):
            tensor = tensor.float() + 1
        gguf_name = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if f32 or tensor.dim() == 1 or "ffn_gate_inp" in gguf_name:
            writer.add_tensor(gguf_name, tensor.float().contiguous().numpy())
        else:
            bits = tensor.contiguous().view(torch.int16).numpy()
            writer.add_tensor(gguf_name, bits.view("uint8"), raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    for config in sorted(Path(sys.argv[1]).glob("*/config.json")):
        model_type = json.loads(config.read_text())["model_type"]
        if model_type in ARCHITECTURES and config.parent.name not in LEFT_OUT:
            write(config.parent, sys.argv[2:] == ["f32"])
            print(config.parent.name)
