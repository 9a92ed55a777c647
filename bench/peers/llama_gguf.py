"""A Llama's tensors, by their Hugging Face names, as a GGUF file that llama.cpp runs.

A tensor is an array of floats, or the pair (kind, bytes [n, row bytes]) of a matrix that is already in ggml's blocks,
which are written as they stand. Token ids are fed directly, so the file carries no vocabulary.
"""
import gguf
import numpy

LAYER_NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
               "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
               "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def gguf_name(name):
    """model.layers.0.mlp.up_proj.weight -> blk.0.ffn_up.weight"""
    stem = name.removesuffix(".weight")
    if stem in NAMES:
        return NAMES[stem] + ".weight"
    layer, _, part = stem.removeprefix("model.layers.").partition(".")
    return f"blk.{layer}.{LAYER_NAMES[part]}.weight"


def pair_neighbours(rows, heads):
    """llama.cpp rotates neighbouring rows of a head, transformers rows half a head apart: the rows in its order."""
    return rows.reshape(heads, 2, -1, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)


def part_halves(rows, heads):
    """The inverse of pair_neighbours."""
    return rows.reshape(heads, -1, 2, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)


def write(path, config, tensors, arrange=lambda name, rows: rows):
    """`config` is the content of config.json; `arrange` gives an array of floats the shape that is written."""
    heads = config["num_attention_heads"]
    kv_heads = config.get("num_key_value_heads", heads)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_rope_dimension_count(config.get("head_dim") or config["hidden_size"] // heads)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("no_vocab")
    for name, value in tensors.items():
        kind, rows = value if isinstance(value, tuple) else (None, value)
        if ".q_proj." in name or ".k_proj." in name:
            rows = pair_neighbours(rows, heads if ".q_proj." in name else kv_heads)
        rows = numpy.ascontiguousarray(rows)
        if kind is None:
            writer.add_tensor(gguf_name(name), arrange(name, rows))
        else:
            writer.add_tensor(gguf_name(name), rows, raw_dtype=gguf.GGMLQuantizationType[kind.upper()])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
