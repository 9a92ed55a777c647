"""Writes golden_hqq.safetensors beside it: what HQQ's own package makes of weights with heavy tails.

Usage: python make_golden_hqq.py [FOLDER]   (with torch and hqq 0.2.8.post1; `pip install --no-deps hqq` is enough)
weights [16, 128]: large enough that the shrinking of its steps has something to shrink. int4_g64.scales, .zeros [16, 2], int4_g64.decoded:
optimize_weights_proximal_legacy with lp_norm 3/4, which is the exponent of src/quant/algorithms/hqq.cc, and HQQ's other defaults.
"""
import sys
from pathlib import Path

import numpy as np
import torch
from hqq.core.optimize import optimize_weights_proximal_legacy
from safetensors.numpy import save_file

GROUP, HIGHEST = 64, 15


def main(folder: Path) -> None:
    weights = (np.random.default_rng(7).standard_t(2, (16, 128)) * 0.6).astype(np.float32)
    groups = torch.from_numpy(weights.reshape(-1, GROUP))
    low, high = groups.min(1, keepdim=True)[0], groups.max(1, keepdim=True)[0]
    steps = (HIGHEST / (high - low)).clamp(max=2e4)
    codes, steps, zeros = optimize_weights_proximal_legacy(
        groups, steps, -low * steps, [0, HIGHEST], axis=1, opt_params={"lp_norm": 0.75, "beta": 10.0, "kappa": 1.01, "iters": 20})
    out = {
        "weights": weights,
        "int4_g64.scales": (1 / steps).numpy().reshape(16, -1),
        "int4_g64.zeros": zeros.numpy().reshape(16, -1),
        "int4_g64.decoded": ((codes - zeros) / steps).numpy().reshape(weights.shape),
    }
    save_file({key: np.ascontiguousarray(out[key]) for key in sorted(out)}, folder / "golden_hqq.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
