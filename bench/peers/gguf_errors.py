"""The error of Farthing's encodings of GGUF's searched types beside libggml's, on every linear of a model.

Usage: "$(scripts/peers --python llama-cpp)" bench/peers/gguf_errors.py MODEL [--farthing build/release/farthing] [--types q4_k,...]

MODEL: a Hugging Face directory of one model.safetensors in f32. For each type `farthing quantize` writes its blocks, and
libggml (ggml_quantize_chunk, without importance) encodes the same rows; both are decoded by the package gguf. Prints the
ratio of the sums of squared errors, with the weights that libggml uses (tests/formats/support/gguf_error.h) and without,
over the linears whose k the type's blocks divide, and how many of them are not above libggml's by themselves.
"""
import argparse
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT / "tests/formats/data")  # in place of this folder, whose llama_cpp.py is not the package

import gguf  # noqa: E402
import numpy as np  # noqa: E402
from make_gguf_errors import BY_RULE, weights  # noqa: E402
from make_golden_gguf import TYPES, ggml_encoded, libggml, type_of  # noqa: E402


def tensors_of(folder: Path) -> dict:
    raw = np.memmap(folder / "model.safetensors", np.uint8, "r")
    size, = struct.unpack("<Q", raw[:8].tobytes())
    kinds = {"F32": np.float32, "U8": np.uint8}
    out = {}
    for name, entry in json.loads(raw[8:8 + size].tobytes()).items():
        if name != "__metadata__" and entry["dtype"] in kinds:
            begin, end = entry["data_offsets"]
            out[name] = raw[8 + size + begin:8 + size + end].view(kinds[entry["dtype"]]).reshape(entry["shape"])
    return out


def errors(name: str, blocks: np.ndarray, exact: np.ndarray) -> np.ndarray:
    miss = gguf.dequantize(blocks, type_of(name)).astype(np.float64) - exact
    return np.array([(weights(name, exact) * miss**2).sum(), (miss**2).sum()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--farthing", default=str(ROOT / "build/release/farthing"))
    parser.add_argument("--types", default=",".join(name for name in TYPES if name not in BY_RULE))
    arguments = parser.parse_args()
    lib, originals = libggml(), tensors_of(arguments.model)
    print("type         linears   weighted    plain   linears not above")
    for name in arguments.types.split(","):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            subprocess.run([arguments.farthing, "quantize", arguments.model, "--format", f"{name}@f32", "-o", out],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            size, width = gguf.GGML_QUANT_SIZES[type_of(name)]
            ours, theirs, not_above, count = np.zeros(2), np.zeros(2), 0, 0
            for tensor, blocks in tensors_of(out).items():
                x = originals.get(tensor.removesuffix(".blocks"))
                # another width: a linear that fell back to another type
                if x is None or not tensor.endswith(".blocks") or x.shape[1] * width != blocks.shape[1] * size:
                    continue
                exact = x.astype(np.float64)
                a, b = errors(name, blocks, exact), errors(name, ggml_encoded(lib, name, x), exact)
                ours, theirs, not_above, count = ours + a, theirs + b, not_above + (a[0] <= b[0]), count + 1
        if count == 0:
            print(f"{name:12} no linear has k a multiple of {size}")
            continue
        print(f"{name:12} {count:7} {ours[0] / theirs[0]:10.4f} {ours[1] / theirs[1]:8.4f} {not_above:10} of {count}", flush=True)


if __name__ == "__main__":
    main()
