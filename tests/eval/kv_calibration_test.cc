// Facts about the calibration of a KV cache: which ranges its scales hold, and that neither threads
// nor the instruction set change them.
#include "eval/calibration/kv_calibration.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "base/support/scratch_folder.h"
#include "eval/calibration/calibration.h"
#include "eval/support/kv_magnitudes.h"
#include "model/support/families.h"
#include "model/support/models.h"

namespace farthing {
namespace {

const CalibrationOptions two_windows{.text = {}, .samples = 2, .context = 100};

std::unique_ptr<Checkpoint> stories() {
  return Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k").value();
}

KvScales calibrated(RangeOptions range, int threads = 2, Isa isa = supported_isas().back()) {
  ContextOwner owner(threads, isa);
  NoProgress progress;
  const auto checkpoint = stories();
  const auto read = calibration_windows(*checkpoint, two_windows).value();
  ScratchFolder work;
  return calibrate_kv_cache(owner.get(), checkpoint->config(), *checkpoint, read.windows, range,
                            work.path(), progress)
      .value();
}

const testing::KvMagnitudes& magnitudes() {
  static const testing::KvMagnitudes all = [] {
    ContextOwner owner(1, supported_isas().back());
    const auto checkpoint = stories();
    const auto read = calibration_windows(*checkpoint, two_windows).value();
    return testing::kv_magnitudes(owner.get(), checkpoint->config(), *checkpoint, read.windows);
  }();
  return all;
}

template <class Fact>
void for_each_head(const KvScales& scales, const Fact& fact) {
  const testing::KvMagnitudes& seen = magnitudes();
  ASSERT_EQ(scales.keys.size(), seen.keys.size());
  ASSERT_EQ(scales.values.size(), seen.values.size());
  for (size_t i = 0; i < seen.keys.size(); ++i) {
    fact(scales.keys[i], seen.keys[i]);
    fact(scales.values[i], seen.values[i]);
  }
}

double squared_error(const std::vector<float>& magnitudes, float scale) {
  double out = 0;
  for (const float x : magnitudes) {
    const double miss =
        static_cast<double>(x) - scale * std::min(127.0f, std::nearbyint(x / scale));
    out += miss * miss;
  }
  return out;
}

TEST(KvCalibration, AbsmaxIsTheLargestMagnitudeOfEachHead) {
  for_each_head(calibrated({}), [](float scale, const std::vector<float>& seen) {
    EXPECT_EQ(scale, seen.back() / 127);
  });
}

// The range ends at the upper edge of the bin that holds the percentile; a bin is a 2048th of a
// power of two that is at most twice the largest magnitude.
TEST(KvCalibration, APercentileIsThatOfEachHeadsMagnitudes) {
  int narrower = 0;
  for_each_head(calibrated({.method = RangeMethod::percentile, .percentile = 99}),
                [&](float scale, const std::vector<float>& seen) {
                  const auto count = static_cast<double>(seen.size());
                  const float exact = seen[static_cast<size_t>(std::ceil(0.99 * count)) - 1];
                  EXPECT_GE(127 * scale, exact * (1 - 1e-6f));
                  EXPECT_LE(127 * scale, exact + seen.back() / 1024);
                  narrower += 127 * scale < seen.back();
                });
  EXPECT_GT(narrower, 0);
}

// Among 16 shares of the largest magnitude none is better by more than what the histogram hides: it
// takes each value for its bin's centre, a 2048th of the range off at most, while a step is a
// 127th.
TEST(KvCalibration, MseHasTheLeastSquaredErrorOfEachHead) {
  int narrower = 0;
  for_each_head(calibrated({.method = RangeMethod::mse}),
                [&](float scale, const std::vector<float>& seen) {
                  const double error = squared_error(seen, scale);
                  for (int share = 1; share <= 16; ++share)
                    EXPECT_LE(error, 1.1 * squared_error(seen, seen.back() * share / (16 * 127)));
                  narrower += 127 * scale < seen.back();
                });
  EXPECT_GT(narrower, 0);
}

// Signs do not count: all magnitudes join in one histogram. Some heads are enough.
TEST(KvCalibration, EntropyIsThatOfAnActivationWithTheSameValues) {
  const RangeOptions entropy{.method = RangeMethod::entropy};
  int narrower = 0, head = 0;
  for_each_head(calibrated(entropy), [&](float scale, const std::vector<float>& magnitudes) {
    if (head++ % 7 != 0) return;
    const auto count = static_cast<int64_t>(magnitudes.size());
    SeenInput seen;
    seen.add({magnitudes.data(), 1, count, count}, true);
    EXPECT_EQ(scale, static_input(Activations::int8_static,
                                  chosen_range(seen, Activations::int8_static, entropy))
                         .scale);
    narrower += 127 * scale < magnitudes.back();
  });
  EXPECT_GT(narrower, 0);
}

TEST(KvCalibration, NeitherThreadsNorTheInstructionSetChangeIt) {
  const KvScales expected = calibrated({.method = RangeMethod::mse}, 1, Isa::portable);
  for (const Isa isa : supported_isas())
    EXPECT_EQ(calibrated({.method = RangeMethod::mse}, 3, isa), expected) << isa_name(isa);
}

// Stage by stage, a head gets what it gets in the whole model.
TEST(KvCalibration, OfEveryFamilyIsThatOfTheWholeModel) {
  ContextOwner owner(2, supported_isas().back());
  NoProgress progress;
  for (const std::string& family : testing::families()) {
    const auto from = Checkpoint::open(testing::family_path(family)).value();
    const ModelConfig& config = from->config();
    const auto windows = Windows::cut(testing::some_tokens(2 * 23, config.vocabulary_size),
                                      {.tokens = 2 * 23, .context = 23}, "test")
                             .value();
    ScratchFolder work;
    const auto got =
        calibrate_kv_cache(owner.get(), config, *from, windows, {}, work.path(), progress);
    ASSERT_TRUE(got.has_value()) << family << " " << got.error().text();
    EXPECT_EQ(*got, testing::kv_magnitudes(owner.get(), config, *from, windows).scales()) << family;
    EXPECT_EQ(work.names(), std::vector<std::string>{"kv-scales.safetensors"}) << family;
  }
}

}  // namespace
}  // namespace farthing
