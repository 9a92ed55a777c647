"""tools/check_sizes.py accepts a tidy tree, and refuses long files and files that do not say what they are."""
import unittest

from temporary_tree import TreeTest

TOOL = "check_sizes.py"


def lines(count):
    return "// A file of a given length.\n" + "int x;\n" * (count - 1)


class CheckSizes(TreeTest):
    def setUp(self):
        super().setUp()
        self.write("src/base/result.h", lines(600))
        self.write("src/CMakeLists.txt", "# The libraries.\n")
        self.write("tools/check.py", '#!/usr/bin/env python3\n"""Checks something."""\n')
        self.write("scripts/build", "#!/usr/bin/env bash\n# Builds the program.\n")

    def test_files_of_600_lines_with_a_first_comment_are_accepted(self):
        self.assert_accepted(TOOL)

    def test_a_file_of_601_lines_is_refused(self):
        self.write("src/base/result.h", lines(601))
        self.assert_refused(TOOL, "src/base/result.h: 601 lines, 600 allowed")

    def test_an_exception_allows_its_number_of_lines_and_no_more(self):
        self.write("tools/size_exceptions.txt", "# list\nsrc/base/result.h 650 one table\n")
        self.write("src/base/result.h", lines(650))
        self.assert_accepted(TOOL)
        self.write("src/base/result.h", lines(651))
        self.assert_refused(TOOL, "src/base/result.h: 651 lines, 650 allowed")

    def test_an_exception_without_a_reason_is_refused(self):
        self.write("tools/size_exceptions.txt", "src/base/result.h 650\n")
        self.assert_refused(TOOL, "tools/size_exceptions.txt:1: is not PATH LINES REASON")

    def test_an_exception_for_no_file_is_refused(self):
        self.write("tools/size_exceptions.txt", "src/gone.h 650 one table\n")
        self.assert_refused(TOOL, "src/gone.h does not exist")

    def test_files_without_a_first_comment_are_refused(self):
        for path, text in (("src/base/a.cc", "#include <vector>\n"), ("src/base/b.h", "#pragma once\n// Late.\n"),
                           ("src/base/c.cc", "\n// After an empty line.\n"), ("src/base/d.cc", ""),
                           ("cmake/e.cmake", "set(x 1)\n"), ("tools/f.py", "#!/usr/bin/env python3\nimport os\n"),
                           ("scripts/g", "#!/usr/bin/env bash\nset -e\n")):
            with self.subTest(path):
                self.write(path, text)
                self.assert_refused(TOOL, f"{path}: the first line is not a comment")

    def test_a_fixture_may_have_any_form(self):
        self.write("tests/io/data/long.cc", "x\n" * 700)
        self.assert_accepted(TOOL)

    def test_a_folder_of_16_files_is_warned_of(self):
        for i in range(16):
            self.write(f"src/io/reader{i}.h", "// One of many readers.\n")
        self.assertIn("src/io/ holds 16 files", self.assert_accepted(TOOL))


if __name__ == "__main__":
    unittest.main()
