// Chats as training data: rendered by the model's own template; what the assistant wrote counts.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/chat_template.h"
#include "train/data/data.h"

namespace farthing {

class ChatReader {
 public:
  // Fails where the model has no template, or one that cannot be read.
  static Result<ChatReader> create(const Tokenizer& tokenizer, const std::string& chat_template,
                                   const std::string& where);

  // `json`: {"messages": [{"role", "content", ...}, ...]}, with "tools" where there are some. One
  // document, in which all of the assistant's messages count; where the template writes earlier
  // messages differently once the chat goes on, one for each of the assistant's messages, cut off
  // behind it, in which that message counts. Special tokens are those that the template writes.
  Result<std::vector<Document>> read(std::string_view json, const std::string& where) const;

 private:
  ChatReader(Tokenizer tokenizer, ChatTemplate chat)
      : tokenizer_(std::move(tokenizer)), chat_(std::move(chat)) {}
  Result<std::vector<Document>> documents_of(const ChatInput& input,
                                             const std::string& where) const;
  Document document_of(const ChatRendering& rendering) const;

  Tokenizer tokenizer_;
  ChatTemplate chat_;
};

}  // namespace farthing
