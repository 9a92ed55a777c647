// Facts about training data: what each kind of file is read as, what is refused and where, and how
// documents become batches.
#include "train/data/data.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/support/scratch_folder.h"
#include "model/checkpoint.h"

namespace farthing {
namespace {

class ReadDocuments : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) { write_all(folder_ / name, text); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  Result<Documents> read(const std::string& name, const std::string& kind = "jsonl") {
    NoProgress progress;
    return read_documents({path(name), kind, 1}, tokenizer_, 512, chat_template_, progress);
  }
  // Where the reader says that the file is wrong.
  std::string refused(const std::string& name, const std::string& kind = "jsonl") {
    const auto result = read(name, kind);
    EXPECT_FALSE(result);
    if (result) return {};
    EXPECT_FALSE(result.error().remedy.empty());
    return result.error().where;
  }

  ScratchFolder folder_;
  std::string chat_template_;
  const Tokenizer tokenizer_ =
      Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k").value()->tokenizer().value();
};

TEST_F(ReadDocuments, JsonLinesCountResponsesAlone) {
  write("data.jsonl", "{\"prompt\": \"One day\", \"response\": \" a cat\"}\n");
  const auto documents = read("data.jsonl").value().documents;
  ASSERT_EQ(documents.size(), 1u);
  const auto prompt = tokenizer_.encode("One day").size();
  for (size_t i = 0; i < documents[0].tokens.size(); ++i)
    EXPECT_EQ(documents[0].counts[i], i > prompt) << i;  // 0 is the beginning of text
}

const char* user_and_assistant =
    "{% for m in messages %}{{ m.role }}:\n{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:\n{% endif %}";

// The text of the tokens that count.
std::string counted_text(const Tokenizer& tokenizer, const Document& d) {
  std::string out;
  for (size_t i = 0; i < d.tokens.size(); ++i)
    if (d.counts[i]) out += tokenizer.token_bytes(d.tokens[i]);
  return out;
}

TEST_F(ReadDocuments, OfAChatTheAssistantsTokensCount) {
  chat_template_ = user_and_assistant;
  write(
      "chat.jsonl",
      "{\"messages\": [{\"role\": \"user\", \"content\": \"Who sat?\"}, {\"role\": \"assistant\", "
      "\"content\": \"A cat\"}, {\"role\": \"user\", \"content\": \"Why?\"}, {\"role\": "
      "\"assistant\", \"content\": \"It was happy\"}]}\n");
  const auto documents = read("chat.jsonl").value().documents;
  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].tokens,
            tokenizer_.encode("user:\nWho sat?\nassistant:\nA cat\nuser:\nWhy?\nassistant:\nIt was "
                              "happy\n"));
  EXPECT_EQ(counted_text(tokenizer_, documents[0]), "A cat\nIt was happy\n");
}

// A template that drops what the assistant said before its last message.
TEST_F(ReadDocuments, WhereEarlierMessagesChangeEachOfTheAssistantsIsADocument) {
  chat_template_ =
      "{% for m in messages %}{{ m.role }}:\n{% if m.role == 'user' or loop.last %}{{ m.content }}"
      "{% endif %}\n{% endfor %}{% if add_generation_prompt %}assistant:\n{% endif %}";
  write(
      "chat.jsonl",
      "{\"messages\": [{\"role\": \"user\", \"content\": \"Who sat?\"}, {\"role\": \"assistant\", "
      "\"content\": \"A cat\"}, {\"role\": \"user\", \"content\": \"Why?\"}, {\"role\": "
      "\"assistant\", \"content\": \"It was happy\"}]}\n");
  const auto documents = read("chat.jsonl").value().documents;
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(counted_text(tokenizer_, documents[0]), "A cat");
  EXPECT_EQ(counted_text(tokenizer_, documents[1]), "It was happy");
}

TEST_F(ReadDocuments, AChatThatCannotBeLearnedIsNamedWithItsLine) {
  const std::string chat =
      "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", "
      "\"content\": \"b\"}]}\n";
  write("chat.jsonl", "\n" + chat);
  EXPECT_EQ(refused("chat.jsonl"), path("chat.jsonl") + ", line 2");  // no template
  chat_template_ = user_and_assistant;
  for (const std::string bad : {"{\"messages\": []}", "{\"messages\": 3}", "{\"messages\": [3]}",
                                "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}"}) {
    write("chat.jsonl", chat + bad + "\n");
    EXPECT_EQ(refused("chat.jsonl"), path("chat.jsonl") + ", line 2") << bad;
  }
  chat_template_ = "{{ raise_exception('no') }}";
  write("chat.jsonl", chat);
  EXPECT_EQ(refused("chat.jsonl").find(path("chat.jsonl") + ", line 1; "), 0u);
}

