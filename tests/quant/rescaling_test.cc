// Rescaling channels: it never changes what the model computes, and each method beats its absence
// in its own objective.
#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "base/support/scratch_folder.h"
#include "model/stages/stages.h"
#include "model/support/families.h"
#include "model/support/models.h"
#include "quant/layer_error.h"
#include "quant/quantize.h"
#include "quant/rescaling/rescale_block.h"

namespace farthing {
namespace {

using testing::family_path;

// Powers of two, which no product of floats rounds.
RescalingFactors powers_of_two(Context&, const RescalingInput& input) {
  RescalingFactors out{{}, 1};
  for (int64_t c = 0; c < input.channels.channels(); ++c)
    out.of_channels.push_back(
        std::ldexp(1.0f, static_cast<int>(random_bits(7, 7, static_cast<uint64_t>(c)) % 7) - 3));
  return out;
}
constexpr RescalingInfo by_powers{"powers", "", AlgorithmNeeds::moments, "rtn", powers_of_two};

class OnFamily : public ::testing::TestWithParam<std::string> {};

TEST_P(OnFamily, RescalingChangesNoBit) {
  ContextOwner owner(2, supported_isas().back());
  Context& context = owner.get();
  const auto from = Checkpoint::open(family_path(GetParam()));
  ASSERT_TRUE(from.has_value());
  const ModelConfig& config = (*from)->config();
  QuantizeOptions options;
  options.scheme = parse_scheme("int8_row").value();
  options.method = find_algorithm("rtn");
  options.rescaling = &by_powers;
  ChannelFactors factors;
  for (int64_t stage = 1; stage + 1 < stage_count(config); ++stage) {
    const auto block = rescale_block(context, config, stage, **from, options, {});
    ASSERT_TRUE(block.has_value());
    factors.join(block->factors);
  }
  EXPECT_GT(2 * factors.columns.size(), tensors_of(config).linears.size());
  const auto tokens = testing::some_tokens(23, config.vocabulary_size);
  const auto logits = [&](WeightSource& source) {
    NoProgress quiet;
    const auto model = build_model(context, config, source, quiet);
    CHECK(model.has_value());
    return testing::logits_of(context, **model, tokens, tokens.size());
  };
  RescaledSource rescaled(**from, factors);
  const std::vector<float> wanted = logits(**from), got = logits(rescaled);
  if (GetParam().find("gemma") == std::string::npos) {
    EXPECT_TRUE(testing::same_bits(got, wanted));
    return;
  }
  // Gains of 1 + g are stored less one: each is rounded once, by at most 2^-24 of what is up to 9,
  // and an error of a gain grows no more than the values behind it.
  float largest = 0, difference = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    largest = std::max(largest, std::fabs(wanted[i]));
    difference = std::max(difference, std::fabs(wanted[i] - got[i]));
  }
  EXPECT_LT(difference, 1e-5f * largest);
}

INSTANTIATE_TEST_SUITE_P(Rescaling, OnFamily, ::testing::ValuesIn(testing::families()),
                         [](const auto& info) { return info.param; });

// One linear behind a norm; every thirteenth channel is large.
struct Layer {
  static constexpr int64_t n = 96, k = 128, tokens = 256;
  LinearSpec spec{"layer.weight", n, k};
  Tensor weight{DType::f32, {n, k}}, x{DType::f32, {tokens, k}};
  InputStatistics inputs{k, true};
  Rescaling rescaling;
  QuantizeOptions options;

