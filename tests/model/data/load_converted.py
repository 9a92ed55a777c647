"""Loads what `farthing convert` wrote with a program that reads it, on a CPU, and says how far it is from Farthing.

Usage: python load_converted.py PEER FOLDER..., with the environment of scripts/peers that has PEER, a name of PEERS below.
A FOLDER has converted/ (what was written), decoded/ (its linears as Farthing decodes them, f32), rounded.npy and plain.npy (Farthing's
logits with the rounding of inputs that the scheme states, and of decoded/), tokens.json.
Prints a JSON object for each: the program, how many linears it gave, in how many of their weights it differs from Farthing's and the
largest relative difference, and the difference of the logits of each token, relative to the largest. Where a program decodes in
half precision its weights are compared with Farthing's rounded to that, and the logits are computed with Farthing's.
"""
import json
import os
import pathlib
import sys

os.environ |= {"HF_HUB_OFFLINE": "1", "TORCHDYNAMO_DISABLE": "1", "DEVICE": "cpu"}
import numpy
import torch
import transformers
from safetensors.torch import load_file

torch.set_num_threads(1)
F32 = torch.float32


def transformers_model(folder, dtype=F32, **more):
    return transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=dtype, device_map="cpu", **more).eval()


def as_f32(model):
    """transformers' own float() refuses quantized models."""
    return torch.nn.Module.float(model)


def linear_weights(model):
    return {name: module.weight.data for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}


def with_weights(model, weights):
    for name, value in weights.items():
        model.set_submodule(name, torch.nn.Linear(*reversed(value.shape), bias=False, dtype=F32))
        model.get_submodule(name).weight.data = value.contiguous()


class CompressedTensors:
    """The model stays compressed until its first call, which decodes in the type of the scales: here f32."""
    program, dtype, rounded = "compressed-tensors", F32, None

    def load(self, folder, tokens):
        model = transformers_model(folder, self.dtype)
        model(tokens)
        return as_f32(model), {name: value for name, value in linear_weights(model).items() if "proj" in name}


class CompressedTensorsSmall(CompressedTensors):
    """FP4 and MX: the package decodes in bf16, and rounds inputs as their scheme says."""
    dtype = rounded = torch.bfloat16


class CompressedTensorsMx(CompressedTensorsSmall):
    """The package rounds an input's scale up from a mantissa of 1.75 on, Farthing by the rule of OCP: inputs stay unrounded."""

    def load(self, folder, tokens):
        model, weights = super().load(folder, tokens)
        for name in weights:
            model.get_submodule(name).quantization_enabled = False
        return model, weights


class CompressedTensorsToken(CompressedTensors):
    """Scales of tokens: the package divides an input's amax by 127.5 where vLLM's kernels, and Farthing, have 127."""

    def load(self, folder, tokens):
        from compressed_tensors.quantization.utils import helpers
        helpers._calculate_range = lambda *_: (torch.tensor(-127.0), torch.tensor(127.0))
        return super().load(folder, tokens)


class CompressedTensorsDense:
    """Decoded while it is loaded, in the type of the file's scales."""
    program, rounded = "compressed-tensors", torch.float16

    def load(self, folder, tokens):
        model = transformers_model(folder, quantization_config=transformers.CompressedTensorsConfig(dequantize=True))
        return model, {name: value for name, value in linear_weights(model).items() if "proj" in name}


class Fp8:
    """Without a GPU transformers decodes the model while it is loaded."""
    program, rounded = "transformers", None

    def load(self, folder, tokens):
        model = transformers_model(folder)
        return model, {name: value for name, value in linear_weights(model).items() if "proj" in name}


class Mxfp4:
    program, rounded = "transformers", torch.bfloat16

    def load(self, folder, tokens):
        model = as_f32(transformers_model(folder, torch.bfloat16, quantization_config=transformers.Mxfp4Config(dequantize=True)))
        weights = {}
        for layer, block in enumerate(model.model.layers):
            for matrix in ("gate_up_proj", "down_proj"):
                for expert, value in enumerate(getattr(block.mlp.experts, matrix)):  # [k, n], as Farthing's decoded file has it
                    weights[f"model.layers.{layer}.mlp.experts.{expert}.{matrix}"] = value.data
        return model, weights


class BitsAndBytes4:
    """The package's f32 kernel: its kernel for AVX-512 rounds weights and inputs to bf16."""
    program, rounded = "bitsandbytes", None

    def load(self, folder, tokens):
        import bitsandbytes
        model, weights = as_f32(transformers_model(folder)), {}
        for name, module in model.named_modules():
            if isinstance(module, bitsandbytes.nn.Linear4bit):
                module.support_avx512bf16_for_cpu, module.compute_dtype = False, F32
                module.weight.quant_state.dtype = F32
                weights[name] = bitsandbytes.functional.dequantize_4bit(module.weight.data, module.weight.quant_state)
        return model, weights


class BitsAndBytes8:
    """The package's operators, but not its layer, which casts inputs to f16 first. They multiply by 6.200124e-05 for 1 / 127^2."""
    program, rounded = "bitsandbytes", None

    def load(self, folder, tokens):
        import bitsandbytes
        model, weights = as_f32(transformers_model(folder)), {}
        for name, module in model.named_modules():
            if isinstance(module, bitsandbytes.nn.Linear8bitLt):
                codes, scb = module.weight.data, module.weight.SCB
                assert module.state.threshold == 0, module.state.threshold
                weights[name] = bitsandbytes.functional.int8_vectorwise_dequant(codes, scb)
                module.forward = lambda x, codes=codes, scb=scb: self.product(x, codes, scb)
        return model, weights

    @staticmethod
    def product(x, codes, scb):
        rows = x.reshape(-1, x.shape[-1])
        inputs, scales, _ = torch.ops.bitsandbytes.int8_vectorwise_quant(rows, 0.0)
        out = torch.ops.bitsandbytes.int8_scaled_mm(inputs, codes, scales, scb, bias=None, dtype=F32)
        return (out / (6.200124e-05 * 127**2)).reshape(*x.shape[:-1], -1)


