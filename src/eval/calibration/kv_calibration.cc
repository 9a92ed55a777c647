// Keys and values are read from the cache, behind each layer's attention.
#include "eval/calibration/kv_calibration.h"

#include <fmt/format.h>

#include <algorithm>

namespace farthing {
namespace {

// Adds the keys and values of passes that begin with an empty cache.
class KvProbe : public Probe {
 public:
  KvProbe(KvCalibration& to, Isa isa, const ModelConfig& config, bool with_histograms)
      : to_(to),
        kernel_(choose_attention_kernel(isa)),
        head_dim_(config.head_dim),
        rows_(static_cast<size_t>(decoded_page_floats(head_dim_))),
        with_histograms_(with_histograms) {}

  void see(const OperatorOutput&) override {}
  PassStep before_attention(const AttentionPass& pass) override {
    for (const ops::AttentionSequence& sequence : pass.sequences)
      for (int64_t head = 0; head < sequence.cache->kv_heads(); ++head)
        add(*sequence.cache, pass.layer, head);
    return PassStep::run;
  }

 private:
  void add(const KvCache& cache, int64_t layer, int64_t head) {
    const auto at = static_cast<size_t>(layer * cache.kv_heads() + head);
    const KvPages keys = cache.keys(layer, head), values = cache.values(layer, head);
    const int64_t length = cache.length(layer);
    for (int64_t begin = 0; begin < length; begin += kv_page_positions) {
      const int64_t page = begin / kv_page_positions;
      const int64_t count = std::min(kv_page_positions, length - begin);
      const View<const float, 2> rows{rows_.data(), count, head_dim_, head_dim_};
      kernel_->decode_keys(keys, page, head_dim_, count, rows_.data());
      to_.keys[at].add(rows, with_histograms_);
      kernel_->decode_values(values, page, head_dim_, count, rows_.data());
      to_.values[at].add(rows, with_histograms_);
    }
  }

  KvCalibration& to_;
  const AttentionKernel& kernel_;
  int64_t head_dim_;
  std::vector<float> rows_;  // of a page
  bool with_histograms_;
};

Result<> check_finite(const std::vector<SeenInput>& seen, const char* what, int64_t kv_heads) {
  for (size_t i = 0; i < seen.size(); ++i) {
    if (seen[i].finite) continue;
    const auto at = static_cast<int64_t>(i);
    return fail(
        {.what = fmt::format("{} are not finite while the model reads the calibration text", what),
         .where = fmt::format("block {}, head {}", at / kv_heads, at % kv_heads),
         .got = "NaN or infinity",
         .wanted = "finite activations",
         .remedy = "the checkpoint is damaged, needs more range than f32, or was quantized "
                   "too coarsely"});
  }
  return {};
}

}  // namespace

KvScales KvCalibration::scales() const {
  KvScales out;
  const auto put = [&](const std::vector<SeenInput>& seen, std::vector<float>& to) {
    for (const SeenInput& head : seen)
      to.push_back(static_input(Activations::int8_static,
                                chosen_range(head, Activations::int8_static, range))
                       .scale);
  };
  put(keys, out.keys);
  put(values, out.values);
  return out;
}

Result<KvCalibration> calibrate_kv_cache(Context& context, const Checkpoint& from,
                                         WeightSource& weights, const CalibrationOptions& options,
                                         Progress& progress) {
  const auto [text, windows] = TRY(calibration_windows(from, options));
  const ModelConfig& config = from.config();
  const auto heads = static_cast<size_t>(config.layers * config.kv_heads);
  KvCalibration out{.text = text.name,
                    .text_digest = text.digest,
                    .tokens = windows.count() * windows.context(),
                    .range = options.range,
                    .keys = std::vector<SeenInput>(heads),
                    .values = std::vector<SeenInput>(heads)};
  Workspace workspace;  // given back at the end
  Context own{context.pool, context.isa, workspace};
  const auto model = TRY(build_model(own, config, weights, progress));
  KvProbe probe(out, own.isa, config, options.range.method != RangeMethod::absmax);
  const ProbeGuard guard(own, probe);
  const View<float, 2> no_logits{nullptr, 0, config.vocabulary_size, config.vocabulary_size};
  for (int64_t i = 0; i < windows.count(); ++i) {
    progress.update(
        static_cast<double>(i), static_cast<double>(windows.count()),
        fmt::format("calibrating the KV cache, window {} of {}", i + 1, windows.count()));
    Sequence sequence = model->new_sequence(windows.context(), KvCodec::f32);
    model->forward(own, sequence, windows[i], no_logits);
  }
  TRY(check_finite(out.keys, "keys", config.kv_heads));
  TRY(check_finite(out.values, "values", config.kv_heads));
  return out;
}

}  // namespace farthing
