// What a scheme that is not batch invariant does to a model's logits.
#include <cstring>

#include "base/cpu.h"
#include "model/support/models.h"

namespace farthing {
namespace {

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// A short text has few inputs beyond 6, and many beyond 1.5.
std::unique_ptr<Model> stories_in(Context& context, std::string_view scheme) {
  NoProgress progress;
  const auto from = Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k").value();
  QuantizeOptions options;
  options.scheme = parse_scheme(scheme).value();
  options.method = find_algorithm("rtn");
  options.range.outlier_threshold = 1.5f;
  QuantizingSource source(context, *from, options);
  return build_model(context, from->config(), source, progress).value();
}

// Why a line in the registry says that a format is not batch invariant.
class BatchDependentScheme : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Activations, BatchDependentScheme,
                         ::testing::Values("int8_row@int8_tensor", "int8_row@int8_outliers_live"));

TEST_P(BatchDependentScheme, LogitsChangeWithTheChunkAndWithTheNeighbour) {
  ContextOwner owner(2, choose_isa().value());
  const auto model = stories_in(owner.get(), GetParam());
  const int64_t vocabulary = model->config().vocabulary_size;
  const auto tokens = testing::some_tokens(12, vocabulary);
  const auto whole = testing::logits_of(owner.get(), *model, tokens, tokens.size());
  EXPECT_TRUE(same_bits(whole, testing::logits_of(owner.get(), *model, tokens, tokens.size())));
  EXPECT_FALSE(same_bits(whole, testing::logits_of(owner.get(), *model, tokens, 5)));

  const std::vector<int32_t> neighbour(20, 300);
  Sequence ours = model->new_sequence(12), other = model->new_sequence(20);
  const SequenceTokens batch[] = {{&ours, tokens, 12}, {&other, neighbour, 0}};
  std::vector<float> together(whole.size());
  model->run(owner.get(), batch, {{together.data(), 12, vocabulary, vocabulary}});
  EXPECT_FALSE(same_bits(whole, together));
}

}  // namespace
}  // namespace farthing