  Layer(Context& context, std::string_view scheme) {
    for (int64_t i = 0; i < n * k; ++i)
      weight.as<float>()[i] = random_normal(1, 1, static_cast<uint64_t>(i));
    for (int64_t i = 0; i < tokens * k; ++i)
      x.as<float>()[i] =
          random_normal(2, 1, static_cast<uint64_t>(i)) * (i % k % 13 == 0 ? 20.0f : 1.0f);
    inputs.add(context, std::as_const(x).view<float>());
    inputs.finish();
    rescaling.readers = {spec};
    for (int64_t c = 0; c < k; ++c) rescaling.channel.push_back(c), rescaling.rows.push_back(c);
    options.scheme = parse_scheme(scheme).value();
    options.method = find_algorithm("rtn");
  }
  RescalingFactors factors(Context& context, std::string_view name) const {
    RescalingInput input{rescaling, {}, options};
    input.readers.push_back({spec, weight, &inputs, choice_for(options, spec, false)});
    return find_rescaling(name)->factors(context, input);
  }
  // The weight as it is multiplied in the end: rounded rescaled, with the factors taken back.
  Tensor rounded(Context& context, const std::vector<float>& factors) const {
    Tensor scaled(DType::f32, {n, k});
    for (int64_t i = 0; i < n * k; ++i)
      scaled.as<float>()[i] = weight.as<float>()[i] * factors[static_cast<size_t>(i % k)];
    QuantizedTensor q = QuantizedTensor::allocate(*options.scheme.weights, n, k);
    const Format& format = *options.scheme.weights;
    find_algorithm("rtn")->quantize(
        context,
        {spec, std::as_const(scaled).view<float>(), format, rule_for(options, format), &inputs}, q);
    Tensor out = q.decode();
    for (int64_t i = 0; i < n * k; ++i) out.as<float>()[i] /= factors[static_cast<size_t>(i % k)];
    return out;
  }
  // Sum of squares of x W^T - x' W'^T over all tokens, x' rounded for each token to int8 where
  // `int8_inputs`.
  double error(const Tensor& w, const std::vector<float>& factors, bool int8_inputs) const {
    double sum = 0;
    for (int64_t t = 0; t < tokens; ++t) {
      std::vector<double> row(static_cast<size_t>(k));
      double largest = 0;
      for (int64_t i = 0; i < k; ++i) {
        row[static_cast<size_t>(i)] =
            static_cast<double>(x.as<float>()[t * k + i]) / factors[static_cast<size_t>(i)];
        largest = std::max(largest, std::fabs(row[static_cast<size_t>(i)]));
      }
      if (int8_inputs)
        for (double& each : row) each = std::nearbyint(each / largest * 127) * largest / 127;
      for (int64_t o = 0; o < n; ++o) {
        double y = 0;
        for (int64_t i = 0; i < k; ++i)
          y += static_cast<double>(w.as<float>()[o * k + i]) * row[static_cast<size_t>(i)] *
                   factors[static_cast<size_t>(i)] -
               static_cast<double>(weight.as<float>()[o * k + i]) * x.as<float>()[t * k + i];
        sum += y * y;
      }
    }
    return sum;
  }
};

TEST(Awq, BeatsRoundingInTheErrorOfTheOutputs) {
  ContextOwner owner(2, supported_isas().back());
  for (const char* scheme : {"int4_g32", "int4_g128_asym", "int3_g64", "mxfp4", "q4_0"}) {
    const Layer layer(owner.get(), scheme);
    const auto found = layer.factors(owner.get(), "awq");
    ASSERT_EQ(found.of_channels.size(), 128u) << scheme;
    const std::vector<float> ones(128, 1.0f);
    EXPECT_LT(layer.error(layer.rounded(owner.get(), found.of_channels), ones, false),
              layer.error(layer.rounded(owner.get(), ones), ones, false))
        << scheme;
  }
}

TEST(Awq, LeavesChannelsAloneThatAreAlike) {
  ContextOwner owner(2, supported_isas().back());
  Layer layer(owner.get(), "int4_g32");
  for (int64_t i = 0; i < Layer::tokens * Layer::k; ++i)
    layer.x.as<float>()[i] = (random_bits(2, 1, static_cast<uint64_t>(i)) & 1) != 0 ? 1.0f : -1.0f;
  layer.inputs = InputStatistics(Layer::k, true);
  layer.inputs.add(owner.get(), std::as_const(layer.x).view<float>());
  layer.inputs.finish();
  for (const float factor : layer.factors(owner.get(), "awq").of_channels) EXPECT_EQ(factor, 1.0f);
}

TEST(Smoothquant, BeatsRoundingWhenInputsAreRoundedToo) {
  ContextOwner owner(2, supported_isas().back());
  const Layer layer(owner.get(), "int8_row@int8_token");
  const auto found = layer.factors(owner.get(), "smoothquant");
  ASSERT_EQ(found.of_channels.size(), 128u);
  const std::vector<float> ones(128, 1.0f);
  EXPECT_LT(layer.error(layer.rounded(owner.get(), found.of_channels), found.of_channels, true),
            0.5 * layer.error(layer.rounded(owner.get(), ones), ones, true));
}

TEST(Smoothquant, AChannelWithoutInputsKeepsItsWeights) {
  ContextOwner owner(1, supported_isas().back());
  Layer layer(owner.get(), "int8_row@int8_token");
  layer.inputs.largest[5] = 0;
  EXPECT_EQ(layer.factors(owner.get(), "smoothquant").of_channels[5], 1.0f);
}

std::vector<float> logits_of(Context& context, const std::filesystem::path& path) {
  const auto model = testing::load_model(context, path);
  CHECK(model.has_value());
  const auto tokens = testing::some_tokens(23, (*model)->config().vocabulary_size);
  return testing::logits_of(context, **model, tokens, tokens.size());
}

// The second thread and the instruction set change no byte, and what is kept is rescaled with the
// rest.
TEST(Rescaling, TheSameBytesAndKeptLinearsTakePart) {
  ScratchFolder folder;
  NoProgress quiet;
  std::vector<std::string> digests;
  for (const int threads : {1, 2}) {
    ContextOwner owner(threads, threads == 1 ? Isa::portable : supported_isas().back());
    const auto from = Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k");
    ASSERT_TRUE(from.has_value());
    QuantizeOptions options;
    options.scheme = parse_scheme("int8_g32").value();
    options.method = find_algorithm("gptq");
    options.rescaling = find_rescaling("awq");
    options.rules.push_back(parse_rule("*.q_proj=keep").value());
    const auto to = folder / std::to_string(threads);
    ASSERT_TRUE(quantize_checkpoint(owner.get(), **from, options, to, quiet,
                                    {.calibration = {.samples = 2, .context = 64}}));
    digests.push_back(read_text_file(to / "model.safetensors").value());
    const auto wanted = logits_of(owner.get(), FARTHING_SOURCE_DIR "/models/stories260k"),
               got = logits_of(owner.get(), to);
    double error = 0, square = 0;
    for (size_t i = 0; i < wanted.size(); ++i) {
      error +=
          (static_cast<double>(got[i]) - wanted[i]) * (static_cast<double>(got[i]) - wanted[i]);
      square += static_cast<double>(wanted[i]) * wanted[i];
    }
    EXPECT_LT(error, 1e-3 * square);  // a kept linear without its factors: more than half
  }
  EXPECT_EQ(digests[0], digests[1]);
}

}  // namespace
}  // namespace farthing
