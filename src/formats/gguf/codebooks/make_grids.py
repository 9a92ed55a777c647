"""Writes grids.inc beside it: the code books of GGUF's IQ types, packed as the Python package gguf stores them.

Usage: python make_grids.py [FOLDER]
The books are part of the file format (ggml-common.h, MIT licence); they are carried over as data.
"""
import sys
from pathlib import Path

from gguf import quants

BOOKS = [("iq2_xxs", quants.IQ2_XXS), ("iq2_xs", quants.IQ2_XS), ("iq2_s", quants.IQ2_S),
         ("iq3_xxs", quants.IQ3_XXS), ("iq3_s", quants.IQ3_S), ("iq1_s", quants.IQ1_S)]


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    with open(folder / "grids.inc", "w") as out:
        out.write("// Made by make_grids.py from the Python package gguf: code books as hexadecimal text, the first\n"
                  "// element of a byte in its lowest bits.\n")
        for name, kind in BOOKS:
            text = kind.grid_hex.decode()
            out.write(f"inline constexpr char {name}_text[] =\n")
            lines = [f'    "{text[i:i + 88]}"' for i in range(0, len(text), 88)]
            out.write("\n".join(lines) + ";\n")


if __name__ == "__main__":
    main()
