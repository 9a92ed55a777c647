"""The choices, texts, metrics and speed of `farthing tasks` beside lm-evaluation-harness with transformers, question by question.

Usage: scripts/peers lm-eval && "$(scripts/peers --python lm-eval)" bench/peers/lm_eval_tasks.py MODEL [--task-data DIR]
           [--tasks arc_easy,...] [--limit N] [--num-fewshot N] [--farthing build/release/farthing] [--batch-size 16]
           [--kept FOLDER] [--pairs N] [--threads N] [--json]

The harness runs its own task files (prompts, choices, metrics) in f32 on the CPU; only where the rows come from is replaced: by
those of DIR (data/tasks without it), written back in the columns that its files expect. Nothing is fetched. It generates texts one at a
time: in a batch, what it writes behind a tokenizer's EOS depends on the others.
Prints for each task how many choices (or generated texts) agree, both metrics, the largest difference of a log-likelihood and of an
item's metric, and the texts that differ; with --json the same as one JSON document. With --kept the harness's answers are kept in
FOLDER, and read again from there where model, rows and options are the same.
--pairs: both answer N times in turn; prints each time's questions a second of wall clock and of processor time (user and system of all
threads; ours includes starting and loading). The processors are given to one program at a time.
"""
import argparse
import csv
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
ROOT = Path(__file__).resolve().parents[2]
sys.path.pop(0)  # this folder, whose llama_cpp.py is not the package

import lm_eval  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
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
    """Counts the seconds of scoring and generating, tokenizing included: of the clock, and of processors."""
    seconds = cpu_seconds = 0.0

    def timed(self, answer, *arguments, **named):
        began, cpu_began = time.monotonic(), time.process_time()
        out = answer(*arguments, **named)
        self.seconds += time.monotonic() - began
        self.cpu_seconds += time.process_time() - cpu_began
        return out

    def loglikelihood(self, *arguments, **named):
        return self.timed(super().loglikelihood, *arguments, **named)

    def generate_until(self, *arguments, **named):
        batch_size, self.batch_size_per_gpu = self.batch_size_per_gpu, 1
        out = self.timed(super().generate_until, *arguments, **named)
        self.batch_size_per_gpu = batch_size
        return out


def harness(args, name: str, folder: Path, lm: TimedLM) -> dict:
    lm.seconds = lm.cpu_seconds = 0.0
    out = lm_eval.simple_evaluate(model=lm, tasks=[f"local_{name}"], limit=args.limit or None, num_fewshot=examples_of(name, args.num_fewshot),
                                  task_manager=TaskManager(include_path=str(folder), include_defaults=False), bootstrap_iters=0,
                                  log_samples=True, verbosity="ERROR")
    items = {}
    for sample in out["samples"][f"local_{name}"]:  # once for each filter
        item = items.setdefault(sample["doc_id"], {"metrics": {}})
        answers = [answer[0] for answer in sample["resps"]]
        if isinstance(answers[0], str):
            item["text"] = answers[0]
        else:
            item["log_likelihoods"] = [float(answer[0]) for answer in answers]
        behind = "" if sample["filter"] == "none" else "," + sample["filter"]
        item["metrics"].update({metric + behind: float(sample[metric]) for metric in sample["metrics"]})
    return {"items": [items[i] for i in sorted(items)],
            "metrics": {key.removesuffix(",none"): value for key, value in out["results"][f"local_{name}"].items() if isinstance(value, float)},
            "seconds": lm.seconds, "cpu_seconds": lm.cpu_seconds}


