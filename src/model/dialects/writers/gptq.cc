// gptq, gptq_v2, gptq_p, auto-round: the tensors of dialects/gptq.cc in the three versions, and
// under AutoRound's name, without the groups of inputs, those of the first where the zero is known,
// of the second where zero points are stored: as AutoRound itself writes them.
//
// What is not quantized, or with other arguments than most, is in `dynamic` (of AutoRound: in
// extra_config), each module by a pattern of its own.
#include <fmt/format.h>

#include <algorithm>

#include "base/json_writer.h"
#include "base/rehearsal.h"
#include "formats/input_groups.h"
#include "model/checkpoint.h"
#include "model/dialects/integer_weights.h"
#include "model/dialects/stored_tensors.h"
#include "model/dialects/writers/integer_tensors.h"
#include "model/dialects/writers/written_linears.h"
#include "model/transposed.h"

namespace farthing {
namespace {

struct Version {
  std::string_view target, checkpoint_format, codes, zeros;
  std::initializer_list<int> bits;
};
constexpr Version versions[] = {
    {"gptq", "gptq", "gptq", "gptq_v1_zeros", {2, 3, 4, 8}},
    {"gptq_v2", "gptq_v2", "gptq", "gptq_v2_zeros", {2, 3, 4, 8}},
    {"gptq_p", "gptq_p", "gptq_planar", "gptq_planar_zeros", {2, 3, 4, 5, 6, 7, 8}},
};

// A module's name as a regular expression that nothing else matches.
std::string pattern_of(const std::string& module) {
  std::string out = "^";
  for (const char letter : module) out += letter == '.' ? "\\." : std::string(1, letter);
  return out + "$";
}

// What the section, or an exception from it, says of a linear.
struct Arguments {
  int bits = 0;
  int64_t group = 0;
  bool symmetric = false, act_order = false;
  bool operator==(const Arguments&) const = default;

  void write(JsonWriter& json) const {
    json.field("bits", bits).field("group_size", group == 0 ? -1 : group);
    json.field("sym", symmetric).field("desc_act", act_order);
  }
};

Arguments arguments_of(const WrittenLinear& linear) {
  const Format& format = *linear.scheme.weights;
  const IntegerGrid& grid = *format_in_runs(format).grid;
  return {grid.bits, grid.group, !grid.zero_points || linear.middle_zeros,
          has_input_groups(format)};
}

class GptqWriter : public DialectWriter {
 public:
  explicit GptqWriter(const Version& version) : version_(version) {}

  Result<Scheme> scheme_for(const Scheme& scheme) const override {
    const bool ordered = has_input_groups(*scheme.weights) && with_groups();
    const Format* layout = ordered ? scheme.weights : integer_layout(*scheme.weights);
    if (layout != nullptr && !holds(format_in_runs(*layout))) layout = layout_of_bytes(*layout);
    if (layout != nullptr && layout->scale_block.rows == 1) return Scheme{layout, Activations::f32};
    return fail(not_held(version_.target, scheme,
                         fmt::format("integers of {} bits with a scale for each group or row",
                                     fmt::join(version_.bits, ", ")),
                         "int4_g128"));
  }

  Result<std::vector<NamedTensor>> tensors(const LinearSpec& spec, const WrittenLinear& as,
                                           const StoredLinear& linear) const override {
    const QuantizedTensor weight = in_runs(linear.weight);
    const std::string module = module_of(spec.name);
    Tensor codes = TRY(packed_codes(weight, version_.codes, pool_));
    Tensor zeros = TRY(packed_zeros(weight, zeros_of(weight)));
    std::vector<NamedTensor> out{{module + ".qweight", std::move(codes)},
                                 {module + ".qzeros", std::move(zeros)},
                                 {module + ".scales", transposed(scales_of(weight), pool_)}};
    if (with_groups() && !as.form.without_groups)
      out.push_back({module + ".g_idx", groups_of_inputs(linear.weight)});
    return out;
  }

  Result<std::string> section(std::span<const WrittenLinear> linears) const override {
    const Arguments most = most_frequent(linears, arguments_of);
    JsonWriter json;
    json.begin_object().field("quant_method", "gptq");
    most.write(json);
    json.field("checkpoint_format", version_.checkpoint_format);
    json.field("pack_dtype", "int32").field("lm_head", quantizes_head(linears));
    json.key("dynamic").begin_object();
    for (const WrittenLinear& linear : linears) {
      const bool plain = linear.scheme.weights->plain.has_value();
      if (linear.embedding || (!plain && arguments_of(linear) == most)) continue;
      json.key((plain ? "-:" : "+:") + pattern_of(linear.module)).begin_object();
      if (!plain) arguments_of(linear).write(json);
      json.end_object();
    }
    json.end_object();
    return json.end_object().take();
  }

  Result<std::vector<std::pair<std::string, std::string>>> side_files(
      std::span<const WrittenLinear> linears) const override {
    const std::string text = TRY(section(linears)) + "\n";
    return std::vector<std::pair<std::string, std::string>>{{"quantize_config.json", text}};
  }

