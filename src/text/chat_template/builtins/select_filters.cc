// map, select, reject and their kin: filters that run other filters and tests.
#include <fmt/format.h>

#include "text/chat_template/builtins/functions.h"
#include "text/chat_template/values/compare.h"
#include "text/chat_template/values/refusal.h"

namespace farthing::jinja {
namespace {

// Whether elements are tested or one of their attributes is, and which are kept.
Result<Value> selected(Call& call, bool by_attribute, bool keep) {
  if (!is_true(call.self)) {
    return make_iterator([]() -> Result<List> { return List(); });
  }
  return make_iterator([&in = call.in, self = call.self, positional = call.positional,
                        named = call.named, by_attribute, keep]() -> Result<List> {
    const std::size_t skipped = by_attribute ? 1 : 0;
    if (positional.size() < skipped) {
      return refused("the chat template selects by an attribute that it does not name",
                     "no arguments", "the attribute's name");
    }
    const Builtin* test = nullptr;
    if (positional.size() > skipped) {
      const std::string name = TRY(in.text(positional[skipped]));
      test = find_test(name);
      if (test == nullptr) {
        return refused("the chat template uses a test that is not supported", name,
                       fmt::format("one of {}", test_names()));
      }
    }
    List out;
    for (const Value& item : TRY(in.elements(self))) {
      const Value asked = by_attribute ? TRY(at_path(in, item, positional[0])) : item;
      bool passes = is_true(asked);
      if (test != nullptr) {
        Call testing(in, asked);
        testing.positional.assign(positional.begin() + static_cast<std::ptrdiff_t>(skipped) + 1,
                                  positional.end());
        testing.named = named;
        passes = is_true(TRY(in.run_builtin(*test, testing)));
      }
      if (passes == keep) out.push_back(item);
    }
    return out;
  });
}

}  // namespace

Result<Value> filter_select(Call& call) { return selected(call, false, true); }
Result<Value> filter_reject(Call& call) { return selected(call, false, false); }
Result<Value> filter_selectattr(Call& call) { return selected(call, true, true); }
Result<Value> filter_rejectattr(Call& call) { return selected(call, true, false); }

Result<Value> filter_map(Call& call) {
  if (!is_true(call.self)) {
    return make_iterator([]() -> Result<List> { return List(); });
  }
  if (call.positional.empty()) {
    const Value* attribute = nullptr;
    Value otherwise;
    for (const auto& [name, value] : call.named) {
      if (name == "attribute") {
        attribute = &value;
      } else if (name == "default") {
        otherwise = value;
      } else {
        return call.refuse(fmt::format("the argument '{}'", name), "attribute and default");
      }
    }
    if (attribute == nullptr) return call.refuse("no arguments", "a filter or attribute=");
    return make_iterator(
        [&in = call.in, self = call.self, path = *attribute, otherwise]() -> Result<List> {
          List out;
          for (const Value& item : TRY(in.elements(self))) {
            Value found = TRY(at_path(in, item, path));
            const bool missing = found.is(Kind::kUndefined) && !otherwise.is(Kind::kNone);
            out.push_back(missing ? otherwise : std::move(found));
          }
          return out;
        });
  }
  return make_iterator([&in = call.in, self = call.self, positional = call.positional,
                        named = call.named]() -> Result<List> {
    const std::string name = TRY(in.text(positional[0]));
    const Builtin* filter = find_filter(name);
    if (filter == nullptr) {
      return refused("the chat template uses a filter that is not supported", name,
                     fmt::format("one of {}", filter_names()));
    }
    List out;
    for (const Value& item : TRY(in.elements(self))) {
      Call filtering(in, item);
      filtering.positional.assign(positional.begin() + 1, positional.end());
      filtering.named = named;
      out.push_back(TRY(in.run_builtin(*filter, filtering)));
    }
    return out;
  });
}

}  // namespace farthing::jinja
