// Stop tokens by keys and by texts.
#include "model/gguf/stop_tokens.h"

#include <algorithm>
#include <string>

#include "io/gguf/gguf_metadata.h"

namespace farthing {
namespace {

// What families call the end of a text, of a turn, of a message, of a tool's call.
constexpr std::string_view ends[] = {
    "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|im_end|>",
    "<|end|>",       "<end_of_turn>",   "<|return|>", "<|call|>",   "[EOT]"};

}  // namespace

Result<std::vector<int64_t>> stop_tokens_from_gguf(const GgufMetadata& metadata) {
  std::vector<int64_t> out;
  const auto add = [&out](int64_t id) {
    if (std::find(out.begin(), out.end(), id) == out.end()) out.push_back(id);
  };
  for (const char* key : {"eos_token_id", "eot_token_id", "eom_token_id"}) {
    const std::string name = std::string("tokenizer.ggml.") + key;
    if (metadata.has(name)) add(static_cast<int64_t>(TRY(metadata.integer(name))));
  }
  if (!metadata.has("tokenizer.ggml.tokens")) return out;
  const auto tokens = TRY(metadata.strings("tokenizer.ggml.tokens"));
  const auto id_of = [&tokens](std::string_view text) {
    return std::find(tokens.begin(), tokens.end(), text) - tokens.begin();
  };
  const auto count = static_cast<int64_t>(tokens.size());
  // Harmony's messages end with <|end|>, and the text goes on.
  const bool harmony = id_of("<|return|>") < count && id_of("<|call|>") < count;
  for (const std::string_view end : ends) {
    const int64_t id = id_of(end);
    if (id < count && !(harmony && end == "<|end|>")) add(id);
  }
  return out;
}

}  // namespace farthing
