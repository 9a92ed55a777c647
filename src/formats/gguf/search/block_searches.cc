// Which instruction set's searches run.
#include "formats/gguf/search/block_searches.h"

namespace farthing::gguf {

const BlockSearches& block_searches(Isa isa) {
  switch (isa) {
    case Isa::portable:
      return block_searches_portable;
    case Isa::avx2:
      return block_searches_avx2;
    case Isa::avx512:
      return block_searches_avx512;
  }
  return block_searches_portable;
}

const BlockSearches& block_searches() {
  // A forced set that cannot run is an error of the command that asks for it.
  static const BlockSearches& chosen = block_searches(choose_isa().value_or(Isa::portable));
  return chosen;
}

}  // namespace farthing::gguf
