// Words, n-grams and longest common subsequences.
#include "eval/text_similarity/rouge.h"

#include <algorithm>
#include <map>
#include <set>

namespace farthing {
namespace {

using Words = std::vector<std::string>;
template <class Key>
using Counts = std::map<Key, int64_t>;

double f_measure(int64_t hits, int64_t ours, int64_t wanted) {
  if (hits == 0) return 0;
  const double precision = static_cast<double>(hits) / static_cast<double>(ours),
               recall = static_cast<double>(hits) / static_cast<double>(wanted);
  return 100 * 2 * precision * recall / (precision + recall);
}

double of_order(const Words& ours, const Words& wanted, size_t order) {
  const auto counts = [&](const Words& words) {
    Counts<Words> out;
    for (size_t i = 0; i + order <= words.size(); ++i)
      ++out[Words(words.begin() + static_cast<int64_t>(i),
                  words.begin() + static_cast<int64_t>(i + order))];
    return out;
  };
  const auto total = [&](const Words& words) {
    return static_cast<int64_t>(words.size() < order ? 0 : words.size() - order + 1);
  };
  const auto in_ours = counts(ours);
  int64_t hits = 0;
  for (const auto& [words, count] : counts(wanted)) {
    const auto found = in_ours.find(words);
    if (found != in_ours.end()) hits += std::min(count, found->second);
  }
  return f_measure(hits, total(ours), total(wanted));
}

std::vector<Words> lines_of(std::string_view text) {
  std::vector<Words> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) out.push_back(rouge_words(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

// Adds the indices of `wanted` that a longest common subsequence with `ours` holds; where several
// are as long, the one that is found from the end, going back in `wanted` first.
void add_common(const Words& wanted, const Words& ours, std::set<size_t>& indices) {
  const size_t rows = wanted.size(), columns = ours.size();
  std::vector<std::vector<int64_t>> longest(rows + 1, std::vector<int64_t>(columns + 1, 0));
  for (size_t i = 1; i <= rows; ++i)
    for (size_t j = 1; j <= columns; ++j)
      longest[i][j] = wanted[i - 1] == ours[j - 1] ? longest[i - 1][j - 1] + 1
                                                   : std::max(longest[i - 1][j], longest[i][j - 1]);
  for (size_t i = rows, j = columns; i > 0 && j > 0;) {
    if (wanted[i - 1] == ours[j - 1]) {
      indices.insert(i - 1);
      --i;
      --j;
    } else if (longest[i][j - 1] > longest[i - 1][j]) {
      --j;
    } else {
      --i;
    }
  }
}

double of_lines(const std::vector<Words>& ours, const std::vector<Words>& wanted) {
  Counts<std::string> left_ours, left_wanted;
  int64_t size_ours = 0, size_wanted = 0, hits = 0;
  const auto count = [](const std::vector<Words>& lines, Counts<std::string>& left, int64_t& size) {
    for (const Words& line : lines)
      for (const std::string& word : line) {
        ++left[word];
        ++size;
      }
  };
  count(ours, left_ours, size_ours);
  count(wanted, left_wanted, size_wanted);
  for (const Words& line : wanted) {
    std::set<size_t> common;
    for (const Words& other : ours) add_common(line, other, common);
    for (const size_t index : common) {
      int64_t& a = left_ours[line[index]];
      int64_t& b = left_wanted[line[index]];
      if (a <= 0 || b <= 0) continue;
      ++hits;
      --a;
      --b;
    }
  }
  return f_measure(hits, size_ours, size_wanted);
}

}  // namespace

std::vector<std::string> rouge_words(std::string_view text) {
  std::vector<std::string> out;
  bool inside = false;
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (word && !inside) out.emplace_back();
    if (word) out.back() += c;
    inside = word;
  }
  return out;
}

Rouge rouge(std::string_view text, std::string_view reference) {
  const Words ours = rouge_words(text), wanted = rouge_words(reference);
  return {of_order(ours, wanted, 1), of_order(ours, wanted, 2),
          of_lines(lines_of(text), lines_of(reference))};
}

}  // namespace farthing
