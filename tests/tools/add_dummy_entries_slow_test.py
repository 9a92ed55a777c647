"""A new number format and a new architecture are each one new file and one line: every command runs with them (tools/add_dummy_entries.py)."""
import os
import subprocess
import sys
import unittest

from temporary_tree import ROOT


class AddDummyEntries(unittest.TestCase):
    def test_four_files_are_touched_and_every_command_runs(self):
        done = subprocess.run([sys.executable, "-B", os.path.join(ROOT, "tools/add_dummy_entries.py")],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("4 files touched", done.stdout)


if __name__ == "__main__":
    unittest.main()
