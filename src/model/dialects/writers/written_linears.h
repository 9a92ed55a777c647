// What dialects that state one scheme, and exceptions from it, ask of a model's linears.
#pragma once

#include <algorithm>
#include <span>
#include <type_traits>

#include "base/check.h"
#include "model/dialects/writers/writer.h"

namespace farthing {

// What `key` says of the most quantized linears; of equals the first. At least one is quantized.
template <class Key>
auto most_frequent(std::span<const WrittenLinear> linears, const Key& key) {
  using Said = std::invoke_result_t<Key, const WrittenLinear&>;
  std::vector<std::pair<Said, int64_t>> counts;
  for (const WrittenLinear& linear : linears) {
    if (linear.scheme.weights->plain) continue;
    const Said said = key(linear);
    auto found = std::ranges::find(counts, said, &std::pair<Said, int64_t>::first);
    if (found == counts.end()) found = counts.insert(found, {said, 0});
    ++found->second;
  }
  CHECK(!counts.empty());
  return std::ranges::max_element(counts, {}, &std::pair<Said, int64_t>::second)->first;
}
inline Scheme most_frequent(std::span<const WrittenLinear> linears) {
  return most_frequent(linears, [](const WrittenLinear& linear) { return linear.scheme; });
}

// The static scale of a linear's inputs, of the type that it has in the form.
Tensor input_scale_of(const WrittenLinear& as, const StoredLinear& linear, const Shape& shape);

// The one scheme of all quantized linears. Fails, and names a linear of another.
Result<Scheme> only_scheme(std::string_view target, std::span<const WrittenLinear> linears);

// Modules of plain weights, but not the embedding, which such lists do not have.
std::vector<std::string> plain_modules(std::span<const WrittenLinear> linears);

}  // namespace farthing
