"""A copy of a model's folder in which the weights of some linears are replaced by what a quantizer made of them."""
import json
import pathlib
import shutil

import numpy


class WeightsFile:
    """model.safetensors of a folder, all f32; `replace` writes into the file itself."""

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "model.safetensors"
        with open(self.path, "rb") as file:
            header_bytes = int.from_bytes(file.read(8), "little")
            self.entries = json.loads(file.read(header_bytes))
        self.entries.pop("__metadata__", None)
        self.begin = 8 + header_bytes

    def tensor(self, name, mode="r"):
        entry = self.entries[name]
        if entry["dtype"] != "F32":
            raise SystemExit(f"{self.path}: {name} is {entry['dtype']}, wanted F32 (as farthing-offgrid writes)")
        return numpy.memmap(self.path, "<f4", mode, self.begin + entry["data_offsets"][0], tuple(entry["shape"]))

    def names(self):
        return list(self.entries)

    def linears(self):
        """The matrices of the blocks: what is quantized, and what bits a weight are counted over."""
        return [name for name, entry in self.entries.items() if ".layers." in name and len(entry["shape"]) == 2]

    def replace(self, name, values):
        target = self.tensor(name, "r+")
        if tuple(values.shape) != target.shape:
            raise SystemExit(f"{name}: the quantizer returned {tuple(values.shape)}, the model has {target.shape}")
        if not numpy.isfinite(values).all():
            raise SystemExit(f"{name}: the quantizer returned a value that is not finite")
        target[:] = values
        target.flush()


def copy_with(model, out, weights):
    """`weights` name to f32 values for every linear of the blocks; a missing one is an error, not a kept one.

    Returns the squared error of all weights over their squares: a file that was read in the wrong order has 1 or 2."""
    shutil.copytree(model, out, dirs_exist_ok=True)
    file = WeightsFile(out)
    missing = set(file.linears()) - set(weights)
    if missing:
        raise SystemExit(f"the quantizer left {len(missing)} linears as they were, {sorted(missing)[0]} among them")
    error = squares = 0.0
    for name in file.linears():
        before = file.tensor(name).astype(numpy.float64)
        error += float(((weights[name] - before) ** 2).sum())
        squares += float((before ** 2).sum())
        file.replace(name, weights[name])
    return error / squares
