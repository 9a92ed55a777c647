// Rows of a batch in the order of its sequences.
#include "model/batch.h"

#include <algorithm>

namespace farthing {

Batch::Batch(Context& context, std::span<const SequenceTokens> batch) {
  int64_t rows = 0, wanted = 0;
  for (const SequenceTokens& s : batch) {
    const auto count = static_cast<int64_t>(s.tokens.size());
    CHECK(count > 0 && s.logits >= 0 && s.logits <= count);
    rows += count;
    wanted += s.logits;
  }
  CHECK(rows > 0);
  Workspace& workspace = context.workspace;
  int32_t* ids = workspace.take<int32_t>(rows);
  int32_t* at = workspace.take<int32_t>(rows);
  int32_t* last = workspace.take<int32_t>(wanted);
  auto* of = workspace.take<autograd::SequenceRows>(static_cast<int64_t>(batch.size()));
  tokens = {ids, static_cast<size_t>(rows)};
  positions = {at, static_cast<size_t>(rows)};
  logits_rows = {last, static_cast<size_t>(wanted)};
  sequences = {of, batch.size()};
  int32_t row = 0;
  for (const SequenceTokens& s : batch) {
    const auto count = static_cast<int32_t>(s.tokens.size());
    *of++ = {&s.sequence->cache, s.sequence->length, count};
    std::copy(s.tokens.begin(), s.tokens.end(), ids + row);
    for (int32_t i = 0; i < count; ++i) at[row + i] = static_cast<int32_t>(s.sequence->length) + i;
    for (int64_t i = count - s.logits; i < count; ++i) *last++ = row + static_cast<int32_t>(i);
    row += count;
  }
}

}  // namespace farthing
