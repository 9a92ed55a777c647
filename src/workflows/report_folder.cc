// The folder of a report, proved before time is spent.
#include "workflows/report_folder.h"

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

Result<ReportFolder> ReportFolder::prepare_page(const std::optional<fs::path>& path) {
  std::error_code code;
  if (!path || path->extension() != ".html" || fs::is_directory(*path, code)) return prepare(path);
  TRY(AtomicFile::create(*path));  // removed at once
  ReportFolder out;
  out.path_ = *path;
  out.scratch_ = path->has_parent_path() ? path->parent_path() : fs::path(".");
  out.page_alone_ = true;
  return out;
}

Result<> ReportFolder::write(std::string_view html, std::string_view json) const {
  if (!path_) return {};
  if (page_alone_) return write_text_file(*path_, html);
  TRY(make_folder(*path_));
  // Both are on the disk before either replaces an older one.
  auto html_file = TRY(AtomicFile::create(*path_ / "report.html"));
  auto json_file = TRY(AtomicFile::create(*path_ / "report.json"));
  TRY(html_file.write(html));
  TRY(json_file.write(json));
  TRY(json_file.commit());
  return html_file.commit();
}

}  // namespace farthing
