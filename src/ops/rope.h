// Rotary position embedding in Hugging Face's layout: the first half of a head pairs with the
// second.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/context.h"

namespace farthing {

// How frequencies are stretched beyond the length that a model was first trained on.
enum class RopeScaling { none, linear, llama3, yarn, factors };

struct RopeParameters {
  double theta = 10000.0;
  RopeScaling scaling = RopeScaling::none;
  double factor = 1.0;           // linear, llama3, yarn
  double low_freq_factor = 1.0;  // llama3, as the two below
  double high_freq_factor = 4.0;
  int64_t original_max_positions = 8192;  // llama3, yarn
  double beta_fast = 32.0,
         beta_slow = 1.0;           // yarn: turns over the original length, as the blend's ends
  bool truncate = true;             // yarn: the ends are whole pairs
  double attention_factor = 1.0;    // cosine and sine are multiplied by it
  std::vector<float> factors = {};  // factors: the divisor of each pair's frequency
  int64_t most_positions = 0;       // they are meant for so many; 0: for all
};

// Cosine and sine of each (position, pair) in f32.
class RopeTable {
 public:
  // Positions 0 .. most_positions - 1 keep their angles where sine and cosine are exact to f32.
  static constexpr int64_t most_positions = int64_t{1} << 20;

  // frequency[i] = 1 / theta^(2 i / head_dim), then scaled; every step is rounded to f32, as
  // transformers does. angle = position * frequency, rounded to f32 too.
  RopeTable(const RopeParameters& parameters, int64_t head_dim);

  // Makes the table hold the positions below `positions`. What is already there stays as it is.
  void reserve(int64_t positions);

  int64_t head_dim() const { return head_dim_; }
  int64_t positions() const { return positions_; }
  const std::vector<float>& frequencies() const { return frequencies_; }
  // [head_dim / 2]
  const float* cos(int64_t position) const { return cos_.data() + position * (head_dim_ / 2); }
  const float* sin(int64_t position) const { return sin_.data() + position * (head_dim_ / 2); }

 private:
  int64_t head_dim_, positions_ = 0;
  float attention_factor_;
  std::vector<float> frequencies_, cos_, sin_;
};

namespace ops {

// Rotates the first table.head_dim() elements of each head of x [m, heads * head_dim] in place; row
// r is at positions[r], in [0, RopeTable::most_positions). A table that is too short grows to twice
// its size: reserve() first where nothing may be allocated. fixed_order, as the function below.
void rope_forward(Context& context, RopeTable& table, std::span<const int32_t> positions,
                  int64_t head_dim, View<float, 2> x);

// Turns the gradient of rope_forward's result into that of its input, in place: each head of
// gradient [m, heads * head_dim] is rotated by minus the angles. Adds to nothing, since
// rope_forward works in place too.
void rope_backward(Context& context, RopeTable& table, std::span<const int32_t> positions,
                   int64_t head_dim, View<float, 2> gradient);

}  // namespace ops
}  // namespace farthing
