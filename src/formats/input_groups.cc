// The check of input groups that came from a file.
#include "formats/input_groups.h"

#include <fmt/format.h>

namespace farthing {

Result<> check_input_groups(const QuantizedTensor& q, const std::string& where) {
  if (!has_input_groups(*q.format)) return {};
  const int64_t size = q.format->scale_block.columns, count = (q.k + size - 1) / size;
  const int32_t* groups = q.planes[static_cast<size_t>(q.format->input_groups)].as<int32_t>();
  for (int64_t k = 0; k < q.k; ++k) {
    if (groups[k] >= 0 && groups[k] < count) continue;
    return fail(
        {.what = "an input lies in a group that there is not",
         .where = fmt::format("{}.groups, input {}", where, k),
         .got = fmt::format("group {}", groups[k]),
         .wanted = fmt::format("0..{}, as {} inputs have groups of {}", count - 1, q.k, size),
         .remedy = "the file is damaged: fetch it again, or quantize the model again"});
  }
  return {};
}

}  // namespace farthing
