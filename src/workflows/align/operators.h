// Operator by operator: keeping what one run computed, and comparing another run with it.
#pragma once

#include <compare>
#include <map>
#include <span>
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

// Where an operator stands in every pass, whichever experts a pass visits.
struct OperatorPlace {
  static constexpr int64_t no_expert = INT64_MAX;  // behind the experts of the same `before`

  int64_t before = 0;  // operators on the whole batch that ran before it
  int64_t expert = no_expert;
  int64_t inner = 0;  // operators of this expert that ran before it

  auto operator<=>(const OperatorPlace&) const = default;
  bool in_expert() const { return expert != no_expert; }
};

// Counts the operators of a pass, and knows which rows of the batch they have.
class OperatorProbe : public Probe {
 public:
  void begin_expert(int64_t expert, std::span<const int32_t> rows) override;
  void end_expert() override;

 protected:
  void begin_pass() { place_ = {}; }
  OperatorPlace next_place();
  bool in_expert() const { return place_.in_expert(); }
  int64_t expert() const { return place_.expert; }
  // The batch's row that is an output's row r.
  int64_t batch_row(int64_t r) const { return in_expert() ? rows_[static_cast<size_t>(r)] : r; }

 private:
  OperatorPlace place_;  // the next one's
  std::span<const int32_t> rows_;
};

// Keeps the outputs of the rows that it is asked for; the run that others are compared with.
class OperatorRecorder : public OperatorProbe {
 public:
  explicit OperatorRecorder(Model& model);
  // Before a forward pass of which the rows first .. first + count are kept.
  void begin(int64_t first, int64_t count);
  void see(const OperatorOutput& output) override;
  void begin_expert(int64_t expert, std::span<const int32_t> rows) override;
  void end_expert() override;

  // Those that some row reached. Their rms is that of all rows that were kept so far.
  std::vector<OperatorInfo> operators() const;
  int64_t bytes_per_row() const;  // of the last pass; 0 before the first one

 private:
  friend class OperatorComparer;
  struct Kept {
    OperatorInfo info;
    std::vector<float> rows;
    std::vector<int64_t> which;  // of the rows that were asked for; ascending
    double squares = 0;
    int64_t elements = 0;
  };
  std::string name_of(const OperatorOutput& output);

  std::map<const void*, std::string> names_;
  std::map<const float*, std::string> written_;  // by which weight, in this pass
  std::string last_weight_, before_expert_;
  std::map<OperatorPlace, Kept> kept_;
  int64_t first_ = 0, count_ = 0;
};

// Compares a run of a model of the same sizes with what was kept. An expert's rows are compared
// where both runs sent them there; where they did not, the router's weights differ.
class OperatorComparer : public OperatorProbe {
 public:
  explicit OperatorComparer(const OperatorRecorder& recorder) : recorder_(recorder) {}
  // Before a forward pass: its row 0 is `position` of `window`, whose kept rows begin at
  // `kept_row`; rows from position `end` on are not compared.
  void begin(int64_t window, int64_t kept_row, int64_t position, int64_t end);
  void see(const OperatorOutput& output) override;

  std::vector<OperatorDifference> differences() const;  // of the recorder's operators

 private:
  const OperatorRecorder& recorder_;
  struct Sum {
    OperatorDifference difference;  // mean: still the sum
    int64_t elements = 0;
  };
  std::map<OperatorPlace, Sum> sums_;
  int64_t window_ = 0, kept_row_ = 0, position_ = 0, end_ = 0;
};

}  // namespace farthing
