"""Other programs load what `farthing convert` writes, decode the same weights, and compute the same logits.

Weights are compared exactly, or as rounded to the type that the program decodes in. Logits are compared where both compute in f32,
with sums of k <= 512 products in orders of their own. Of such a sum with random signs the partial sums grow as the root of their
number, so the error is about sqrt(k) 2^-25 of it, 7e-7; that of 15 linears and as many other steps one behind the other about five
times as much: 4e-6 of the largest logit. LOGITS is eight times that; one code of one weight off by one costs ten times LOGITS.

Where inputs are rounded, an error in the last place turns an input's code where it lies on a tie: one in 10 000, for that token
and those behind it. So a quarter of the tokens has to agree; by another rule of rounding none would.

`FARTHING_SHOW_PEERS=1` prints what was seen of each (docs/dialects.md has it): the quarter of the tokens, and all of them.
"""
import array
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("FARTHING_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
FARTHING = pathlib.Path(os.environ.get("FARTHING_BUILD_DIR", SOURCE / "build/release")) / "farthing"
DATA = SOURCE / "tests/model/data"
TEXT = "Once upon a time there was a little girl who had a red ball and a small dog."
TOKENS = 16
LOGITS = 2**-15
ULP = 2**-23  # two roundings to f32 in another order


def farthing(*arguments) -> str:
    return subprocess.check_output([FARTHING, *arguments, "--threads", "1"], text=True)


class ConvertPeer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.scratch = pathlib.Path(scratch.name)
        cls.text = cls.scratch / "text.txt"
        cls.text.write_text(TEXT)

    def python(self, environment: str) -> str:
        path = subprocess.check_output([SOURCE / "scripts/peers", "--python", environment], text=True).strip()
        if not (pathlib.Path(path).parents[1] / "complete").exists():
            self.skipTest(f"there is no {path}: `scripts/peers {environment}` makes it")
        return path

    def model(self, kind: str) -> pathlib.Path:
        """A random model, made once: `llama-float16`, `gpt_oss-bfloat16`."""
        out = self.scratch / kind
        if not out.exists():
            subprocess.run([self.python("formats"), DATA / "make_small_models.py", *kind.split("-"), SOURCE / "models/stories260k", out],
                           check=True, capture_output=True)
        return out

    def converted(self, kind: str, scheme: str, dialect: str, *more: str) -> pathlib.Path:
        """The folder that load_converted.py takes. `more`: of quantize."""
        out = pathlib.Path(tempfile.mkdtemp(dir=self.scratch))
        farthing("quantize", self.model(kind), "--format", scheme, "-o", out / "quantized", *more)
        return self.written(out, dialect)

    def written(self, out: pathlib.Path, dialect: str) -> pathlib.Path:
        """out/quantized in the dialect, decoded, and the logits of both."""
        farthing("quantize", out / "quantized", "--format", "f32", "-o", out / "decoded")
        farthing("convert", out / "quantized", out / "converted", "--to", dialect)
        for name, model in (("rounded", "quantized"), ("plain", "decoded")):
            farthing("eval", out / model, "--text", self.text, "--tokens", str(TOKENS), "--context", str(TOKENS), "--save-logits",
                     out / f"{name}.npy")
        ids = json.loads(farthing("tokenize", out / "quantized", "--file", self.text, "--no-bos", "--json"))["ids"]
        (out / "tokens.json").write_text(json.dumps(ids[:TOKENS]))
        return out

    def shuffled(self, folder: pathlib.Path) -> pathlib.Path:
        """folder/converted with its inputs in other groups, in any order, as activation order leaves them, written once more."""
        out = pathlib.Path(tempfile.mkdtemp(dir=self.scratch))
        shutil.copytree(folder / "converted", out / "quantized")
        path = out / "quantized/model.safetensors"
        data = bytearray(path.read_bytes())
        start = 8 + int.from_bytes(data[:8], "little")
        for name, tensor in json.loads(data[8:start]).items():
            if name.endswith(".g_idx"):
                begin, end = (start + offset for offset in tensor["data_offsets"])
                groups = array.array("i", data[begin:end])
                random.Random(name).shuffle(groups)
                data[begin:end] = groups.tobytes()
        path.write_bytes(data)
        return self.written(out, "gptq_v2")

    def load(self, environment: str, script: str, peer: str, folders: dict[str, pathlib.Path]) -> dict[str, dict]:
        done = subprocess.run([self.python(environment), DATA / script, peer, *folders.values()], text=True, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        results = dict(zip(folders, json.loads(done.stdout.splitlines()[-1])))
        if os.environ.get("FARTHING_SHOW_PEERS"):
            for scheme, found in results.items():
                tokens = {name: f"{sorted(found[name])[TOKENS // 4 - 1]:.1e} {max(found[name]):.1e}" for name in ("rounded", "plain")
                          if name in found}
                print(found["program"], peer, scheme, found["linears"], found["differing"], f"{found['weights']:.1e}", tokens, file=sys.stderr)
        return results

    def check(self, environment: str, peer: str, folders: dict[str, pathlib.Path], weights: float = 0.0, linears: int = 14,
              inputs: bool = False) -> None:
        """`inputs`: the program rounds them as the scheme says."""
        for scheme, found in self.load(environment, "load_converted.py", peer, folders).items():
            with self.subTest(scheme):
                self.assertEqual(found["linears"], linears)
                self.assertLessEqual(found["weights"], weights)
                if inputs:
                    self.assertLess(sorted(found["rounded"])[TOKENS // 4 - 1], LOGITS)
                    self.assertGreater(max(found["plain"]), 50 * LOGITS)  # so that it shows
                else:
                    self.assertLess(max(found["plain"]), LOGITS)

    def llamas(self, dtype: str, dialect: str, *schemes: str) -> dict[str, pathlib.Path]:
        return {scheme: self.converted(f"llama-{dtype}", scheme, dialect) for scheme in schemes}

    def test_gptqmodel_reads_gptq(self):
        folders = self.llamas("float16", "gptq", "int4_g128@f32", "int8_g32@f32", "int3_g64@f32", "int2_g32@f32", "int4_row@f32")
        folders["gptq"] = self.converted("llama-float16", "int4_g128@f32", "gptq", "--method", "gptq")
        self.check("gptqmodel", "gptq", folders)

    def test_gptqmodel_reads_arguments_of_single_linears(self):
        rules = "*.down_proj=int8_g64@f32,*.v_proj=keep"
        folders = {rules: self.converted("llama-float16", "int4_g128@f32", "gptq", "--rule", rules)}
        self.check("gptqmodel", "gptq", folders, linears=12)

    def test_gptqmodel_reads_zero_points_of_version_1(self):
        # It refuses a file of another producer, as older programs wrote zero points of 0 into version 1; ours has none.
        folders = self.llamas("float16", "gptq", "int4_g64_asym@f32")
        for folder in folders.values():
            path = folder / "converted/config.json"
            config = json.loads(path.read_text())
            config["quantization_config"]["meta"] = {"quantizer": ["gptqmodel:7.7.0"]}
            path.write_text(json.dumps(config))
            (folder / "converted/quantize_config.json").write_text(json.dumps(config["quantization_config"]))
        self.check("gptqmodel", "gptq", folders)

    def test_gptqmodel_reads_gptq_v2(self):
        self.check("gptqmodel", "gptq", self.llamas("float16", "gptq_v2", "int4_g64_asym@f32", "int3_g32_asym@f32", "int2_g64_asym@f32",
                                                    "int8_row_asym@f32"))

    def test_gptqmodel_reads_activation_order(self):
        folders = self.llamas("float16", "gptq_v2", "int4_g64_act_order@f32", "int3_g32_act_order@f32", "int8_g128_act_order@f32")
        self.check("gptqmodel", "gptq", {scheme: self.shuffled(folder) for scheme, folder in folders.items()})

    def test_gptqmodel_reads_gptq_p(self):
        self.check("gptqmodel", "gptq", self.llamas("float16", "gptq_p", "int6_g128@f32", "int5_g32_asym@f32", "int3_g32_asym@f32"))

    def test_gptqmodel_reads_awq(self):
        self.check("gptqmodel", "awq", self.llamas("float16", "awq", "int4_g128_asym@f32", "int4_g32@f32", "int4_row_asym@f32"))

    def test_auto_round_reads_auto_round(self):
        folders = self.llamas("float16", "auto-round", "int4_g128@f32", "int8_g32@f32", "int3_g128@f32", "int2_g32@f32",
                              "int4_g64_asym@f32", "int2_g32_asym@f32")
        self.check("auto-round", "auto-round", folders)

    def test_auto_round_reads_arguments_of_single_linears(self):
        rules = "*.down_proj=int8_g128@f32,*.v_proj=keep"
        folders = {rules: self.converted("llama-float16", "int4_g128@f32", "auto-round", "--rule", rules)}
        self.check("auto-round", "auto-round", folders, linears=12)

    def test_compressed_tensors_reads_integers(self):
        folders = self.llamas("bfloat16", "compressed-tensors", "int4_g128@f32", "int3_g32@f32", "int5_g128@f32", "int8_row@f32")
        self.check("formats", "compressed-tensors", folders)

    def test_compressed_tensors_reads_zero_points(self):
        # Version 0.20.0 gives packed zero points of a model without memory the shape that they have unpacked, so that
        # transformers refuses the file, also one that the package wrote, unless the model is decoded while it is loaded.
        folders = self.llamas("float16", "compressed-tensors", "int4_g64_asym@f32", "int3_g32_asym@f32", "int8_row_asym@f32")
        self.check("formats", "compressed-tensors-dense", folders)

    def test_compressed_tensors_reads_integers_with_rounded_inputs(self):
        token = self.llamas("bfloat16", "compressed-tensors", "int8_row@int8_token", "int4_g128@int8_token")
        self.check("formats", "compressed-tensors-token", token, inputs=True)
        static = self.llamas("bfloat16", "compressed-tensors", "int8_tensor@int8_static", "int8_row@int8_static_asym")
        self.check("formats", "compressed-tensors", static, inputs=True)

    def test_compressed_tensors_reads_fp8(self):
        folders = self.llamas("bfloat16", "compressed-tensors", "fp8_e4m3_row@fp8_e4m3_token", "fp8_e4m3_tensor@fp8_e4m3_static",
                              "fp8_e4m3_block128@fp8_e4m3_g128")
        self.check("formats", "compressed-tensors", folders, inputs=True)

    def test_compressed_tensors_reads_nvfp4(self):
        self.check("formats", "compressed-tensors-small", self.llamas("bfloat16", "compressed-tensors", "nvfp4@f32"))
        self.check("formats", "compressed-tensors-small", self.llamas("bfloat16", "compressed-tensors", "nvfp4@nvfp4"),
                   inputs=True)

    def test_compressed_tensors_reads_mx(self):
        folders = self.llamas("bfloat16", "compressed-tensors", "mxfp4@f32", "mxfp4@mxfp4", "mxfp8@f32", "mxfp8@mxfp8")
        self.check("formats", "compressed-tensors-mx", folders)

    def test_compressed_tensors_reads_schemes_of_single_linears(self):
        rules = "*.mlp.*=int8_row@int8_static,*.v_proj=keep"
        folders = {rules: self.converted("llama-bfloat16", "int4_g128@f32", "compressed-tensors", "--rule", rules)}
        self.check("formats", "compressed-tensors", folders, inputs=True)

    def test_a_tied_head_is_taken_for_no_quantized_linear(self):
        for environment, peer, scheme, dialect in (
                ("formats", "compressed-tensors", "int4_g128@f32", "compressed-tensors"),
                ("formats", "bitsandbytes-4bit", "nf4@f32", "bitsandbytes"),
                ("formats", "fp8", "fp8_e4m3_block128@fp8_e4m3_g128", "fp8"),
                ("gptqmodel", "gptq", "int4_g128@f32", "gptq"), ("gptqmodel", "awq", "int4_g128@f32", "awq"),
                ("auto-round", "auto-round", "int4_g128@f32", "auto-round")):
            with self.subTest(dialect):
                self.check(environment, peer, {dialect: self.converted("tied_llama-float16", scheme, dialect)})

    def test_transformers_reads_fp8_of_blocks(self):
        self.check("formats", "fp8", self.llamas("bfloat16", "fp8", "fp8_e4m3_block128@fp8_e4m3_g128"))

    def test_bitsandbytes_reads_4_bits(self):
        for dtype, schemes in {"bfloat16": ("nf4@f32", "nf4_dq@f32"), "float32": ("bnb_fp4@f32", "bnb_fp4_dq@f32")}.items():
            self.check("formats", "bitsandbytes-4bit", self.llamas(dtype, "bitsandbytes", *schemes))

    def test_bitsandbytes_reads_int8(self):
        self.check("formats", "bitsandbytes-8bit", self.llamas("float16", "bitsandbytes", "int8_row@int8_token"), weights=ULP, inputs=True)
        self.check("formats", "bitsandbytes-8bit-weights", self.llamas("float16", "bitsandbytes", "int8_row@f32"), weights=ULP)

    def test_transformers_reads_mxfp4(self):
        rules = "*self_attn*=keep,*router*=keep"
        folders = {rules: self.converted("gpt_oss-bfloat16", "mxfp4@f32", "mxfp4", "--rule", rules)}
        self.check("formats", "mxfp4", folders, linears=16)

    def test_quark_reads_quark(self):
        self.check("quark", "quark", self.llamas("bfloat16", "quark", "int4_g128@f32", "int4_g32_asym@f32", "int8_row@f32", "int8_g64_asym@f32",
                                                 "fp8_e4m3_tensor@f32", "fp8_e4m3_row@f32", "mxfp4@f32",
                                                 "nvfp4@f32"))
        self.check("quark", "quark", self.llamas("bfloat16", "quark", "int8_row@int8_static", "int8_tensor@int8_static_asym",
                                                 "fp8_e4m3_tensor@fp8_e4m3_static", "fp8_e4m3_row@fp8_e4m3_token", "nvfp4@nvfp4"),
                   inputs=True)
        self.check("quark", "quark-weights", self.llamas("bfloat16", "quark", "int8_row@int8_token", "mxfp4@mxfp4"))

    def test_quark_reads_schemes_of_single_linears(self):
        rules = "*.mlp.*=int8_row@int8_static,*.v_proj=keep"
        folders = {rules: self.converted("llama-bfloat16", "int4_g128@f32", "quark", "--rule", rules)}
        self.check("quark", "quark", folders, linears=12, inputs=True)

    def test_layouts_that_no_program_reads_without_a_gpu(self):
        folders = self.llamas("float16", "awq-gemv", "int4_g128_asym@f32", "int4_g32@f32")
        folders |= self.llamas("bfloat16", "fp8", "fp8_e4m3_tensor@fp8_e4m3_token", "fp8_e4m3_tensor@fp8_e4m3_static")
        folders |= {f"modelopt {scheme}": folder for scheme, folder in self.llamas(
            "bfloat16", "modelopt", "fp8_e4m3_tensor@fp8_e4m3_static", "fp8_e4m3_row@fp8_e4m3_token", "fp8_e4m3_block128@f32",
            "nvfp4@f32", "nvfp4@nvfp4", "mxfp8@mxfp8").items()}
        for scheme, found in self.load("formats", "decode_converted.py", "-", folders).items():
            with self.subTest(scheme):
                self.assertEqual(found["linears"], 14)
                self.assertEqual(found["differing"], 0)


if __name__ == "__main__":
    unittest.main()
