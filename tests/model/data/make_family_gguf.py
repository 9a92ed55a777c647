"""Writes the GGUF file of each tiny model that make_families.py made, with the package gguf's names.

Usage: python make_family_gguf.py FAMILIES [f32]
FAMILIES/NAME/model.gguf is bf16 (vectors f32), or all f32, without a vocabulary; quantized.gguf of those in QUANTIZED has the experts' matrices
in that type where their rows are whole blocks. Names of tensors are the package's; which rows are moved, and
which gains have 1 added, is what llama.cpp expects of these architectures.
"""
import json
import math
import re
import sys
from pathlib import Path

import gguf
import gguf.quants
import torch
from safetensors.torch import load_file

ARCHITECTURES = {"llama": "LLAMA", "qwen2": "QWEN2", "qwen3": "QWEN3", "gemma": "GEMMA", "gemma2": "GEMMA2",
                 "gemma3_text": "GEMMA3", "mixtral": "LLAMA", "qwen3_moe": "QWEN3MOE", "phi3": "PHI3", "gpt2": "GPT2", "gpt_neox": "GPTNEOX",
                 "gpt_oss": "GPT_OSS", "deepseek_v2": "DEEPSEEK2", "deepseek_v3": "DEEPSEEK2"}
# Nothing in GGUF says these: windows of single layers, the scale of scores, layers without experts, two scales of YaRN.
LEFT_OUT = ("qwen2_window", "gemma2_scaled", "qwen3_moe", "deepseek_v2")
# Those that hold keys and values of the latent vector apart, as newer converters write them.
SPLIT_LATENT = ("deepseek_v2_one_scale", "deepseek_v3_plain")
QUANTIZED = {"mixtral": "Q8_0", "gpt_oss_plain": "MXFP4"}


def interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    return weight.reshape(heads, 2, -1, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def in_blocks(tensor: torch.Tensor, heads: int) -> torch.Tensor:
    return tensor.reshape(heads, 3, -1, *tensor.shape[1:]).swapaxes(0, 1).reshape(tensor.shape)


def llama3_divisors(rope: dict, dim: int) -> torch.Tensor:
    """What the converter writes of Llama 3.1's scaling: by how much each pair's frequency is divided."""
    out = []
    for i in range(dim // 2):
        wave = 2 * math.pi * rope["rope_theta"] ** (2 * i / dim)
        length, low, high = (rope[k] for k in ("original_max_position_embeddings", "low_freq_factor", "high_freq_factor"))
        smooth = min(max((length / wave - low) / (high - low), 0.0), 1.0)
        out.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return torch.tensor(out)


def with_split_experts(tensors: dict) -> dict:
    """gpt-oss: gate and up apart, matrices [experts, n, k]."""
    out = {}
    for name, tensor in tensors.items():
        stem, _, last = name.rpartition(".")
        if not stem.endswith("experts"):
            out[name] = tensor
        elif last == "gate_up_proj":
            out[stem + ".gate_proj.weight"] = tensor[..., ::2].transpose(1, 2)
            out[stem + ".up_proj.weight"] = tensor[..., 1::2].transpose(1, 2)
        elif last == "gate_up_proj_bias":
            out[stem + ".gate_proj.bias"], out[stem + ".up_proj.bias"] = tensor[..., ::2], tensor[..., 1::2]
        elif last == "down_proj":
            out[stem + ".down_proj.weight"] = tensor.transpose(1, 2)
        else:
            out[stem + ".down_proj.bias"] = tensor
    return out


def with_split_latent(tensors: dict, c: dict) -> dict:
    """DeepSeek: a head's keys [rank, keys] and values [values, rank] in tensors of their own."""
    out = {}
    for name, tensor in tensors.items():
        if not name.endswith("kv_b_proj.weight"):
            out[name] = tensor
            continue
        heads = tensor.reshape(c["num_attention_heads"], c["qk_nope_head_dim"] + c["v_head_dim"], -1)
        out[name.replace("kv_b_proj", "k_b_proj")] = heads[:, :c["qk_nope_head_dim"]].transpose(1, 2)
        out[name.replace("kv_b_proj", "v_b_proj")] = heads[:, c["qk_nope_head_dim"]:]
    return out


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


def rope_scaling(writer: gguf.GGUFWriter, c: dict, rope: dict, dim: int) -> None:
    kind = rope.get("rope_type")
    if kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    if kind == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        writer.add_rope_scaling_yarn_beta_fast(rope["beta_fast"])
        writer.add_rope_scaling_yarn_beta_slow(rope["beta_slow"])
        if "mscale_all_dim" in rope:
            writer.add_rope_scaling_yarn_log_mul(0.1 * rope["mscale_all_dim"])
    if kind == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_divisors(rope, dim).numpy())
    if kind == "longrope":
        original = rope["original_max_position_embeddings"]
        factor = c["max_position_embeddings"] / original
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(factor) / math.log(original)))
        for length in ("short", "long"):
            writer.add_tensor(f"rope_factors_{length}.weight", torch.tensor(rope[length + "_factor"]).numpy())


