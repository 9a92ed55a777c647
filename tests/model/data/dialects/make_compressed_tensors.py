"""Writes the fixtures compressed_tensors_*: compressed and decompressed by the package's own compressors.

Usage: python make_compressed_tensors.py, with the environment formats of scripts/peers.
The package decodes in the type of its scales; expected.json has its decoding with the same scales as f32. NVFP4's is the formula
of its readers, with the inverse of the global scale, and the script checks that the package's is the same to its precision.
Words of before version 0.17 are packed here, code by code. actorder "group" was of older versions: inputs are brought in the order of
their groups, compressed, and the codes put back, as those versions did.
"""
import math

import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32, unpack_from_int32
from compressed_tensors.quantization import QuantizationArgs, QuantizationConfig, QuantizationScheme
from compressed_tensors.quantization.utils import calculate_qparams

import tiny_llama

ELEMENTS = torch.tensor([0, .5, 1, 1.5, 2, 3, 4, 6])


def int_weights(bits: int, group: int | None, symmetric: bool = True) -> QuantizationArgs:
    strategy = "tensor" if group == 0 else "channel" if group is None else "group"
    return QuantizationArgs(num_bits=bits, type="int", symmetric=symmetric, strategy=strategy, group_size=group or None)


def float_args(bits: int, **more) -> QuantizationArgs:
    return QuantizationArgs(num_bits=bits, type="float", symmetric=True, **more)


def extremes(weight: torch.Tensor, args: QuantizationArgs) -> tuple[torch.Tensor, torch.Tensor]:
    n, k = weight.shape
    if args.strategy == "tensor":
        return weight.amin().reshape(1), weight.amax().reshape(1)
    if args.strategy == "channel":
        return weight.amin(1, keepdim=True), weight.amax(1, keepdim=True)
    if args.strategy == "block":
        rows, columns = (math.ceil(size / 128) for size in (n, k))
        padded = torch.nn.functional.pad(weight, (0, 128 * columns - k, 0, 128 * rows - n))
        blocks = padded.reshape(rows, 128, columns, 128).transpose(1, 2).flatten(2)
        return blocks.amin(-1), blocks.amax(-1)
    groups = weight.reshape(n, -1, args.group_size)
    return groups.amin(-1), groups.amax(-1)


