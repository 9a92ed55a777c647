// What a tokenizer consists of, as plain data: what the readers of tokenizer files produce.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace farthing::tokenizer {

// The names are those of Hugging Face's tokenizer.json.

struct Pattern {
  std::string text;
  bool is_regex = false;  // otherwise literal
};

struct Prepend {
  std::string text;
};
struct Replace {
  Pattern pattern;
  std::string content;
};
struct Nfc {};
using NormalizerStep = std::variant<Prepend, Replace, Nfc>;

enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
enum class PrependScheme { kAlways, kFirst, kNever };

struct Split {
  Pattern pattern;
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;
};
struct Digits {
  bool individual = false;
};
struct ByteLevel {
  bool add_prefix_space = false;
  bool use_regex = true;  // split by GPT-2's pattern first
};
struct Metaspace {
  std::string replacement = "\xE2\x96\x81";  // U+2581
  PrependScheme prepend = PrependScheme::kAlways;
  bool split = true;
};
using PreTokenizerStep = std::variant<Split, Digits, ByteLevel, Metaspace>;

struct ByteFallback {};
struct Fuse {};
struct Strip {
  std::string content;  // one character
  std::uint32_t start = 0;
};
using DecoderStep = std::variant<ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace>;

struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool special = false;
  bool lstrip = false, rstrip = false;  // takes the white space on that side with it
  bool single_word = false;             // not inside a word
  bool normalized = false;              // looked for in the normalized text
};

struct Merge {
  std::int32_t left, right, result;
  std::uint32_t rank;  // lower is merged first; equal ranks from left to right
};

struct Spec {
  std::vector<std::string> tokens;  // by id, spelled as in the file; empty: no such token
  std::vector<Merge> merges;        // in ascending rank
  std::optional<std::int32_t> unknown;
  bool fuse_unknown = false;   // a run of unknown characters is one token
  bool byte_fallback = false;  // an unknown character becomes its bytes' tokens <0xNN>
  bool ignore_merges = false;  // a pre-token that is a token is not merged
  std::vector<AddedToken> added;
  std::vector<NormalizerStep> normalizers;
  std::vector<PreTokenizerStep> pre_tokenizers;  // a ByteLevel can only be the last
  std::vector<DecoderStep> decoders;             // empty: tokens joined by spaces
  std::vector<std::int32_t> prefix, suffix;      // what add_special_tokens puts around a text
  std::optional<std::int32_t> bos, eos;
  std::string json;  // the tokenizer.json that it was read from; empty if from elsewhere
};

inline constexpr char kGpt2Pattern[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace farthing::tokenizer
