"""The committed rounded activations are what torch, torchao and numpy make of the same rows today."""
import filecmp
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("FARTHING_SOURCE_DIR", pathlib.Path(__file__).parents[2]))


class GoldenActivations(unittest.TestCase):
    def test_regenerated_vectors_are_the_committed_ones(self):
        python = subprocess.check_output([SOURCE / "scripts/peers", "--python", "formats"], text=True).strip()
        data, name = SOURCE / "tests/kernels/data", "golden_activations.safetensors"
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([python, data / "make_golden_activations.py", folder], check=True)
            self.assertTrue(filecmp.cmp(data / name, pathlib.Path(folder) / name, shallow=False))


if __name__ == "__main__":
    sys.exit(unittest.main())
