// The engine's promises besides the bits: order, refusals, endings, pages.
#include "engine/engine.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/cpu.h"
#include "engine/support/requests.h"
#include "model/support/models.h"
#include "model/support/stub_model.h"
#include "ops/softmax.h"

namespace farthing {
namespace {

Context& context() {
  static ContextOwner owner(2, choose_isa().value());
  return owner.get();
}

const Model& model() {
  static const auto stories = testing::stories260k(context());
  return *stories;
}

Request greedy(std::vector<int32_t> prompt, int64_t most_tokens) {
  return {.prompt = std::move(prompt), .sampling = {.temperature = 0}, .most_tokens = most_tokens};
}

testing::Made run_one(const EngineOptions& options, const Request& request) {
  return testing::run_all(*testing::new_engine(context(), model(), options), {request}, {0})[0];
}

TEST(Engine, AModelWhoseResultsDependOnTheBatchIsNotServed) {
  const auto model = testing::stories260k(context(), "int4_g32@int8_tensor");
  const auto engine = Engine::create(context(), *model);
  ASSERT_FALSE(engine);
  EXPECT_NE(engine.error().what.find("depend on the batch"), std::string::npos);
  EXPECT_NE(engine.error().got.find("int4_g32@int8_tensor"), std::string::npos);
  EXPECT_NE(engine.error().remedy.find("int4_g32@int8_token"), std::string::npos);
  const auto live = testing::stories260k(context(), "int4_g32@int8_outliers_live");
  const auto other = Engine::create(context(), *live);
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().remedy.find("int4_g32@int8_outliers"), std::string::npos);
}

// The whole sequence through the model again for every token, and no engine.
testing::Made with_one_forward_pass_a_token(const Request& request) {
  testing::Made out;
  out.finished = true;
  std::vector<int32_t> tokens = request.prompt;
  while (static_cast<int64_t>(out.ids.size()) < request.most_tokens) {
    const auto logits = testing::logits_of(context(), model(), tokens, tokens.size());
    const auto token = sample(context(), std::span(logits).last(512), tokens, request.sampling,
                              request.stream, tokens.size());
    if (token->id == request.stop_tokens[0]) {
      out.finish = Finish::stop_token;
      break;
    }
    out.ids.push_back(token->id);
    out.log_probabilities.push_back(token->log_probability);
    tokens.push_back(token->id);
  }
  return out;
}

TEST(Engine, GivesWhatOneForwardPassATokenGives) {
  for (Request& request : testing::random_requests(8, model().config().vocabulary_size)) {
    request.prompt_log_probabilities = false;
    EXPECT_EQ(run_one({}, request), with_one_forward_pass_a_token(request));
  }
}

TEST(Engine, PromptLogProbabilitiesAreThoseOfOneForwardPass) {
  Request request = greedy(testing::some_tokens(150, 512), 2);
  request.prompt_log_probabilities = true;
  const auto made = run_one({.max_num_batched_tokens = 13}, request);
  ASSERT_EQ(made.prompt.size(), 149u);
  const auto logits = testing::logits_of(context(), model(), request.prompt, 150);
  for (size_t i = 0; i < 149; ++i) {
    float expected = 0;
    ops::token_log_probabilities(context(), {&logits[i * 512], 1, 512, 512},
                                 {&request.prompt[i + 1], 1}, {&expected, 1});
    EXPECT_EQ(made.prompt[i], expected) << i;
  }
}

TEST(Engine, NoTokensCanBeWanted) {
  Request request = greedy({1, 2, 3}, 0);
  request.prompt_log_probabilities = true;
  const auto made = run_one({}, request);
  EXPECT_TRUE(made.finished);
  EXPECT_TRUE(made.ids.empty());
  EXPECT_EQ(made.prompt.size(), 2u);
}

TEST(Engine, ARequestEndsWhenTheContextIsFull) {
  const int64_t positions = model().config().max_positions;
  const auto made = run_one({}, greedy(testing::some_tokens(static_cast<size_t>(positions), 512),
                                       std::numeric_limits<int64_t>::max()));
  EXPECT_EQ(made.ids.size(), 1u);
  EXPECT_EQ(made.finish, Finish::context_full);
}

TEST(Engine, DecodesFirstThenReadsPromptsInOrderOfArrival) {
  const auto engine = testing::new_engine(context(), model(), {.max_num_batched_tokens = 20});
  const RequestId first = engine->submit(greedy(testing::some_tokens(30, 512), 10)).value();
  const RequestId second = engine->submit(greedy(testing::some_tokens(25, 512), 10)).value();
  EXPECT_TRUE(engine->step().empty());  // 20 of the first
  auto outputs = engine->step();        // 10 of the first, 10 of the second
  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_EQ(outputs[0].id, first);
  outputs = engine->step();  // a token of the first, 15 of the second
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_EQ(outputs[0].id, first);
  EXPECT_EQ(outputs[1].id, second);
}

TEST(Engine, SharedBeginningsAreComputedOnce) {
  const auto engine = testing::new_engine(context(), model(), {});
  auto prompt = testing::some_tokens(192, 512);
  testing::run_all(*engine, {greedy(prompt, 1)}, {0});
  EXPECT_EQ(engine->statistics().computed_tokens, 192);
  testing::run_all(*engine, {greedy(prompt, 1)}, {0});
  // of three full pages the last holds the token whose logits are needed
  EXPECT_EQ(engine->statistics().computed_tokens, 192 + 64);
  EXPECT_EQ(engine->statistics().reused_tokens, 128);
  prompt[70] = (prompt[70] + 1) % 512;
  testing::run_all(*engine, {greedy(prompt, 1)}, {0});
  EXPECT_EQ(engine->statistics().reused_tokens, 128 + 64);
}

TEST(Engine, CancelledRequestsGiveTheirPagesBack) {
  const auto engine =
      testing::new_engine(context(), model(), {.kv_pages = 8, .enable_prefix_caching = false});
  const RequestId running = engine->submit(greedy(testing::some_tokens(100, 512), 100)).value();
  engine->step();
  const RequestId waiting = engine->submit(greedy({1}, 1)).value();
  EXPECT_EQ(engine->free_kv_pages(), 6);
  EXPECT_TRUE(engine->cancel(running));
  EXPECT_TRUE(engine->cancel(waiting));
  EXPECT_FALSE(engine->cancel(running));
  EXPECT_TRUE(engine->idle());
  EXPECT_EQ(engine->free_kv_pages(), 8);
  EXPECT_TRUE(engine->step().empty());
}

TEST(Engine, ARequestThatCanNeverFitIsRefused) {
  const auto engine = testing::new_engine(context(), model(), {.kv_pages = 2});
  // 100 tokens and all but the last new one are kept: 128 positions fit
  EXPECT_TRUE(engine->submit(greedy(testing::some_tokens(100, 512), 29)));
  const auto refused = engine->submit(greedy(testing::some_tokens(100, 512), 30));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().wanted, "at most 2 pages");
  EXPECT_NE(refused.error().remedy, "");
}

