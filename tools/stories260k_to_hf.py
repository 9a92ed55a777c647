#!/usr/bin/env python3
"""Converts the model stories260K of llama2.c to a Hugging Face directory.

  stories260k_to_hf.py stories260K.bin tok512.bin LICENSE OUT_DIRECTORY

Its output is committed as models/stories260k. Needs numpy only.
"""
import json
import os
import shutil
import struct
import sys

import numpy as np

SPACE = "\u2581"


def read_tokens(path):
    """llama2.c's tokenizer: int32 longest token, then for each token a float32 score, an int32 length and that many bytes."""
    with open(path, "rb") as file:
        data = file.read()
    tokens, at = [], 4
    while at < len(data):
        score, length = struct.unpack_from("<fi", data, at)
        text = data[at + 8:at + 8 + length].decode("utf-8")
        at += 8 + length
        # The export wrote spaces for U+2581, and line ends around the control tokens.
        tokens.append((text.strip("\n") if len(tokens) < 3 else text.replace(" ", SPACE), score))
    return tokens


def merges_of(tokens):
    """SentencePiece's BPE as merges: every way to cut a token in two tokens, best score first."""
    ids = {text: i for i, (text, _) in enumerate(tokens)}
    control = 3 + 256  # <unk>, <s>, </s> and the bytes take no part
    merges = []
    for i, (text, score) in enumerate(tokens[control:], control):
        for cut in range(1, len(text)):
            left, right = ids.get(text[:cut], 0), ids.get(text[cut:], 0)
            if left >= control and right >= control:
                merges.append((-score, left, right))
    return [[tokens[left][0], tokens[right][0]] for _, left, right in sorted(merges)]


def tokenizer_json(tokens):
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    special = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": tokens[i][0], "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                          "special": True} for i in range(3)],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": SPACE}, replace]},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [special, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": True, "byte_fallback": True, "ignore_merges": False, "vocab": {text: i for i, (text, _) in enumerate(tokens)},
                  "merges": merges_of(tokens)},
    }


def read_model(path):
    """llama2.c's checkpoint: 7 int32, then float32 tensors, those of one kind for all layers together."""
    with open(path, "rb") as file:
        header = struct.unpack("<7i", file.read(28))
        values = np.fromfile(file, dtype="<f4")
    dim, hidden, layers, heads, kv_heads, vocab, positions = header
    shared = vocab > 0
    vocab = abs(vocab)
    head = dim // heads
    at = 0

    def take(*shape):
        nonlocal at
        size = int(np.prod(shape))
        at += size
        return values[at - size:at].reshape(shape)

    def halves(weight, count):
        """RoPE on neighbouring pairs, to RoPE on the two halves of a head."""
        return weight.reshape(count, head // 2, 2, dim).transpose(0, 2, 1, 3).reshape(count * head, dim)

    tensors = {"model.embed_tokens.weight": take(vocab, dim)}
    stacks = [("input_layernorm", (dim,)), ("self_attn.q_proj", (dim, dim)), ("self_attn.k_proj", (kv_heads * head, dim)),
              ("self_attn.v_proj", (kv_heads * head, dim)), ("self_attn.o_proj", (dim, dim)), ("post_attention_layernorm", (dim,)),
              ("mlp.gate_proj", (hidden, dim)), ("mlp.down_proj", (dim, hidden)), ("mlp.up_proj", (hidden, dim))]
    for name, shape in stacks:
        for layer, weight in enumerate(take(layers, *shape)):
            if name.endswith("q_proj"):
                weight = halves(weight, heads)
            elif name.endswith("k_proj"):
                weight = halves(weight, kv_heads)
            tensors[f"model.layers.{layer}.{name}.weight"] = weight
    tensors["model.norm.weight"] = take(dim)
    take(2, positions, head // 2)  # tables of RoPE, which llama2.c no longer reads
    if not shared:
        tensors["lm_head.weight"] = take(vocab, dim)
    assert at == values.size, f"{path}: {values.size - at} numbers are left over"
    config = {"architectures": ["LlamaForCausalLM"], "attention_bias": False, "bos_token_id": 1, "eos_token_id": 2, "head_dim": head,
              "hidden_act": "silu", "hidden_size": dim, "intermediate_size": hidden, "max_position_embeddings": positions,
              "mlp_bias": False, "model_type": "llama", "num_attention_heads": heads, "num_hidden_layers": layers,
              "num_key_value_heads": kv_heads, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "tie_word_embeddings": shared,
              "torch_dtype": "float32", "vocab_size": vocab}
    return tensors, config


def write_safetensors(path, tensors):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + tensor.nbytes]}
        at += tensor.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(np.ascontiguousarray(tensor, dtype="<f4").tobytes())


def write_json(path, value, indent=2):
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        json.dump(value, file, ensure_ascii=False, indent=indent)
        file.write("\n")


def main(model, tokenizer, licence, target):
    tensors, config = read_model(model)
    tokens = read_tokens(tokenizer)
    assert len(tokens) == config["vocab_size"]
    os.makedirs(target, exist_ok=True)
    write_safetensors(os.path.join(target, "model.safetensors"), tensors)
    write_json(os.path.join(target, "config.json"), config)
    # The model was trained on stories that each begin with <s>, so <s> ends a story as well.
    write_json(os.path.join(target, "generation_config.json"), {"bos_token_id": 1, "eos_token_id": [1, 2]})
    write_json(os.path.join(target, "tokenizer.json"), tokenizer_json(tokens), indent=1)
    write_json(os.path.join(target, "tokenizer_config.json"),
               {"add_bos_token": True, "bos_token": "<s>", "clean_up_tokenization_spaces": False, "eos_token": "</s>",
                "model_max_length": config["max_position_embeddings"], "tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>"})
    shutil.copyfile(licence, os.path.join(target, "LICENSE"))


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
