// Every cut of every token, ordered by the token's score.
#include "text/models/scored_merges.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace farthing::tokenizer {
namespace {

// Cuts are found in quadratic time of a token's length.
constexpr std::size_t kLongestTokenBytes = 4096;

tl::unexpected<Error> misfit(std::string where, std::string got, std::string wanted) {
  return fail({.what = "the vocabulary of the tokenizer contradicts itself",
               .where = std::move(where),
               .got = std::move(got),
               .wanted = std::move(wanted),
               .remedy = "download the file again, or convert it anew"});
}

}  // namespace

Result<void> check_scores(const std::vector<std::string>& tokens, std::span<const float> scores,
                          std::string_view where) {
  if (scores.size() != tokens.size()) {
    return misfit(fmt::format("{}scores", where), fmt::format("{} scores", scores.size()),
                  fmt::format("one for each of {} tokens", tokens.size()));
  }
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (!std::isfinite(scores[i])) {
      return misfit(fmt::format("{}scores[{}]", where, i), fmt::format("{}", scores[i]),
                    "a finite number");
    }
  }
  return {};
}

Result<std::vector<Merge>> merges_by_score(const std::vector<std::string>& tokens,
                                           std::span<const float> scores,
                                           const std::vector<bool>& mergeable,
                                           std::string_view where) {
  TRY(check_scores(tokens, scores, where));
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].size() > kLongestTokenBytes) {
      return misfit(fmt::format("{}tokens[{}]", where, i),
                    fmt::format("{} bytes", tokens[i].size()),
                    fmt::format("at most {} bytes", kLongestTokenBytes));
    }
  }
  std::unordered_map<std::string_view, std::int32_t> ids;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (mergeable[i] && !tokens[i].empty()) ids.emplace(tokens[i], static_cast<std::int32_t>(i));
  }
  std::vector<Merge> merges;
  for (const auto& [text, id] : ids) {
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      const auto left = ids.find(text.substr(0, cut));
      if (left == ids.end()) continue;
      const auto right = ids.find(text.substr(cut));
      if (right != ids.end()) merges.push_back({left->second, right->second, id, 0});
    }
  }
  const auto score = [&](const Merge& merge) { return scores[merge.result]; };
  std::sort(merges.begin(), merges.end(), [&](const Merge& a, const Merge& b) {
    return score(a) != score(b) ? score(a) > score(b)
                                : std::pair(a.left, a.right) < std::pair(b.left, b.right);
  });
  for (std::size_t i = 1; i < merges.size(); ++i) {
    merges[i].rank = merges[i - 1].rank + (score(merges[i]) < score(merges[i - 1]) ? 1 : 0);
  }
  return merges;
}

}  // namespace farthing::tokenizer
