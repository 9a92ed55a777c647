"""A new number format is one new file and one line: every command runs with it (tools/add_dummy_format.py)."""
import os
import subprocess
import sys
import unittest

from temporary_tree import ROOT


class AddDummyFormat(unittest.TestCase):
    def test_two_files_are_touched_and_every_command_runs(self):
        done = subprocess.run([sys.executable, "-B", os.path.join(ROOT, "tools/add_dummy_format.py")],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("2 files touched", done.stdout)


if __name__ == "__main__":
    unittest.main()
