// Converting: a rehearsal that learns the tensors of the output, then one linear after the other.
#include "model/dialects/writers/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/json_writer.h"
#include "base/rehearsal.h"
#include "formats/input_groups.h"
#include "formats/recode.h"
#include "io/json.h"
#include "io/safetensors/safetensors.h"
#include "model/checkpoint_writer.h"
#include "model/dialects/stored_tensors.h"
#include "model/dialects/writers/integer_tensors.h"

namespace farthing {
namespace {

class Converter {
 public:
  Converter(Checkpoint& from, const DialectTarget& target, const ConvertOptions& options,
            ThreadPool& pool, Progress& progress)
      : from_(from), target_(target), options_(options), pool_(pool), progress_(progress) {}

  Result<Conversion> run(const std::filesystem::path& to) {
    TRY(check_model());
    auto config = TRY(JsonObject::parse(TRY(from_.config_json()), "config.json"));
    const std::string dtype =
        TRY(config.string("torch_dtype", TRY(config.string("dtype", "float32"))));
    writer_ = target_.create({dtype, options_.allow_rounding, repeated_kv_cache()});
    writer_->use_pool(&pool_);
    TRY(choose_schemes());
    if (out_.linears.empty()) return fail(nothing_to_convert(from_));
    add_tied_head();
    TRY(writer_->section(written_));
    TRY(find_symmetric());
    TRY(declare_tensors());
    auto directory = TRY(AtomicDirectory::create(to, checkpoint_manifest_name));
    TRY(write_tensors(directory.path() / "model.safetensors"));
    config = TRY(config.with("quantization_config", TRY(writer_->section(written_))));
    TRY(write_text_file(directory.path() / "config.json", config.text() + "\n"));
    for (const auto& [name, text] : TRY(writer_->side_files(written_)))
      TRY(write_text_file(directory.path() / name, text));
    TRY(from_.write_companions(directory.path()));
    TRY(write_text_file(directory.path() / checkpoint_manifest_name,
                        conversion_manifest(from_, target_.name)));
    TRY(directory.commit());
    return std::move(out_);
  }

 private:
  // Empty where the target does not say what IN says of the KV cache.
  std::string repeated_kv_cache() const {
    return target_.repeats_kv_cache && is_own_dialect() ? from_.stated_kv_cache().json : "";
  }
  bool is_own_dialect() const { return target_.is_read_as(from_.kind()); }

  // What no other dialect can say of a model.
  Result<> check_model() {
    if (!options_.weight_only && repeated_kv_cache().empty())
      if (std::string cache = TRY(kv_cache_of(from_)); !cache.empty())
        return fail(kv_cache_left_out(from_, target_.name, std::move(cache)));
    const Rotation& rotation = from_.config().plan.rotation;
    if (!rotation.r3 && !rotation.r4) return {};
    return fail({.what = "the model turns activations while it runs, which no other dialect states",
                 .where = from_.path().string(),
                 .got = "rotated by " + rotation.name(),
                 .wanted = "at most r1,r2, which lie in the weights",
                 .remedy = "quantize with --rotate r1,r2"});
  }

  // Scales of a KV cache of which nothing is said.
  bool is_left_out(std::string_view tensor) const {
    if (from_.stated_kv_cache().text.empty() || !repeated_kv_cache().empty()) return false;
    constexpr std::string_view of_cache[] = {".k_scale", ".v_scale", ".q_scale",
                                             ".k_proj.output_scale", ".v_proj.output_scale"};
    return std::ranges::any_of(of_cache, [&](auto end) { return tensor.ends_with(end); });
  }

  template <class Use>
  Result<> each_linear(const Use& use) {
    const TensorSpecs specs = tensors_of(from_.config());
    const double total = static_cast<double>(specs.tables.size() + specs.linears.size());
    double done = 0;
    for (const LinearSpec& spec : specs.tables) {
      if (!rehearsing()) progress_.update(done++, total, spec.name);
      TRY(use(spec, TRY(from_.table(spec)), true));
    }
    for (const LinearSpec& spec : specs.linears) {
      if (!rehearsing()) progress_.update(done++, total, spec.name);
      TRY(use(spec, TRY(from_.linear(spec)), false));
    }
    if (!rehearsing()) progress_.update(total, total, "writing");
    return {};
  }

