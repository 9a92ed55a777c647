// Reading, tokenizing and cutting of the text that models are measured on.
#include "eval/windows.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "base/file.h"
#include "eval/built_in_text.h"

namespace farthing {

Result<EvaluationText> load_text(const std::optional<std::filesystem::path>& file) {
  EvaluationText out;
  if (file) {
    out.text = TRY(read_text_file(*file));
    out.name = file->string();
  } else {
    out.text = embedded::wikitext_excerpt;
    out.name = "WikiText-2 (raw, test split), the built-in excerpt";
  }
  out.digest = digest_of(out.text);
  return out;
}

EvaluationText built_in_calibration_text() {
  EvaluationText out;
  out.text = embedded::wikitext_calibration;
  out.name = "WikiText-2 (raw, test split), the built-in calibration articles";
  out.digest = digest_of(out.text);
  return out;
}

Result<Windows> Windows::cut(std::vector<int32_t> tokens, const WindowOptions& options,
                             const std::string& where) {
  if (options.context < 2 || options.tokens < options.context) {
    return fail(
        {.what = "no window can be cut to these sizes",
         .where = where,
         .got = fmt::format("{} tokens in windows of {}", options.tokens, options.context),
         .wanted = "a context of at least 2 tokens, and at least as many tokens as the context has",
         .remedy = "choose other values for --tokens and --context"});
  }
  const int64_t wanted = options.tokens / options.context;
  const int64_t count = std::min(wanted, static_cast<int64_t>(tokens.size()) / options.context);
  if (count == 0) {
    return fail(
        {.what = tokens.empty() ? "the text is empty" : "the text is shorter than one window",
         .where = where,
         .got = fmt::format("{} tokens", tokens.size()),
         .wanted = fmt::format("at least {} tokens, one window", options.context),
         .remedy = "give a longer text with --text, or a smaller --context"});
  }
  Windows out;
  tokens.resize(static_cast<size_t>(count * options.context));
  out.tokens_ = std::move(tokens);
  out.context_ = options.context;
  out.wanted_ = wanted;
  return out;
}

Result<Windows> Windows::of_text(const Tokenizer& tokenizer, const EvaluationText& text,
                                 const WindowOptions& options, int64_t vocabulary_size) {
  // A long text is tokenized in part. Its end was cut anywhere, so the last tokens of the part do
  // not count.
  constexpr size_t uncertain = 64;
  const auto wanted = static_cast<size_t>(std::max<int64_t>(options.tokens, 0)) + uncertain;
  std::vector<int32_t> tokens;
  for (size_t bytes = wanted;; bytes *= 2) {
    const bool whole = bytes >= text.text.size();
    tokens = tokenizer.encode(std::string_view(text.text).substr(0, bytes),
                              {.add_special_tokens = false, .parse_special = false});
    if (whole || tokens.size() >= wanted) break;
  }
  Windows windows = TRY(cut(std::move(tokens), options, text.name));
  const int32_t highest = *std::max_element(windows.tokens_.begin(), windows.tokens_.end());
  if (highest >= vocabulary_size) {
    return fail({.what = "the tokenizer yields tokens that the model does not have",
                 .where = text.name,
                 .got = fmt::format("token {}", highest),
                 .wanted = fmt::format("tokens below {}, the size of the model's vocabulary",
                                       vocabulary_size),
                 .remedy = "use the tokenizer that belongs to the model"});
  }
  return windows;
}

std::string Windows::protocol() const {
  std::string out = fmt::format("{} window{} of {} tokens, no overlap, no BOS, {} of each scored",
                                count(), count() == 1 ? "" : "s", context_, scored());
  if (count() < wanted_)
    out += fmt::format(" (the text is too short for the {} windows asked for)", wanted_);
  return out;
}

}  // namespace farthing
