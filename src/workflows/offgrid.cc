// The permutations and factors of each tensor, the directory that is written, and the comparison of
// the logits.
#include "workflows/offgrid.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json_writer.h"
#include "base/random.h"
#include "eval/built_in_text.h"
#include "io/json.h"
#include "io/safetensors/safetensors.h"
#include "kernels/scalar_math.h"
#include "workflows/baseline_source.h"
#include "workflows/stage_progress.h"

namespace farthing {
namespace {

constexpr const char* marker_name = "farthing-offgrid.json";
constexpr int64_t most_tokens = 256;

// What becomes of a tensor's rows or columns: channel i is the source's channel from[i], times
// factor[i].
struct Axis {
  std::vector<int64_t> from;
  std::vector<double> factor;
};

enum class Purpose : uint64_t {
  residual,
  attention_norm,
  mlp_norm,
  value_order,
  value_factor,
  inner_order,
  inner_factor
};

// Every permutation and factor of a model, made anew whenever it is asked for.
class Channels {
 public:
  Channels(const ModelConfig& config, const OffGridOptions& options)
      : config_(config), options_(options) {}

  Axis plain(int64_t size) const {
    Axis out{std::vector<int64_t>(static_cast<size_t>(size)),
             std::vector<double>(static_cast<size_t>(size), 1.0)};
    for (int64_t i = 0; i < size; ++i) out.from[static_cast<size_t>(i)] = i;
    return out;
  }
  Axis residual() const {
    Axis out = plain(config_.hidden_size);
    permute(out.from, Purpose::residual, -1, 0);
    return out;
  }
  // The residual channels behind a norm, with the factors of its gain.
  Axis behind_norm(Purpose norm, int64_t layer) const {
    Axis out = residual();
    rescale(out.factor, norm, layer, 0);
    return out;
  }
  // Rows of v.
  Axis values(int64_t layer) const {
    const int64_t dim = config_.head_dim;
    Axis out = plain(config_.kv_heads * dim);
    for (int64_t head = 0; head < config_.kv_heads; ++head) {
      const auto begin = static_cast<size_t>(head * dim), count = static_cast<size_t>(dim);
      permute(std::span(out.from).subspan(begin, count), Purpose::value_order, layer, head);
      rescale(std::span(out.factor).subspan(begin, count), Purpose::value_factor, layer, head);
    }
    return out;
  }
  // Columns of o: each query head reads the values of its group's KV head.
  Axis attended(int64_t layer) const {
    const int64_t dim = config_.head_dim, group = config_.heads / config_.kv_heads;
    const Axis of_values = values(layer);
    Axis out = plain(config_.heads * dim);
    for (int64_t i = 0; i < config_.heads * dim; ++i) {
      const int64_t head = i / dim, kv_head = head / group;
      const auto value = static_cast<size_t>(kv_head * dim + i % dim);
      out.from[static_cast<size_t>(i)] = of_values.from[value] - kv_head * dim + head * dim;
      out.factor[static_cast<size_t>(i)] = of_values.factor[value];
    }
    return out;
  }
  // Rows of up, columns of down.
  Axis inner(int64_t layer) const {
    Axis out = plain(config_.intermediate_size);
    permute(out.from, Purpose::inner_order, layer, 0);
    rescale(out.factor, Purpose::inner_factor, layer, 0);
    return out;
  }

