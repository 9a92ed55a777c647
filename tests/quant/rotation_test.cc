// Rotations: they never change what the model computes, and what was written computes the same.
#include "model/rotation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/support/scratch_folder.h"
#include "model/stages/rescalings.h"
#include "model/stages/stages.h"
#include "model/support/families.h"
#include "model/support/models.h"
#include "quant/quantize.h"
#include "quant/rescaling/rescaling_method.h"
#include "quant/rotation/rotated_checkpoint.h"

namespace farthing {
namespace {

using testing::family_path;

const std::filesystem::path stories = FARTHING_SOURCE_DIR "/models/stories260k";

Rotation rotation_of(const std::string& names, int64_t seed = 0) {
  Rotation out = parse_rotation(names).value();
  out.seed = seed;
  return out;
}

std::vector<float> logits_of(Context& context, Checkpoint& from) {
  NoProgress quiet;
  const auto model = build_model(context, from.config(), from, quiet);
  CHECK(model.has_value());
  const auto tokens = testing::some_tokens(23, from.config().vocabulary_size);
  return testing::logits_of(context, **model, tokens, tokens.size());
}

// The largest difference, relative to the largest logit.
double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0, out = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(a[i])));
    out = std::max(out, std::fabs(static_cast<double>(a[i]) - b[i]));
  }
  return out / largest;
}

// Why a family has none of this kind; empty: it has.
std::string refusal(const std::string& family, const std::string& names) {
  if (names.find("r1") != std::string::npos &&
      (family.starts_with("gemma2") || family.starts_with("gemma3")))
    return "R1 cannot pass a norm";
  if (names.find("r3") != std::string::npos && family.starts_with("deepseek"))
    return "no Hadamard matrix of this size";  // heads of 6 + 4
  return "";
}

class RotatedFamily : public ::testing::TestWithParam<std::string> {};

// Every weight is rounded to f32 once more, and sums of 32 to 128 products come from other numbers:
// some 1e-6 of the largest logit; a router that sees that changes no expert here.
TEST_P(RotatedFamily, ComputesTheSameLogits) {
  ContextOwner owner(2, supported_isas().back());
  const auto from = Checkpoint::open(family_path(GetParam())).value();
  const auto wanted = logits_of(owner.get(), *from);
  for (const char* names : {"r1", "r2", "r3", "r4", "r1,r2,r3,r4", "r2,r4"}) {
    const auto rotated = rotated_checkpoint(*from, rotation_of(names, 3));
    if (const std::string why = refusal(GetParam(), names); !why.empty()) {
      ASSERT_FALSE(rotated.has_value()) << names;
      EXPECT_NE(rotated.error().text().find(why), std::string::npos) << rotated.error().text();
      continue;
    }
    ASSERT_TRUE(rotated.has_value()) << rotated.error().text();
    const auto got = logits_of(owner.get(), **rotated);
    EXPECT_LT(difference(wanted, got), 1e-5) << names;
    EXPECT_FALSE(testing::same_bits(wanted, got)) << names << " changed nothing";
  }
}

TEST_P(RotatedFamily, TheFolderComputesTheSameBits) {
  ContextOwner owner(2, supported_isas().back());
  const auto from = Checkpoint::open(family_path(GetParam())).value();
  std::string names = "r2,r4";
  for (const char* more : {"r1", "r3"})
    if (refusal(GetParam(), more).empty()) names.append(",").append(more);
  QuantizeOptions options;
  options.scheme = parse_scheme("int8_row@int8_token").value();
  options.method = find_algorithm("rtn");
  options.rotation = rotation_of(names, 5);
  ScratchFolder folder;
  NoProgress quiet;
  const auto written = quantize_checkpoint(owner.get(), *from, options, folder / "out", quiet);
  ASSERT_TRUE(written.has_value()) << written.error().text();
  const auto stored = Checkpoint::open(folder / "out").value();
  EXPECT_EQ(stored->config().plan.rotation, options.rotation);
  const auto rotated = rotated_checkpoint(*from, options.rotation).value();
  QuantizingSource source(owner.get(), *rotated, options);
  const auto model = build_model(owner.get(), rotated->config(), source, quiet);
  ASSERT_TRUE(model.has_value());
  const auto tokens = testing::some_tokens(23, from->config().vocabulary_size);
  EXPECT_TRUE(testing::same_bits(testing::logits_of(owner.get(), **model, tokens, tokens.size()),
                                 logits_of(owner.get(), *stored)));
}

