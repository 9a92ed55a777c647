"""Quantizing takes the memory of one block, whatever the model's size: a model of Llama 7B's shapes in bf16, by gptq.

Two blocks unless FARTHING_BLOCKS says otherwise (32: the whole model, 13 GB on disk, more than an hour)."""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import time
import unittest

SOURCE = pathlib.Path(os.environ.get("FARTHING_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
PROGRAM = pathlib.Path(os.environ.get("FARTHING_BUILD_DIR", SOURCE / "build/release")) / "farthing"
BLOCKS = int(os.environ.get("FARTHING_BLOCKS", "2"))
HIDDEN, INNER, VOCABULARY = 4096, 11008, 32000
MB = 1 << 20


def shapes():
    yield "model.embed_tokens.weight", (VOCABULARY, HIDDEN)
    for block in range(BLOCKS):
        at = f"model.layers.{block}."
        for name in "qkvo":
            yield f"{at}self_attn.{name}_proj.weight", (HIDDEN, HIDDEN)
        for name in ("gate", "up"):
            yield f"{at}mlp.{name}_proj.weight", (INNER, HIDDEN)
        yield f"{at}mlp.down_proj.weight", (HIDDEN, INNER)
        yield f"{at}input_layernorm.weight", (HIDDEN,)
        yield f"{at}post_attention_layernorm.weight", (HIDDEN,)
    yield "model.norm.weight", (HIDDEN,)
    yield "lm_head.weight", (VOCABULARY, HIDDEN)


def write_model(folder: pathlib.Path) -> None:
    small = SOURCE / "models/stories260k"
    for file in small.iterdir():
        if file.name != "model.safetensors":
            shutil.copy(file, folder)
    config = json.loads((small / "config.json").read_text())
    config |= {"hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": BLOCKS, "num_attention_heads": 32,
               "num_key_value_heads": 32, "vocab_size": VOCABULARY, "max_position_embeddings": 2048,
               "tie_word_embeddings": False, "torch_dtype": "bfloat16"}
    config.pop("head_dim", None)
    (folder / "config.json").write_text(json.dumps(config))
    header, end = {}, 0
    for name, shape in shapes():
        size = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    # Weights of either sign between 2^-7 and 2^-6, gains of 1.
    count = 1 << 24
    noise = bytearray(2 * count)
    noise[0::2] = os.urandom(count)
    noise[1::2] = os.urandom(count).translate(bytes(0x3C | (0x80 & byte) for byte in range(256)))
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for index, (name, shape) in enumerate(shapes()):
            left = header[name]["data_offsets"][1] - header[name]["data_offsets"][0]
            at = 2 * (7919 * index % (count // 2))  # no two tensors the same
            while left:
                piece = b"\x80\x3f" * HIDDEN if "norm" in name else noise[at:at + left]
                file.write(piece)
                left, at = left - len(piece), 0


def peak_of(command: list) -> int:
    """The most anonymous memory of a process that succeeds."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak = 0
    with process:
        while process.poll() is None:
            try:
                status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            except OSError:
                break
            for line in status.splitlines():
                if line.startswith("RssAnon:"):
                    peak = max(peak, 1024 * int(line.split()[1]))
            time.sleep(0.01)
        error = process.stderr.read()
    assert process.returncode == 0, error[-2000:]
    return peak


class Memory(unittest.TestCase):
    def test_is_that_of_one_block_and_its_gram_matrices(self):
        with tempfile.TemporaryDirectory(dir=os.environ.get("FARTHING_LARGE_TMP")) as folder:
            model = pathlib.Path(folder) / "model"
            model.mkdir()
            write_model(model)
            started = time.time()
            peak = peak_of([PROGRAM, "quantize", model, "-o", model.parent / "out", "--format", "int4_g128", "--method", "gptq",
                            "--num-calibration-samples", "2", "--max-seq-length", "512"])
            block = 4 * (4 * HIDDEN * HIDDEN + 3 * HIDDEN * INNER)
            gram = 4 * (3 * HIDDEN * HIDDEN + INNER * INNER)  # of q, k and v; of o; of gate and up; of down
            bound = 1.5 * block + gram + 256 * MB
            print(f"{BLOCKS} blocks of {block // MB} MiB in f32: {peak // MB} MiB of anonymous memory at most, bound "
                  f"{bound / MB:.0f} MiB, {time.time() - started:.0f} s")
            self.assertLess(peak, bound)
            self.assertLess(peak, 4 << 30)
            self.assertGreater(peak, gram / 3)  # it was measured


if __name__ == "__main__":
    unittest.main()
