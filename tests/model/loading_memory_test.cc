// What loading a model into int4 holds at its highest: the packed weights and little more.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/cpu.h"
#include "base/random.h"
#include "base/support/scratch_folder.h"
#include "model/support/models.h"
#include "model/support/tiny_model.h"

namespace farthing {
namespace {

constexpr int64_t hidden = 512, inner = 1536, vocabulary = 4000;

// The tiny model's tensors at sizes of which a copy too many would show: 14 MB in bf16.
testing::TinyModel larger_model() {
  testing::TinyModel model(/*tied=*/false);
  model.set("hidden_size", std::to_string(hidden));
  model.set("intermediate_size", std::to_string(inner));
  model.set("vocab_size", std::to_string(vocabulary));
  model.set("num_attention_heads", "8");
  model.set("num_key_value_heads", "8");
  model.set("head_dim", "64");
  for (auto& [name, tensor] : model.tensors) {
    const auto is = [&name = name](std::string_view part) {
      return name.find(part) != std::string::npos;
    };
    Shape shape{hidden, hidden};
    if (is("embed_tokens") || is("lm_head")) shape = {vocabulary, hidden};
    if (is("gate_proj") || is("up_proj")) shape = {inner, hidden};
    if (is("down_proj")) shape = {hidden, inner};
    if (is("norm")) shape = {hidden};
    tensor = Tensor(DType::bf16, shape);
    for (int64_t i = 0; i < shape.elements(); ++i)
      tensor.as<uint16_t>()[i] =
          bf16_from_f32(0.05f * random_normal(1, 0, static_cast<uint64_t>(i)));
  }
  return model;
}

TEST(LoadingMemory, IntoInt4IsAtMostATenthMoreThanThePackedWeightsAndTheLargestTensor) {
  ScratchFolder folder;
  larger_model().write_hugging_face(folder / "hf");
  ContextOwner owner(2, choose_isa().value());
  const int64_t before = memory_use().now_bytes;
  reset_peak_memory();
  const auto model = testing::load_model(owner.get(), folder / "hf", "int4_g128");
  ASSERT_TRUE(model) << model.error().text();
  const int64_t peak = memory_use().peak_bytes - before;
  int64_t packed = 0;
  for (const LinearInfo& linear : (*model)->linears()) packed += linear.bytes;
  const int64_t largest = vocabulary * hidden * 2;  // of the file
  EXPECT_GT(packed, 4'000'000);
  EXPECT_LE(static_cast<double>(peak),
            1.1 * static_cast<double>(packed) + static_cast<double>(largest));
  // What stays is the packed weights and the gains of norms.
  EXPECT_LE(memory_use().now_bytes - before, packed + 5 * 4 * hidden);
  // What came and went is not more than one linear as it is stored in int4.
  EXPECT_LE(peak - (memory_use().now_bytes - before), inner * hidden * 5 / 8);
}

TEST(LoadingMemory, PlainWeightsThatAreNotPackedYetAreNotCopied) {
  ScratchFolder folder;
  larger_model().write_hugging_face(folder / "hf");
  ContextOwner owner(2, choose_isa().value());
  const int64_t before = memory_use().now_bytes;
  reset_peak_memory();
  const auto checkpoint = Checkpoint::open(folder / "hf");
  NoProgress progress;
  const auto model =
      build_model(owner.get(), (*checkpoint)->config(), **checkpoint, progress, PackTime::later);
  ASSERT_TRUE(model) << model.error().text();
  EXPECT_LE(memory_use().peak_bytes - before, 5 * 4 * hidden);  // the gains of norms
}

}  // namespace
}  // namespace farthing