INSTANTIATE_TEST_SUITE_P(Rotation, RotatedFamily, ::testing::ValuesIn(testing::families()),
                         [](const auto& info) { return info.param; });

// Hidden size 64, inner size 172 = 4 * 43; its embedding is its head.
TEST(Rotation, ATiedHeadBecomesATableOfItsOwn) {
  ContextOwner owner(2, supported_isas().back());
  const auto from = Checkpoint::open(stories).value();
  ASSERT_TRUE(from->config().tied_embeddings());
  const auto rotated = rotated_checkpoint(*from, rotation_of("r1,r2,r3,r4")).value();
  EXPECT_FALSE(rotated->config().tied_embeddings());
  EXPECT_LT(difference(logits_of(owner.get(), *from), logits_of(owner.get(), *rotated)), 1e-5);
  EXPECT_TRUE(
      rotated_checkpoint(*from, rotation_of("r2,r3,r4")).value()->config().tied_embeddings());
}

// A power of two that all of a stream's elements have keeps its bits: what is turned is spread.
TEST(Rotation, AnOutlierInTheStreamIsSpread) {
  const auto from = Checkpoint::open(stories).value();
  const auto rotated = rotated_checkpoint(*from, rotation_of("r1")).value();
  const LinearSpec embedding = spec_of(from->config().plan.embedding);
  const auto peak = [&](Checkpoint& of) {  // the largest over the root of the mean square
    const Tensor rows = of.table(embedding).value().weight.decode();
    double largest = 0, squares = 0;
    for (int64_t i = 0; i < rows.shape().elements(); ++i) {
      const double x = rows.as<float>()[i];
      largest = std::max(largest, std::fabs(x));
      squares += x * x;
    }
    return std::pair(largest / std::sqrt(squares / static_cast<double>(rows.shape().elements())),
                     squares);
  };
  EXPECT_NEAR(peak(*rotated).second / peak(*from).second, 1, 1e-6);  // orthogonal
  EXPECT_LT(peak(*rotated).first, peak(*from).first);
}

TEST(Rotation, AnotherSeedIsAnotherRotation) {
  const auto from = Checkpoint::open(stories).value();
  const LinearSpec q{"model.layers.0.self_attn.q_proj.weight", 64, 64};
  const auto weight = [&](const std::string& names, int64_t seed) {
    const Tensor out = rotated_checkpoint(*from, rotation_of(names, seed))
                           .value()
                           ->linear(q)
                           .value()
                           .weight.decode();
    return std::vector<float>(out.as<float>(), out.as<float>() + out.shape().elements());
  };
  EXPECT_TRUE(testing::same_bits(weight("r1", 1), weight("r1,r2", 1)));
  EXPECT_FALSE(testing::same_bits(weight("r1", 1), weight("r1", 2)));
}

TEST(Rotation, ThreadsChangeNoBitOfTheWeights) {
  const auto from = Checkpoint::open(stories).value();
  ThreadPool pool(3);
  const auto one = rotated_checkpoint(*from, rotation_of("r1,r2,r4")).value(),
             three = rotated_checkpoint(*from, rotation_of("r1,r2,r4")).value();
  for (const LinearSpec& spec : tensors_of(one->config()).linears) {
    three->use_pool(nullptr);
    const Tensor a = one->linear(spec).value().weight.decode();
    three->use_pool(&pool);
    const Tensor b = three->linear(spec).value().weight.decode();
    EXPECT_EQ(std::memcmp(a.data(), b.data(), static_cast<size_t>(a.bytes())), 0) << spec.name;
  }
}

// A factor on one of the elements that a Hadamard matrix mixes is no factor behind it.
TEST(Rotation, NothingIsRescaledAcrossR4) {
  const auto from = Checkpoint::open(stories).value();
  const auto reads_down = [](const ModelConfig& config) {
    for (const Rescaling& rescaling : rescalings_of_stage(config, 2))
      for (const LinearSpec& reader : rescaling.readers)
        if (reader.name.find("down_proj") != std::string::npos) return true;
    return false;
  };
  EXPECT_TRUE(reads_down(from->config()));
  const auto rotated = rotated_checkpoint(*from, rotation_of("r1,r2,r3,r4")).value();
  EXPECT_FALSE(reads_down(rotated->config()));
}

