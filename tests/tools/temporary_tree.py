"""A small tree in a temporary folder, and the tools of tools/ run on it."""
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class TreeTest(unittest.TestCase):
    """Gives each test an empty folder, `self.root`."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="farthing-tree-")
        self.addCleanup(folder.cleanup)
        self.root = folder.name

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8", newline="") as file:
            file.write(text)

    def run_tool(self, name, *arguments):
        """Returns (exit status, output) of tools/NAME on the tree."""
        tool = os.path.join(ROOT, "tools", name)
        command = [sys.executable, "-B", tool] if name.endswith(".py") else [tool]
        done = subprocess.run(command + ["--root", self.root, *arguments], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False)
        return done.returncode, done.stdout + done.stderr

    def assert_accepted(self, name, *arguments):
        status, output = self.run_tool(name, *arguments)
        self.assertEqual(status, 0, output)
        return output

    def assert_refused(self, name, expected, *arguments):
        """The tool fails, and each text of `expected` stands in its output."""
        status, output = self.run_tool(name, *arguments)
        self.assertEqual(status, 1, output)
        for text in [expected] if isinstance(expected, str) else expected:
            self.assertIn(text, output)
