// The searches of block_searches.h for avx2.
#include "formats/gguf/search/block_searches.inc"

namespace farthing::gguf {
const BlockSearches block_searches_avx2 = searches;
}  // namespace farthing::gguf
