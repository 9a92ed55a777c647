"""How long `farthing convert` takes beside copying the same bytes, each until they lie on the disk.

Two copies: `cp`, which copies inside the kernel, and one that reads the bytes into memory and writes them, as a program must that
changes them. The three take turns.

  python3 bench/convert_speed.py [--blocks 24] [--pairs 5] [--program build/release/farthing]

The model is a GPTQ directory of Llama's shapes (hidden size 2048, MLP 5632, 4 bits in groups of 128) with random codes."""
import argparse
import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]
HIDDEN, INNER, VOCABULARY = 2048, 5632, 32000
SIZES = {"I32": 4, "F16": 2}


def tensors(blocks: int):
    def linear(name: str, n: int, k: int):
        yield f"{name}.qweight", "I32", (k // 8, n)
        yield f"{name}.qzeros", "I32", (k // 128, n // 8)
        yield f"{name}.scales", "F16", (k // 128, n)
        yield f"{name}.g_idx", "I32", (k,)
    for block in range(blocks):
        at = f"model.layers.{block}."
        for name in "qkvo":
            yield from linear(f"{at}self_attn.{name}_proj", HIDDEN, HIDDEN)
        yield from linear(f"{at}mlp.gate_proj", INNER, HIDDEN)
        yield from linear(f"{at}mlp.up_proj", INNER, HIDDEN)
        yield from linear(f"{at}mlp.down_proj", HIDDEN, INNER)
        yield f"{at}input_layernorm.weight", "F16", (HIDDEN,)
        yield f"{at}post_attention_layernorm.weight", "F16", (HIDDEN,)
    yield "model.norm.weight", "F16", (HIDDEN,)
    yield "model.embed_tokens.weight", "F16", (VOCABULARY, HIDDEN)
    yield "lm_head.weight", "F16", (VOCABULARY, HIDDEN)


def values(name: str, size: int, noise: bytes) -> bytes:
    if name.endswith("g_idx"):
        return struct.pack(f"<{size // 4}i", *(i // 128 for i in range(size // 4)))
    if name.endswith("qweight"):
        return (noise * (size // len(noise) + 1))[:size]
    return (b"\x77\x77" if name.endswith("qzeros") else b"\x00\x24") * (size // 2)  # zeros of 8; 2^-6


def write_model(folder: pathlib.Path, blocks: int) -> int:
    small = ROOT / "models/stories260k"
    for file in small.iterdir():
        if file.name != "model.safetensors":
            shutil.copy(file, folder)
    config = json.loads((small / "config.json").read_text())
    config.pop("head_dim", None)
    config |= {"hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": blocks, "num_attention_heads": 32,
               "num_key_value_heads": 32, "vocab_size": VOCABULARY, "max_position_embeddings": 2048, "tie_word_embeddings": False,
               "torch_dtype": "float16", "quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True,
                                                                 "desc_act": False, "checkpoint_format": "gptq"}}
    (folder / "config.json").write_text(json.dumps(config))
    header, end = {}, 0
    for name, dtype, shape in tensors(blocks):
        size = SIZES[dtype] * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    noise = os.urandom(1 << 24)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, entry in header.items():
            begin, stop = entry["data_offsets"]
            file.write(values(name, stop - begin, noise))
    return end


def seconds(act, target: pathlib.Path) -> float:
    shutil.rmtree(target, ignore_errors=True)
    target.unlink(missing_ok=True)
    os.sync()
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def copy_through_memory(source: pathlib.Path, target: pathlib.Path) -> None:
    target.mkdir()
    for file in source.iterdir():
        with open(file, "rb", buffering=0) as read, open(target / file.name, "wb", buffering=0) as written:
            shutil.copyfileobj(read, written, 1 << 20)
            os.fsync(written.fileno())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=24)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/farthing")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model, out = pathlib.Path(folder) / "model", pathlib.Path(folder) / "out"
        model.mkdir()
        size = write_model(model, args.blocks)

        def run(*command) -> None:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        print(f"{size / 1e6:.0f} MB, load average {os.getloadavg()[0]:.1f}; seconds of cp, of reading and writing, of converting; "
              "each copy over converting")
        for target in ("compressed-tensors", "awq", "gguf"):
            for _ in range(args.pairs):
                in_kernel = seconds(lambda: run("sh", "-c", f"cp -r {model} {out} && sync -f {out}/model.safetensors"), out)
                through_memory = seconds(lambda: copy_through_memory(model, out), out)
                converted = seconds(lambda: run(args.program, "convert", model, out, "--to", target), out)
                print(f"  {target}: {in_kernel:.2f} {through_memory:.2f} {converted:.2f}  "
                      f"{in_kernel / converted:.2f} {through_memory / converted:.2f}", flush=True)


if __name__ == "__main__":
    main()