def legacy_words(codes: torch.Tensor, bits: int) -> torch.Tensor:
    """[rows, columns]: 32 // bits whole codes in a word."""
    count = 32 // bits
    out = torch.zeros((codes.shape[0], math.ceil(codes.shape[1] / count)), dtype=torch.int64)
    for column in range(codes.shape[1]):
        out[:, column // count] |= (codes[:, column].to(torch.int64) + 2**(bits - 1)) << bits * (column % count)
    return torch.where(out >= 2**31, out - 2**32, out).to(torch.int32)


def compressed(weight: torch.Tensor, scheme: QuantizationScheme, dtype: torch.dtype,
               legacy: bool) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """The tensors of a linear by their local names, and its values."""
    args = scheme.weights
    state = {"weight": weight}
    if scheme.format.startswith("nvfp4"):
        state["weight_global_scale"] = (448 * 6 / weight.abs().amax()).reshape(1)
        scales, zeros = calculate_qparams(*extremes(weight, args), args, state["weight_global_scale"])
        scales = scales.to(torch.float8_e4m3fn).float()
    else:
        scales, zeros = calculate_qparams(*extremes(weight, args), args)
        if scheme.format.startswith("mx"):
            scales = scales.float()
        else:
            scales = scales.to(dtype).float()
    state |= {"weight_scale": scales, "weight_zero_point": zeros.to(torch.int8) if not args.symmetric else zeros}
    compressor = BaseCompressor.get_value_from_registry(scheme.format)
    packed = compressor.compress(state, scheme)
    values = compressor.decompress(dict(packed), scheme)["weight"].float()
    if scheme.format.startswith("nvfp4"):
        codes = torch.stack((packed["weight_packed"] & 15, packed["weight_packed"] >> 4), -1).flatten(1).long()
        elements = ELEMENTS[codes & 7] * torch.where(codes > 7, -1., 1.)
        unit = 1 / packed["weight_global_scale"]
        ours = elements * (packed["weight_scale"].float() * unit).repeat_interleave(16, 1)
        assert torch.allclose(ours, values, rtol=2**-7), (ours, values)
        values = ours
    if packed["weight_scale"].dtype == torch.float32:
        packed["weight_scale"] = packed["weight_scale"].to(dtype)
    if legacy:
        codes = (weight.reshape(weight.shape[0], -1, args.group_size) / scales[..., None] + zeros[..., None]).round()
        packed["weight_packed"] = legacy_words(codes.clamp(-2**(args.num_bits - 1), 2**(args.num_bits - 1) - 1)
                                               .reshape(weight.shape), args.num_bits)
        packed["weight_zero_point"] = legacy_words(zeros.T, args.num_bits).T
    return packed, values


def by_activation(weight: torch.Tensor, scheme: QuantizationScheme, dtype: torch.dtype) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """The same of inputs in groups of any order."""
    n, k = weight.shape
    inputs = torch.randperm(k, generator=torch.Generator().manual_seed(5))
    places = torch.argsort(inputs)
    packed, values = compressed(weight[:, inputs], scheme, dtype, False)
    bits = scheme.weights.num_bits
    if "weight_packed" in packed:
        codes = unpack_from_int32(packed["weight_packed"], bits, torch.Size((n, k)))
        packed["weight_packed"] = pack_to_int32(codes[:, places].contiguous(), bits)
    else:
        packed["weight"] = packed["weight"][:, places].contiguous()
    packed["weight_g_idx"] = (places // scheme.weights.group_size).to(torch.int32)
    return packed, values[:, places].contiguous()


def fixture(name: str, groups: dict[str, tuple[QuantizationScheme, str]], ignore: list[str] | None = None,
            dtype: torch.dtype = torch.bfloat16, legacy: bool = False, extra: dict | None = None, actorder: str = "") -> None:
    """`groups`: scheme, the scheme that it is read as, and its linears by `targets`; `extra`: tensors of each linear; `actorder`:
    what linears of several groups are read as, which have them in any order."""
    formats = {scheme.format for scheme, _ in groups.values()}
    config = QuantizationConfig(config_groups={key: scheme for key, (scheme, _) in groups.items()},
                                format=formats.pop() if len(formats) == 1 else "mixed-precision",
                                quantization_status="compressed", ignore=ignore or [])
    section = config.model_dump(mode="json")
    tensors, expected = {}, {}
    for linear, weight in tiny_llama.weights().items():
        if ignore and linear.endswith("v_proj"):
            tensors[f"{linear}.weight"] = weight.to(dtype)
            expected[linear] = (f"{'bf16' if dtype == torch.bfloat16 else 'f16'}@f32", weight.to(dtype).float())
            continue
        key = next(key for key, (scheme, _) in groups.items()
                   if scheme.targets == ["Linear"] or ("mlp" in scheme.targets[0]) == ("mlp" in linear))
        scheme, read_as = groups[key]
        if actorder:
            section["config_groups"][key]["weights"]["actorder"] = "group"
        if actorder and weight.shape[1] > scheme.weights.group_size:
            parts, values = by_activation(weight, scheme, dtype)
            read_as = actorder
        else:
            parts, values = compressed(weight, scheme, dtype, legacy)
            if actorder:  # as it is before it is known
                parts["weight_g_idx"] = torch.full((weight.shape[1],), -1, dtype=torch.int32)
        tensors |= {f"{linear}.{part}": tensor for part, tensor in {**parts, **(extra or {})}.items()}
        expected[linear] = (read_as, values)
    tiny_llama.write("compressed_tensors_" + name, section, tensors, expected, dtype)


def one(weights: QuantizationArgs, file_format: str, inputs: QuantizationArgs | None = None,
        targets: str = "Linear") -> QuantizationScheme:
    return QuantizationScheme(targets=[targets], weights=weights, input_activations=inputs, format=file_format)


def main() -> None:
    token = QuantizationArgs(num_bits=8, type="int", symmetric=True, strategy="token", dynamic=True)
    packed, integers, floats = "pack-quantized", "int-quantized", "float-quantized"

    def single(name: str, read_as: str, *args, **more) -> None:
        fixture(name, {"group_0": (one(*args), read_as)}, **more)

    single("w4a16_g32", "int4_g32@f32", int_weights(4, 32), packed)
    single("w4a16_g32_asym", "int4_g32_asym@f32", int_weights(4, 32, False), packed, dtype=torch.float16)
    single("w4a16_g32_act_order", "int4_g32@f32", int_weights(4, 32), packed, actorder="int4_g32_act_order@f32")
    single("w3a16_g32_asym_act_order", "int3_g32_asym@f32", int_weights(3, 32, False), packed,
           actorder="int3_g32_act_order@f32")
    single("w4a8_act_order", "int4_g32@int8_token", int_weights(4, 32), integers, token,
           actorder="int4_g32_act_order@int8_token")
    single("w3a16_channel_asym", "int3_row_asym@f32", int_weights(3, None, False), packed)
    single("w3a16_g32_legacy", "int3_g32_asym@f32", int_weights(3, 32, False), packed, legacy=True)
    single("w5a16_channel", "int5_row@f32", int_weights(5, None), packed)
    single("w7a16_g32_asym", "int7_g32_asym@f32", int_weights(7, 32, False), packed)
    single("w8a8", "int8_row@int8_token", int_weights(8, None), integers, token)
    single("w8a8_static_asym", "int8_tensor@int8_static_asym", int_weights(8, 0), integers,
           QuantizationArgs(num_bits=8, type="int", symmetric=False, strategy="tensor"), dtype=torch.float32,
           extra={"input_scale": torch.tensor([0.05]), "input_zero_point": torch.tensor([-3], dtype=torch.int8)})
    single("w4a8", "int4_g32@int8_token", int_weights(4, 32), integers, token)
    single("fp8_static", "fp8_e4m3_tensor@fp8_e4m3_static", float_args(8, strategy="tensor"), floats,
           float_args(8, strategy="tensor"), extra={"input_scale": torch.tensor([0.02])}, dtype=torch.float32)
    single("fp8_dynamic", "fp8_e4m3_row@fp8_e4m3_token", float_args(8, strategy="channel"), floats,
           float_args(8, strategy="token", dynamic=True))
    single("fp8_block", "fp8_e4m3_block128@fp8_e4m3_g128", float_args(8, strategy="block", block_structure=[128, 128]),
           floats, float_args(8, strategy="group", group_size=128, dynamic=True))
    fp4 = float_args(4, strategy="tensor_group", group_size=16)
    single("nvfp4", "nvfp4@nvfp4", fp4, "nvfp4-pack-quantized",
           float_args(4, strategy="tensor_group", group_size=16, dynamic="local"),
           extra={"input_global_scale": torch.tensor([300.])})
    single("nvfp4a16", "nvfp4@f32", fp4, "nvfp4-pack-quantized")
    mx = {"strategy": "group", "group_size": 32, "scale_dtype": torch.uint8}
    single("mxfp4", "mxfp4@mxfp4", float_args(4, **mx), "mxfp4-pack-quantized", float_args(4, dynamic=True, **mx))
    single("mxfp8a16", "mxfp8@f32", float_args(8, **mx), "mxfp8-quantized")
    fixture("mixed", {"group_0": (one(int_weights(8, None), integers, token, "re:.*self_attn.*_proj$"), "int8_row@int8_token"),
                      "group_1": (one(int_weights(4, 32), packed, None, "re:.*mlp.*"), "int4_g32@f32")},
            ignore=["lm_head", "re:.*v_proj"])


if __name__ == "__main__":
    main()
