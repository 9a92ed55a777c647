"""tools/check_weak_symbols.py refuses a weak symbol in an object of one instruction set, and a missing object."""
import os
import subprocess
import unittest

from temporary_tree import TreeTest

TOOL = "check_weak_symbols.py"
OBJECTS = "build/src/CMakeFiles/farthing_kernels.dir/kernels/"
STRONG = "// A kernel.\nint twice(int x) { return 2 * x; }\n"
WEAK = "// A kernel.\ninline int twice(int x) { return 2 * x; }\nint (*keep)(int) = twice;\n"


class CheckWeakSymbols(TreeTest):
    def compile(self, name, text):
        self.write(f"src/kernels/{name}", text)
        os.makedirs(os.path.join(self.root, OBJECTS), exist_ok=True)
        subprocess.run([os.environ.get("CXX", "c++"), "-O2", "-c", os.path.join(self.root, "src/kernels", name), "-o",
                        os.path.join(self.root, OBJECTS, name + ".o")], check=True)

    def run_check(self, expected=None):
        build = os.path.join(self.root, "build")
        if expected is None:
            return self.assert_accepted(TOOL, build)
        return self.assert_refused(TOOL, expected, build)

    def test_an_object_without_weak_symbols_is_accepted(self):
        self.compile("dot_avx2.cc", STRONG)
        self.assertIn("1 instruction-set objects", self.run_check())

    def test_an_inline_function_that_was_not_inlined_is_refused(self):
        for name in ("dot_avx2.cc", "dot_avx512.cc"):
            with self.subTest(name):
                self.compile(name, WEAK)
                self.run_check([f"src/kernels/{name}", "weak symbol twice(int)"])

    def test_weak_symbols_of_portable_files_are_accepted(self):
        self.compile("dot_avx2.cc", STRONG)
        self.compile("dot_portable.cc", WEAK)
        self.run_check()

    def test_a_file_that_was_not_built_is_refused(self):
        self.write("src/kernels/dot_avx512.cc", STRONG)
        self.run_check("src/kernels/dot_avx512.cc: has no object")


if __name__ == "__main__":
    unittest.main()
