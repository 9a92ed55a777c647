// The digest by which texts and files are told apart.
#pragma once

#include <string>
#include <string_view>

namespace farthing {

// XXH3 of 128 bits, hexadecimal (`xxhsum -H128`).
std::string digest_of(std::string_view bytes);

}  // namespace farthing
