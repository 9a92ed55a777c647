// llama.cpp loads what write_gguf writes, and computes the same.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "base/cpu.h"
#include "base/support/scratch_folder.h"
#include "io/npy.h"
#include "model/gguf/writing.h"
#include "model/support/families.h"
#include "model/support/models.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;
using testing::family_path;

const fs::path stories_path = FARTHING_SOURCE_DIR "/models/stories260k";

// The output of a command; fails the test where the command does.
std::string output_of(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string out;
  char buffer[4096];
  for (size_t count; (count = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    out.append(buffer, count);
  EXPECT_EQ(::pclose(pipe), 0) << command << "\n" << out;
  return out;
}

// The interpreter of llama-cpp-python; empty where it was not made.
std::string llama_python() {
  if (const char* named = std::getenv("FARTHING_LLAMA_CPP_PYTHON")) return named;
  std::string path = output_of(FARTHING_SOURCE_DIR "/scripts/peers --python llama-cpp");
  while (path.ends_with('\n')) path.pop_back();
  return fs::exists(path) ? path : "";
}

class LlamaCpp : public ::testing::Test {
 protected:
  void SetUp() override {
    python_ = llama_python();
    if (python_.empty())
      GTEST_SKIP() << "no environment of llama-cpp-python: scripts/peers llama-cpp";
  }
  // A directory in `scheme`, as `farthing quantize` writes it, and that as a GGUF file.
  void write(const fs::path& from, const QuantizeOptions& options, const fs::path& to) {
    ContextOwner owner(2, supported_isas().back());
    NoProgress progress;
    const fs::path directory = folder_ / "quantized";
    const auto done = quantize_checkpoint(owner.get(), *Checkpoint::open(from).value(), options,
                                          directory, progress);
    ASSERT_TRUE(done.has_value()) << done.error().text();
    ThreadPool pool(2);
    const auto written = write_gguf(*Checkpoint::open(directory).value(), to, pool, progress);
    ASSERT_TRUE(written.has_value()) << written.error().text();
    fs::remove_all(directory);
  }
  static QuantizeOptions options(const std::string& scheme) {
    QuantizeOptions out;
    out.scheme = parse_scheme(scheme).value();
    out.method = find_algorithm("rtn");
    return out;
  }
  std::string python_;
  ScratchFolder folder_;
};

// In f32, against the logits that transformers gave; the script knows which models llama.cpp reads
// otherwise.
TEST_F(LlamaCpp, GivesTransformersLogitsOfEveryFamily) {
  for (const char* name :
       {"llama", "llama_biased", "mixtral", "qwen2", "qwen2_yarn", "qwen3", "qwen3_moe_all",
        "gemma", "gemma2", "gemma3", "phi3", "phi3_long", "gpt2", "gpt_neox", "gpt_neox_serial",
        "gpt_oss_plain", "deepseek_v2_one_scale", "deepseek_v3_plain"}) {
    QuantizeOptions f32 = options("f32");
    f32.tables = f32.scheme;
    fs::create_directories(folder_ / name);
    write(family_path(name), f32, folder_ / name / "model.gguf");
    fs::copy_file(family_path(name) / "golden.safetensors", folder_ / name / "golden.safetensors");
  }
  // The script fails, and so does output_of, where logits differ; it names every model that it
  // read.
  const std::string figures =
      output_of(python_ + " " FARTHING_SOURCE_DIR "/tests/model/data/llama_cpp_families.py " +
                folder_.path().string());
  std::fputs(figures.c_str(), stdout);
  EXPECT_NE(figures.find("deepseek_v3_plain"), std::string::npos);
}

TEST_F(LlamaCpp, GivesTheTokensOfStories) {
  QuantizeOptions f32 = options("f32");
  write(stories_path, f32, folder_ / "model.gguf");
  const std::vector<std::string> texts = {"Once upon a time, there was a little girl named Lily.",
                                          "  two spaces, caf\xc3\xa9 and \xe4\xb8\xad",
                                          "<s> not a token </s>", "a"};
  std::string lines;
  for (const std::string& text : texts) lines += text + "\n";
  write_all(folder_ / "texts", lines);
  std::istringstream printed(
      output_of(python_ + " " FARTHING_SOURCE_DIR "/tests/model/data/llama_cpp_tokens.py " +
                (folder_ / "model.gguf").string() + " " + (folder_ / "texts").string()));
  const Tokenizer tokenizer = Checkpoint::open(stories_path).value()->tokenizer().value();
  for (const std::string& text : texts) {
    std::string line;
    std::getline(printed, line);
    std::istringstream numbers(line);
    std::vector<int32_t> got;
    for (int32_t token; numbers >> token;) got.push_back(token);
    EXPECT_EQ(got, tokenizer.encode(text, {.add_special_tokens = true})) << text;
  }
}

// A checkpoint whose quantized linears get inputs that are rounded so.
struct RoundedInputs : WeightSource {
  WeightSource& base;
  Activations activations;
  RoundedInputs(WeightSource& from, Activations rounding) : base(from), activations(rounding) {}
  Result<StoredLinear> linear(const LinearSpec& spec) override {
    StoredLinear out = TRY(base.linear(spec));
    out.activations = out.weight.format->plain ? Activations::f32 : activations;
    return out;
  }
  Result<StoredLinear> table(const LinearSpec& spec) override { return base.table(spec); }
  Result<Tensor> vector(const VectorSpec& spec) override { return base.vector(spec); }
};

class LlamaCppStories : public LlamaCpp,
                        public ::testing::WithParamInterface<std::pair<const char*, double>> {
 protected:
  static constexpr int64_t count = 128, vocabulary = 512;
  const std::vector<int32_t> tokens_ = testing::some_tokens(count, vocabulary);

  std::vector<float> theirs(const fs::path& model) {
    const std::vector<float> window(tokens_.begin(), tokens_.end());
    auto npy = NpyWriter::create(folder_ / "window.npy", {1, count}).value();
    EXPECT_TRUE(npy.write(window));
    EXPECT_TRUE(npy.commit());
    output_of(python_ + " " FARTHING_SOURCE_DIR "/bench/peers/llama_logits.py " + model.string() +
              " " + (folder_ / "window.npy").string() + " " + (folder_ / "logits.npy").string() +
              " --kv f32 --flash off");
    const Tensor out = read_npy(folder_ / "logits.npy").value();
    return {out.as<float>(), out.as<float>() + count * vocabulary};
  }
  std::vector<float> ours(const fs::path& path, Activations activations) {
    const auto checkpoint = Checkpoint::open(path).value();
    RoundedInputs source(*checkpoint, activations);
    ContextOwner owner(2, supported_isas().back());
    NoProgress progress;
    const auto model = build_model(owner.get(), checkpoint->config(), source, progress).value();
    return testing::logits_of(owner.get(), *model, tokens_, count);
  }
  // The largest difference, relative to the largest of `a`.
  static double difference(const std::vector<float>& a, const std::vector<float>& b) {
    double most = 0, scale = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      most = std::max(most, std::fabs(double{a[i]} - b[i]));
      scale = std::max(scale, std::fabs(double{a[i]}));
    }
    return most / scale;
  }
};

// llama.cpp rounds the input of a quantized linear to int8 in blocks of 32, as we may, but with the
// blocks' scales in f16, so that codes of later layers are others. Two roundings of one kind: the
// largest of 65 536 differences that one makes is within twice that of the other. An input of an
// f16 linear is rounded to f16 there, 2^-12 of each input in five layers.
TEST_P(LlamaCppStories, GivesTheLogitsOfTheFile) {
  const auto& [scheme, limit] = GetParam();
  QuantizeOptions quantizing = options(scheme);
  quantizing.rules = {{.layers = "*.down_proj", .keep = true}};  // 172 inputs
  write(stories_path, quantizing, folder_ / "model.gguf");
  const auto plain = ours(folder_ / "model.gguf", Activations::f32);
  const double got = difference(plain, theirs(folder_ / "model.gguf"));
  const double rounding =
      difference(plain, ours(folder_ / "model.gguf", Activations::int8_block32));
  std::printf("%s: %.1e of the largest logit; int8 makes %.1e\n", scheme, got, rounding);
  EXPECT_LE(got, limit != 0 ? limit : 2 * rounding);
  EXPECT_LE(rounding, 0.05);
}

INSTANTIATE_TEST_SUITE_P(Schemes, LlamaCppStories,
                         ::testing::Values(std::pair{"f32", 1e-5}, std::pair{"f16", 2e-3},
                                           std::pair{"int8_g32", 0.0}, std::pair{"int4_g32", 0.0},
                                           std::pair{"int4_g32_asym", 0.0}, std::pair{"mxfp4", 0.0},
                                           std::pair{"nvfp4", 0.0}),
                         [](const auto& info) { return info.param.first; });

}  // namespace
}  // namespace farthing
