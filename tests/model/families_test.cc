// Every architecture gives the logits that transformers gave for a tiny random model of it.
#include <filesystem>

#include "base/cpu.h"
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
