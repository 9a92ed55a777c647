// Facts about the calibration of a KV cache: which ranges its scales hold, and that neither threads
// nor the instruction set change them.
#include "eval/calibration/kv_calibration.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "kernels/attention/attention.h"

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
  CalibrationOptions options = two_windows;
  options.range = range;
  return calibrate_kv_cache(owner.get(), *checkpoint, *checkpoint, options, progress)
      .value()
      .scales();
}

// Of each head of each layer, every magnitude that a cache of f32 holds behind the windows, sorted.
struct Magnitudes {
  std::vector<std::vector<float>> keys, values;
};

const Magnitudes& magnitudes() {
  static const Magnitudes all = [] {
    ContextOwner owner(1, supported_isas().back());
    Context& context = owner.get();
    NoProgress progress;
    const auto checkpoint = stories();
    const auto model = build_model(context, checkpoint->config(), *checkpoint, progress).value();
    const auto read = calibration_windows(*checkpoint, two_windows).value();
    const ModelConfig& config = model->config();
    const int64_t d = config.head_dim, length = read.windows.context();
    const auto heads = static_cast<size_t>(config.layers * config.kv_heads);
    Magnitudes out{std::vector<std::vector<float>>(heads), std::vector<std::vector<float>>(heads)};
    Tensor logits(DType::f32, {length, config.vocabulary_size});
    const AttentionKernel& kernel = choose_attention_kernel(context.isa);
    std::vector<float> page(static_cast<size_t>(decoded_page_floats(d)));
    for (int64_t w = 0; w < read.windows.count(); ++w) {
      Sequence sequence = model->new_sequence(length, KvCodec::f32);
      model->forward(context, sequence, read.windows[w], logits.view<float>());
      for (size_t i = 0; i < heads; ++i) {
        const auto layer = static_cast<int64_t>(i) / config.kv_heads;
        const auto head = static_cast<int64_t>(i) % config.kv_heads;
        for (int64_t begin = 0; begin < length; begin += kv_page_positions) {
          const int64_t count = std::min(kv_page_positions, length - begin);
          const auto add = [&](std::vector<float>& to) {
            for (int64_t j = 0; j < count * d; ++j)
              to.push_back(std::fabs(page[static_cast<size_t>(j)]));
          };
          const int64_t p = begin / kv_page_positions;
          kernel->decode_keys(sequence.cache.keys(layer, head), p, d, count, page.data());
          add(out.keys[i]);
          kernel->decode_values(sequence.cache.values(layer, head), p, d, count, page.data());
          add(out.values[i]);
        }
      }
    }
    for (auto* side : {&out.keys, &out.values})
      for (auto& head : *side) std::sort(head.begin(), head.end());
    return out;
  }();
  return all;
}

template <class Fact>
void for_each_head(const KvScales& scales, const Fact& fact) {
  const Magnitudes& seen = magnitudes();
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

TEST(KvCalibration, EntropyIsThatOfAnActivationWithTheSameValues) {
  SeenInput narrow, wide;
  for (uint64_t i = 0; i < 4000; ++i) {
    const float x = random_normal(1, 1, i), y = i == 7 ? 60.0f : 3 * x;
    narrow.add({&x, 1, 1, 1}, true);
    wide.add({&y, 1, 1, 1}, true);
  }
  const KvCalibration seen{.text = {},
                           .text_digest = {},
                           .tokens = 1,
                           .range = {.method = RangeMethod::entropy},
                           .keys = {narrow},
                           .values = {wide}};
  const auto scale_of = [&](const SeenInput& input) {
    return static_input(Activations::int8_static,
                        chosen_range(input, Activations::int8_static, seen.range))
        .scale;
  };
  EXPECT_EQ(seen.scales(), (KvScales{{scale_of(narrow)}, {scale_of(wide)}}));
  EXPECT_LT(seen.scales().values[0], 60.0f / 127);
}

TEST(KvCalibration, NeitherThreadsNorTheInstructionSetChangeIt) {
  const KvScales expected = calibrated({.method = RangeMethod::mse}, 1, Isa::portable);
  for (const Isa isa : supported_isas())
    EXPECT_EQ(calibrated({.method = RangeMethod::mse}, 3, isa), expected) << isa_name(isa);
}

}  // namespace
}  // namespace farthing
