// The parts of a GGUF file, one after another: metadata, descriptions of tensors, their bytes.
#include "model/gguf/writing.h"

#include <fmt/format.h>

#include <cstring>
#include <map>

#include "base/rehearsal.h"
#include "formats/recode.h"
#include "io/gguf/gguf.h"
#include "io/json.h"
#include "model/gguf/description.h"
#include "model/gguf/file_type.h"
#include "model/gguf/names.h"
#include "model/gguf/row_order.h"
#include "model/gguf/same_model.h"
#include "model/gguf/tensor_scales.h"
#include "model/gguf/vocabulary.h"
#include "model/gguf/weight_types.h"
#include "model/open_tokenizer.h"

namespace farthing {
namespace {

// A linear of the file: a part of one of the checkpoint, or all of it.
struct Piece {
  std::string name;  // in a plan
  GgufPlace place;
  LinearSpec source;
  int64_t n;  // rows: begin, begin + step, ... of the source's
  int64_t begin = 0, step = 1;
  const Format* type = nullptr;
};

// The same of a vector.
struct VectorPiece {
  std::string name;
  GgufPlace place;
  VectorSpec source;
  int64_t size, begin = 0, step = 1;
};

class GgufExport {
 public:
  GgufExport(Checkpoint& from, ThreadPool& pool, Progress& progress, bool weight_only)
      : from_(from),
        pool_(pool),
        progress_(progress),
        weight_only_(weight_only),
        where_(from.path().string()) {}

  Result<> write(const std::filesystem::path& to) {
    architecture_ = TRY(gguf_architecture_for(from_.config(), where_));
    TRY(check_what_runs());
    const auto json = TRY(JsonObject::parse(TRY(from_.config_json()), where_ + "/config.json"));
    config_ = from_.config();
    if (from_.config().architecture == "gpt_oss")  // a file has gate and up of an expert apart
      config_ = TRY(config_from_json(TRY(json.with("split_gate_up", "true"))));
    description_ = TRY(describe_for_gguf(config_, json, *architecture_));
    TRY(find_pieces());
    TRY(declare());
    TRY(set_general(json));
    TRY(check_description());
    auto file = TRY(GgufWriter::create(to, description_.metadata, declarations_));
    for (const auto& factors : description_.factors)
      TRY(file.write(factors.first, std::as_bytes(std::span(factors.second))));
    for (const VectorPiece& piece : vectors_) TRY(put(file, piece));
    const auto total = static_cast<double>(pieces_.size());
    for (size_t i = 0; i < pieces_.size(); ++i) {
      progress_.update(static_cast<double>(i), total, pieces_[i].name);
      TRY(put(file, pieces_[i]));
    }
    progress_.update(total, total, "writing");
    return file.commit();
  }

 private:
  Error unsayable(std::string part, std::string got, std::string wanted, std::string remedy) const {
    return {.what = "a part of the model cannot be said in GGUF",
            .where = fmt::format("{}, {}", where_, part),
            .got = std::move(got),
            .wanted = std::move(wanted),
            .remedy = std::move(remedy)};
  }

  // What the model does beside its weights.
  Result<> check_what_runs() {
    const Rotation& rotation = from_.config().plan.rotation;
    if (rotation.r3 || rotation.r4)
      return fail(unsayable("rotation", rotation.name(), "at most r1,r2, which lie in the weights",
                            "quantize the model again with --rotate r1,r2 or without"));
    return {};
  }

  // Every tensor of the file, and what of the checkpoint it comes from.
  Result<> find_pieces() {
    const TensorSpecs source = tensors_of(from_.config()), target = tensors_of(config_);
    std::map<std::string, LinearSpec> linears;
    for (const auto* specs : {&source.tables, &source.linears})
      for (const LinearSpec& spec : *specs) linears.emplace(spec.name, spec);
    std::map<std::string, VectorSpec> vectors;
    for (const VectorSpec& spec : source.vectors) vectors.emplace(spec.name, spec);
    for (const auto* specs : {&target.tables, &target.linears})
      for (const LinearSpec& spec : *specs) {
        const Part part = part_of(spec.name, linears);
        pieces_.push_back({spec.name, gguf_place(*architecture_, spec.name),
                           linears.at(part.source), spec.n, part.begin, part.step});
      }
    for (const VectorSpec& spec : target.vectors) {
      const Part part = part_of(spec.name, vectors);
      vectors_.push_back({spec.name, gguf_place(*architecture_, spec.name), vectors.at(part.source),
                          spec.size, part.begin, part.step});
    }
    return {};
  }

