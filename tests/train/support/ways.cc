// Running sequences in groups, step by step.
#include "train/support/ways.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "autograd/tape.h"
#include "engine/support/requests.h"
#include "model/support/models.h"
#include "ops/softmax.h"

namespace farthing::testing {
namespace {

constexpr size_t batches[] = {1, 3, 17};

// What one call of the model brings for one sequence; the last `padding` tokens are not its own.
struct Part {
  Sequence* sequence;
  std::vector<int32_t> tokens;
  size_t padding;
  std::vector<float>* to;
};

void run_parts(const Way& way, Context& context, const Model& model,
               const std::vector<Part>& parts) {
  const Workspace::Mark mark(context.workspace);
  std::vector<SequenceTokens> batch;
  int64_t rows = 0;
  for (const Part& part : parts) {
    const auto count = static_cast<int64_t>(part.tokens.size());
    batch.push_back({part.sequence, part.tokens, count});
    rows += count;
  }
  const int64_t vocabulary = model.config().vocabulary_size;
  const auto out = context.workspace.take_rows<float>(rows, vocabulary);
  autograd::Value logits{context.workspace.take_rows<float>(rows, vocabulary)};
  Tape tape(way.checkpointing);
  if (way.taped) {
    logits.gradient = context.workspace.take_rows<float>(rows, vocabulary);
    std::fill_n(logits.gradient.data, rows * vocabulary, 0.0f);
    context.tape = &tape;
  }
  model.run(context, batch, logits);
  context.tape = nullptr;
  ops::log_softmax_forward(context, logits.data, out);
  tape.run_backward(context);
  const float* from = out.data;
  for (const Part& part : parts) {
    const auto real = static_cast<int64_t>(part.tokens.size() - part.padding) * vocabulary;
    part.to->insert(part.to->end(), from, from + real);
    from += static_cast<int64_t>(part.tokens.size()) * vocabulary;
  }
}

void run_group(const Way& way, Context& context, const Model& model, KvCodec codec,
               std::span<const std::vector<int32_t>> tokens, std::span<std::vector<float>> to) {
  size_t longest = 0;
  for (const auto& t : tokens) longest = std::max(longest, t.size());
  // a batch of one is padded too
  if (way.padded) longest = std::min<size_t>(longest + 2, model.config().max_positions);
  const size_t piece = way.piece == 0 ? longest : way.piece;
  const auto pool = std::make_shared<KvPool>(model.kv_layout(codec));
  std::vector<Sequence> sequences;
  for (size_t i = 0; i < tokens.size(); ++i)
    sequences.push_back(model.new_sequence(pool, static_cast<int64_t>(longest)));
  for (size_t begin = 0; begin < longest; begin += piece) {
    std::vector<Part> parts;
    for (size_t i = 0; i < tokens.size(); ++i) {
      std::vector<int32_t> own = tokens[i];
      if (way.padded) own.resize(longest, 0);
      if (begin >= own.size()) continue;
      const auto first = own.begin() + static_cast<int64_t>(begin);
      const auto count = static_cast<int64_t>(std::min(piece, own.size() - begin));
      parts.push_back(
          {&sequences[i], {first, first + count}, own.size() - tokens[i].size(), &to[i]});
    }
    run_parts(way, context, model, parts);
  }
}

bool same_bits(const float* a, const float* b, size_t count) {
  return count == 0 || std::memcmp(a, b, count * sizeof(float)) == 0;
}

}  // namespace

std::string name_of(const Way& way) {
  return fmt::format("batches of {}{}{}{}{}", way.batch,
                     way.piece == 0 ? "" : fmt::format(" in pieces of {}", way.piece),
                     way.padded ? ", padded" : "", way.taped ? ", with a tape" : "",
                     way.checkpointing ? ", checkpointing" : "");
}

std::vector<Way> serving_ways() {
  std::vector<Way> out;
  for (const size_t batch : batches) {
    for (const size_t piece : {0, 17, 3, 1}) out.push_back({.batch = batch, .piece = piece});
    out.push_back({.batch = batch, .padded = true});
  }
  return out;
}

std::vector<Way> training_ways() {
  std::vector<Way> out;
  for (const size_t batch : batches) {
    out.push_back({.batch = batch, .taped = true});
    out.push_back({.batch = batch, .padded = true, .taped = true});
    out.push_back({.batch = batch, .taped = true, .checkpointing = true});
  }
  return out;
}

LogProbabilities log_probabilities(const Way& way, Context& context, const Model& model,
                                   KvCodec codec, const Sequences& sequences) {
  CHECK(way.piece == 0 || (!way.padded && !way.taped));
  LogProbabilities out(sequences.size());
  for (size_t begin = 0; begin < sequences.size(); begin += way.batch) {
    const size_t count = std::min(way.batch, sequences.size() - begin);
    run_group(way, context, model, codec, std::span(sequences).subspan(begin, count),
              std::span(out).subspan(begin, count));
  }
  return out;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && same_bits(a.data(), b.data(), a.size());
}

bool same_bits(const LogProbabilities& a, const LogProbabilities& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return same_bits(x, y); });
}

std::vector<std::vector<float>> of_next_tokens(const LogProbabilities& of,
                                               const Sequences& sequences) {
  std::vector<std::vector<float>> out(sequences.size());
  for (size_t i = 0; i < sequences.size(); ++i) {
    const size_t vocabulary = of[i].size() / sequences[i].size();
    for (size_t t = 1; t < sequences[i].size(); ++t)
      out[i].push_back(of[i][(t - 1) * vocabulary + static_cast<size_t>(sequences[i][t])]);
  }
  return out;
}

void expect_requests_give(const LogProbabilities& wanted, Context& context, const Model& model,
                          KvCodec codec, const Sequences& sequences, int64_t batch,
                          int64_t step_tokens) {
  const auto engine = new_engine(
      context, model,
      {.kv_cache_dtype = codec, .max_num_seqs = batch, .max_num_batched_tokens = step_tokens});
  std::vector<Request> requests;
  for (size_t i = 0; i < sequences.size(); ++i)
    requests.push_back(
        {.prompt = sequences[i], .most_tokens = 1, .stream = i, .prompt_log_probabilities = true});
  const auto made = run_all(*engine, requests, in_order(requests.size()));
  const auto next = of_next_tokens(wanted, sequences);
  for (size_t i = 0; i < sequences.size(); ++i) {
    EXPECT_TRUE(same_bits(made[i].prompt, next[i])) << "prompt " << i << ", batch " << batch;
    ASSERT_EQ(made[i].ids.size(), 1u);
    const size_t vocabulary = wanted[i].size() / sequences[i].size();
    const float* last = &wanted[i][wanted[i].size() - vocabulary];
    EXPECT_TRUE(same_bits(&made[i].log_probabilities[0], last + made[i].ids[0], 1))
        << "sampled " << i << ", batch " << batch;
  }
}

Sequences seventeen_sequences(int32_t vocabulary) {
  Sequences out;
  for (const size_t size : {70, 1, 9, 2, 17, 5, 3, 1, 4, 12, 2, 6, 1, 8, 3, 2, 5}) {
    out.push_back(some_tokens(size, vocabulary));
    // each its own
    for (int32_t& token : out.back())
      token = (token + 5 * static_cast<int32_t>(out.size())) % vocabulary;
  }
  return out;
}

}  // namespace farthing::testing