 private:
  bool holds(const Format& layout) const {
    return std::ranges::find(version_.bits, layout.grid->bits) != version_.bits.end();
  }
  virtual bool with_groups() const { return true; }
  virtual std::string_view zeros_of(const QuantizedTensor&) const { return version_.zeros; }

  static Tensor groups_of_inputs(const QuantizedTensor& weight) {
    if (has_input_groups(*weight.format))
      return weight.planes[static_cast<size_t>(weight.format->input_groups)];
    Tensor out(DType::i32, {weight.k});
    if (rehearsing()) return out;
    const int64_t size = weight.format->grid->group_size(weight.k);
    for (int64_t i = 0; i < weight.k; ++i) out.as<int32_t>()[i] = static_cast<int32_t>(i / size);
    return out;
  }

  static bool quantizes_head(std::span<const WrittenLinear> linears) {
    return std::ranges::any_of(linears, [](const WrittenLinear& linear) {
      return linear.module == "lm_head" && !linear.scheme.weights->plain;
    });
  }

  const Version& version_;
};

class AutoRoundWriter : public GptqWriter {
 public:
  AutoRoundWriter() : GptqWriter(versions[0]) {}

  Result<std::string> section(std::span<const WrittenLinear> linears) const override {
    const Format& most_of_all = *most_frequent(linears).weights;
    TRY(check_zeros(most_of_all, linears));
    const Arguments most = most_frequent(linears, arguments_of);
    JsonWriter json;
    json.begin_object().field("quant_method", "auto-round");
    most.write(json);
    json.field("data_type", "int");
    json.field("packing_format",
               most_of_all.grid->zero_points ? "auto_round" : "auto_round:auto_gptq");
    json.key("extra_config").begin_object();
    for (const WrittenLinear& linear : linears) {
      const bool plain = linear.scheme.weights->plain.has_value();
      if (linear.embedding || (!plain && arguments_of(linear) == most)) continue;
      json.key(linear.module).begin_object();
      if (plain)
        json.field("bits", 16);
      else
        arguments_of(linear).write(json);
      json.end_object();
    }
    json.end_object();
    return json.end_object().take();
  }

  Result<std::vector<std::pair<std::string, std::string>>> side_files(
      std::span<const WrittenLinear>) const override {
    return std::vector<std::pair<std::string, std::string>>{};
  }

 private:
  bool with_groups() const override { return false; }
  std::string_view zeros_of(const QuantizedTensor& weight) const override {
    return versions[weight.format->grid->zero_points ? 1 : 0].zeros;
  }

  // packing_format says of all linears how zeros are stored.
  static Result<> check_zeros(const Format& most, std::span<const WrittenLinear> linears) {
    for (const WrittenLinear& linear : linears) {
      const Format& format = *linear.scheme.weights;
      if (format.plain || format.grid->zero_points == most.grid->zero_points) continue;
      return fail(
          {.what = "auto-round stores zero points of all linears or of none",
           .where = "module " + linear.module,
           .got = std::string(format.name),
           .wanted = std::string(most.name) + ", as most have, or one like it",
           .remedy = "convert to gptq_v2 or compressed-tensors, or quantize without rules"});
    }
    return {};
  }
};

}  // namespace

DialectTarget gptq_target() {
  return {.name = "gptq",
          .holds = "integers of 2, 3, 4, 8 bits; a zero point of 0 has no place",
          .readers = "vLLM, transformers, GPTQModel",
          .create = [](const WriterOptions&) -> std::unique_ptr<DialectWriter> {
            return std::make_unique<GptqWriter>(versions[0]);
          },
          .short_groups = true};
}

DialectTarget gptq_v2_target() {
  return {.name = "gptq_v2",
          .holds = "integers of 2, 3, 4, 8 bits",
          .readers = "transformers, GPTQModel",
          .create = [](const WriterOptions&) -> std::unique_ptr<DialectWriter> {
            return std::make_unique<GptqWriter>(versions[1]);
          },
          .short_groups = true,
          .dialect = "gptq"};
}

DialectTarget gptq_p_target() {
  return {.name = "gptq_p",
          .holds = "integers of 2 to 8 bits",
          .readers = "GPTQModel",
          .create = [](const WriterOptions&) -> std::unique_ptr<DialectWriter> {
            return std::make_unique<GptqWriter>(versions[2]);
          },
          .short_groups = true,
          .dialect = "gptq"};
}

DialectTarget auto_round_target() {
  return {.name = "auto-round",
          .holds = "integers of 2, 3, 4, 8 bits; with zero points in all linears or in none",
          .readers = "AutoRound, vLLM, transformers",
          .create = [](const WriterOptions&) -> std::unique_ptr<DialectWriter> {
            return std::make_unique<AutoRoundWriter>();
          }};
}

}  // namespace farthing
