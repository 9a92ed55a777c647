"""Makes a small random model whose sizes the kernels of other programs take, with a tokenizer of 512 tokens.

Usage: python make_small_models.py llama|tied_llama|gpt_oss DTYPE TOKENIZER_FOLDER OUT, with an environment of scripts/peers that has transformers.
"""
import pathlib
import shutil
import sys

import torch
import transformers

SIZES = {"vocab_size": 512, "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4,
         "num_key_value_heads": 4, "max_position_embeddings": 64, "tie_word_embeddings": False, "pad_token_id": None}
KINDS = {"llama": lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES)),
         "tied_llama": lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES | {"tie_word_embeddings": True})),
         "gpt_oss": lambda: transformers.GptOssForCausalLM(transformers.GptOssConfig(
             **SIZES | {"hidden_size": 64, "intermediate_size": 96, "head_dim": 16}, num_local_experts=4, num_experts_per_tok=2))}


def main():
    kind, dtype, tokenizer, out = sys.argv[1], getattr(torch, sys.argv[2]), *map(pathlib.Path, sys.argv[3:])
    model = KINDS[kind]()
    generator = torch.Generator().manual_seed(7)
    for name, value in model.state_dict().items():
        random = torch.randn(value.shape, generator=generator)
        if value.dim() == 1:
            random = 0.1 * random + ("norm" in name)
        elif "embed" not in name:
            random /= value.shape[-2 if "experts" in name else -1]**0.5  # experts are [e, k, n]
        value.copy_(random)
    model.to(dtype).save_pretrained(out)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tokenizer / name, out / name)


if __name__ == "__main__":
    main()
