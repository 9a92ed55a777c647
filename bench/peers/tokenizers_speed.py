"""Encoding speed of each kind of tokenizer, one thread: farthing against the packages tokenizers and sentencepiece.

Usage: python bench/peers/tokenizers_speed.py [--farthing build/release/farthing] [--pairs 5] [--text FILE] [--json]
           [NAME=FILE ...]
Needs the packages tokenizers and sentencepiece. NAME=FILE: a tokenizer.json or tokenizer.model to measure too. Trains a
unigram (SentencePiece's and Hugging Face's), a SentencePiece BPE and a WordPiece of 8000 tokens each on the carried
excerpts. A pair is one run of each side, in turn; a run is the fastest of 3 encodings of the whole text. That the tokens
are the same is checked on its first 50000 characters: beyond that SentencePiece's unigram, which adds scores in f32, cuts
the same word otherwise in other places.
"""
import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
import sentencepiece  # noqa: E402
import tokenizers  # noqa: E402
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--farthing", default=str(ROOT / "build/release/farthing"))
parser.add_argument("--pairs", type=int, default=5)
parser.add_argument("--text", default=str(ROOT / "data/wikitext-2/eval.txt"))
parser.add_argument("--json", action="store_true")
parser.add_argument("more", nargs="*", metavar="NAME=FILE")
options = parser.parse_args()
text = Path(options.text).read_text(encoding="utf-8")
corpus = [line for name in ("tinystories/train.txt", "wikitext-2/calibration.txt")
          for line in (ROOT / "data" / name).read_text(encoding="utf-8").split("\n") if line.strip()]


def trained_json(model, trainer, pre_tokenizer, normalizer, decoder):
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer, tokenizer.normalizer, tokenizer.decoder = pre_tokenizer, normalizer, decoder
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer.to_str().encode()


def trained_model(kind):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(corpus), model_writer=out, vocab_size=8000, model_type=kind, minloglevel=2,
                                             num_threads=1, hard_vocab_limit=False)
    return out.getvalue()


def encoder(path):
    if path.endswith(".model"):
        return sentencepiece.SentencePieceProcessor(model_file=path).encode
    tokenizer = tokenizers.Tokenizer.from_file(path)
    return lambda one: tokenizer.encode(one, add_special_tokens=False).ids


def peer_seconds(encode):
    fastest = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        encode(text)
        fastest = min(fastest, time.perf_counter() - start)
    return fastest


def farthing(path, file):
    command = [options.farthing, "tokenize", path, "-f", file, "--repeat", "3", "--no-bos", "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


rows = []
with tempfile.TemporaryDirectory() as folder:
    beginning = os.path.join(folder, "beginning.txt")
    Path(beginning).write_text(text[:50000], encoding="utf-8")
    files = dict(one.split("=", 1) for one in options.more)
    for name, content in {
        "unigram.json": trained_json(models.Unigram(), trainers.UnigramTrainer(vocab_size=8000, unk_token="<unk>", special_tokens=["<unk>"],
                                                                              show_progress=False),
                                     pre_tokenizers.Metaspace(), normalizers.NFKC(), decoders.Metaspace()),
        "wordpiece.json": trained_json(models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer(vocab_size=8000, special_tokens=["[UNK]"],
                                                                                                      show_progress=False),
                                       pre_tokenizers.BertPreTokenizer(), normalizers.BertNormalizer(), decoders.WordPiece()),
        "unigram.model": trained_model("unigram"),
        "bpe.model": trained_model("bpe"),
    }.items():
        files[name] = os.path.join(folder, name)
        Path(files[name]).write_bytes(content)
    for name, path in files.items():
        encode = encoder(path)
        if farthing(path, beginning)["ids"] != encode(text[:50000]):
            sys.exit(f"{name}: other tokens than the package's")
        pairs = [(farthing(path, options.text)["seconds"], peer_seconds(encode)) for _ in range(options.pairs)]
        ratios = [theirs / ours for ours, theirs in pairs]
        rows.append({"name": name, "pairs": pairs, "ratio": statistics.median(ratios)})
        if not options.json:
            print(f"{name:16} package / farthing: {statistics.median(ratios):5.2f}   "
                  + " ".join(f"{theirs * 1e3:.0f}/{ours * 1e3:.0f}" for ours, theirs in pairs) + " ms", flush=True)
if options.json:
    print(json.dumps({"tokenizers": tokenizers.__version__, "sentencepiece": sentencepiece.__version__, "bytes": len(text.encode()), "rows": rows},
                     indent=1))