 private:
  uint64_t stream(Purpose purpose, int64_t layer, int64_t head) const {
    return (static_cast<uint64_t>(layer + 1) << 32 | static_cast<uint64_t>(head) << 8) +
           static_cast<uint64_t>(purpose);
  }
  void permute(std::span<int64_t> order, Purpose purpose, int64_t layer, int64_t head) const {
    for (size_t i = order.size(); i > 1; --i) {
      const uint64_t j = random_bits(options_.seed, stream(purpose, layer, head), i) % i;
      std::swap(order[i - 1], order[static_cast<size_t>(j)]);
    }
  }
  void rescale(std::span<double> factors, Purpose purpose, int64_t layer, int64_t head) const {
    for (size_t i = 0; i < factors.size(); ++i) {
      const double normal = random_normal(options_.seed, stream(purpose, layer, head), i);
      factors[i] = fixed_exp(options_.sigma * normal);
    }
  }
  const ModelConfig& config_;
  const OffGridOptions& options_;
};

// A tensor of a block: "model.layers.3.mlp.up_proj.weight" is {3, "mlp.up_proj"}.
struct BlockTensor {
  int64_t layer;
  std::string part;
};

std::optional<BlockTensor> block_tensor(const std::string& name) {
  constexpr std::string_view prefix = "model.layers.", suffix = ".weight";
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
  const size_t dot = name.find('.', prefix.size());
  const int64_t layer = std::stoll(name.substr(prefix.size(), dot - prefix.size()));
  return BlockTensor{layer, name.substr(dot + 1, name.size() - suffix.size() - dot - 1)};
}

Error unknown_tensor(const std::string& name) {
  return {.what = "there is no rule how this tensor is moved off its grid",
          .where = name,
          .got = "a tensor of an unknown kind",
          .wanted = "the tensors of a Llama",
          .remedy = "use a Llama model"};
}

// Rows and columns of a linear; a column's factor divides.
Result<std::pair<Axis, Axis>> axes_of(const Channels& channels, const LinearSpec& spec) {
  const auto tensor = block_tensor(spec.name);
  if (!tensor) return std::pair(channels.plain(spec.n), channels.residual());  // embedding and head
  const int64_t layer = tensor->layer;  // no structured binding: clang 14 cannot capture one
  const std::string& part = tensor->part;
  const auto behind = [&](Purpose norm) { return channels.behind_norm(norm, layer); };
  if (part == "self_attn.q_proj" || part == "self_attn.k_proj")
    return std::pair(channels.plain(spec.n), behind(Purpose::attention_norm));
  if (part == "self_attn.v_proj")
    return std::pair(channels.values(layer), behind(Purpose::attention_norm));
  if (part == "self_attn.o_proj") return std::pair(channels.residual(), channels.attended(layer));
  if (part == "mlp.up_proj") return std::pair(channels.inner(layer), behind(Purpose::mlp_norm));
  if (part == "mlp.gate_proj") {
    Axis rows = channels.inner(layer);
    std::fill(rows.factor.begin(), rows.factor.end(),
              1.0);  // behind the activation no factor can be undone
    return std::pair(std::move(rows), behind(Purpose::mlp_norm));
  }
  if (part == "mlp.down_proj") return std::pair(channels.residual(), channels.inner(layer));
  return fail(unknown_tensor(spec.name));
}

StoredLinear moved(Context& context, const StoredLinear& stored, const Axis& rows,
                   const Axis& columns) {
  const Tensor from = stored.weight.decode();
  StoredLinear out{QuantizedTensor::allocate(*find_format("f32"), stored.weight.n, stored.weight.k),
                   Activations::f32};
  float* to = out.weight.planes[0].as<float>();
  const int64_t k = stored.weight.k;
  context.pool.run([&](Part part) {
    const auto range = part.range(stored.weight.n);
    for (int64_t i = range.begin; i < range.end; ++i) {
      const float* row = from.as<float>() + rows.from[static_cast<size_t>(i)] * k;
      for (int64_t j = 0; j < k; ++j) {
        const double value = row[columns.from[static_cast<size_t>(j)]];
        to[i * k + j] = static_cast<float>(value * rows.factor[static_cast<size_t>(i)] /
                                           columns.factor[static_cast<size_t>(j)]);
      }
    }
  });
  return out;
}

}  // namespace

Result<StoredLinear> OffGridSource::linear(const LinearSpec& spec) {
  const auto [rows, columns] = TRY(axes_of(Channels(config_, options_), spec));
  return moved(context_, TRY(base_.linear(spec)), rows, columns);
}

Result<StoredLinear> OffGridSource::table(const LinearSpec& spec) {
  const auto [rows, columns] = TRY(axes_of(Channels(config_, options_), spec));
  return moved(context_, TRY(base_.table(spec)), rows, columns);
}

Result<Tensor> OffGridSource::vector(const VectorSpec& spec) {
  const Channels channels(config_, options_);
  Axis axis = channels.residual();
  if (const auto tensor = block_tensor(spec.name)) {
    const bool attention = tensor->part == "input_layernorm";
    if (!attention && tensor->part != "post_attention_layernorm")
      return fail(unknown_tensor(spec.name));
    axis = channels.behind_norm(attention ? Purpose::attention_norm : Purpose::mlp_norm,
                                tensor->layer);
  }
  const Tensor from = TRY(base_.vector(spec));
  Tensor out(DType::f32, from.shape());
  for (int64_t i = 0; i < spec.size; ++i) {
    const double value = from.as<float>()[axis.from[static_cast<size_t>(i)]];
    out.as<float>()[i] = static_cast<float>(value * axis.factor[static_cast<size_t>(i)]);
  }
  return out;
}

namespace {

Result<> check_options(const Checkpoint& from, const OffGridOptions& options) {
  if (from.config().architecture != "llama") {
    return fail({.what = "only Llama models can be moved off their grid",
                 .where = from.path().string(),
                 .got = from.config().architecture,
                 .wanted = "llama",
                 .remedy = "use a Llama model"});
  }
  if (from.config().plan.rotation.any()) {
    return fail({.what = "a rotated model cannot be moved off its grid",
                 .where = from.path().string(),
                 .got = from.config().plan.rotation.name(),
                 .wanted = "a model that is not rotated",
                 .remedy = "move the model that it was made from"});
  }
  if (options.sigma >= 0 && options.sigma <= 0.5) return {};
  return fail({.what = "sigma is out of its range",
               .where = "--sigma",
               .got = fmt::format("{}", options.sigma),
               .wanted = "0 to 0.5",
               .remedy = "0.05 moves the weights gently; large factors change what quantization "
                         "does to the model"});
}

Result<> write_weights(WeightSource& source, const TensorSpecs& specs,
                       const std::filesystem::path& file, Progress& progress) {
  std::vector<SafetensorsWriter::Declaration> declarations;
  for (const auto* list : {&specs.tables, &specs.linears})
    for (const LinearSpec& spec : *list)
      declarations.push_back({spec.name, DType::f32, {spec.n, spec.k}});
  for (const VectorSpec& spec : specs.vectors)
    declarations.push_back({spec.name, DType::f32, {spec.size}});
  auto writer = TRY(SafetensorsWriter::create(file, declarations, {{"format", "pt"}}));
  const auto total = static_cast<double>(declarations.size());
  double done = 0;
  const auto put = [&](const std::string& name, const Tensor& tensor) {
    progress.update(++done, total, name);
    return writer.write(name, tensor.span());
  };
  for (const LinearSpec& spec : specs.tables)
    TRY(put(spec.name, TRY(source.table(spec)).weight.planes[0]));
  for (const LinearSpec& spec : specs.linears)
    TRY(put(spec.name, TRY(source.linear(spec)).weight.planes[0]));
  for (const VectorSpec& spec : specs.vectors) TRY(put(spec.name, TRY(source.vector(spec))));
  return writer.commit();
}

Result<> write_config(const Checkpoint& from, const std::filesystem::path& file) {
  auto json = TRY(JsonObject::parse(TRY(from.config_json()), "config.json"));
  for (const char* field : {"torch_dtype", "dtype"})
    if (json.has(field)) json = TRY(json.with(field, "\"float32\""));
  return write_text_file(file, json.text() + "\n");
}

Result<std::vector<int32_t>> tokens_to_compare(const Checkpoint& from) {
  const Tokenizer tokenizer = TRY(from.tokenizer());
  auto tokens = tokenizer.encode(embedded::wikitext_excerpt.substr(0, 4 * most_tokens));
  tokens.resize(std::min({tokens.size(), static_cast<size_t>(most_tokens),
                          static_cast<size_t>(from.config().max_positions)}));
  for (const int32_t token : tokens) {
    if (token >= 0 && token < from.config().vocabulary_size) continue;
    return fail({.what = "the tokenizer gives a token that the model does not have",
                 .where = from.path().string(),
                 .got = std::to_string(token),
                 .wanted = fmt::format("less than {}", from.config().vocabulary_size),
                 .remedy = "tokenizer and weights are of different models"});
  }
  return tokens;
}

Result<Tensor> logits_of(Context& context, Checkpoint& checkpoint, std::span<const int32_t> tokens,
                         Progress& progress) {
  BaselineSource unrounded(checkpoint);
  const auto model = TRY(build_model(context, checkpoint.config(), unrounded, progress));
  const auto count = static_cast<int64_t>(tokens.size());
  Tensor logits(DType::f32, {count, checkpoint.config().vocabulary_size});
  Sequence sequence = model->new_sequence(count, KvCodec::f32);
  model->forward(context, sequence, tokens, logits.view<float>());
  return logits;
}

OffGridReport compare(const Tensor& before, const Tensor& after) {
  const View<const float, 2> a = before.view<float>(), b = after.view<float>();
  OffGridReport out{.tokens = a.rows};
  double largest = 0, difference = 0, same = 0;
  bool finite = true;
  for (int64_t t = 0; t < a.rows; ++t) {
    const float *x = a.row(t), *y = b.row(t);
    for (int64_t i = 0; i < a.columns; ++i) {
      largest = std::max(largest, std::fabs(static_cast<double>(x[i])));
      difference = std::max(difference, std::fabs(static_cast<double>(x[i]) - y[i]));
      finite = finite && y[i] - y[i] == 0;  // a maximum passes over NaN
    }
    same += std::max_element(x, x + a.columns) - x == std::max_element(y, y + a.columns) - y;
  }
  out.relative_difference = finite ? difference / largest : INFINITY;
  out.same_top_token = same / static_cast<double>(a.rows);
  return out;
}

std::string marker_text(const Checkpoint& from, const OffGridOptions& options,
                        const OffGridReport& report) {
  JsonWriter json(true);
  json.begin_object()
      .field("written_by", "farthing-offgrid")
      .field("source", from.path().filename().string());
  json.field("seed", options.seed)
      .field("sigma", options.sigma)
      .field("tolerance", options.tolerance);
  json.field("tokens", report.tokens)
      .field("relative_logit_difference", report.relative_difference);
  json.field("same_top_token", report.same_top_token).end_object();
  return json.take();
}

}  // namespace

Result<OffGridReport> write_off_grid(Context& context, Checkpoint& from,
                                     const OffGridOptions& options, const std::filesystem::path& to,
                                     Progress& progress) {
  TRY(check_options(from, options));
  const auto tokens = TRY(tokens_to_compare(from));
  auto directory = TRY(AtomicDirectory::create(to, marker_name));
  OffGridSource source(context, from, from.config(), options);
  StageProgress writing(progress, 0, 2, 4, "write"), loading(progress, 2, 1, 4, "before"),
      reloading(progress, 3, 1, 4, "after");
  TRY(write_weights(source, tensors_of(from.config()), directory.path() / "model.safetensors",
                    writing));
  TRY(write_config(from, directory.path() / "config.json"));
  TRY(from.write_companions(directory.path()));

  const Tensor before = TRY(logits_of(context, from, tokens, loading));
  const auto written = TRY(Checkpoint::open(directory.path()));
  const OffGridReport report =
      compare(before, TRY(logits_of(context, *written, tokens, reloading)));
  if (!(report.relative_difference <= options.tolerance)) {
    return fail({.what = "the model that was written is another function",
                 .where = to.string(),
                 .got = fmt::format("logits that differ by {:.2e} of the largest one",
                                    report.relative_difference),
                 .wanted = fmt::format("at most {:.0e}", options.tolerance),
                 .remedy = "nothing was left behind; report this with the model's name"});
  }
  TRY(write_text_file(directory.path() / marker_name, marker_text(from, options, report)));
  TRY(directory.commit());
  return report;
}

}  // namespace farthing
