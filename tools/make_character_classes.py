#!/usr/bin/env python3
"""Writes src/text/unicode/character_classes.inc: what the Python package tokenizers takes for punctuation, for a mark, ...

Its libraries carry tables of several versions of Unicode, most of them older than ours, and a tokenizer must cut
where the model's own did. So every code point is shown to the package and the answers are written down.
Needs the environment `reference` of scripts/peers:

  $(scripts/peers --python reference) tools/make_character_classes.py
"""
import os
import unicodedata

from tokenizers import normalizers, pre_tokenizers

POINTS = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000]


def cut_out(pre_tokenizer):
    return {point for point in POINTS if len(pre_tokenizer.pre_tokenize_str(f"a{chr(point)}a")) != 1}


def removed(normalizer):
    return {point for point in POINTS if normalizer.normalize_str(chr(point)) == ""}


def bert(**chosen):
    names = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
    return normalizers.BertNormalizer(**{name: chosen.get(name, False) for name in names})


def not_known(marks):
    """Characters of Unicode 14 that the package's normal forms treat as unassigned."""
    points = {point for point in POINTS if unicodedata.category(chr(point))[0] == "M"} - marks
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        normalize = getattr(normalizers, form)().normalize_str
        points |= {point for point in POINTS if normalize(chr(point)) != unicodedata.normalize(form, chr(point))}
    return points


def ranges(points):
    out = []
    for point in sorted(points):
        if out and out[-1][1] == point - 1:
            out[-1][1] = point
        else:
            out.append([point, point])
    return out


def main():
    marks = removed(normalizers.StripAccents())
    classes = {
        "kPunctuation": cut_out(pre_tokenizers.Punctuation()),
        "kWordCharacters": set(POINTS) - cut_out(pre_tokenizers.Whitespace()),
        "kBertRemoved": removed(bert(clean_text=True)),
        "kNonspacingMarks": removed(bert(strip_accents=True)),
        "kCombiningMarks": marks,
        "kUnknownToNormalForms": not_known(marks),
    }
    path = os.path.join(os.path.dirname(__file__), "..", "src", "text", "unicode", "character_classes.inc")
    with open(path, "w", encoding="ascii", newline="\n") as out:
        out.write("// Ranges of code points, first and last, that the Python package tokenizers 0.23.3 puts in a class. Written by\n"
                  "// tools/make_character_classes.py.\n// clang-format off\n")
        for name, points in classes.items():
            out.write(f"constexpr CharacterRange {name}[] = {{\n")
            line = " "
            for first, last in ranges(points):
                entry = f" {{0x{first:X}, 0x{last:X}}},"
                if len(line) + len(entry) > 118:
                    out.write(line + "\n")
                    line = " "
                line += entry
            out.write(line + "\n};\n")


main()
