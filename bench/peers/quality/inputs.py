"""What every method gets: the model, the same calibration windows as text and as token ids, the judge's text."""
import array
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]
GGUF = "build/demo-model/SmolLM2-135M-Instruct.Q4_1.gguf"
DEMO_MODEL = "build/demo-model/smollm2-135m-offgrid"
# Pieces of a mixed text and characters of each: about 512 tokens of SmolLM2's vocabulary.
MIX = (("c4.utf8", 48, 2350), ("wiki.utf8", 48, 2250), ("code.utf8", 24, 1650), ("multilingual.utf8", 8, 1100))


class Refused(Exception):
    """What the user has to change."""


def demo_model(farthing):
    """The folder of the demo's model, made from its GGUF file as scripts/demo does where it is not there yet."""
    folder, gguf = ROOT / DEMO_MODEL, ROOT / GGUF
    if folder.is_dir():
        return folder
    if not gguf.is_file():
        raise Refused(f"there is no model {folder}: run scripts/demo, or name a Hugging Face directory in f32")
    subprocess.run([farthing.with_name("farthing-offgrid"), gguf, "--out", folder], check=True)
    return folder


def mixed_text(folder):
    """Pieces of the files of MIX in turn, so that a text cut off anywhere still has something of each."""
    pieces = []
    for name, count, length in MIX:
        text = (folder / name).read_text(encoding="utf-8", errors="ignore")
        step = (len(text) - length) // count
        # Sorted by the share of its file that is before a piece, the files take turns.
        pieces += [(i / count, name, text[i * step: i * step + length]) for i in range(count)]
    return "\n".join(text for _, _, text in sorted(pieces))


def token_ids(farthing, model, text_path):
    """Ids as `farthing quantize` reads a text: no special tokens, none parsed."""
    command = [farthing, "tokenize", model, "--file", text_path, "--ids", "--no-bos", "--no-parse-special"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def prepare(args, work):
    """Writes calibration.txt and calibration.i32 ([samples, context] ids) into `work`; returns what a job needs."""
    model = (args.model or demo_model(args.farthing)).resolve()
    source = args.calibration or ROOT / "data/wikitext-2/calibration.txt"
    text = mixed_text(source) if source.is_dir() else source.read_text(encoding="utf-8")
    path = work / "calibration.txt"
    path.write_text(text, encoding="utf-8")
    ids = token_ids(args.farthing, model, path)
    wanted = args.samples * args.context
    if len(ids) < wanted:
        raise Refused(f"{source} has {len(ids)} tokens, {args.samples} windows of {args.context} need {wanted}")
    with open(work / "calibration.i32", "wb") as file:
        array.array("i", ids[:wanted]).tofile(file)
    return {"model": str(model), "ids": str(work / "calibration.i32"), "text": str(path), "samples": args.samples,
            "context": args.context, "threads": args.threads, "work": str(work)}
