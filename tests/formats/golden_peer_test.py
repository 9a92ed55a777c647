"""The committed vectors are what the packages of the peer environment make today."""
import filecmp
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("FARTHING_SOURCE_DIR", pathlib.Path(__file__).parents[2]))


def peer_python(peer):
    """The interpreter that scripts/peers made; FARTHING_PEER_PYTHON may name another one of `reference`."""
    named = os.environ.get("FARTHING_PEER_PYTHON") if peer == "reference" else None
    return named or subprocess.check_output([SOURCE / "scripts/peers", "--python", peer], text=True).strip()


class Golden(unittest.TestCase):
    def expect_the_same(self, peer, name):
        data = SOURCE / "tests/formats/data"
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([peer_python(peer), data / f"make_{name}.py", folder], check=True)
            self.assertTrue(filecmp.cmp(data / f"{name}.safetensors", pathlib.Path(folder) / f"{name}.safetensors", shallow=False))

    def test_regenerated_vectors_are_the_committed_ones(self):
        self.expect_the_same("reference", "golden")

    def test_regenerated_vectors_of_scaled_formats_are_the_committed_ones(self):
        self.expect_the_same("formats", "golden_scaled")


if __name__ == "__main__":
    sys.exit(unittest.main())
