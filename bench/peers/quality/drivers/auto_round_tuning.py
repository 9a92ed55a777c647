"""AutoRound: rounding and clipping learned block by block. SCHEME[:STEPS]; 50 steps with rate 5e-3 is its light preset."""
import torch
from auto_round import AutoRound
from auto_round.schemes import QuantizationScheme
from grids import Grid
from job import Clock, Job
from transformers import AutoModelForCausalLM, AutoTokenizer
from weights_file import WeightsFile, copy_with

LIGHT_STEPS, LIGHT_RATE = 50, 5e-3


def main():
    job = Job()
    scheme, _, steps = job.scheme.partition(":")
    grid, steps = Grid(scheme), int(steps or LIGHT_STEPS)
    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(job.model, dtype=torch.float32)
    windows = torch.from_numpy(job.windows().astype("int64"))
    tool = AutoRound(model, AutoTokenizer.from_pretrained(job.model),
                     scheme=QuantizationScheme(bits=grid.bits, group_size=grid.group or -1, sym=grid.symmetric, act_bits=16),
                     dataset=[window[None] for window in windows], iters=steps, lr=LIGHT_RATE if steps == LIGHT_STEPS else None,
                     nsamples=job.samples, seqlen=job.context, batch_size=8, device_map="cpu", enable_torch_compile=False,
                     amp=False)
    with Clock() as clock:
        done = tool.quantize()
    model = done[0] if isinstance(done, tuple) else done
    file = WeightsFile(job.model)
    found = model.state_dict()
    weights = {name: found[name].detach().float().numpy() for name in file.linears()}
    for name, values in weights.items():
        grid.check(name, values)
    error = copy_with(job.model, job.out, weights)
    shapes = [values.shape for values in weights.values()]
    job.finish(grid.bits_a_weight(shapes), clock, ["auto-round", "torch", "transformers"], weight_error=error, steps=steps)


if __name__ == "__main__":
    main()
