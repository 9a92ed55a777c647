// A checkpoint whose weights are rotated as they are handed out: the same function in other
// numbers, without outliers.
#pragma once

#include <memory>

#include "model/checkpoint.h"

namespace farthing {

// Norms' gains are folded into what reads them, rotations into the weights on both sides, in
// double, and rounded to f32 once; R3 and R4, and a head of its own where the stream is rotated,
// are in its config(). `from` must outlive it. Fails where a part cannot be rotated (rotate_plan),
// and where `from` is rotated already.
Result<std::unique_ptr<Checkpoint>> rotated_checkpoint(Checkpoint& from, const Rotation& rotation);

}  // namespace farthing
