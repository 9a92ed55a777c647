"""tools/cut_text.py cuts at articles, into two parts that share none, with LF line ends."""
import os
import sys
import unittest

from temporary_tree import ROOT

sys.path.insert(0, os.path.join(ROOT, "tools"))
import cut_text  # noqa: E402

ARTICLES = [f" = Article {i} = \r\n" + f" Text of {i} . \r\n = = Part = = \r\n More . \r\n" * 10 for i in range(20)]
RAW = "".join(ARTICLES).encode()


def cut(raw=RAW, eval_bytes=1000, calibration_start=3000, calibration_bytes=1500):
    return cut_text.cut(raw, eval_bytes, calibration_start, calibration_bytes)


class CutText(unittest.TestCase):
    def test_the_first_part_is_the_head_of_the_text(self):
        evaluation, _ = cut()
        self.assertTrue(RAW.replace(b"\r\n", b"\n").startswith(evaluation))
        self.assertGreaterEqual(len(evaluation), 1000)

    def test_both_parts_hold_whole_articles(self):
        for part in cut():
            self.assertTrue(part.startswith(b" = Article "))
            self.assertTrue(part.endswith(b" More . \n"))

    def test_no_article_is_in_both_parts(self):
        titles = [set(cut_text.ARTICLE.findall(part)) for part in cut(calibration_start=0)]
        self.assertTrue(titles[0] and titles[1])
        self.assertFalse(titles[0] & titles[1])

    def test_a_text_that_is_too_short_is_refused(self):
        with self.assertRaises(ValueError):
            cut(calibration_start=len(RAW) + 1)

    def test_the_carried_texts_share_no_article_and_are_long_enough(self):
        parts = []
        for name in ("eval.txt", "calibration.txt"):
            with open(os.path.join(ROOT, "data/wikitext-2", name), "rb") as file:
                parts.append(file.read())
        titles = [set(cut_text.ARTICLE.findall(part)) for part in parts]
        self.assertFalse(titles[0] & titles[1])
        self.assertNotIn(b"\r", parts[0] + parts[1])
        # 32 windows of 512 tokens; no token of a vocabulary in use covers more than 12 bytes on average.
        self.assertGreater(len(parts[0]), 32 * 512 * 12)


if __name__ == "__main__":
    unittest.main()
