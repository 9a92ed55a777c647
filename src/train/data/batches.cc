// Pieces of documents in a shuffled order, put together into batches.
#include <algorithm>

#include "base/check.h"
#include "base/random.h"
#include "train/data/data.h"

namespace farthing {

Batches::Batches(std::vector<std::vector<Document>> sources, std::vector<double> weights,
                 Options options)
    : options_(options) {
  CHECK(sources.size() == weights.size() && !sources.empty());
  for (size_t s = 0; s < sources.size(); ++s) {
    Source source{
        .documents = std::move(sources[s]), .pieces = {}, .order = {}, .weight = weights[s]};
    const int64_t most = std::min(options_.context, options_.batch_tokens);
    for (size_t d = 0; d < source.documents.size(); ++d) {
      const auto inputs = static_cast<int64_t>(source.documents[d].tokens.size()) - 1;
      for (int64_t begin = 0; begin < inputs; begin += most)
        source.pieces.push_back({static_cast<int32_t>(d), begin, std::min(begin + most, inputs)});
    }
    CHECK(!source.pieces.empty());
    sources_.push_back(std::move(source));
    shuffle(sources_.back(), s);
  }
}

void Batches::shuffle(Source& source, uint64_t stream) {
  source.order = source.pieces;
  const uint64_t epoch_stream = (stream << 32) + source.epoch;
  for (size_t i = source.order.size(); i > 1; --i)
    std::swap(source.order[i - 1], source.order[random_bits(options_.seed, epoch_stream, i) % i]);
  source.next = 0;
}

// The first of those that are furthest behind.
Batches::Source& Batches::behind() {
  Source* least = &sources_[0];
  for (Source& source : sources_)
    if (source.used / source.weight < least->used / least->weight) least = &source;
  return *least;
}

Batches::Batch Batches::next() {
  Batch out;
  int64_t total = 0;
  for (;;) {
    Source& source = behind();
    const Piece piece = source.order[source.next];
    const int64_t count = piece.end - piece.begin;
    if (total + count > options_.batch_tokens) return out;  // it begins the next batch
    const Document& d = source.documents[static_cast<size_t>(piece.document)];
    out.tokens.emplace_back(d.tokens.begin() + piece.begin, d.tokens.begin() + piece.end);
    std::vector<int32_t>& targets = out.targets.emplace_back();
    for (int64_t i = piece.begin + 1; i <= piece.end; ++i) {
      const bool counts = d.counts[static_cast<size_t>(i)];
      targets.push_back(counts ? d.tokens[static_cast<size_t>(i)] : -1);
      out.counted += counts;
    }
    total += count;
    source.used += static_cast<double>(count);
    if (++source.next == source.order.size()) {
      ++source.epoch;
      shuffle(source, static_cast<uint64_t>(&source - sources_.data()));
    }
  }
}

void Batches::skip(int64_t count) {
  for (int64_t i = 0; i < count; ++i) next();
}

int64_t Batches::epoch_tokens() const {
  int64_t sum = 0;
  for (const Source& source : sources_)
    for (const Piece& piece : source.pieces) sum += piece.end - piece.begin;
  return sum;
}

std::vector<TrainingSequence> Batches::Batch::sequences() const {
  std::vector<TrainingSequence> out;
  for (size_t i = 0; i < tokens.size(); ++i) out.push_back({tokens[i], targets[i]});
  return out;
}

}  // namespace farthing
