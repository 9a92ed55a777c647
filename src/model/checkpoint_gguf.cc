// GGUF files as checkpoints: tensor names, the order of query and key rows, and the vocabulary.
#include <fmt/format.h>

#include <cstring>

#include "base/json_writer.h"
#include "io/gguf/gguf.h"
#include "io/json.h"
#include "model/checkpoint.h"
#include "model/gguf/latent.h"
#include "model/gguf/names.h"
#include "model/gguf/row_order.h"
#include "model/gguf/tensor_scales.h"
#include "model/gguf/vocabulary.h"
#include "text/tokenizer_json.h"

namespace farthing {
namespace {

class GgufCheckpoint : public Checkpoint {
 public:
  static Result<std::unique_ptr<Checkpoint>> open(const std::filesystem::path& path) {
    auto out = std::unique_ptr<GgufCheckpoint>(new GgufCheckpoint(TRY(GgufFile::open(path)), path));
    out->config_json_ = TRY(config_json_from_gguf(out->file_));
    out->config_ = TRY(config_from_json(TRY(JsonObject::parse(out->config_json_, path.string()))));
    return out;
  }

  std::string_view kind() const override { return "GGUF"; }

  std::vector<StoredTensorInfo> tensors() const override {
    std::vector<StoredTensorInfo> out;
    for (const auto& entry : file_.tensors())
      out.push_back(
          {entry.name, std::string(entry.type->name), entry.shape, entry.end - entry.begin});
    return out;
  }

  Result<Tensor> values(const std::string& name) const override {
    const GgufFile::Entry* entry = file_.find(name);
    const int64_t rank = entry == nullptr ? 2 : entry->shape.rank();
    if (rank != 2 && rank != 3) return to_f32(TRY(file_.plain(name)));
    if (rank == 2)
      return TRY(matrix({name, {}}, entry == nullptr ? Shape{0, 0} : entry->shape)).decode();
    const Shape all = entry->shape;  // of experts
    Tensor out(DType::f32, all);
    for (int64_t e = 0; e < all[0]; ++e) {
      const Tensor part = TRY(matrix({name, e}, {all[1], all[2]})).decode();
      std::memcpy(out.data() + e * part.bytes(), part.data(), static_cast<size_t>(part.bytes()));
    }
    return out;
  }

  Result<StoredLinear> linear(const LinearSpec& spec) override {
    StoredLinear out;
    const GgufPlace place = place_of(spec.name);
    const auto parts = latent_parts(file_, place.name);
    out.weight = parts ? TRY(joined_key_value(*parts, spec.n, spec.k))
                       : TRY(matrix(place, {spec.n, spec.k}));
    out.activations = out.weight.format->default_activations;
    out.weight.planes[0] = rows_in_order(out.weight.planes[0], spec.name, spec.n);
    TRY(apply_tensor_scales(file_, place, out));
    TRY(check_finite(out.weight, spec.name));
    return out;
  }
  Result<StoredLinear> table(const LinearSpec& spec) override { return linear(spec); }

  Result<Tensor> vector(const VectorSpec& spec) override {
    const GgufPlace place = place_of(spec.name);
    const std::string& name = place.name;
    Tensor tensor = TRY(file_.plain(name));
    if (place.expert && tensor.shape().rank() == 2 && *place.expert < tensor.shape()[0])
      tensor = row_of(tensor, *place.expert);
    if (tensor.shape() != Shape{spec.size})
      return fail(shape_error(name, tensor.shape(), {spec.size}));
    Tensor out = to_f32(tensor);
    TRY(check_finite(out, name));
    const GgufNaming& naming = architecture_of(config_).gguf;
    if (naming.gains_with_one && spec.name.ends_with("norm.weight")) return less_one(out);
    return rows_in_order(out, spec.name, spec.size);
  }

  Result<Tokenizer> tokenizer() const override {
    return tokenizer_from_gguf(TRY(gguf_vocabulary(file_.metadata(), path_.string())),
                               path_.string());
  }

  Result<std::string> chat_template() const override {
    return file_.metadata().string("tokenizer.chat_template", "");
  }

  Result<std::string> config_json() const override { return config_json_; }

  Result<> write_companions(const std::filesystem::path& folder) const override {
    const Tokenizer vocabulary = TRY(tokenizer());
    TRY(write_text_file(folder / "tokenizer.json", tokenizer_to_json(vocabulary)));
    JsonWriter json(true);
    json.begin_object().field("tokenizer_class", "PreTrainedTokenizerFast");
    if (config_.bos_token) json.field("bos_token", vocabulary.token_text(*config_.bos_token));
    if (config_.eos_token) json.field("eos_token", vocabulary.token_text(*config_.eos_token));
    if (const std::string chat = TRY(chat_template()); !chat.empty())
      json.field("chat_template", chat);
    json.end_object();
    return write_text_file(folder / "tokenizer_config.json", json.take());
  }

