"""Writes the golden files beside it with the Python packages safetensors, gguf and numpy.

Usage: python make_golden.py [FOLDER]
The values are simple functions of the index, which the tests compute again.
"""

import sys
from pathlib import Path

import gguf
import ml_dtypes
import numpy as np
from safetensors.numpy import save_file


def make_safetensors(folder: Path) -> None:
    tensors = {
        "norm.weight": np.arange(5, dtype=np.float32) / 4,
        "a.f16": (np.arange(6, dtype=np.float16) - 3).reshape(2, 3),
        "a.bf16": (np.arange(24) - 8).astype(ml_dtypes.bfloat16).reshape(2, 3, 4),
        "codes": np.arange(7, dtype=np.uint8),
        "ids": np.arange(-2, 2, dtype=np.int64),
        "empty": np.zeros((0, 4), dtype=np.float32),
        "scalar": np.array(2.5, dtype=np.float64),
    }
    save_file(tensors, folder / "python.safetensors", metadata={"format": "pt", "näme": 'a "quoted" value'})


def make_gguf(folder: Path) -> None:
    writer = gguf.GGUFWriter(folder / "python.gguf", "llama")
    writer.add_uint32("test.u32", 4_000_000_000)
    writer.add_int32("test.i32", -7)
    writer.add_uint64("test.u64", 1 << 40)
    writer.add_float32("test.f32", 0.5)
    writer.add_float64("test.f64", 1e-300)
    writer.add_bool("test.yes", True)
    writer.add_string("test.text", "Grüße")
    writer.add_array("test.strings", ["a", "", "ccc"])
    writer.add_array("test.floats", [0.25, -1.0])
    writer.add_array("test.integers", [1, -2, 3])
    writer.add_array("test.nested", [[1, 2], [3]])
    values = np.arange(96, dtype=np.float32).reshape(3, 32) - 48
    writer.add_tensor("plain.f32", values)
    writer.add_tensor("plain.f16", values.astype(np.float16)[:, :5].copy())
    q4_0 = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q4_0)
    writer.add_tensor("blocks", q4_0, raw_dtype=gguf.GGMLQuantizationType.Q4_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make_types(folder: Path) -> None:
    lines = [f"{int(t)} {t.name} {size} {bytes_}\n" for t, (size, bytes_) in gguf.GGML_QUANT_SIZES.items()]
    (folder / "gguf_types.txt").write_text("".join(lines))


def make_npy(folder: Path) -> None:
    np.save(folder / "python_matrix.npy", np.arange(6, dtype=np.float32).reshape(2, 3) / 2)
    np.save(folder / "python_vector.npy", np.arange(4, dtype=np.float32))
    np.save(folder / "python_f64.npy", np.arange(4, dtype=np.float64))
    np.save(folder / "python_fortran.npy", np.asfortranarray(np.zeros((2, 3), dtype=np.float32)))


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    make_safetensors(target)
    make_gguf(target)
    make_types(target)
    make_npy(target)
