// The baseline's logits: run, saved, or spilled to an unnamed file.
#include "eval/baseline_logits.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "io/npy.h"

namespace farthing {

RunningBaseline::RunningBaseline(Scorer& scorer, int64_t context)
    : scorer_(scorer), logits_(DType::f32, {context, scorer.vocabulary_size()}) {}

Result<View<const float, 2>> RunningBaseline::window(int64_t, std::span<const int32_t> tokens) {
  TRY(scorer_.score(tokens, logits_.view<float>()));
  return View<const float, 2>(logits_.view<float>())
      .rows_from(0, static_cast<int64_t>(tokens.size()) - 1);
}

Result<SavedBaseline> SavedBaseline::open(const std::filesystem::path& path, const Windows& windows,
                                          int64_t vocabulary_size) {
  Tensor array = TRY(read_npy(path));
  const Shape wanted{windows.count(), windows.context(), vocabulary_size};
  if (!(array.shape() == wanted)) {
    return fail({.what = "the saved logits are not of these windows",
                 .where = path.string(),
                 .got = fmt::format("shape {}", array.shape().text()),
                 .wanted = fmt::format("{}: windows, context, vocabulary", wanted.text()),
                 .remedy = "save them with the same --text, --tokens and --context, from a model "
                           "with the same vocabulary"});
  }
  return SavedBaseline(std::move(array));
}

Result<View<const float, 2>> SavedBaseline::window(int64_t index, std::span<const int32_t>) {
  const int64_t context = array_.shape()[1], vocabulary = array_.shape()[2];
  return View<const float, 2>{std::as_const(array_).as<float>() + index * context * vocabulary,
                              context - 1, vocabulary, vocabulary};
}

namespace {
tl::unexpected<Error> spill_error(const std::filesystem::path& folder, std::string got,
                                  int64_t bytes) {
  return fail({.what = "cannot keep the baseline's logits on disk",
               .where = fmt::format("a temporary file in {}", folder.string()),
               .got = std::move(got),
               .wanted = fmt::format("{:.1f} GB", static_cast<double>(bytes) * 1e-9),
               .remedy = "free space there, write the report to another disk with -o, or measure "
                         "fewer --tokens"});
}
}  // namespace

Result<SpilledBaseline> SpilledBaseline::create(const std::filesystem::path& folder,
                                                const Windows& windows, int64_t vocabulary_size) {
  SpilledBaseline out;
  out.positions_ = windows.scored();
  out.vocabulary_size_ = vocabulary_size;
  out.folder_ = folder;
  const int64_t bytes = windows.count() * out.window_bytes();
  out.descriptor_ = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (out.descriptor_ < 0 &&
      (errno == EOPNOTSUPP || errno == EISDIR)) {  // a file system without unnamed files
    std::string name = (folder / "farthing-logits-XXXXXX").string();
    out.descriptor_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (out.descriptor_ >= 0) ::unlink(name.c_str());
  }
  if (out.descriptor_ < 0) return spill_error(folder, std::strerror(errno), bytes);
  // Where the file system cannot reserve, a full disk is met while writing.
  if (::fallocate(out.descriptor_, 0, 0, bytes) != 0 && errno != EOPNOTSUPP && errno != EINTR)
    return spill_error(folder, std::strerror(errno), bytes);
  return out;
}

SpilledBaseline::SpilledBaseline(SpilledBaseline&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      positions_(other.positions_),
      vocabulary_size_(other.vocabulary_size_),
      folder_(std::move(other.folder_)),
      buffer_(std::move(other.buffer_)) {}

SpilledBaseline::~SpilledBaseline() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

namespace {
// Calls pread or pwrite until all bytes went over; false on an error or the file's end.
template <class Call, class Byte>
bool transfer(Call call, int descriptor, Byte* data, int64_t bytes, int64_t offset) {
  while (bytes > 0) {
    const ssize_t n =
        call(descriptor, data, static_cast<size_t>(bytes), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n;
    bytes -= n;
    offset += n;
  }
  return true;
}
}  // namespace

Result<> SpilledBaseline::write(int64_t index, View<const float, 2> logits) {
  CHECK(logits.rows == positions_ && logits.columns == vocabulary_size_ &&
        logits.stride == logits.columns);
  const auto* data = reinterpret_cast<const std::byte*>(logits.data);
  if (!transfer(::pwrite, descriptor_, data, window_bytes(), index * window_bytes()))
    return spill_error(folder_, std::strerror(errno), window_bytes());
  return {};
}

Result<View<const float, 2>> SpilledBaseline::window(int64_t index, std::span<const int32_t>) {
  if (!buffer_) buffer_ = Tensor(DType::f32, {positions_, vocabulary_size_});
  if (!transfer(::pread, descriptor_, buffer_.data(), window_bytes(), index * window_bytes()))
    return spill_error(folder_, fmt::format("reading failed: {}", std::strerror(errno)),
                       window_bytes());
  return View<const float, 2>(buffer_.view<float>());
}

}  // namespace farthing
