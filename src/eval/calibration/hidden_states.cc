// One window in memory at a time.
#include "eval/calibration/hidden_states.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

namespace farthing {

Result<HiddenStates> HiddenStates::open(const std::filesystem::path& path, int64_t tokens,
                                        int64_t hidden) {
  HiddenStates out;
  out.file_ = TRY(MappedFile::open(path));
  const auto wanted = static_cast<size_t>(tokens * hidden) * sizeof(float);
  if (out.file_->bytes().size() == wanted) return out;
  return fail({.what = "a file of hidden states has the wrong size",
               .where = path.string(),
               .got = fmt::format("{} bytes", out.file_->bytes().size()),
               .wanted = fmt::format("{} tokens of {} f32", tokens, hidden),
               .remedy = "remove the folder and start again"});
}

void HiddenStates::copy_rows(Context& context, int64_t begin, View<float, 2> to) const {
  const auto bytes = static_cast<size_t>(to.columns) * sizeof(float);
  const std::byte* const from = file_->bytes().data() + static_cast<size_t>(begin) * bytes;
  context.pool.run([&](Part part) {
    const auto rows = part.range(to.rows);
    for (int64_t r = rows.begin; r < rows.end; ++r)
      std::memcpy(to.row(r), from + static_cast<size_t>(r) * bytes, bytes);
  });
}

Result<> write_hidden(Context& context, ModelStage& stage, const Windows& windows,
                      const HiddenStates* from, int64_t hidden, const std::filesystem::path& to,
                      const EachWindow& each) {
  auto file = TRY(AtomicFile::create(to));
  Tensor rows(DType::f32, {windows.context(), hidden});
  for (int64_t w = 0; w < windows.count(); ++w) {
    each(w);
    if (from != nullptr) from->copy_rows(context, w * windows.context(), rows.view<float>());
    stage.run(context, {.tokens = windows[w], .hidden = rows.view<float>()});
    TRY(file.write(std::as_const(rows).span()));
  }
  return file.commit();
}

}  // namespace farthing
