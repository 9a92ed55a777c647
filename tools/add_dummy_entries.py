#!/usr/bin/env python3
"""Adds a number format, an architecture and a kind of tokenizer to a copy of the tree, and runs the program with them.

Shows what CONTRIBUTING.md promises: each is one file and one line of its list, no other file is touched, and every command
works with the new entries.
Builds in the copy with ccache, so only what the lists reach is compiled.

  tools/add_dummy_entries.py [--keep FOLDER]
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import tree

NAME = "dummy_float8"
ARCHITECTURE = "dummy_decoder"
TOKENIZER = "dummy_characters"
# the entries' files, and the line that each adds to its list
SOURCES = {f"src/formats/{NAME}.cc": ("src/formats/registry.inc", f"FARTHING_FORMAT({NAME})"),
           f"src/model/architectures/{ARCHITECTURE}.cc": ("src/model/architectures.inc",
                                                          f"FARTHING_ARCHITECTURE({ARCHITECTURE})"),
           f"src/text/models/{TOKENIZER}.cc": ("src/text/models/kinds.inc", f"FARTHING_TOKENIZER_KIND({TOKENIZER})")}
ARCHITECTURE_TEXT = """\
// dummy_decoder: Llama's blocks under a soft cap of the logits.
#include "model/blocks/llama_blocks.h"
#include "model/model.h"

namespace farthing {
namespace {

Result<ModelConfig> read(const JsonObject& json) {
  ModelConfig c = TRY(llama_blocks(json));
  c.plan.logit_softcap = 30;
  return c;
}

}  // namespace

Architecture dummy_decoder_architecture() {
  return {.name = "dummy_decoder", .hugging_face = {"DummyForCausalLM"}, .read = read, .gguf = {}};
}

}  // namespace farthing
"""
TOKENIZER_TEXT = """\
// dummy_characters: each character is a token, or is left out.
#include <fmt/format.h>

#include <map>

#include "text/models/model.h"
#include "text/unicode/utf8.h"

namespace farthing::tokenizer {
namespace {

class Characters : public Model {
 public:
  explicit Characters(const Spec& spec) {
    for (std::size_t i = 0; i < spec.tokens.size(); ++i)
      ids_.emplace(spec.tokens[i], static_cast<std::int32_t>(i));
  }
  std::unique_ptr<Scratch> make_scratch() const override { return std::make_unique<Scratch>(); }
  void encode(std::string_view word, Scratch*, std::vector<std::int32_t>* ids) const override {
    for (std::size_t bytes = 0; !word.empty(); word.remove_prefix(bytes)) {
      bytes = utf8_character_bytes(word[0]);
      const auto found = ids_.find(std::string(word.substr(0, bytes)));
      if (found != ids_.end()) ids->push_back(found->second);
    }
  }

 private:
  std::map<std::string, std::int32_t> ids_;
};

Result<void> read(const JsonNode& model, std::size_t limit, Spec* spec) {
  return read_vocabulary(TRY(model.at("vocab")), limit, spec);
}

std::string write(const Spec& spec) {
  return fmt::format(R"({{"type": "DummyCharacters", "vocab": {}}})", vocabulary_json(spec));
}

Result<std::unique_ptr<Model>> make(const Spec& spec, bool, std::string_view) {
  return std::make_unique<Characters>(spec);
}

}  // namespace

ModelKind dummy_characters_kind() {
  return {.name = "DummyCharacters", .read = read, .write = write, .make = make};
}

}  // namespace farthing::tokenizer
"""
FORMAT_TEXT = """\
// dummy_float8: the upper byte of an IEEE half, one plane without scales; 8 bits a weight.
//
// Layout: plane weight, u8 [n, k], row-major: sign, 5 bits of exponent, 2 bits of mantissa.
// Value:  the half whose lower byte is 0; encoding rounds to nearest even and saturates.
// Source: tools/add_dummy_entries.py, which adds it to a copy of the tree.
#include "formats/format.h"

namespace farthing {
namespace {

struct DummyFloat8 {
  static uint8_t encode(float value) {
    const uint32_t half = f16_from_f32(value);
    const uint32_t magnitude = ((half & 0x7fff) + 0x7f + (half >> 8 & 1)) >> 8;
    return static_cast<uint8_t>((half >> 8 & 0x80) | (magnitude > 0x7b ? 0x7b : magnitude));
  }
  static std::vector<PlaneSpec> planes(int64_t n, int64_t k, DType) {
    return {{"weight", DType::u8, {n, k}}};
  }
  static EncodeReport encode_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule) {
    EncodeReport report;
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride) {
      uint8_t* row = q.planes[0].as<uint8_t>() + n * q.k;
      for (int64_t k = tile.k0; k < tile.k1; ++k) {
        const float value = values[k - tile.k0];
        report.nonfinite += value - value != 0;
        row[k] = encode(value);
      }
    }
    return report;
  }
  static void decode_tile(const QuantizedTensor& q, Tile tile, float* values, int64_t stride) {
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride) {
      const uint8_t* row = q.planes[0].as<uint8_t>() + n * q.k;
      for (int64_t k = tile.k0; k < tile.k1; ++k)
        values[k - tile.k0] = f32_from_f16(static_cast<uint16_t>(row[k] << 8));
    }
  }
};

}  // namespace

