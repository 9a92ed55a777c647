// What a training run takes: memory by its parts, and disk.
#pragma once

#include "model/checkpoint.h"
#include "train/recipe/recipe.h"

namespace farthing {

// Bytes, if not said otherwise.
struct TrainingPlan {
  int64_t tokens = 0;      // of a forward pass
  int64_t parameters = 0;  // that are trained
  int64_t masters = 0, gradients = 0, moments = 0;
  int64_t weights = 0;      // as they are stored, and packed for their kernels
  int64_t kv_cache = 0;     // of the sequences of a batch
  int64_t activations = 0;  // that the backward pass reads, their gradients, and scratch
  int64_t loading = 0;      // beyond masters, gradients and weights, before there are the rest
  int64_t process = 0;      // the program, and what its allocator keeps
  int64_t state = 0;        // of one state on disk
  int64_t states = 0;       // of as many as are there at once
  int64_t exported = 0;     // of the trained model on disk

  int64_t peak() const;
};

// Rehearses building the trained model and one batch of whole sequences, forward and backward
// (base/rehearsal.h). Fails as training does.
Result<TrainingPlan> plan_training(int threads, Isa isa, Checkpoint& from, const Recipe& recipe);

}  // namespace farthing
