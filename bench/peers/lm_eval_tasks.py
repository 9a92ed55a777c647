"""The choices, accuracies and speed of `farthing tasks` beside lm-evaluation-harness with transformers, question by question.

Usage: scripts/peers lm-eval && "$(scripts/peers --python lm-eval)" bench/peers/lm_eval_tasks.py MODEL [--task-data DIR]
           [--tasks arc_easy,...] [--limit N] [--num-fewshot N] [--farthing build/release/farthing] [--batch-size 16]

The harness runs its own task files (prompts, choices, metrics) in f32 on the CPU; only where the rows come from is replaced: by
those of DIR (data/tasks without it), written back in the columns that its files expect. Nothing is fetched.
Prints for each task how many choices (or generated texts) agree, both accuracies, the largest difference of a log-likelihood, and questions a
second of both; with --json the same as one JSON document. The processors are given to one program at a time.
"""
import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
ROOT = Path(__file__).resolve().parents[2]
sys.path.pop(0)  # this folder, whose llama_cpp.py is not the package

import lm_eval  # noqa: E402
import yaml  # noqa: E402
from lm_eval.models.huggingface import HFLM  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

LETTERS = "ABCDEFGH"


def rows_of(path: Path) -> list:
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def arc(row):
    return {"question": row["query"].removeprefix("Question: "), "answerKey": LETTERS[row["gold"]],
            "choices": {"text": row["choices"], "label": list(LETTERS[:len(row["choices"])])}}


def openbookqa(row):
    return {"question_stem": row["query"], "answerKey": LETTERS[row["gold"]],
            "choices": {"text": row["choices"], "label": list(LETTERS[:len(row["choices"])])}}


def piqa(row):
    return {"goal": row["query"].removeprefix("Question: ").rstrip("\n"), "sol1": row["choices"][0], "sol2": row["choices"][1],
            "label": row["gold"]}


def winogrande(row):
    first, second = row["context_options"]
    front = os.path.commonprefix([first, second])
    front = front[:front.rfind(" ") + 1]
    return {"sentence": f"{front}_ {row['continuation']}", "option1": first[len(front):], "option2": second[len(front):],
            "answer": str(row["gold"] + 1)}


def boolq(row):
    passage, question = row["query"].removeprefix("Passage: ").rsplit("\nQuestion: ", 1)
    return {"passage": passage, "question": question.removesuffix("?"), "label": row["gold"]}


def copa(row):
    premise, connector = row["query"].rsplit(", ", 1)
    return {"premise": premise + ".", "question": {"because": "cause", "therefore": "effect"}[connector],
            "choice1": row["choices"][0], "choice2": row["choices"][1], "label": row["gold"]}


def truthfulqa(row):
    """Lists of answers are between semicolons; an answer counts once."""
    correct, wrong = (list(dict.fromkeys(a.strip() for a in row[side].split(";") if a.strip()))
                      for side in ("Correct Answers", "Incorrect Answers"))
    first = [row["Best Answer"].strip()]
    return {"question": row["Question"].strip(), "correct_answers": correct, "incorrect_answers": wrong,
            "mc1_targets": {"choices": first + wrong, "labels": [1] + [0] * len(wrong)},
            "mc2_targets": {"choices": correct + wrong, "labels": [1] * len(correct) + [0] * len(wrong)}}


def gsm8k(row):
    return row


# Task: its file in the harness, its file in the data, how a row is written back.
TASKS = {
    "arc_easy": ("arc/arc_easy.yaml", "arc_easy.jsonl", arc),
    "arc_challenge": ("arc/arc_challenge.yaml", "arc_challenge.jsonl", arc),
    "piqa": ("piqa/piqa.yaml", "piqa.jsonl", piqa),
    "winogrande": ("winogrande/default.yaml", "winogrande.jsonl", winogrande),
    "boolq": ("super_glue/boolq/default.yaml", "boolq.jsonl", boolq),
    "openbookqa": ("openbookqa/openbookqa.yaml", "openbook_qa.jsonl", openbookqa),
    "copa": ("super_glue/copa/default.yaml", "copa.jsonl", copa),
    "truthfulqa_mc1": ("truthfulqa/truthfulqa_mc1.yaml", "TruthfulQA.csv", truthfulqa),
    "truthfulqa_mc2": ("truthfulqa/truthfulqa_mc2.yaml", "TruthfulQA.csv", truthfulqa),
    "truthfulqa_gen": ("truthfulqa/truthfulqa_gen.yaml", "TruthfulQA.csv", truthfulqa),
    "gsm8k": ("gsm8k/gsm8k.yaml", "gsm8k.jsonl", gsm8k),
}


def examples_of(name: str, asked: int) -> int:
    """GSM8K has eight where nobody asks for another number."""
    return asked or (8 if name == "gsm8k" else 0)


