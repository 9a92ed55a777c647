#!/usr/bin/env python3
"""Writes the table of docs/formats.md from reports of `farthing compare --formats all@f32`.

Usage: tools/formats_table.py NAME=REPORT.json [NAME=REPORT.json...] > TABLE

A line a format: bits per weight and relative squared error, then of every report perplexity and KL; in the order of
the first report's bits per weight. A format that fell back to another one in a model is marked there.
"""
import json
import sys


def number(value):
    return f"{value:.3f}" if value >= 1 else f"{value:.2e}" if value < 0.001 else f"{value:.4f}"


def cells(row):
    if row is None:
        return ["", "", "", ""]
    if row["error"]:
        return ["", "", "", row["error"]]
    mark = " *" if row["fallbacks"] else ""
    return [f"{row['bits_per_weight']:.3f}{mark}", number(row["relative_squared_error"]),
            f"{row['perplexity']:.3f}", number(row["kl_mean"])]


def main(arguments):
    if not arguments or any("=" not in argument for argument in arguments):
        print(__doc__, file=sys.stderr)
        return 2
    names, reports = [], []
    for argument in arguments:
        name, path = argument.split("=", 1)
        with open(path, encoding="utf-8") as file:
            reports.append(json.load(file))
        names.append(name)
    print("| format |" + "".join(f" {name}: bits | error | perplexity | KL |" for name in names))
    print("|---|" + "---|" * (4 * len(names)))
    print("| unquantized |" + "".join(f" {r['baseline']['bits_per_weight']:.3f} | | {r['baseline']['perplexity']:.3f} | |"
                                      for r in reports))
    rows = [{row["format"]: row for row in report["rows"]} for report in reports]
    for format_name in sorted(rows[0], key=lambda name: (-rows[0][name].get("bits_per_weight", 0), name)):
        line = [cell for report in rows for cell in cells(report.get(format_name))]
        print(f"| {format_name} | " + " | ".join(line) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