  // What each linear is to be.
  Result<> choose_schemes() {
    const Rehearsal rehearsal;
    return each_linear([&](const LinearSpec& spec, const StoredLinear& linear,
                           bool table) -> Result<> {
      const Scheme scheme{linear.weight.format, linear.activations};
      const bool embedding = table && spec.name == from_.config().plan.embedding.name + ".weight";
      Result<Scheme> wanted = scheme;
      if (!scheme.weights->plain) {
        wanted = target_scheme(scheme, embedding, spec.k);
        if (!wanted) {
          wanted.error().where = fmt::format("{}, tensor {}", from_.path().string(), spec.name);
          return fail(std::move(wanted.error()));
        }
        out_.linears.push_back({spec.name, scheme, *wanted});
      }
      written_.push_back({module_of(spec.name), *wanted, embedding});
      if (is_own_dialect()) written_.back().form = linear.form;
      return {};
    });
  }

  // Formats in activation order always store zero points; dialects say of symmetric ones that they
  // are.
  Result<> find_symmetric() {
    const TensorSpecs specs = tensors_of(from_.config());
    size_t at = specs.tables.size();
    for (const LinearSpec& spec : specs.linears)
      if (WrittenLinear& written = written_[at++]; has_input_groups(*written.scheme.weights))
        written.middle_zeros = has_middle_zeros(TRY(from_.linear(spec)).weight);
    return {};
  }

  Result<> declare_tensors() {
    const Rehearsal rehearsal;
    size_t at = 0;
    TRY(each_linear([&](const LinearSpec& spec, StoredLinear linear, bool) -> Result<> {
      const WrittenLinear& written = written_[at++];
      if (written.scheme.weights->plain) return {};
      for (const NamedTensor& part : TRY(parts(spec, std::move(linear), written)))
        declare(part.name, part.tensor, part.counted);
      return {};
    }));
    return from_.each_plain_tensor([&](const std::string& name, const Tensor& tensor) -> Result<> {
      if (is_left_out(name)) return {};
      const NamedTensor part = writer_->plain(name, tensor);
      declare(part.name, part.tensor, false);
      return {};
    });
  }

  // Readers have a linear for the head of a tied model too, and would take it for a quantized one.
  void add_tied_head() {
    const auto& embedding = from_.config().plan.embedding.name;
    if (!from_.config().tied_embeddings()) return;
    const bool neox = embedding.starts_with("gpt_neox.");
    written_.push_back({neox ? "embed_out" : "lm_head", {find_format("f32"), Activations::f32}});
  }

  Result<Scheme> target_scheme(const Scheme& scheme, bool embedding, int64_t k) const {
    const Scheme out = TRY(writer_->scheme_for(scheme));
    const ScaleBlock& block = out.weights->scale_block;
    if (!target_.short_groups && block.rows == 1 && block.columns > 0 && !block.flat &&
        k % block.columns != 0) {
      return fail({.what = fmt::format("{} has no shorter group at a row's end", target_.name),
                   .where = {},
                   .got = fmt::format("{} of {} inputs", out.weights->name, k),
                   .wanted = fmt::format("a multiple of {} inputs", block.columns),
                   .remedy = "quantize with groups that fill the row, or keep such linears plain "
                             "by a rule"});
    }
    if (embedding && !target_.embeddings) {
      return fail({.what = fmt::format("{} has no quantized embeddings", target_.name),
                   .where = {},
                   .got = scheme.name(),
                   .wanted = "a plain embedding",
                   .remedy = "convert to compressed-tensors, or quantize without the embedding"});
    }
    if (out.activations == scheme.activations || options_.weight_only ||
        scheme.activations == scheme.weights->default_activations)
      return out;
    return fail({.what = fmt::format("{} does not state this rounding of inputs", target_.name),
                 .where = {},
                 .got = std::string(activations_name(scheme.activations)),
                 .wanted = std::string(activations_name(out.activations)),
                 .remedy =
                     "convert to compressed-tensors, which states most, or leave the rounding "
                     "out with --weight-only"});
  }

