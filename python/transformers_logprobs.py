#!/usr/bin/env python3
"""Log-probabilities of a text under a local Hugging Face model, plain or with fake-quantized linears, as .npy.

The windows are those of `farthing eval`: consecutive, without overlap, without BOS, as many as --tokens holds; the
first N - 1 tokens of a window of N have a next token in it. The array is float32 [windows, N - 1], the natural
logarithm of each next token's probability; with --full it is [windows, N, vocabulary], every token's, a shape that
`farthing eval MODEL --against OUT.npy` takes as a baseline. Tokens are those of tokenizer.json where there is one:
transformers 5 builds some tokenizers anew from their class, and then they disagree with their own file.

With --fake-quant the weights of every linear except the head go to a grid and back before they multiply: one scale
for a group of G inputs (a whole row for int8), rounded to f16 first, codes from the rounded scale, ties to even: the
grids of Farthing's formats int4_g128, int4_g32 and int8_row. --scale-rule names the scale and the codes:

  half_step   amax / (2^(b-1) - 0.5), that is amax / 7.5; codes -8..7 (int8: amax / 127.5; -128..127)
  narrow      amax / (2^(b-1) - 1), that is amax / 7; codes -7..7 (int8: amax / 127; -127..127)

Needs torch, transformers and numpy. Nothing is downloaded.

Example:
  transformers_logprobs.py models/stories260k --text data/wikitext-2/eval.txt --context 256 --tokens 4096 \\
      --fake-quant int4_g32 --out logprobs.npy
"""
import argparse
import math
import os
import pathlib
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
try:
    import numpy
    import tokenizers
    import torch
    import transformers
except ImportError as missing:
    sys.exit(f"transformers_logprobs: {missing}; install it with: python3 -m pip install torch transformers numpy")

GRIDS = {"int4_g128": (4, 128), "int4_g32": (4, 32), "int8": (8, None)}  # bits, inputs of a group
LARGEST_F16 = 65504.0


class Refused(Exception):
    """What the user has to change."""


class FakeQuantize(torch.autograd.Function):
    """A weight [outputs, inputs] on its grid, as values of its own type; the gradient passes straight through."""

    @staticmethod
    def forward(ctx, weight, bits, group, rule):
        rows, columns = weight.shape
        group = group or columns
        padding = -columns % group  # zeros change no amax
        groups = torch.nn.functional.pad(weight.float(), (0, padding)).reshape(rows, -1, group)
        middle = 2 ** (bits - 1)
        divisor, lowest = (middle - 0.5, -middle) if rule == "half_step" else (middle - 1, 1 - middle)
        scale = (groups.abs().amax(-1, keepdim=True) / divisor).half().float()
        # a group of zeros, or one whose scale rounds to 0, becomes zeros
        empty = scale == 0
        codes = torch.round(groups / torch.where(empty, 1.0, scale)).clamp(lowest, middle - 1)
        decoded = torch.where(empty, 0.0, codes * scale).reshape(rows, -1)[:, :columns]
        if not torch.isfinite(scale).all():
            raise Refused(f"a group's scale is not finite in f16 (at most {LARGEST_F16:g}): a weight is NaN, infinite "
                          "or too large")
        return decoded.to(weight.dtype)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None, None, None


class FakeQuantizedLinear(torch.nn.Module):
    """A linear whose weight is fake-quantized at each use; `weight` stays the unrounded parameter."""

    def __init__(self, linear, bits, group, rule):
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self.grid = (bits, group, rule)
        self.decoded = None  # (version of the weight, its decoded values); only where no gradient is wanted

    def forward(self, x):
        if torch.is_grad_enabled():
            return torch.nn.functional.linear(x, FakeQuantize.apply(self.weight, *self.grid), self.bias)
        if self.decoded is None or self.decoded[0] != self.weight._version:
            self.decoded = (self.weight._version, FakeQuantize.apply(self.weight, *self.grid))
        return torch.nn.functional.linear(x, self.decoded[1], self.bias)


def fake_quantize_linears(model, grid, rule):
    """Replaces every nn.Linear except the head; returns how many."""
    head = model.get_output_embeddings()
    found = [(name, child) for name, child in model.named_modules()
             if isinstance(child, torch.nn.Linear) and child is not head]
    for name, child in found:
        linear = FakeQuantizedLinear(child, *GRIDS[grid], rule)
        try:
            with torch.no_grad():
                linear(torch.zeros(1, child.in_features, dtype=child.weight.dtype))  # decodes it, once
        except Refused as refused:
            raise Refused(f"--fake-quant: {name}: {refused}") from refused
        model.set_submodule(name, linear)
    if not found:
        raise Refused("--fake-quant: the model has no torch.nn.Linear besides its head; its architecture keeps its "
                      "weights in other modules, which this script does not know")
    return len(found)


def load_tokenizer(folder):
    """A function from a text to its token ids, without BOS."""
    if (folder / "tokenizer.json").is_file():
        try:
            tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the package raises no narrower type
            raise Refused(f"{folder / 'tokenizer.json'}: tokenizers cannot read it: {error}") from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return lambda text: tokenizer.encode(text, add_special_tokens=False).ids
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return lambda text: tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]


