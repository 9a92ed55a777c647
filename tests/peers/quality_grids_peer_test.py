"""What bench/peers/quality reads out of a GPTQ file, and the check that values are quantized (needs numpy: reference)."""
import pathlib
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETUP = f"""
import sys
sys.path.insert(0, {str(ROOT / "bench/peers/quality/drivers")!r})
import numpy
from grids import Grid, decode_gptq
random = numpy.random.default_rng(1)

def pack3(codes):
    # The loop of GPTQ's own pack() for 3 bits: 32 codes in three words, two codes across words. codes [k, n]
    words = numpy.zeros((len(codes) // 32 * 3, codes.shape[1]), numpy.uint32)
    codes = codes.astype(numpy.uint32)
    i = at = 0
    while at < len(words):
        for j in range(i, i + 10):
            words[at] |= codes[j] << (3 * (j - i))
        i += 10
        words[at] |= codes[i] << 30
        at += 1
        words[at] |= (codes[i] >> 2) & 1
        i += 1
        for j in range(i, i + 10):
            words[at] |= codes[j] << (3 * (j - i) + 1)
        i += 10
        words[at] |= codes[i] << 31
        at += 1
        words[at] |= (codes[i] >> 1) & 3
        i += 1
        for j in range(i, i + 10):
            words[at] |= codes[j] << (3 * (j - i) + 2)
        i += 10
        at += 1
    return words.view(numpy.int32)

def pack4(codes):
    parts = codes.astype(numpy.uint32).reshape(-1, 8, codes.shape[1]) << (4 * numpy.arange(8, dtype=numpy.uint32))[None, :, None]
    return numpy.bitwise_or.reduce(parts, axis=1).view(numpy.int32)

def case(bits, pack, k=96, n=32, group=32):
    codes = random.integers(0, 2 ** bits, (k, n))
    zeros = random.integers(0, 2 ** bits, (k // group, n))
    scales = random.random((k // group, n)).astype(numpy.float32)
    g_idx = numpy.arange(k) // group
    wanted = ((codes - zeros[g_idx]) * scales[g_idx]).T
    got = decode_gptq(pack(codes), numpy.ascontiguousarray(pack(zeros.T).T), scales, g_idx, bits)
    return got, wanted
"""


class Grids(unittest.TestCase):
    def run_in_reference(self, code):
        python = subprocess.check_output([ROOT / "scripts/peers", "--python", "reference"], text=True).strip()
        return subprocess.run([python, "-c", SETUP + code], capture_output=True, text=True, check=False)

    def expect(self, code):
        done = self.run_in_reference(code)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_codes_of_3_bits_that_lie_across_words_are_read(self):
        self.expect("got, wanted = case(3, pack3); assert (got == wanted.astype(got.dtype)).all()")

    def test_codes_of_4_bits_are_read(self):
        self.expect("got, wanted = case(4, pack4); assert (got == wanted.astype(got.dtype)).all()")

    def test_values_on_a_grid_pass_the_check(self):
        self.expect("Grid('int3_g32').check('w', case(3, pack3)[0])")

    def test_unquantized_values_fail_the_check(self):
        done = self.run_in_reference("Grid('int4_g32').check('w', random.random((8, 64)).astype(numpy.float32))")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("these are not the quantized weights", done.stderr)

    def test_bits_count_scales_and_zero_points_also_of_a_shorter_last_group(self):
        self.expect("assert Grid('int4_g32_asym').bits_a_weight([(8, 64)]) == 4.625\n"
                    "assert Grid('int4_g64').bits_a_weight([(8, 96)]) == 4 + 2 * 16 / 96")


if __name__ == "__main__":
    unittest.main()