Format dummy_float8_format() {
  Format f;
  f.layout = "one plane of bytes, row-major";
  f.value = "the upper byte of an IEEE half";
  f.source = "tools/add_dummy_entries.py";
  f.planes = DummyFloat8::planes;
  f.encode_tile = DummyFloat8::encode_tile;
  f.decode_tile = DummyFloat8::decode_tile;
  return f;
}

}  // namespace farthing
"""


def run(folder, *command):
    """Runs `command` in `folder` and returns its standard output; raises with its output when it fails."""
    began = time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace",
                          stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    print(f"  {time.monotonic() - began:6.1f} s  {' '.join(command)[:100]}", flush=True)
    return done.stdout


def git(folder, *arguments):
    done = subprocess.run(["git", "-C", folder, "-c", "user.name=check", "-c", "user.email=check@localhost",
                           *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def use_everywhere(folder):
    """Builds the program in `folder` and runs every command with a model of the new architecture in the new format."""
    model, made = "build/dummy_model", "build/dummy"
    write_model(os.path.join(folder, "models/stories260k"), os.path.join(folder, model))
    window = ("--context", "256", "--tokens", "512")
    prompt = ("--prompt", "Once upon a time", "-n", "8", "--temp", "0")

    def farthing(*command, names_it):
        said = run(folder, "build/release/farthing", *command, "--json")
        if names_it and NAME not in said:
            raise RuntimeError(f"farthing {' '.join(command)}: does not name {NAME}:\n{said}")
        return json.loads(said)

    run(folder, "scripts/build", "release", "farthing")
    with open(os.path.join(folder, "build", "tokenizer.json"), "w", encoding="utf-8") as file:
        json.dump({"model": {"type": "DummyCharacters", "vocab": {"a": 0, "é": 1, "c": 2}}}, file)
    tokens = farthing("tokenize", "build/tokenizer.json", "-p", "céab", names_it=False)["ids"]
    if tokens != [2, 1, 0]:
        raise RuntimeError(f"farthing tokenize: {tokens}, wanted [2, 1, 0]")
    farthing("formats", names_it=True)
    farthing("kernels", names_it=False)
    farthing("quantize", model, "--format", NAME, "-o", made, names_it=True)
    farthing("inspect", made, names_it=True)
    farthing("kernels", made, names_it=True)
    farthing("compare", model, "--formats", f"{NAME},q8_0", "-o", "build/report", *window, names_it=True)
    stored = farthing("eval", made, "--against", model, *window, names_it=False)
    quantized_now = farthing("eval", model, "--format", NAME, *window, names_it=True)
    if stored["perplexity"] != quantized_now["perplexity"]:
        raise RuntimeError(f"the stored model's perplexity is {stored['perplexity']}, the same format in memory "
                           f"gives {quantized_now['perplexity']}")
    recipe = os.path.join(folder, "build", "recipe.toml")
    with open(recipe, "w", encoding="utf-8") as file:
        file.write(f'mode = "qat"\n[quantization]\nscheme = "{NAME}"\n[schedule]\nsteps = 2\n[data]\nbatch_tokens = 64\n')
    data = os.path.join(folder, "data", "tinystories", "eval.txt")
    farthing("train", model, "--recipe", recipe, "--data", data, "-o", "build/run", names_it=False)
    farthing("inspect", "build/run/model", names_it=True)
    farthing("align", "build/run/model", *window, names_it=False)
    stored = farthing("run", made, *prompt, names_it=False)
    quantized_now = farthing("run", model, "--format", NAME, *prompt, names_it=False)
    if not stored["text"] or stored["text"] != quantized_now["text"]:
        raise RuntimeError(f"the stored model says {stored['text']!r}, the same format in memory "
                           f"{quantized_now['text']!r}")


def write_model(source, target):
    """A checkpoint of the new architecture: the weights of `source`."""
    shutil.copytree(source, target)
    path = os.path.join(target, "config.json")
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    config.update(model_type=ARCHITECTURE, architectures=["DummyForCausalLM"])
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)


def copy_tree(root, folder):
    for path in tree.tree_files(root):
        target = os.path.join(folder, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy2(os.path.join(root, path), target)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "The tree as it is")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", metavar="FOLDER", help="work there, and keep it (default: a temporary folder)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="farthing-dummy-") as temporary:
        folder = os.path.abspath(args.keep) if args.keep else temporary
        if args.keep:
            os.makedirs(folder)
        copy_tree(tree.default_root(), folder)
        for (source, (registry, line)), text in zip(SOURCES.items(), (FORMAT_TEXT, ARCHITECTURE_TEXT, TOKENIZER_TEXT)):
            with open(os.path.join(folder, source), "x", encoding="utf-8") as file:
                file.write(text)
            with open(os.path.join(folder, registry), "a", encoding="utf-8") as file:
                file.write(f"{line}\n")
        use_everywhere(folder)
        git(folder, "add", "--all")
        touched = git(folder, "diff", "--cached", "--name-only").split()
        print(git(folder, "diff", "--cached", "--stat"), end="")
        if sorted(touched) != sorted([*SOURCES, *(registry for registry, _ in SOURCES.values())]):
            raise RuntimeError(f"{len(touched)} files touched instead of 4: {', '.join(touched)}")
    print(f"add_dummy_entries: {len(touched)} files touched, and every command runs with {NAME} and {ARCHITECTURE}")


if __name__ == "__main__":
    try:
        main()
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        sys.exit(f"add_dummy_entries: {error}")
