// Left-looking: a block of columns loses the product of all before it, then is decomposed.
#include "quant/algorithms/cholesky.h"

#include <algorithm>

#include "base/rehearsal.h"
#include "ops/linear/product.h"

namespace farthing {
namespace {

constexpr int64_t block = 64;

// a[begin.., begin..end) -= L[begin.., 0..begin) L[begin..end, 0..begin)^T
void take_away_earlier(Context& context, View<float, 2> a, int64_t begin, int64_t end) {
  const Workspace::Mark mark(context.workspace);
  const int64_t width = end - begin, rows = a.rows - begin;
  const auto right = context.workspace.take_rows<float>(begin, width);
  ops::transpose({a.row(begin), width, begin, a.stride}, right);
  float* panels = context.workspace.take<float>(ops::panel_floats(begin, width));
  ops::pack_right(right, 0, begin, panels);
  const ops::Product product{ops::f32_product_kernel(context.isa), begin, width, panels};
  const auto y = context.workspace.take_rows<float>(rows, width);
  float* scratch = context.workspace.take<float>(matmul_scratch_floats() * context.pool.size());
  context.pool.run([&](Part part) {
    const auto mine = part.range(rows, block);
    if (mine.begin == mine.end) return;
    const View<const float, 2> left{a.row(begin + mine.begin), mine.end - mine.begin, begin,
                                    a.stride};
    const auto out = y.rows_from(mine.begin, mine.end);
    product.run(left, out, scratch + part.index * matmul_scratch_floats());
    for (int64_t i = 0; i < out.rows; ++i)
      for (int64_t j = 0; j < width; ++j) a.row(begin + mine.begin + i)[begin + j] -= out.row(i)[j];
  });
}

// Row i of the block's columns, given the finished rows of its diagonal block.
void finish_row(View<float, 2> a, int64_t i, int64_t begin, int64_t end) {
  float* row = a.row(i);
  for (int64_t j = begin; j < end; ++j) {
    const float* other = a.row(j);
    float sum = row[j];
    for (int64_t c = begin; c < j; ++c) sum -= row[c] * other[c];
    row[j] = sum / other[j];
  }
}

}  // namespace

bool cholesky(Context& context, View<float, 2> a) {
  CHECK(a.rows == a.columns);
  for (int64_t begin = 0; begin < a.rows; begin += block) {
    const int64_t end = std::min(begin + block, a.rows);
    if (begin > 0) take_away_earlier(context, a, begin, end);
    for (int64_t i = begin; i < end; ++i) {
      finish_row(a, i, begin, i);
      float pivot = a.row(i)[i];
      for (int64_t c = begin; c < i; ++c) pivot -= a.row(i)[c] * a.row(i)[c];
      if ((!(pivot > 0) || pivot - pivot != 0) && !rehearsing()) return false;
      a.row(i)[i] = __builtin_sqrtf(pivot);  // exact to the last bit everywhere
    }
    context.pool.run([&](Part part) {
      const auto rows = part.range(a.rows - end);
      for (int64_t i = end + rows.begin; i < end + rows.end; ++i) finish_row(a, i, begin, end);
    });
  }
  return true;
}

}  // namespace farthing
