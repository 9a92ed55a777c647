// The searches of block_searches.h for avx512.
#include "formats/gguf/search/block_searches.inc"

namespace farthing::gguf {
const BlockSearches block_searches_avx512 = searches;
}  // namespace farthing::gguf
