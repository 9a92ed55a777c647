"""What quantizers lose at equal bits: Farthing's and its peers' on one model, one calibration text, one judge.

  scripts/peers reference llama-cpp gptqmodel auto-round llmcompressor     # once; 2 GB each
  python3 bench/peers/quality llama.cpp:Q4_K_M gptqmodel:int4_g32_asym farthing:gptq:int4_g32_asym

Every method gets the same windows of token ids, quantizes the linears of the blocks, and leaves its dequantized weights in
f32; `farthing eval` judges each against the unquantized model. Bits a weight are counted from what a format stores for
these linears: codes, scales, zero points. Without a model it is the demo's; without --calibration and --text the texts
in data/wikitext-2. What is done lies in --work and is not done again, unless the program or a recipe is newer.

METHOD:
  llama.cpp:TYPE                llama-quantize's types with an importance matrix; llama.cpp:all is every one of 3 bits and more
  gptqmodel:SCHEME              GPTQModel's GPTQ          SCHEME: int{3,4,8}_g{32,64,128}[_asym], int8_row
  llmcompressor:SCHEME          llm-compressor's GPTQ
  auto-round:SCHEME[:STEPS]     AutoRound; 50 steps are its light preset, 200 its default
  farthing:METHOD:SCHEME        farthing quantize --method METHOD --format SCHEME
  farthing:recipe:FILE          farthing quantize --recipe FILE
"""
import argparse
import json
import os
import pathlib
import shutil
import sys

import plot
import report
from inputs import ROOT, Refused, prepare
from judge import judge
from methods import Failed, run

LLAMA_TYPES = ("IQ3_XXS", "IQ3_XS", "Q3_K_S", "IQ3_S", "IQ3_M", "Q3_K_M", "Q3_K_L", "IQ4_XS", "IQ4_NL", "Q4_0", "Q4_K_S", "Q4_K_M",
               "Q4_1", "Q5_0", "Q5_K_S", "Q5_K_M", "Q5_1", "Q6_K", "Q8_0")


def parse():
    parser = argparse.ArgumentParser(prog="python3 bench/peers/quality", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="+", metavar="METHOD")
    parser.add_argument("--model", type=pathlib.Path, help="a Hugging Face directory of a Llama in f32, one file (the demo's)")
    parser.add_argument("--calibration", type=pathlib.Path, help="a text, or a folder of the files c4, wiki, code, "
                        "multilingual (.utf8), which are mixed")
    parser.add_argument("--samples", type=int, default=128, help="windows of the calibration (128)")
    parser.add_argument("--context", type=int, default=512, help="tokens of such a window (512)")
    parser.add_argument("--text", type=pathlib.Path, help="the judge's text")
    parser.add_argument("--windows", type=int, default=16, help="the judge's windows of 512 tokens (16)")
    parser.add_argument("--threads", type=int, default=2, help="of every quantizer (2)")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/peers-quality", help="folder of results and logs")
    parser.add_argument("--farthing", type=pathlib.Path, default=ROOT / "build/release/farthing")
    parser.add_argument("--plot", type=pathlib.Path, help="also draw KL over bits into this SVG file")
    parser.add_argument("--keep", action="store_true", help="keep the folders of weights, 0.5 GB each")
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    args = parser.parse_args()
    if not args.farthing.is_file():
        parser.error(f"there is no program {args.farthing}; build it with scripts/build, or name it with --farthing")
    args.farthing = args.farthing.resolve()
    return args


def inputs_of(args):
    """What must be the same for results in one folder to be comparable."""
    texts = {name: str(getattr(args, name).resolve()) if getattr(args, name) else "" for name in ("model", "calibration", "text")}
    return {**texts, "samples": args.samples, "context": args.context, "windows": args.windows}


def is_done(kept, name, farthing):
    """False also for a result of Farthing that is older than the program or the recipe."""
    if not kept.exists():
        return False
    tool, _, what = name.partition(":")
    made_of = [farthing] if tool == "farthing" else []
    made_of += [pathlib.Path(what.removeprefix("recipe:"))] if what.startswith("recipe:") else []
    return all(path.stat().st_mtime <= kept.stat().st_mtime for path in made_of)


def measure(args):
    work = args.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    same = work / "inputs.json"
    if same.exists() and json.loads(same.read_text()) != inputs_of(args):
        raise Refused(f"{work} holds results of other inputs ({same}); name another --work")
    job = prepare(args, work)
    same.write_text(json.dumps(inputs_of(args)))
    rows, failures = [], []
    for name in [n for m in args.methods for n in ([f"llama.cpp:{t}" for t in LLAMA_TYPES] if m == "llama.cpp:all" else [m])]:
        kept = work / (name.replace("/", "-").replace(":", "-") + ".row.json")
        if not is_done(kept, name, args.farthing):
            print(f"quality: {name}", file=sys.stderr, flush=True)
            try:
                found, folder = run(args, job, name, work)
            except Failed as failed:
                failures.append({"method": name, "error": str(failed)})
                continue
            found = {"method": name, **found, **judge(args, job["model"], folder), "load_average": os.getloadavg()[1]}
            kept.write_text(json.dumps(found))
            if not args.keep:
                shutil.rmtree(folder)
        rows.append(json.loads(kept.read_text()))
    report.add_ratios(rows)
    return {"inputs": inputs_of(args), "rows": rows, "points": report.at_points(rows), "failures": failures}


def main():
    args = parse()
    try:
        result = measure(args)
    except Refused as refused:
        sys.exit(f"quality: {refused}")
    if args.plot and result["rows"]:
        args.plot.write_text(plot.svg(result["rows"]))
    print(json.dumps(result, indent=2) if args.json else report.text(result["rows"], result["points"], result["failures"]))
    return 1 if result["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
