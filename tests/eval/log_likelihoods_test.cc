// The log-likelihoods of answers are those of each sequence run by itself, in whatever batch.
#include "eval/tasks/log_likelihoods.h"

#include <gtest/gtest.h>

#include "base/cpu.h"
#include "base/random.h"
#include "eval/token_scores.h"
#include "model/support/models.h"

namespace farthing {
namespace {

// Questions of up to 150 tokens, so that some cross pages, with up to five answers of up to 9.
// Every third begins as the first does, so that pages are shared, and cut within.
std::vector<ScoredGroup> random_groups(size_t count, int64_t vocabulary) {
  std::vector<ScoredGroup> out(count);
  for (size_t g = 0; g < count; ++g) {
    const auto random = [&](uint64_t stream, uint64_t index, int64_t below) {
      return static_cast<int64_t>(random_bits(g, stream, index) % static_cast<uint64_t>(below));
    };
    std::vector<int32_t> question;
    for (int64_t i = 0, size = 1 + random(0, 0, 150); i < size; ++i)
      question.push_back(static_cast<int32_t>(random(1, static_cast<uint64_t>(i), vocabulary)));
    if (g % 3 == 0 && g > 0) {
      const auto& first = out[0][0].tokens;
      const auto same = std::min({first.size(), question.size(), 20 * g});
      std::copy_n(first.begin(), same, question.begin());
    }
    out[g].resize(static_cast<size_t>(1 + random(0, 1, 5)));
    for (size_t a = 0; a < out[g].size(); ++a) {
      out[g][a] = {question, 1 + random(2, a, 9)};
      for (int64_t i = 0; i < out[g][a].scored; ++i)
        out[g][a].tokens.push_back(static_cast<int32_t>(
            random(3, static_cast<uint64_t>(i) / 2 * 5 + (i > 2 ? a : 0), vocabulary)));
    }
  }
  return out;
}

std::vector<std::vector<double>> all_of(Context& context, const Model& model,
                                        std::span<const ScoredGroup> groups,
                                        const LikelihoodOptions& options) {
  std::vector<std::vector<double>> out(groups.size());
  const auto sink = [&](int64_t group, std::vector<double> sums) -> Result<> {
    EXPECT_TRUE(out[static_cast<size_t>(group)].empty()) << "handed out twice";
    out[static_cast<size_t>(group)] = std::move(sums);
    return {};
  };
  const auto done = log_likelihoods(context, model, groups, options, sink);
  EXPECT_TRUE(done) << done.error().text();
  return out;
}

// By the definition: all logits of the sequence alone, each next token scored, in ascending order.
double alone(Context& context, const Model& model, const ScoredTokens& sequence) {
  const auto read = std::span(sequence.tokens).first(sequence.tokens.size() - 1);
  const auto rows = static_cast<int64_t>(read.size()), vocabulary = model.config().vocabulary_size;
  const auto logits = testing::logits_of(context, model, read, read.size());
  std::vector<TokenScore> scores(read.size());
  EXPECT_TRUE(score_tokens(context, {logits.data(), rows, vocabulary, vocabulary},
                           std::span(sequence.tokens).subspan(1), scores));
  double sum = 0;
  for (int64_t i = rows - sequence.scored; i < rows; ++i) sum -= scores[static_cast<size_t>(i)].nll;
  return sum;
}

class LogLikelihoods : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Schemes, LogLikelihoods,
                         ::testing::Values("", "int4_g32@int8_token", "q4_0"));

TEST_P(LogLikelihoods, AreThoseOfEachSequenceAloneBitForBit) {
  ContextOwner owner(2, choose_isa().value());
  const auto model = testing::stories260k(owner.get(), GetParam());
  const auto groups = random_groups(23, model->config().vocabulary_size);
  const auto made = all_of(owner.get(), *model, groups, {});
  for (size_t g = 0; g < groups.size(); ++g) {
    ASSERT_EQ(made[g].size(), groups[g].size());
    for (size_t a = 0; a < groups[g].size(); ++a)
      EXPECT_EQ(made[g][a], alone(owner.get(), *model, groups[g][a])) << g << " " << a;
  }
}

TEST_P(LogLikelihoods, AreTheSameBitsForAnyBatchMemoryAndThreads) {
  ContextOwner owner(2, choose_isa().value());
  const auto model = testing::stories260k(owner.get(), GetParam());
  const auto groups = random_groups(23, model->config().vocabulary_size);
  const auto made = all_of(owner.get(), *model, groups, {});
  for (const int64_t tokens : {1, 7, 100})
    EXPECT_EQ(all_of(owner.get(), *model, groups, {.max_num_batched_tokens = tokens}), made);
  EXPECT_EQ(all_of(owner.get(), *model, groups, {.kv_bytes = 1}), made);
  ContextOwner one(1, choose_isa().value());
  const auto again = testing::stories260k(one.get(), GetParam());
  EXPECT_EQ(all_of(one.get(), *again, groups, {}), made);
}

// With caches that share pages, each codec.
TEST(LogLikelihoodsOfCodecs, AreThoseOfAGroupAloneBitForBit) {
  ContextOwner owner(2, choose_isa().value());
  const auto model = testing::stories260k(owner.get());
  const auto groups = random_groups(13, model->config().vocabulary_size);
  for (const KvCodec codec : {KvCodec::f32, KvCodec::f16, KvCodec::bf16, KvCodec::int8}) {
    const auto made = all_of(owner.get(), *model, groups, {.kv_cache = codec});
    for (size_t g = 0; g < groups.size(); ++g)
      EXPECT_EQ(all_of(owner.get(), *model, {&groups[g], 1}, {.kv_cache = codec})[0], made[g]) << g;
  }
}

TEST(LogLikelihoodsOfCodecs, TheCacheIsTheOneThatIsAskedFor) {
  ContextOwner owner(2, choose_isa().value());
  const auto model = testing::stories260k(owner.get());
  const auto groups = random_groups(5, model->config().vocabulary_size);
  EXPECT_NE(all_of(owner.get(), *model, groups, {.kv_cache = KvCodec::int8}),
            all_of(owner.get(), *model, groups, {}));
}

TEST(LogLikelihoodsOfCodecs, ASinkThatFailsEndsTheWork) {
  ContextOwner owner(1, choose_isa().value());
  const auto model = testing::stories260k(owner.get());
  const auto groups = random_groups(5, model->config().vocabulary_size);
  int calls = 0;
  const auto sink = [&](int64_t, std::vector<double>) -> Result<> {
    ++calls;
    return fail({"disk full", {}, {}, {}, {}});
  };
  const auto done = log_likelihoods(owner.get(), *model, groups, {}, sink);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().what, "disk full");
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace farthing
