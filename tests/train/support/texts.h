// Real texts as tokens of models/stories260k: long ones, special tokens, odd Unicode, chats.
#pragma once

#include <string>
#include <vector>

#include "model/checkpoint.h"

namespace farthing::testing {

struct RealText {
  std::string name;
  std::vector<int32_t> tokens;  // at least 2, at most the model's context
};

// The tokenizer of `checkpoint`, in which ChatML's markers are special tokens too: they take the
// places of two control characters' bytes.
Tokenizer chat_tokenizer(const Checkpoint& checkpoint);

std::vector<RealText> real_texts(const Checkpoint& checkpoint);

}  // namespace farthing::testing