def write_tasks(names: list, data: Path, folder: Path, examples_asked: int) -> None:
    """The harness's own task files over local rows; the first `examples` rows are the examples, the rest is scored."""
    home = Path(lm_eval.__file__).parent / "tasks"
    for name in names:
        own, file, back = TASKS[name]
        examples = examples_of(name, examples_asked)
        rows = [back(row) for row in rows_of(data / file)]
        parts = {"examples": rows[:examples] or rows[:1], "scored": rows[examples:]}
        for part, some in parts.items():
            (folder / f"{name}-{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some), "utf-8")
        task = {"include": str(home / own), "task": f"local_{name}", "dataset_path": "json", "dataset_name": None,
                "dataset_kwargs": {"data_files": {part: str(folder / f"{name}-{part}.jsonl") for part in parts}},
                "training_split": None, "validation_split": None, "test_split": "scored", "fewshot_split": "examples",
                "fewshot_config": {"sampler": "first_n"}, "tag": None}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(task), "utf-8")


class TimedLM(HFLM):
    """Counts the seconds of scoring and generating, tokenizing included."""
    seconds = 0.0

    def loglikelihood(self, *arguments, **named):
        began = time.monotonic()
        out = super().loglikelihood(*arguments, **named)
        self.seconds += time.monotonic() - began
        return out

    def generate_until(self, *arguments, **named):
        began = time.monotonic()
        out = super().generate_until(*arguments, **named)
        self.seconds += time.monotonic() - began
        return out


def harness(args, name: str, folder: Path, lm: TimedLM) -> dict:
    lm.seconds = 0.0
    out = lm_eval.simple_evaluate(model=lm, tasks=[f"local_{name}"], limit=args.limit or None, num_fewshot=examples_of(name, args.num_fewshot),
                                  task_manager=TaskManager(include_path=str(folder), include_defaults=False), bootstrap_iters=0,
                                  log_samples=True, verbosity="ERROR")
    samples = out["samples"][f"local_{name}"]  # once for each filter
    samples = sorted((s for s in samples if s["filter"] == samples[0]["filter"]), key=lambda sample: sample["doc_id"])
    return {"samples": samples, "metrics": {key.removesuffix(",none"): value for key, value in out["results"][f"local_{name}"].items()
                                            if isinstance(value, float)}, "seconds": lm.seconds}


def ours(args, name: str, folder: Path) -> dict:
    out = folder / f"farthing-{name}"
    command = [args.farthing, "tasks", args.model, "--tasks", name, "--task-data", args.task_data, "--limit", str(args.limit), "-o",
               str(out), "--json"]
    if args.num_fewshot:
        command += ["--num-fewshot", str(args.num_fewshot)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result, = json.loads(done.stdout)["tasks"]
    return {"samples": [json.loads(line) for line in (out / f"samples_{name}.jsonl").read_text("utf-8").splitlines()],
            "metrics": {m["metric"]: m["value"]["value"] for m in result["metrics"]}, "seconds": result["seconds"]}


def best(values: list) -> int:
    return max(range(len(values)), key=values.__getitem__)


def compare(mine: dict, theirs: dict) -> dict:
    assert len(mine["samples"]) == len(theirs["samples"]) > 0, (len(mine["samples"]), len(theirs["samples"]))
    agree, largest = 0, 0.0
    for a, b in zip(mine["samples"], theirs["samples"]):
        if "text" in a["model"]:
            agree += a["model"]["text"] == b["resps"][0][0]
            continue
        a, b = a["model"]["log_likelihoods"], [float(answer[0]) for answer in b["filtered_resps"]]
        assert len(a) == len(b), (a, b)
        agree += best(a) == best(b)
        largest = max(largest, *(abs(x - y) for x, y in zip(a, b)))
    count = len(mine["samples"])
    return {"questions": count, "agree": agree / count, "largest_difference": largest, "metrics": mine["metrics"],
            "metrics_of_harness": {name: theirs["metrics"][name] for name in mine["metrics"]},
            "questions_per_second": count / mine["seconds"], "questions_per_second_of_harness": count / theirs["seconds"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--task-data", default=str(ROOT / "data/tasks"))
    parser.add_argument("--tasks", help="default: those whose rows are there")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--num-fewshot", type=int, default=0)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--farthing", default=str(ROOT / "build/release/farthing"))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    data = Path(args.task_data)
    names = args.tasks.split(",") if args.tasks else [name for name, (_, file, _) in TASKS.items() if (data / file).exists()]
    out = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_tasks(names, data, folder, args.num_fewshot)
        lm = TimedLM(pretrained=args.model, device="cpu", dtype="float32", batch_size=args.batch_size)
        for name in names:
            out[name] = compare(ours(args, name, folder), harness(args, name, folder, lm))
            if args.json:
                continue
            r = out[name]
            print(f"{name}: {r['questions']} questions, {100 * r['agree']:.2f} % of the answers agree, log-likelihoods differ by "
                  f"at most {r['largest_difference']:.1e}; {r['questions_per_second']:.2f} questions/s, the harness "
                  f"{r['questions_per_second_of_harness']:.2f}", flush=True)
            for metric, value in r["metrics"].items():
                print(f"    {metric}: {value:.4f}, the harness {r['metrics_of_harness'][metric]:.4f}", flush=True)
    if args.json:
        print(json.dumps(out, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
