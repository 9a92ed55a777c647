"""Writes the fixtures quark_*: quantized and exported by AMD Quark, decoded by its own layers.

Usage: python make_quark.py [NAME...], with the environment quark of scripts/peers; without names, all. A fixture takes a minute, the
first some more.
The model of transformers has the weights of tiny_llama. expected.json has the package's decoding of the exported tensors, in f32.
"""
import json
import sys
import tempfile
from pathlib import Path

import torch
from quark.torch import ModelQuantizer, export_safetensors
from quark.torch.export.nn.modules.qparamslinear import QParamsLinear
from quark.torch.quantization.config import config as spec
from quark.torch.quantization.config.config import QConfig, QLayerConfig
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

import tiny_llama


def model(dtype: torch.dtype) -> LlamaForCausalLM:
    config = LlamaConfig(**{k: v for k, v in tiny_llama.CONFIG.items() if k not in ("architectures", "model_type")})
    out = LlamaForCausalLM(config).to(dtype)
    state = {f"{name}.weight": weight.to(dtype) for name, weight in tiny_llama.weights().items()}
    state |= tiny_llama.plain_tensors(dtype)
    missing, unexpected = out.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    return out.eval()


def fixture(name: str, layer: QLayerConfig, scheme: str, layers: dict[str, tuple[QLayerConfig, str]] | None = None,
            exclude: list[str] | None = None, pack_method: str = "reorder", dtype: torch.dtype = torch.bfloat16, **more) -> None:
    """`layers`: by the end of a module's name, another configuration and the scheme that it is read as."""
    if sys.argv[1:] and name not in sys.argv[1:]:
        return
    layers = layers or {}
    config = QConfig(global_quant_config=layer, exclude=["lm_head"] + (exclude or []),
                     layer_quant_config={f"*{end}": other for end, (other, _) in layers.items()}, **more)
    data = [torch.arange(24).reshape(1, 24) % tiny_llama.VOCABULARY]
    quantizer = ModelQuantizer(config)
    quantized = quantizer.freeze(quantizer.quantize_model(model(dtype), data))
    with tempfile.TemporaryDirectory() as folder:
        export_safetensors(quantized, folder, pack_method=pack_method)
        section = json.loads((Path(folder) / "config.json").read_text())["quantization_config"]
        tensors = load_file(Path(folder) / "model.safetensors")
    plain = tiny_llama.plain_tensors(dtype)
    for key in plain:
        assert torch.equal(tensors.pop(key), plain[key]), key
    tensors.pop("lm_head.weight", None)
    expected = {}
    for linear in tiny_llama.LINEARS:
        weight = tensors[f"{linear}.weight"]
        if any(linear.endswith(end.lstrip("*")) for end in exclude or []):
            expected[linear] = (f"{'bf16' if dtype == torch.bfloat16 else 'f16'}@f32", weight.float())
            continue
        other = next((found for end, found in layers.items() if linear.endswith(end)), (layer, scheme))
        n, k = tiny_llama.LINEARS[linear]
        decoder = QParamsLinear(torch.nn.Linear(k, n, bias=False).to(torch.float32), "quark", pack_method, other[0])
        state = {"weight": weight}
        two = isinstance(other[0].weight, list)
        for part, place in (("scale", "0." if two else ""), ("zero_point", ""), ("scale_2", "1.")):
            tensor = tensors.get(f"{linear}.weight_{part}")
            if tensor is not None:
                state[f"weight_quantizer.{place}{part.removesuffix('_2')}"] = \
                    tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor
        for key, value in state.items():
            owner, _, leaf = key.rpartition(".")
            target = decoder.get_submodule(owner)
            setattr(target, leaf, torch.nn.Parameter(value, requires_grad=False) if leaf == "weight" else value)
        expected[linear] = (other[1], decoder._get_qweight(decoder.weight).float())
    tiny_llama.write("quark_" + name, section, tensors, expected, dtype)


def of(weight, inputs=None) -> QLayerConfig:
    made = [x.to_quantization_spec() if x is not None else None for x in (weight, inputs)]
    return QLayerConfig(weight=made[0], input_tensors=made[1])


def main() -> None:
    fp8, fp8_dynamic = spec.FP8E4M3PerTensorSpec(), spec.FP8E4M3PerChannelSpec(ch_axis=1, is_dynamic=True)
    fixture("fp8_static", of(fp8, fp8), "fp8_e4m3_tensor@fp8_e4m3_static", exclude=["*v_proj"])
    fixture("fp8_token", of(spec.FP8E4M3PerChannelSpec(ch_axis=0), fp8_dynamic), "fp8_e4m3_row@fp8_e4m3_token")
    mxfp4 = spec.OCP_MXFP4Spec(ch_axis=-1, is_dynamic=False)
    fixture("mxfp4", of(mxfp4, spec.OCP_MXFP4Spec(ch_axis=-1)), "mxfp4@mxfp4")
    fixture("mxfp6", of(spec.OCP_MXFP6E2M3Spec(ch_axis=-1, is_dynamic=False)), "mxfp6_e2m3@f32",
            {"down_proj": (of(spec.OCP_MXFP6E3M2Spec(ch_axis=-1, is_dynamic=False)), "mxfp6_e3m2@f32")})
    nvfp4 = [spec.ScaleQuantSpec(first_stage=spec.FP4PerGroupSpec(ch_axis=-1, group_size=16, is_dynamic=dynamic, scale_type="float32"),
                                 second_stage=spec.FP8E4M3PerTensorSpec(observer_method="min_max", is_dynamic=False,
                                                                        scale_type="float32")) for dynamic in (False, True)]
    fixture("nvfp4", of(*nvfp4), "nvfp4@nvfp4")
    int8 = spec.Int8PerChannelSpec(symmetric=True, scale_type="float", round_method="half_even", ch_axis=0, is_dynamic=False)
    token = spec.Int8PerChannelSpec(symmetric=True, scale_type="float", round_method="half_even", ch_axis=1, is_dynamic=True)
    fixed = spec.Int8PerTensorSpec(observer_method="min_max", symmetric=False, scale_type="float", round_method="half_even",
                                   is_dynamic=False)
    whole = spec.Int8PerTensorSpec(observer_method="min_max", symmetric=True, scale_type="float", round_method="half_even",
                                   is_dynamic=False)
    fixture("int8_token", of(int8, token), "int8_row@int8_token")
    fixture("int8_static_asym", of(whole, fixed), "int8_tensor@int8_static_asym", dtype=torch.float32)
    groups = {"ch_axis": 1, "group_size": 32}
    fixture("int4_g32", of(spec.Int4PerGroupSpec(**groups)), "int4_g32@f32",
            {"down_proj": (of(spec.Uint8PerGroupSpec(symmetric=False, scale_type="float", round_method="half_even",
                                                     is_dynamic=False, **groups)), "int8_g32_asym@f32")})
    fixture("uint4_g32_order", of(spec.Uint4PerGroupSpec(symmetric=False, scale_type="float", round_method="half_even",
                                                         is_dynamic=False, **groups)), "int4_g32_asym@f32",
            pack_method="order", dtype=torch.float16)


if __name__ == "__main__":
    main()
