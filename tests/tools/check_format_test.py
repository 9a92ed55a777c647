"""tools/check_format.sh refuses C++ that clang-format-14 would write otherwise, and --fix rewrites it."""
import shutil
import unittest

from temporary_tree import TreeTest

TOOL = "check_format.sh"


@unittest.skipUnless(shutil.which("clang-format-14"), "clang-format-14 is not installed")
class CheckFormat(TreeTest):
    def setUp(self):
        super().setUp()
        self.write(".clang-format", "BasedOnStyle: Google\n")
        self.write("src/base/a.h", "// A file.\nint twice(int x);\n")

    def test_formatted_files_are_accepted(self):
        self.assertIn("1 files", self.assert_accepted(TOOL))

    def test_an_unformatted_file_is_refused_until_it_is_fixed(self):
        self.write("tests/base/a_test.cc", "// A test.\nint   twice( int x ) ;\n")
        self.assert_refused(TOOL, "tests/base/a_test.cc: ")
        self.assertEqual(self.run_tool(TOOL, "--fix")[0], 0)
        self.assert_accepted(TOOL)

    def test_a_fixture_may_have_any_form(self):
        self.write("tests/base/data/a.h", "int   x ;\n")
        self.assert_accepted(TOOL)


if __name__ == "__main__":
    unittest.main()
