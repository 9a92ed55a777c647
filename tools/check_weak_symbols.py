#!/usr/bin/env python3
"""Refuses a weak symbol in an object that was compiled for one instruction set (x_avx2.cc, x_avx512.cc).

An inline function that the compiler did not inline is a weak symbol in every object that uses it, and the
linker keeps one copy for everybody. Were it the copy of an AVX-512 file, the program would stop with an
illegal instruction on other machines. The cure: always_inline. Reads a release build.
"""
import argparse
import glob
import os
import re
import subprocess
import sys

import tree

SUFFIXES = ("_avx2.cc", "_avx512.cc")
# A pointer to the exception personality routine: data, the same in every object.
HARMLESS = re.compile(r"^DW\.ref\.")


def weak_symbols(listing):
    """Returns the weak symbols that `nm --defined-only -P -C` lists."""
    weak = []
    for line in listing.splitlines():
        match = re.match(r"(.*) ([A-Za-z]) [0-9a-f]*( [0-9a-f]*)?$", line.rstrip())
        if match and match.group(2) in "WwVvu" and not HARMLESS.match(match.group(1)):
            weak.append(match.group(1))
    return weak


def objects_of(build):
    """Returns {source path from src/: object path} of what `build` compiled."""
    found = {}
    for path in glob.glob(os.path.join(build, "src", "CMakeFiles", "*.dir", "**", "*.cc.o"), recursive=True):
        source = re.sub(r"^.*?\.dir/", "", os.path.relpath(path, os.path.join(build, "src", "CMakeFiles")))
        found[source[:-2]] = path
    return found


def check(root, build):
    """Returns (problems, number of objects read)."""
    sources = [path[len("src/"):] for path in tree.tree_files(root)
               if path.startswith("src/") and path.endswith(SUFFIXES)]
    objects = objects_of(build)
    problems = []
    for source in sources:
        if source not in objects:
            problems.append(f"src/{source}: has no object under {build}; build it first")
            continue
        listed = subprocess.run(["nm", "--defined-only", "-P", "-C", objects[source]], capture_output=True,
                                text=True, check=False)
        if listed.returncode != 0:
            problems.append(f"{objects[source]}: nm failed: {listed.stderr.strip()}")
        for symbol in weak_symbols(listed.stdout):
            problems.append(f"src/{source}: weak symbol {symbol}; make the function always_inline")
    return problems, len(sources)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="the folder of a release build, build/release")
    parser.add_argument("--root", default=tree.default_root(), help="the tree it was built from (default: this one)")
    args = parser.parse_args()
    problems, count = check(args.root, args.build)
    return tree.report("check_weak_symbols", problems, f"none in {count} instruction-set objects")


if __name__ == "__main__":
    sys.exit(main())
