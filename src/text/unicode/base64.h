// Base64, in which tokenizer.json holds bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace farthing {

// Nothing for what is not base64 with padding (RFC 4648, without line breaks).
std::optional<std::string> decode_base64(std::string_view text);
std::string encode_base64(std::string_view bytes);

}  // namespace farthing
