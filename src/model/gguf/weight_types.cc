// Types that hold the same numbers.
#include "model/gguf/weight_types.h"

#include "formats/recode.h"

namespace farthing {

const Format* gguf_format_of(const Format& format, int64_t k) {
  if (format.gguf_type >= 0) return &format;
  if (format.grid && format.grid->group % 32 != 0) return nullptr;  // blocks of 32 have one scale
  for (const char* name : {"gguf_mxfp4", "gguf_nvfp4", "q4_0", "q5_0", "q8_0"}) {
    const Format& to = *find_format(name);
    // with zero points, code - zero takes a bit more
    const int bits = format.grid ? format.grid->bits + (format.grid->zero_points ? 1 : 0) : 0;
    const bool fits = !to.grid || !format.grid || bits <= to.grid->bits || to.grid->bits == 8;
    if (fits && may_recode(format, to, k)) return &to;
  }
  return nullptr;
}

}  // namespace farthing
