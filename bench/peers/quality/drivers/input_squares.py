"""Mean square of each input column of every linear, by transformers on the unquantized model: an importance matrix.

As llama-imatrix collects it, from the same windows as every other method. Written once for a set of types.
"""
import os

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from job import Clock, Job  # noqa: E402

job = Job()
torch.set_num_threads(job.threads)
model = transformers.AutoModelForCausalLM.from_pretrained(job.model, dtype=torch.float32).eval()
sums = {}


def watch(name):
    def add(_, inputs):
        rows = inputs[0].reshape(-1, inputs[0].shape[-1]).double()
        sums[name] = sums.get(name, 0) + rows.square().sum(0)
    return add


for name, module in model.named_modules():
    if isinstance(module, torch.nn.Linear) and ".layers." in name:
        module.register_forward_pre_hook(watch(name + ".weight"))
windows = torch.from_numpy(job.windows().astype(numpy.int64))
with Clock() as clock, torch.no_grad():
    for first in range(0, len(windows), 4):
        model.model(windows[first: first + 4], use_cache=False)
numpy.savez(job.squares, **{name: (total / windows.numel()).float().numpy() for name, total in sums.items()})
job.finish(0, clock, ["torch", "transformers"])
