// ReportFolder: where a comparison writes its report, and where it may spill.
#pragma once

#include <filesystem>
#include <optional>

#include "base/result.h"
#include "workflows/compare_report.h"

namespace farthing {

class ReportFolder {
 public:
  // Shows that the folder can be made and written to, before time is spent; a folder that was not
  // there is not there afterwards either, so that an interrupted comparison leaves none. Without a
  // path nothing will be written, and scratch() is the system's folder for temporary files.
  static Result<ReportFolder> prepare(const std::optional<std::filesystem::path>& path);

  const std::filesystem::path& scratch() const { return scratch_; }
  // Makes the folder if need be and writes report.html and report.json; other files in it stay.
  Result<> write(const CompareReport& report) const;

 private:
  ReportFolder() = default;
  std::optional<std::filesystem::path> path_;
  std::filesystem::path scratch_;
};

}  // namespace farthing
