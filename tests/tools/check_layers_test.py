"""tools/check_layers.py accepts a tree whose includes go down, and refuses each kind of other one."""
import unittest

from temporary_tree import TreeTest

TOOL = "check_layers.py"


class CheckLayers(TreeTest):
    def setUp(self):
        super().setUp()
        self.write("src/floors.txt", "# FLOOR FOLDER\n1 base\n5 kernels\n5 io\n8 model\n")
        self.write("src/base/result.h", "// Result.\n")
        self.write("src/kernels/matmul/dot.h", '// Dot.\n#include "base/result.h"\n#include <vector>\n')
        self.write("src/kernels/matmul/dot.cc", '// Dot.\n#include "kernels/matmul/dot.h"\n')
        self.write("src/io/json.h", "// JSON.\n")
        self.write("src/io/json.cc", '// JSON.\n#include "io/json.h"\n')

    def test_includes_of_lower_floors_are_accepted(self):
        self.write("src/model/llama.cc", '// Llama.\n#include "io/json.h"\n#include "base/result.h"\n')
        self.assert_accepted(TOOL)

    def test_an_upward_include_is_refused(self):
        self.write("src/base/log.cc", '// Log.\n#include "io/json.h"\n')
        self.assert_refused(TOOL, ["src/base/log.cc", "up from floor 1 (base) to floor 5 (io)"])

    def test_a_sideways_include_is_refused(self):
        self.write("src/io/gguf.h", '// GGUF.\n#  include "kernels/matmul/dot.h"\n')
        self.assert_refused(TOOL, ["src/io/gguf.h", "sideways from floor 5 (io) to floor 5 (kernels)"])

    def test_an_include_not_written_from_src_is_refused(self):
        self.write("src/base/log.cc", '// Log.\n#include "result.h"\n')
        self.assert_refused(TOOL, ["src/base/log.cc", "write the path from src/"])

    def test_an_include_through_the_parent_folder_is_refused(self):
        self.write("src/base/log.cc", '// Log.\n#include "../io/json.h"\n')
        self.assert_refused(TOOL, ["src/base/log.cc", "write the path from src/"])

    def test_a_folder_without_a_floor_is_refused(self):
        self.write("src/serve/http.cc", "// HTTP.\n")
        self.assert_refused(TOOL, "src/serve: has no line in src/floors.txt")

    def test_names_that_say_nothing_are_refused(self):
        for path, refused in (("src/base/utils/string.h", "src/base/utils"), ("src/base/helpers.h",) * 2,
                              ("tests/common/a.cc", "tests/common"), ("tools/misc.py",) * 2):
            with self.subTest(path):
                self.write(path, "// A file.\n")
                self.assert_refused(TOOL, f"{refused}: the name says nothing")

    def test_a_slow_header_in_a_header_is_refused(self):
        self.write("src/io/json.h", "// JSON.\n#include <nlohmann/json.hpp>\n")
        self.assert_refused(TOOL, ["src/io/json.h", "only a .cc file may"])

    def test_a_slow_header_in_a_file_that_is_not_listed_is_refused(self):
        self.write("tools/heavy_headers.txt", "# list\nnlohmann/ src/io/json.cc\n")
        self.write("src/io/json.cc", "// JSON.\n#include <nlohmann/json.hpp>\n")
        self.assert_accepted(TOOL)
        self.write("src/model/config.cc", '// Configuration.\n#include "nlohmann/json.hpp"\n')
        self.assert_refused(TOOL, ["src/model/config.cc", "tools/heavy_headers.txt"])

    def test_a_listed_file_that_does_not_exist_is_refused(self):
        self.write("tools/heavy_headers.txt", "CLI/ src/apps/main.cc\n")
        self.assert_refused(TOOL, "src/apps/main.cc (CLI/) does not exist")

    def test_a_broken_list_of_floors_is_refused(self):
        self.write("src/floors.txt", "1 base\nfive io\n")
        self.assert_refused(TOOL, "src/floors.txt:2")


if __name__ == "__main__":
    unittest.main()
