// The folder of a comparison's report.
#include "workflows/report/folder.h"

#include "base/file.h"

namespace farthing {
namespace fs = std::filesystem;

namespace {

// Whether it was not there before.
Result<bool> make_folder(const fs::path& path) {
  std::error_code code;
  const bool made = fs::create_directories(path, code);
  if (!code && fs::is_directory(path, code)) return made;
  return fail({.what = "cannot make the output folder",
               .where = path.string(),
               .got = code ? code.message() : "a file of that name",
               .wanted = "a folder",
               .remedy = "choose another one with -o"});
}

}  // namespace

Result<ReportFolder> ReportFolder::prepare(const std::optional<fs::path>& path) {
  ReportFolder out;
  std::error_code code;
  if (!path) {
    out.scratch_ = fs::temp_directory_path(code);
    if (code) out.scratch_ = ".";
    return out;
  }
  fs::path clean = path->lexically_normal();
  if (!clean.has_filename()) clean = clean.parent_path();
  out.path_ = out.scratch_ = clean;
  const bool made = TRY(make_folder(clean));
  {
    const auto probe = AtomicFile::create(clean / "report.html");
    if (!probe) {
      if (made) fs::remove(clean, code);
      return fail(probe.error());
    }
  }
  if (made) {
    fs::remove(clean, code);
    out.scratch_ = clean.has_parent_path() ? clean.parent_path() : fs::path(".");
  }
  return out;
}

Result<> ReportFolder::write(const CompareReport& report) const {
  if (!path_) return {};
  TRY(make_folder(*path_));
  // Both are on the disk before either replaces an older one.
  auto html = TRY(AtomicFile::create(*path_ / "report.html"));
  auto json = TRY(AtomicFile::create(*path_ / "report.json"));
  TRY(html.write(compare_html(report)));
  TRY(json.write(compare_json(report)));
  TRY(json.commit());
  return html.commit();
}

}  // namespace farthing
