// mxfp4: the tensors of dialects/mxfp4.cc, gpt-oss as it is published.
#include <algorithm>

#include "base/json_writer.h"
#include "model/dialects/writers/writer.h"

namespace farthing {
namespace {

class Mxfp4Writer : public DialectWriter {
 public:
  Result<Scheme> scheme_for(const Scheme& scheme) const override {
    if (scheme.weights->name == "mxfp4" || scheme.weights->name == "gguf_mxfp4")
      return Scheme{find_format("mxfp4"), Activations::f32};
    return fail(not_held("mxfp4", scheme, "mxfp4", "mxfp4"));
  }

  Result<std::vector<NamedTensor>> tensors(const LinearSpec& spec, const WrittenLinear&,
                                           const StoredLinear& linear) const override {
    if (spec.stack.empty()) {
      return fail({.what = "the dialect mxfp4 holds stacked experts alone",
                   .where = spec.name,
                   .got = "a linear of its own",
                   .wanted = "the experts of gpt-oss",
                   .remedy = "convert to compressed-tensors, or quantize only the experts"});
    }
    const Tensor &elements = linear.weight.planes[0], &scales = linear.weight.planes[1];
    const int64_t blocks = scales.shape()[1];
    return std::vector<NamedTensor>{
        {spec.stack + "_blocks", elements.viewed_as(DType::u8, {1, spec.n, blocks, 16})},
        {spec.stack + "_scales", scales.viewed_as(DType::u8, {1, spec.n, blocks})}};
  }

  // Biases of experts are stacked too: "experts.3.down_proj.bias" is a row of
  // "experts.down_proj_bias", [experts, n].
  NamedTensor plain(const std::string& name, const Tensor& tensor) const override {
    constexpr std::string_view before = ".experts.", behind = ".bias";
    const size_t at = name.find(before);
    if (at == std::string::npos || !name.ends_with(behind)) return {name, tensor};
    const size_t number = at + before.size(), matrix = name.find('.', number);
    const std::string_view digits = std::string_view(name).substr(number, matrix - number);
    if (digits.empty() || !std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; }))
      return {name, tensor};
    const std::string stack = name.substr(matrix + 1, name.size() - behind.size() - matrix - 1);
    return {name.substr(0, number) + stack + "_bias",
            tensor.reshaped({1, tensor.shape().elements()})};
  }

  // As the published configuration has it: all but the experts.
  Result<std::string> section(std::span<const WrittenLinear>) const override {
    JsonWriter json;
    json.begin_object().field("quant_method", "mxfp4").key("modules_to_not_convert").begin_array();
    for (const char* part :
         {"model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"})
      json.value(part);
    return json.end_array().end_object().take();
  }
};

}  // namespace

DialectTarget mxfp4_target() {
  return {.name = "mxfp4",
          .holds = "the experts of gpt-oss in MXFP4",
          .readers = "transformers, vLLM, SGLang",
          .create = [](const WriterOptions&) -> std::unique_ptr<DialectWriter> {
            return std::make_unique<Mxfp4Writer>();
          }};
}

}  // namespace farthing
