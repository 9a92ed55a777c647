// ReportFolder: where a comparison writes its report, and where it may spill.
#pragma once

#include <filesystem>
#include <optional>

#include "base/result.h"
#include "workflows/compare_report.h"

namespace farthing {

class ReportFolder {
 public:
  // Makes the folder if need be and shows that it can be written to, before time is spent. Without
  // a path nothing will be written, and scratch() is the system's folder for temporary files.
  static Result<ReportFolder> prepare(const std::optional<std::filesystem::path>& path);
  // Removes the folder if it was made in vain.
  ~ReportFolder();
  ReportFolder(ReportFolder&& other) noexcept;
  ReportFolder& operator=(ReportFolder&&) = delete;

  const std::filesystem::path& scratch() const { return scratch_; }
  // Writes report.html and report.json; other files in the folder stay.
  Result<> write(const CompareReport& report) const;

 private:
  ReportFolder() = default;
  std::optional<std::filesystem::path> path_;
  std::filesystem::path scratch_;
  bool made_ = false;
};

}  // namespace farthing
