"""llm-compressor's GPTQ with its own defaults (static activation order); SCHEME:mse searches the scales."""
import datasets
import torch
from grids import Grid
from job import Clock, Job
from llmcompressor import oneshot
from llmcompressor.modifiers.gptq import GPTQModifier
from transformers import AutoModelForCausalLM, AutoTokenizer
from weights_file import WeightsFile, copy_with


def main():
    job = Job()
    scheme, _, option = job.scheme.partition(":")
    grid = Grid(scheme)
    torch.set_num_threads(job.threads)
    model = AutoModelForCausalLM.from_pretrained(job.model, dtype=torch.float32)
    ids = job.windows().tolist()
    windows = datasets.Dataset.from_dict({"input_ids": ids, "attention_mask": [[1] * len(window) for window in ids]})
    weights = {"num_bits": grid.bits, "type": "int", "symmetric": grid.symmetric,
               "strategy": "group" if grid.group else "channel", "group_size": grid.group or None,
               "observer": "mse" if option == "mse" else "minmax"}
    recipe = GPTQModifier(config_groups={"group_0": {"targets": ["Linear"], "weights": weights}}, ignore=["lm_head"])
    with Clock() as clock:
        oneshot(model=model, tokenizer=AutoTokenizer.from_pretrained(job.model), dataset=windows, recipe=recipe,
                num_calibration_samples=job.samples, max_seq_length=job.context, shuffle_calibration_samples=False)
    file = WeightsFile(job.model)
    found = model.state_dict()
    weights = {name: found[name].detach().float().numpy() for name in file.linears()}
    for name, values in weights.items():
        grid.check(name, values)
    error = copy_with(job.model, job.out, weights)
    shapes = [values.shape for values in weights.values()]
    job.finish(grid.bits_a_weight(shapes), clock, ["llmcompressor", "compressed-tensors", "torch", "transformers"],
               weight_error=error)


if __name__ == "__main__":
    main()
