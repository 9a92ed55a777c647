// How arguments find their parameters.
#include "text/chat_template/builtins/call.h"

#include <fmt/format.h>

#include "text/chat_template/run/operators.h"
#include "text/chat_template/values/compare.h"
#include "text/chat_template/values/refusal.h"

namespace farthing::jinja {
namespace {

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    found.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return found;
}

}  // namespace

tl::unexpected<Error> Call::refuse(std::string got, std::string wanted) const {
  return refused(fmt::format("the chat template uses '{}' in a way that is not supported", name_),
                 std::move(got), std::move(wanted));
}

Result<> Call::bind(const Builtin& builtin) {
  name_ = builtin.name;
  if (builtin.parameters == "*") return {};
  const std::vector<std::string_view> parameters = words(builtin.parameters);
  if (positional.size() > parameters.size()) {
    return refuse(fmt::format("{} arguments", positional.size()),
                  fmt::format("at most {}", parameters.size()));
  }
  bound_.assign(parameters.size(), std::nullopt);
  for (std::size_t i = 0; i < positional.size(); ++i) bound_[i] = positional[i];
  for (const auto& [name, value] : named) {
    std::size_t i = 0;
    while (i < parameters.size() && parameters[i] != name) ++i;
    if (i == parameters.size() || name.starts_with('_') || bound_[i]) {
      return refuse(fmt::format("the argument '{}'", name),
                    fmt::format("each of ({}) once", builtin.parameters));
    }
    bound_[i] = value;
  }
  for (std::size_t i = 0; i < builtin.required; ++i) {
    if (!bound_[i]) return refuse("too few arguments", fmt::format("({})", builtin.parameters));
  }
  return {};
}

bool Call::truth(std::size_t i) const {
  const Value* value = given(i);
  return value != nullptr && is_true(*value);
}

Result<std::int64_t> Call::integer(std::size_t i, std::int64_t otherwise) const {
  const Value* value = given(i);
  if (value == nullptr) return otherwise;
  if (value->is(Kind::kUndefined)) return undefined_error(*value);
  if (!is_integer(*value)) {
    return refuse(fmt::format("a {}", value->type_name()), "a whole number");
  }
  return integer_of(*value);
}

Result<std::string> Call::text(std::size_t i) const {
  const Value* value = given(i);
  if (value == nullptr) return refuse("too few arguments", "a text");
  if (value->is(Kind::kUndefined)) return undefined_error(*value);
  if (!value->is(Kind::kString)) {
    return refuse(fmt::format("a {}", value->type_name()), "a text");
  }
  return value->text();
}

}  // namespace farthing::jinja
