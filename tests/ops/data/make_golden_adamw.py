"""Writes golden_adamw.txt: ten steps of torch.optim.AdamW on values and gradients that random.h makes too.

Usage: python make_golden_adamw.py > golden_adamw.txt, with torch installed. Tests read only golden_adamw.txt.
Each line: a name, then values as hexadecimal floats.
"""
import numpy
import torch

MASK = (1 << 64) - 1
COUNT, STEPS = 48, 10


def mix(z):
    z = (z + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def normals(stream):
    """random_normal(11, stream, index) of base/random.h for each index."""
    out = []
    for index in range(COUNT):
        words = [mix(mix(mix(11) ^ stream) ^ (index * 3 + part)) for part in range(3)]
        total = sum(word >> (16 * i) & 0xFFFF for word in words for i in range(4))
        out.append((2 * total - 12 * 65535) / (2 * 65536.0))
    return torch.tensor(numpy.array(out, dtype=numpy.float32))


def write(name, tensor):
    print(name, " ".join(float(value).hex() for value in tensor.detach().tolist()))


def steps(name, **options):
    value = torch.nn.Parameter(normals(30))
    optimizer = torch.optim.AdamW([value], foreach=False, fused=False, **options)
    for step in range(1, STEPS + 1):
        value.grad = normals(30 + step)
        value.grad[0] = 0.0
        optimizer.step()
        if step in (1, STEPS):
            write(f"{name}_value_{step}", value)
    write(f"{name}_m", optimizer.state[value]["exp_avg"])
    write(f"{name}_v", optimizer.state[value]["exp_avg_sq"])


steps("default", lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
steps("decayed", lr=2e-2, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.5)
