// Which parts of a rendering the assistant wrote.
#include <fmt/format.h>

#include <algorithm>

#include "text/chat_template.h"
#include "text/chat_template/input.h"
#include "text/chat_template/run/interpreter.h"
#include "text/chat_template/syntax/syntax.h"
#include "text/chat_template/values/characters.h"

namespace farthing {
namespace {

constexpr std::string_view kAdvice =
    "train on the conversation cut off behind each of the assistant's messages, one at a time "
    "(ChatSpans::kLastMessage), or put {% generation %} into the template";

tl::unexpected<Error> unclear(std::string where, std::string got, std::string wanted) {
  return fail({.what = "the chat template does not tell which text the assistant wrote",
               .where = std::move(where),
               .got = std::move(got),
               .wanted = std::move(wanted),
               .remedy = std::string(kAdvice)});
}

std::size_t common_bytes(std::string_view a, std::string_view b) {
  const std::size_t size = std::min(a.size(), b.size());
  return static_cast<std::size_t>(
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(size), b.begin()).first -
      a.begin());
}

bool is_white(std::string_view text) { return jinja::strip(text, nullptr, true, false).empty(); }

// Some of the text from byte `at` on, for an error.
std::string excerpt(std::string_view text, std::size_t at) {
  while (at > 0 && at < text.size() && (text[at] & 0xC0) == 0x80) --at;
  const std::string_view rest = text.substr(at);
  return std::string(rest.substr(0, jinja::byte_of_character(rest, 40)));
}

// Finds the spans by rendering beginnings of the conversation.
class PrefixSpans {
 public:
  PrefixSpans(const ChatTemplate& chat, const ChatInput& input, std::string_view where)
      : chat_(chat), input_(input), where_(where) {
    for (const auto& [name, text] : input.special_tokens) {
      if (name == "eos_token") eos_ = text;
    }
  }

  Result<ChatRendering> find(ChatSpans which) {
    ChatRendering found;
    full_ = TRY(chat_.render(input_));
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < input_.messages.size(); ++i) {
      if (is_assistant(input_.messages[i])) places.push_back(i);
    }
    if (which == ChatSpans::kLastMessage && !places.empty()) places = {places.back()};
    std::size_t end = 0;
    for (const std::size_t i : places) {
      const ChatSpan span = TRY(span_of(i));
      if (span.begin < end || span.end < span.begin) {
        return unclear(place(i), fmt::format("bytes {} to {}", span.begin, span.end),
                       fmt::format("a message behind byte {}", end));
      }
      end = span.end;
      if (span.begin < span.end) found.assistant.push_back(span);
    }
    found.text = std::move(full_);
    return found;
  }

 private:
  static bool is_assistant(const ChatValue& message) {
    const ChatValue* role = message.map().find(ChatValue("role"));
    return role != nullptr && role->is(jinja::Kind::kString) && role->text() == "assistant";
  }

  std::string place(std::size_t i) const { return fmt::format("{}, message {}", where_, i); }

  Result<std::string> beginning(std::size_t messages, bool prompt) const {
    ChatInput part = input_;
    part.messages.resize(messages);
    part.add_generation_prompt = prompt;
    Result<std::string> text = chat_.render(part);
    if (text) return text;
    return unclear(place(messages),
                   fmt::format("the messages in front of it cannot be rendered alone: {} ({}; {})",
                               text.error().what, text.error().got, text.error().where),
                   "a template that renders the beginning of a conversation");
  }

  Result<ChatSpan> span_of(std::size_t i) const {
    const std::size_t begin = TRY(begin_of(i));
    std::size_t end = TRY(end_of(i));
    // The model stops at its end token: white space behind it is the template's.
    if (!eos_.empty() && begin < end) {
      const std::string_view span = std::string_view(full_).substr(begin, end - begin);
      const std::size_t eos = span.rfind(eos_);
      if (eos != std::string_view::npos && is_white(span.substr(eos + eos_.size()))) {
        end = begin + eos + eos_.size();
      }
    }
    return ChatSpan{begin, end};
  }

  tl::unexpected<Error> unstable(std::size_t i, std::string_view part) const {
    const std::size_t at = common_bytes(part, full_);
    return unclear(place(i),
                   fmt::format("a rendering that changes at byte {} when the conversation goes on: "
                               "from '{}' to '{}'",
                               at, excerpt(part, at), excerpt(full_, at)),
                   "a template that writes earlier messages as it wrote them when they were last");
  }

  // Behind what the model is given when it begins this message.
  Result<std::size_t> begin_of(std::size_t i) const {
    const std::string prompted = TRY(beginning(i, true));
    if (full_.starts_with(prompted)) return prompted.size();
    // The prompt may go on where earlier messages do not, as with an opened <think>: then the part
    // of it that both have is what introduces the message.
    const std::string before = TRY(beginning(i, false));
    if (!full_.starts_with(before) || !prompted.starts_with(before)) return unstable(i, prompted);
    std::size_t begin = common_bytes(prompted, full_);
    // Two tags may begin with the same letters.
    const std::string_view shared =
        std::string_view(full_).substr(before.size(), begin - before.size());
    for (const auto& [open, close] : {std::pair{'<', '>'}, std::pair{'[', ']'}}) {
      const std::size_t opened = shared.rfind(open);
      if (opened != std::string_view::npos &&
          shared.find(close, opened) == std::string_view::npos) {
        begin = std::min(begin, before.size() + opened);
      }
    }
    const bool at_boundary =
        begin > before.size() &&
        std::string_view(">]\n").find(full_[begin - 1]) != std::string_view::npos;
    if (!at_boundary) return unstable(i, prompted);
    return begin;
  }

  Result<std::size_t> end_of(std::size_t i) const {
    const std::string whole = TRY(beginning(i + 1, false));
    if (full_.starts_with(whole)) return whole.size();
    // White space may follow the last message only.
    const std::size_t common = common_bytes(whole, full_);
    if (is_white(std::string_view(whole).substr(common))) return common;
    // So may the end token, put behind the conversation as a whole.
    std::string_view without = jinja::strip(whole, nullptr, false, true);
    if (!eos_.empty() && without.ends_with(eos_)) {
      without.remove_suffix(eos_.size());
      if (full_.starts_with(without)) return without.size();
    }
    return unstable(i, whole);
  }

  const ChatTemplate& chat_;
  const ChatInput& input_;
  const std::string_view where_;
  std::string eos_;
  std::string full_;
};

}  // namespace

Result<ChatRendering> ChatTemplate::render_with_spans(const ChatInput& input,
                                                      ChatSpans which) const {
  if (!tree_->has_generation) return PrefixSpans(*this, input, tree_->where).find(which);
  jinja::Interpreter interpreter(*tree_, input.now ? &*input.now : nullptr);
  ChatRendering found;
  found.text = TRY(interpreter.render(TRY(jinja::variables_of(input, tree_->where))));
  if (const auto hidden = interpreter.hidden_generation()) {
    return unclear(fmt::format("{}, {}", tree_->where, hidden->text()),
                   "{% generation %} inside a macro, a set block, a filter or another generation",
                   "{% generation %} whose text goes to the rendering directly");
  }
  for (const auto& [begin, end] : interpreter.generated()) {
    if (begin < end) found.assistant.push_back({begin, end});
  }
  if (which == ChatSpans::kLastMessage && found.assistant.size() > 1) {
    found.assistant.erase(found.assistant.begin(), found.assistant.end() - 1);
  }
  return found;
}

}  // namespace farthing
