"""lm-evaluation-harness, with its own task files over the carried excerpts, gives the answers and figures of `farthing tasks`."""
import json
import os
import pathlib
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(os.environ.get("FARTHING_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
BUILD = pathlib.Path(os.environ.get("FARTHING_BUILD_DIR", SOURCE / "build/release"))


def compared(*arguments: str) -> dict:
    python = subprocess.check_output([SOURCE / "scripts/peers", "--python", "lm-eval"], text=True).strip()
    done = subprocess.run([python, SOURCE / "bench/peers/lm_eval_tasks.py", SOURCE / "models/stories260k", "--farthing", BUILD / "farthing",
                           "--threads", "1", "--json", *arguments], check=True, capture_output=True, text=True)
    return json.loads(done.stdout[done.stdout.index("{\n"):])


class Tasks(unittest.TestCase):
    def agree(self, results: dict, tasks: list):
        self.assertEqual(sorted(results), sorted(tasks))
        for name, result in results.items():
            with self.subTest(name):
                self.assertEqual(result["agree"], 1)
                for metric, value in result["metrics"].items():  # the harness sums probabilities in f32
                    self.assertAlmostEqual(value, result["metrics_of_harness"][metric], delta=1e-4, msg=metric)
                # f32 of two programs: some 1e-6 for each of up to 50 tokens' log-probabilities
                self.assertLess(result["largest_difference"], 1e-3)

    def test_choices_agree(self):
        tasks = ["arc_easy", "arc_challenge", "boolq", "truthfulqa_mc1", "truthfulqa_mc2"]
        self.agree(compared("--tasks", ",".join(tasks), "--limit", "24"), tasks)

    def test_choices_agree_behind_examples(self):
        self.agree(compared("--tasks", "arc_easy", "--limit", "16", "--num-fewshot", "2"), ["arc_easy"])

    def test_generated_texts_agree(self):
        # Its generation_config.json has two stop tokens, of which stories260k writes the one that config.json does not name.
        tasks = ["truthfulqa_gen", "gsm8k"]
        results = compared("--tasks", ",".join(tasks), "--limit", "6")
        self.agree(results, tasks)
        for result in results.values():
            self.assertEqual(result["texts_that_differ"], [])
            self.assertLess(result["largest_metric_difference"], 1e-10)  # points of 100, in double


if __name__ == "__main__":
    sys.exit(unittest.main())
