// Which type of GGUF holds a stored weight exactly.
#pragma once

#include "formats/format.h"

namespace farthing {

// A format that GGUF has a type for and that holds weights of `format`, with k inputs, without a
// rounding: its own, or the smallest one. Whether every scale fits is seen where the weight is
// recoded. Null where there is none.
const Format* gguf_format_of(const Format& format, int64_t k);

}  // namespace farthing
