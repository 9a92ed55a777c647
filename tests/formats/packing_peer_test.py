"""The committed packed codes are what the packages of the peer environment, and numpy, make today."""
import filecmp
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("FARTHING_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
NAME = "golden_packing.safetensors"


class Golden(unittest.TestCase):
    def test_regenerated_packings_are_the_committed_ones(self):
        data = SOURCE / "tests/formats/data"
        python = subprocess.check_output([SOURCE / "scripts/peers", "--python", "formats"], text=True).strip()
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([python, "-B", data / "make_golden_packing.py", folder], check=True)
            self.assertTrue(filecmp.cmp(data / NAME, pathlib.Path(folder) / NAME, shallow=False))


if __name__ == "__main__":
    sys.exit(unittest.main())
