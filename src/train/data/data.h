// Training data: files, their documents as tokens, and batches of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "text/tokenizer.h"
#include "train/recipe/recipe.h"

namespace farthing {

// Consecutive tokens of one document; counts[i]: the loss counts predicting token i (not for a
// prompt's tokens).
struct Document {
  std::vector<int32_t> tokens;
  std::vector<bool> counts;
};

// A source's documents, and the digest of its file.
struct Documents {
  std::vector<Document> documents;
  std::string digest;
};

// Reads a source, with the tokenizer's begin and end tokens around each document.
//   text:   UTF-8; documents end at "<|endoftext|>"; without one the file is one document
//   jsonl:  a line is {"text": ...}; {"prompt": ..., "response": ...}, of which only the response
//           counts; or {"messages": [...]}, rendered by the chat template: only what the assistant
//           wrote counts. A file *.json may hold one array of texts or of the first two.
//   tokens: little-endian unsigned 16-bit ids, one document
// Fails on files without tokens, ids outside the vocabulary, and lines that are none of these.
// `chat_template`: the model's, or empty.
Result<Documents> read_documents(const DataSource& source, const Tokenizer& tokenizer,
                                 int64_t vocabulary, const std::string& chat_template,
                                 Progress& progress);

// Hands out batch after batch; the n-th is a function of (documents, weights, seed, n) alone. Each
// document is its own sequence, cut where it is longer than the context; sequences are put
// together, without padding, up to `batch_tokens`. Each source is shuffled anew when it has been
// used up; of several, the one that is furthest behind its weight comes next.
class Batches {
 public:
  struct Options {
    int64_t context, batch_tokens;
    uint64_t seed;
  };
  Batches(std::vector<std::vector<Document>> sources, std::vector<double> weights, Options options);

  struct Batch {
    std::vector<std::vector<int32_t>> tokens, targets;  // of each sequence; -1: not counted
    int64_t counted = 0;                                // targets that are not -1
    std::vector<TrainingSequence> sequences() const;
  };
  Batch next();
  // As `count` calls of next().
  void skip(int64_t count);
  // Tokens that can be predicted, of all sources once.
  int64_t epoch_tokens() const;

 private:
  struct Piece {
    int32_t document;
    int64_t begin, end;  // inputs; targets are one further
  };
  struct Source {
    std::vector<Document> documents;
    std::vector<Piece> pieces, order;
    double weight, used = 0;  // tokens handed out
    size_t next = 0;
    uint64_t epoch = 0;
  };
  void shuffle(Source& source, uint64_t stream);
  Source& behind();

  std::vector<Source> sources_;
  Options options_;
};

}  // namespace farthing
