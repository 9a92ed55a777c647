// Passes over the text are products of a linear; what a method does to a linear grows with n k, and
// with n k^2 where it has a Gram matrix.
#include "advise/quantizing_time.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/progress.h"
#include "model/stages/stages.h"
#include "model/stages/steps.h"
#include "ops/linear/gram.h"
#include "ops/linear/linear.h"
#include "quant/quantize.h"
#include "quant/rescaling/rescaling_method.h"

namespace farthing {
namespace {

constexpr double enough_seconds = 0.2;

// Seconds of one call of `work`, the fastest of those in a moment.
template <class Work>
double seconds_of(const Work& work) {
  double least = INFINITY;
  const double began = now_seconds();
  do {
    const double started = now_seconds();
    work();
    least = std::min(least, now_seconds() - started);
  } while (now_seconds() - began < enough_seconds);
  return least;
}

// Values with some spread.
Tensor some_values(int64_t rows, int64_t columns) {
  Tensor out(DType::f32, {rows, columns});
  for (int64_t i = 0; i < rows * columns; ++i)
    out.as<float>()[i] = static_cast<float>(i * 7919 % 1009 - 504) / 504;
  return out;
}

// Seconds of a method for a linear of n k weights, over n k, or n k^2 with a Gram matrix.
Result<double> pace_of_method(Context& context, const LinearChoice& choice,
                              const QuantizeOptions& options) {
  const bool gram = choice.method->needs == AlgorithmNeeds::gram;
  constexpr int64_t n = 256, k = 1024;
  const LinearSpec spec{"a linear", n, k};
  InputStatistics inputs(k, gram);
  inputs.with_histogram = options.range.method != RangeMethod::absmax;
  const Tensor x = some_values(512, k);
  inputs.add(context, x.view<float>());
  inputs.finish();
  const StoredLinear from{{find_format("f32"), n, k, DType::f16, {some_values(n, k)}}};
  QuantizeOptions plain = options;
  plain.strict = false;
  Result<> outcome;
  const double seconds = seconds_of([&] {
    const auto done = quantize_linear(context, spec, from, choice, plain, &inputs);
    if (!done && outcome) outcome = fail(done.error());
  });
  TRY(outcome);
  return seconds / (static_cast<double>(n) * k * (gram ? k : 1));
}

// Of the tokens, each expert gets so many.
double share_of_experts(const ModelConfig& config, int64_t stage) {
  const ExpertsPlan& plan = place_of_stage(config, stage).block->experts;
  return plan.experts.empty()
             ? 1
             : static_cast<double>(plan.routing.chosen) / static_cast<double>(plan.experts.size());
}

// Seconds in which a rescaling searches the factors of a linear, over k^2: it looks at some rows.
double pace_of_search(Context& context, const LinearChoice& choice,
                      const QuantizeOptions& options) {
  constexpr int64_t n = 512, k = 512;
  const LinearSpec spec{"a linear", n, k};
  InputStatistics inputs(k, true);
  const Tensor x = some_values(512, k);
  inputs.add(context, x.view<float>());
  inputs.finish();
  Rescaling channels{.readers = {spec}};
  for (int64_t i = 0; i < k; ++i) channels.channel.push_back(i);
  channels.rows = channels.channel;
  const RescalingInput input{channels, {{spec, some_values(n, k), &inputs, choice}}, options};
  return seconds_of([&] { options.rescaling->factors(context, input); }) / (k * k);
}

bool wants_gram(const QuantizeOptions& options, const LinearGroup& group) {
  return std::any_of(group.linears.begin(), group.linears.end(), [&](const LinearSpec& spec) {
    const auto choice = choice_for(options, spec, false);
    return choice && choice->method->needs == AlgorithmNeeds::gram;
  });
}

// Seconds of a multiply-add of passes over the text, in products with the rows of a window.
double pace_of_products(Context& context) {
  constexpr int64_t rows = 256, n = 512, k = 1024;
  const Tensor x = some_values(rows, k);
  QuantizedTensor w{find_format("f32"), n, k, DType::f16, {some_values(n, k)}};
  const PackedWeight packed = ops::pack_weight(context, std::move(w), {});
  Tensor y(DType::f32, {rows, n});
  return seconds_of(
             [&] { ops::linear_forward(context, x.view<float>(), packed, y.view<float>()); }) /
         (rows * n * k);
}

}  // namespace

Result<double> quantizing_seconds(int threads, Isa isa, Checkpoint& from,
                                  const QuantizeOptions& options, int64_t tokens) {
  ContextOwner owner(threads, isa);
  const ModelConfig& config = from.config();
  std::map<std::pair<std::string, const AlgorithmInfo*>, double> paces;
  double seconds = 0, search = 0;
  const auto add_method = [&](const LinearSpec& spec, bool is_table) -> Result<> {
    auto choice = choice_for(options, spec, is_table);
    if (!choice) return {};
    if (is_table) choice->method = find_algorithm("rtn");
    choice->scheme = scheme_that_holds(choice->scheme, spec.k);
    const auto key = std::pair(choice->scheme.name(), choice->method);
    if (!paces.contains(key)) paces[key] = TRY(pace_of_method(owner.get(), *choice, options));
    if (!is_table && options.rescaling != nullptr) {
      if (search == 0) search = pace_of_search(owner.get(), *choice, options);
      seconds += search * static_cast<double>(spec.k) * static_cast<double>(spec.k);
    }
    const bool gram = choice->method->needs == AlgorithmNeeds::gram;
    const auto n = static_cast<double>(spec.n), k = static_cast<double>(spec.k);
    seconds += paces[key] * n * k * (gram ? k : 1);
    return {};
  };
  const TensorSpecs specs = tensors_of(config);
  for (const LinearSpec& spec : specs.tables) TRY(add_method(spec, true));
  for (const LinearSpec& spec : specs.linears) TRY(add_method(spec, false));
  if (tokens == 0) return seconds;  // nothing reads a text

  // The calibration of a KV cache runs the model once. Where no method sees inputs, it quantizes
  // every linear once more for that, and that of static activations runs the model once too.
  const bool inputs = needs_inputs(options), kv = needs_kv_scales(options);
  const bool ranges = has_static_activations(options) && !inputs;
  if (kv && !inputs) seconds *= 2;
  // Each step's pass runs the steps before it, and the one that gives the stage's output the last
  // step (of attention and mlp at once: all); how values are read is seen by running their own
  // step; inputs are added to half a Gram matrix, for each group.
  double products = 0;
  for (int64_t stage = 1; stage + 1 < stage_count(config); ++stage) {
    double before = 0, last = 0;
    const StagePlace place = place_of_stage(config, stage);
    const double share = share_of_experts(config, stage);
    for (const LinearStep& step : steps_of_stage(config, stage)) {
      if (inputs) products += before;
      last = 0;
      bool has_values = false;
      for (const LinearGroup& group : step) {
        const auto k = static_cast<double>(group.linears.front().k);
        const bool expert = group.linears.front().name.find(".experts.") != std::string::npos;
        const double rows = expert ? share : 1;
        if (wants_gram(options, group)) products += rows * k * k / 2;
        has_values = has_values || group.values;
        for (const LinearSpec& spec : group.linears) last += rows * static_cast<double>(spec.n) * k;
      }
      before += last;
      if (inputs && has_values) products += last;
    }
    if (inputs) products += place.attention == place.mlp ? before : last;
    products += before * (kv + ranges + (options.rescaling != nullptr));
  }
  return seconds + products * static_cast<double>(tokens) * pace_of_products(owner.get());
}

}  // namespace farthing
