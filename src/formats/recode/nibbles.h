// The way of recode between 4-bit codes that stay as they are: whole bytes at a time.
#pragma once

#include "formats/format.h"

namespace farthing::recoding {

// Planes of 4-bit codes without zero points, with scales in f16, to q4_0. False where the weight is
// none of these, or has a scale that is no number: nothing that it then has written counts.
bool recode_nibbles(const QuantizedTensor& from, QuantizedTensor& to, Tile rows);

}  // namespace farthing::recoding
