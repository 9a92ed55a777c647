#!/usr/bin/env python3
"""Speed of Farthing beside llama.cpp: the same Q4_0 file, the same threads, runs in turn.

  "$(scripts/peers --python llama-cpp)" bench/peers/llama_cpp.py MODEL.gguf

From MODEL.gguf (any types) an F32 file is written, and from that, by llama.cpp's own quantizer with `pure`, a
file whose matrices are all Q4_0. A run is a process of its own: it loads the model, warms up, reads a prompt in
one pass and writes tokens one by one behind it (the same tokens on both sides, no sampling). In every other pair
llama.cpp goes first.
Measure on a machine that does nothing else.
"""
import argparse
import ctypes
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version

sys.path.pop(0)  # this file's folder: the package has this file's name
import gguf  # noqa: E402
import llama_cpp.llama_cpp as llama  # noqa: E402
import numpy as np  # noqa: E402

FARTHING = pathlib.Path(__file__).resolve().parents[2] / "build/release/farthing"


def write_f32(source: str, target: pathlib.Path) -> None:
    """A GGUF with the source's metadata and its tensors as F32."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for key, field in reader.fields.items():
        written_anew = ("general.architecture", "general.file_type", "general.quantization_version")
        if key.startswith("GGUF.") or key in written_anew:
            continue
        kind = field.types[0]
        element = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(key, field.contents(), kind, sub_type=element)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        writer.add_tensor(tensor.name, values.reshape([int(size) for size in tensor.shape[::-1]]))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_q4_0(source: pathlib.Path, target: pathlib.Path, threads: int) -> None:
    parameters = llama.llama_model_quantize_default_params()
    parameters.nthread = threads
    parameters.ftype = llama.LLAMA_FTYPE_MOSTLY_Q4_0
    parameters.pure = True
    status = llama.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(parameters))
    if status != 0:
        sys.exit(f"llama_model_quantize failed with status {status}")
    for tensor in gguf.GGUFReader(target).tensors:
        if len(tensor.shape) == 2 and tensor.tensor_type != gguf.GGMLQuantizationType.Q4_0:
            sys.exit(f"{target}: tensor {tensor.name} is {tensor.tensor_type.name}, not Q4_0")


def run_llama(model_path: str, prompt: int, decode: int, threads: int) -> dict:
    """One run, in this process."""
    llama.llama_backend_init()
    parameters = llama.llama_model_default_params()
    parameters.n_gpu_layers = 0
    model = llama.llama_model_load_from_file(model_path.encode(), parameters)
    options = llama.llama_context_default_params()
    options.n_ctx = prompt + decode
    options.n_batch = prompt
    options.n_threads = options.n_threads_batch = threads
    context = llama.llama_init_from_model(model, options)
    vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    tokens = (ctypes.c_int32 * prompt)(*[i * 7919 % vocabulary for i in range(prompt)])

    def feed(begin: int, count: int) -> None:
        part = ctypes.cast(ctypes.byref(tokens, 4 * begin), ctypes.POINTER(ctypes.c_int32))
        if llama.llama_decode(context, llama.llama_batch_get_one(part, count)) != 0:
            sys.exit("llama_decode failed")
        llama.llama_synchronize(context)

    seconds = []
    for prompt_now, decode_now in [(max(1, prompt // 8), 4), (prompt, decode)]:  # the first warms up
        llama.llama_memory_clear(llama.llama_get_memory(context), True)
        began = time.perf_counter()
        feed(0, prompt_now)
        between = time.perf_counter()
        for i in range(decode_now):
            feed(i % prompt, 1)
        seconds = [between - began, time.perf_counter() - between]
    return {"prompt": prompt / seconds[0], "decode": decode / seconds[1]}


def run_llama_apart(arguments, model_path: pathlib.Path) -> dict:
    command = [sys.executable, __file__, str(model_path), "--one-llama-run", "-p", str(arguments.prompt), "-n",
               str(arguments.decode), "--threads", str(arguments.threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{done.stderr[-2000:]}\nllama.cpp's run ended with status {done.returncode}. On some machines its AMX "
                 "kernels crash\n(status -11): build llama-cpp-python without GGML_NATIVE, with this machine's other "
                 "instruction sets.")
    return json.loads(done.stdout)


def run_farthing(arguments, model_path: pathlib.Path) -> dict:
    command = [str(arguments.farthing), "bench", str(model_path), "-p", str(arguments.prompt), "-n",
               str(arguments.decode), "-r", "1", "--threads", str(arguments.threads), "--json"]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    if (found["prompt_tokens"], found["decode_tokens"]) != (arguments.prompt, arguments.decode):
        sys.exit(f"the model has too few positions for {arguments.prompt} + {arguments.decode} tokens")
    return {"prompt": found["prompt_tokens_per_second"], "decode": found["decode_tokens_per_second"],
            "isa": found["isa"], "processor": found["processor"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a GGUF file")
    parser.add_argument("-p", "--prompt", type=int, default=512)
    parser.add_argument("-n", "--decode", type=int, default=128)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--farthing", type=pathlib.Path, default=FARTHING, help="the program (build/release/farthing)")
    parser.add_argument("--work", type=pathlib.Path, help="folder that keeps the F32 and Q4_0 files")
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.add_argument("--one-llama-run", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one_llama_run:
        print(json.dumps(run_llama(arguments.model, arguments.prompt, arguments.decode, arguments.threads)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or pathlib.Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        stem = pathlib.Path(arguments.model).name.split(".")[0]
        f32, q4_0 = work / f"{stem}-f32.gguf", work / f"{stem}-pure-q4_0.gguf"
        if not q4_0.exists():
            write_f32(arguments.model, f32)
            write_q4_0(f32, q4_0, arguments.threads)
        report(arguments, q4_0)


def report(arguments, model_path: pathlib.Path) -> None:
    pairs = []
    for i in range(arguments.pairs):
        sides = {"farthing": run_farthing, "llama.cpp": run_llama_apart}
        order = list(sides) if i % 2 == 0 else list(sides)[::-1]
        pairs.append({side: sides[side](arguments, model_path) for side in order})
        if not arguments.json:
            ours, theirs = pairs[-1]["farthing"], pairs[-1]["llama.cpp"]
            print(f"pair {i + 1}, {order[0]} first: prompt {ours['prompt']:.0f} : {theirs['prompt']:.0f}, "
                  f"decode {ours['decode']:.1f} : {theirs['decode']:.1f} tokens/s (farthing : llama.cpp)", flush=True)
    program = subprocess.check_output([arguments.farthing, "--version"], text=True).strip()
    result = {
        "model": model_path.name, "bytes": model_path.stat().st_size, "threads": arguments.threads,
        "prompt_tokens": arguments.prompt, "decode_tokens": arguments.decode,
        "processor": pairs[0]["farthing"]["processor"], "system": platform.platform(),
        "load_average": os.getloadavg()[1],
        "farthing": {"version": program, "isa": pairs[0]["farthing"]["isa"], "kv_cache": "f32"},
        "llama_cpp": {"llama-cpp-python": version("llama-cpp-python"), "kv_cache": "f16",
                      "flags": llama.llama_print_system_info().decode().strip()},
        "pairs": pairs,
    }
    for test in ("prompt", "decode"):
        ratios = [pair["farthing"][test] / pair["llama.cpp"][test] for pair in pairs]
        result[test] = {"farthing": statistics.median(pair["farthing"][test] for pair in pairs),
                        "llama.cpp": statistics.median(pair["llama.cpp"][test] for pair in pairs),
                        "ratio": statistics.median(ratios), "ratio_range": [min(ratios), max(ratios)]}
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{result['processor']}, {result['threads']} threads, {result['system']}, load {result['load_average']:.1f}")
    print(f"{result['model']}, {result['bytes'] / 1e6:.1f} MB, prompt {arguments.prompt}, decode {arguments.decode}")
    print(f"{program}, {result['farthing']['isa']}, KV cache f32")
    print(f"llama-cpp-python {result['llama_cpp']['llama-cpp-python']}, KV cache f16, {result['llama_cpp']['flags']}")
    for test in ("prompt", "decode"):
        row = result[test]
        print(f"{test}: farthing {row['farthing']:.1f}, llama.cpp {row['llama.cpp']:.1f} tokens/s (medians); "
              f"ratio {row['ratio']:.2f} ({row['ratio_range'][0]:.2f} to {row['ratio_range'][1]:.2f})")


if __name__ == "__main__":
    main()
