// Tokens by text, and the joining of two.
#include "text/models/ranked_merges.h"

namespace farthing::tokenizer {

RankedMerges::RankedMerges(const std::vector<std::string>& tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (!tokens[i].empty()) ids_.emplace(tokens[i], static_cast<std::int32_t>(i));
  }
}

bool RankedMerges::add(std::string_view left, std::string_view right) {
  const auto a = ids_.find(left), b = ids_.find(right);
  const auto result = ids_.find(std::string(left).append(right));
  if (a == ids_.end() || b == ids_.end() || result == ids_.end()) return false;
  merges_.push_back(
      {a->second, b->second, result->second, static_cast<std::uint32_t>(merges_.size())});
  return true;
}

bool RankedMerges::add(std::string_view line) {
  const std::size_t space = line.find(' ', 1);
  return space != std::string_view::npos && add(line.substr(0, space), line.substr(space + 1));
}

}  // namespace farthing::tokenizer
