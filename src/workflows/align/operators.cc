// Rows of operators: kept, named and compared.
#include "workflows/align/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace farthing {

std::string OperatorInfo::text() const { return fmt::format("{} {}", operator_name(kind), name); }

OperatorRecorder::OperatorRecorder(Model& model) {
  const WeightSlots slots = model.weights();
  for (const auto& [name, weight] : slots.tables) names_[weight] = name;
  for (const auto& [name, weight] : slots.vectors) names_[weight] = name;
  for (const auto& [name, weight] : slots.linears) {
    const bool tied = std::any_of(slots.tables.begin(), slots.tables.end(),
                                  [&, &of = name](const auto& table) { return table.first == of; });
    names_[weight] = tied ? name + " (head)" : name;
  }
}

void OperatorRecorder::begin(int64_t first, int64_t count) {
  first_ = first;
  count_ = count;
  next_ = 0;
  written_.clear();
}

std::string OperatorRecorder::name_of(const OperatorOutput& output) {
  if (output.weight != nullptr) {
    const auto found = names_.find(output.weight);
    CHECK(found != names_.end());
    written_[output.rows.data] = last_weight_ = found->second;
    return last_weight_;
  }
  // rope works in place: it turns what a linear left there
  if (output.kind == OperatorKind::rope)
    if (const auto at = written_.find(output.rows.data); at != written_.end())
      return "of " + at->second;
  return "after " + last_weight_;
}

void OperatorRecorder::see(const OperatorOutput& output) {
  const View<const float, 2>& rows = output.rows;
  CHECK(rows.rows >= first_ + count_);
  if (next_ == kept_.size())
    kept_.push_back({{output.kind, name_of(output), rows.columns}, {}, 0, 0});
  Kept& kept = kept_[next_++];
  CHECK(kept.info.kind == output.kind && kept.info.columns == rows.columns);
  kept.rows.resize(static_cast<size_t>(count_ * rows.columns));
  for (int64_t r = 0; r < count_; ++r)
    std::copy_n(rows.row(first_ + r), rows.columns, kept.rows.data() + r * rows.columns);
  for (const float value : kept.rows) kept.squares += double{value} * double{value};
  kept.elements += count_ * rows.columns;
}

std::vector<OperatorInfo> OperatorRecorder::operators() const {
  std::vector<OperatorInfo> out;
  for (const Kept& kept : kept_) {
    out.push_back(kept.info);
    out.back().rms =
        std::sqrt(kept.squares / static_cast<double>(std::max<int64_t>(kept.elements, 1)));
  }
  return out;
}

int64_t OperatorRecorder::bytes_per_row() const {
  int64_t columns = 0;
  for (const Kept& kept : kept_) columns += kept.info.columns;
  return columns * static_cast<int64_t>(sizeof(float));
}

void OperatorComparer::begin(int64_t window, int64_t kept_row, int64_t position, int64_t end) {
  window_ = window;
  kept_row_ = kept_row;
  position_ = position;
  end_ = end;
  next_ = 0;
}

void OperatorComparer::see(const OperatorOutput& output) {
  CHECK(next_ < recorder_.kept_.size());
  const OperatorRecorder::Kept& kept = recorder_.kept_[next_];
  const View<const float, 2>& rows = output.rows;
  CHECK(kept.info.kind == output.kind && kept.info.columns == rows.columns);
  differences_.resize(std::max(differences_.size(), next_ + 1));
  elements_.resize(differences_.size());
  OperatorDifference& d = differences_[next_];
  const auto columns = static_cast<size_t>(rows.columns);
  const int64_t count = std::clamp<int64_t>(end_ - position_, 0, rows.rows);
  d.rows += count;
  elements_[next_] += count * rows.columns;
  for (int64_t r = 0; r < count; ++r) {
    const float* a = kept.rows.data() + static_cast<size_t>(kept_row_ + position_ + r) * columns;
    const float* b = rows.row(r);
    if (std::memcmp(a, b, columns * sizeof(float)) == 0) continue;
    if (d.rows_differ++ == 0) {
      d.window = window_;
      d.position = position_ + r;
    }
    for (size_t j = 0; j < columns; ++j) {
      const double size = std::fabs(double{a[j]} - double{b[j]});
      d.mean += size;
      if (std::isnan(size) || size > d.max) d.max = size;  // a NaN stays
    }
  }
  ++next_;
}

std::vector<OperatorDifference> OperatorComparer::differences() const {
  std::vector<OperatorDifference> out = differences_;
  for (size_t i = 0; i < out.size(); ++i)
    out[i].mean /= static_cast<double>(std::max<int64_t>(elements_[i], 1));
  return out;
}

}  // namespace farthing
