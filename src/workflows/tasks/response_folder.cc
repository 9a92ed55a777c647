// Files of a measurement that is under way.
#include "workflows/tasks/response_folder.h"

#include <fmt/format.h>

#include "base/file.h"
#include "base/json_writer.h"
#include "base/leftovers.h"

namespace farthing {
namespace fs = std::filesystem;
namespace {

constexpr const char* identity_name = "work.json";

}  // namespace

Result<ResponseFolder> ResponseFolder::open(const fs::path& path, const std::string& identity,
                                            bool resume) {
  remove_leftovers(path);
  std::error_code error;
  const fs::path mark = path / identity_name;
  if (fs::exists(mark, error)) {
    if (TRY(read_text_file(mark)) != identity) {
      return fail({.what = "the folder holds the unfinished work of another measurement",
                   .where = path.string(),
                   .got = "another model, or other options",
                   .wanted = fmt::format("what {} says", mark.string()),
                   .remedy = "give that run's options to finish it, or remove the folder"});
    }
    if (!resume) {
      return fail({.what = "an earlier run of this measurement was interrupted",
                   .where = path.string(),
                   .got = "its unfinished work",
                   .wanted = "no such folder, or --resume",
                   .remedy = "add --resume to go on with it, or remove the folder to start again"});
    }
    return ResponseFolder(path);
  }
  fs::create_directories(path, error);
  if (error) {
    return fail({.what = "cannot make the folder",
                 .where = path.string(),
                 .got = error.message(),
                 .wanted = "a folder for unfinished work",
                 .remedy = "choose another place with -o"});
  }
  TRY(write_text_file(mark, identity));
  return ResponseFolder(path);
}

fs::path ResponseFolder::file(const std::string& role, const std::string& task, size_t n) const {
  return path_ / fmt::format("{}-{}-{}.json", role, task, n);
}

Result<std::optional<std::vector<AnsweredQuestion>>> ResponseFolder::read(const std::string& role,
                                                                          const std::string& task,
                                                                          size_t n) const {
  const fs::path path = file(role, task, n);
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  const auto json = TRY(JsonObject::parse(TRY(read_text_file(path)), path.string()));
  std::vector<AnsweredQuestion> out;
  for (const JsonObject& entry : TRY(json.objects("responses"))) {
    const auto question = static_cast<size_t>(TRY(entry.integer("question")));
    out.push_back({question, {TRY(entry.numbers("log_likelihoods")), TRY(entry.string("text"))}});
  }
  return out;
}

Result<> ResponseFolder::write(const std::string& role, const std::string& task, size_t n,
                               std::span<const AnsweredQuestion> answered) const {
  JsonWriter json;
  json.begin_object().key("responses").begin_array();
  for (const auto& [question, response] : answered) {
    json.begin_object().field("question", static_cast<int64_t>(question));
    json.key("log_likelihoods").begin_array();
    for (const double value : response.log_likelihoods) json.value(value);
    json.end_array().field("text", response.text).end_object();
  }
  return write_text_file(file(role, task, n), json.end_array().end_object().take());
}

void ResponseFolder::remove() const { remove_folder(path_); }

}  // namespace farthing
