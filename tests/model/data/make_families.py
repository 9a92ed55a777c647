"""Makes a tiny random model of each architecture with transformers, and the logits that it gives in f32.

Usage: python make_families.py OUT [NAME...]
OUT/NAME/ is what save_pretrained writes (bf16). golden.safetensors beside it has tokens, logits, and of the gradient of the
next tokens' summed cross-entropy, for each parameter, its length and its product with cos(0), cos(1), ...
tests/model/data/families is `make_families.py tests/model/data/families`.
"""
import sys
from pathlib import Path

import numpy as np
import torch
import transformers as t
from safetensors.numpy import save_file

SIZES = dict(vocab_size=48, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=128, bos_token_id=1, eos_token_id=2)
LINEAR = {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 16, "rope_theta": 500.0}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 1000.0,
        "beta_fast": 4.0, "beta_slow": 1.0}
LATENT = dict(num_key_value_heads=4, kv_lora_rank=16, qk_nope_head_dim=6, qk_rope_head_dim=4, v_head_dim=8,
              moe_intermediate_size=16, num_experts_per_tok=3)
ALTERNATING = ["sliding_attention", "full_attention"]


def families() -> dict:
    def sized(config, **more):
        return config(**{**SIZES, **more})
    return {
        "llama": lambda: t.LlamaForCausalLM(sized(t.LlamaConfig, rope_parameters=LLAMA3)),
        "llama_biased": lambda: t.LlamaForCausalLM(sized(
            t.LlamaConfig, rope_parameters=LINEAR, attention_bias=True, mlp_bias=True, tie_word_embeddings=True)),
        "mistral": lambda: t.MistralForCausalLM(sized(t.MistralConfig, sliding_window=6, head_dim=16)),
        "qwen2": lambda: t.Qwen2ForCausalLM(sized(t.Qwen2Config, tie_word_embeddings=True)),
        "qwen2_window": lambda: t.Qwen2ForCausalLM(sized(
            t.Qwen2Config, use_sliding_window=True, sliding_window=5, max_window_layers=1)),
        "qwen3": lambda: t.Qwen3ForCausalLM(sized(t.Qwen3Config, head_dim=16)),
        "mixtral": lambda: t.MixtralForCausalLM(sized(t.MixtralConfig, num_local_experts=5, num_experts_per_tok=2)),
        "qwen3_moe": lambda: t.Qwen3MoeForCausalLM(sized(
            t.Qwen3MoeConfig, head_dim=16, num_experts=6, num_experts_per_tok=3, moe_intermediate_size=32,
            mlp_only_layers=[1])),
        "qwen3_moe_all": lambda: t.Qwen3MoeForCausalLM(sized(
            t.Qwen3MoeConfig, head_dim=16, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32,
            norm_topk_prob=True)),
        "gpt_oss": lambda: t.GptOssForCausalLM(sized(
            t.GptOssConfig, head_dim=16, num_local_experts=5, num_experts_per_tok=2, sliding_window=6,
            rope_parameters={**YARN, "truncate": False})),
        "gpt_oss_plain": lambda: t.GptOssForCausalLM(sized(
            t.GptOssConfig, head_dim=16, num_local_experts=5, num_experts_per_tok=2, sliding_window=6,
            rope_parameters={"rope_type": "default", "rope_theta": 1000.0})),
        "deepseek_v2": lambda: t.DeepseekV2ForCausalLM(sized(
            t.DeepseekV2Config, **LATENT, q_lora_rank=24, n_routed_experts=8, n_shared_experts=2, n_group=4, topk_group=2,
            topk_method="group_limited_greedy", routed_scaling_factor=1.5,
            rope_parameters={**YARN, "mscale": 0.7, "mscale_all_dim": 0.9})),
        "deepseek_v2_one_scale": lambda: t.DeepseekV2ForCausalLM(sized(
            t.DeepseekV2Config, **LATENT, q_lora_rank=24, n_routed_experts=8, n_shared_experts=2, topk_method="greedy",
            routed_scaling_factor=1.5, first_k_dense_replace=1, rope_parameters={**YARN, "mscale": 0.8, "mscale_all_dim": 0.8})),
        "deepseek_v2_lite": lambda: t.DeepseekV2ForCausalLM(sized(
            t.DeepseekV2Config, **LATENT, q_lora_rank=None, n_routed_experts=5, n_shared_experts=1, topk_method="greedy",
            first_k_dense_replace=1)),
        "deepseek_v3": lambda: t.DeepseekV3ForCausalLM(sized(
            t.DeepseekV3Config, **LATENT, q_lora_rank=24, n_routed_experts=8, n_shared_experts=1, n_group=4, topk_group=2,
            first_k_dense_replace=1, attention_bias=True)),
        "deepseek_v3_plain": lambda: t.DeepseekV3ForCausalLM(sized(
            t.DeepseekV3Config, **LATENT, q_lora_rank=24, n_routed_experts=8, n_shared_experts=1, n_group=4, topk_group=2,
            first_k_dense_replace=1, rope_parameters={**YARN, "mscale": 1.0, "mscale_all_dim": 1.0})),
        "qwen2_yarn": lambda: t.Qwen2ForCausalLM(sized(t.Qwen2Config, rope_parameters=YARN)),
        "gemma": lambda: t.GemmaForCausalLM(sized(t.GemmaConfig, head_dim=16)),
        "gemma2": lambda: t.Gemma2ForCausalLM(sized(
            t.Gemma2Config, head_dim=16, query_pre_attn_scalar=16, sliding_window=6, layer_types=ALTERNATING,
            attn_logit_softcapping=2.0, final_logit_softcapping=3.0)),
        "gemma2_scaled": lambda: t.Gemma2ForCausalLM(sized(t.Gemma2Config, head_dim=16, query_pre_attn_scalar=24)),
        "gemma3": lambda: t.Gemma3ForCausalLM(sized(
            t.Gemma3TextConfig, head_dim=16, query_pre_attn_scalar=16, sliding_window=6, num_hidden_layers=6,
            rope_parameters={"full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e6},
                             "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}})),
        "phi3": lambda: t.Phi3ForCausalLM(sized(
            t.Phi3Config, sliding_window=64, pad_token_id=0,
            rope_parameters={"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5})),
        "phi3_long": lambda: t.Phi3ForCausalLM(sized(
            t.Phi3Config, pad_token_id=0, max_position_embeddings=1024, original_max_position_embeddings=256, rope_parameters={
                "rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0, 1.25, 1.5, 2.0],
                "long_factor": [1.0, 2.0, 4.0, 6.5], "original_max_position_embeddings": 256})),
        "gpt2": lambda: t.GPT2LMHeadModel(t.GPT2Config(
            vocab_size=48, n_positions=128, n_embd=32, n_layer=2, n_head=4, bos_token_id=1, eos_token_id=2)),
        "gpt_neox": lambda: t.GPTNeoXForCausalLM(sized(t.GPTNeoXConfig, rotary_pct=0.25, head_dim=None)),
        "gpt_neox_serial": lambda: t.GPTNeoXForCausalLM(sized(
            t.GPTNeoXConfig, use_parallel_residual=False, head_dim=None)),
        "opt": lambda: t.OPTForCausalLM(t.OPTConfig(
            vocab_size=48, hidden_size=32, word_embed_proj_dim=32, ffn_dim=48, num_hidden_layers=2,
            num_attention_heads=4, max_position_embeddings=128, bos_token_id=1, eos_token_id=2, pad_token_id=0)),
    }


def in_file(model_type: str, name: str, value: torch.Tensor) -> list:
    """The names and parts under which save_pretrained writes a parameter, where they are not the modules'."""
    if model_type == "gpt_neox":
        name = name.replace("lm_head", "embed_out")
    if model_type == "mixtral":
        name = name.replace("mlp.", "block_sparse_moe.")
    names = ("w1", "w3", "w2") if model_type == "mixtral" else ("gate_proj", "up_proj", "down_proj")
    stem, _, last = name.rpartition(".")
    if model_type == "gpt_oss" and stem.endswith("experts"):  # matrices are [k, n] in the file, and here too
        kind = "bias" if last.endswith("_bias") else "weight"
        return [(f"{stem}.{e}.{last.removesuffix('_bias')}.{kind}", value[e]) for e in range(len(value))]
    if last == "gate_up_proj" and stem.endswith("experts"):
        half = value.shape[1] // 2
        return [(f"{stem}.{e}.{names[part]}.weight", value[e, part * half:(part + 1) * half])
                for e in range(len(value)) for part in (0, 1)]
    if last == "down_proj" and stem.endswith("experts"):
        return [(f"{stem}.{e}.{names[2]}.weight", value[e]) for e in range(len(value))]
    return [(name, value)]


def make(name: str, model: torch.nn.Module, out: Path) -> None:
    generator = torch.Generator().manual_seed(len(name) + sum(name.encode()))
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() > 1:
                parameter.copy_(noise * 0.25)
            else:  # gains and biases
                parameter.copy_((parameter.round() + 0.2 * noise))
        for buffer_name, buffer in model.named_buffers():
            if buffer_name.endswith("correction_bias"):
                buffer.copy_(0.2 * torch.randn(buffer.shape, generator=generator))
    model.to(torch.bfloat16).save_pretrained(out / name)
    model = type(model).from_pretrained(out / name, dtype=torch.float32, attn_implementation="eager").eval()
    tokens = np.random.default_rng(5).integers(3, 48, 24)
    tokens[0] = 1
    logits = model(torch.from_numpy(tokens[None]), use_cache=False).logits[0]
    torch.nn.functional.cross_entropy(logits[:-1], torch.from_numpy(tokens[1:]), reduction="sum").backward()
    logits = logits.detach().numpy()
    golden = {"tokens": tokens.astype(np.int32), "logits": np.ascontiguousarray(logits)}
    for parameter_name, parameter in model.named_parameters():
        for file_name, gradient in in_file(model.config.model_type, parameter_name, parameter.grad):
            gradient = gradient.numpy().astype(np.float64).ravel()
            product = gradient @ np.cos(np.arange(gradient.size))
            golden["gradient." + file_name] = np.array([np.linalg.norm(gradient), product], np.float32)
    for buffer_name, _ in model.named_buffers():  # it moves a choice, which has no gradient
        if buffer_name.endswith("correction_bias"):
            golden["gradient." + buffer_name] = np.zeros(2, np.float32)
    save_file(golden, out / name / "golden.safetensors")
    (out / name / "generation_config.json").unlink(missing_ok=True)
    print(name, "largest logit", float(np.abs(logits).max()))


def main(out: Path, names: list[str]) -> None:
    for name, build in families().items():
        if not names or name in names:
            make(name, build(), out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
