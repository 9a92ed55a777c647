// Each tensor's scheme is known before the outline is used; all tensors are pieces of one hole.
#include "advise/written_outline.h"

#include <algorithm>
#include <map>

#include "advise/hole.h"
#include "advise/known_inputs.h"
#include "base/rehearsal.h"
#include "quant/quantize_linear.h"
#include "quant/rotation/rotated_checkpoint.h"

namespace farthing {
namespace {

class WrittenOutline : public Checkpoint {
 public:
  static Result<std::unique_ptr<Checkpoint>> open(Checkpoint& from,
                                                  const QuantizeOptions& options) {
    auto out = std::unique_ptr<WrittenOutline>(new WrittenOutline(from, options));
    if (options.rotation.any()) out->rotated_ = TRY(rotated_checkpoint(from, options.rotation));
    Checkpoint& base = out->base();
    out->config_ = base.config();
    out->path_ = base.path();
    TRY(check_rules(options, out->config_));
    out->options_.calibration = known_inputs(out->config_);
    const TensorSpecs specs = tensors_of(out->config_);
    for (const LinearSpec& spec : specs.tables) TRY(out->add(spec, true));
    for (const LinearSpec& spec : specs.linears) TRY(out->add(spec, false));
    const Hole hole = TRY(Hole::make(out->largest_bytes_));
    out->zeros_ = Storage::map(TRY(MappedFile::open(hole.path())));
    return out;
  }

  std::string_view kind() const override { return "a directory that is planned"; }
  std::vector<StoredTensorInfo> tensors() const override { return base().tensors(); }
  Result<Tensor> values(const std::string& name) const override { return base().values(name); }
  Result<Tokenizer> tokenizer() const override { return base().tokenizer(); }
  Result<std::string> chat_template() const override { return base().chat_template(); }
  Result<std::string> config_json() const override { return base().config_json(); }
  Result<> write_companions(const std::filesystem::path& folder) const override {
    return base().write_companions(folder);
  }

  Result<StoredLinear> linear(const LinearSpec& spec) override {
    const Scheme& scheme = schemes_.at(spec.name);
    const Format& format = *scheme.weights;
    StoredLinear out{{&format, spec.n, spec.k, format.scale_dtype, {}}, scheme.activations};
    for (const PlaneSpec& plane : format.planes(spec.n, spec.k, format.scale_dtype))
      out.weight.planes.emplace_back(zeros_, 0, plane.dtype, plane.shape);
    out.input = TRY(input_parameters(spec, scheme, options_, nullptr));
    return out;
  }
  Result<StoredLinear> table(const LinearSpec& spec) override { return linear(spec); }
  Result<Tensor> vector(const VectorSpec& spec) override { return base().vector(spec); }
  Result<KvCacheFormat> kv_cache() override {
    if (!options_.kv_cache) return base().kv_cache();
    if (!needs_kv_scales(options_)) return KvCacheFormat{*options_.kv_cache};
    return KvCacheFormat{*options_.kv_cache, known_scales(config_)};
  }

 private:
  WrittenOutline(Checkpoint& from, const QuantizeOptions& options)
      : from_(from), options_(options) {}
  Checkpoint& base() const { return rotated_ ? *rotated_ : from_; }

  // What stays as it is has the format in which it would be handed out: a turned one is f32.
  Result<> add(const LinearSpec& spec, bool is_table) {
    Scheme scheme;
    if (const auto choice = choice_for(options_, spec, is_table)) {
      scheme = scheme_that_holds(choice->scheme, spec.k);
    } else {
      const Rehearsal rehearsal;
      const StoredLinear kept = TRY(is_table ? base().table(spec) : base().linear(spec));
      scheme = {kept.weight.format, kept.activations};
    }
    const Format& format = *scheme.weights;
    for (const PlaneSpec& plane : format.planes(spec.n, spec.k, format.scale_dtype))
      largest_bytes_ = std::max(largest_bytes_, plane.shape.elements() * dtype_bytes(plane.dtype));
    schemes_.emplace(spec.name, scheme);
    return {};
  }

  Checkpoint& from_;
  QuantizeOptions options_;
  std::unique_ptr<Checkpoint> rotated_;
  std::map<std::string, Scheme> schemes_;
  int64_t largest_bytes_ = 1;
  std::shared_ptr<Storage> zeros_;
};

}  // namespace

Result<std::unique_ptr<Checkpoint>> open_written_outline(Checkpoint& from,
                                                         const QuantizeOptions& options) {
  return WrittenOutline::open(from, options);
}

}  // namespace farthing
