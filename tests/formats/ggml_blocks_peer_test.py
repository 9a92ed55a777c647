"""The fake quantizer of bench/peers/ggml_blocks.py has the codes and values of the package gguf, bit for bit."""
import os
import pathlib
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(os.environ.get("FARTHING_SOURCE_DIR", pathlib.Path(__file__).parents[2]))

if "--in-peer" not in sys.argv:  # ctest starts the system's Python, which has no torch
    named = os.environ.get("FARTHING_PEER_PYTHON") or subprocess.check_output(
        [SOURCE / "scripts/peers", "--python", "reference"], text=True).strip()
    os.execv(named, [named, "-B", __file__, "--in-peer", *sys.argv[1:]])
sys.argv.remove("--in-peer")
sys.path.insert(0, str(SOURCE / "bench/peers"))

import gguf  # noqa: E402
import numpy  # noqa: E402
import torch  # noqa: E402

import ggml_blocks  # noqa: E402


def matrices():
    """Name and f32 [400, 96]."""
    random = numpy.random.default_rng(1)
    normal = random.standard_normal((400, 96)).astype(numpy.float32)
    ties = random.integers(-16, 17, normal.shape).astype(numpy.float32) / 8  # for d = +-1/4, every other code is a tie
    ties[:, ::32] = random.choice([-2, 2], ties[:, ::32].shape)
    both_ends = ties.copy()
    both_ends[:, 5::32] = -both_ends[:, ::32]  # the first of two equal magnitudes gives d its sign
    q8_ties = random.integers(-254, 255, normal.shape).astype(numpy.float32) / 2
    q8_ties[:, ::32] = 127
    zero_blocks = numpy.where(random.random((400, 3, 1)) < 0.5, 0, normal.reshape(400, 3, 32)).reshape(400, 96)
    yield from {"normal": normal, "negative extreme": -abs(normal), "positive extreme": abs(normal), "ties": ties,
                "both ends": both_ends, "ties of q8_0": q8_ties, "zero blocks": zero_blocks.astype(numpy.float32),
                "d rounds to 0": normal * numpy.float32(1e-9), "large": normal * numpy.float32(1e4)}.items()


class Blocks(unittest.TestCase):
    def test_codes_and_values_are_those_of_gguf(self):
        for kind in ggml_blocks.KINDS:
            type_ = gguf.GGMLQuantizationType[kind.upper()]
            for name, matrix in matrices():
                with self.subTest(kind=kind, matrix=name):
                    wanted = gguf.quants.quantize(matrix, type_)
                    weight = torch.from_numpy(matrix)
                    blocks = ggml_blocks.pack(*ggml_blocks.quantize(weight, kind), kind)
                    self.assertTrue(numpy.array_equal(blocks, wanted))
                    self.assertTrue(numpy.array_equal(ggml_blocks.on_grid(weight, kind).numpy(),
                                                      gguf.quants.dequantize(wanted, type_)))

    def test_gradient_passes_the_rounding_unchanged(self):
        linear = ggml_blocks.FakeQuantizedLinear(torch.nn.Linear(64, 8, bias=False), "q4_0")
        x = torch.randn(5, 64, generator=torch.Generator().manual_seed(1))
        linear(x).sum().backward()
        self.assertTrue(torch.equal(linear.weight.grad, torch.ones(5, 8).T @ x))


if __name__ == "__main__":
    sys.exit(unittest.main())
