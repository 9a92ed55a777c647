// What a tokenizer consists of, as plain data: what the readers of tokenizer files produce.
#pragma once

#include <any>
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
enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
struct Lowercase {};
struct StripSpaces {  // Strip among the normalizers
  bool left = true, right = true;
};
struct StripAccents {};  // every combining mark; after NFD
struct BertNormalizer {
  bool clean_text = true, handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;
};
// SentencePiece's map from characters to text.
struct Precompiled {
  std::string charsmap;           // length of the trie, the trie, texts that end with a zero
  bool longest_match = false;     // as SentencePiece; otherwise as Hugging Face
  std::vector<std::string> kept;  // left as they are, as SentencePiece does tokens of the user
};
struct Nmt {};
struct SpellBytes {};  // ByteLevel among the normalizers
// SentencePiece's own treatment of spaces, which knows where the whole text begins and ends.
struct SentencePieceSpaces {
  bool add_prefix = true;     // U+2581 before the text
  bool remove_extra = false;  // at the ends, and all but one of a run
};
using NormalizerStep =
    std::variant<Prepend, Replace, NormalForm, Lowercase, StripSpaces, StripAccents, BertNormalizer,
                 Precompiled, Nmt, SpellBytes, SentencePieceSpaces>;

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
struct Whitespace {};       // runs of word characters, and of others that are not white space
struct WhitespaceSplit {};  // between white space
struct Punctuation {
  SplitBehavior behavior = SplitBehavior::kIsolated;
};
struct BertPreTokenizer {};  // WhitespaceSplit, then Punctuation
using PreTokenizerStep = std::variant<Split, Digits, ByteLevel, Metaspace, Whitespace,
                                      WhitespaceSplit, Punctuation, BertPreTokenizer>;

struct ByteFallback {};
struct Fuse {};
struct Strip {
  std::string content;  // one character
  std::uint32_t start = 0, stop = 0;
};
struct WordPieceDecoder {
  std::string prefix = "##";
  bool cleanup = true;  // no space before full stops and English contractions
};
struct BpeDecoder {
  std::string suffix = "</w>";  // becomes a space, of the last token nothing
};
using DecoderStep = std::variant<ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace,
                                 WordPieceDecoder, BpeDecoder>;

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
  std::string kind = "BPE";         // a name of models/kinds.inc
  std::vector<std::string> tokens;  // by id, spelled as in the file; empty: no such token
  std::vector<Merge> merges;        // of BPE, in ascending rank
  std::any model;                   // what only its kind knows: see models/
  std::optional<std::int32_t> unknown;
  bool fuse_unknown = false;   // a run of unknown characters is one token
  bool byte_fallback = false;  // an unknown character becomes its bytes' tokens <0xNN>
  bool ignore_merges = false;  // a pre-token that is a token is not merged
  // SentencePiece's tokens of the user: taken whole wherever the normalized text holds them.
  std::vector<std::int32_t> whole;
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
