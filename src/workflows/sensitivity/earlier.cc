// Costs that an earlier run measured.
#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "io/json.h"
#include "workflows/sensitivity/sensitivity.h"

namespace farthing {
namespace {

Error other_question(const std::filesystem::path& file, const std::string& field, std::string got,
                     std::string wanted) {
  return {.what = "an earlier report of sensitivity answers another question",
          .where = fmt::format("{}: {}", file.string(), field),
          .got = std::move(got),
          .wanted = std::move(wanted),
          .remedy =
              "give the model, text, method, part and threshold of the earlier run, or leave "
              "--reuse away to measure anew"};
}

Result<> check_same(const JsonObject& json, const std::filesystem::path& file,
                    const SensitivityReport& report) {
  const std::pair<const char*, std::string> texts[] = {
      {"model", report.model},
      {"method", report.method},
      {"part", std::string(part_name(report.part))},
      {"text_digest", report.protocol.text_digest}};
  for (const auto& [field, wanted] : texts)
    if (std::string got = TRY(json.string(field)); got != wanted)
      return fail(other_question(file, field, std::move(got), wanted));
  const std::pair<const char*, int64_t> numbers[] = {{"windows", report.protocol.windows},
                                                     {"context", report.protocol.context}};
  for (const auto& [field, wanted] : numbers)
    if (const int64_t got = TRY(json.integer(field)); got != wanted)
      return fail(other_question(file, field, fmt::format("{}", got), fmt::format("{}", wanted)));
  const auto threshold = static_cast<float>(TRY(json.number("outlier_threshold")));
  if (threshold != report.outlier_threshold)
    return fail(other_question(file, "outlier_threshold", fmt::format("{}", threshold),
                               fmt::format("{}", report.outlier_threshold)));
  return {};
}

}  // namespace

Result<> join_earlier(const std::filesystem::path& file, SensitivityReport& report) {
  const JsonObject json = TRY(JsonObject::parse(TRY(read_text_file(file)), file.string()));
  TRY(check_same(json, file, report));
  const auto formats = TRY(json.strings("formats"));
  const auto together = TRY(json.numbers("together"));
  const auto parts = TRY(json.objects("parts"));
  if (parts.size() != report.parts.size() || together.size() != formats.size())
    return fail(other_question(file, "parts", fmt::format("{}", parts.size()),
                               fmt::format("{}", report.parts.size())));
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string name = TRY(parts[i].string("name"));
    if (name != report.parts[i].name)
      return fail(other_question(file, "parts", name, report.parts[i].name));
    const auto kl = TRY(parts[i].numbers("kl"));
    const auto bytes = TRY(parts[i].integers("bytes"));
    if (kl.size() != formats.size() || bytes.size() != formats.size())
      return fail(other_question(file, name, fmt::format("{} costs", kl.size()),
                                 fmt::format("{}", formats.size())));
    for (size_t at = 0; at < formats.size(); ++at)
      if (std::count(report.formats.begin(), report.formats.end(), formats[at]) == 0)
        report.parts[i].costs.push_back({kl[at], bytes[at]});
  }
  const auto known = report.formats;
  for (size_t at = 0; at < formats.size(); ++at) {
    if (std::count(known.begin(), known.end(), formats[at]) != 0) continue;
    report.formats.push_back(formats[at]);
    report.together.push_back(together[at]);
  }
  return {};
}

}  // namespace farthing
