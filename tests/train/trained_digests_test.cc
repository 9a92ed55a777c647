// What three steps of training make of every scheme, as committed digests: equal on every machine
// and instruction set. A scheme without a line is compared between sets of this machine alone.
#include <cstdio>
#include <map>

#include "base/digest.h"
#include "train/support/promise.h"

namespace farthing {
namespace {

struct Digests {
  std::string log_probabilities, masters;
  bool operator==(const Digests&) const = default;
};

std::string_view bytes_of(const void* data, size_t size) {
  return {static_cast<const char*>(data), size};
}

Digests digests_of(const std::string& scheme, Isa isa) {
  ContextOwner owner(2, isa);
  const TrainedPrecision precision{.linears = parse_scheme(scheme).value()};
  const auto checkpoint = testing::checkpoint_for(precision.linears);
  const auto model = testing::trained(owner.get(), *checkpoint, precision, 3);
  const auto out = testing::log_probabilities({.taped = true}, owner.get(), model->model(),
                                              KvCodec::f32, {testing::some_tokens(90, 512)})[0];
  std::string masters;
  for (const auto& p : model->parameters())
    masters += bytes_of(p->value.data(), static_cast<size_t>(p->value.bytes()));
  return {digest_of(bytes_of(out.data(), out.size() * sizeof(float))), digest_of(masters)};
}

std::string line_of(const std::string& scheme, const Digests& digests) {
  return "{\"" + scheme + "\",\n {\"" + digests.log_probabilities + "\", \"" + digests.masters +
         "\"}},";
}

class TrainedDigests : public ::testing::TestWithParam<std::string> {};

// Two instruction sets for each scheme: the strongest, and one that changes from scheme to scheme.
TEST_P(TrainedDigests, AreTheCommittedOnes) {
  const std::map<std::string, Digests> committed = {
#include "train/data/trained_digests.inc"
  };
  const auto isas = supported_isas();
  const Digests strongest = digests_of(GetParam(), isas.back());
  const auto line = committed.find(GetParam());
  if (line == committed.end()) {
    std::printf("no committed digests; this machine gives\n%s\n",
                line_of(GetParam(), strongest).c_str());
  } else {
    EXPECT_TRUE(strongest == line->second) << isa_name(isas.back()) << " gives\n"
                                           << line_of(GetParam(), strongest);
  }
  const Isa other = isas[testing::place_of_scheme(GetParam()) % isas.size()];
  EXPECT_TRUE(other == isas.back() || digests_of(GetParam(), other) == strongest)
      << isa_name(other) << " differs from " << isa_name(isas.back());
  for (const Isa isa : {Isa::portable, Isa::avx2, Isa::avx512})
    if (!isa_supported(isa))
      std::printf("not run on this machine: %s\n", std::string(isa_name(isa)).c_str());
}

// One in three formats (all with FARTHING_EVERY_SCHEME), and every kind of activations once: a
// format or a kind that is added changes no other's place in the list.
std::vector<std::string> schemes() {
  auto out = testing::schemes_of(*find_format("int4_g32"));
  for (const std::string& scheme : testing::schemes_in_turn(3, 2)) {
    const std::string format = scheme.substr(0, scheme.find('@'));
    if (format != "int4_g32") out.push_back(format + "@f32");
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

INSTANTIATE_TEST_SUITE_P(Registry, TrainedDigests, ::testing::ValuesIn(schemes()),
                         [](const auto& info) { return testing::test_name(info.param); });

}  // namespace
}  // namespace farthing
