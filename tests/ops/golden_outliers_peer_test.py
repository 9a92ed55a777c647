"""The committed product with outlier columns is what bitsandbytes makes of the same rows today."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("FARTHING_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
COMPARE = """
import sys
import numpy as np
from safetensors.numpy import load_file
a, b = load_file(sys.argv[1]), load_file(sys.argv[2])
assert a.keys() == b.keys()
for name in a:
    if name == "y":  # the order of its sums is the processor's
        np.testing.assert_allclose(a[name], b[name], rtol=1e-5, atol=1e-4)
    else:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
"""


class GoldenOutliers(unittest.TestCase):
    def test_regenerated_vectors_are_the_committed_ones(self):
        python = subprocess.check_output([SOURCE / "scripts/peers", "--python", "formats"], text=True).strip()
        data, name = SOURCE / "tests/ops/data", "golden_outliers.safetensors"
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([python, data / "make_golden_outliers.py", folder], check=True)
            subprocess.run([python, "-c", COMPARE, data / name, pathlib.Path(folder) / name], check=True)


if __name__ == "__main__":
    sys.exit(unittest.main())
