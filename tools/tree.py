"""The files that belong to the tree: what the checks in this folder read."""
import os
import subprocess

CODE_SUFFIXES = (".h", ".cc", ".cu", ".cuh", ".inc")
SCRIPT_SUFFIXES = (".py", ".sh", ".cmake")
SKIPPED_FOLDERS = {".git", "build", "demo", "__pycache__"}


def tree_files(root):
    """Returns the sorted paths, relative to `root`, of every file that git tracks or would add.

    Outside a git work tree: every file but those of build folders."""
    listed = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            capture_output=True, check=False)
    if listed.returncode == 0 and is_work_tree_root(root):
        names = os.fsdecode(listed.stdout).split("\0")
        return sorted({name for name in names if name and os.path.isfile(os.path.join(root, name))})
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in files]
    return sorted(found)


def is_work_tree_root(root):
    """True where `root` itself is the top of a git work tree, not a folder inside another one."""
    top = subprocess.run(["git", "-C", root, "rev-parse", "--show-toplevel"], capture_output=True,
                         text=True, check=False)
    return top.returncode == 0 and os.path.realpath(top.stdout.strip()) == os.path.realpath(root)


def is_test_data(path):
    """True for fixtures and fuzz corpora, whose form is not ours to choose."""
    parts = path.split("/")
    return parts[0] in ("data", "models") or (parts[0] == "tests" and ("data" in parts or "corpus" in parts))


def is_code(path):
    return path.endswith(CODE_SUFFIXES) and not is_test_data(path)


def is_script(path):
    """True for Python, shell and CMake files, those without a suffix included."""
    if is_test_data(path):
        return False
    return (path.endswith(SCRIPT_SUFFIXES) or os.path.basename(path) == "CMakeLists.txt" or
            path == ".ci/run" or (path.startswith("scripts/") and "." not in os.path.basename(path)))


def read_text(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def default_root():
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def report(tool, problems, passed):
    """Prints each problem, or `passed`; returns the exit status."""
    for problem in problems:
        print(f"{tool}: {problem}")
    if not problems:
        print(f"{tool}: {passed}")
    return 1 if problems else 0
