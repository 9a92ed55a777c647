// Rows of operators: kept, named and compared.
#include "workflows/align/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace farthing {

std::string OperatorInfo::text() const { return fmt::format("{} {}", operator_name(kind), name); }

void OperatorProbe::begin_expert(int64_t expert, std::span<const int32_t> rows) {
  place_ = {place_.before, expert, 0};
  rows_ = rows;
}

void OperatorProbe::end_expert() { place_ = {place_.before}; }

OperatorPlace OperatorProbe::next_place() {
  const OperatorPlace out = place_;
  ++(in_expert() ? place_.inner : place_.before);
  return out;
}

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
  begin_pass();
  written_.clear();
  for (auto& [place, kept] : kept_) {
    kept.rows.clear();
    kept.which.clear();
  }
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

// Without a weight of its own yet, an expert's operator is named by what ran before all of them.
void OperatorRecorder::begin_expert(int64_t expert, std::span<const int32_t> rows) {
  OperatorProbe::begin_expert(expert, rows);
  before_expert_ = last_weight_;
  last_weight_ += fmt::format(", expert {}", expert);
}

void OperatorRecorder::end_expert() {
  OperatorProbe::end_expert();
  last_weight_ = before_expert_;
}

void OperatorRecorder::see(const OperatorOutput& output) {
  const View<const float, 2>& rows = output.rows;
  CHECK(in_expert() || rows.rows >= first_ + count_);
  const std::string name = name_of(output);
  const auto [found, is_new] = kept_.try_emplace(next_place());
  Kept& kept = found->second;
  if (is_new) kept.info = {output.kind, name, rows.columns};
  CHECK(kept.info.kind == output.kind && kept.info.columns == rows.columns);
  for (int64_t r = 0; r < rows.rows; ++r) {
    const int64_t which = batch_row(r) - first_;
    if (which < 0 || which >= count_) continue;
    kept.which.push_back(which);
    kept.rows.insert(kept.rows.end(), rows.row(r), rows.row(r) + rows.columns);
  }
  for (const float value : kept.rows) kept.squares += double{value} * double{value};
  kept.elements += static_cast<int64_t>(kept.rows.size());
}

std::vector<OperatorInfo> OperatorRecorder::operators() const {
  std::vector<OperatorInfo> out;
  for (const auto& [place, kept] : kept_) {
    out.push_back(kept.info);
    out.back().rms =
        std::sqrt(kept.squares / static_cast<double>(std::max<int64_t>(kept.elements, 1)));
  }
  return out;
}

int64_t OperatorRecorder::bytes_per_row() const {
  size_t values = 0;
  for (const auto& [place, kept] : kept_) values += kept.rows.size();
  return static_cast<int64_t>(values * sizeof(float)) / std::max<int64_t>(count_, 1);
}

void OperatorComparer::begin(int64_t window, int64_t kept_row, int64_t position, int64_t end) {
  window_ = window;
  kept_row_ = kept_row;
  position_ = position;
  end_ = end;
  begin_pass();
}

void OperatorComparer::see(const OperatorOutput& output) {
  const OperatorPlace place = next_place();
  const auto found = recorder_.kept_.find(place);
  if (found == recorder_.kept_.end()) {
    CHECK(place.in_expert());
    return;
  }
  const OperatorRecorder::Kept& kept = found->second;
  const View<const float, 2>& rows = output.rows;
  CHECK(kept.info.kind == output.kind && kept.info.columns == rows.columns);
  const auto columns = static_cast<size_t>(rows.columns);
  auto& [d, elements] = sums_[place];
  for (int64_t r = 0; r < rows.rows; ++r) {
    const int64_t position = position_ + batch_row(r), which = kept_row_ + position;
    if (position >= end_) break;
    const auto at = std::lower_bound(kept.which.begin(), kept.which.end(), which);
    if (at == kept.which.end() || *at != which) {
      CHECK(place.in_expert());
      continue;
    }
    ++d.rows;
    elements += rows.columns;
    const float* a = kept.rows.data() + static_cast<size_t>(at - kept.which.begin()) * columns;
    const float* b = rows.row(r);
    if (std::memcmp(a, b, columns * sizeof(float)) == 0) continue;
    if (d.rows_differ++ == 0) {
      d.window = window_;
      d.position = position;
    }
    for (size_t j = 0; j < columns; ++j) {
      const double size = std::fabs(double{a[j]} - double{b[j]});
      d.mean += size;
      if (std::isnan(size) || size > d.max) d.max = size;  // a NaN stays
    }
  }
}

std::vector<OperatorDifference> OperatorComparer::differences() const {
  std::vector<OperatorDifference> out;
  for (const auto& [place, kept] : recorder_.kept_) {
    const auto found = sums_.find(place);
    out.emplace_back();
    if (found == sums_.end()) continue;
    out.back() = found->second.difference;
    out.back().mean /= static_cast<double>(std::max<int64_t>(found->second.elements, 1));
  }
  return out;
}

}  // namespace farthing
