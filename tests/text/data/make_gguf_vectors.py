"""Writes gpt-2.vectors, smollm2.vectors (Python package tokenizers) and llama-spm.vectors (package sentencepiece).

  make_gguf_vectors.py GPT2.gguf SMOLLM2.gguf LLAMA2_TOKENIZER.model
"""
import sys

import gguf
import sentencepiece
import tokenizers
from texts import all_texts
from tokenizers import decoders, models, pre_tokenizers
from vectors import encode_all, write_vectors


def byte_level(path, steps):
    fields = gguf.GGUFReader(path).fields
    tokens, merges, types = (fields["tokenizer.ggml." + name].contents() for name in ("tokens", "merges", "token_type"))
    model = models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=[tuple(merge.split(" ")) for merge in merges])
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps + [pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    special = [token for token, kind in zip(tokens, types) if kind == 3]
    tokenizer.add_special_tokens([tokenizers.AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer


gpt2 = byte_level(sys.argv[1], [])
write_vectors("gpt-2.vectors", encode_all(gpt2, all_texts(["<|endoftext|>"])))
smollm2 = byte_level(sys.argv[2], [pre_tokenizers.Digits(individual_digits=True)])
write_vectors("smollm2.vectors", encode_all(smollm2, all_texts(["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<repo_name>"])))
llama = sentencepiece.SentencePieceProcessor(model_file=sys.argv[3])
write_vectors("llama-spm.vectors", [(text, llama.encode(text)) for text in all_texts()])
