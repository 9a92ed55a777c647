// Values from JSON texts.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "text/chat_template.h"
#include "text/chat_template/values/limits.h"

namespace farthing {
namespace {

using Json = nlohmann::json;

// Builds values from the parser's events, so that members keep their order and no level is
// recursion.
class Builder : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return add(ChatValue()); }
  bool boolean(bool value) override { return add(ChatValue(value)); }
  bool number_integer(std::int64_t value) override { return add(ChatValue(value)); }
  bool number_unsigned(std::uint64_t value) override {
    if (value > static_cast<std::uint64_t>(INT64_MAX))
      return refuse("a whole number beyond 64 bits");
    return add(ChatValue(static_cast<std::int64_t>(value)));
  }
  bool number_float(double value, const std::string& text) override {
    const bool is_whole = text.find_first_of(".eE") == std::string::npos;
    if (is_whole) return refuse("a whole number beyond 64 bits");
    return add(ChatValue(value));
  }
  bool string(std::string& text) override { return add(ChatValue(text)); }
  bool binary(Json::binary_t&) override { return refuse("binary data"); }
  bool start_object(std::size_t) override { return open(true); }
  bool start_array(std::size_t) override { return open(false); }
  bool key(std::string& name) override {
    open_.back().key = name;
    return true;
  }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t, const std::string&,
                   const nlohmann::detail::exception& error) override {
    return refuse(error.what());
  }

  ChatValue root;
  std::string error;

 private:
  struct Open {
    bool is_map;
    std::string key;
    ChatMap map;
    jinja::List list;
  };

  bool refuse(std::string got) {
    error = std::move(got);
    return false;
  }
  bool add(ChatValue value) {
    if (open_.empty()) {
      root = std::move(value);
    } else if (open_.back().is_map) {
      open_.back().map.set(ChatValue(open_.back().key), std::move(value));
    } else {
      open_.back().list.push_back(std::move(value));
    }
    return true;
  }
  bool open(bool is_map) {
    if (open_.size() == jinja::kDeepestValue) return refuse("lists and maps nested too deeply");
    open_.push_back({.is_map = is_map, .key = {}, .map = {}, .list = {}});
    return true;
  }
  bool close() {
    Open closed = std::move(open_.back());
    open_.pop_back();
    return add(closed.is_map ? ChatValue(std::move(closed.map))
                             : ChatValue(std::move(closed.list)));
  }

  std::vector<Open> open_;
};

}  // namespace

Result<ChatValue> chat_value_from_json(std::string_view json_text, std::string_view where) {
  Builder builder;
  if (!Json::sax_parse(json_text, &builder)) {
    return fail({.what = "the text is not JSON that can be read",
                 .where = std::string(where),
                 .got = std::move(builder.error),
                 .wanted = fmt::format("JSON of at most {} levels", jinja::kDeepestValue),
                 .remedy = "correct the text"});
  }
  return std::move(builder.root);
}

}  // namespace farthing
