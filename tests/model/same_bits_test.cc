// A token's logits depend on the tokens up to it alone: equal bits however they are computed, and
// committed digests.
#include <xxhash.h>

#include <cstdio>
#include <cstring>
#include <map>

#include "base/cpu.h"
#include "model/support/models.h"

namespace farthing {
namespace {

const std::string schemes[] = {
    "f32",  "bf16", "int8_row", "int4_g32", "int4_g128_asym", "int4_g128@int8_block32",
    "q4_0", "q8_0"};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.empty() || a.size() != b.size()) return a.size() == b.size();
  return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

class SameBits : public ::testing::TestWithParam<std::string> {};

// Beyond 256 positions attention merges partitions.
TEST_P(SameBits, PromptChunksAndDecodeAgree) {
  ContextOwner owner(2, choose_isa().value());
  const auto model = testing::stories260k(owner.get(), GetParam());
  const auto tokens = testing::some_tokens(300, model->config().vocabulary_size);
  const auto prompt = testing::logits_of(owner.get(), *model, tokens, tokens.size());
  for (const size_t piece : {1, 3, 17, 64, 256})
    EXPECT_TRUE(same_bits(prompt, testing::logits_of(owner.get(), *model, tokens, piece))) << piece;
}

TEST_P(SameBits, LastRowsAloneAreTheLastRowsOfAll) {
  ContextOwner owner(1, choose_isa().value());
  const auto model = testing::stories260k(owner.get(), GetParam());
  const int64_t vocabulary = model->config().vocabulary_size;
  const auto tokens = testing::some_tokens(21, vocabulary);
  const auto all = testing::logits_of(owner.get(), *model, tokens, tokens.size());
  for (const int64_t rows : {0, 1, 5}) {
    Sequence sequence = model->new_sequence(21);
    std::vector<float> last(static_cast<size_t>(5 * vocabulary), 7.0f);
    model->forward(owner.get(), sequence, tokens, {last.data(), rows, vocabulary, vocabulary});
    const auto size = static_cast<std::ptrdiff_t>(rows * vocabulary);
    const std::vector<float> wanted(all.end() - size, all.end());
    last.resize(wanted.size());
    EXPECT_TRUE(same_bits(last, wanted)) << rows;
    EXPECT_EQ(sequence.length, 21);
  }
}

TEST_P(SameBits, ThreadsDoNotMatter) {
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    ContextOwner owner(threads, choose_isa().value());
    const auto model = testing::stories260k(owner.get(), GetParam());
    const auto tokens = testing::some_tokens(33, model->config().vocabulary_size);
    auto logits = testing::logits_of(owner.get(), *model, tokens, 11);
    if (first.empty())
      first = std::move(logits);
    else
      EXPECT_TRUE(same_bits(first, logits)) << threads;
  }
}

TEST_P(SameBits, SequencesDoNotDisturbEachOther) {
  ContextOwner owner(2, choose_isa().value());
  const auto model = testing::stories260k(owner.get(), GetParam());
  const int64_t vocabulary = model->config().vocabulary_size;
  const auto tokens = testing::some_tokens(12, vocabulary);
  const auto alone = testing::logits_of(owner.get(), *model, tokens, 1);
  Sequence ours = model->new_sequence(12), other = model->new_sequence(40);
  std::vector<float> logits(alone.size()), ignored(static_cast<size_t>(vocabulary));
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto begin = i * static_cast<size_t>(vocabulary);
    model->forward(owner.get(), ours, {&tokens[i], 1}, {&logits[begin], 1, vocabulary, vocabulary});
    const std::vector<int32_t> noise(3, static_cast<int32_t>(i * 5 + 2));
    model->forward(owner.get(), other, noise, {ignored.data(), 1, vocabulary, vocabulary});
  }
  EXPECT_TRUE(same_bits(alone, logits));
}

// Made on a machine with AVX-512; every instruction set must give them.
TEST_P(SameBits, EveryInstructionSetGivesTheCommittedDigest) {
  const std::map<std::string, uint64_t> digests = {
#include "model/data/logits_digests.inc"
  };
  for (const Isa isa : supported_isas()) {
    ContextOwner owner(2, isa);
    const auto model = testing::stories260k(owner.get(), GetParam());
    for (const LinearInfo& linear : model->linears())
      EXPECT_LE(linear.kernel->isa, isa) << linear.name;
    const auto tokens = testing::some_tokens(270, model->config().vocabulary_size);
    const auto logits = testing::logits_of(owner.get(), *model, tokens, tokens.size());
    const uint64_t digest = XXH3_64bits(logits.data(), logits.size() * sizeof(float));
    const auto expected = digests.find(GetParam());
    if (expected == digests.end()) {
      ADD_FAILURE() << "no digest for {\"" << GetParam() << "\", 0x" << std::hex << digest << "u},";
    } else {
      EXPECT_EQ(digest, expected->second)
          << "{\"" << GetParam() << "\", 0x" << std::hex << digest << "u}, by " << isa_name(isa);
    }
  }
  for (const Isa isa : {Isa::portable, Isa::avx2, Isa::avx512})
    if (!isa_supported(isa))
      std::printf("not run on this machine: %s\n", std::string(isa_name(isa)).c_str());
}

INSTANTIATE_TEST_SUITE_P(All, SameBits, ::testing::ValuesIn(schemes), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '@', '_');
  return name;
});

}  // namespace
}  // namespace farthing
