// Rendering chats, and finding the assistant's tokens.
#include "train/data/chat_reader.h"

#include <algorithm>

namespace farthing {
namespace {

Error chat_error(std::string where, std::string got) {
  return {.what = "a chat of the data cannot be learned",
          .where = std::move(where),
          .got = std::move(got),
          .wanted = "\"messages\": a list of objects with \"role\" and \"content\", one of them with "
                    "the role \"assistant\"",
          .remedy = "correct it, or leave it out"};
}

bool is_list(const ChatValue* value) {
  return value != nullptr && value->is(jinja::Kind::kSequence);
}

bool is_assistant(const ChatValue& message) {
  const ChatValue* role = message.map().find(ChatValue("role"));
  return role != nullptr && role->is(jinja::Kind::kString) && role->text() == "assistant";
}

}  // namespace

Result<ChatReader> ChatReader::create(const Tokenizer& tokenizer, const std::string& chat_template,
                                      const std::string& where) {
  if (chat_template.empty())
    return fail({.what = "the model has no chat template",
                 .where = where,
                 .got = "a chat (\"messages\")",
                 .wanted = "a model whose tokenizer brings a chat template",
                 .remedy = "give a chat model, or write the data as \"prompt\" and \"response\""});
  return ChatReader(tokenizer, TRY(ChatTemplate::parse(chat_template, "the model's chat template")));
}

Result<std::vector<Document>> ChatReader::read(std::string_view json,
                                               const std::string& where) const {
  const ChatValue chat = TRY(chat_value_from_json(json, where));
  if (!chat.is(jinja::Kind::kMap)) return fail(chat_error(where, "no object"));
  const ChatValue* messages = chat.map().find(ChatValue("messages"));
  if (!is_list(messages)) return fail(chat_error(where, "\"messages\" is no list"));
  ChatInput input{.messages = messages->items()};
  if (const ChatValue* tools = chat.map().find(ChatValue("tools"))) input.tools = *tools;
  const auto special = [&](const char* name, std::optional<int32_t> id) {
    if (id) input.special_tokens.emplace_back(name, tokenizer_.token_text(*id));
  };
  special("bos_token", tokenizer_.bos_id());
  special("eos_token", tokenizer_.eos_id());
  bool assistant = false;
  for (const ChatValue& message : input.messages) {
    if (!message.is(jinja::Kind::kMap)) return fail(chat_error(where, "a message is no object"));
    assistant |= is_assistant(message);
  }
  if (!assistant) return fail(chat_error(where, "no message of the assistant"));
  auto documents = documents_of(input, where);
  if (documents) return documents;
  Error error = documents.error();
  error.where = where + "; " + error.where;
  if (error.remedy.empty()) error.remedy = "correct the chat, or leave it out";
  return fail(std::move(error));
}

Result<std::vector<Document>> ChatReader::documents_of(const ChatInput& input,
                                                       const std::string& where) const {
  std::vector<Document> out;
  if (const auto whole = chat_.render_with_spans(input)) {
    out.push_back(document_of(*whole));
    return out;
  }
  for (size_t i = 0; i < input.messages.size(); ++i) {
    if (!is_assistant(input.messages[i])) continue;
    ChatInput beginning = input;
    beginning.messages.resize(i + 1);
    out.push_back(
        document_of(TRY(chat_.render_with_spans(beginning, ChatSpans::kLastMessage))));
  }
  return out;
}

// The whole is tokenized together, as a server sees it; a place in the text becomes the number of
// leading tokens that the text up to it has in common with the whole.
Document ChatReader::document_of(const ChatRendering& rendering) const {
  Document out;
  out.tokens = tokenizer_.encode(rendering.text);
  out.counts.assign(out.tokens.size(), false);
  const auto place = [&](size_t bytes) {
    const auto part = tokenizer_.encode(std::string_view(rendering.text).substr(0, bytes));
    return std::mismatch(part.begin(), part.end(), out.tokens.begin(), out.tokens.end()).second -
           out.tokens.begin();
  };
  for (const ChatSpan& span : rendering.assistant) {
    const auto end = span.end == rendering.text.size()
                         ? static_cast<std::ptrdiff_t>(out.tokens.size())
                         : place(span.end);
    for (auto i = place(span.begin); i < end; ++i) out.counts[static_cast<size_t>(i)] = true;
  }
  return out;
}

}  // namespace farthing
