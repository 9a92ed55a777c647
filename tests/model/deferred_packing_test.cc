// A model whose plain weights are not packed yet computes the same bits, and holds no copy of them.
#include <gtest/gtest.h>

#include <cstring>

#include "base/cpu.h"
#include "model/support/families.h"
#include "model/support/models.h"

namespace farthing {
namespace {

std::unique_ptr<Model> build(Context& context, Checkpoint& checkpoint, PackTime time) {
  NoProgress progress;
  return build_model(context, checkpoint.config(), checkpoint, progress, time).value();
}

class DeferredPacking : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Checkpoint> open() const {
    return Checkpoint::open(testing::family_path(GetParam())).value();
  }
};

TEST_P(DeferredPacking, GivesTheSameBitsBeforeAndAfterWithEveryInstructionSet) {
  for (const Isa isa : supported_isas()) {
    ContextOwner owner(2, isa);
    const auto checkpoint = open();
    const auto packed = build(owner.get(), *checkpoint, PackTime::loading);
    const auto later = build(owner.get(), *checkpoint, PackTime::later);
    const auto tokens = testing::some_tokens(37, packed->config().vocabulary_size);
    const auto wanted = testing::logits_of(owner.get(), *packed, tokens, tokens.size());
    for (const size_t piece : {size_t{1}, size_t{2}, size_t{7}, tokens.size()})
      EXPECT_TRUE(
          testing::same_bits(testing::logits_of(owner.get(), *later, tokens, piece), wanted))
          << isa_name(isa) << " " << piece;
    later->finish_packing(owner.get());
    EXPECT_TRUE(testing::same_bits(testing::logits_of(owner.get(), *later, tokens, 1), wanted));
  }
}

TEST_P(DeferredPacking, FinishingChoosesTheKernelsOfAPackedModel) {
  ContextOwner owner(1, choose_isa().value());
  const auto checkpoint = open();
  const auto packed = build(owner.get(), *checkpoint, PackTime::loading);
  const auto later = build(owner.get(), *checkpoint, PackTime::later);
  const auto before = later->linears();
  later->finish_packing(owner.get());
  const auto wanted = packed->linears(), after = later->linears();
  ASSERT_EQ(after.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ((*before[i].kernel)->packing, Packing::stored) << before[i].name;
    EXPECT_EQ(after[i].kernel, wanted[i].kernel) << after[i].name;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, DeferredPacking,
                         ::testing::Values("llama", "gpt2", "mixtral", "deepseek_v3"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace farthing
