// vocab.json and merges.txt as a tokenizer.
#include <fmt/format.h>

#include "text/files/classes.h"
#include "text/gguf/kinds.h"
#include "text/json/node.h"
#include "text/models/model.h"
#include "text/models/ranked_merges.h"
#include "text/tokenizer_files.h"

namespace farthing {

using namespace tokenizer;  // NOLINT: the parts of a specification

namespace {

constexpr TokenizerClass kClasses[] = {
    {"GPT2Tokenizer", false, false, "<|endoftext|>", "<|endoftext|>", "<|endoftext|>"},
    {"Qwen2Tokenizer", false, false, "", "<|endoftext|>"},
    {"RobertaTokenizer", true, true, "<s>", "</s>", "<unk>"}};

// "left right" in each line, the first line maybe a comment with the version.
Result<std::vector<Merge>> read_merges(std::string_view text, const Spec& spec,
                                       std::string_view where) {
  RankedMerges merges(spec.tokens);
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = take_line(&text);
    if (line.empty() || (number == 1 && line.starts_with("#version"))) continue;
    if (!merges.add(line))
      return fail({.what = "merges.txt does not fit vocab.json",
                   .where = fmt::format("{}, line {} of merges.txt", where, number),
                   .got = fmt::format("\"{}\"", line.substr(0, 100)),
                   .wanted = "two tokens with a space between, which joined are a token too",
                   .remedy = "check that both files come from the same model"});
  }
  return merges.take();
}

}  // namespace

Result<Tokenizer> tokenizer_from_vocab_and_merges(std::string_view vocab_json,
                                                  std::string_view merges, std::string_view where,
                                                  const TokenizerConfig& config) {
  const TokenizerClass kind = TRY(find_tokenizer_class(kClasses, config, where));
  const JsonDocument document = TRY(JsonDocument::parse(vocab_json, where));
  Spec spec;
  TRY(read_vocabulary(document.root(), 2 * document.root().size() + 1024, &spec));
  spec.merges = TRY(read_merges(merges, spec, where));
  if (kind.name == "Qwen2Tokenizer") {
    spec.normalizers = {NormalForm::kNfc};
    for (const std::string& pattern : TRY(gguf_pre_tokenizer("qwen2", where))->patterns)
      spec.pre_tokenizers.emplace_back(Split{.pattern = {pattern, true}});
  }
  spec.pre_tokenizers.emplace_back(
      ByteLevel{.add_prefix_space = config.add_prefix_space.value_or(false),
                .use_regex = spec.pre_tokenizers.empty()});
  spec.decoders = {ByteLevel{}};
  TRY(add_configured_tokens(config, kind, where, &spec));
  spec.unknown.reset();  // every byte is a token
  put_bos_and_eos(config, kind, &spec);
  return make_tokenizer(std::move(spec), where);
}

}  // namespace farthing
