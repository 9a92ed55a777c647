// Tokenizer: text to token ids and back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace farthing {

namespace tokenizer {
struct Spec;
}

struct EncodeOptions {
  bool add_special_tokens = false;  // what the model puts around a text (BOS, EOS)
  bool parse_special = true;  // special tokens that are written out in the text are recognised
};

struct DecodeOptions {
  bool skip_special_tokens = true;
};

// Immutable and thread-safe; copies share everything. Made by tokenizer_from_json
// (text/tokenizer_json.h) or tokenizer_from_gguf (text/tokenizer_gguf.h).
class Tokenizer {
 public:
  // Each invalid part of UTF-8 in `text` is read as U+FFFD. Without `parse_special` no text can
  // yield a special token (added tokens that are not special are recognised all the same).
  std::vector<std::int32_t> encode(std::string_view text, EncodeOptions options = {}) const;

  // The text of `ids`, always valid UTF-8; ids that the vocabulary lacks are left out.
  std::string decode(std::span<const std::int32_t> ids, DecodeOptions options = {}) const;

  // The bytes that a token stands for, maybe part of a character; empty if there is no such token.
  std::string_view token_bytes(std::int32_t id) const;
  // The token as the vocabulary spells it; empty if there is no such token.
  std::string_view token_text(std::int32_t id) const;
  std::optional<std::int32_t> token_id(std::string_view text) const;

  std::int32_t vocab_size() const;  // the highest id + 1, added tokens included
  bool is_special(std::int32_t id) const;
  std::optional<std::int32_t> bos_id() const;
  std::optional<std::int32_t> eos_id() const;

  // What it was made from.
  const tokenizer::Spec& spec() const;

 private:
  friend Result<Tokenizer> make_tokenizer(tokenizer::Spec spec, std::string_view where);
  friend class StreamDecoder;
  struct Parts;
  explicit Tokenizer(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {}
  std::shared_ptr<const Parts> parts_;
};

// Fails on a specification that contradicts itself (ids outside the vocabulary, patterns that do
// not compile); `where` names the file in the error.
Result<Tokenizer> make_tokenizer(tokenizer::Spec spec, std::string_view where);

// Turns tokens into text one at a time, for one stream. What feed and finish return, joined, is
// what decode returns for all the tokens.
class StreamDecoder {
 public:
  // `continues_text`: the tokens follow others, so the space that marks the start of a text is
  // kept.
  explicit StreamDecoder(Tokenizer tokenizer, bool continues_text = false,
                         DecodeOptions options = {});

  // The text that has become certain: whole characters only, often none.
  std::string feed(std::int32_t id);

  // What is left when no more tokens come: an incomplete character, as U+FFFD.
  std::string finish();

 private:
  Tokenizer tokenizer_;
  DecodeOptions options_;
  std::string pending_;            // the start of a character
  std::string if_more_, if_last_;  // the end of the last token, as it is where more follow or not
  std::uint32_t strip_count_;
  bool at_first_token_;
};

}  // namespace farthing