class QuantizeRotated : public ::testing::Test {
 protected:
  Result<std::vector<LayerReport>> quantize(const Rotation& rotation, const char* method,
                                            const char* rescaling = nullptr,
                                            std::vector<std::string> redo = {}) {
    ContextOwner owner(2, supported_isas().back());
    QuantizeOptions options;
    options.scheme = parse_scheme("int4_g32").value();
    options.method = find_algorithm(method);
    if (rescaling != nullptr) options.rescaling = find_rescaling(rescaling);
    options.rotation = rotation;
    return quantize_checkpoint(
        owner.get(), *from_, options, to_, quiet_,
        {.calibration = {.samples = 2, .context = 64}, .redo = std::move(redo)});
  }
  // Of the folder's logits from the unquantized model's.
  double relative_error() {
    ContextOwner owner(2, supported_isas().back());
    const auto stored = Checkpoint::open(to_).value();
    const auto wanted = logits_of(owner.get(), *from_), got = logits_of(owner.get(), *stored);
    double error = 0, square = 0;
    for (size_t i = 0; i < wanted.size(); ++i) {
      const double d = static_cast<double>(got[i]) - wanted[i];
      error += d * d;
      square += static_cast<double>(wanted[i]) * wanted[i];
    }
    return error / square;
  }

  ScratchFolder folder_;
  NoProgress quiet_;
  std::unique_ptr<Checkpoint> from_ = Checkpoint::open(stories).value();
  std::filesystem::path to_ = folder_ / "out";
};

// Weights of one side of a rotation without the other would leave nothing of the function.
TEST_F(QuantizeRotated, RunsWithEveryMethod) {
  const Rotation all = rotation_of("r1,r2,r3,r4");
  for (const char* method : {"rtn", "gptq"}) {
    ASSERT_TRUE(quantize(all, method).has_value()) << method;
    EXPECT_LT(relative_error(), 0.05) << method;
  }
  for (const char* rescaling : {"awq", "smoothquant"}) {
    ASSERT_TRUE(quantize(all, "gptq", rescaling).has_value()) << rescaling;
    EXPECT_LT(relative_error(), 0.05) << rescaling;
  }
}

TEST_F(QuantizeRotated, OneLayerAgainNeedsTheSameRotation) {
  const Rotation rotation = rotation_of("r1,r4", 9);
  ASSERT_TRUE(quantize(rotation, "rtn").has_value());
  const std::string weights = read_text_file(to_ / "model.safetensors").value();
  ASSERT_TRUE(quantize(rotation, "rtn", nullptr, {"*.2.mlp.down_proj"}).has_value());
  EXPECT_EQ(read_text_file(to_ / "model.safetensors").value(), weights);
  for (const Rotation& other : {Rotation{}, rotation_of("r1,r4", 8), rotation_of("r4", 9)}) {
    const auto refused = quantize(other, "rtn", nullptr, {"*.2.mlp.down_proj"});
    ASSERT_FALSE(refused.has_value());
    EXPECT_NE(refused.error().text().find("rotation r1,r4, seed 9"), std::string::npos);
  }
}

TEST_F(QuantizeRotated, ARotatedModelIsNotRotatedAgain) {
  ASSERT_TRUE(quantize(rotation_of("r4"), "rtn").has_value());
  from_ = Checkpoint::open(to_).value();
  to_ = folder_ / "again";
  const auto refused = quantize(rotation_of("r1"), "rtn");
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().text().find("rotated already"), std::string::npos);
}

TEST(Rotation, NamesAreReadAndWritten) {
  EXPECT_EQ(parse_rotation("r4,r1").value().name(), "r1,r4");
  for (const char* wrong : {"", "r5", "r1,", "r1 r2"})
    EXPECT_FALSE(parse_rotation(wrong).has_value()) << wrong;
}

}  // namespace
}  // namespace farthing
