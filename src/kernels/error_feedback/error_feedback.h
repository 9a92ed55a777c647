// The kernel of error feedback: weights are rounded column by column, and each column's error moves
// the columns that are still to come (GPTQ, arXiv 2210.17323, in the form of QuIP's LDLQ, arXiv
// 2307.13304).
#pragma once

#include <cstdint>
#include <span>

#include "kernels/kernel_list.h"

namespace farthing {

// Outputs that one call rounds.
inline constexpr int64_t feedback_outputs = 32;

// Matrices have feedback_outputs columns, one for each output; column j of the weight is row j of
// `weights`, in the order in which columns are rounded.
struct FeedbackArguments {
  int64_t k;
  const float* weights;   // [k]
  const float* feedback;  // [k, k]: what column i's error is multiplied with in column j, i < j
  const float* penalty;   // [k]: of the squared error of a column behind its feedback
  const int32_t* group;   // [k]: of the rows below
  const float *scale, *inverse, *zero, *offset;  // [groups]; inverse: 1 / scale, 0 of a scale of 0
  // Ascending. Whole numbers that follow one another need no bounds.
  const float* levels;
  const float* bounds;  // between levels i and i + 1; a number on one takes the lower level
  int64_t level_count;
  bool whole;

  float* level;   // [k]: out, the level that was chosen
  float* errors;  // [k]: out, w - w'
  float* losses;  // [1]: out, the sum of penalty * (w + feedback - w')^2

  // Where outliers are kept apart: a weight whose penalized squared error exceeds the limit keeps
  // what feedback has made of it, rounded to 11 bits.
  float* outliers = nullptr;  // [k]: out, w' of these, NaN of others
  float limit = 0;
};

struct ErrorFeedbackFunctions {
  // For j = 0 .. k - 1: moved = w[j] + sum over i < j of errors[i] * feedback[i, j], one FMA chain
  // in ascending i; x = (moved - offset) * inverse + zero; level = the one nearest to x;
  // w' = scale * (level - zero) + offset, each operation rounded. With a limit: where (moved -
  // w')^2
  // * penalty > limit, w' = c - (c - moved), c = moved * 8193.
  void (*round)(const FeedbackArguments&) noexcept;
};

using ErrorFeedbackKernel = Kernel<ErrorFeedbackFunctions>;
std::span<const ErrorFeedbackKernel> error_feedback_kernels();
const ErrorFeedbackKernel& choose_error_feedback_kernel(Isa isa);

}  // namespace farthing
