// The making of the double array.
#include "text/models/trie.h"

#include <algorithm>

namespace farthing::tokenizer {

Trie::Trie(std::vector<std::pair<std::string, std::int32_t>> entries) {
  std::erase_if(entries, [](const auto& entry) { return entry.first.empty(); });
  std::stable_sort(entries.begin(), entries.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  cells_.resize(257);
  cells_[0].parent = 0;

  // A node is a range of entries that share their first `depth` bytes.
  struct Node {
    std::uint32_t cell;
    std::size_t begin, end, depth;
  };
  std::vector<Node> pending = {{0, 0, entries.size(), 0}};
  std::uint32_t lowest_free = 1;
  std::vector<std::pair<unsigned char, std::size_t>> children;  // byte, first entry
  while (!pending.empty()) {
    Node node = pending.back();
    pending.pop_back();
    while (node.begin < node.end && entries[node.begin].first.size() == node.depth) {
      if (cells_[node.cell].value < 0) cells_[node.cell].value = entries[node.begin].second;
      ++node.begin;
    }
    children.clear();
    for (std::size_t i = node.begin; i < node.end; ++i) {
      const auto byte = static_cast<unsigned char>(entries[i].first[node.depth]);
      if (children.empty() || children.back().first != byte) children.emplace_back(byte, i);
    }
    if (children.empty()) continue;
    while (lowest_free < cells_.size() && cells_[lowest_free].parent != kFree) ++lowest_free;
    // Tries from the lowest free cell on would be quadratic where few cells between are free.
    const auto end = static_cast<std::uint32_t>(cells_.size()) - 256;
    std::uint32_t first = lowest_free;
    if (children.size() > 1 && end > 1024) first = std::max(first, end - 1024);
    std::uint32_t base = first > children[0].first ? first - children[0].first : 0;
    const auto fits = [&](std::uint32_t at) {
      return std::all_of(children.begin(), children.end(), [&](const auto& child) {
        const std::uint32_t cell = at + child.first;
        return cell != 0 && (cell >= cells_.size() || cells_[cell].parent == kFree);
      });
    };
    while (!fits(base)) ++base;
    if (cells_.size() < std::size_t{base} + 512) cells_.resize(std::size_t{base} + 512);
    cells_[node.cell].base = base;
    for (std::size_t i = 0; i < children.size(); ++i) {
      const std::uint32_t cell = base + children[i].first;
      cells_[cell].parent = node.cell;
      const std::size_t last = i + 1 < children.size() ? children[i + 1].second : node.end;
      pending.push_back({cell, children[i].second, last, node.depth + 1});
    }
  }
}

}  // namespace farthing::tokenizer
