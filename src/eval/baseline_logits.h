// Where the baseline's logits come from: a model that runs along, a saved file, or a spill on disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "base/result.h"
#include "eval/scorer.h"
#include "eval/windows.h"
#include "tensor/tensor.h"

namespace farthing {

class BaselineLogits {
 public:
  virtual ~BaselineLogits() = default;
  virtual int64_t vocabulary_size() const = 0;
  // The logits of the scored positions of a window, [context - 1, vocabulary]; valid until the next
  // call.
  virtual Result<View<const float, 2>> window(int64_t index, std::span<const int32_t> tokens) = 0;
};

// Runs the baseline beside the model that is judged.
class RunningBaseline : public BaselineLogits {
 public:
  RunningBaseline(Scorer& scorer, int64_t context);
  int64_t vocabulary_size() const override { return scorer_.vocabulary_size(); }
  Result<View<const float, 2>> window(int64_t index, std::span<const int32_t> tokens) override;

 private:
  Scorer& scorer_;
  Tensor logits_;
};

// What `farthing eval --save-logits` wrote: an array [windows, context, vocabulary].
class SavedBaseline : public BaselineLogits {
 public:
  // Fails unless the array is for these windows.
  static Result<SavedBaseline> open(const std::filesystem::path& path, const Windows& windows,
                                    int64_t vocabulary_size);
  int64_t vocabulary_size() const override { return array_.shape()[2]; }
  Result<View<const float, 2>> window(int64_t index, std::span<const int32_t> tokens) override;

 private:
  explicit SavedBaseline(Tensor array) : array_(std::move(array)) {}
  Tensor array_;
};

// Logits on disk while a comparison runs: 32 windows of 511 positions with 49152 floats take 3.2
// GB. The file has no name, so nothing is left behind however the program ends.
class SpilledBaseline : public BaselineLogits {
 public:
  // Reserves the space in `folder`; fails where the disk has not enough.
  static Result<SpilledBaseline> create(const std::filesystem::path& folder, const Windows& windows,
                                        int64_t vocabulary_size);
  ~SpilledBaseline() override;
  SpilledBaseline(SpilledBaseline&& other) noexcept;
  SpilledBaseline& operator=(SpilledBaseline&&) = delete;

  // The scored positions of window `index`.
  Result<> write(int64_t index, View<const float, 2> logits);
  int64_t vocabulary_size() const override { return vocabulary_size_; }
  Result<View<const float, 2>> window(int64_t index, std::span<const int32_t> tokens) override;

 private:
  SpilledBaseline() = default;
  int64_t window_bytes() const {
    return positions_ * vocabulary_size_ * static_cast<int64_t>(sizeof(float));
  }
  int descriptor_ = -1;
  int64_t positions_ = 0, vocabulary_size_ = 0;
  std::filesystem::path folder_;
  Tensor buffer_;
};

}  // namespace farthing
