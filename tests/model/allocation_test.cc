// A decode step allocates nothing, counted by this program's own operator new and by the library's
// count of storages.
#include "base/cpu.h"
#include "base/support/counting_new.h"
#include "model/support/models.h"

namespace farthing {
namespace {

TEST(AllocationCounters, Count) {
  testing::start_counting_allocations();
  delete new int(3);
  EXPECT_EQ(testing::counted_allocations(), 1);
  reset_peak_memory();
  const auto before = memory_use().peak_bytes;
  Tensor(DType::u8, {4096});
  EXPECT_EQ(memory_use().peak_bytes, before + 4096);
}

class Allocation : public ::testing::TestWithParam<std::string> {};

TEST_P(Allocation, ADecodeStepAllocatesNothing) {
  ContextOwner owner(2, choose_isa().value());
  const auto model = testing::stories260k(owner.get(), GetParam());
  const int64_t vocabulary = model->config().vocabulary_size;
  const auto tokens = testing::some_tokens(270, vocabulary);
  Tensor logits(DType::f32, {1, vocabulary});
  Sequence sequence = model->new_sequence(270);
  // The prompt fills the workspace; the steps behind it pass the ends of a page (64 positions) and
  // of a partition (256).
  const auto prompt = std::span(tokens).first(240);
  model->forward(owner.get(), sequence, prompt, logits.view<float>());
  reset_peak_memory();
  const auto before = memory_use().peak_bytes;
  testing::start_counting_allocations();
  for (size_t i = 240; i < tokens.size(); ++i)
    model->forward(owner.get(), sequence, {&tokens[i], 1}, logits.view<float>());
  EXPECT_EQ(testing::counted_allocations(), 0);
  EXPECT_EQ(memory_use().peak_bytes, before);
}

INSTANTIATE_TEST_SUITE_P(Schemes, Allocation,
                         ::testing::Values("f32", "bf16", "int4_g128_asym", "int8_row@int8_block32",
                                           "q4_0"),
                         [](const auto& info) {
                           return info.param.substr(0, info.param.find('@'));
                         });

}  // namespace
}  // namespace farthing