  struct Part {
    std::string source;
    int64_t begin = 0, step = 1;
  };
  // gpt-oss: the rows of an expert's gate and up lie in turn.
  template <class Specs>
  static Part part_of(const std::string& name, const Specs& specs) {
    if (specs.contains(name)) return {name};
    const auto at =
        name.find("gate_proj") != std::string::npos ? name.find("gate_proj") : name.find("up_proj");
    const bool gate = name.compare(at, 4, "gate") == 0;
    std::string both = name;
    return {both.replace(at, gate ? 9 : 7, "gate_up_proj"), gate ? 0 : 1, 2};
  }

  // The types and shapes of tensors, by a rehearsal of reading them.
  Result<> declare() {
    for (const auto& [name, values] : description_.factors)
      declarations_.push_back(
          {name, gguf_tensor_type("F32"), {static_cast<int64_t>(values.size())}});
    const Rehearsal rehearsal;
    for (Piece& piece : pieces_) {
      const StoredLinear linear = TRY(read(piece.source));
      TRY(choose_type(piece, linear));
      const auto* type = gguf_tensor_type(static_cast<uint32_t>(piece.type->gguf_type));
      TRY(declare_part(piece.place, type, {piece.n, piece.source.k}));
      const auto* f32 = gguf_tensor_type("F32");
      const GgufPlace& place = piece.place;
      if (has_tensor_scale(*linear.weight.format))
        TRY(declare_part({gguf_scale_name(place.name), place.expert}, f32, {}));
      if (linear.activations == Activations::nvfp4)
        TRY(declare_part({gguf_input_scale_name(place.name), place.expert}, f32, {}));
    }
    for (const VectorPiece& piece : vectors_)
      TRY(declare_part(piece.place, gguf_tensor_type("F32"), {piece.size}));
    return {};
  }

  // A tensor, or another expert's part of one; of a scale the shape is empty.
  Result<> declare_part(const GgufPlace& place, const GgufTensorType* type, const Shape& shape) {
    const auto found = declared_.find(place.name);
    const auto stack = [&](int64_t experts) {
      return shape.rank() == 2   ? Shape{experts, shape[0], shape[1]}
             : shape.rank() == 1 ? Shape{experts, shape[0]}
                                 : Shape{experts};
    };
    if (found == declared_.end()) {
      declared_.emplace(place.name, declarations_.size());
      declarations_.push_back(
          {place.name, type, place.expert || shape.rank() == 0 ? stack(1) : shape});
      return {};
    }
    GgufWriter::Declaration& declaration = declarations_[found->second];
    CHECK(place.expert && *place.expert == declaration.shape[0]);
    declaration.shape = stack(declaration.shape[0] + 1);
    if (declaration.type == type) return {};
    return fail(unsayable(place.name,
                          fmt::format("experts in {} and {}", declaration.type->name, type->name),
                          "one type for all experts of a layer", "quantize them to one format"));
  }

  Result<StoredLinear> read(const LinearSpec& spec) {
    const bool table = spec.name == from_.config().plan.embedding.name + ".weight" ||
                       spec.name == from_.config().plan.head.name + ".weight";
    StoredLinear out = TRY(table ? from_.table(spec) : from_.linear(spec));
    if (weight_only_) {
      out.activations = Activations::f32;
      out.input = {};
    }
    return out;
  }

  Result<> choose_type(Piece& piece, const StoredLinear& linear) {
    const Format& format = *linear.weight.format;
    const std::string scheme = Scheme{&format, linear.activations}.name();
    const bool nvfp4 = linear.activations == Activations::nvfp4 && has_tensor_scale(format);
    if (!nvfp4 && !input_planes(linear.activations, linear.input.outliers.count()).empty())
      return fail(unsayable(piece.source.name, scheme + ", with scales of its input",
                            "a scheme whose activations have none in the file",
                            "leave them out with --weight-only, or quantize the model again "
                            "without static activations"));
    // routers and positions are f32 in the files that others write
    const bool precise = piece.source.keeps_precision ||
                         piece.source.name == from_.config().plan.positions.name + ".weight";
    piece.type =
        format.plain && precise ? find_format("f32") : gguf_format_of(format, piece.source.k);
    if (piece.type != nullptr) return {};
    return fail(no_type(piece.source, scheme));
  }

