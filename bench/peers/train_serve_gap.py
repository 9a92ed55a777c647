#!/usr/bin/env python3
"""How far apart log-probabilities are between training and serving one quantized model, in other stacks and here.

  "$(scripts/peers --python reference)" bench/peers/train_serve_gap.py [MODEL_DIR] [--kind q4_0]

transformers trains a Llama (a local Hugging Face directory) with its linears fake-quantized to ggml's blocks, on the
CPU in f32, gradient straight through. The codes of the last step go, unchanged, to a GGUF file and, as values, to
Hugging Face directories in f32 and bf16; llama.cpp runs the one, transformers the others, on held-out windows. Then
`farthing train` does the same number of steps on the same token ids, and `farthing align` compares what it trains with
what it serves.

d = log p_trainer - log p_server of the text's next token, k3 and clipping as `farthing align` has them: r = exp(d), d
clamped to [-10, 10]; k3 = r - 1 - d; clipped: r outside 0.8 .. 1.2. "bits": all logits of all positions are equal.

Asserted on the way: the codes are those of the package gguf; llama.cpp in f32, on an F32 file of the same values,
agrees with transformers to 1e-4 (else the files would be wrong, and the rest would measure that).
"""
import argparse
import json
import pathlib
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
import transformers_logprobs as local_models  # noqa: E402  (before transformers: it keeps it off the network)
import gguf  # noqa: E402
import torch  # noqa: E402

import farthing_training  # noqa: E402
import ggml_blocks  # noqa: E402
import llama_gguf  # noqa: E402
from log_p_distance import compare, next_token_log_p  # noqa: E402

SEQUENCES = 8  # of a training batch
SMALL = ROOT / "models/stories260k"
LARGER = ROOT.parent / "shared/models/TinyStories-656K"


def training_ids(folder, encode, config):
    """The stories of the carried excerpt, each between BOS and EOS, as one row of ids."""
    ids = []
    for story in (folder / "train.txt").read_text(encoding="utf-8").split("<|endoftext|>"):
        if story.strip():
            ids += [config["bos_token_id"], *encode(story.strip("\n")), config["eos_token_id"]]
    return numpy.array(ids, numpy.uint16)


