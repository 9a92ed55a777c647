// The promise on real texts: as long as the model's context, with special tokens, odd Unicode and
// rendered chats.
#include "train/support/promise.h"
#include "train/support/texts.h"

namespace farthing {
namespace {

using testing::log_probabilities;
using testing::Promise;
using testing::same_bits;

const std::vector<testing::RealText>& texts() {
  static const auto all = testing::real_texts(*testing::stories_checkpoint());
  return all;
}

const std::vector<int32_t>& text(std::string_view name) {
  for (const auto& text : texts())
    if (text.name == name) return text.tokens;
  ADD_FAILURE() << "no text " << name;
  return texts().front().tokens;
}

int64_t count(const std::vector<int32_t>& tokens, int32_t id) {
  return std::count(tokens.begin(), tokens.end(), id);
}

TEST(RealTexts, TheLongestFillsTheContext) { EXPECT_EQ(text("wikitext").size(), 512u); }

TEST(RealTexts, SpecialTokensStandInsideTheText) {
  EXPECT_EQ(count(text("special tokens"), 1), 4);  // one more at the beginning
  EXPECT_EQ(count(text("special tokens"), 2), 4);
  EXPECT_EQ(count(text("special tokens"), 0), 1);
  EXPECT_EQ(count(text("almost special"), 1), 1);
  EXPECT_EQ(count(text("llama2.txt"), 2), 1);
}

TEST(RealTexts, ChatMarkersAreSpecialTokensOrTextAsTheTokenizerSays) {
  const auto checkpoint = testing::stories_checkpoint();
  const Tokenizer chat = testing::chat_tokenizer(*checkpoint);
  const int32_t start = chat.encode("<|im_start|>").back();
  EXPECT_TRUE(chat.is_special(start));
  EXPECT_EQ(count(text("chatml.txt"), start), 5);
  EXPECT_EQ(count(text("chatml.txt, markers as text"), start), 0);
  EXPECT_GT(text("chatml.txt, markers as text").size(), text("chatml.txt").size());
}

TEST(RealTexts, OddUnicodeBecomesTokensOfBytes) {
  const Tokenizer tokenizer = testing::stories_checkpoint()->tokenizer().value();
  const auto of_bytes = [](int32_t id) { return id >= 3 && id < 259; };
  for (const char* name : {"combining marks", "emoji", "right to left", "no width"})
    EXPECT_GT(std::count_if(text(name).begin(), text(name).end(), of_bytes), 10) << name;
  EXPECT_NE(tokenizer.decode(text("invalid UTF-8")).find("\ufffd"), std::string::npos);
}

class Texts : public ::testing::TestWithParam<std::string> {};

TEST_P(Texts, TrainerAndEngineDifferByExactlyZero) {
  testing::Sequences all;
  for (const auto& text : texts()) all.push_back(text.tokens);
  Promise promise(GetParam());
  const auto trainers = promise.trainers(all);
  ContextOwner owner(1, choose_isa().value());
  const auto engine = promise.engine(owner.get());
  for (const testing::Way& way :
       {testing::Way{}, testing::Way{.batch = 3, .piece = 129}, testing::Way{.batch = 17}}) {
    const auto engines = log_probabilities(way, owner.get(), *engine, promise.codec(), all);
    for (size_t i = 0; i < all.size(); ++i)
      EXPECT_TRUE(same_bits(trainers[i], engines[i])) << texts()[i].name << ", " << name_of(way);
  }
}

INSTANTIATE_TEST_SUITE_P(Registry, Texts, ::testing::ValuesIn(testing::schemes_in_turn(6, 2)),
                         [](const auto& info) { return testing::test_name(info.param); });

}  // namespace
}  // namespace farthing
