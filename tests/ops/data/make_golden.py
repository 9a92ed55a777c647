"""Writes golden.txt: outputs of transformers' Llama operators on inputs that random.h makes too.

Usage: python make_golden.py > golden.txt, with torch and transformers installed. Tests read only golden.txt.
Each line: a name, then values as hexadecimal floats.
"""
import numpy
import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import (LlamaRMSNorm, LlamaRotaryEmbedding, apply_rotary_pos_emb,
                                                      eager_attention_forward)

MASK = (1 << 64) - 1


def mix(z):
    z = (z + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def normal(stream, index):
    """random_normal(11, stream, index) of base/random.h."""
    total = 0
    for part in range(3):
        bits = mix(mix(mix(11) ^ stream) ^ (index * 3 + part))
        total += sum(bits >> (16 * i) & 0xFFFF for i in range(4))
    return numpy.float32((2 * total - 12 * 65535) / (2 * 65536.0))


def normals(stream, *shape):
    count = int(numpy.prod(shape))
    return torch.tensor(numpy.array([normal(stream, i) for i in range(count)], dtype=numpy.float32)).reshape(shape)


def write(name, tensor):
    values = tensor.detach().to(torch.float32).flatten().tolist()
    print(name, " ".join(float(value).hex() for value in values))


def rope(name, head_dim, parameters, positions):
    config = LlamaConfig(hidden_size=head_dim * 2, num_attention_heads=2, num_key_value_heads=2, head_dim=head_dim,
                         max_position_embeddings=1 << 18, rope_parameters=parameters)
    module = LlamaRotaryEmbedding(config)
    write(f"frequencies_{name}", module.inv_freq)
    cos, sin = module(torch.zeros(1), torch.tensor([positions]))
    write(f"cos_{name}", cos[0, :, :head_dim // 2])
    write(f"sin_{name}", sin[0, :, :head_dim // 2])
    return module


def main():
    norm = LlamaRMSNorm(96, eps=1e-5)
    norm.weight.data = normals(2, 96)
    write("rms_norm", norm(normals(1, 3, 96)))

    positions = [0, 1, 777, 8191, 131071]
    default = rope("default", 16, {"rope_type": "default", "rope_theta": 10000.0}, positions)
    rope("smollm2", 64, {"rope_type": "default", "rope_theta": 100000.0}, positions)
    rope("linear", 16, {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}, positions)
    rope("llama3", 128, {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
                         "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}, positions)
    cos, sin = default(torch.zeros(1), torch.tensor([[5, 6, 7]]))
    x = normals(3, 1, 3, 2, 16).transpose(1, 2)
    rotated, _ = apply_rotary_pos_emb(x, x, cos, sin)
    write("rotated", rotated.transpose(1, 2))

    tokens, heads, kv_heads, head_dim = 300, 6, 2, 32
    q = normals(4, 1, tokens, heads, head_dim).transpose(1, 2)
    k = normals(5, 1, tokens, kv_heads, head_dim).transpose(1, 2)
    v = normals(6, 1, tokens, kv_heads, head_dim).transpose(1, 2)
    module = torch.nn.Module()
    module.num_key_value_groups = heads // kv_heads
    mask = torch.full((tokens, tokens), float("-inf")).triu(1)[None, None]
    out, _ = eager_attention_forward(module, q, k, v, mask, scaling=head_dim**-0.5)
    write("attention", out[0, [0, 1, 255, 256, 299]])


main()
