// Every architecture gives the logits that transformers gave for a tiny random model of it.
#include <filesystem>

#include "base/cpu.h"
#include "io/gguf/gguf.h"
#include "model/support/families.h"
#include "model/support/peer_logits.h"

namespace farthing {
namespace {

using testing::family_path;
using testing::same_bits;

class Family : public ::testing::TestWithParam<std::string> {};

// Sums of 32 to 48 products in other orders: some 1e-6 of the largest logit.
TEST_P(Family, GivesTransformersLogits) {
  for (const Isa isa : supported_isas()) {
    ContextOwner owner(2, isa);
    const auto model = testing::load_model(owner.get(), family_path(GetParam()));
    ASSERT_TRUE(model.has_value()) << model.error().text();
    EXPECT_LE(testing::difference_from(owner.get(), **model,
                                       family_path(GetParam()) / "golden.safetensors"),
              1e-4)
        << isa_name(isa);
  }
}

TEST_P(Family, GivesTheSameBitsInAPromptAndTokenByToken) {
  ContextOwner owner(2, supported_isas().back());
  const auto model = testing::load_model(owner.get(), family_path(GetParam()));
  ASSERT_TRUE(model.has_value()) << model.error().text();
  const auto tokens = testing::some_tokens(40, (*model)->config().vocabulary_size);
  const auto prompt = testing::logits_of(owner.get(), **model, tokens, 40);
  for (const size_t piece : {1, 7})
    EXPECT_TRUE(same_bits(prompt, testing::logits_of(owner.get(), **model, tokens, piece)))
        << piece;
}

class FamilyAsGguf : public ::testing::TestWithParam<std::string> {};

TEST_P(FamilyAsGguf, GivesTransformersLogits) {
  ContextOwner owner(2, supported_isas().back());
  const auto model = testing::load_model(owner.get(), family_path(GetParam()) / "model.gguf");
  ASSERT_TRUE(model.has_value()) << model.error().text();
  EXPECT_LE(testing::difference_from(owner.get(), **model,
                                     family_path(GetParam()) / "golden.safetensors"),
            1e-4);
}

// Experts' matrices are parts of one tensor, blocks and all.
TEST(QuantizedExperts, AnExpertsBlocksAreItsPartOfTheStack) {
  for (const char* family : {"mixtral", "gpt_oss_plain"}) {
    const auto path = family_path(family) / "quantized.gguf";
    const auto checkpoint = Checkpoint::open(path);
    const auto file = GgufFile::open(path);
    ASSERT_TRUE(checkpoint && file);
    const auto& inputs = (*checkpoint)->config().plan.blocks[1].experts.experts[3].inputs;
    ASSERT_EQ(inputs.size(), 2u);
    const Tensor stack = file->bytes("blk.1.ffn_up_exps.weight").value();
    const StoredLinear up = (*checkpoint)->linear(spec_of(inputs[1])).value();
    EXPECT_FALSE(up.weight.format->plain) << family;
    const int64_t bytes = up.weight.planes[0].bytes();
    ASSERT_EQ(stack.bytes(), 5 * bytes);
    EXPECT_EQ(std::memcmp(up.weight.planes[0].data(), stack.data() + 3 * bytes,
                          static_cast<size_t>(bytes)),
              0)
        << family;
  }
}

// 8 bits leave an error of some 1/250 of each weight, another expert one of all of it.
TEST(QuantizedExperts, GiveTransformersLogitsNearly) {
  ContextOwner owner(2, supported_isas().back());
  const auto path = family_path("mixtral");
  const auto model = testing::load_model(owner.get(), path / "quantized.gguf");
  ASSERT_TRUE(model.has_value()) << model.error().text();
  const double difference =
      testing::difference_from(owner.get(), **model, path / "golden.safetensors");
  EXPECT_LE(difference, 0.02);
  EXPECT_GT(difference, 1e-4);
}

std::vector<std::string> families_with_gguf() {
  auto out = testing::families();
  std::erase_if(out, [](const std::string& name) {
    return !std::filesystem::exists(family_path(name) / "model.gguf");
  });
  return out;
}

INSTANTIATE_TEST_SUITE_P(Architectures, FamilyAsGguf, ::testing::ValuesIn(families_with_gguf()),
                         [](const auto& info) { return info.param; });

INSTANTIATE_TEST_SUITE_P(Architectures, Family, ::testing::ValuesIn(testing::families()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace farthing
