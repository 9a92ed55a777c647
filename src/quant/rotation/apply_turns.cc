// Turns: rows one at a time, columns in strips of neighbours.
#include "quant/rotation/apply_turns.h"

#include <algorithm>
#include <span>

#include "base/check.h"
#include "base/random.h"
#include "base/rehearsal.h"
#include "ops/hadamard/hadamard.h"

namespace farthing {
namespace {

class Orthogonal {
 public:
  Orthogonal(const Turn& turn, uint64_t seed)
      : kind_(turn.kind), h_(ops::HadamardMatrix::find(turn.size)) {
    CHECK(h_ != nullptr && turn.places.size() % static_cast<size_t>(turn.size) == 0);
    if (kind_ == TurnKind::plain) return;
    for (int64_t i = 0; i < turn.size; ++i) {
      const uint64_t bits = random_bits(seed, turn.stream, static_cast<uint64_t>(i));
      signs_.push_back((bits & 1) != 0 ? -1.0 : 1.0);
    }
    if (kind_ == TurnKind::keeps_mean) signs_[0] = 1;  // H' maps (1, 1, ...) to its first element
  }

  size_t size() const { return static_cast<size_t>(h_->size()); }
  void turn(std::span<double> x) const {
    if (kind_ == TurnKind::keeps_mean) h_->transform_back(x);
    for (size_t i = 0; i < signs_.size(); ++i) x[i] *= signs_[i];
    h_->transform(x);
  }

 private:
  TurnKind kind_;
  const ops::HadamardMatrix* h_;
  std::vector<double> signs_;
};

// values[places[i]], of each part of it.
template <class T>
void turn_places(const Orthogonal& by, const std::vector<int64_t>& places, T* values,
                 int64_t stride, std::vector<double>& part) {
  part.resize(by.size());
  for (size_t begin = 0; begin < places.size(); begin += by.size()) {
    for (size_t i = 0; i < by.size(); ++i)
      part[i] = static_cast<double>(values[places[begin + i] * stride]);
    by.turn(part);
    for (size_t i = 0; i < by.size(); ++i)
      values[places[begin + i] * stride] = static_cast<T>(part[i]);
  }
}

// job(begin, end) over `items`, in parts.
template <class Job>
void in_parts(ThreadPool* pool, int64_t items, const Job& job) {
  if (pool == nullptr) return job(int64_t{0}, items);
  pool->run([&](Part part) {
    const auto range = part.range(items, 16);
    job(range.begin, range.end);
  });
}

template <class T>
void turn_inputs(ThreadPool* pool, const LinearTurns& turns, uint64_t seed,
                 const std::vector<double>& gains, T* values, int64_t n, int64_t k) {
  const Orthogonal by(*turns.inputs, seed);
  in_parts(pool, n, [&](int64_t begin, int64_t end) {
    std::vector<double> row(static_cast<size_t>(k)), part;
    for (int64_t r = begin; r < end; ++r) {
      T* const at = values + r * k;
      std::copy_n(at, k, row.begin());
      for (size_t i = 0; i < gains.size(); ++i) row[i] *= gains[i];
      turn_places(by, turns.inputs->places, row.data(), 1, part);
      for (int64_t i = 0; i < k; ++i) at[i] = static_cast<T>(row[static_cast<size_t>(i)]);
    }
  });
}

template <class T>
void turn_outputs(ThreadPool* pool, const Turn& turn, uint64_t seed, T* values, int64_t k) {
  const Orthogonal by(turn, seed);
  in_parts(pool, k, [&](int64_t begin, int64_t end) {
    std::vector<double> part;
    for (int64_t column = begin; column < end; ++column)
      turn_places(by, turn.places, values + column, k, part);
  });
}

}  // namespace

void turn_matrix(ThreadPool* pool, const LinearTurns& turns, uint64_t seed,
                 const std::vector<double>& gains, float* values, int64_t n, int64_t k) {
  CHECK(gains.empty() || turns.inputs);
  if (turns.inputs && turns.outputs) {
    const auto storage = Storage::allocate(n * k * static_cast<int64_t>(sizeof(double)));
    if (rehearsing()) return;
    auto* const exact = reinterpret_cast<double*>(storage->data());
    std::copy_n(values, n * k, exact);
    turn_inputs(pool, turns, seed, gains, exact, n, k);
    turn_outputs(pool, *turns.outputs, seed, exact, k);
    std::transform(exact, exact + n * k, values, [](double x) { return static_cast<float>(x); });
  } else if (rehearsing()) {
    return;
  } else if (turns.inputs) {
    turn_inputs(pool, turns, seed, gains, values, n, k);
  } else if (turns.outputs) {
    turn_outputs(pool, *turns.outputs, seed, values, k);
  }
}

void turn_vector(const Turn& turn, uint64_t seed, std::vector<double>& values) {
  std::vector<double> part;
  turn_places(Orthogonal(turn, seed), turn.places, values.data(), 1, part);
}

}  // namespace farthing