TEST(Engine, RefusesWhatIsNoRequestAndOptionsOutsideTheirRange) {
  const auto engine = testing::new_engine(context(), model(), {});
  EXPECT_FALSE(engine->submit(greedy({}, 1)));
  EXPECT_FALSE(engine->submit(greedy({512}, 1)));
  EXPECT_FALSE(engine->submit(greedy({1}, -1)));
  EXPECT_FALSE(engine->submit({.prompt = {1}, .sampling = {.top_p = 0}}));
  EXPECT_TRUE(engine->idle());
  EXPECT_FALSE(Engine::create(context(), model(), {.kv_bytes = 100}));
  EXPECT_FALSE(Engine::create(context(), model(), {.max_num_seqs = 0}));
  EXPECT_FALSE(Engine::create(context(), model(), {.max_num_batched_tokens = 0}));
}

// Logits that are no numbers behind token 7.
class DamagedModel : public testing::StubModel {
 public:
  DamagedModel() : StubModel(8, 64) {}
  void write_logits(int32_t token, float* row) const override {
    if (token == 7) std::fill_n(row, 8, std::numeric_limits<float>::quiet_NaN());
  }
};

TEST(Engine, LogitsThatAreNoNumbersEndTheirRequestAlone) {
  const DamagedModel damaged;
  const auto engine = testing::new_engine(context(), damaged, {});
  const RequestId bad = engine->submit(greedy({7}, 3)).value();
  const RequestId good = engine->submit(greedy({1}, 3)).value();
  const auto outputs = engine->step();
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_EQ(outputs[0].id, bad);
  ASSERT_NE(outputs[0].error, nullptr);
  EXPECT_EQ(outputs[0].error->got, "8 NaN among 8 logits");
  EXPECT_TRUE(outputs[0].finished);
  EXPECT_EQ(outputs[1].id, good);
  EXPECT_TRUE(outputs[1].has_token);
  EXPECT_EQ(engine->running(), 1);
}

}  // namespace
}  // namespace farthing
