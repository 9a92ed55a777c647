// Reading with toml++; every key that was not asked for is unknown.
#include "io/toml.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <set>
#include <sstream>

#include "base/file.h"
#include "base/nearest_name.h"

namespace farthing {

using Node = toml::node_view<const toml::node>;

struct TomlTable::Parts {
  std::shared_ptr<const toml::table> document;  // owns `table`
  const toml::table* table;
  std::string place;                 // the file, and in it the table
  std::set<std::string> known = {};  // keys that were asked for

  Node find(const std::string& key) {
    known.insert(key);
    return table->at_path(key);
  }

  std::string where(const std::string& key, const toml::node* node) const {
    if (node == nullptr) return fmt::format("{}, {}", place, key);
    return fmt::format("{}, line {}, {}", place, node->source().begin.line, key);
  }

  Result<> check(const toml::table& of, const std::string& prefix, const std::string& document) {
    for (const auto& [name, node] : of) {
      const std::string key = prefix + std::string(name.str());
      const bool section = std::any_of(known.begin(), known.end(), [&](const std::string& each) {
        return each.starts_with(key + ".");
      });
      if (section && node.is_table()) {
        TRY(check(*node.as_table(), key + ".", document));
        continue;
      }
      if (known.contains(key)) continue;
      const std::vector<std::string> names(known.begin(), known.end());
      const std::string nearest = nearest_name(key, names);
      return fail({.what = "the recipe has an unknown key",
                   .where = where(key, &node),
                   .got = key,
                   .wanted = nearest.empty() ? "a key that " + document + " lists"
                                             : fmt::format("perhaps {}", nearest),
                   .remedy = "remove it, or write it as " + document + " lists it"});
    }
    return {};
  }
};

TomlTable::TomlTable(std::shared_ptr<Parts> parts) : parts_(std::move(parts)) {}
TomlTable::TomlTable(const TomlTable&) = default;
TomlTable::~TomlTable() = default;

Result<TomlTable> TomlTable::read(const std::filesystem::path& file) {
  const std::string text = TRY(read_text_file(file, 1 << 20));
  try {
    auto table = std::make_shared<const toml::table>(toml::parse(text, file.string()));
    const toml::table* root = table.get();
    return TomlTable(std::make_shared<Parts>(Parts{std::move(table), root, file.string()}));
  } catch (const toml::parse_error& e) {
    return fail({.what = "the recipe is not TOML",
                 .where = fmt::format("{}, line {}", file.string(), e.source().begin.line),
                 .got = std::string(e.description()),
                 .wanted = "a TOML file",
                 .remedy = "correct that line"});
  }
}

bool TomlTable::has(const std::string& key) { return static_cast<bool>(parts_->find(key)); }

Result<> TomlTable::number(const std::string& key, double& to, double least, double most) {
  const Node node = parts_->find(key);
  if (!node) return {};
  const auto value = node.value<double>();
  if (!node.is_number() || !value || !(*value >= least && *value <= most))
    return fail(error(key, fmt::format("a number from {} to {}", least, most)));
  to = *value;
  return {};
}

Result<> TomlTable::integer(const std::string& key, int64_t& to, int64_t least, int64_t most) {
  const Node node = parts_->find(key);
  if (!node) return {};
  const auto value = node.value_exact<int64_t>();
  if (!value || *value < least || *value > most)
    return fail(error(key, fmt::format("a whole number from {} to {}", least, most)));
  to = *value;
  return {};
}

Result<> TomlTable::boolean(const std::string& key, bool& to) {
  const Node node = parts_->find(key);
  if (!node) return {};
  const auto value = node.value_exact<bool>();
  if (!value) return fail(error(key, "true or false"));
  to = *value;
  return {};
}

Result<> TomlTable::word(const std::string& key, std::string& to,
                         const std::vector<std::string>& names) {
  const Node node = parts_->find(key);
  if (!node) return {};
  const auto value = node.value_exact<std::string>();
  bool allowed = value.has_value() && names.empty();
  std::string list;
  for (const std::string& name : names) {
    allowed |= value == name;
    list += (list.empty() ? "\"" : ", \"") + name + "\"";
  }
  if (!allowed) return fail(error(key, list.empty() ? "a text in quotes" : list));
  to = *value;
  return {};
}

Result<> TomlTable::words(const std::string& key, std::vector<std::string>& to) {
  const Node node = parts_->find(key);
  if (!node) return {};
  const toml::array* list = node.as_array();
  std::vector<std::string> out;
  if (list != nullptr)
    for (const toml::node& each : *list)
      if (const auto text = each.value_exact<std::string>()) out.push_back(*text);
  if (list == nullptr || out.size() != list->size())
    return fail(error(key, "a list of texts in quotes"));
  to = std::move(out);
  return {};
}

Result<std::vector<TomlTable>> TomlTable::tables(const std::string& key) {
  std::vector<TomlTable> out;
  const Node node = parts_->find(key);
  if (!node) return out;
  const toml::array* list = node.as_array();
  if (list == nullptr) return fail(error(key, fmt::format("sections [[{}]]", key)));
  for (const toml::node& each : *list) {
    const toml::table* table = each.as_table();
    if (table == nullptr) return fail(error(key, fmt::format("sections [[{}]]", key)));
    out.push_back(TomlTable(
        std::make_shared<Parts>(Parts{parts_->document, table, parts_->where(key, table)})));
  }
  return out;
}

Error TomlTable::error(const std::string& key, std::string wanted) const {
  const Node node = parts_->table->at_path(key);
  std::string got = "nothing";
  if (node) {
    std::ostringstream text;
    text << node;
    got = text.str();
  }
  return {.what = "a value of the recipe is not possible",
          .where = parts_->where(key, node ? node.node() : nullptr),
          .got = std::move(got),
          .wanted = std::move(wanted),
          .remedy = "correct it in the recipe"};
}

Result<> TomlTable::check_unknown(const std::string& document) const {
  return parts_->check(*parts_->table, "", document);
}

}  // namespace farthing
