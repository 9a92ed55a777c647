"""GPTQModel's GPTQ, with its own defaults beside width, group and symmetry; the file that it saves is decoded.

SCHEME:mse turns on its search of scales (mse=2.4, as its documentation advises).
"""
import os
import pathlib
import shutil

# Its pool of threads must hold the two that load a model; on 2 processors its default is 1, which it refuses itself.
os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")
import numpy  # noqa: E402
import torch  # noqa: E402
from gptqmodel import GPTQModel, QuantizeConfig  # noqa: E402
from gptqmodel.quantization import FORMAT  # noqa: E402
from grids import Grid, decode_gptq  # noqa: E402
from job import Clock, Job  # noqa: E402
from safetensors import safe_open  # noqa: E402
from weights_file import WeightsFile, copy_with  # noqa: E402


def decode(folder, grid):
    weights, groups_differ = {}, False
    for path in pathlib.Path(folder).glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            for name in [name for name in file.keys() if name.endswith(".qweight")]:
                stem = name.removesuffix(".qweight")
                parts = {part: file.get_tensor(f"{stem}.{part}") for part in ("qweight", "qzeros", "scales", "g_idx")}
                parts = {part: (tensor.float() if part == "scales" else tensor).numpy() for part, tensor in parts.items()}
                plain = numpy.arange(len(parts["g_idx"])) // (grid.group or len(parts["g_idx"]))
                groups_differ |= bool((parts["g_idx"] != plain).any())
                weights[stem + ".weight"] = decode_gptq(**parts, bits=grid.bits)
    return weights, groups_differ


def main():
    job = Job()
    scheme, _, option = job.scheme.partition(":")
    grid = Grid(scheme)
    if grid.bits not in (2, 3, 4, 8):
        raise SystemExit(f"scheme '{scheme}': wanted 2, 3, 4 or 8 bits; this driver does not decode GPTQModel's other packings")
    torch.set_num_threads(job.threads)
    windows = [{"input_ids": [ids], "attention_mask": [[1] * len(ids)]} for ids in job.windows().tolist()]
    config = QuantizeConfig(bits=grid.bits, group_size=grid.group or -1, sym=grid.symmetric, format=FORMAT.GPTQ_V2,
                            mse=2.4 if option == "mse" else 0.0, device="cpu")
    model = GPTQModel.load(job.model, config, dtype=torch.float32)
    with Clock() as clock:
        model.quantize(windows, batch_size=4)
    saved = job.out + ".gptq"
    model.save(saved)
    weights, groups_differ = decode(saved, grid)
    shutil.rmtree(saved)
    file = WeightsFile(job.model)
    # Groups of columns that are not neighbours take a table of k entries; nothing for those that are.
    shapes = [file.tensor(name).shape for name in file.linears()]
    bits = grid.bits_a_weight(shapes) + (sum(32 * k for _, k in shapes) / sum(n * k for n, k in shapes) if groups_differ else 0)
    for name, values in weights.items():
        grid.check(name, values)
    error = copy_with(job.model, job.out, weights)
    job.finish(bits, clock, ["gptqmodel", "torch", "transformers"], weight_error=error, groups_differ=groups_differ)


if __name__ == "__main__":
    main()
