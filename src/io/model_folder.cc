// Which links of a model's folder are followed.
#include "io/model_folder.h"

#include <fmt/format.h>

#include <algorithm>

namespace farthing {
namespace fs = std::filesystem;
namespace {

bool lies_below(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first ==
         folder.end();
}

// The blobs of the cache that the snapshot `folder` belongs to; empty where it is no snapshot.
fs::path blobs_of(const fs::path& folder) {
  const fs::path snapshots = folder.parent_path();
  return snapshots.filename() == "snapshots" ? snapshots.parent_path() / "blobs" : fs::path();
}

}  // namespace

Result<fs::path> file_of_model(const fs::path& folder, const std::string& name) {
  const fs::path path = folder / name;
  std::error_code code;
  if (!fs::is_symlink(fs::symlink_status(path, code))) return path;
  const fs::path target = fs::canonical(path, code);
  if (code) return path;  // a link to nothing: whoever opens it says so
  // Only the folder that was named may itself be reached by links: `blobs` may not be one.
  const fs::path root = fs::canonical(folder.empty() ? "." : folder, code);
  const fs::path blobs = blobs_of(root);
  if (!code && (lies_below(target, root) || (!blobs.empty() && lies_below(target, blobs))))
    return path;
  return fail({.what = "a file of the model is a link that leaves the model's folder",
               .where = path.string(),
               .got = target.string(),
               .wanted = blobs.empty()
                             ? fmt::format("a file below {}", root.string())
                             : fmt::format("a file below {} or {}", root.string(), blobs.string()),
               .remedy = "if you trust the link, put the file itself in its place"});
}

}  // namespace farthing
