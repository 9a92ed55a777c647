"""The carried excerpts of WikiText-2 are what tools/cut_text.py cuts out of the split."""
import os
import sys
import unittest

from temporary_tree import ROOT

sys.path.insert(0, os.path.join(ROOT, "tools"))
import cut_text  # noqa: E402


class CarriedText(unittest.TestCase):
    def test_the_excerpts_are_cut_from_the_split(self):
        with open(os.path.join(ROOT, "../shared/data/wikitext-2/raw/wiki.test.raw"), "rb") as file:
            parts = cut_text.cut(file.read())
        for name, part in zip(("eval.txt", "calibration.txt"), parts):
            with open(os.path.join(ROOT, "data/wikitext-2", name), "rb") as file:
                self.assertTrue(file.read() == part, f"{name} differs from what cut_text.py cuts")


if __name__ == "__main__":
    unittest.main()
