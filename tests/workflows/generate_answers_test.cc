// Generated answers end where they should, and do not depend on their neighbours.
#include "workflows/tasks/generate_answers.h"

#include <gtest/gtest.h>

#include "base/cpu.h"
#include "engine/generate.h"
#include "eval/tasks/tokenized_choice.h"
#include "model/support/models.h"

namespace farthing {
namespace {

TEST(TextUntil, EndsAtTheFirstOfTheTexts) {
  const std::string_view until[] = {"stop", "Q:"};
  EXPECT_EQ(text_until("an answer Q: more stop", until), "an answer ");
  EXPECT_EQ(text_until("stop", until), "");
  EXPECT_EQ(text_until("none", until), "none");
}

class GenerateAnswers : public ::testing::Test {
 protected:
  std::vector<std::string> answers(const TaskGeneration& generation,
                                   std::vector<std::string> prompts, const Model* model = nullptr) {
    std::vector<TaskItem> items;
    for (std::string& prompt : prompts) items.push_back({.prompt = std::move(prompt)});
    std::vector<std::string> out(items.size());
    int handed_out = 0;
    const auto sink = [&](size_t item, TaskResponse response) -> Result<> {
      out[item] = response.text;
      ++handed_out;
      return {};
    };
    const AnsweringModel answering{model == nullptr ? *stories_ : *model, tokenizer_};
    const auto done = generate_answers(owner_.get(), answering, generation, items, sink);
    EXPECT_TRUE(done) << done.error().text();
    EXPECT_EQ(handed_out, static_cast<int>(items.size()));
    return out;
  }
  // Greedily, by a request alone.
  std::string alone(const std::string& prompt, int64_t tokens) {
    Request request{.prompt = encode_prompt(tokenizer_, prompt),
                    .sampling = {.temperature = 0},
                    .most_tokens = tokens};
    const auto made = generate(owner_.get(), *stories_, request, [](const auto&) { return true; });
    std::vector<int32_t> ids;
    for (const SampledToken& token : made.value().tokens) ids.push_back(token.id);
    return tokenizer_.decode(ids);
  }

  ContextOwner owner_{2, choose_isa().value()};
  std::unique_ptr<Model> stories_ = testing::stories260k(owner_.get());
  std::unique_ptr<Checkpoint> from_ =
      Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k").value();
  Tokenizer tokenizer_ = from_->tokenizer().value();
  AnsweringModel model_{*stories_, tokenizer_};
};

TEST_F(GenerateAnswers, AreThoseOfEachPromptAloneUpToTheEnd) {
  const std::vector<std::string> prompts{"Once upon a time", "The dog", "Lily and Tom", "One day"};
  const auto made = answers({.until = {" was "}, .most_tokens = 60}, prompts);
  int cut = 0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const std::string whole = alone(prompts[i], 60), wanted = whole.substr(0, whole.find(" was "));
    EXPECT_EQ(made[i], wanted) << prompts[i];
    cut += wanted.size() < whole.size();
  }
  EXPECT_GT(cut, 0) << "no text had the end in it";
}

TEST_F(GenerateAnswers, HaveAtMostTheTasksTokens) {
  EXPECT_EQ(answers({.until = {"never"}, .most_tokens = 5}, {"Once upon a time"})[0],
            alone("Once upon a time", 5));
}

TEST_F(GenerateAnswers, EndWithTheModelsStopTokens) {
  const auto period = tokenizer_.encode("cat.").back();
  NoProgress quiet;
  ModelConfig config = from_->config();
  config.stop_tokens = {1, period};
  const auto stopping = build_model(owner_.get(), config, *from_, quiet).value();
  const std::string whole = alone("Once upon a time", 60);
  const TaskGeneration generation{.until = {"never"}, .most_tokens = 60};
  EXPECT_EQ(answers(generation, {"Once upon a time"}, stopping.get())[0],
            whole.substr(0, whole.find('.')));
}

TEST_F(GenerateAnswers, APromptWithoutRoomLosesItsBeginning) {
  std::string prompt;
  for (int i = 0; i < 200; ++i) prompt += "a cat and a dog. ";
  EXPECT_FALSE(answers({.until = {"never"}, .most_tokens = 20}, {prompt})[0].empty());
}

TEST_F(GenerateAnswers, AModelWithoutRoomForAPromptIsRefused) {
  const std::vector<TaskItem> items{{.prompt = "Once"}};
  const auto sink = [](size_t, TaskResponse) -> Result<> { return {}; };
  const auto refused =
      generate_answers(owner_.get(), model_, {.until = {"x"}, .most_tokens = 512}, items, sink);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what, "the model's context is too short for this task");
  EXPECT_EQ(refused.error().got, "512 positions");
  EXPECT_TRUE(
      generate_answers(owner_.get(), model_, {.until = {"x"}, .most_tokens = 511}, items, sink));
}

}  // namespace
}  // namespace farthing
