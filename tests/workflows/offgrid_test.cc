// Off-grid models: other weights, the same function, the same bytes on every machine.
#include "workflows/offgrid.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>

#include "base/cpu.h"
#include "base/support/scratch_folder.h"
#include "io/safetensors/safetensors.h"
#include "model/support/models.h"
#include "quant/rotation/rotated_checkpoint.h"

namespace farthing {
namespace {

const std::string stories = FARTHING_SOURCE_DIR "/models/stories260k";

Result<OffGridReport> write(const std::filesystem::path& to, const OffGridOptions& options = {}) {
  ContextOwner owner(2, choose_isa().value());
  const auto from = Checkpoint::open(stories).value();
  NoProgress progress;
  return write_off_grid(owner.get(), *from, options, to, progress);
}

std::vector<float> values_of(const std::filesystem::path& folder, const std::string& name) {
  const Tensor tensor = Checkpoint::open(folder).value()->values(name).value();
  return {tensor.as<float>(), tensor.as<float>() + tensor.shape().elements()};
}

// The function is the same in exact arithmetic; f32 sums in another order differ by 2e-6
// (measured), an error in a permutation or factor by 1e-2 and more.
TEST(OffGrid, KeepsTheFunction) {
  const ScratchFolder folder;
  const auto report = write(folder / "moved");
  ASSERT_TRUE(report.has_value()) << report.error().text();
  EXPECT_EQ(report->tokens, 256);
  EXPECT_GT(report->relative_difference, 0);
  EXPECT_LE(report->relative_difference, 1e-5);
  EXPECT_EQ(report->same_top_token, 1);
}

// The factors are within 6 sigma of 1; without them the values of a channel would only be permuted.
TEST(OffGrid, MovesEveryWeight) {
  const ScratchFolder folder;
  ASSERT_TRUE(write(folder / "moved").has_value());
  const auto checkpoint = Checkpoint::open(stories).value();
  const TensorSpecs specs = tensors_of(checkpoint->config());
  for (const LinearSpec& spec : specs.linears) {
    auto before = values_of(stories, spec.name), after = values_of(folder / "moved", spec.name);
    size_t unmoved = 0;
    for (size_t i = 0; i < before.size(); ++i) unmoved += before[i] == after[i];
    EXPECT_LT(unmoved, before.size() / 100) << spec.name;
    const auto [low, high] = std::minmax_element(before.begin(), before.end());
    const auto [moved_low, moved_high] = std::minmax_element(after.begin(), after.end());
    for (const auto& [was, is] : {std::pair(*low, *moved_low), std::pair(*high, *moved_high)}) {
      EXPECT_GT(is / was, std::exp(-0.6f))
          << spec.name;  // two factors of sigma 0.05 within 6 sigma each
      EXPECT_LT(is / was, std::exp(0.6f)) << spec.name;
    }
    std::sort(before.begin(), before.end());
    std::sort(after.begin(), after.end());
    EXPECT_NE(before, after) << spec.name;
  }
}

TEST(OffGrid, WritesTheSameBytesOnEveryMachine) {
  const ScratchFolder folder;
  ASSERT_TRUE(write(folder / "moved").has_value());
  const auto file = SafetensorsFile::open(folder / "moved" / "model.safetensors").value();
  std::vector<uint64_t> digests;  // of the tensors, in the order of their bytes
  for (const auto& entry : file.entries()) {
    const Tensor tensor = file.tensor(entry);
    digests.push_back(XXH3_64bits(tensor.data(), static_cast<size_t>(tensor.bytes())));
  }
  const uint64_t digest = XXH3_64bits(digests.data(), digests.size() * sizeof(uint64_t));
  EXPECT_EQ(digest, 0x9d0d1701d8b1ced9u) << std::hex << digest;
}

TEST(OffGrid, TheSeedChoosesPermutationsAndFactors) {
  const ScratchFolder folder;
  const std::string norm = "model.layers.2.input_layernorm.weight";
  std::vector<std::vector<float>> permuted, factors;
  for (const uint64_t seed : {1, 2}) {
    ASSERT_TRUE(write(folder / "permuted", {.seed = seed, .sigma = 0}).has_value());
    ASSERT_TRUE(write(folder / "moved", {.seed = seed}).has_value());
    permuted.push_back(values_of(folder / "permuted", norm));
    factors.push_back(values_of(folder / "moved", norm));
    for (size_t i = 0; i < permuted.back().size(); ++i) factors.back()[i] /= permuted.back()[i];
  }
  EXPECT_NE(permuted[0], permuted[1]);
  float largest =
      0;  // a division undoes the multiplication up to 2^-23 or so; the factors differ by some 0.07
  for (size_t i = 0; i < factors[0].size(); ++i)
    largest = std::max(largest, std::fabs(factors[0][i] - factors[1][i]));
  EXPECT_GT(largest, 0.01f);
}

TEST(OffGrid, AFunctionThatDiffersIsRefusedAndLeavesNothing) {
  const ScratchFolder folder;
  const auto report = write(folder / "moved", {.tolerance = 1e-9});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().what, "the model that was written is another function");
  EXPECT_TRUE(folder.names().empty());
}

// Factors of channels do not pass a Hadamard matrix.
TEST(OffGrid, ARotatedModelIsRefused) {
  const ScratchFolder folder;
  ContextOwner owner(2, choose_isa().value());
  const auto from = Checkpoint::open(stories).value();
  const auto rotated = rotated_checkpoint(*from, parse_rotation("r4").value()).value();
  NoProgress progress;
  const auto report = write_off_grid(owner.get(), *rotated, {}, folder / "moved", progress);
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().got, "r4");
}

