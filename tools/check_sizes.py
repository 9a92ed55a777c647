#!/usr/bin/env python3
"""Refuses a source file over 600 lines or without a first comment; warns of a crowded folder.

A longer file needs a line `PATH LINES REASON` in tools/size_exceptions.txt. The first line (after #!) is
a comment that says what the file is.
"""
import argparse
import os
import sys
from collections import Counter

import tree

MOST_LINES = 600
MOST_FILES = 15


def read_exceptions(text):
    """Returns ({path: most lines}, problems)."""
    exceptions, problems = {}, []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split(maxsplit=2)
        if len(fields) < 3 or not fields[1].isdigit():
            problems.append(f"tools/size_exceptions.txt:{number}: is not PATH LINES REASON")
        else:
            exceptions[fields[0]] = int(fields[1])
    return exceptions, problems


def first_comment_is_missing(path, text):
    """True where the first line, after #!, is no comment (a docstring counts in Python)."""
    lines = text.splitlines()
    if lines and lines[0].startswith("#!"):
        lines = lines[1:]
    first = lines[0] if lines else ""
    if tree.is_code(path):
        return not first.startswith("// ") or len(first) < 10
    starts = ("# ", '"""') if path.endswith(".py") else ("# ",)
    return not first.startswith(starts) or len(first) < 10


def check(root):
    """Returns (problems, warnings)."""
    problems, warnings, exceptions = [], [], {}
    if os.path.exists(os.path.join(root, "tools/size_exceptions.txt")):
        exceptions, problems = read_exceptions(tree.read_text(root, "tools/size_exceptions.txt"))
    paths = [path for path in tree.tree_files(root) if tree.is_code(path) or tree.is_script(path)]
    for path in paths:
        text = tree.read_text(root, path)
        lines = len(text.splitlines())
        most = exceptions.get(path, MOST_LINES)
        if lines > most:
            problems.append(f"{path}: {lines} lines, {most} allowed; split it, or give the reason in "
                            "tools/size_exceptions.txt")
        if first_comment_is_missing(path, text):
            problems.append(f"{path}: the first line is not a comment that says what the file is")
    for path in sorted(set(exceptions) - set(paths)):
        problems.append(f"tools/size_exceptions.txt: {path} does not exist; remove the line")
    for folder, count in sorted(Counter(os.path.dirname(path) for path in paths).items()):
        if count > MOST_FILES and not folder.startswith("tests"):
            warnings.append(f"warning: {folder or '.'}/ holds {count} files; about {MOST_FILES} read well")
    return problems, warnings


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=tree.default_root(), help="the tree to check (default: this one)")
    args = parser.parse_args()
    problems, warnings = check(args.root)
    for warning in warnings:
        print(f"check_sizes: {warning}")
    return tree.report("check_sizes", problems, f"no file over {MOST_LINES} lines, each says what it is")


if __name__ == "__main__":
    sys.exit(main())
