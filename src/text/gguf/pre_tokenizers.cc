// The pre-tokenizers that GGUF files name.
#include <fmt/format.h>

#include <algorithm>

#include "text/gguf/kinds.h"
#include "text/unicode/utf8.h"

namespace farthing::tokenizer {
namespace {

// Letters of scripts with upper and lower case; punctuation of ASCII and its full-width and
// typographic forms; ideographs, Korean and what lies between. As the tokenizer.json of the models.
constexpr char kDeepSeekLetters[] =
    R"(\s?[A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF})"
    R"(\x{1C4}-\x{293}\x{295}-\x{2AF}\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D})"
    R"(\x{37F}\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3F5})"
    R"(\x{3F7}-\x{481}\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5})"
    R"(\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B})"
    R"(\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D})"
    R"(\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D})"
    R"(\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4})"
    R"(\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC})"
    R"(\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115})"
    R"(\x{2119}-\x{211D}\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139})"
    R"(\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B})"
    R"(\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D})"
    R"(\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E})"
    R"(\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A})"
    R"(\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB})"
    R"(\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF}\x{1E900}-\x{1E943}]+)";
constexpr char kLlama3[] = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
                           R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// What no letter and no digit begins, of gpt-4o and tekken.
constexpr char kOther[] = R"( ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr char kDeepSeekPunctuation[] =
    R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)";
constexpr char kCjk[] = R"([\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+)";

// Words that end where a lower-case letter is followed by an upper-case one, as in "parseHTMLPage".
std::string word_of_cases(const std::string& ending) {
  const std::string before = R"([^\r\n\p{L}\p{N}]?)";
  const std::string upper = R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])";
  const std::string lower = R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])";
  return before + upper + "*" + lower + "+" + ending + "|" + before + upper + "+" + lower + "*" +
         ending + "|";
}

// Source: llama.cpp, llm_tokenizer_bpe; Hugging Face's files of the models. A file without the
// field gets the default.
const std::vector<PreTokenizerRecipe>& recipes() {
  static const auto* const list = new std::vector<PreTokenizerRecipe>{
      {.names = {"gpt-2", "mpt", "olmo", "phi-2", "roberta-bpe", "jina-v2-es", "jina-v2-de"},
       .patterns = {}},
      {.names = {"default", ""},
       .patterns = {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Pattern, R"(\p{N}+)", "[0-9][0-9][0-9]"},
       .gpt2_pattern_last = false},
      {.names = {"smollm", "starcoder", "refact", "command-r", "codeshell"},
       .patterns = {R"(\p{N})"}},
      {.names = {"llama-bpe", "llama3", "llama-v3"},
       .patterns = {kLlama3},
       .gpt2_pattern_last = false,
       .ignore_merges = true,
       .add_bos = true},
      {.names = {"dbrx", "smaug-bpe"}, .patterns = {kLlama3}, .gpt2_pattern_last = false},
      {.names = {"qwen2", "deepseek-r1-qwen", "stablelm2"},
       .patterns = {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
                    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
       .gpt2_pattern_last = false},
      {.names = {"falcon"},
       .patterns = {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2Pattern, "[0-9][0-9][0-9]"},
       .gpt2_pattern_last = false},
      {.names = {"deepseek-coder"},
       .patterns = {"[\r\n]", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kCjk, R"(\p{N})"},
       .gpt2_pattern_last = false},
      {.names = {"deepseek-llm"},
       .patterns = {"[\r\n]", kDeepSeekLetters, kDeepSeekPunctuation, R"(\s+$)", kCjk, R"(\p{N}+)"},
       .gpt2_pattern_last = false},
      {.names = {"deepseek-v3"},
       .patterns = {R"(\p{N}{1,3})", R"([\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)",
                    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|)"
                    R"([^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|)"
                    R"( ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
       .gpt2_pattern_last = false},
      {.names = {"gpt-4o", "llama4"},
       .patterns = {word_of_cases("(?i:'s|'t|'re|'ve|'m|'ll|'d)?") + R"(\p{N}{1,3}|)" + kOther},
       .gpt2_pattern_last = false},
      {.names = {"tekken"},
       .patterns = {word_of_cases("") + R"(\p{N}|)" + kOther},
       .gpt2_pattern_last = false,
       .ignore_merges = true,
       .add_bos = true},
  };
  return *list;
}

// A pattern whose characters beyond ASCII are written by their numbers, as those above.
std::string with_numbers(std::string_view pattern) {
  std::string out;
  while (!pattern.empty()) {
    const std::size_t bytes = utf8_character_bytes(pattern[0]);
    if (bytes == 1) {
      out += pattern[0];
    } else {
      unsigned character = static_cast<unsigned char>(pattern[0]) & (0xFFu >> (bytes + 1));
      for (std::size_t i = 1; i < bytes; ++i)
        character = character << 6 | (static_cast<unsigned char>(pattern[i]) & 0x3Fu);
      out += fmt::format("\\x{{{:X}}}", character);
    }
    pattern.remove_prefix(bytes);
  }
  return out;
}

}  // namespace

std::string known_gguf_pre_tokenizers() {
  std::vector<std::string_view> names;
  for (const PreTokenizerRecipe& recipe : recipes()) {
    for (const std::string_view name : recipe.names) {
      if (!name.empty()) names.push_back(name);
    }
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string gguf_pre_tokenizer_name(const std::vector<std::string>& patterns, bool ignore_merges) {
  for (const PreTokenizerRecipe& recipe : recipes()) {
    std::vector<std::string> own = recipe.patterns;
    if (recipe.gpt2_pattern_last) own.emplace_back(kGpt2Pattern);
    if (recipe.ignore_merges == ignore_merges &&
        std::equal(own.begin(), own.end(), patterns.begin(), patterns.end(),
                   [](const std::string& a, const std::string& b) { return a == with_numbers(b); }))
      return std::string(recipe.names.front());
  }
  return {};
}

Result<const PreTokenizerRecipe*> gguf_pre_tokenizer(std::string_view name,
                                                     std::string_view where) {
  for (const PreTokenizerRecipe& recipe : recipes()) {
    if (std::find(recipe.names.begin(), recipe.names.end(), name) != recipe.names.end())
      return &recipe;
  }
  return fail({.what = "the GGUF file names a pre-tokenizer that is not known",
               .where = fmt::format("{}, tokenizer.ggml.pre", where),
               .got = fmt::format("\"{}\"", name),
               .wanted = fmt::format("one of {}", known_gguf_pre_tokenizers()),
               .remedy =
                   "convert from the Hugging Face directory of the model, whose tokenizer.json "
                   "describes its pre-tokenizer"});
}

}  // namespace farthing::tokenizer
