"""Writes the logits of a model by transformers, in f32: tokens i32 [tokens], logits f32 [tokens, vocabulary].

Usage: python make_golden.py MODEL TOKENS OUT.safetensors
MODEL is a Hugging Face directory or a GGUF file. The tokens are BOS and then random ones. stories260k.safetensors is
`make_golden.py models/stories260k 40 tests/model/data/stories260k.safetensors`.
"""
import sys

import gguf
import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

PARTS = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
         "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
         "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
TABLES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def from_gguf(path: str) -> LlamaForCausalLM:
    reader = gguf.GGUFReader(path)

    def number(key: str) -> float:
        return reader.fields["llama." + key].contents()

    heads, kv_heads = number("attention.head_count"), number("attention.head_count_kv")
    state = {}
    for tensor in reader.tensors:
        weight = gguf.dequantize(tensor.data, tensor.tensor_type).reshape([int(size) for size in tensor.shape[::-1]])
        parts = tensor.name.split(".")
        if parts[0] != "blk":
            state[TABLES[parts[0]] + ".weight"] = torch.from_numpy(weight.copy())
            continue
        if parts[2] in ("attn_q", "attn_k"):  # interleaved pairs -> halves
            count = heads if parts[2] == "attn_q" else kv_heads
            weight = weight.reshape(count, -1, 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)
        state[f"model.layers.{parts[1]}.{PARTS[parts[2]]}.weight"] = torch.from_numpy(weight.copy())
    config = LlamaConfig(
        vocab_size=len(state["model.embed_tokens.weight"]), hidden_size=number("embedding_length"),
        intermediate_size=number("feed_forward_length"), num_hidden_layers=number("block_count"),
        num_attention_heads=heads, num_key_value_heads=kv_heads, max_position_embeddings=number("context_length"),
        rms_norm_eps=number("attention.layer_norm_rms_epsilon"), rope_theta=number("rope.freq_base"),
        tie_word_embeddings="lm_head.weight" not in state, attn_implementation="eager")
    model = LlamaForCausalLM(config)
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    model.tie_weights()
    return model


def main(path: str, count: int, out: str) -> None:
    if path.endswith(".gguf"):
        model = from_gguf(path)
    else:
        model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager")
    tokens = np.random.default_rng(5).integers(0, model.config.vocab_size, count)
    tokens[0] = 1
    with torch.no_grad():
        logits = model.eval()(torch.from_numpy(tokens[None])).logits[0].numpy()
    save_file({"tokens": tokens.astype(np.int32), "logits": np.ascontiguousarray(logits)}, out)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