class BitsAndBytes8Weights(BitsAndBytes8):
    """With a threshold the package rounds inputs but for their outliers; weights alone are compared."""

    def load(self, folder, tokens):
        import bitsandbytes
        model = transformers_model(folder)
        layers = {name: module for name, module in model.named_modules() if isinstance(module, bitsandbytes.nn.Linear8bitLt)}
        weights = {name: bitsandbytes.functional.int8_vectorwise_dequant(module.weight.data, module.weight.SCB)
                   for name, module in layers.items()}
        as_f32(model)
        with_weights(model, weights)
        return model, weights


class Gptq:
    """GPTQModel's kernel for CPUs with its scales as f32: it decodes and multiplies in the type of scales and inputs."""
    program, rounded, backend = "gptqmodel", None, "GPTQ_TORCH"

    def load(self, folder, tokens):
        import gptqmodel
        model = gptqmodel.GPTQModel.load(str(folder), device="cpu", backend=getattr(gptqmodel.BACKEND, self.backend), dtype=torch.float16)
        model = as_f32(model.model)
        return model, {name: self.weight(module) for name, module in model.named_modules() if hasattr(module, "qweight")}

    def weight(self, module):
        return module.dequantize_weight().T


class Awq(Gptq):
    """GPTQModel's decoding with f32 scales, in torch's linears: its kernel for CPUs multiplies in f16 alone."""
    backend = "AWQ_TORCH"

    def load(self, folder, tokens):
        model, weights = super().load(folder, tokens)
        with_weights(model, weights)
        return model, weights

    def weight(self, module):
        from gptqmodel.quantization.awq.utils.packing_utils import dequantize_gemm
        return dequantize_gemm(module.qweight, module.qzeros, module.scales, module.bits, module.group_size).T


class AutoRound:
    """AutoRound's layers for CPUs with f32 scales; a weight is what a layer makes of a unit vector."""
    program, rounded = "auto-round", None

    def load(self, folder, tokens):
        model = as_f32(transformers_model(folder, torch.float16))
        return model, {name: module(torch.eye(module.infeatures)).T.contiguous()
                       for name, module in model.named_modules() if hasattr(module, "qweight")}


class Quark:
    """amd-quark's own reader, which asks for every tensor; its linears decode in f32 and round inputs as the file says."""
    program, rounded = "amd-quark", None

    def load(self, folder, tokens):
        from quark.torch.export.api import import_model_from_safetensors
        from quark.torch.export.nn.modules.qparamslinear import QParamsLinear
        model = as_f32(import_model_from_safetensors(None, str(folder), device="cpu"))
        return model, {name: module._get_qweight(module.weight).to(F32) for name, module in model.named_modules()
                       if isinstance(module, QParamsLinear)}


class QuarkWeights(Quark):
    """Inputs whose scales Quark takes by another rule: for each token amax / 127.5 (here 127), of MX rounded (here OCP's); they stay
    unrounded."""

    def load(self, folder, tokens):
        model, weights = super().load(folder, tokens)
        with_weights(model, weights)
        return model, weights


PEERS = {"compressed-tensors": CompressedTensors, "compressed-tensors-small": CompressedTensorsSmall,
         "compressed-tensors-mx": CompressedTensorsMx, "compressed-tensors-token": CompressedTensorsToken,
         "compressed-tensors-dense": CompressedTensorsDense, "fp8": Fp8, "mxfp4": Mxfp4, "bitsandbytes-4bit": BitsAndBytes4,
         "bitsandbytes-8bit": BitsAndBytes8, "bitsandbytes-8bit-weights": BitsAndBytes8Weights, "gptq": Gptq, "awq": Awq,
         "auto-round": AutoRound, "quark": Quark, "quark-weights": QuarkWeights}


@torch.no_grad()
def compare(peer, folder):
    from importlib.metadata import version
    tokens = torch.tensor([json.loads((folder / "tokens.json").read_text())])
    model, weights = peer.load(folder / "converted", tokens)
    decoded = load_file(folder / "decoded" / "model.safetensors")
    differing, largest = 0, 0.0
    for name, value in weights.items():
        ours = decoded[f"{name}.weight"]
        assert value.shape == ours.shape and value.dtype == F32, (name, value.shape, ours.shape, value.dtype)
        theirs = value.clone()
        if peer.rounded is not None:
            value.copy_(ours)
            ours = ours.to(peer.rounded).to(F32)
        differing += int((theirs != ours).sum())
        largest = max(largest, float(((theirs - ours).abs() / ours.abs().clamp(min=1e-30)).max()))
    logits = model(tokens).logits[0].numpy()
    out = {"program": f"{peer.program} {version(peer.program)}", "linears": len(weights), "differing": differing, "weights": largest}
    for name in ("rounded", "plain"):
        ours = numpy.load(folder / f"{name}.npy")[0]
        out[name] = [float(each) for each in abs(logits - ours).max(-1) / abs(ours).max()]
    return out


def main():
    transformers.utils.logging.disable_progress_bar()
    print(json.dumps([compare(PEERS[sys.argv[1]](), pathlib.Path(folder)) for folder in sys.argv[2:]]))


if __name__ == "__main__":
    main()
