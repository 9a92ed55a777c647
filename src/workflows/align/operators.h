// Operator by operator: keeping what one run computed, and comparing another run with it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "autograd/probe.h"
#include "model/model.h"

namespace farthing {

struct OperatorInfo {
  OperatorKind kind;
  std::string name;  // its weight's; without a weight "after WEIGHT", and of a rope "of WEIGHT"
  int64_t columns;
  double rms = 0;  // of a's outputs

  std::string text() const;  // "linear model.layers.0.mlp.up_proj.weight"
};

// Of one operator's outputs in a and b.
struct OperatorDifference {
  int64_t rows = 0, rows_differ = 0;   // positions of windows
  double mean = 0, max = 0;            // of |a - b|; NaN where a difference is one
  int64_t window = -1, position = -1;  // the first row that differs
};

// Keeps the outputs of the rows that it is asked for; the run that others are compared with.
class OperatorRecorder : public Probe {
 public:
  explicit OperatorRecorder(Model& model);
  // Before a forward pass of which the rows first .. first + count are kept.
  void begin(int64_t first, int64_t count);
  void see(const OperatorOutput& output) override;

  // Their rms is that of all rows that were kept so far.
  std::vector<OperatorInfo> operators() const;
  int64_t bytes_per_row() const;  // 0 before the first pass

 private:
  friend class OperatorComparer;
  struct Kept {
    OperatorInfo info;
    std::vector<float> rows;
    double squares = 0;
    int64_t elements = 0;
  };
  std::string name_of(const OperatorOutput& output);

  std::map<const void*, std::string> names_;
  std::map<const float*, std::string> written_;  // by which weight, in this pass
  std::string last_weight_;
  std::vector<Kept> kept_;
  size_t next_ = 0;
  int64_t first_ = 0, count_ = 0;
};

// Compares a run of a model of the same sizes with what was kept.
class OperatorComparer : public Probe {
 public:
  explicit OperatorComparer(const OperatorRecorder& recorder) : recorder_(recorder) {}
  // Before a forward pass: its row 0 is `position` of `window`, whose kept rows begin at
  // `kept_row`; rows from position `end` on are not compared.
  void begin(int64_t window, int64_t kept_row, int64_t position, int64_t end);
  void see(const OperatorOutput& output) override;

  std::vector<OperatorDifference> differences() const;

 private:
  const OperatorRecorder& recorder_;
  std::vector<OperatorDifference> differences_;  // mean: still the sum
  std::vector<int64_t> elements_;
  size_t next_ = 0;
  int64_t window_ = 0, kept_row_ = 0, position_ = 0, end_ = 0;
};

}  // namespace farthing
