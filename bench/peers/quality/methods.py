"""Runs one method, a peer's in its own environment or Farthing's, and leaves a folder of weights for the judge.

A method is TOOL:WHAT. llama.cpp:Q4_K_M; gptqmodel:int4_g64_asym; llmcompressor:int4_g64; auto-round:int4_g32:50 (steps);
farthing:METHOD:SCHEME, or farthing:recipe:FILE.
"""
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys

from inputs import ROOT, Refused

# Tool to its environment (scripts/peers) and its driver.
PEERS = {"llama.cpp": ("llama-cpp", "llama_cpp_types.py"), "gptqmodel": ("gptqmodel", "gptqmodel_gptq.py"),
         "auto-round": ("auto-round", "auto_round_tuning.py"), "llmcompressor": ("llmcompressor", "llmcompressor_gptq.py")}
SEE_NOTHING = ("rtn", "mse", "hqq")  # methods of Farthing that refuse a calibration
DRIVERS = ROOT / "bench/peers/quality/drivers"


class Failed(Exception):
    """A method that could not be run; its message is the peer's."""


def run_driver(environment, driver, job, stem):
    """Runs a driver with `job`; its result, or Failed with the end of what it printed."""
    python = subprocess.check_output([ROOT / "scripts/peers", "--python", environment], text=True).strip()
    if not (pathlib.Path(python).parents[1] / "complete").exists():
        raise Failed(f"there is no environment {environment}; make it with: scripts/peers {environment}")
    job_file, result, log_file = (stem.with_name(stem.name + suffix) for suffix in (".job", ".result", ".log"))
    job_file.write_text(json.dumps(job))
    result.unlink(missing_ok=True)
    # No peer may reach a hub, and none may take more threads than the others.
    limits = {name: str(job["threads"]) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    with open(log_file, "w") as log:
        done = subprocess.run([python, DRIVERS / driver, job_file], stdout=log, stderr=subprocess.STDOUT,
                              env={**os.environ, **limits, **offline}, cwd=stem.parent)  # some leave logs where they run
    if done.returncode != 0 or not result.exists():
        lines = [line for line in log_file.read_text(errors="replace").splitlines() if line.strip()]
        raise Failed(f"{driver} ended with status {done.returncode}: {' / '.join(lines[-3:])}")
    return json.loads(result.read_text())


def squares(job, work):
    """The importance matrix, made once."""
    path = work / "squares.npz"
    if not path.exists():
        print("quality: mean squares of the inputs for llama.cpp", file=sys.stderr, flush=True)
        run_driver("reference", "input_squares.py", {**job, "squares": str(path)}, work / "squares")
    return str(path)


def run_farthing(args, job, what, out):
    method, _, scheme = what.partition(":")
    if not scheme:
        raise Refused(f"farthing:{what}: wanted farthing:METHOD:SCHEME or farthing:recipe:FILE")
    command = [args.farthing, "quantize", job["model"], "-o", out, "--threads", str(job["threads"]), "--json"]
    command += ["--recipe", scheme] if method == "recipe" else ["--format", scheme, "--method", method]
    if method not in SEE_NOTHING:
        command += ["--calibration", job["text"], "--num-calibration-samples", str(job["samples"]), "--max-seq-length",
                    str(job["context"])]
    shutil.rmtree(f"{out}.work", ignore_errors=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise Failed(done.stderr.strip()[-500:])
    found = json.loads(done.stdout)
    linears = [layer for layer in found["layers"] if ".layers." in layer["name"]]
    bits = sum(layer["bytes"] * 8 for layer in linears) / sum(layer["n"] * layer["k"] for layer in linears)
    return {"bits": bits, "seconds": found["seconds"],
            "processor_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            "versions": {"farthing": subprocess.check_output([args.farthing, "--version"], text=True).split()[-1]}}


def run(args, job, name, work):
    """Returns (result without the judge's part, the folder to judge)."""
    tool, _, what = name.partition(":")
    stem = work / "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
    out = stem.with_name(stem.name + ".model")
    shutil.rmtree(out, ignore_errors=True)
    if tool == "farthing":
        return run_farthing(args, job, what, out), out
    if tool not in PEERS:
        raise Refused(f"{name}: no tool '{tool}'; there are farthing, {', '.join(PEERS)}")
    environment, driver = PEERS[tool]
    job = {**job, "scheme": what, "out": str(out)}
    if tool == "llama.cpp":
        job["squares"] = squares(job, work)
    return run_driver(environment, driver, job, stem), out