 private:
  GgufCheckpoint(GgufFile file, std::filesystem::path path) : file_(std::move(file)) {
    path_ = std::move(path);
  }

  Error shape_error(const std::string& name, const Shape& got, const Shape& wanted) const {
    return {.what = "a tensor has the wrong shape",
            .where = fmt::format("{}, tensor {}", path_.string(), name),
            .got = got.text(),
            .wanted = wanted.text(),
            .remedy = "the file's metadata and tensors contradict each other: take another file"};
  }

  Result<QuantizedTensor> joined_key_value(const LatentParts& parts, int64_t n, int64_t k) const {
    const GgufFile::Entry &key = *file_.find(parts.key), &value = *file_.find(parts.value);
    const int64_t heads = key.shape.rank() == 3 ? key.shape[0] : 0;
    const int64_t of_key = heads > 0 ? key.shape[2] : 0,
                  of_value = heads > 0 ? n / heads - of_key : 0;
    if (heads == 0 || key.shape != Shape{heads, k, of_key})
      return fail(shape_error(parts.key, key.shape, {heads, k, of_key}));
    if (of_value <= 0 || n != heads * (of_key + of_value) ||
        value.shape != Shape{heads, of_value, k})
      return fail(shape_error(parts.value, value.shape, {heads, of_value, k}));
    return joined_latent_parts(TRY(values(parts.key)), TRY(values(parts.value)));
  }

  Result<QuantizedTensor> matrix(const GgufPlace& place, const Shape& shape) const {
    const std::string& name = place.name;
    Tensor bytes = TRY(file_.bytes(name));
    const GgufFile::Entry& entry = *file_.find(name);
    const bool of_expert = place.expert.has_value();
    const int64_t experts = of_expert && entry.shape.rank() == 3 ? entry.shape[0] : 1;
    const Shape wanted = of_expert ? Shape{experts, shape[0], shape[1]} : shape;
    if (entry.shape != wanted || (of_expert && *place.expert >= experts))
      return fail(shape_error(name, entry.shape, wanted));
    QuantizedTensor out;
    out.format = find_format_of_gguf_type(static_cast<int>(entry.type->id));
    if (out.format == nullptr) {
      std::string known;
      for (const Format& format : all_formats()) {
        const auto* type = format.gguf_type < 0
                               ? nullptr
                               : gguf_tensor_type(static_cast<uint32_t>(format.gguf_type));
        if (type != nullptr) known += (known.empty() ? "" : ", ") + std::string(type->name);
      }
      return fail({.what = "a tensor has a type that is not read",
                   .where = fmt::format("{}, tensor {}", path_.string(), name),
                   .got = std::string(entry.type->name),
                   .wanted = "one of " + known,
                   .remedy = "use a file whose tensors have these types"});
    }
    out.n = shape[0];
    out.k = shape[1];
    out.scale_dtype = out.format->scale_dtype;
    if (out.format->plain) {
      const Tensor all = TRY(file_.plain(name));
      out.planes.push_back(of_expert ? all.part(*place.expert) : all);
    } else {
      if (of_expert)
        bytes = bytes.reshaped({experts, 1, bytes.bytes() / experts}).part(*place.expert);
      out.planes.push_back(
          bytes.reshaped(out.format->planes(out.n, out.k, out.scale_dtype).front().shape));
    }
    return out;
  }

  static Tensor row_of(const Tensor& matrix, int64_t row) {
    const int64_t rows = matrix.shape()[0], columns = matrix.shape()[1];
    return matrix.reshaped({rows, 1, columns}).part(row).reshaped({columns});
  }

  GgufPlace place_of(const std::string& name) const {
    return gguf_place(architecture_of(config_), name);
  }

  // The `rows` of a tensor, each taken from where `source` says.
  static Tensor reordered(const Tensor& from, int64_t rows, const GgufRowOrder& source) {
    Tensor to(from.dtype(), from.shape());
    const int64_t row = from.bytes() / rows;
    for (int64_t n = 0; n < rows; ++n)
      std::memcpy(to.data() + n * row, from.data() + source(n) * row, static_cast<size_t>(row));
    return to;
  }

  static Tensor less_one(const Tensor& gains) {
    Tensor out(DType::f32, gains.shape());  // the file's is mapped
    for (int64_t i = 0; i < gains.shape().elements(); ++i)
      out.as<float>()[i] = gains.as<float>()[i] - 1.0f;
    return out;
  }

  // A weight [rows, k] or a bias [rows] with its rows as Hugging Face orders them.
  Tensor rows_in_order(const Tensor& from, const std::string& name, int64_t rows) const {
    const GgufRowOrder order = gguf_row_order(architecture_of(config_).gguf, config_, name);
    return order ? reordered(from, rows, order) : from;
  }

  GgufFile file_;
  std::string config_json_;
};

}  // namespace

Result<std::unique_ptr<Checkpoint>> open_gguf(const std::filesystem::path& path) {
  return GgufCheckpoint::open(path);
}

}  // namespace farthing