  Error no_type(const LinearSpec& spec, const std::string& scheme) const {
    const bool whole = spec.k % 32 == 0;
    return {.what = "no type of GGUF holds a weight without a rounding",
            .where = fmt::format("{}, tensor {}", where_, spec.name),
            .got = fmt::format("{}, {} inputs", scheme, spec.k),
            .wanted = whole ? "floats; integers of up to 8 bits in groups of whole 32 inputs; "
                              "MXFP4; NVFP4 with a multiple of 64 inputs"
                            : "a multiple of 32 inputs, or floats",
            .remedy =
                "`farthing quantize MODEL --format q4_0 -o DIR` (or q5_0, q8_0, q4_k, ...) "
                "gives weights that GGUF holds, and says what that costs; convert DIR"};
  }

  // Keys of no architecture's own.
  Result<> set_general(const JsonObject& json) {
    GgufMetadataBuilder& metadata = description_.metadata;
    metadata.set("general.type", "model");
    std::filesystem::path folder = from_.path().lexically_normal();
    if (!folder.has_filename()) folder = folder.parent_path();
    metadata.set("general.name", folder.filename().string());
    if (const auto type = gguf_file_type(declarations_)) metadata.set("general.file_type", *type);
    metadata.set("general.quantization_version", uint32_t{2});
    return set_tokenizer(json);
  }

  Result<> set_tokenizer(const JsonObject& json) {
    GgufMetadataBuilder& metadata = description_.metadata;
    if (!folder_has_tokenizer(from_.path())) {
      metadata.set("tokenizer.ggml.model", "none");
      return {};
    }
    GgufVocabulary vocabulary = TRY(gguf_vocabulary_of(TRY(from_.tokenizer()), where_));
    // llama.cpp counts tokens by the list
    const auto rows = static_cast<size_t>(config_.plan.embedding.n);
    if (vocabulary.tokens.size() > rows)
      return fail(unsayable("the tokenizer", fmt::format("{} tokens", vocabulary.tokens.size()),
                            fmt::format("at most {}, the rows of the embedding", rows),
                            "use the tokenizer that belongs to the model"));
    add_unused_tokens(rows, vocabulary);
    const ModelConfig& c = from_.config();
    if (!vocabulary.bos) vocabulary.bos = c.bos_token;
    if (!vocabulary.eos) vocabulary.eos = c.eos_token;
    set_gguf_vocabulary(vocabulary, metadata);
    if (json.has("pad_token_id") && !json.is_null("pad_token_id")) {
      const int64_t pad = TRY(json.integer("pad_token_id"));
      if (pad >= 0 && pad < static_cast<int64_t>(rows))
        metadata.set("tokenizer.ggml.padding_token_id", static_cast<uint32_t>(pad));
    }
    if (const std::string chat = TRY(from_.chat_template()); !chat.empty())
      metadata.set("tokenizer.chat_template", chat);
    return {};
  }

  // What a reader makes of the metadata must be this model.
  Result<> check_description() const {
    GgufWriter::Head head = GgufWriter::head_of(description_.metadata, declarations_);
    const std::string name = "the GGUF file of " + where_;
    size_t at = head.bytes.size();
    for (const auto& factors : description_.factors) {  // the first tensors
      const auto bytes = std::as_bytes(std::span(factors.second));
      head.bytes.resize(at);
      head.bytes.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      at = (head.bytes.size() + 31) / 32 * 32;
    }
    const auto storage = Storage::allocate(static_cast<int64_t>(head.bytes.size()));
    std::memcpy(storage->data(), head.bytes.data(), head.bytes.size());
    const GgufFile file = TRY(GgufFile::parse(storage, name, head.file_bytes));
    const ModelConfig read =
        TRY(config_from_json(TRY(JsonObject::parse(TRY(config_json_from_gguf(file)), name))));
    const auto difference = difference_of_models(config_, read);
    if (!difference) return {};
    return fail(unsayable(difference->part, difference->wanted,
                          fmt::format("{}, as readers take it to be", difference->got),
                          "keep the model as a Hugging Face directory"));
  }

