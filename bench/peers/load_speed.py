"""From the start of a process to the first logits of a 1 GB bf16 model: farthing, transformers and llama.cpp, in turn.

Usage: "$(scripts/peers --python reference)" bench/peers/load_speed.py [--farthing build/release/farthing] [--pairs 4]
           [--threads 2] [--formats "" int4_g128] [--peers transformers llama.cpp] [--cold] [--folder DIR] [--json]
Needs the environments `reference` and `llama-cpp` of scripts/peers. Writes a Llama of 542 million random bf16 parameters
(hidden 2048, 8 layers, inner 5632, vocabulary 32000) as safetensors and as GGUF (bf16) into a temporary folder. Each run is a
process of its own that loads the model and computes the logits of 8 tokens; which goes first changes from round to round.
--cold drops the files from the page cache before each run. Of transformers and llama.cpp the seconds of
Python's imports are given too. llama.cpp maps the file (its default) and computes in bf16.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 8,
          "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": 64, "vocab_size": 32000, "max_position_embeddings": 512,
          "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": False, "dtype": "bfloat16",
          "torch_dtype": "bfloat16", "bos_token_id": 1, "eos_token_id": 2}
PROMPT = "Once upon a time, there"
TRANSFORMERS = """
import sys, time
start = time.perf_counter()
import torch, transformers
imported = time.perf_counter()
torch.set_num_threads(int(sys.argv[3]))
with torch.inference_mode():
    model = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=sys.argv[2])
    logits = model(torch.tensor([[1, 403, 407, 261, 378, 432, 383, 285]])).logits[0, -1]
print(float(logits[0]), imported - start)
"""
LLAMA = """
import ctypes, sys, time
start = time.perf_counter()
import llama_cpp.llama_cpp as llama
imported = time.perf_counter()
llama.llama_backend_init()
silent = llama.llama_log_callback(lambda *_: None)
llama.llama_log_set(silent, ctypes.c_void_p(0))
model = llama.llama_model_load_from_file(sys.argv[1].encode(), llama.llama_model_default_params())
options = llama.llama_context_default_params()
options.n_ctx = options.n_batch = 512
options.n_threads = options.n_threads_batch = int(sys.argv[2])
context = llama.llama_init_from_model(model, options)
ids = (llama.llama_token * 8)(1, 403, 407, 261, 378, 432, 383, 285)
if llama.llama_decode(context, llama.llama_batch_get_one(ids, 8)) != 0:
    sys.exit("llama_decode failed")
print(float(llama.llama_get_logits_ith(context, -1)[0]), imported - start)
"""


def write_model(folder):
    import numpy
    import torch
    from safetensors.torch import save_file
    sys.path.insert(0, str(Path(__file__).parent))

    import llama_gguf
    generator = torch.Generator().manual_seed(1)
    hidden, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]

    def rows(n, k):
        return (torch.randn(n, k, generator=generator) * 0.02).to(torch.bfloat16)

    tensors = {"model.embed_tokens.weight": rows(CONFIG["vocab_size"], hidden), "lm_head.weight": rows(CONFIG["vocab_size"], hidden),
               "model.norm.weight": torch.ones(hidden, dtype=torch.bfloat16)}
    for i in range(CONFIG["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        for name in ("q", "k", "v", "o"):
            tensors[f"{layer}self_attn.{name}_proj.weight"] = rows(hidden, hidden)
        tensors[layer + "mlp.gate_proj.weight"] = rows(inner, hidden)
        tensors[layer + "mlp.up_proj.weight"] = rows(inner, hidden)
        tensors[layer + "mlp.down_proj.weight"] = rows(hidden, inner)
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{layer}{name}.weight"] = torch.ones(hidden, dtype=torch.bfloat16)
    os.makedirs(folder / "hf")
    save_file(tensors, folder / "hf" / "model.safetensors", metadata={"format": "pt"})
    (folder / "hf" / "config.json").write_text(json.dumps(CONFIG))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(ROOT / "models/stories260k" / name, folder / "hf" / name)
    plain = {name: value.float().numpy() if value.ndim == 1 else
             ("bf16", value.view(torch.uint16).numpy().astype(numpy.uint16).view(numpy.uint8)) for name, value in tensors.items()}
    llama_gguf.write(str(folder / "model.gguf"), CONFIG, plain)


def drop(folder):
    for path in folder.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def peer_python(name):
    return subprocess.run([str(ROOT / "scripts/peers"), "--python", name], check=True, capture_output=True, text=True).stdout.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--farthing", default=str(ROOT / "build/release/farthing"))
    parser.add_argument("--pairs", type=int, default=4, help="rounds, in each of which every program runs once")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--formats", nargs="*", default=[""], help='farthing\'s --format; "" for the file\'s own')
    parser.add_argument("--peers", nargs="*", default=["transformers", "llama.cpp"])
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--folder", help="keep the model there, and take it from there if it is there")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.folder or temporary)
        if not (folder / "model.gguf").exists():
            write_model(folder)
        threads = str(options.threads)
        runs = {}
        for scheme in options.formats:
            command = [options.farthing, "run", str(folder / "hf"), "-p", PROMPT, "-n", "1", "--temp", "0", "--threads", threads]
            runs["farthing " + (scheme or "as stored")] = command + (["--format", scheme] if scheme else [])
        reference, llama = peer_python("reference"), peer_python("llama-cpp")
        for dtype in ("bfloat16", "float32") if "transformers" in options.peers else ():
            runs["transformers " + dtype] = [reference, "-c", TRANSFORMERS, str(folder / "hf"), dtype, threads]
        if "llama.cpp" in options.peers:
            runs["llama.cpp bf16"] = [llama, "-c", LLAMA, str(folder / "model.gguf"), threads]
        seconds, imports = {name: [] for name in runs}, {name: [] for name in runs}
        for name, command in runs.items():  # reads the files into the page cache, and the programs
            subprocess.run(command, check=True, capture_output=True)
        for pair in range(options.pairs):
            order = list(runs.items())
            for name, command in order if pair % 2 == 0 else reversed(order):
                if options.cold:
                    drop(folder)
                start = time.perf_counter()
                out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                seconds[name].append(time.perf_counter() - start)
                if not name.startswith("farthing"):
                    imports[name].append(float(out.split()[1]))
    ours = next(iter(seconds.values()))
    rows = []
    for name, taken in seconds.items():
        ratio = statistics.median(theirs / own for own, theirs in zip(ours, taken))
        rows.append({"name": name, "seconds": taken, "import_seconds": imports[name], "over_farthing": ratio})
        if not options.json:
            print(f"{name:24} {statistics.median(taken):6.2f} s  {ratio:5.2f} of farthing's   " + " ".join(f"{one:.2f}" for one in taken)
                  + (f"   import {statistics.median(imports[name]):.2f}" if imports[name] else ""), flush=True)
    if options.json:
        print(json.dumps(rows, indent=1))


main()