def digest_of_model(model: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(f for f in model.iterdir() if f.suffix in (".json", ".safetensors")):
        digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


class Harness:
    """The harness's answers, computed or kept; its model is loaded when it is asked first."""

    def __init__(self, args, folder: Path):
        self.args, self.folder, self.lm = args, folder, None

    def compute(self, name: str) -> dict:
        if self.lm is None:
            self.lm = TimedLM(pretrained=self.args.model, device="cpu", dtype="float32", batch_size=self.args.batch_size)
        return harness(self.args, name, self.folder, self.lm)

    def answers(self, name: str) -> dict:
        args = self.args
        if not args.kept:
            return self.compute(name)
        rows = [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(self.folder.glob(f"{name}-*.jsonl"))]
        asked = [digest_of_model(Path(args.model)), rows, args.limit, examples_of(name, args.num_fewshot), args.batch_size,
                 lm_eval.__version__, transformers.__version__]
        file = Path(args.kept) / f"{name}-{hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]}.json"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            partial = file.with_suffix(".partial")
            partial.write_text(json.dumps(self.compute(name)), "utf-8")
            partial.rename(file)
        return json.loads(file.read_text("utf-8"))


def ours(args, name: str, folder: Path) -> dict:
    out = folder / f"farthing-{name}"
    command = [args.farthing, "tasks", args.model, "--tasks", name, "--task-data", args.task_data, "--limit", str(args.limit), "-o",
               str(out), "--json"]
    if args.threads:
        command += ["--threads", str(args.threads)]
    if args.num_fewshot:
        command += ["--num-fewshot", str(args.num_fewshot)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    result, = json.loads(done.stdout)["tasks"]
    items = [json.loads(line)["model"] for line in (out / f"samples_{name}.jsonl").read_text("utf-8").splitlines()]
    return {"items": items, "metrics": {m["metric"]: m["value"]["value"] for m in result["metrics"]}, "seconds": result["seconds"],
            "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def best(values: list) -> int:
    return max(range(len(values)), key=values.__getitem__)


def compare(mine: dict, theirs: dict) -> dict:
    count = len(mine["items"])
    assert count == len(theirs["items"]) > 0, (count, len(theirs["items"]))
    agree, largest, of_metric, texts = 0, 0.0, 0.0, []
    for i, (a, b) in enumerate(zip(mine["items"], theirs["items"])):
        of_metric = max([of_metric, *(abs(a[metric] - b["metrics"][metric]) for metric in mine["metrics"])])
        if "text" in a:
            same = a["text"] == b["text"]
            if not same:
                texts.append({"question": i, "text": a["text"], "harness": b["text"]})
        else:
            x, y = a["log_likelihoods"], b["log_likelihoods"]
            assert len(x) == len(y), (x, y)
            same = best(x) == best(y)
            largest = max(largest, *(abs(p - q) for p, q in zip(x, y)))
        agree += same
    return {"questions": count, "agree": agree / count, "largest_difference": largest, "largest_metric_difference": of_metric,
            "texts_that_differ": texts, "metrics": mine["metrics"],
            "metrics_of_harness": {name: theirs["metrics"][name] for name in mine["metrics"]},
            "questions_per_second": count / mine["seconds"], "questions_per_second_of_harness": count / theirs["seconds"]}


def print_comparison(name: str, r: dict) -> None:
    print(f"{name}: {r['questions']} questions, {100 * r['agree']:.2f} % of the answers agree; log-likelihoods differ by at most "
          f"{r['largest_difference']:.1e}, an item's metrics by {r['largest_metric_difference']:.1e}", flush=True)
    for metric, value in r["metrics"].items():
        print(f"    {metric}: {value:.6f}, the harness {r['metrics_of_harness'][metric]:.6f}", flush=True)
    for text in r["texts_that_differ"]:
        print(f"    question {text['question']}: {text['text']!r}\n        the harness: {text['harness']!r}", flush=True)


def run_pairs(args, name: str, folder: Path, peer: Harness) -> list:
    """Questions a second of each pair: clock and processors, ours and the harness's."""
    pairs = []
    for i in range(args.pairs):
        both = {}
        for who in (("ours", "harness"), ("harness", "ours"))[i % 2]:
            both[who] = ours(args, name, folder) if who == "ours" else peer.compute(name)
        count = len(both["ours"]["items"])
        pairs.append({of: {who: count / run[of] for who, run in both.items()} for of in ("seconds", "cpu_seconds")})
        if not args.json:
            clock, cpu = pairs[-1]["seconds"], pairs[-1]["cpu_seconds"]
            print(f"    {name}, pair {i + 1}: {clock['ours']:.2f} and {clock['harness']:.2f} questions a second "
                  f"({clock['ours'] / clock['harness']:.2f} times); of processor time {cpu['ours']:.2f} and {cpu['harness']:.2f} "
                  f"({cpu['ours'] / cpu['harness']:.2f} times)", flush=True)
    if pairs and not args.json:
        of_clock, of_cpu = (statistics.median(p[of]["ours"] / p[of]["harness"] for p in pairs) for of in ("seconds", "cpu_seconds"))
        print(f"    {name}: medians {of_clock:.2f} times, of processor time {of_cpu:.2f} times", flush=True)
    return pairs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--task-data", default=str(ROOT / "data/tasks"))
    parser.add_argument("--tasks", help="default: those whose rows are there")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--num-fewshot", type=int, default=0)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--farthing", default=str(ROOT / "build/release/farthing"))
    parser.add_argument("--kept", help="a folder for the harness's answers")
    parser.add_argument("--pairs", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="of both; default: as both choose")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    data = Path(args.task_data)
    names = args.tasks.split(",") if args.tasks else [name for name, (_, file, _) in TASKS.items() if (data / file).exists()]
    out = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_tasks(names, data, folder, args.num_fewshot)
        peer = Harness(args, folder)
        for name in names:
            if args.pairs:
                out[name] = run_pairs(args, name, folder, peer)
                continue
            out[name] = compare(ours(args, name, folder), peer.answers(name))
            if not args.json:
                print_comparison(name, out[name])
    if args.json:
        print(json.dumps(out, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
