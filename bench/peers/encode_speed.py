"""Speed and error of encoding GGUF's searched types: Farthing beside llama.cpp's own quantizer, one thread each.

Usage: "$(scripts/peers --python llama-cpp)" bench/peers/encode_speed.py [TENSORS.safetensors] [--types q4_k,q6_k,iq4_xs] [--pairs 5]
Needs build/release/bench_encode (scripts/build release bench_encode). TENSORS: f32 matrices with rows of one length; without it
1024 x 4096 normal numbers. llama.cpp: ggml_quantize_chunk of llama-cpp-python's library, which llama-quantize calls for each
chunk of rows. A pair is one run of each side, in turn; a run is the fastest of 3 encodings of all rows, in processor seconds of
the one thread. Each type without importance and with (one positive number a column, of a fixed seed). Errors are Farthing's over
llama.cpp's, of both sides' blocks decoded by the package gguf. Without importance: `weighted` as in
tests/formats/support/gguf_error.h, which is what ggml makes small, and `plain`. With: `weighted` by the importance, and by
`product`, the importance times sqrt(x^2 + 2 mean x^2 of the block), which is what ggml makes small of q4_k and iq4_xs.
"""
import argparse
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT / "tests/formats/data")  # in place of this folder, whose llama_cpp.py is not the package

import gguf  # noqa: E402
import llama_cpp  # noqa: E402
import numpy as np  # noqa: E402
from make_gguf_errors import weights  # noqa: E402
from make_golden_gguf import libggml, type_of  # noqa: E402


def rows_of(path: Path) -> np.ndarray:
    raw = path.read_bytes()
    size, = struct.unpack("<Q", raw[:8])
    out = []
    for name, entry in sorted(json.loads(raw[8:8 + size]).items()):
        if name != "__metadata__" and entry["dtype"] == "F32" and len(entry["shape"]) == 2:
            begin, end = entry["data_offsets"]
            out.append(np.frombuffer(raw[8 + size + begin:8 + size + end], np.float32).reshape(entry["shape"]))
    return np.ascontiguousarray(np.concatenate(out))


def theirs(lib, name: str, x: np.ndarray, importance: np.ndarray | None, blocks: np.ndarray) -> float:
    times = []
    for _ in range(3):
        begin = time.thread_time()
        written = lib.ggml_quantize_chunk(int(type_of(name)), x.ctypes.data, blocks.ctypes.data, 0, *x.shape,
                                          None if importance is None else importance.ctypes.data)
        times.append(time.thread_time() - begin)
        assert written == blocks.size, name
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tensors", type=Path, nargs="?")
    parser.add_argument("--program", default=str(ROOT / "build/release/bench_encode"))
    parser.add_argument("--types", default="q4_k,q6_k,iq4_xs")
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    g = np.random.default_rng(1)
    x = rows_of(arguments.tensors) if arguments.tensors else g.normal(0, 0.05, (1024, 4096)).astype(np.float32)
    n, k = x.shape
    importance = (g.normal(size=k)**2 * np.exp(g.normal(size=k))).astype(np.float32)
    exact, lib = x.astype(np.float64), libggml()
    print(f"{n} x {k} values; llama-cpp-python {llama_cpp.__version__}: {llama_cpp.llama_print_system_info().decode()}")
    print(f"farthing: {os.environ.get('FARTHING_FORCE_ISA') or 'the strongest instruction set'}; million weights a second\n")
    with tempfile.TemporaryDirectory() as folder:
        at = {name: str(Path(folder) / name) for name in ("values", "blocks", "importance")}
        x.tofile(at["values"])
        importance.tofile(at["importance"])
        for name in arguments.types.split(","):
            size, width = gguf.GGML_QUANT_SIZES[type_of(name)]
            peer = np.ones((n, k // size * width), np.uint8)  # written once, so that its pages are there
            for of in (None, importance):
                command = [arguments.program, name, str(k), at["values"], at["blocks"]] + ([] if of is None else [at["importance"]])
                pairs = []
                for _ in range(arguments.pairs):
                    mine = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                    pairs.append((x.size / mine / 1e6, x.size / theirs(lib, name, x, of, peer) / 1e6))
                ours = np.fromfile(at["blocks"], np.uint8).reshape(peer.shape)
                if of is None:
                    counts, other, second = weights(name, exact), 1.0, "plain"
                else:
                    counts, second = of.astype(np.float64), "product"
                    squares = (exact**2).reshape(n, -1, 256)
                    other = counts * np.sqrt(squares + 2 * squares.mean(-1, keepdims=True)).reshape(n, k)
                misses = [(gguf.dequantize(blocks, type_of(name)).astype(np.float64) - exact)**2 for blocks in (ours, peer)]
                error = [(by * misses[0]).sum() / (by * misses[1]).sum() for by in (counts, other)]
                ratio = statistics.median(a / b for a, b in pairs)
                print(f"{name:7} {'importance' if of is not None else 'none':10} ratio {ratio:5.2f}  errors: weighted {error[0]:.4f}"
                      f" {second} {error[1]:.4f}  farthing/llama.cpp: " + " ".join(f"{a:.1f}/{b:.1f}" for a, b in pairs), flush=True)


if __name__ == "__main__":
    main()
