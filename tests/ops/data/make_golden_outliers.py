"""Writes golden_outliers.safetensors beside it: LLM.int8()'s product of the same rows by bitsandbytes, without a GPU.

Usage: python make_golden_outliers.py [FOLDER]
x [m, k], weight_codes [n, k], weight_amax [n]: the operands; the weights by bitsandbytes' int8_vectorwise_quant.
columns: the outlier columns that it finds at a threshold of 6. codes [m, k], amax [m]: what it makes of the rows. y [m, n]: its
int8_mixed_scaled_mm. It takes a row's amax of the elements below the threshold, those of outlier columns among them, where
Farthing leaves the columns out; in these rows no such element is the largest.
"""
import sys
from pathlib import Path

import numpy as np
import torch
import bitsandbytes  # noqa: F401  registers torch.ops.bitsandbytes
from safetensors.numpy import save_file

M, N, K, THRESHOLD = 6, 40, 300, 6.0
COLUMNS = (3, 64, 65, 190, 299)


def rows() -> np.ndarray:
    g = np.random.default_rng(6)
    x = g.normal(0, 1, (M, K)).clip(-5.5, 5.5)
    for c in COLUMNS:
        x[:, c] = g.uniform(6.5, 60, M) * g.choice([-1, 1], M)
    x[1, 64] = 0.25  # an outlier column need not be large in every row
    x[4] = 0
    x[4, 190] = 8.0  # nothing but an outlier
    x[5, 7] = -5.75
    return x.astype(np.float32)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    x, weight = rows(), np.random.default_rng(7).standard_t(4, (N, K)).astype(np.float32) / 20
    ops = torch.ops.bitsandbytes
    weight_codes, weight_amax, _ = ops.int8_vectorwise_quant(torch.from_numpy(weight))
    codes, amax, columns = ops.int8_vectorwise_quant(torch.from_numpy(x.copy()), THRESHOLD)
    y, _ = ops.int8_mixed_scaled_mm(torch.from_numpy(x), codes, weight_codes, amax, weight_amax, columns)
    assert y.dtype == torch.float32, y.dtype
    codes[amax == 0] = 0  # it divides zeros by zero there, and multiplies whatever that makes with 0
    out = {"x": x, "weight_codes": weight_codes.numpy(), "weight_amax": weight_amax.numpy(), "y": y.numpy(),
           "columns": columns.numpy().astype(np.int32), "codes": codes.numpy(), "amax": amax.numpy()}
    save_file(out, folder / "golden_outliers.safetensors")


main()
