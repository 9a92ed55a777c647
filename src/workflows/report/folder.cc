// The folder of a comparison's report.
#include "workflows/report/folder.h"

#include <utility>

#include "base/file.h"

namespace farthing {
namespace fs = std::filesystem;

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
  out.made_ = fs::create_directories(clean, code);
  if (code || !fs::is_directory(clean, code)) {
    return fail({.what = "cannot make the output folder",
                 .where = clean.string(),
                 .got = code ? code.message() : "a file of that name",
                 .wanted = "a folder",
                 .remedy = "choose another one with -o"});
  }
  TRY(AtomicFile::create(clean / "report.html"));  // and removed at once
  return out;
}

ReportFolder::ReportFolder(ReportFolder&& other) noexcept
    : path_(std::move(other.path_)),
      scratch_(std::move(other.scratch_)),
      made_(std::exchange(other.made_, false)) {}

ReportFolder::~ReportFolder() {
  std::error_code ignored;
  if (made_) fs::remove(*path_, ignored);  // only if it is empty
}

Result<> ReportFolder::write(const CompareReport& report) const {
  if (!path_) return {};
  // Both are on the disk before either replaces an older one.
  auto html = TRY(AtomicFile::create(*path_ / "report.html"));
  auto json = TRY(AtomicFile::create(*path_ / "report.json"));
  TRY(html.write(compare_html(report)));
  TRY(json.write(compare_json(report)));
  TRY(json.commit());
  return html.commit();
}

}  // namespace farthing
