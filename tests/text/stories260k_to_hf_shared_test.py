"""models/stories260k is what tools/stories260k_to_hf.py makes of llama2.c's files."""
import filecmp
import os
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ.get("FARTHING_SOURCE_DIR", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SHARED = os.environ.get("FARTHING_SHARED", os.path.join(SOURCE, "..", "shared"))


@unittest.skipUnless(os.path.isdir(SHARED), "needs the folder ../shared")
class Stories260kToHf(unittest.TestCase):
    def test_committed_model_is_the_output_of_the_script(self):
        model = os.path.join(SHARED, "models", "stories260K")
        committed = os.path.join(SOURCE, "models", "stories260k")
        with tempfile.TemporaryDirectory() as made:
            subprocess.run([sys.executable, os.path.join(SOURCE, "tools", "stories260k_to_hf.py"), os.path.join(model, "stories260K.bin"),
                            os.path.join(model, "tok512.bin"), os.path.join(model, "LICENSE.llama2.c"), made], check=True)
            names = sorted(os.listdir(made))
            self.assertIn("model.safetensors", names)
            self.assertEqual(names, sorted(os.listdir(committed)))
            _, different, missing = filecmp.cmpfiles(made, committed, names, shallow=False)
            self.assertEqual((different, missing), ([], []))


if __name__ == "__main__":
    unittest.main()
