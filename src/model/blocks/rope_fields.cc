// Rotary constants of config.json: how positions become angles.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/scalar_math.h"
#include "model/blocks/sizes.h"

namespace farthing {
namespace {

// transformers 5 writes rope_parameters with rope_theta inside; earlier ones rope_theta beside
// rope_scaling.
std::string rope_field(const JsonObject& json, std::string_view layers) {
  if (!json.has("rope_parameters") || json.is_null("rope_parameters")) return "rope_scaling";
  return layers.empty() ? "rope_parameters" : fmt::format("rope_parameters.{}", layers);
}

Result<> check_rope(const RopeParameters& rope, const std::string& where) {
  if (!(rope.theta >= 1 && rope.theta <= 1e12))
    return fail({.what = "a constant in the model's configuration makes no sense",
                 .where = where + ", field rope_theta",
                 .got = fmt::format("{}", rope.theta),
                 .wanted = "1 to 1e12",
                 .remedy = "check this field"});
  if (rope.factor > 0 && rope.high_freq_factor > rope.low_freq_factor && rope.low_freq_factor > 0 &&
      rope.original_max_positions >= 1)
    return {};
  return fail(
      {.what = "the rope scaling in the model's configuration makes no sense",
       .where = where,
       .got = fmt::format(
           "factor {}, low_freq_factor {}, high_freq_factor {}, original positions {}", rope.factor,
           rope.low_freq_factor, rope.high_freq_factor, rope.original_max_positions),
       .wanted = "positive numbers, low_freq_factor below high_freq_factor",
       .remedy = "check rope_scaling"});
}

// 0.1 m ln(factor) + 1, as YaRN's paper has it for m = 1.
double yarn_scale(double factor, double m) {
  return factor <= 1 ? 1.0 : 0.1 * m * fixed_log(factor) + 1.0;
}

Result<std::vector<float>> read_factors(const JsonObject& json, const std::string& field) {
  std::vector<float> out;
  for (const double factor : TRY(json.numbers(field))) {
    if (!(factor > 1e-3 && factor < 1e6))
      return fail({.what = "the rope scaling in the model's configuration makes no sense",
                   .where = fmt::format("{}, field {}[{}]", json.where(), field, out.size()),
                   .got = fmt::format("{}", factor),
                   .wanted = "a factor from 0.001 to 1000000",
                   .remedy = "check this field"});
    out.push_back(static_cast<float>(factor));
  }
  return out;
}

// LongRoPE (arXiv 2402.13753), with transformers' defaults. Which list counts depends there on the
// length of the sequence, so that a token's keys would change when later ones come; here the short
// one does, up to the length that it was made for.
Result<> read_longrope(const JsonObject& json, const std::string& at, RopeParameters& rope) {
  const int64_t positions = TRY(json.integer("max_position_embeddings"));
  const std::string original = at + ".original_max_position_embeddings";
  rope.original_max_positions =
      TRY(json.integer(original, TRY(json.integer("original_max_position_embeddings", positions))));
  rope.scaling = RopeScaling::factors;
  rope.factors = TRY(read_factors(json, at + ".short_factor"));
  if (TRY(read_factors(json, at + ".long_factor")) != rope.factors)
    rope.most_positions = rope.original_max_positions;
  const auto length = static_cast<double>(std::max(rope.original_max_positions, int64_t{1}));
  const double factor = TRY(json.number(at + ".factor", static_cast<double>(positions) / length));
  const double own =
      factor <= 1 || length < 2 ? 1.0 : std::sqrt(1 + fixed_log(factor) / fixed_log(length));
  rope.attention_factor = TRY(json.number(at + ".attention_factor", own));
  return {};
}

Result<> read_yarn(const JsonObject& json, const std::string& at, RopeParameters& rope) {
  const auto number = [&](const char* field, double otherwise) {
    return json.number(fmt::format("{}.{}", at, field), otherwise);
  };
  rope.scaling = RopeScaling::yarn;
  rope.factor = TRY(json.number(at + ".factor"));
  rope.beta_fast = TRY(number("beta_fast", 32.0));
  rope.beta_slow = TRY(number("beta_slow", 1.0));
  rope.truncate = TRY(json.boolean(at + ".truncate", true));
  const std::string original = at + ".original_max_position_embeddings";
  rope.original_max_positions =
      TRY(json.integer(original, TRY(json.integer("max_position_embeddings", 2048))));
  const double mscale = TRY(number("mscale", 0.0)), all = TRY(number("mscale_all_dim", 0.0));
  const double own = mscale != 0 && all != 0
                         ? yarn_scale(rope.factor, mscale) / yarn_scale(rope.factor, all)
                         : yarn_scale(rope.factor, 1.0);
  rope.attention_factor = TRY(number("attention_factor", own));
  if (rope.beta_fast > rope.beta_slow && rope.beta_slow > 0 && rope.attention_factor > 0) return {};
  return fail({.what = "the rope scaling in the model's configuration makes no sense",
               .where = fmt::format("{}, field {}", json.where(), at),
               .got = fmt::format("beta_fast {}, beta_slow {}, attention_factor {}", rope.beta_fast,
                                  rope.beta_slow, rope.attention_factor),
               .wanted = "positive numbers, beta_slow below beta_fast",
               .remedy = "check these fields"});
}

}  // namespace

Result<RopeParameters> rope_from_json(const JsonObject& json, double otherwise_theta,
                                      std::string_view layers) {
  RopeParameters rope;
  const std::string at = rope_field(json, layers);
  rope.theta = TRY(json.number("rope_theta", otherwise_theta));
  if (json.has(at) && !json.is_null(at)) {
    rope.theta = TRY(json.number(at + ".rope_theta", rope.theta));
    const std::string type =
        TRY(json.string(at + ".rope_type", TRY(json.string(at + ".type", "default"))));
    const auto number = [&](const char* field) {
      return json.number(fmt::format("{}.{}", at, field));
    };
    if (type == "linear") {
      rope.scaling = RopeScaling::linear;
      rope.factor = TRY(number("factor"));
    } else if (type == "llama3") {
      rope.scaling = RopeScaling::llama3;
      rope.factor = TRY(number("factor"));
      rope.low_freq_factor = TRY(number("low_freq_factor"));
      rope.high_freq_factor = TRY(number("high_freq_factor"));
      rope.original_max_positions = TRY(json.integer(at + ".original_max_position_embeddings"));
    } else if (type == "yarn") {
      TRY(read_yarn(json, at, rope));
    } else if (type == "longrope" || type == "su") {
      TRY(read_longrope(json, at, rope));
    } else if (type != "default") {
      return fail({.what = "unknown kind of rope scaling",
                   .where = fmt::format("{}, field {}.rope_type", json.where(), at),
                   .got = type,
                   .wanted = "default, linear, llama3, yarn or longrope",
                   .remedy = "use a model with one of these"});
    }
  }
  TRY(check_rope(rope, json.where()));
  return rope;
}

Result<double> yarn_score_factor_from_json(const JsonObject& json) {
  const std::string at = rope_field(json, {});
  if (!json.has(at) || json.is_null(at)) return 1.0;
  const double all = TRY(json.number(at + ".mscale_all_dim", 0.0));
  const std::string type =
      TRY(json.string(at + ".rope_type", TRY(json.string(at + ".type", "default"))));
  if (all == 0 || type == "default") return 1.0;
  const double mscale = yarn_scale(TRY(json.number(at + ".factor")), all);
  return mscale * mscale;
}

Result<int64_t> rotary_dim_from_json(const JsonObject& json, int64_t head_dim, const char* field) {
  const std::string inside = "rope_parameters.partial_rotary_factor";
  const bool has = json.has("rope_parameters") && !json.is_null("rope_parameters") &&
                   json.has(inside) && !json.is_null(inside);
  const std::string at = has ? inside : field;
  const double factor = TRY(json.number(at, 1.0));
  const auto dim = static_cast<int64_t>(factor * static_cast<double>(head_dim));
  if (factor > 0 && factor <= 1 && dim >= 2 && dim % 2 == 0) return dim;
  return fail({.what = "the rotated part of a head makes no sense",
               .where = fmt::format("{}, field {}", json.where(), at),
               .got = fmt::format("{} of a head of {}", factor, head_dim),
               .wanted = "an even number of elements, at most all",
               .remedy = "check this field"});
}

}  // namespace farthing