def train(model, ids, args):
    """Prints the loss of the first and the last step; the order of the data is a function of the seed."""
    order = torch.Generator().manual_seed(args.seed)
    ids = torch.from_numpy(ids.astype(numpy.int64))
    starts = torch.arange(0, len(ids) - args.context - 1, args.context)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.rate, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.0)
    queue = []
    for step in range(args.steps):
        while len(queue) < SEQUENCES:
            queue += starts[torch.randperm(len(starts), generator=order)].tolist()
        batch = torch.stack([ids[start: start + args.context + 1] for start in queue[:SEQUENCES]])
        del queue[:SEQUENCES]
        logits = model(batch[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step in (0, args.steps - 1):
            print(f"transformers, step {step + 1}: loss {loss.item():.4f}", file=sys.stderr)


def run_model(model, windows, batch, threads, gradients=False):
    """Logits of `batch` windows at a time; with gradients as the training's forward pass computes them."""
    torch.set_num_threads(threads)
    with torch.set_grad_enabled(gradients):
        parts = [model(torch.from_numpy(windows[i: i + batch]), use_cache=False).logits.detach().float().numpy()
                 for i in range(0, len(windows), batch)]
    return numpy.concatenate(parts)


def exported_tensors(model, linears, kind):
    """Name to what a GGUF file holds (codes), and name to values; the codes are checked against the package gguf."""
    stored, values = {}, {}
    tied = model.config.tie_word_embeddings
    for name, tensor in model.state_dict().items():
        tensor = tensor.detach().clone()
        if tied and name == "lm_head.weight":
            continue
        if name.removesuffix(".weight") not in linears:
            stored[name] = tensor.numpy()
        elif ggml_blocks.holds(tensor):
            d, codes = ggml_blocks.quantize(tensor, kind)
            blocks = ggml_blocks.pack(d, codes, kind)
            type_ = gguf.GGMLQuantizationType[kind.upper()]
            tensor_values = ggml_blocks.decode(d, codes)
            if not (blocks == gguf.quants.quantize(tensor.numpy(), type_)).all():
                sys.exit(f"train_serve_gap: {name}: the codes are not those of the package gguf")
            if not (gguf.quants.dequantize(blocks, type_) == tensor_values.numpy()).all():
                sys.exit(f"train_serve_gap: {name}: the values are not those of the package gguf")
            stored[name], tensor = (kind, blocks), tensor_values
        else:
            stored[name] = tensor.half().numpy()
            tensor = tensor.half().float()
        values[name] = tensor
    return stored, values


def run_exported(args, values, dtype, windows, batch):
    """Writes the values as a Hugging Face directory of that type and runs it as anybody would load it."""
    folder = args.work / f"exported-{dtype}"
    _, model = local_models.load(args.model, "float32")
    model.load_state_dict(values, strict=False)
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    model = local_models.transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    return run_model(model.eval(), windows, batch, args.threads)


def run_llama(args, file, **options):
    """Logits by llama.cpp, in a process of its own environment; and its build flags."""
    out = args.work / "llama.npy"
    command = [args.llama_python, ROOT / "bench/peers/llama_logits.py", file, args.work / "windows.npy", out]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"train_serve_gap: llama.cpp's run ended with status {done.returncode}: {done.stderr[-2000:]}")
    return numpy.load(out), done.stdout.strip()


# Ways to serve with llama.cpp: what it does without options, its f32 cache, and what is nearest to the trainer.
SETTINGS = {"KV f16": dict(kv="f16", flash="auto"), "KV f32": dict(kv="f32", flash="auto"),
            "KV f32, no flash attention": dict(kv="f32", flash="off")}
DEFAULT, NEAREST = list(SETTINGS)[0], list(SETTINGS)[-1]
FEEDS = {"a window at once": dict(chunk=512), "token by token": dict(chunk=1)}


def other_stacks(args, windows, ids):
    """Rows of transformers and llama.cpp; llama.cpp's build flags."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    _, model = local_models.load(args.model, "float32")
    config = json.loads((args.model / "config.json").read_text())
    linears = ggml_blocks.fake_quantize_linears(model, args.kind)
    train(model, ids, args)
    trainer = run_model(model, windows, SEQUENCES, args.threads, gradients=True)
    stored, values = exported_tensors(model, linears, args.kind)
    rows = []

    def add(name, logits, a=trainer, name_a=f"transformers, fake {args.kind}"):
        rows.append(compare(a, logits, windows, name_a, name))
        return rows[-1]

    add("the same, one window a batch, 1 thread", run_model(model, windows, 1, 1))
    add("transformers f32, exported values", run_exported(args, values, "float32", windows, SEQUENCES))
    add("transformers bf16, exported values", run_exported(args, values, "bfloat16", windows, SEQUENCES))

    f32, quantized = args.work / "f32.gguf", args.work / f"{args.kind}.gguf"
    llama_gguf.write(f32, config, {name: value.numpy() for name, value in values.items()})
    llama_gguf.write(quantized, config, stored)
    logits, flags = run_llama(args, f32, kv="f32", flash="off", threads=1)
    if not add("llama.cpp, F32 file, KV f32, no flash attention", logits)["max"] < 1e-4:
        sys.exit(f"train_serve_gap: llama.cpp's f32 is not the trainer's function: {rows[-1]}")
    served = {(setting, feed): run_llama(args, quantized, **SETTINGS[setting], **FEEDS[feed], threads=1)[0]
              for setting in SETTINGS for feed in FEEDS}
    at_once, one_by_one = FEEDS
    for (setting, feed), logits in served.items():
        add(f"llama.cpp, {args.kind} file, {setting}, {feed}", logits)

    for linear in linears.values():
        linear.rounds_activations = True
    rounding = run_model(model, windows, SEQUENCES, args.threads, gradients=True)
    for setting in (DEFAULT, NEAREST):
        add(f"llama.cpp, {args.kind} file, {setting}, {at_once}", served[setting, at_once], rounding,
            f"transformers, fake {args.kind}, activations rounded as llama.cpp does")

    for setting in (DEFAULT, NEAREST):
        def add_to_itself(name, logits):
            add(f"the same, {name}", logits, served[setting, at_once],
                f"llama.cpp, {args.kind} file, {setting}, {at_once}")
        add_to_itself("2 threads", run_llama(args, quantized, **SETTINGS[setting], threads=2)[0])
        together = run_llama(args, quantized, **SETTINGS[setting], threads=1, together=4)[0]
        add_to_itself("4 windows in a batch", together)
        add_to_itself(one_by_one, served[setting, one_by_one])
    add(f"the same, KV f32, {at_once}", served["KV f32", at_once], served[DEFAULT, at_once],
        f"llama.cpp, {args.kind} file, {DEFAULT}, {at_once}")
    return rows, flags


def farthing_rows(args, windows):
    """Training against serving, and what is served against llama.cpp with the same codes."""
    rows = []
    for scheme in (f"{args.kind}@int8_block32", f"{args.kind}@f32"):
        model = farthing_training.train(args, scheme, SEQUENCES)
        pairs = farthing_training.align(args, model)
        worst = max(pairs, key=lambda pair: (pair["max"], not pair["equal_bits"]))
        rows.append({**worst, "a": f"farthing, training {scheme}",
                     "b": f"farthing, serving; the worst of {len(pairs)} ways"})
        file, saved = args.work / f"farthing-{scheme}.gguf", args.work / "next.npy"
        llama_gguf.write(file, *farthing_training.stored_tensors(model))
        logits, _ = run_llama(args, file, **SETTINGS[NEAREST], threads=1)
        numpy.save(saved, next_token_log_p(logits, windows).astype(numpy.float32))
        pair = farthing_training.align(args, model, "--against", saved, "--bound", "1e9")[0]
        rows.append({**pair, "a": f"farthing, {scheme}", "b": f"llama.cpp, the same codes, {NEAREST}"})
    return rows


def processor():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    facts = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    return facts.get("model name", platform.processor()), "avx512f" in facts.get("flags", "").split()


def report(result):
    machine = result["machine"]
    print(f"{result['model']}, {result['kind']}, {result['steps']} steps, {result['windows']} windows of "
          f"{result['context']} tokens, {result['rows'][0]['tokens']} scored")
    print(f"{machine['processor']}, AVX-512 {'yes' if machine['avx512'] else 'no'}, {result['threads']} threads; "
          + ", ".join(f"{name} {number}" for name, number in result["versions"].items()))
    print(f"llama.cpp: {result['llama_cpp_flags']}\n")
    print("| a | b | mean d (absolute) | max d (absolute) | sd d (absolute) | k3 mean | clipped, % | bits |")
    print("|---|---|---|---|---|---|---|---|")
    for row in result["rows"]:
        numbers = [f"{row[key]:.3g}" for key in ("mean", "max", "deviation", "k3_mean")]
        print("| " + " | ".join([row["a"], row["b"], *numbers, f"{100 * row['clip_fraction']:.2f}",
                                 "equal" if row["equal_bits"] else "differ"]) + " |")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path, nargs="?", default=LARGER if LARGER.is_dir() else SMALL,
                        metavar="MODEL_DIR", help="a Hugging Face directory of a Llama")
    parser.add_argument("--kind", choices=ggml_blocks.KINDS, default="q4_0")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--rate", type=float, default=5e-4, help="learning rate of AdamW, constant (5e-4)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--text", type=pathlib.Path, default=ROOT / "data/tinystories/eval.txt", help="held-out text")
    parser.add_argument("--tokens", type=int, default=4096, help="at most so many tokens of it (4096)")
    parser.add_argument("--context", type=int, default=128, help="tokens of a window (128)")
    parser.add_argument("--threads", type=int, default=2, help="of the trainers (2)")
    parser.add_argument("--farthing", type=pathlib.Path, default=ROOT / "build/release/farthing")
    parser.add_argument("--llama-python", help="default: what scripts/peers --python llama-cpp says")
    parser.add_argument("--work", type=pathlib.Path, help="folder that keeps the files; new")
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    args = parser.parse_args()
    if not args.farthing.is_file():
        parser.error(f"there is no program {args.farthing}; build it, or name it with --farthing")
    if args.work and args.work.exists():
        parser.error(f"--work: {args.work} exists already; name a new folder")
    if not args.llama_python:
        ask = [ROOT / "scripts/peers", "--python", "llama-cpp"]
        args.llama_python = subprocess.check_output(ask, text=True).strip()
    if not pathlib.Path(args.llama_python).is_file():
        parser.error(f"there is no {args.llama_python}; run scripts/peers, or name it with --llama-python")
    return args


def measure(args):
    local_models.transformers.utils.logging.disable_progress_bar()
    encode, model = local_models.load(args.model, "float32")
    text = args.text.read_text(encoding="utf-8")
    windows = local_models.cut_windows(encode, model, text, args).numpy()
    windows = windows[: len(windows) // SEQUENCES * SEQUENCES]
    if len(windows) == 0:
        raise local_models.Refused(f"--tokens: wanted {SEQUENCES} windows of {args.context} at least")
    args.tokens = windows.size
    numpy.save(args.work / "windows.npy", windows)
    ids = training_ids(ROOT / "data/tinystories", encode, json.loads((args.model / "config.json").read_text()))
    ids.astype("<u2").tofile(args.work / "ids.bin")
    rows, flags = other_stacks(args, windows, ids)
    name, avx512 = processor()
    versions = {package: version(package) for package in ("torch", "transformers", "gguf")}
    ask = "from importlib.metadata import version; print(version('llama-cpp-python'))"
    versions["llama-cpp-python"] = subprocess.check_output([args.llama_python, "-c", ask], text=True).strip()
    versions["farthing"] = subprocess.check_output([args.farthing, "--version"], text=True).split()[-1]
    return {"model": args.model.name, "kind": args.kind, "steps": args.steps, "rate": args.rate, "seed": args.seed,
            "text": args.text.name, "windows": len(windows), "context": args.context, "threads": args.threads,
            "machine": {"processor": name, "avx512": avx512}, "versions": versions, "llama_cpp_flags": flags,
            "rows": rows + farthing_rows(args, windows)}


def main():
    args = parse()
    try:
        with tempfile.TemporaryDirectory() as temporary:
            args.work = args.work or pathlib.Path(temporary)
            args.work.mkdir(parents=True, exist_ok=True)
            result = measure(args)
    except local_models.Refused as refused:
        sys.exit(f"train_serve_gap: {refused}")
    print(json.dumps(result, indent=2)) if args.json else report(result)


if __name__ == "__main__":
    main()
