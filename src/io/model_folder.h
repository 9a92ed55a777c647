// The files of a model's folder, and the links among them that are followed.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace farthing {

// The path of the file `name` (a plain file name) in a model's folder, whether it is there or not.
// A link is followed where its target lies below the folder or, for a snapshot of Hugging Face's
// cache (NAME/snapshots/REVISION, whose files are links to ../../blobs/HASH), below NAME/blobs. Any
// other link is an error: a folder that was downloaded could make `quantize` copy whatever its user
// may read.
Result<std::filesystem::path> file_of_model(const std::filesystem::path& folder,
                                            const std::string& name);

}  // namespace farthing
