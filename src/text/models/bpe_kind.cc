// BPE as a kind of tokenizer: its part of tokenizer.json, read and written.
#include <fmt/format.h>

#include <algorithm>

#include "text/json/steps.h"
#include "text/models/bpe.h"
#include "text/models/ranked_merges.h"

namespace farthing::tokenizer {
namespace {

Result<void> read_merges(const JsonNode& model, Spec* spec) {
  const JsonNode list = TRY(model.at("merges"));
  TRY(list.check_list());
  RankedMerges merges(spec->tokens);
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto line = list.string_at(i);  // "left right"
    const auto pair = list.pair_at(i);
    if (!(line && merges.add(*line)) && !(pair && merges.add(pair->first, pair->second)))
      return list.element(i).refuse("two tokens of the vocabulary, which joined are a token too");
  }
  spec->merges = merges.take();
  return {};
}

Result<void> read(const JsonNode& model, std::size_t limit, Spec* spec) {
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.has(key)) continue;
    const JsonNode option = TRY(model.at(key));
    if (!option.is_zero_or_empty()) {
      return option.refuse("nothing: this option of BPE is not supported");
    }
  }
  TRY(read_vocabulary(TRY(model.at("vocab")), limit, spec));
  TRY(read_merges(model, spec));
  spec->fuse_unknown = TRY(model.boolean("fuse_unk", false));
  spec->byte_fallback = TRY(model.boolean("byte_fallback", false));
  spec->ignore_merges = TRY(model.boolean("ignore_merges", false));
  if (model.has("unk_token")) {
    const std::string unknown = TRY(model.text("unk_token"));
    const auto found = std::find(spec->tokens.begin(), spec->tokens.end(), unknown);
    if (found == spec->tokens.end() || unknown.empty())
      return TRY(model.at("unk_token")).refuse("a token of the vocabulary");
    spec->unknown = static_cast<std::int32_t>(found - spec->tokens.begin());
  }
  return {};
}

std::string write(const Spec& spec) {
  std::vector<std::string> merges;
  for (const Merge& merge : spec.merges) {
    merges.push_back(
        fmt::format("[{}, {}]", quoted(spec.tokens[merge.left]), quoted(spec.tokens[merge.right])));
  }
  return fmt::format(
      R"({{"type": "BPE", "dropout": null, "unk_token": {}, "continuing_subword_prefix": null, )"
      R"("end_of_word_suffix": null, "fuse_unk": {}, "byte_fallback": {}, "ignore_merges": {},)"
      "\n    \"vocab\": {},\n    \"merges\": [{}]}}",
      spec.unknown ? quoted(spec.tokens[*spec.unknown]) : "null", spec.fuse_unknown,
      spec.byte_fallback, spec.ignore_merges, vocabulary_json(spec),
      fmt::join(merges, ",\n      "));
}

Result<std::unique_ptr<Model>> make(const Spec& spec, bool byte_level, std::string_view where) {
  const auto count = static_cast<std::int32_t>(spec.tokens.size());
  for (const Merge& merge : spec.merges) {
    for (const std::int32_t id : {merge.left, merge.right, merge.result}) {
      if (id >= 0 && id < count) continue;
      return fail({.what = "the tokenizer names a token that is outside its vocabulary",
                   .where = fmt::format("{}, merges", where),
                   .got = fmt::format("token {}", id),
                   .wanted = fmt::format("0 to {}", count - 1),
                   .remedy = "check that the tokenizer file is complete and unmodified"});
    }
  }
  return std::make_unique<Bpe>(spec, byte_level);
}

}  // namespace

ModelKind bpe_kind() {
  return {.name = "BPE", .reads_bytes = true, .read = read, .write = write, .make = make};
}

}  // namespace farthing::tokenizer
