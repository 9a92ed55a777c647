"""The committed tiny models are what transformers makes today, and llama.cpp computes the same from their GGUF files."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("FARTHING_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
DATA = SOURCE / "tests/model/data"
COMPARE = """
import sys, pathlib, numpy as np
from safetensors.numpy import load_file
committed, made = map(pathlib.Path, sys.argv[1:])
names = sorted(p.name for p in committed.iterdir())
assert names == sorted(p.name for p in made.iterdir()), names
for name in names:
    assert (committed / name / "model.safetensors").read_bytes() == (made / name / "model.safetensors").read_bytes(), name
    a, b = (load_file(root / name / "golden.safetensors") for root in (committed, made))
    assert a.keys() == b.keys(), name
    for key in a:  # a processor may sum in another order
        assert np.allclose(a[key], b[key], rtol=1e-5, atol=1e-5 * np.abs(a[key]).max()), (name, key)
"""


def python(peer: str) -> str:
    return subprocess.check_output([SOURCE / "scripts/peers", "--python", peer], text=True).strip()


class Families(unittest.TestCase):
    def test_transformers_makes_the_committed_models_and_logits(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([python("reference"), DATA / "make_families.py", folder], check=True)
            subprocess.run([python("reference"), "-c", COMPARE, DATA / "families", folder], check=True)

    def test_llama_cpp_gives_the_logits_of_the_gguf_files(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder) / "families"
            shutil.copytree(DATA / "families", copy)
            subprocess.run([python("reference"), DATA / "make_family_gguf.py", copy, "f32"], check=True)
            subprocess.run([python("llama-cpp"), DATA / "llama_cpp_families.py", copy], check=True)


if __name__ == "__main__":
    sys.exit(unittest.main())