// What was rendered decides the result, so a state belongs to its template.
TEST_F(ReadDocuments, TheDigestOfChatsKnowsTheTemplate) {
  write("chat.jsonl",
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", "
        "\"content\": \"a cat\"}]}\n");
  chat_template_ = user_and_assistant;
  const std::string first = read("chat.jsonl").value().digest;
  EXPECT_EQ(read("chat.jsonl").value().digest, first);
  chat_template_ += "{# another #}";
  EXPECT_NE(read("chat.jsonl").value().digest, first);
  write("text.txt", "One day");
  const std::string text = read("text.txt", "text").value().digest;
  chat_template_ = "";
  EXPECT_EQ(read("text.txt", "text").value().digest, text);
}

TEST_F(ReadDocuments, TokenFilesAreSixteenBitIdsLowByteFirst) {
  write("data.bin", std::string("\x01\x00\xff\x01\x02\x01", 6));
  const auto documents = read("data.bin", "tokens").value().documents;
  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].tokens, (std::vector<int32_t>{1, 511, 258}));
  EXPECT_EQ(documents[0].counts, std::vector<bool>(3, true));
}

TEST_F(ReadDocuments, ATokenOutsideTheVocabularyIsNamedWithItsPlace) {
  write("data.bin", std::string("\x01\x00\x00\x02", 4));
  const auto result = read("data.bin", "tokens");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().where, path("data.bin"));
  EXPECT_EQ(result.error().got, "id 512, token 1 of its document");
}

TEST_F(ReadDocuments, ATokenFileOfOddLengthIsRefused) {
  write("data.bin", std::string("\x01\x00\x02\x00\x03", 5));
  EXPECT_EQ(refused("data.bin", "tokens"), path("data.bin"));
}

TEST_F(ReadDocuments, ABadLineIsNamedByFileAndNumber) {
  const std::string good = "{\"text\": \"One day\"}\n\n";
  for (const std::string bad :
       {"{\"text\": \"One", "{\"txt\": \"One\"}", "{\"text\": 3}", "[1]", "{\"prompt\": \"a\"}",
        "{\"prompt\": \"a\", \"response\": [1]}", "{\"text\": \"\xff\"}"}) {
    write("data.jsonl", good + bad + "\n");
    const std::string where = refused("data.jsonl");
    EXPECT_EQ(where.find(path("data.jsonl") + ", line 3"), 0u) << bad << ": " << where;
  }
}

TEST_F(ReadDocuments, AFileWithNothingToPredictIsRefused) {
  write("empty.txt", "\n\n<|endoftext|>\n");
  EXPECT_EQ(refused("empty.txt", "text"), path("empty.txt"));
  write("empty.jsonl", "\n");
  EXPECT_EQ(refused("empty.jsonl"), path("empty.jsonl"));
  write("one.bin", std::string("\x01\x00", 2));
  EXPECT_EQ(refused("one.bin", "tokens"), path("one.bin"));
  EXPECT_EQ(refused("missing.txt", "text"), path("missing.txt"));
}

TEST_F(ReadDocuments, AnArrayHoldsTextsOrObjects) {
  write("a.json", "[\"One day\", \"A cat\"]");
  EXPECT_EQ(read("a.json").value().documents.size(), 2u);
  write("b.json", "[{\"text\": \"One day\"}, {\"prompt\": \"A\", \"response\": \"cat\"}]");
  EXPECT_EQ(read("b.json").value().documents.size(), 2u);
  write("c.json", "[{\"text\": \"One day\"}, {\"prompt\": \"A\"}]");
  EXPECT_EQ(refused("c.json"), path("c.json") + ", element 2");
}

TEST(Recipes, EachCarriedOneIsReadAndItsTextsAreThere) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(FARTHING_SOURCE_DIR "/recipes")) {
    const auto recipe = Recipe::read(entry.path());
    ASSERT_TRUE(recipe) << recipe.error().text();
    for (const DataSource& source : recipe->data)
      EXPECT_TRUE(std::filesystem::exists(source.path)) << entry.path() << " " << source.path;
    EXPECT_TRUE(std::filesystem::exists(recipe->evaluation_path)) << entry.path();
    ++count;
  }
  EXPECT_GE(count, 4);
}

