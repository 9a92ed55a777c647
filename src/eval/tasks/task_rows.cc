// Reading of JSONL and CSV.
#include "eval/tasks/task_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json_writer.h"

namespace farthing {
namespace {

using Record = std::vector<std::string>;

// Takes records from the front of a text.
class CsvReader {
 public:
  CsvReader(std::string_view text, const std::string& where) : rest_(text), where_(where) {
    if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
  }
  bool at_end() const { return rest_.empty(); }
  int64_t line() const { return line_; }

  Result<Record> next() {
    Record out;
    do {
      out.push_back(rest_.starts_with('"') ? TRY(quoted()) : plain());
    } while (take(','));
    take('\r');
    if (!take('\n') && !rest_.empty()) return damage("text behind a field in quotes");
    ++line_;
    return out;
  }

 private:
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string plain() {
    const std::string out(rest_.substr(0, rest_.find_first_of(",\r\n")));
    rest_.remove_prefix(out.size());
    return out;
  }
  Result<std::string> quoted() {
    std::string out;
    take('"');
    for (;;) {
      const size_t quote = rest_.find('"');
      if (quote == std::string_view::npos) return damage("a field in quotes without an end");
      out += rest_.substr(0, quote);
      rest_.remove_prefix(quote + 1);
      if (!take('"')) break;
      out += '"';
    }
    line_ += static_cast<int64_t>(std::count(out.begin(), out.end(), '\n'));
    return out;
  }
  tl::unexpected<Error> damage(std::string got) const {
    return fail({.what = "the file is not CSV",
                 .where = fmt::format("{}, line {}", where_, line_),
                 .got = std::move(got),
                 .wanted = "fields between commas; quotes inside of quotes are doubled (RFC 4180)",
                 .remedy = "download the file again"});
  }

  std::string_view rest_;
  const std::string& where_;
  int64_t line_ = 1;
};

}  // namespace

Result<std::vector<JsonObject>> rows_of_jsonl(std::string_view text, const std::string& where) {
  std::vector<JsonObject> out;
  for (int64_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    out.push_back(TRY(JsonObject::parse(line, fmt::format("{}, line {}", where, number))));
  }
  return out;
}

Result<std::vector<JsonObject>> rows_of_csv(std::string_view text, const std::string& where) {
  std::vector<JsonObject> out;
  CsvReader reader(text, where);
  if (reader.at_end()) return out;
  const Record names = TRY(reader.next());
  while (!reader.at_end()) {
    const std::string place = fmt::format("{}, line {}", where, reader.line());
    const Record fields = TRY(reader.next());
    if (fields.size() == 1 && fields[0].empty()) continue;
    if (fields.size() != names.size()) {
      return fail({.what = "a record has another number of fields than the header",
                   .where = place,
                   .got = std::to_string(fields.size()),
                   .wanted = std::to_string(names.size()),
                   .remedy = "download the file again"});
    }
    JsonWriter json;
    json.begin_object();
    for (size_t i = 0; i < names.size(); ++i) json.field(names[i], fields[i]);
    out.push_back(TRY(JsonObject::parse(json.end_object().take(), place)));
  }
  return out;
}

}  // namespace farthing
