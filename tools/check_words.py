#!/usr/bin/env python3
"""Refuses a path of somebody's machine in the tree or in a commit message.

A clone lies anywhere: a path from the root of a developer's disk is wrong on every other machine.
"""
import argparse
import re
import subprocess
import sys

import tree

FOLDERS = ("work", "root", "farm", "home")
MACHINE_PATH = re.compile(r"(?<![\w.~}/-])/(?:" + "|".join(FOLDERS) + r")/[\w.-]*")


def check(root):
    problems = []
    for path in tree.tree_files(root):
        with open(f"{root}/{path}", "rb") as file:
            data = file.read()
        if b"\0" in data[:8192]:
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            for match in MACHINE_PATH.finditer(line):
                problems.append(f"{path}:{number}: {match.group(0)} is a path of one machine")
    log = subprocess.run(["git", "-C", root, "log", "--format=%h%x09%B%x00"], capture_output=True, text=True,
                         errors="replace", check=False)
    if log.returncode == 0 and tree.is_work_tree_root(root):
        for entry in log.stdout.split("\0"):
            commit, _, message = entry.strip().partition("\t")
            for match in MACHINE_PATH.finditer(message):
                problems.append(f"commit {commit}: {match.group(0)} is a path of one machine")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=tree.default_root(), help="the tree to check (default: this one)")
    args = parser.parse_args()
    return tree.report("check_words", check(args.root), "no path of one machine in the tree or its commits")


if __name__ == "__main__":
    sys.exit(main())
