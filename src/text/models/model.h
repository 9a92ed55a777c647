// The kinds of tokenizer models: what turns a pre-token into tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/json/node.h"
#include "text/pipeline/spec.h"

namespace farthing::tokenizer {

// Immutable and thread-safe.
class Model {
 public:
  // What encode writes to, reused between pre-tokens so that a word allocates nothing.
  struct Scratch {
    virtual ~Scratch() = default;
  };

  virtual ~Model() = default;
  virtual std::unique_ptr<Scratch> make_scratch() const = 0;
  // Appends the tokens of `word`, which is valid UTF-8 (any bytes after ByteLevel where the kind
  // reads bytes).
  virtual void encode(std::string_view word, Scratch* scratch,
                      std::vector<std::int32_t>* ids) const = 0;
};

// One line of models/kinds.inc, defined in the file of its name.
struct ModelKind {
  std::string_view name;     // "type" in tokenizer.json
  bool reads_bytes = false;  // after ByteLevel words are bytes; otherwise they are spelled out
  // Reads the member "model" of tokenizer.json. Ids must be below `limit`.
  Result<void> (*read)(const JsonNode& model, std::size_t limit, Spec* spec);
  // The member "model" of tokenizer.json.
  std::string (*write)(const Spec& spec);
  // Fails on a specification that contradicts itself; `where` names the file.
  Result<std::unique_ptr<Model>> (*make)(const Spec& spec, bool byte_level, std::string_view where);
};

#define FARTHING_TOKENIZER_KIND(name) ModelKind name##_kind();
#include "text/models/kinds.inc"
#undef FARTHING_TOKENIZER_KIND

std::span<const ModelKind> model_kinds();
const ModelKind* find_model_kind(std::string_view name);
// "BPE, Unigram, ...".
std::string model_kind_names();

// A vocabulary that is an object from token to id, into `spec->tokens`.
Result<void> read_vocabulary(const JsonNode& vocab, std::size_t limit, Spec* spec);
// Makes `text` the token `id` of `spec`; `node` is named in the refusal.
Result<void> add_token(const JsonNode& node, std::string text, std::int32_t id, std::size_t limit,
                       Spec* spec);
// The same vocabulary as JSON.
std::string vocabulary_json(const Spec& spec);
// Whether each token may come of a text: special ones are found before the model sees it, or not at
// all.
std::vector<bool> tokens_of_text(const Spec& spec);
// "<0x41>" for 0x41; the byte that such a token stands for, or -1.
std::string byte_token(int byte);
int byte_of_token(std::string_view token);

}  // namespace farthing::tokenizer
