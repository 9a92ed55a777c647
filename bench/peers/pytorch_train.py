"""A training step of a 15M-parameter Llama: farthing in f32 and in a quantized format, and PyTorch, in alternating runs.

Usage: python bench/peers/pytorch_train.py [--farthing build/release/farthing] [--scheme int4_g128] [--pairs 3] [--threads 2]
Needs the packages torch and safetensors. hidden 288, 6 layers, 6 heads, inner 768, vocabulary 32000 (tied), 2048 tokens a
step in sequences of 256; AdamW, gradient norm clipped to 1. Random weights and ids. Prints the median of the last 6 of 8
steps of each run, and the ratios.
"""
import argparse
import json
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

HIDDEN, LAYERS, HEADS, INNER, VOCABULARY, CONTEXT, BATCH, STEPS = 288, 6, 6, 768, 32000, 256, 8, 8
ROOT = Path(__file__).resolve().parents[2]


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        linear = lambda n, k: nn.Linear(k, n, bias=False)  # noqa: E731
        self.norm1, self.norm2 = nn.RMSNorm(HIDDEN, eps=1e-5), nn.RMSNorm(HIDDEN, eps=1e-5)
        self.q, self.k, self.v, self.o = (linear(HIDDEN, HIDDEN) for _ in range(4))
        self.gate, self.up, self.down = linear(INNER, HIDDEN), linear(INNER, HIDDEN), linear(HIDDEN, INNER)

    def forward(self, x, cos, sin):
        def heads(y):
            return y.view(BATCH, CONTEXT, HEADS, -1).transpose(1, 2)

        def rotated(y):
            a, b = y.chunk(2, -1)
            return y * cos + torch.cat((-b, a), -1) * sin

        h = self.norm1(x)
        mixed = F.scaled_dot_product_attention(rotated(heads(self.q(h))), rotated(heads(self.k(h))), heads(self.v(h)),
                                               is_causal=True)
        x = x + self.o(mixed.transpose(1, 2).reshape(BATCH, CONTEXT, HIDDEN))
        h = self.norm2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Llama(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.norm = nn.Embedding(VOCABULARY, HIDDEN), nn.RMSNorm(HIDDEN, eps=1e-5)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        size = HIDDEN // HEADS
        angles = torch.outer(torch.arange(CONTEXT), 1e4 ** -(torch.arange(0, size, 2) / size)).repeat(1, 2)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, ids):
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        return F.linear(self.norm(x), self.embedding.weight)


def pytorch() -> float:
    model = Llama()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    ids = torch.randint(0, VOCABULARY, (BATCH, CONTEXT + 1))
    seconds = []
    for _ in range(STEPS):
        started = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(ids[:, :-1]).reshape(-1, VOCABULARY), ids[:, 1:].reshape(-1)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[-6:])


def write_model(folder: Path) -> None:
    tensors = {"model.embed_tokens.weight": torch.randn(VOCABULARY, HIDDEN) * 0.02, "model.norm.weight": torch.ones(HIDDEN)}
    shapes = {"self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (HIDDEN, HIDDEN), "self_attn.v_proj": (HIDDEN, HIDDEN),
              "self_attn.o_proj": (HIDDEN, HIDDEN), "mlp.gate_proj": (INNER, HIDDEN), "mlp.up_proj": (INNER, HIDDEN),
              "mlp.down_proj": (HIDDEN, INNER)}
    for layer in range(LAYERS):
        for name, shape in shapes.items():
            tensors[f"model.layers.{layer}.{name}.weight"] = torch.randn(shape) * 0.02
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"model.layers.{layer}.{name}.weight"] = torch.ones(HIDDEN)
    save_file(tensors, folder / "model.safetensors")
    small = ROOT / "models" / "stories260k"
    config = json.loads((small / "config.json").read_text())
    config.update(hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS, num_key_value_heads=HEADS,
                  head_dim=HIDDEN // HEADS, intermediate_size=INNER, vocab_size=VOCABULARY,
                  max_position_embeddings=512, tie_word_embeddings=True)
    (folder / "config.json").write_text(json.dumps(config))
    for file in small.glob("tokenizer*"):
        shutil.copy(file, folder)
    ids = torch.randint(0, VOCABULARY, (100_000,)).tolist()
    (folder / "ids.bin").write_bytes(struct.pack(f"<{len(ids)}H", *ids))


def farthing(program: str, folder: Path, scheme: str, threads: int) -> float:
    mode = "finetune" if scheme == "f32" else "qat"
    (folder / "recipe.toml").write_text(
        f'mode = "{mode}"\n[quantization]\nscheme = "{scheme}"\n[data]\ncontext = {CONTEXT}\n'
        f'batch_tokens = {BATCH * CONTEXT}\n[[data.source]]\npath = "ids.bin"\nkind = "tokens"\n'
        f'[schedule]\nsteps = {STEPS}\n[optimizer]\nlearning_rate = 1e-4\n')
    shutil.rmtree(folder / "run", ignore_errors=True)
    subprocess.run([program, "train", folder, "--recipe", folder / "recipe.toml", "-o", folder / "run", "-t", str(threads)],
                   check=True, capture_output=True)
    lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    return statistics.median(json.loads(line)["seconds"] for line in lines[-6:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--farthing", default=str(ROOT / "build" / "release" / "farthing"))
    parser.add_argument("--scheme", default="int4_g128")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if not Path(options.farthing).exists():
        sys.exit(f"pytorch_train: no program at {options.farthing}: run scripts/build first")
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} threads; seconds a step of {BATCH * CONTEXT} tokens")
    print(f"{'farthing f32':>14} {'farthing ' + options.scheme:>20} {'torch f32':>10} {'torch / f32':>12} {'scheme / f32':>13}")
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder))
        for _ in range(options.pairs):
            ours = farthing(options.farthing, Path(folder), "f32", options.threads)
            theirs = pytorch()
            quantized = farthing(options.farthing, Path(folder), options.scheme, options.threads)
            print(f"{ours:14.3f} {quantized:20.3f} {theirs:10.3f} {theirs / ours:12.2f} {quantized / ours:13.3f}", flush=True)


if __name__ == "__main__":
    main()