// What --data FILE is read as.
TEST(RecipeData, TheNameOfAFileSaysItsKind) {
  ScratchFolder folder;
  write_all(folder / "recipe.toml", "mode = \"finetune\"\n");
  for (const auto& [name, kind] : {std::pair<std::string, std::string>{"a.txt", "text"},
                                   {"a", "text"},
                                   {"a.jsonl", "jsonl"},
                                   {"a.json", "jsonl"},
                                   {"a.bin", "tokens"}}) {
    const Recipe recipe = Recipe::read(folder / "recipe.toml", name).value();
    ASSERT_EQ(recipe.data.size(), 1u);
    EXPECT_EQ(recipe.data[0].kind, kind) << name;
    EXPECT_EQ(recipe.data[0].path, name);
  }
}

TEST(Batches, EachTokenComesOnceAnEpochAndSkippingIsDrawing) {
  std::vector<Document> documents;
  for (int32_t d = 0; d < 7; ++d) {
    Document document;
    for (int32_t i = 0; i <= 5 + 9 * d; ++i) document.tokens.push_back(100 * d + i);
    document.counts.assign(document.tokens.size(), true);
    documents.push_back(std::move(document));
  }
  const Batches::Options options{16, 40, 3};
  Batches all({documents}, {1.0}, options), skipped({documents}, {1.0}, options);
  std::vector<int32_t> seen;
  while (static_cast<int64_t>(seen.size()) < all.epoch_tokens()) {
    for (const auto& targets : all.next().targets)
      for (const int32_t t : targets)
        if (static_cast<int64_t>(seen.size()) < all.epoch_tokens()) seen.push_back(t);
  }
  std::sort(seen.begin(), seen.end());
  std::vector<int32_t> expected;
  for (const Document& d : documents)
    expected.insert(expected.end(), d.tokens.begin() + 1, d.tokens.end());
  EXPECT_EQ(seen, expected);
  Batches again({documents}, {1.0}, options);
  for (int i = 0; i < 5; ++i) again.next();
  skipped.skip(5);
  EXPECT_EQ(again.next().tokens, skipped.next().tokens);
}

// Sources of very different lengths, with documents up to 47 tokens; source s has the ids from
// 1000 s. The one that is furthest behind its weight comes next, so none gets further ahead of its
// share than by one sequence; of two, none falls further behind either.
TEST(Batches, SharesKeepWithinASequenceOfTheWeights) {
  for (const std::vector<double>& weights :
       {std::vector<double>{1, 1}, {0.7, 0.3}, {10, 1}, {1, 2, 5}, {0.01, 0.5, 0.2, 3}}) {
    std::vector<std::vector<Document>> sources(weights.size());
    double all_weights = 0;
    int64_t longest = 0;
    for (size_t s = 0; s < weights.size(); ++s) {
      all_weights += weights[s];
      for (size_t d = 0; d < 3 + 20 * s; ++d) {
        Document document;
        const auto size = static_cast<int64_t>(2 + (17 * d + 5 * s) % 46);
        longest = std::max(longest, std::min<int64_t>(size - 1, 32));
        for (int64_t i = 0; i < size; ++i)
          document.tokens.push_back(static_cast<int32_t>(1000 * s + d));
        document.counts.assign(document.tokens.size(), true);
        sources[s].push_back(std::move(document));
      }
    }
    Batches batches(std::move(sources), weights, {32, 100, 5});
    std::vector<int64_t> used(weights.size());
    int64_t total = 0;
    for (int n = 0; n < 200; ++n) {
      for (const auto& tokens : batches.next().tokens) {
        used[static_cast<size_t>(tokens[0] / 1000)] += static_cast<int64_t>(tokens.size());
        total += static_cast<int64_t>(tokens.size());
        for (size_t s = 0; s < weights.size(); ++s) {
          const double share = static_cast<double>(total) * weights[s] / all_weights;
          const double ahead = static_cast<double>(used[s]) - share;
          EXPECT_LE(ahead, static_cast<double>(longest) + 1e-6) << s << " of " << total;
          if (weights.size() == 2) {
            EXPECT_GE(ahead, -static_cast<double>(longest) - 1e-6) << s << " of " << total;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace farthing
