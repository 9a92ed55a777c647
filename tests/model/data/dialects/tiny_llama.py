"""A tiny random Llama for the fixtures of dialects: its linears, plain tensors, and the directory that is written.

A fixture is a folder beside this file: config.json and model.safetensors as another program writes them, and expected.json:
for each linear the scheme that it is to be read as, and the digest of its weight, f32 [n, k], by the program's own decoding.
"""
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

HIDDEN, HEADS, VOCABULARY = 32, 2, 40
LINEARS = {}
CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 0, "intermediate_size": 0,
          "num_hidden_layers": 1, "num_attention_heads": HEADS, "num_key_value_heads": HEADS,
          "vocab_size": VOCABULARY, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "tie_word_embeddings": True}


def resize(hidden: int, inner: int) -> None:
    """The sizes of what is made from here on."""
    global HIDDEN
    HIDDEN = hidden
    CONFIG.update(hidden_size=hidden, intermediate_size=inner)
    LINEARS.update({f"model.layers.0.{name}": shape for name, shape in {
        "self_attn.q_proj": (hidden, hidden), "self_attn.k_proj": (hidden, hidden), "self_attn.v_proj": (hidden, hidden),
        "self_attn.o_proj": (hidden, hidden), "mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner)}.items()})


resize(32, 160)


def weights(seed: int = 3) -> dict[str, torch.Tensor]:
    """The linears, f32 [n, k]: normal, with an outlier in each of them."""
    generator = torch.Generator().manual_seed(seed)
    out = {}
    for name, shape in LINEARS.items():
        out[name] = 0.1 * torch.randn(shape, generator=generator)
        out[name][1, 2] = -0.9
    return out


def plain_tensors(dtype: torch.dtype = torch.float16) -> dict[str, torch.Tensor]:
    """All but the linears."""
    generator = torch.Generator().manual_seed(4)
    out = {"model.embed_tokens.weight": torch.randn((VOCABULARY, HIDDEN), generator=generator)}
    for name in ("model.norm", "model.layers.0.input_layernorm", "model.layers.0.post_attention_layernorm"):
        out[f"{name}.weight"] = 1 + 0.1 * torch.randn(HIDDEN, generator=generator)
    return {name: tensor.to(dtype) for name, tensor in out.items()}


def digest(weight: torch.Tensor) -> str:
    """FNV-1a, 64 bits, of the f32 words."""
    value = 0xcbf29ce484222325
    for byte in weight.to(torch.float32).contiguous().numpy().tobytes():
        value = (value ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return f"{value:016x}"


def write(name: str, section: dict, tensors: dict[str, torch.Tensor], expected: dict[str, tuple[str, torch.Tensor]],
          dtype: torch.dtype = torch.float16, side_file: str = "") -> None:
    """`section`: quantization_config, or the whole of a file of its own. `expected`: scheme and values of each linear."""
    config = dict(CONFIG, torch_dtype=str(dtype).removeprefix("torch."))
    write_model(name, config, section, {**plain_tensors(dtype), **tensors}, expected, side_file)


def write_model(name: str, config: dict, section: dict, tensors: dict[str, torch.Tensor],
                expected: dict[str, tuple[str, torch.Tensor]], side_file: str = "") -> None:
    """The same of any model."""
    folder = Path(__file__).parent / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if side_file:
        (folder / side_file).write_text(json.dumps(section, indent=1) + "\n")
    else:
        config = dict(config, quantization_config=section)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    everything = {key: value.contiguous().clone() for key, value in tensors.items()}
    save_file(everything, folder / "model.safetensors", {"format": "pt"})
    lines = {f"{linear}.weight": {"scheme": scheme, "digest": digest(value)}
             for linear, (scheme, value) in expected.items()}
    (folder / "expected.json").write_text(json.dumps(lines, indent=1) + "\n")
    print(name, sum(file.stat().st_size for file in folder.iterdir()), "bytes")