TEST(OffGrid, SigmaOutOfRangeIsRefused) {
  const ScratchFolder folder;
  for (const double sigma : {-0.1, 0.6, static_cast<double>(NAN)}) {
    const auto report = write(folder / "moved", {.sigma = sigma});
    ASSERT_FALSE(report.has_value());
    EXPECT_EQ(report.error().what, "sigma is out of its range");
  }
  EXPECT_TRUE(folder.names().empty());
}

// stories260k with a head of its own: the embedding, upside down.
class UntiedSource : public WeightSource {
 public:
  explicit UntiedSource(WeightSource& base) : base_(base) {}
  Result<StoredLinear> linear(const LinearSpec& spec) override { return base_.linear(spec); }
  Result<StoredLinear> table(const LinearSpec& spec) override {
    if (spec.name != "lm_head.weight") return base_.table(spec);
    const Tensor from =
        TRY(base_.table({"model.embed_tokens.weight", spec.n, spec.k})).weight.decode();
    StoredLinear out{QuantizedTensor::allocate(*find_format("f32"), spec.n, spec.k),
                     Activations::f32};
    for (int64_t i = 0; i < spec.n * spec.k; ++i)
      out.weight.planes[0].as<float>()[i] =
          from.as<float>()[(spec.n - 1 - i / spec.k) * spec.k + i % spec.k];
    return out;
  }
  Result<Tensor> vector(const VectorSpec& spec) override { return base_.vector(spec); }

 private:
  WeightSource& base_;
};

TEST(OffGrid, KeepsTheFunctionOfUntiedModels) {
  ContextOwner owner(2, choose_isa().value());
  const auto checkpoint = Checkpoint::open(stories).value();
  ModelConfig config = checkpoint->config();
  config.plan.head = {"lm_head", config.vocabulary_size, config.hidden_size};
  UntiedSource untied(*checkpoint);
  OffGridSource moved(owner.get(), untied, config, {});
  NoProgress progress;
  const auto before = build_model(owner.get(), config, untied, progress).value();
  const auto after = build_model(owner.get(), config, moved, progress).value();
  const auto tokens = testing::some_tokens(40, config.vocabulary_size);
  const auto a = testing::logits_of(owner.get(), *before, tokens, 40);
  const auto b = testing::logits_of(owner.get(), *after, tokens, 40);
  double largest = 0, difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(a[i])));
    difference = std::max(difference, std::fabs(static_cast<double>(a[i]) - b[i]));
  }
  EXPECT_LE(difference, 1e-5 * largest);
}

}  // namespace
}  // namespace farthing
