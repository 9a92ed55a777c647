"""llama.cpp's quantizer (the library in llama-cpp-python), with an importance matrix, rows folded to blocks of 256.

A row of 576 columns fits no block of 256, and llama.cpp falls back to larger types for it. Four such rows end to end are
2304 = 9 x 256 columns: the same weights and the same blocks of 32 and 16, so its types show what they can do.
Embedding and head stay f32, as for everybody.
"""
import ctypes
import json
import pathlib
import sys

import numpy
from job import Clock, Job
from weights_file import WeightsFile, copy_with

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2]))
import gguf  # noqa: E402
import llama_gguf  # noqa: E402

sys.path.pop()
import llama_cpp.llama_cpp as llama  # noqa: E402

F32 = 0  # ggml's number
BLOCK = 256


def rows_end_to_end(columns):
    """How many rows of so many columns are needed for whole blocks."""
    return BLOCK // int(numpy.gcd(columns, BLOCK))


def write_folded(model, path):
    """The GGUF file that llama.cpp quantizes; it is never run."""
    def fold(name, rows):
        joined = rows_end_to_end(rows.shape[1]) if rows.ndim == 2 and ".layers." in name else 1
        if joined > 1 and rows.shape[0] % joined:
            raise SystemExit(f"{name}: {rows.shape[0]} rows are no multiple of {joined}")
        return rows.reshape(-1, rows.shape[1] * joined) if joined > 1 else rows

    source = WeightsFile(model)
    tensors = {name: numpy.array(source.tensor(name)) for name in source.names()}
    llama_gguf.write(path, json.loads((pathlib.Path(model) / "config.json").read_text()), tensors, arrange=fold)


def importance(squares_path, keep):
    """llama.cpp's array of (name, mean squares); `keep` holds what it points to."""
    entries = []
    for name, squares in numpy.load(squares_path).items():
        values = numpy.ascontiguousarray(numpy.tile(squares, rows_end_to_end(squares.size)), numpy.float32)
        keep += [values, llama_gguf.gguf_name(name).encode()]
        entries.append((keep[-1], values.ctypes.data_as(ctypes.POINTER(ctypes.c_float)), values.size))
    array = (llama.llama_model_imatrix_data * (len(entries) + 1))()  # an entry without a name ends it
    for slot, (name, data, size) in zip(array, entries):
        slot.name, slot.data, slot.size = name, data, size
    return array


def quantize(job, source, target):
    lines, keep = [], []

    @llama.llama_log_callback
    def log(_, text, __):
        lines.append(text.decode(errors="replace"))

    llama.llama_log_set(log, ctypes.c_void_p(0))
    parameters = llama.llama_model_quantize_default_params()
    parameters.nthread = job.threads
    parameters.ftype = getattr(llama, f"LLAMA_FTYPE_MOSTLY_{job.scheme.upper()}")
    parameters.token_embedding_type = parameters.output_tensor_type = F32
    parameters.imatrix = importance(job.squares, keep)
    with Clock() as clock:
        status = llama.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(parameters))
    if status != 0:
        raise SystemExit(f"llama_model_quantize returned {status}: " + "".join(lines[-4:]))
    return clock


def read(job, path):
    """(weights by Hugging Face's names, bits a weight, {type: its share of the weights})"""
    config = json.loads((pathlib.Path(job.model) / "config.json").read_text())
    file = WeightsFile(job.model)
    names = {llama_gguf.gguf_name(name): name for name in file.linears()}
    weights, types, stored_bits, count = {}, {}, 0, 0
    for tensor in gguf.GGUFReader(path).tensors:
        if tensor.name not in names:
            continue
        name = names[tensor.name]
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        values = values.reshape(file.tensor(name).shape)
        if ".q_proj." in name or ".k_proj." in name:
            values = llama_gguf.part_halves(values, config["num_attention_heads" if ".q_proj." in name
                                                           else "num_key_value_heads"])
        weights[name] = values
        stored_bits, count = stored_bits + int(tensor.n_bytes) * 8, count + values.size
        kind = tensor.tensor_type.name
        types[kind] = types.get(kind, 0) + values.size
    return weights, stored_bits / count, {kind: size / count for kind, size in types.items()}


def main():
    job = Job()
    source, target = f"{job.work}/folded.gguf", f"{job.out}.gguf"
    if not pathlib.Path(source).exists():
        write_folded(job.model, source + ".part")
        pathlib.Path(source + ".part").rename(source)
    clock = quantize(job, source, target)
    weights, bits, types = read(job, target)
    pathlib.Path(target).unlink()
    error = copy_with(job.model, job.out, weights)
    job.finish(bits, clock, ["llama-cpp-python", "gguf"], weight_error=error, types=types)


if __name__ == "__main__":
    main()