def load(folder, dtype):
    if not (folder / "config.json").is_file():
        raise Refused(f"{folder}: is no Hugging Face directory (there is no config.json); give the folder that holds "
                      "config.json, the weights and the tokenizer")
    try:
        encode = load_tokenizer(folder)
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True,
                                                                  dtype=getattr(torch, dtype))
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise Refused(f"{folder}: transformers {transformers.__version__} cannot load it: {error}") from error
    return encode, model.eval()


def cut_windows(encode, model, text, args):
    """int64 [windows, context]."""
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit is not None and args.context > limit:
        raise Refused(f"--context: got {args.context}; the model has {limit} positions; give at most {limit}")
    tokens = encode(text)
    count = min(len(tokens), args.tokens) // args.context
    if count == 0:
        raise Refused(f"{args.text}: got {min(len(tokens), args.tokens)} tokens; one window takes {args.context}; give "
                      "a longer text, more --tokens or a smaller --context")
    windows = torch.tensor(tokens[: count * args.context]).reshape(count, args.context)
    vocabulary = model.get_input_embeddings().weight.shape[0]
    if int(windows.max()) >= vocabulary:
        raise Refused(f"{args.model}: the tokenizer gave token {int(windows.max())}; the model knows 0 to "
                      f"{vocabulary - 1}; its tokenizer and its weights do not belong together")
    return windows


def score(model, windows, out, full):
    """Fills the array; returns the sum of the next tokens' log-probabilities."""
    total, started = 0.0, time.monotonic()
    for index, window in enumerate(windows):
        with torch.no_grad():
            logprobs = model(window[None], use_cache=False).logits[0].float().log_softmax(-1)
        scored = logprobs[:-1].gather(1, window[1:, None])[:, 0]
        out[index] = (logprobs if full else scored).numpy()
        total += float(scored.double().sum())
        seconds = time.monotonic() - started
        print(f"\rwindow {index + 1} of {len(windows)}, {seconds:.0f} s", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return total


def token_count(text):
    if not text.isdigit() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"got '{text}'; wanted a whole number, 2 or more")
    return int(text)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path, metavar="MODEL_DIR", help="a Hugging Face directory")
    parser.add_argument("--text", type=pathlib.Path, required=True, metavar="FILE", help="UTF-8 text")
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="LOGPROBS.npy")
    parser.add_argument("--full", action="store_true", help="write every token's log-probability")
    parser.add_argument("--fake-quant", choices=sorted(GRIDS))
    parser.add_argument("--scale-rule", choices=("half_step", "narrow"), help="default: half_step")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32",
                        help="of weights and activations (default: float32); log-probabilities are float32")
    parser.add_argument("--context", type=token_count, default=512, metavar="N", help="tokens of a window (512)")
    parser.add_argument("--tokens", type=token_count, default=16384, metavar="N", help="tokens of the text (16384)")
    args = parser.parse_args()
    if args.out.suffix != ".npy":
        parser.error(f"--out: got {args.out}; wanted a name that ends in .npy")
    if not args.out.absolute().parent.is_dir():
        parser.error(f"--out: there is no folder {args.out.absolute().parent}; make it first")
    if args.scale_rule and not args.fake_quant:
        parser.error("--scale-rule says nothing without --fake-quant")
    return args


def run(args):
    try:
        text = args.text.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"--text: cannot read {args.text} as UTF-8: {error}") from error
    transformers.utils.logging.disable_progress_bar()
    encode, model = load(args.model, args.dtype)
    windows = cut_windows(encode, model, text, args)
    grid = ""
    if args.fake_quant:
        rule = args.scale_rule or "half_step"
        count = fake_quantize_linears(model, args.fake_quant, rule)
        grid = f", {count} linears in {args.fake_quant} {rule}"
    shape = (len(windows), args.context - 1)
    if args.full:
        shape = (len(windows), args.context, model(windows[:1, :1]).logits.shape[-1])
    # beside the target and renamed, so that an interrupted run leaves no half array under its name
    partial = args.out.with_name(args.out.name + ".partial")
    try:
        array = numpy.lib.format.open_memmap(partial, mode="w+", dtype=numpy.float32, shape=shape)
        total = score(model, windows, array, args.full)
        array.flush()
        del array
        partial.replace(args.out)
    except OSError as error:
        raise Refused(f"--out: cannot write {args.out}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    scored = len(windows) * (args.context - 1)
    if not math.isfinite(total):
        raise Refused(f"{args.out}: holds log-probabilities that are not finite; the model overflows in {args.dtype}")
    print(f"{args.out}: float32 {list(shape)}; {args.dtype}{grid}; {scored} tokens scored, perplexity "
          f"{math.exp(-total / scored):.4f}")


def main():
    try:
        run(parse())
    except Refused as refused:
        sys.exit(f"transformers_logprobs: {refused}")
    except KeyboardInterrupt:
        sys.exit("\ntransformers_logprobs: interrupted; nothing was written")


if __name__ == "__main__":
    main()
