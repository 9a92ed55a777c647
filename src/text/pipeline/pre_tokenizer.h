// The second stage of a tokenizer: cuts the normalized text into pre-tokens, across which nothing
// is merged.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/pipeline/pattern_matcher.h"
#include "text/pipeline/spec.h"

namespace farthing::tokenizer {

class PreTokenizer {
 public:
  using Sink = std::function<void(std::string_view)>;

  static Result<PreTokenizer> compile(const std::vector<PreTokenizerStep>& steps,
                                      std::string_view where);

  // Calls `sink` with each pre-token in order. `first`: the text is the start of what was given to
  // encode. Byte-level pre-tokens are raw bytes, not spelled as characters.
  void split(std::string_view text, bool first, const Sink& sink) const;

 private:
  struct Compiler;
  struct Step {
    std::optional<PatternMatcher> matcher;  // none: the step does not split
    SplitBehavior behavior = SplitBehavior::kIsolated;
    bool invert = false;
    bool add_prefix_space = false;
    std::optional<Metaspace> metaspace;
  };
  void run(std::size_t step, std::string_view text, bool first, const Sink& sink) const;
  void split_by(std::size_t step, std::string_view text, bool first, const Sink& sink) const;

  std::vector<Step> steps_;
};

}  // namespace farthing::tokenizer