def latent_metadata(writer: gguf.GGUFWriter, c: dict, split: bool) -> None:
    own = c["qk_nope_head_dim"] + c["qk_rope_head_dim"], c["v_head_dim"]
    writer.add_head_count_kv(1 if split else c["num_attention_heads"])
    writer.add_kv_lora_rank(c["kv_lora_rank"])
    if c["q_lora_rank"]:
        writer.add_q_lora_rank(c["q_lora_rank"])
    if split:
        writer.add_key_length_mla(own[0])
        writer.add_value_length_mla(own[1])
    writer.add_key_length(c["kv_lora_rank"] + c["qk_rope_head_dim"] if split else own[0])
    writer.add_value_length(c["kv_lora_rank"] if split else own[1])
    writer.add_leading_dense_block_count(c.get("first_k_dense_replace", 0))
    writer.add_expert_feed_forward_length(c["moe_intermediate_size"])
    writer.add_expert_count(c["n_routed_experts"])
    writer.add_expert_used_count(c["num_experts_per_tok"])
    writer.add_expert_shared_count(c["n_shared_experts"])
    writer.add_expert_weights_scale(c["routed_scaling_factor"])
    sigmoid = c["model_type"] == "deepseek_v3"
    writer.add_expert_weights_norm(bool(c.get("norm_topk_prob")))
    writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID if sigmoid else gguf.ExpertGatingFuncType.SOFTMAX)
    if sigmoid:
        writer.add_expert_group_count(c["n_group"])
        writer.add_expert_group_used_count(c["topk_group"])


def metadata(writer: gguf.GGUFWriter, c: dict, split: bool) -> None:
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
    elif arch == "deepseek2":
        head_dim = c["qk_rope_head_dim"]
        writer.add_layer_norm_rms_eps(c["rms_norm_eps"])
        latent_metadata(writer, c, split)
    else:
        writer.add_head_count_kv(c["num_key_value_heads"])
        writer.add_layer_norm_rms_eps(c["rms_norm_eps"])
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if arch != "gpt2":
        writer.add_rope_dimension_count(int(head_dim * factor))
        writer.add_rope_freq_base(rope.get("rope_theta", 10000.0))
    rope_scaling(writer, c, rope, int(head_dim * factor))
    if arch == "gptneox":
        writer.add_parallel_residual(c["use_parallel_residual"])
    if arch in ("gemma2", "gemma3", "phi3", "gpt-oss") and c.get("sliding_window"):
        writer.add_sliding_window(c["sliding_window"])
    if arch == "gpt-oss":
        writer.add_expert_feed_forward_length(c["intermediate_size"])
    if experts := c.get("num_local_experts") or c.get("num_experts"):
        writer.add_expert_count(experts)
        writer.add_expert_used_count(c["num_experts_per_tok"])
        if arch == "qwen3moe":
            writer.add_expert_feed_forward_length(c["moe_intermediate_size"])
    if arch == "gemma2":
        writer.add_attn_logit_softcapping(c["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(c["final_logit_softcapping"])


def write(folder: Path, f32: bool, quantized: str | None = None) -> None:
    c = json.loads((folder / "config.json").read_text())
    arch = ARCHITECTURES[c["model_type"]]
    kind = getattr(gguf.MODEL_ARCH, arch)
    heads = c.get("num_attention_heads") or c["n_head"]
    names = gguf.get_tensor_name_map(kind, c.get("num_hidden_layers") or c["n_layer"])
    writer = gguf.GGUFWriter(folder / ("quantized.gguf" if quantized else "model.gguf"), gguf.MODEL_ARCH_NAMES[kind])
    writer.add_tokenizer_model("none")
    split = folder.name in SPLIT_LATENT
    metadata(writer, c, split)
    tensors = with_stacked_experts(load_file(folder / "model.safetensors"))
    if arch == "GPT_OSS":
        tensors = with_split_experts(tensors)
    if split:
        tensors = with_split_latent(tensors, c)
    for name, tensor in tensors.items():
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
        gguf_name = names.get_name(name.replace("correction_bias", "correction.bias"), try_suffixes=(".weight", ".bias"))
        if gguf_name.endswith("attn_sinks"):
            gguf_name += ".weight"
        if quantized and "_exps" in gguf_name and tensor.dim() == 3 and tensor.shape[-1] % 32 == 0:
            kind = gguf.GGMLQuantizationType[quantized]
            writer.add_tensor(gguf_name, gguf.quants.quantize(tensor.float().contiguous().numpy(), kind), raw_dtype=kind)
        elif f32 or tensor.dim() == 1 or "ffn_gate_inp" in gguf_name:
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
            if config.parent.name in QUANTIZED and sys.argv[2:] != ["f32"]:
                write(config.parent, False, QUANTIZED[config.parent.name])
            print(config.parent.name)
