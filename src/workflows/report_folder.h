// ReportFolder: where a workflow writes its report, and where it may spill.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace farthing {

class ReportFolder {
 public:
  // Shows that the folder can be made and written to, before time is spent; a folder that was not
  // there is not there afterwards either, so that an interrupted run leaves none. Without a
  // path nothing will be written, and scratch() is the system's folder for temporary files.
  static Result<ReportFolder> prepare(const std::optional<std::filesystem::path>& path);
  // The same; a path that ends in .html is a file for the page alone, in a folder that is there.
  static Result<ReportFolder> prepare_page(const std::optional<std::filesystem::path>& path);

  const std::filesystem::path& scratch() const { return scratch_; }
  // Makes the folder if need be and writes report.html and report.json; other files in it stay. Or
  // writes the one file.
  Result<> write(std::string_view html, std::string_view json) const;

 private:
  ReportFolder() = default;
  std::optional<std::filesystem::path> path_;
  std::filesystem::path scratch_;
  bool page_alone_ = false;
};

}  // namespace farthing
