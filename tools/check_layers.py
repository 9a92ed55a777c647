#!/usr/bin/env python3
"""Refuses an include that goes up or sideways between the floors of src/ (src/floors.txt).

Also refused: a folder without a floor, an include that is not written from src/, a folder or file with a
name that says nothing (utils, common, ...), and a header that is slow to compile where
tools/heavy_headers.txt does not allow it.
"""
import argparse
import os
import re
import sys

import tree

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.M)
EMPTY_NAMES = {"utils", "util", "common", "misc", "helpers", "helper"}
NAMED_FOLDERS = ("src", "tests", "bench", "lab", "tools", "python")
HEAVY = ("CLI/", "nlohmann/", "toml++/", "boost/beast", "boost/asio")


def read_floors(text):
    """Returns {folder: floor} from lines `FLOOR FOLDER`."""
    floors = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        fields = line.split()
        if len(fields) != 2 or not fields[0].isdigit():
            raise ValueError(f"src/floors.txt:{number}: '{line}' is not FLOOR FOLDER")
        if fields[1] in floors:
            raise ValueError(f"src/floors.txt:{number}: folder {fields[1]} is listed twice")
        floors[fields[1]] = int(fields[0])
    return floors


def read_allowed(text):
    """Returns {(header prefix, file)} from lines `HEADER FILE`."""
    allowed = set()
    for line in text.splitlines():
        fields = line.split("#")[0].split()
        if len(fields) == 2:
            allowed.add((fields[0], fields[1]))
    return allowed


def check_quoted(root, path, target, floors):
    """Returns what is wrong with `#include "target"` in src/ file `path`, or None."""
    source, folder = path.split("/")[1], target.split("/")[0]
    if "/" not in target or folder not in floors:
        if os.path.exists(os.path.join(root, "src", target)) and "/" in target:
            return None  # its folder is reported once, as one without a floor
        return f'{path}: includes "{target}"; write the path from src/, as in "base/result.h"'
    if source not in floors or folder == source:
        return None
    if floors[folder] < floors[source]:
        return None
    way = "sideways" if floors[folder] == floors[source] else "up"
    return (f'{path}: includes "{target}", {way} from floor {floors[source]} ({source}) to floor '
            f"{floors[folder]} ({folder}); include lower floors only")


def check_heavy(path, header, allowed):
    """Returns what is wrong with including the third-party `header` in `path`, or None."""
    prefix = next((prefix for prefix in HEAVY if header.startswith(prefix)), None)
    if prefix is None or (prefix, path) in allowed:
        return None
    if path.endswith(".h"):
        return f"{path}: includes <{header}>, which is slow to compile; only a .cc file may"
    return (f"{path}: includes <{header}>, which is slow to compile; use the file that tools/heavy_headers.txt "
            f"lists for {prefix}, or add a line there")


def check_names(paths):
    """Returns a problem for each folder or file of our own code with a name that says nothing."""
    problems = set()
    for path in paths:
        parts = path.split("/")
        if parts[0] not in NAMED_FOLDERS:
            continue
        for depth, part in enumerate(parts):
            if part.split(".")[0] in EMPTY_NAMES:
                problems.add(f"{'/'.join(parts[:depth + 1])}: the name says nothing; name it after what it holds")
    return sorted(problems)


def check(root):
    floors = read_floors(tree.read_text(root, "src/floors.txt"))
    allowed = set()
    if os.path.exists(os.path.join(root, "tools/heavy_headers.txt")):
        allowed = read_allowed(tree.read_text(root, "tools/heavy_headers.txt"))
    paths = tree.tree_files(root)
    problems = check_names(paths)
    sources = [path for path in paths if path.startswith("src/") and path.count("/") >= 2]
    for folder in sorted({path.split("/")[1] for path in sources} - set(floors)):
        problems.append(f"src/{folder}: has no line in src/floors.txt")
    for header, path in sorted(allowed):
        if path not in paths:
            problems.append(f"tools/heavy_headers.txt: {path} ({header}) does not exist; remove the line")
    for path in sources:
        if not tree.is_code(path):
            continue
        for quoted, angled in INCLUDE.findall(tree.read_text(root, path)):
            problem = check_heavy(path, quoted or angled, allowed)
            if problem is None and quoted and not quoted.startswith(HEAVY):
                problem = check_quoted(root, path, quoted, floors)
            if problem:
                problems.append(problem)
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=tree.default_root(), help="the tree to check (default: this one)")
    args = parser.parse_args()
    try:
        problems = check(args.root)
    except (OSError, ValueError) as error:
        problems = [str(error)]
    return tree.report("check_layers", problems, "every include goes down")


if __name__ == "__main__":
    sys.exit(main())
