"""Writes the fixtures fp8_* and modelopt_*: by torch's own FP8, and formulas for the rest.

Usage: python make_fp8.py, with any environment of scripts/peers that has torch and safetensors.
No package that writes these runs without a GPU: the layouts are those that vLLM's readers take (fp8.py, modelopt.py).
"""
import math

import torch

import tiny_llama

E4M3 = torch.float8_e4m3fn
ELEMENTS = torch.tensor([0, .5, 1, 1.5, 2, 3, 4, 6])


def blocks(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """codes, scales of blocks of 128 x 128, values."""
    n, k = weight.shape
    rows, columns = math.ceil(n / 128), math.ceil(k / 128)
    scales = torch.zeros(rows, columns)
    for i in range(rows):
        for j in range(columns):
            scales[i, j] = weight[128 * i:128 * i + 128, 128 * j:128 * j + 128].abs().amax() / 448
    each = scales.repeat_interleave(128, 0)[:n].repeat_interleave(128, 1)[:, :k]
    codes = (weight / each).to(E4M3)
    return codes, scales, codes.float() * each


def whole(weight: torch.Tensor, dim: int | None = None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same with one scale, or one for each row."""
    scales = (weight.abs().amax() if dim is None else weight.abs().amax(dim, keepdim=True)) / 448
    codes = (weight / scales).to(E4M3)
    return codes, scales, codes.float() * scales


def nvfp4(weight: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """ModelOpt's tensors, and the values."""
    unit = weight.abs().amax() / (6 * 448)
    groups = weight.reshape(weight.shape[0], -1, 16)
    scales = (groups.abs().amax(-1) / 6 / unit).to(E4M3)
    each = scales.float() * unit
    distance = (groups / each[..., None]).abs()[..., None] - ELEMENTS
    index = distance.abs().argmin(-1)
    codes = (index + 8 * (groups < 0)).reshape(weight.shape).to(torch.uint8)
    values = torch.where(groups < 0, -ELEMENTS[index], ELEMENTS[index]) * each[..., None]
    return ({"weight": codes[:, ::2] | codes[:, 1::2] << 4, "weight_scale": scales, "weight_scale_2": unit},
            values.reshape(weight.shape))


def mxfp8(weight: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    groups = weight.reshape(weight.shape[0], -1, 32)
    exponents = torch.ceil(torch.log2(groups.abs().amax(-1) / 448))
    codes = (groups / 2**exponents[..., None]).to(E4M3)
    values = codes.float() * 2**exponents[..., None]
    return ({"weight": codes.reshape(weight.shape), "weight_scale": (exponents + 127).to(torch.uint8)},
            values.reshape(weight.shape))


def fixture(name: str, section: dict, store, side_file: str = "", plain: str = "") -> None:
    """`store`: of a linear and its weight, its tensors, values and scheme; `plain`: the linear that is left out."""
    tensors, expected = {}, {}
    for linear, weight in tiny_llama.weights().items():
        if plain and linear.endswith(plain):
            tensors[f"{linear}.weight"] = weight.bfloat16()
            expected[linear] = ("bf16@f32", weight.bfloat16().float())
            continue
        parts, values, scheme = store(linear, weight)
        tensors |= {f"{linear}.{part}": tensor for part, tensor in parts.items()}
        expected[linear] = (scheme, values)
    tiny_llama.write(name, section, tensors, expected, torch.bfloat16, side_file)


def block_store(scale: str, dtype: torch.dtype, scheme: str, shape4: bool = False):
    def store(linear: str, weight: torch.Tensor):
        codes, scales, values = blocks(weight)
        if dtype == torch.float8_e8m0fnu:
            scales = 2**torch.ceil(torch.log2(scales))
            each = scales.repeat_interleave(128, 0)[:len(weight)].repeat_interleave(128, 1)[:, :weight.shape[1]]
            codes = (weight / each).to(E4M3)
            values = codes.float() * each
        stored = scales[:, None, :, None] if shape4 else scales
        return {"weight": codes, scale: stored.to(dtype)}, values, scheme
    return store


def static_store(scheme: str, scalar: bool):
    def store(linear: str, weight: torch.Tensor):
        codes, scale, values = whole(weight)
        one = torch.tensor(0.0625) if scalar else torch.tensor([0.0625])
        return {"weight": codes, "weight_scale": scale if scalar else scale[None], "input_scale": one}, values, scheme
    return store


def main() -> None:
    dynamic = {"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3", "weight_block_size": [128, 128]}
    fixture("fp8_block", dynamic, block_store("weight_scale_inv", torch.float32, "fp8_e4m3_block128@fp8_e4m3_g128"),
            plain="o_proj")
    fixture("fp8_block_ue8m0", dict(dynamic, scale_fmt="ue8m0"),
            block_store("weight_scale_inv", torch.float8_e8m0fnu, "fp8_e4m3_block128@fp8_e4m3_g128"))
    fixture("fp8_static", {"quant_method": "fp8", "activation_scheme": "static"},
            static_store("fp8_e4m3_tensor@fp8_e4m3_static", True))

    def modelopt(algorithm: str, **more) -> dict:
        return {"quant_method": "modelopt", "quant_algo": algorithm, "ignore": ["lm_head"],
                "producer": {"name": "modelopt", "version": "0.37.0"}, **more}

    def per_channel(linear: str, weight: torch.Tensor):
        codes, scales, values = whole(weight, 1)
        return {"weight": codes, "weight_scale": scales[:, 0]}, values, "fp8_e4m3_row@fp8_e4m3_token"

    def nvfp4_store(linear: str, weight: torch.Tensor):
        parts, values = nvfp4(weight)
        return {**parts, "input_scale": torch.tensor(0.003)}, values, "nvfp4@nvfp4"

    def mixed(linear: str, weight: torch.Tensor):
        if "mlp" in linear:
            parts, values = nvfp4(weight)
            return parts, values, "nvfp4@f32"
        parts, values = mxfp8(weight)
        return parts, values, "mxfp8@mxfp8"

    fixture("modelopt_fp8", modelopt("FP8"), static_store("fp8_e4m3_tensor@fp8_e4m3_static", False))
    fixture("modelopt_fp8_channel", modelopt("FP8_PER_CHANNEL_PER_TOKEN"), per_channel)
    fixture("modelopt_fp8_blocks", modelopt("FP8_PB_WO"),
            block_store("weight_scale", torch.float32, "fp8_e4m3_block128@f32", True))
    fixture("modelopt_nvfp4",
            {"producer": {"name": "modelopt", "version": "0.37.0"},
             "quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": None, "group_size": 16,
                              "exclude_modules": ["lm_head", "model.layers.*.o_proj"]}},
            nvfp4_store, side_file="hf_quant_config.json", plain="o_proj")
    layers = {linear: {"quant_algo": "W4A16_NVFP4" if "mlp" in linear else "MXFP8"} for linear in tiny_llama.LINEARS}
    fixture("modelopt_mixed", modelopt("MIXED_PRECISION", quantized_layers=layers), mixed)


if __name__ == "__main__":
    main()
