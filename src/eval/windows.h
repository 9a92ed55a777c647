// Windows: a text's tokens cut into pieces that are scored one by one, each with an empty context.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/tokenizer.h"

namespace farthing {

// A text to measure on.
struct EvaluationText {
  std::string text;
  std::string name;    // for reports: the file, or what the built-in excerpt is
  std::string digest;  // XXH3 of 128 bits, hexadecimal (`xxhsum -H128`)
};

// The file's text, or the built-in excerpt of WikiText-2 where there is no file.
Result<EvaluationText> load_text(const std::optional<std::filesystem::path>& file);

// Articles of WikiText-2 that are not in the excerpt.
EvaluationText built_in_calibration_text();

struct WindowOptions {
  int64_t tokens = 16384;  // as many whole windows as fit
  int64_t context = 512;   // tokens of a window
};

// Consecutive windows without overlap (stride = context) and without BOS. The first context - 1
// tokens of a window have a next token inside it: these positions are scored.
class Windows {
 public:
  // Fails where not even one window fits, naming `where` the tokens come from.
  static Result<Windows> cut(std::vector<int32_t> tokens, const WindowOptions& options,
                             const std::string& where);
  // Tokenizes the text up to what is needed, then cuts. `vocabulary_size` is the model's: higher
  // ids are refused.
  static Result<Windows> of_text(const Tokenizer& tokenizer, const EvaluationText& text,
                                 const WindowOptions& options, int64_t vocabulary_size);

  int64_t count() const { return static_cast<int64_t>(tokens_.size()) / context_; }
  int64_t context() const { return context_; }
  int64_t scored() const { return context_ - 1; }  // positions of a window
  int64_t wanted() const {
    return wanted_;
  }  // windows that were asked for; the text may be shorter
  std::span<const int32_t> operator[](int64_t i) const {
    return std::span(tokens_).subspan(static_cast<size_t>(i * context_),
                                      static_cast<size_t>(context_));
  }
  // "32 windows of 512 tokens, no overlap, no BOS, 511 of each scored"
  std::string protocol() const;

 private:
  std::vector<int32_t> tokens_;
  int64_t context_ = 0, wanted_ = 0;
};

}  // namespace farthing
