#!/usr/bin/env python3
"""Cuts the two texts of data/wikitext-2 out of WikiText-2's raw test split, at the starts of articles.

eval.txt is the head of the split; calibration.txt begins at a later article, so that no article is in
both. Line ends become LF (the split is also spread with CRLF); nothing else changes.

  tools/cut_text.py wiki.test.raw data/wikitext-2
"""
import argparse
import os
import re
import sys

EVAL_BYTES = 400_000         # 100,000 tokens of SmolLM2's vocabulary: six times 32 windows of 512
CALIBRATION_START = 900_000  # leaves articles between the two parts
CALIBRATION_BYTES = 300_000
ARTICLE = re.compile(rb"^ = [^=\n]+ = ?$", re.M)


def article_at(starts, wanted):
    """Returns the offset of the first article that starts at `wanted` or later."""
    for start in starts:
        if start >= wanted:
            return start
    raise ValueError(f"no article starts at byte {wanted} or later; is this WikiText-2's raw test split?")


def cut(raw, eval_bytes=EVAL_BYTES, calibration_start=CALIBRATION_START,
        calibration_bytes=CALIBRATION_BYTES):
    """Returns (eval, calibration); both end where an article ends."""
    text = raw.replace(b"\r\n", b"\n")
    starts = [match.start() for match in ARTICLE.finditer(text)] + [len(text)]
    eval_end = article_at(starts, eval_bytes)
    start = article_at(starts, max(calibration_start, eval_end))
    end = article_at(starts, min(start + calibration_bytes, len(text)))
    return text[:eval_end], text[start:end]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", help="wiki.test.raw")
    parser.add_argument("folder", help="where eval.txt and calibration.txt are written")
    args = parser.parse_args()
    with open(args.raw, "rb") as file:
        parts = cut(file.read())
    for name, part in zip(("eval.txt", "calibration.txt"), parts):
        path = os.path.join(args.folder, name)
        with open(path + ".part", "wb") as file:
            file.write(part)
        os.replace(path + ".part", path)
        print(f"{path}: {len(part)} bytes")


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(f"cut_text: {error}")
