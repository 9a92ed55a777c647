// The searches of block_searches.h for portable.
#include "formats/gguf/search/block_searches.inc"

namespace farthing::gguf {
const BlockSearches block_searches_portable = searches;
}  // namespace farthing::gguf
