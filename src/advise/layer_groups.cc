// Grouping by name without the block's number.
#include "advise/layer_groups.h"

#include <fmt/format.h>

#include <algorithm>

namespace farthing {
namespace {

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string kind_of(const std::string& name) {
  std::string_view rest(name);
  rest = rest.substr(0, rest.rfind(".weight"));
  constexpr std::string_view layers = "model.layers.";
  if (rest.starts_with(layers)) {
    rest.remove_prefix(rest.find('.', layers.size()) + 1);
  } else if (rest.starts_with("model.")) {
    rest.remove_prefix(6);
  }
  std::string out;
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find('.'));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    out += (out.empty() ? "" : ".") + std::string(is_number(part) ? "*" : part);
  }
  return out;
}

}  // namespace

std::vector<LayerGroup> groups_of(const std::vector<LinearInfo>& linears) {
  std::vector<LayerGroup> groups;
  for (const LinearInfo& linear : linears) {
    const std::string kind = kind_of(linear.name);
    auto group = groups.begin();
    while (group != groups.end() &&
           !(group->kind == kind && group->first.n == linear.n && group->first.k == linear.k &&
             group->first.scheme == linear.scheme && group->first.kernel == linear.kernel))
      ++group;
    if (group == groups.end()) group = groups.insert(group, {linear, kind});
    ++group->count;
    group->bytes += linear.bytes;
    group->stored_bytes += stored_bytes(*linear.scheme.weights, linear.n, linear.k);
  }
  return groups;
}

int64_t stored_bytes(const Format& format, int64_t n, int64_t k) {
  int64_t sum = 0;
  for (const PlaneSpec& plane : format.planes(n, k, format.scale_dtype))
    sum += plane.shape.elements() * dtype_bytes(plane.dtype);
  return sum;
}

std::string full_name(const Scheme& scheme) {
  return fmt::format("{}@{}", scheme.weights->name, activations_name(scheme.activations));
}

}  // namespace farthing
