"""tools/check_words.py refuses a path of one machine in a file or in a commit message."""
import subprocess
import unittest

from temporary_tree import TreeTest

TOOL = "check_words.py"
HOME = "/" + "home/ada/farthing"  # apart, or this file would be refused itself


class CheckWords(TreeTest):
    def git(self, *arguments):
        subprocess.run(["git", "-C", self.root, "-c", "user.name=Ada", "-c", "user.email=ada@example.org",
                        *arguments], check=True, capture_output=True)

    def test_paths_that_are_not_of_one_machine_are_accepted(self):
        self.write("docs/a.md", "See ~/work/x, https://example.org/root/x, $HOME/work/, a/home/b, /usr/share.\n")
        self.assert_accepted(TOOL)

    def test_a_path_of_one_machine_is_refused(self):
        for path in (HOME, "/" + "work/main/src", "/" + "root/.cache"):
            with self.subTest(path):
                self.write("docs/a.md", f"One.\nRun it in '{path}'.\n")
                self.assert_refused(TOOL, "docs/a.md:2")

    def test_bytes_that_are_no_text_are_skipped(self):
        self.write("models/a.bin", "\0" + HOME)
        self.assert_accepted(TOOL)

    def test_a_path_in_a_commit_message_is_refused(self):
        self.git("init", "--quiet")
        self.write("docs/a.md", "Text.\n")
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", "Build in the tree")
        self.assert_accepted(TOOL)
        self.git("commit", "--quiet", "--allow-empty", "-m", f"Build\n\nin {HOME}")
        self.assert_refused(TOOL, "is a path of one machine")


if __name__ == "__main__":
    unittest.main()
