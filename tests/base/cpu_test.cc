// The choice of an instruction set.
#include "base/cpu.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

namespace farthing {
namespace {

// Sets FARTHING_FORCE_ISA, and puts back what was there.
class ForcedIsa {
 public:
  explicit ForcedIsa(const char* name) {
    if (const char* value = std::getenv(variable)) before_ = value;
    ::setenv(variable, name, 1);
  }
  ~ForcedIsa() { before_ ? ::setenv(variable, before_->c_str(), 1) : ::unsetenv(variable); }

 private:
  static constexpr const char* variable = "FARTHING_FORCE_ISA";
  std::optional<std::string> before_;
};

TEST(ChooseIsa, AnUnknownNameIsRefusedWithTheListOfNames) {
  ForcedIsa forced("avx1024");
  const auto isa = choose_isa();
  ASSERT_FALSE(isa);
  EXPECT_EQ(isa.error().got, "avx1024");
  EXPECT_NE(isa.error().wanted.find("portable"), std::string::npos);
}

TEST(ChooseIsa, EachSupportedSetCanBeForcedAndNoOther) {
  for (const Isa isa : {Isa::portable, Isa::avx2, Isa::avx512}) {
    ForcedIsa forced(std::string(isa_name(isa)).c_str());
    const auto chosen = choose_isa();
    ASSERT_EQ(chosen.has_value(), isa_supported(isa)) << isa_name(isa);
    if (chosen) {
      EXPECT_EQ(*chosen, isa);
    }
  }
}

TEST(ChooseIsa, AnEmptyNameMeansTheStrongest) {
  ForcedIsa forced("");
  EXPECT_EQ(choose_isa().value(), supported_isas().back());
}

TEST(SupportedIsas, BeginWithPortableAndAscend) {
  const auto isas = supported_isas();
  ASSERT_FALSE(isas.empty());
  EXPECT_EQ(isas.front(), Isa::portable);
  EXPECT_TRUE(std::is_sorted(isas.begin(), isas.end()));
}

}  // namespace
}  // namespace farthing