  Result<> put(GgufWriter& file, const VectorPiece& piece) {
    const Tensor from = TRY(from_.vector(piece.source));
    const float* values = from.as<float>();
    const bool gain = architecture_->gguf.gains_with_one && piece.name.ends_with("norm.weight");
    const GgufRowOrder order = gguf_row_order(architecture_->gguf, config_, piece.name);
    std::vector<float> out(static_cast<size_t>(piece.size));
    for (int64_t i = 0; i < piece.size; ++i)
      out[static_cast<size_t>(order ? order(i) : i)] =
          values[piece.begin + i * piece.step] + (gain ? 1.0f : 0.0f);
    return file.write(piece.place.name, std::as_bytes(std::span(out)));
  }

  Result<> put(GgufWriter& file, const Piece& piece) {
    if (last_name_ != piece.source.name) TRY(recode_source(piece));
    const auto number = [&](const std::string& name, float value) {
      return file.write(name, std::as_bytes(std::span(&value, 1)));
    };
    if (last_scale_) TRY(number(gguf_scale_name(piece.place.name), *last_scale_));
    if (last_input_) TRY(number(gguf_input_scale_name(piece.place.name), *last_input_));
    const GgufRowOrder order = gguf_row_order(architecture_->gguf, config_, piece.name);
    if (!order && piece.step == 1) return file.write(piece.place.name, last_.span());
    const int64_t row = last_.bytes() / piece.source.n;
    Tensor out(DType::u8, {piece.n, row});
    pool_.run([&](farthing::Part part) {
      const auto rows = part.range(piece.n);
      for (int64_t n = rows.begin; n < rows.end; ++n)
        std::memcpy(out.data() + (order ? order(n) : n) * row,
                    std::as_const(last_).data() + (piece.begin + n * piece.step) * row,
                    static_cast<size_t>(row));
    });
    return file.write(piece.place.name, out.span());
  }

  // The linear that a piece is of, in the file's type.
  Result<> recode_source(const Piece& piece) {
    StoredLinear linear = TRY(read(piece.source));
    last_scale_ = last_input_ = std::nullopt;
    if (has_tensor_scale(*linear.weight.format)) last_scale_ = take_tensor_scale(linear.weight);
    if (linear.activations == Activations::nvfp4) last_input_ = linear.input.scale;
    auto recoded = recode(linear.weight, *piece.type, pool_);
    if (!recoded) {
      Error error = std::move(recoded.error());
      error.where = fmt::format("{}, tensor {}: {}", where_, piece.source.name, error.where);
      return fail(std::move(error));
    }
    last_ = recoded->planes[0];
    last_name_ = piece.source.name;
    return {};
  }

  Checkpoint& from_;
  ThreadPool& pool_;
  Progress& progress_;
  const bool weight_only_;
  const std::string where_;
  const Architecture* architecture_ = nullptr;
  ModelConfig config_;  // as the file has it
  GgufDescription description_;
  std::vector<Piece> pieces_;
  std::vector<VectorPiece> vectors_;
  std::vector<GgufWriter::Declaration> declarations_;
  std::map<std::string, size_t> declared_;
  std::string last_name_;  // the source that `last_` was recoded from
  Tensor last_;
  std::optional<float> last_scale_, last_input_;  // of a tensor in NVFP4
};

Result<> copy_gguf(const std::filesystem::path& from, const std::filesystem::path& to,
                   Progress& progress) {
  const GgufFile file = TRY(GgufFile::open(from));
  GgufMetadataBuilder metadata;
  for (const auto& [key, value] : file.metadata().values())
    if (key != "general.alignment") metadata.set(key, value);  // the writer's own
  std::vector<GgufWriter::Declaration> tensors;
  for (const GgufFile::Entry& entry : file.tensors())
    tensors.push_back({entry.name, entry.type, entry.shape});
  auto writer = TRY(GgufWriter::create(to, metadata, tensors));
  const auto total = static_cast<double>(tensors.size());
  double done = 0;
  for (const GgufFile::Entry& entry : file.tensors()) {
    progress.update(done++, total, entry.name);
    TRY(writer.write(entry.name, std::as_const(file).bytes(entry).span()));
  }
  progress.update(total, total, "writing");
  return writer.commit();
}

}  // namespace

Result<> write_gguf(Checkpoint& from, const std::filesystem::path& to, ThreadPool& pool,
                    Progress& progress, bool weight_only) {
  if (from.kind() == "GGUF") return copy_gguf(from.path(), to, progress);
  return GgufExport(from, pool, progress, weight_only).write(to);
}

}  // namespace farthing
