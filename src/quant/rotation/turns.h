// What a rotation does to which tensor of a model, as plain data from its plan.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/model.h"

namespace farthing {

// An orthogonal matrix: H with random signs on its columns; plain H; or H with random signs
// between it and its transpose, which maps (1, 1, ...) to itself and so passes a layer norm.
enum class TurnKind { signs, plain, keeps_mean };

// Parts of an axis that are turned: elements places[i], size of them at a time.
struct Turn {
  TurnKind kind = TurnKind::plain;
  int64_t size = 0;
  uint64_t stream = 0;  // of the random signs
  std::vector<int64_t> places;
};

struct LinearTurns {
  NormPlan norm = {};  // its gain first multiplies the columns, as it goes out of the norm; or none
  std::optional<Turn> inputs = {}, outputs = {};
};

// Of a vector: a bias turns as its linear's outputs do; a norm loses its gain, and where it has a
// bias, that turns as what reads it (divided by the gain).
struct VectorTurn {
  std::optional<Turn> turn = {};
  NormPlan norm = {};
  bool is_gain = false;
};

struct ModelTurns {
  std::map<std::string, LinearTurns> matrices;  // linears and tables, by name
  std::map<std::string, VectorTurn> vectors;
};

// `config`: with its head untied where the stream is rotated.
ModelTurns turns_of(const ModelConfig& config, const Rotation& rotation);

}  // namespace farthing
