"""The committed vectors are what the packages of the peer environment make today."""
import filecmp
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("FARTHING_SOURCE_DIR", pathlib.Path(__file__).parents[2]))


def peer_python():
    """FARTHING_PEER_PYTHON, or the interpreter that scripts/peers made."""
    named = os.environ.get("FARTHING_PEER_PYTHON")
    return named or subprocess.check_output([SOURCE / "scripts/peers", "--python", "reference"], text=True).strip()


class Golden(unittest.TestCase):
    def test_regenerated_vectors_are_the_committed_ones(self):
        data = SOURCE / "tests/formats/data"
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([peer_python(), data / "make_golden.py", folder], check=True)
            self.assertTrue(filecmp.cmp(data / "golden.safetensors", pathlib.Path(folder) / "golden.safetensors", shallow=False))


if __name__ == "__main__":
    sys.exit(unittest.main())
