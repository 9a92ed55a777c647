// Properties of every tokenizer: streaming, invalid text, long text, many threads.
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "text/models/bpe.h"
#include "text/pipeline/spec.h"
#include "text/support/fixtures.h"
#include "text/tokenizer_json.h"
#include "text/unicode/utf8.h"

namespace farthing {
namespace {

using testing::read_data;
using testing::read_vectors;

Tokenizer variant(const std::string& name) {
  return tokenizer_from_json(read_data("variants/" + name + ".json"), name).value();
}

TEST(StreamDecoder, PiecesJoinToWhatDecodeReturnsAndEachIsWholeCharacters) {
  for (const char* name :
       {"byte_level", "prepend_replace", "metaspace_always", "no_decoder", "unigram",
        "unigram_byte_fallback", "wordpiece", "wordlevel", "bpe_decoder"}) {
    const Tokenizer tokenizer = variant(name);
    std::mt19937 generator(1);
    for (int round = 0; round < 300; ++round) {
      std::vector<std::int32_t> ids(generator() % 12);
      for (auto& id : ids) id = static_cast<std::int32_t>(generator() % tokenizer.vocab_size());
      StreamDecoder stream(tokenizer);
      std::string text;
      for (const std::int32_t id : ids) {
        const std::string piece = stream.feed(id);
        EXPECT_TRUE(is_valid_utf8(piece));
        text += piece;
      }
      text += stream.finish();
      EXPECT_EQ(text, tokenizer.decode(ids)) << name;
      EXPECT_TRUE(is_valid_utf8(text));
    }
  }
}

TEST(StreamDecoder, CharacterAppearsWithItsLastByte) {
  const Tokenizer tokenizer = variant("byte_level");
  const auto ids = tokenizer.encode("🦙", {.add_special_tokens = false});
  ASSERT_GT(ids.size(), 1u);
  StreamDecoder stream(tokenizer);
  for (std::size_t i = 0; i + 1 < ids.size(); ++i) EXPECT_EQ(stream.feed(ids[i]), "");
  EXPECT_EQ(stream.feed(ids.back()), "🦙");
  EXPECT_EQ(stream.finish(), "");
}

TEST(StreamDecoder, CharacterThatIsCutOffBecomesOneReplacement) {
  const Tokenizer tokenizer = variant("byte_level");
  const auto ids = tokenizer.encode("🦙");
  StreamDecoder stream(tokenizer);
  EXPECT_EQ(stream.feed(ids[0]), "");
  EXPECT_EQ(stream.finish(), kReplacementCharacter);
}

TEST(StreamDecoder, SpaceBeforeTheFirstWordIsKeptWhenTheTextGoesOn) {
  const Tokenizer tokenizer = variant("prepend_replace");
  const auto ids = tokenizer.encode("Hello");
  EXPECT_EQ(tokenizer.decode(ids), "Hello");
  StreamDecoder stream(tokenizer, /*continues_text=*/true);
  std::string text;
  for (const std::int32_t id : ids) text += stream.feed(id);
  EXPECT_EQ(text, " Hello");
}

TEST(Tokenizer, NoTextBecomesASpecialTokenUnlessAsked) {
  for (const char* name : {"byte_level", "prepend_replace", "unigram", "unigram_byte_fallback",
                           "wordpiece", "wordlevel", "ignore_merges"}) {
    const Tokenizer tokenizer = variant(name);
    const tokenizer::Spec& spec = tokenizer.spec();
    for (const auto& token : spec.added) {
      for (const std::string& text : {token.content, "a " + token.content + token.content + "b"}) {
        for (const std::int32_t id : tokenizer.encode(text, {.parse_special = false}))
          EXPECT_TRUE(!tokenizer.is_special(id) || id == spec.unknown) << name << ": " << text;
      }
    }
  }
}

TEST(Tokenizer, SpecialTokensAreLeftOutOfTheTextUnlessAsked) {
  const Tokenizer tokenizer = variant("template");
  const auto ids = tokenizer.encode("hello", {.add_special_tokens = true});
  EXPECT_EQ(tokenizer.decode(ids), "hello");
  EXPECT_EQ(tokenizer.decode(ids, {.skip_special_tokens = false}), "<s>hello</s><unk>");
}

TEST(Tokenizer, IdsOutsideTheVocabularyDecodeToNothing) {
  const Tokenizer tokenizer = variant("byte_level");
  EXPECT_EQ(tokenizer.decode(std::vector<std::int32_t>{-1, 1'000'000, 2147483647}), "");
  EXPECT_EQ(tokenizer.token_bytes(-1), "");
  EXPECT_EQ(tokenizer.token_text(1'000'000), "");
  EXPECT_FALSE(tokenizer.is_special(-5));
}

TEST(Tokenizer, TokenBytesOfATextJoinToTheText) {
  const Tokenizer tokenizer = variant("byte_level");
  const std::string text = "naïve 🙂 12";
  std::string joined;
  for (const std::int32_t id : tokenizer.encode(text)) joined += tokenizer.token_bytes(id);
  EXPECT_EQ(joined, text);
}

TEST(Tokenizer, InvalidUtf8IsReadAsReplacementCharacters) {
  for (const char* name : {"byte_level", "nfc", "prepend_replace", "added_tokens"}) {
    const Tokenizer tokenizer = variant(name);
    for (const std::string text :
         {"a\xFFz", "\xC3", "\xE2\x96", "\xF0\x9F\x99", "\xED\xA0\x80", "\xC0\x80 x"}) {
      EXPECT_EQ(tokenizer.encode(text), tokenizer.encode(replace_invalid_utf8(text)));
    }
  }
}

TEST(Tokenizer, RandomBytesNeverYieldASpecialTokenWithoutParsing) {
  std::mt19937 generator(2);
  for (const char* name : {"byte_level", "prepend_replace", "metaspace_first", "llama3"}) {
    const Tokenizer tokenizer = variant(name);
    const auto unknown = tokenizer.spec().unknown;
    for (int round = 0; round < 300; ++round) {
      std::string text;
      for (int i = generator() % 20; i > 0; --i) {
        text += generator() % 3 == 0 ? "</s>" : std::string(1, static_cast<char>(generator()));
      }
      for (const std::int32_t id : tokenizer.encode(text, {.parse_special = false})) {
        EXPECT_TRUE(!tokenizer.is_special(id) || id == unknown) << name << " " << text;
      }
    }
  }
}

TEST(Tokenizer, ThreadsThatShareOneGiveTheSameTokens) {
  const Tokenizer tokenizer = variant("llama3");
  const auto vectors = read_vectors("variants/llama3.vectors");
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&vectors, &count, copy = tokenizer] {
      for (const auto& [text, ids] : vectors) {
        count += copy.encode(text, {.add_special_tokens = true}) != ids;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

// What one merge after another gives, each found by looking at every pair.
std::vector<std::int32_t> merge_plainly(const tokenizer::Spec& spec,
                                        std::vector<std::int32_t> ids) {
  while (true) {
    const tokenizer::Merge* best = nullptr;
    std::size_t place = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      for (const tokenizer::Merge& merge : spec.merges) {
        if (merge.left != ids[i] || merge.right != ids[i + 1]) continue;
        if (best == nullptr || merge.rank < best->rank) {
          best = &merge;
          place = i;
        }
      }
    }
    if (best == nullptr) return ids;
    ids[place] = best->result;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
}

TEST(Bpe, QueueGivesTheSameAsSearchingEveryPair) {
  const Tokenizer tokenizer = variant("byte_level_without_regex");
  const tokenizer::Bpe bpe(tokenizer.spec(), /*byte_level=*/true);
  tokenizer::Bpe::Merging scratch;
  std::mt19937 generator(3);
  for (int round = 0; round < 100; ++round) {
    std::string word;
    std::vector<std::int32_t> symbols;
    for (int i = generator() % 60; i > 0; --i) {
      word += "aeiou thnrs"[generator() % 11];
      symbols.push_back(
          *tokenizer.token_id(word.back() == ' ' ? "Ġ" : std::string(1, word.back())));
    }
    std::vector<std::int32_t> ids;
    bpe.encode(word, &scratch, &ids);
    EXPECT_EQ(ids, merge_plainly(tokenizer.spec(), symbols)) << word;
  }
}

TEST(Tokenizer, MegabyteInOnePreTokenIsEncoded) {
  const Tokenizer tokenizer = variant("byte_level");
  for (const char* unit : {"a", " ", "1", "\n", "ab ", "é"}) {
    std::string text;
    while (text.size() < 1'000'000) text += unit;
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text) << unit;
  }
}

}  // namespace
}  // namespace farthing
