// WordLevel: each pre-token is a token or is unknown.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "text/json/steps.h"
#include "text/models/model.h"

namespace farthing::tokenizer {
namespace {

class WordLevel : public Model {
 public:
  explicit WordLevel(const Spec& spec) : unknown_(spec.unknown.value_or(-1)) {
    const std::vector<bool> of_text = tokens_of_text(spec);
    for (std::size_t i = 0; i < spec.tokens.size(); ++i) {
      if (of_text[i] && !spec.tokens[i].empty())
        ids_.emplace(spec.tokens[i], static_cast<std::int32_t>(i));
    }
  }

  std::unique_ptr<Scratch> make_scratch() const override { return std::make_unique<Scratch>(); }

  void encode(std::string_view word, Scratch*, std::vector<std::int32_t>* ids) const override {
    const auto found = ids_.find(std::string(word));
    if (found != ids_.end()) {
      ids->push_back(found->second);
    } else if (unknown_ >= 0) {
      ids->push_back(unknown_);
    }
  }

 private:
  std::unordered_map<std::string, std::int32_t> ids_;
  std::int32_t unknown_;
};

Result<void> read(const JsonNode& model, std::size_t limit, Spec* spec) {
  TRY(read_vocabulary(TRY(model.at("vocab")), limit, spec));
  const std::string unknown = TRY(model.text("unk_token"));
  const auto found = std::find(spec->tokens.begin(), spec->tokens.end(), unknown);
  if (found != spec->tokens.end())
    spec->unknown = static_cast<std::int32_t>(found - spec->tokens.begin());
  return {};
}

std::string write(const Spec& spec) {
  return fmt::format(R"({{"type": "WordLevel", "unk_token": {}, "vocab": {}}})",
                     spec.unknown ? quoted(spec.tokens[*spec.unknown]) : "\"<unk>\"",
                     vocabulary_json(spec));
}

Result<std::unique_ptr<Model>> make(const Spec& spec, bool, std::string_view) {
  return std::make_unique<WordLevel>(spec);
}

}  // namespace

ModelKind wordlevel_kind() {
  return {.name = "WordLevel", .read = read, .write = write, .make = make};
}

}  // namespace farthing::tokenizer
