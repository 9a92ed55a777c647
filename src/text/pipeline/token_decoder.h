// The last stage of a tokenizer: from tokens back to bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/pipeline/normalizer.h"
#include "text/pipeline/spec.h"

namespace farthing::tokenizer {

// A chain of decoder steps, reduced to the bytes of each token and what happens at the start of a
// text.
struct TokenDecoder {
  std::vector<std::string> bytes;  // by id
  std::vector<std::string> first;  // of the first token of a text; empty: as the others
  std::vector<std::string> last;   // of the last token of a text; empty: as the others
  std::string separator;           // between tokens
  std::string strip;               // removed from the start of the text ...
  std::uint32_t strip_count = 0;   // ... so often at most
};

// Fails on a chain that cannot be reduced so: after Fuse only Strip of the start may follow.
Result<TokenDecoder> make_token_decoder(const Spec& spec, const Normalizer& normalizer,
                                        std::string_view where);

}  // namespace farthing::tokenizer
