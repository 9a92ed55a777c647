// rope_theta and rope_scaling from GGUF's keys and from its tensors of factors.
#include "model/gguf/rope.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "io/gguf/gguf.h"
#include "kernels/scalar_math.h"
#include "model/gguf/translation.h"
#include "ops/rope.h"

namespace farthing {
namespace {

constexpr const char* original_length = "rope.scaling.original_context_length";

void write_list(JsonWriter& json, const char* name, std::span<const float> values) {
  json.key(name).begin_array();
  for (const float value : values) json.value(value);
  json.end_array();
}

}  // namespace

std::optional<double> llama3_factor(std::span<const float> divisors, double theta) {
  if (divisors.empty()) return std::nullopt;
  const double factor = std::round(*std::max_element(divisors.begin(), divisors.end()));
  RopeParameters plain, scaled;
  plain.theta = scaled.theta = theta;
  scaled.scaling = RopeScaling::llama3;
  scaled.factor = factor;
  const auto dim = static_cast<int64_t>(2 * divisors.size());
  if (!(theta >= 1 && factor >= 1)) return std::nullopt;
  const RopeTable from(plain, dim), to(scaled, dim);
  for (size_t i = 0; i < divisors.size(); ++i) {
    const double wanted = double{from.frequencies()[i]} / double{to.frequencies()[i]};
    if (!(std::abs(divisors[i] - wanted) <= 1e-4 * wanted)) return std::nullopt;
  }
  return factor;
}

Result<std::vector<float>> GgufTranslation::factors(std::string_view tensor) const {
  const Tensor values = to_f32(TRY(file_.plain(tensor)));
  const float* data = values.as<float>();
  return std::vector<float>(data, data + values.shape().elements());
}

Result<> GgufTranslation::stretched_by_factors() {
  const bool one = has_tensor("rope_freqs.weight");
  const auto short_factor = TRY(factors(one ? "rope_freqs.weight" : "rope_factors_short.weight"));
  const auto long_factor = TRY(factors(one ? "rope_freqs.weight" : "rope_factors_long.weight"));
  const double theta =
      has("rope.freq_base") ? TRY(file_.metadata().number(full("rope.freq_base"))) : 10000.0;
  json_.key("rope_scaling").begin_object();
  const auto llama3 = one ? llama3_factor(short_factor, theta) : std::nullopt;
  if (llama3) {
    json_.field("rope_type", "llama3").field("factor", *llama3);
    json_.field("low_freq_factor", 1.0).field("high_freq_factor", 4.0);
    json_.field("original_max_position_embeddings", int64_t{8192});
  } else {
    json_.field("rope_type", "longrope");
    write_list(json_, "short_factor", short_factor);
    write_list(json_, "long_factor", long_factor);
    TRY(integer(has(original_length) ? original_length : "context_length",
                "original_max_position_embeddings"));
    if (one || has("rope.scaling.attn_factor"))
      TRY(number("rope.scaling.attn_factor", "attention_factor", 1.0));
  }
  json_.end_object();
  return {};
}

Result<> GgufTranslation::stretched_by_yarn() {
  json_.key("rope_scaling").begin_object().field("rope_type", "yarn");
  TRY(number("rope.scaling.factor", "factor"));
  TRY(integer(original_length, "original_max_position_embeddings"));
  TRY(number("rope.scaling.yarn_beta_fast", "beta_fast", 32.0));
  TRY(number("rope.scaling.yarn_beta_slow", "beta_slow", 1.0));
  if (has("rope.scaling.yarn_log_multiplier")) {  // a tenth of DeepSeek's mscale_all_dim
    const double tenth = TRY(file_.metadata().number(full("rope.scaling.yarn_log_multiplier")));
    const auto mscale = static_cast<float>(10 * tenth);
    json_.field("mscale", mscale).field("mscale_all_dim", mscale);
  }
  const char* const of_scores = has("rope.scaling.yarn_attn_factor")
                                    ? "rope.scaling.yarn_attn_factor"
                                    : "rope.scaling.attn_factor";
  if (has(of_scores)) {  // times what config.json's attention_factor is by itself
    const double times = TRY(file_.metadata().number(full(of_scores)));
    const double factor = TRY(file_.metadata().number(full("rope.scaling.factor")));
    if (times != 1) json_.field("attention_factor", times * (0.1 * fixed_log(factor) + 1));
  }
  if (whole_pairs_) json_.field("truncate", *whole_pairs_);
  json_.end_object();
  return {};
}

Result<> GgufTranslation::rope() {
  TRY(number("rope.freq_base", "rope_theta", 10000.0));
  if (has_tensor("rope_freqs.weight") || has_tensor("rope_factors_long.weight"))
    return stretched_by_factors();
  const std::string scaling = TRY(file_.metadata().string(full("rope.scaling.type"), "none"));
  if (scaling == "none") return {};
  if (scaling == "yarn") return stretched_by_yarn();
  if (scaling != "linear") {
    return fail({.what = "unknown kind of rope scaling",
                 .where = fmt::format("{}, key {}", file_.where(), full("rope.scaling.type")),
                 .got = scaling,
                 .wanted = "none, linear or yarn, or a tensor of factors",
                 .remedy = "use the model's Hugging Face directory"});
  }
  json_.key("rope_scaling").begin_object().field("rope_type", "linear");
  TRY(number("rope.scaling.factor", "factor"));
  json_.end_object();
  return {};
}

}  // namespace farthing
