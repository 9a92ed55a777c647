// A set of byte strings with a number for each: finds every one that is the beginning of a text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace farthing::tokenizer {

// A double array: one step of the search reads one cell. Source: Aoe 1989.
class Trie {
 public:
  // Where a key occurs twice the first value counts; empty keys are left out.
  explicit Trie(std::vector<std::pair<std::string, std::int32_t>> entries);

  // Calls `found(bytes, value)` for each key that `text` begins with, shortest first.
  template <class Found>
  void prefixes(std::string_view text, const Found& found) const {
    std::uint32_t node = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const std::uint32_t next =
          cells_[node].base + static_cast<unsigned char>(text[i]);  // cells_ ends with 256 spare
      if (cells_[next].parent != node || next == 0) return;
      node = next;
      if (cells_[node].value >= 0) found(i + 1, cells_[node].value);
    }
  }

  // The longest key that `text` begins with: its length in bytes, 0 if there is none, and its
  // value.
  std::size_t longest(std::string_view text, std::int32_t* value = nullptr) const {
    std::size_t length = 0;
    prefixes(text, [&](std::size_t bytes, std::int32_t found) {
      length = bytes;
      if (value != nullptr) *value = found;
    });
    return length;
  }

 private:
  struct Cell {
    std::uint32_t base = 0;
    std::uint32_t parent = kFree;
    std::int32_t value = -1;
  };
  static constexpr std::uint32_t kFree = ~std::uint32_t{0};

  std::vector<Cell> cells_;
};

}  // namespace farthing::tokenizer
