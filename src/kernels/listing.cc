// The listing of kernels: one line for each operation.
#include "kernels/listing.h"

#include "kernels/activation_functions/activation_functions.h"
#include "kernels/adamw/adamw.h"
#include "kernels/attention/attention.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/error_feedback/error_feedback.h"
#include "kernels/hadamard/hadamard.h"
#include "kernels/matmul/matmul.h"
#include "kernels/norm/norm.h"
#include "kernels/outlier_columns/outlier_columns.h"
#include "kernels/quantize_rows/quantize_rows.h"
#include "kernels/rope/rope.h"
#include "kernels/softmax/softmax.h"

namespace farthing {

std::vector<ListedKernel> list_kernels() {
  std::vector<ListedKernel> listed;
  const auto add = [&](std::string_view operation, const auto& kernels) {
    for (const auto& kernel : kernels) listed.push_back({operation, kernel});
  };
  add("activation_functions", activation_function_kernels());
  add("adamw", adamw_kernels());
  add("attention", attention_kernels());
  add("elementwise", elementwise_kernels());
  add("error_feedback", error_feedback_kernels());
  add("hadamard", hadamard_kernels());
  add("matmul", matmul_kernels());
  add("norm", norm_kernels());
  add("outlier_columns", outlier_columns_kernels());
  add("quantize_rows", quantize_rows_kernels());
  add("rope", rope_kernels());
  add("softmax", softmax_kernels());
  return listed;
}

}  // namespace farthing
