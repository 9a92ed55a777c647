// Fuzz target: a tokenizer.model that holds any bytes, and the tokenizer that comes of it.
#include "base/check.h"
#include "text/tokenizer_files.h"
#include "text/unicode/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = farthing::tokenizer_from_sentencepiece(file, "input");
  if (!tokenizer) return 0;
  const std::string_view text = file.substr(0, 200);
  for (const bool parse_special : {false, true}) {
    const auto ids =
        tokenizer->encode(text, {.add_special_tokens = true, .parse_special = parse_special});
    for (const std::int32_t id : ids) CHECK(id >= 0 && id < tokenizer->vocab_size());
    CHECK(farthing::is_valid_utf8(tokenizer->decode(ids)));
  }
  return 0;
}
