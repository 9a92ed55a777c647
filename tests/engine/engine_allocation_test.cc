// A step that only decodes allocates nothing, counted by this program's own operator new and by the
// library's count of storages.
#include "base/cpu.h"
#include "base/support/counting_new.h"
#include "engine/support/requests.h"
#include "model/support/models.h"

namespace farthing {
namespace {

class EngineAllocation : public ::testing::TestWithParam<KvCodec> {};

// Prompts of 130 to 137 tokens hold three pages; within 80 steps each takes a fourth, gives its
// full ones to the prefix cache, and passes 200 positions.
TEST_P(EngineAllocation, AStepThatOnlyDecodesAllocatesNothing) {
  ContextOwner owner(2, choose_isa().value());
  const auto model = testing::stories260k(owner.get(), "int4_g128@int8_block32");
  const auto engine = testing::new_engine(
      owner.get(), *model, {.kv_cache_dtype = GetParam(), .kv_pages = 40, .reserve_pages = true});
  for (size_t i = 0; i < 8; ++i) {
    Request request{.prompt = testing::some_tokens(130 + i, 512), .most_tokens = 100, .stream = i};
    request.prompt[0] = static_cast<int32_t>(i);
    if (i % 2 == 0) request.sampling.temperature = 0;
    if (i % 4 == 1) request.sampling = {.temperature = 0.8f, .top_k = 40, .top_p = 0.95f};
    if (i % 4 == 3) request.sampling = {.min_p = 0.05f, .repetition_penalty = 1.2f};
    ASSERT_TRUE(engine->submit(std::move(request)));
  }
  // The prompts, and a few steps that fill the workspace.
  for (int i = 0; i < 8; ++i) engine->step();
  ASSERT_EQ(engine->running(), 8);
  const int64_t computed = engine->statistics().computed_tokens;
  reset_peak_memory();
  const auto before = memory_use().peak_bytes;
  testing::start_counting_allocations();
  for (int i = 0; i < 80; ++i) engine->step();
  EXPECT_EQ(testing::counted_allocations(), 0);
  EXPECT_EQ(memory_use().peak_bytes, before);
  EXPECT_EQ(engine->statistics().computed_tokens, computed + 80 * 8);
}

INSTANTIATE_TEST_SUITE_P(Codecs, EngineAllocation, ::testing::Values(KvCodec::f32, KvCodec::int8),
                         [](const auto& info) {
                           return std::string(kv_codec_info(info.param).name);
                         });

}  // namespace
}  // namespace farthing
