// Keys and values are read from the cache, behind each block's attention.
#include "eval/calibration/kv_calibration.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/calibration/hidden_states.h"
#include "eval/calibration/kv_work.h"

namespace farthing {
namespace {

// Adds the keys and values of a block's passes, each of which begins with an empty cache.
class KvProbe : public Probe {
 public:
  // `ends`: nothing behind the attention is wanted.
  KvProbe(Isa isa, const ModelConfig& config, const RangeOptions& range, bool ends)
      : kernel_(choose_attention_kernel(isa)),
        head_dim_(config.head_dim),
        rows_(static_cast<size_t>(decoded_page_floats(head_dim_))),
        range_(range),
        ends_(ends),
        keys_(static_cast<size_t>(config.kv_heads)),
        values_(static_cast<size_t>(config.kv_heads)) {}

  void see(const OperatorOutput&) override {}
  PassStep before_linears(std::span<const LinearWeight* const>, View<float, 2>) override {
    return ended() ? PassStep::end : PassStep::run;
  }
  PassStep before_attention(const AttentionPass& pass) override {
    for (const ops::AttentionSequence& sequence : pass.sequences)
      for (int64_t head = 0; head < sequence.cache->kv_heads(); ++head)
        add(*sequence.cache, pass.layer, head);
    return ends_ ? PassStep::end : PassStep::run;
  }

  // Of what was seen; `block`: for the error where it is not finite.
  Result<KvScales> scales(int64_t block) const {
    KvScales out;
    const auto put = [&](const std::vector<SeenInput>& seen, const char* what,
                         std::vector<float>& to) -> Result<> {
      for (const SeenInput& head : seen) {
        if (!head.finite) return fail(not_finite(what, block, static_cast<int64_t>(to.size())));
        to.push_back(kv_scale(head, range_));
      }
      return {};
    };
    TRY(put(keys_, "keys", out.keys));
    TRY(put(values_, "values", out.values));
    return out;
  }

 private:
  void add(const KvCache& cache, int64_t layer, int64_t head) {
    const auto at = static_cast<size_t>(head);
    const KvPages keys = cache.keys(layer, head), values = cache.values(layer, head);
    const int64_t length = cache.length(layer);
    const bool with_histograms = range_.method != RangeMethod::absmax;
    for (int64_t begin = 0; begin < length; begin += kv_page_positions) {
      const int64_t page = begin / kv_page_positions;
      const int64_t count = std::min(kv_page_positions, length - begin);
      const View<const float, 2> rows{rows_.data(), count, head_dim_, head_dim_};
      kernel_->decode_keys(keys, page, head_dim_, count, rows_.data());
      keys_[at].add(rows, with_histograms);
      kernel_->decode_values(values, page, head_dim_, count, rows_.data());
      values_[at].add(rows, with_histograms);
    }
  }
  static Error not_finite(const char* what, int64_t block, int64_t head) {
    return {
        .what = fmt::format("{} are not finite while the model reads the calibration text", what),
        .where = fmt::format("block {}, head {}", block, head),
        .got = "NaN or infinity",
        .wanted = "finite activations",
        .remedy =
            "the checkpoint is damaged, needs more range than f32, or was quantized too coarsely"};
  }

  const AttentionKernel& kernel_;
  int64_t head_dim_;
  std::vector<float> rows_;  // of a page
  const RangeOptions& range_;
  bool ends_;
  std::vector<SeenInput> keys_, values_;  // [kv_heads]
};

// Behind the last stage with an attention.
int64_t end_of(const ModelConfig& config) {
  int64_t out = stage_count(config);
  while (out > 1 && !place_of_stage(config, out - 1).attention) --out;
  return out;
}

class KvStages {
 public:
  KvStages(Context& context, const ModelConfig& config, WeightSource& weights,
           const Windows& windows, const RangeOptions& range, Progress& progress)
      : context_(context),
        config_(config),
        weights_(weights),
        windows_(windows),
        range_(range),
        progress_(progress),
        end_(end_of(config)) {}

  Result<> run(KvWork& work) {
    if (work.done() < 0) {
      const auto embedding = TRY(build_stage(context_, config_, 0, weights_));
      Workspace workspace;
      Context own{context_.pool, context_.isa, workspace};
      TRY(write_hidden(own, *embedding, windows_, nullptr, config_.hidden_size, work.hidden(0),
                       each_window(0)));
    }
    for (int64_t stage = std::max<int64_t>(work.done(), 0) + 1; stage < end_; ++stage)
      TRY(run_stage(work, stage));
    return {};
  }

 private:
  Result<> run_stage(KvWork& work, int64_t index) {
    const auto from = TRY(HiddenStates::open(
        work.hidden(index - 1), windows_.count() * windows_.context(), config_.hidden_size));
    const auto stage = TRY(build_stage(context_, config_, index, weights_));
    const StagePlace place = place_of_stage(config_, index);
    const bool last = index + 1 == end_;
    KvProbe probe(context_.isa, config_, range_, last);
    {
      Workspace workspace;  // given back before the next stage is built
      Context own{context_.pool, context_.isa, workspace};
      const ProbeGuard guard(own, probe);
      if (last) {
        see(own, *stage, from, probe);
      } else {
        TRY(write_hidden(own, *stage, windows_, &from, config_.hidden_size, work.hidden(index),
                         each_window(index)));
      }
    }
    return work.finish_stage(index, place.attention ? TRY(probe.scales(place.index)) : KvScales{});
  }

  // As write_hidden runs it; nothing reads what it gives.
  void see(Context& context, ModelStage& stage, const HiddenStates& from, KvProbe& probe) {
    Tensor rows(DType::f32, {windows_.context(), config_.hidden_size});
    for (int64_t w = 0; w < windows_.count(); ++w) {
      each_window(end_ - 1)(w);
      probe.begin();
      from.copy_rows(context, w * windows_.context(), rows.view<float>());
      stage.run(context, {.tokens = windows_[w], .hidden = rows.view<float>()});
    }
  }

  EachWindow each_window(int64_t stage) {
    return [this, stage](int64_t window) {
      const double share = static_cast<double>(window) / static_cast<double>(windows_.count());
      progress_.update(static_cast<double>(stage) + share, static_cast<double>(end_),
                       fmt::format("calibrating the KV cache, {}, window {} of {}",
                                   stage_name(config_, stage), window + 1, windows_.count()));
    };
  }

  Context& context_;
  const ModelConfig& config_;
  WeightSource& weights_;
  const Windows& windows_;
  const RangeOptions& range_;
  Progress& progress_;
  int64_t end_;
};

}  // namespace

float kv_scale(const SeenInput& seen, const RangeOptions& range) {
  return static_input(Activations::int8_static, chosen_range(seen, Activations::int8_static, range))
      .scale;
}

Result<KvScales> calibrate_kv_cache(Context& context, const ModelConfig& config,
                                    WeightSource& weights, const Windows& windows,
                                    const RangeOptions& range, const std::filesystem::path& work,
                                    Progress& progress) {
  auto done = TRY(KvWork::open(work, config));
  TRY(KvStages(context, config, weights, windows, range, progress).run(done));
  return done.scales();
}

}  // namespace farthing
