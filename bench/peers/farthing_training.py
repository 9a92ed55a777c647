"""`farthing train` on a file of token ids, `farthing align` on what it exported, and that folder's tensors."""
import json
import subprocess
import sys

import torch
from safetensors.torch import load_file

from log_p_distance import CLIP

RECIPE = """mode = "qat"
seed = {seed}
[quantization]
scheme = "{scheme}"
[data]
context = {context}
batch_tokens = {batch}
[[data.source]]
path = "ids.bin"
kind = "tokens"
[optimizer]
learning_rate = {rate}
beta2 = 0.95
weight_decay = 0.0
clip_norm = 1.0
[schedule]
kind = "constant"
steps = {steps}
"""


def train(args, scheme, sequences):
    """Trains args.model on args.work / ids.bin; returns the folder of the exported model."""
    recipe, run = args.work / "recipe.toml", args.work / scheme
    recipe.write_text(RECIPE.format(scheme=scheme, seed=args.seed, context=args.context, rate=args.rate,
                                    batch=sequences * args.context, steps=args.steps))
    command = [args.farthing, "train", args.model, "--recipe", recipe, "-o", run, "-t", str(args.threads)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"train_serve_gap: farthing train: {done.stderr}")
    return run / "model"


def align(args, model, *options):
    """The compared pairs, as its JSON has them."""
    command = [args.farthing, "align", model, "--text", args.text, "--tokens", str(args.tokens),
               "-c", str(args.context), "--clip", str(CLIP), "--json", "-t", str(args.threads), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if not done.stdout:  # with a table, a status of 1 says that the bound was passed
        sys.exit(f"train_serve_gap: farthing align: {done.stderr}")
    return json.loads(done.stdout)["pairs"]


def stored_tensors(folder):
    """config.json, and the tensors for llama_gguf.write; the layout is that of docs/checkpoint.md."""
    config = json.loads((folder / "config.json").read_text())
    linears = config["quantization_config"]["linears"]
    stored = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        if name.endswith(".blocks"):
            name = name.removesuffix(".blocks")
            stored[name] = (linears[name].split("@")[0], tensor.numpy())
        else:  # an f16 matrix is one that the blocks cannot hold
            kept = tensor.dtype == torch.float16 and tensor.ndim == 2
            stored[name] = tensor.numpy() if kept else tensor.float().numpy()
    return config, stored
