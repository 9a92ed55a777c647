"""bench/peers/quality without any peer: who is compared with whom, the drawing, the mixed text, and refusals."""
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUALITY = ROOT / "bench/peers/quality"
sys.path.insert(0, str(QUALITY))
import inputs  # noqa: E402
import plot  # noqa: E402
import report  # noqa: E402


def row(method, bits, kl):
    interval = {"value": kl, "low": kl / 2, "high": kl * 2}
    return {"method": method, "bits": bits, "kl_mean": interval, "top1_agreement": interval, "perplexity": interval,
            "seconds": 1.0, "processor_seconds": 2.0}


ROWS = [row("llama.cpp:A", 4.25, 0.2), row("llama.cpp:B", 4.5, 0.1), row("gptqmodel:C", 4.625, 0.15),
        row("farthing:gptq:D", 4.5, 0.08), row("farthing:gptq:E", 4.3, 0.15)]


class Report(unittest.TestCase):
    def test_a_row_is_compared_with_the_best_peer_of_not_more_bits(self):
        rows = [dict(each) for each in ROWS]
        report.add_ratios(rows)
        self.assertEqual((rows[3]["best_peer"], round(rows[3]["ratio"], 6)), ("llama.cpp:B", 0.8))
        self.assertEqual((rows[4]["best_peer"], round(rows[4]["ratio"], 6)), ("llama.cpp:A", 0.75))

    def test_a_peer_gets_no_ratio(self):
        rows = [dict(each) for each in ROWS]
        report.add_ratios(rows)
        self.assertFalse([each for each in rows[:3] if "ratio" in each])

    def test_a_point_takes_the_least_kl_of_each_side_and_none_of_more_bits(self):
        points = report.at_points(ROWS, (4.0, 4.25, 8.0))
        self.assertEqual([point["peer"] for point in points], [None, "llama.cpp:A", "llama.cpp:B"])
        self.assertEqual([point["farthing"] for point in points], [None, None, "farthing:gptq:D"])
        self.assertEqual([point["ratio"] for point in points[:2]], [None, None])

    def test_the_text_names_what_failed(self):
        text = report.text(ROWS, report.at_points(ROWS), [{"method": "auto-round:x", "error": "no environment"}])
        self.assertIn("auto-round:x could not be run: no environment", text)

    def test_the_drawing_is_well_formed_and_has_a_point_for_each_method(self):
        root = xml.etree.ElementTree.fromstring(plot.svg(ROWS))
        self.assertEqual(len(root.findall("{http://www.w3.org/2000/svg}circle")), len(ROWS))

    def test_a_line_of_the_drawing_only_falls(self):
        kept = plot.frontier([row("a", 4, 0.2), row("b", 5, 0.3), row("c", 6, 0.1)])
        self.assertEqual([each["method"] for each in kept], ["a", "c"])


class Inputs(unittest.TestCase):
    def test_the_files_of_a_mix_take_turns(self):
        with tempfile.TemporaryDirectory() as folder:
            for letter, (name, count, length) in zip("abcd", inputs.MIX):
                (pathlib.Path(folder) / name).write_text(letter * (count * length + 100), encoding="utf-8")
            pieces = inputs.mixed_text(pathlib.Path(folder)).split("\n")
        self.assertEqual(len(pieces), sum(count for _, count, _ in inputs.MIX))
        half = [piece[0] for piece in pieces[: len(pieces) // 2]]
        for letter, (_, count, _) in zip("abcd", inputs.MIX):
            self.assertAlmostEqual(half.count(letter), count / 2, delta=1)  # a turn may end at either side of the cut


class CommandLine(unittest.TestCase):
    def run_it(self, *arguments):
        return subprocess.run([sys.executable, QUALITY, *arguments], capture_output=True, text=True, check=False)

    def test_help_names_every_tool_and_shows_a_command(self):
        done = self.run_it("--help")
        self.assertEqual(done.returncode, 0, done.stderr)
        for text in ("python3 bench/peers/quality", "llama.cpp:TYPE", "gptqmodel:SCHEME", "auto-round:SCHEME", "llmcompressor:SCHEME"):
            self.assertIn(text, done.stdout)

    def test_without_the_program_it_says_how_to_build_it(self):
        done = self.run_it("--farthing", "/nowhere/farthing", "farthing:rtn:int4_g32")
        self.assertEqual(done.returncode, 2)
        self.assertIn("scripts/build", done.stderr)


if __name__ == "__main__":
    unittest.main()
