// Off-grid models: the same function with weights that lie on no quantization grid, for judging
// formats on a model that was quantized once before.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/progress.h"
#include "model/checkpoint.h"

namespace farthing {

struct OffGridOptions {
  uint64_t seed = 0;
  double sigma = 0.05;      // of the log-normal factors; 0 to 0.5
  double tolerance = 1e-5;  // largest allowed max |logit difference| / max |logit|
};

// Hands out `base`'s weights as f32, with channels permuted and rescaled so that the model's
// function stays. A Llama's residual channels take one permutation everywhere; behind each norm a
// factor s per channel multiplies the gain and divides the columns of the linears that follow; the
// value channels of each KV head, and the channels between up and down, are permuted and rescaled,
// and o and down undo it in their columns. A weight is computed in double and rounded once. Every
// number is a function of (seed, sigma, tensor, channel), the same on every machine.
class OffGridSource : public WeightSource {
 public:
  OffGridSource(Context& context, WeightSource& base, const ModelConfig& config,
                const OffGridOptions& options)
      : context_(context), base_(base), config_(config), options_(options) {}

  Result<StoredLinear> linear(const LinearSpec& spec) override;
  Result<StoredLinear> table(const LinearSpec& spec) override;
  Result<Tensor> vector(const VectorSpec& spec) override;

 private:
  Context& context_;
  WeightSource& base_;
  const ModelConfig& config_;
  OffGridOptions options_;
};

// What the two models' logits on the head of the built-in text, run with activations in f32, differ
// by.
struct OffGridReport {
  int64_t tokens = 0;
  double relative_difference = 0;  // max |difference| / max |logit|
  double same_top_token = 0;       // share of the positions
};

// Writes `from` off its grid as a Hugging Face directory of f32 weights, loads it and compares the
// logits. Fails, and leaves nothing, where they differ by more than the tolerance. The directory is
// complete or absent; it holds farthing-offgrid.json with what was done and measured.
Result<OffGridReport> write_off_grid(Context& context, Checkpoint& from,
                                     const OffGridOptions& options, const std::filesystem::path& to,
                                     Progress& progress);

}  // namespace farthing
