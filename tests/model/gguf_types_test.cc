// GGUF files whose matrices have any of the types that are formats of the registry.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/cpu.h"
#include "base/random.h"
#include "base/support/scratch_folder.h"
#include "io/gguf/gguf.h"
#include "model/support/models.h"

namespace farthing {
namespace {

// One layer whose matrices all have k = 256.
constexpr int64_t hidden = 256, heads = 4, vocabulary = 24;

struct Matrix {
  std::string gguf, name;
  int64_t n;
};
const Matrix matrices[] = {
    {"token_embd.weight", "model.embed_tokens.weight", vocabulary},
    {"blk.0.attn_q.weight", "model.layers.0.self_attn.q_proj.weight", hidden},
    {"blk.0.attn_k.weight", "model.layers.0.self_attn.k_proj.weight", hidden},
    {"blk.0.attn_v.weight", "model.layers.0.self_attn.v_proj.weight", hidden},
    {"blk.0.attn_output.weight", "model.layers.0.self_attn.o_proj.weight", hidden},
    {"blk.0.ffn_gate.weight", "model.layers.0.mlp.gate_proj.weight", hidden},
    {"blk.0.ffn_up.weight", "model.layers.0.mlp.up_proj.weight", hidden},
    {"blk.0.ffn_down.weight", "model.layers.0.mlp.down_proj.weight", hidden}};

QuantizedTensor encoded(const Format& format, const Matrix& matrix) {
  std::vector<float> values(static_cast<size_t>(matrix.n * hidden));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = 0.05f * random_normal(23, static_cast<uint64_t>(&matrix - matrices), i);
  QuantizedTensor q = QuantizedTensor::allocate(format, matrix.n, hidden);
  format.encode_tile(
      q, {0, matrix.n, 0, hidden}, values.data(), hidden,
      format.scale_rules.empty() ? ScaleRule::half_step : format.scale_rules.front());
  return q;
}

void write(const std::filesystem::path& file, const Format& format) {
  GgufMetadataBuilder metadata;
  metadata.set("general.architecture", "llama");
  for (const auto& [key, value] :
       std::map<std::string, uint32_t>{{"embedding_length", hidden},
                                       {"feed_forward_length", hidden},
                                       {"block_count", 1},
                                       {"attention.head_count", heads},
                                       {"attention.head_count_kv", heads},
                                       {"context_length", 64}})
    metadata.set("llama." + key, value);
  metadata.set("llama.attention.layer_norm_rms_epsilon", 0.00001f);
  std::vector<GgufWriter::Declaration> declarations;
  const auto* type = gguf_tensor_type(static_cast<uint32_t>(format.gguf_type));
  for (const Matrix& matrix : matrices)
    declarations.push_back({matrix.gguf, type, {matrix.n, hidden}});
  const std::vector<std::string> norms = {"output_norm.weight", "blk.0.attn_norm.weight",
                                          "blk.0.ffn_norm.weight"};
  for (const std::string& name : norms)
    declarations.push_back({name, gguf_tensor_type("F32"), {hidden}});
  auto writer = GgufWriter::create(file, metadata, declarations).value();
  for (const Matrix& matrix : matrices)
    ASSERT_TRUE(writer.write(matrix.gguf, encoded(format, matrix).planes[0].span()));
  const std::vector<float> ones(hidden, 1.0f);
  for (const std::string& name : norms)
    ASSERT_TRUE(writer.write(name, std::as_bytes(std::span(ones))));
  ASSERT_TRUE(writer.commit());
}

// Row j of a head here is row 2 j of it in the file, row j + dim / 2 is row 2 j + 1.
int64_t row_in_the_file(int64_t n) {
  const int64_t dim = hidden / heads, j = n % dim;
  return n / dim * dim + (j < dim / 2 ? 2 * j : 2 * (j - dim / 2) + 1);
}

class GgufTypes : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { write(folder_ / "model.gguf", format()); }
  const Format& format() const { return *find_format(GetParam()); }
  const ScratchFolder folder_;
};

TEST_P(GgufTypes, MatricesHaveTheValuesThatWereWritten) {
  const auto checkpoint = Checkpoint::open(folder_ / "model.gguf").value();
  for (const Matrix& matrix : matrices) {
    const auto stored = checkpoint->linear({matrix.name, matrix.n, hidden});
    ASSERT_TRUE(stored) << stored.error().text();
    EXPECT_EQ(stored->weight.format, &format());
    EXPECT_EQ(stored->weight.scale_dtype, format().scale_dtype);
    EXPECT_EQ(stored->activations, format().default_activations);
    const bool rotary =
        matrix.gguf == "blk.0.attn_q.weight" || matrix.gguf == "blk.0.attn_k.weight";
    const Tensor got = stored->weight.decode(), wanted = encoded(format(), matrix).decode();
    for (int64_t n = 0; n < matrix.n; ++n)
      EXPECT_EQ(std::memcmp(got.as<float>() + n * hidden,
                            wanted.as<float>() + (rotary ? row_in_the_file(n) : n) * hidden,
                            hidden * sizeof(float)),
                0)
          << matrix.name << " row " << n;
  }
}

// Of a tied model with the file's own type in every matrix and in the table.
TEST_P(GgufTypes, TheModelRuns) {
  ContextOwner owner(1, supported_isas().back());
  const auto model = testing::load_model(owner.get(), folder_ / "model.gguf");
  ASSERT_TRUE(model) << model.error().text();
  const auto tokens = testing::some_tokens(9, vocabulary);
  float largest = 0;
  for (const float logit : testing::logits_of(owner.get(), **model, tokens, 4)) {
    ASSERT_TRUE(std::isfinite(logit));
    largest = std::max(largest, std::fabs(logit));
  }
  EXPECT_GT(largest, 0.01f);
}

std::vector<std::string> types() {
  std::vector<std::string> out;
  for (const Format& format : all_formats())
    if (format.gguf_type >= 0 && !format.plain) out.emplace_back(format.name);
  return out;
}
INSTANTIATE_TEST_SUITE_P(All, GgufTypes, ::testing::ValuesIn(types()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace farthing
