// How a loop walks over its elements.
#include "text/chat_template/run/objects.h"

namespace farthing::jinja {

Result<std::optional<Value>> Loop::pull() {
  while (next_ < items.size()) {
    const Value& item = items[next_++];
    if (condition == nullptr || TRY(condition(item))) return std::optional<Value>(item);
  }
  return std::optional<Value>();
}

Result<const Value*> Loop::peek() {
  if (!after_) after_ = TRY(pull());
  return after_ ? &*after_ : nullptr;
}

Result<bool> Loop::advance() {
  std::optional<Value> item = after_ ? std::exchange(after_, std::nullopt) : TRY(pull());
  if (!item) return false;
  ++index0;
  before = std::exchange(current, std::move(*item));
  return true;
}

Result<std::int64_t> Loop::length() {
  if (condition == nullptr) return static_cast<std::int64_t>(items.size());
  List rest;
  while (std::optional<Value> item = TRY(pull())) rest.push_back(std::move(*item));
  const auto done = index0 + 1 + (after_.has_value() ? 1 : 0);
  items = std::move(rest);
  next_ = 0;
  condition = nullptr;
  // From here on the length is that of a list whose first `done` elements are gone.
  items.insert(items.begin(), static_cast<std::size_t>(done), Value());
  next_ = static_cast<std::size_t>(done);
  return static_cast<std::int64_t>(items.size());
}

}  // namespace farthing::jinja
