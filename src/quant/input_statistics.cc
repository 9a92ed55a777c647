// Sums over tokens in ascending order, columns split over the threads.
#include "quant/input_statistics.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "ops/linear/gram.h"

namespace farthing {

InputStatistics::InputStatistics(int64_t k, bool with_gram)
    : square_sums(static_cast<size_t>(k)),
      magnitudes(static_cast<size_t>(k)),
      largest(static_cast<size_t>(k)) {
  if (with_gram) gram = Tensor(DType::f32, {k, k});
}

void InputStatistics::add(Context& context, View<const float, 2> x, const float* weights) {
  CHECK(x.columns == k());
  const Workspace::Mark mark(context.workspace);
  const View<float, 2> rows = weights == nullptr
                                  ? View<float, 2>{nullptr, 0, 0, 0}
                                  : context.workspace.take_rows<float>(x.rows, x.columns);
  const View<const float, 2> weighted = weights == nullptr ? x : rows;
  tokens += x.rows;
  std::vector<Extremes> extremes(static_cast<size_t>(context.pool.size()));
  context.pool.run([&](Part part) {
    const auto columns = part.range(x.columns, 16);
    Extremes& mine = extremes[static_cast<size_t>(part.index)];
    for (int64_t r = 0; r < x.rows; ++r) {
      const float* row = x.row(r);
      if (weights != nullptr) {
        const float root = __builtin_sqrtf(weights[r]);  // exact to the last bit everywhere
        for (int64_t i = columns.begin; i < columns.end; ++i) rows.row(r)[i] = root * row[i];
      }
      mine.join(extremes_of(row + columns.begin, columns.end - columns.begin));
      for (int64_t i = columns.begin; i < columns.end; ++i) {
        const auto at = static_cast<size_t>(i);
        const float magnitude = std::fabs(row[i]);
        square_sums[at] += weighted.row(r)[i] * weighted.row(r)[i];
        magnitudes[at] += magnitude;
        // a NaN stays where it has once been seen
        largest[at] = magnitude <= largest[at] ? largest[at] : magnitude;
      }
    }
  });
  for (const Extremes& each : extremes) seen.join(each);
  if (with_histogram) seen.count(x);
  if (gram) ops::add_gram(context, weighted, gram.view<float>());
}

void InputStatistics::finish() {
  if (gram) ops::mirror_gram(gram.view<float>());
}

std::vector<float> InputStatistics::importance() const {
  double sum = 0;
  for (const float square : square_sums) sum += square;
  const double mean = sum / static_cast<double>(square_sums.size());
  std::vector<float> out(square_sums.size(), 1.0f);
  if (!(mean > 0)) return out;
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = std::max(static_cast<float>(square_sums[i] / mean), 1e-6f);
  return out;
}

}  // namespace farthing
