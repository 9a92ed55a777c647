"""Writes the fixtures awq_*: codes in AutoAWQ's order, by numpy.

Usage: python make_awq.py, with any environment of scripts/peers that has torch and safetensors.
The order of gemm is written as AutoAWQ's packing loop has it: for each word, for each i, the column 8 c + order[i] goes to the
bits from 4 i on. gemv packs along k, and pads its groups. gemv_fast is AutoAWQ's pack_intweight, in its own steps, and scales that
multiply the zeros.
"""
import torch

import tiny_llama

ORDER = [0, 2, 4, 6, 1, 3, 5, 7]


def words(codes: torch.Tensor, order: list[int]) -> torch.Tensor:
    """[rows, columns] -> I32 [rows, columns / 8]."""
    out = torch.zeros((codes.shape[0], codes.shape[1] // 8), dtype=torch.int64)
    for column in range(out.shape[1]):
        for i in range(8):
            out[:, column] |= codes[:, 8 * column + order[i]].to(torch.int64) << 4 * i
    return torch.where(out >= 2**31, out - 2**32, out).to(torch.int32)


def words_of_four_rows(codes: torch.Tensor) -> torch.Tensor:
    """[n, k] -> I16 [n / 4, k]."""
    n, k = codes.shape
    packed = codes.to(torch.int64).reshape(n, k // 32, 4, 4, 2).transpose(2, 3)
    packed = packed.reshape(n, k // 32, 4, 4, 2).transpose(3, 4).reshape(n // 4, 4, k // 64, 64).transpose(1, 2)
    packed = packed.reshape(n // 4, k // 64, 64, 4)
    return sum(packed[..., i] << 4 * i for i in range(4)).reshape(n // 4, k).to(torch.int16)


def quantized(weight: torch.Tensor, group: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """codes [n, k], scales [n, groups] f16, zeros [n, groups]: AutoAWQ's pseudo_quantize_tensor."""
    n = weight.shape[0]
    groups = weight.reshape(n, -1, group)
    low, high = groups.amin(-1), groups.amax(-1)
    scales = ((high - low).clamp(min=1e-5) / 15).half()
    zeros = (-torch.round(low / scales.float())).clamp(0, 15)
    codes = (torch.round(groups / scales.float()[..., None]) + zeros[..., None]).clamp(0, 15)
    return codes.reshape(weight.shape), scales, zeros


def fixture(name: str, group: int, version: str, older_names: bool = False, read_as: int = 0) -> None:
    """`read_as`: the groups of the format that holds it, where they are smaller."""
    section = {"quant_method": "awq", "zero_point": True, "version": version, "modules_to_not_convert": None}
    section |= {"w_bit": 4, "q_group_size": group} if older_names else {"bits": 4, "group_size": group}
    tensors, expected = {}, {}
    for linear, weight in tiny_llama.weights().items():
        size = weight.shape[1] if group == -1 else min(group, weight.shape[1])
        codes, scales, zeros = quantized(weight, size)
        values = (codes.reshape(weight.shape[0], -1, size) - zeros[..., None]) * scales.float()[..., None]
        expected[linear] = (f"int4_{'row' if group == -1 else f'g{read_as or group}'}_asym@f32", values.reshape(weight.shape))
        if version.lower() == "gemm":
            parts = {"qweight": words(codes.T, ORDER), "qzeros": words(zeros.T, ORDER), "scales": scales.T}
        else:
            fast = version == "gemv_fast"
            multiple = {64: 2, 32: 4}.get(group, 1)
            width = -(-zeros.shape[1] // 8)
            width = -(-width // multiple) * multiple
            pad = (0, 8 * width - zeros.shape[1])
            parts = {"qweight": words(codes, list(range(8))),
                     "qzeros": words(torch.nn.functional.pad(zeros, pad), list(range(8))),
                     "scales": torch.nn.functional.pad(scales, pad)}
            if fast:
                scaled = -(scales.float() * zeros).half()
                parts = {"qweight": words_of_four_rows(codes), "scales": parts["scales"].T,
                         "scaled_zeros": torch.nn.functional.pad(scaled, pad).T}
        tensors |= {f"{linear}.{part}": tensor for part, tensor in parts.items()}
    tiny_llama.write(name, section, tensors, expected, side_file="quant_config.json" if older_names else "")


def main() -> None:
    fixture("awq_gemm_g32", 32, "gemm")
    fixture("awq_gemm_row", -1, "GEMM", older_names=True)
    fixture("awq_gemv_g32", 32, "gemv")
    tiny_llama.resize(32, 192)
    fixture("awq_gemm_g96", 96, "gemm", read_as=32)
    tiny_llama.resize(64, 128)
    fixture("awq_gemv_fast_g64", 64, "gemv_fast")


if __name__ == "__main__":
    main()