  Result<std::vector<NamedTensor>> parts(const LinearSpec& spec, StoredLinear linear,
                                         const WrittenLinear& as) const {
    if (linear.weight.format != as.scheme.weights) {
      auto recoded = recode(linear.weight, *as.scheme.weights, pool_);
      if (!recoded) {
        recoded.error().where = fmt::format("{}, tensor {}: {}", from_.path().string(), spec.name,
                                            recoded.error().where);
        return fail(std::move(recoded.error()));
      }
      linear.weight = std::move(*recoded);
    }
    linear.activations = as.scheme.activations;
    auto out = writer_->tensors(spec, as, linear);
    if (!out) {
      out.error().where =
          fmt::format("{}, tensor {}: {}", from_.path().string(), spec.name, out.error().where);
      return fail(std::move(out.error()));
    }
    return out;
  }

  void declare(const std::string& name, const Tensor& tensor, bool counted) {
    out_.bytes += tensor.bytes();
    const auto known = places_.find(name);
    if (known == places_.end()) {
      places_.emplace(name, declared_.size());
      declared_.push_back({name, tensor.dtype(), tensor.shape(), counted});
      return;
    }
    // The next part of a stack.
    Shape& shape = declared_[known->second].shape;
    std::vector<int64_t> sizes;
    for (int i = 0; i < shape.rank(); ++i) sizes.push_back(shape[i]);
    sizes[0] += tensor.shape()[0];
    shape = Shape(sizes);
  }

  Result<> write_tensors(const std::filesystem::path& to) {
    auto file = TRY(SafetensorsWriter::create(to, declared_, {{"format", "pt"}}));
    size_t at = 0;
    TRY(each_linear([&](const LinearSpec& spec, StoredLinear linear, bool) -> Result<> {
      WrittenLinear& written = written_[at++];
      if (linear.weight.format->plain) return {};
      written.middle_zeros = has_middle_zeros(linear.weight);
      for (const NamedTensor& part : TRY(parts(spec, std::move(linear), written)))
        TRY(file.write(part.name, part.tensor.span()));
      return {};
    }));
    TRY(from_.each_plain_tensor([&](const std::string& name, const Tensor& tensor) -> Result<> {
      if (is_left_out(name)) return {};
      return file.write(writer_->plain(name, tensor).name, tensor.span());
    }));
    return file.commit();
  }

  Checkpoint& from_;
  const DialectTarget& target_;
  const ConvertOptions& options_;
  ThreadPool& pool_;
  Progress& progress_;
  std::unique_ptr<DialectWriter> writer_;
  std::vector<WrittenLinear> written_;
  std::vector<SafetensorsWriter::Declaration> declared_;
  std::map<std::string, size_t, std::less<>> places_;
  Conversion out_;
};

}  // namespace

Result<std::string> kv_cache_of(Checkpoint& model) {
  const KvCodec codec = TRY(model.kv_cache()).codec;
  if (codec != KvCodec::f32) return std::string(kv_codec_info(codec).name);
  return model.stated_kv_cache().text;
}

Error kv_cache_left_out(const Checkpoint& from, std::string_view target, std::string kv_cache) {
  return {.what = fmt::format("{} does not state this KV cache", target),
          .where = from.path().string(),
          .got = std::move(kv_cache),
          .wanted = "f32, or a cache that its reader chooses",
          .remedy = "leave it out with --weight-only"};
}

Error nothing_to_convert(const Checkpoint& from) {
  return {.what = "there is nothing to convert",
          .where = from.path().string(),
          .got = "plain weights alone",
          .wanted = "a quantized model",
          .remedy =
              "quantize it first: `farthing quantize MODEL --format int4_g128 --method gptq "
              "-o DIR`"};
}

std::string conversion_manifest(const Checkpoint& from, std::string_view dialect) {
  JsonWriter json(true);
  json.begin_object().field("kind", "conversion").field("dialect", dialect);
  json.field("from", from.path().filename().string()).field("from_dialect", from.kind());
  return json.end_object().take() + "\n";
}

Result<Conversion> convert_checkpoint(Checkpoint& from, const DialectTarget& target,
                                      const std::filesystem::path& to,
                                      const ConvertOptions& options, ThreadPool& pool,
                                      Progress& progress) {
  return Converter(from, target, options, pool, progress).run(to);
}

}  // namespace farthing
