// Alignment: training's forward pass and serving agree in every bit; different models do not.
#include "workflows/align.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/cpu.h"
#include "base/support/scratch_folder.h"
#include "io/npy.h"
#include "quant/quantize.h"

namespace farthing {
namespace {

const std::string stories = FARTHING_SOURCE_DIR "/models/stories260k";

Windows windows_of(const Checkpoint& checkpoint, std::string text, const WindowOptions& options) {
  return Windows::of_text(checkpoint.tokenizer().value(), {std::move(text), "test", ""}, options,
                          checkpoint.config().vocabulary_size)
      .value();
}

std::string odd_text() {
  std::string out =
      "<s></s><|endoftext|> \u202e\U0001f469\u200d\U0001f680 e\u0301\ufeff\t\u00a0 \u6f22\u5b57\n";
  for (int i = 0; i < 300; ++i) out += "one long line ";
  return out;
}

TEST(Align, RecordingAndServingAgreeInEveryBitOnOddTextForEveryKvCodec) {
  const auto checkpoint = Checkpoint::open(stories).value();
  const Windows windows = windows_of(*checkpoint, odd_text(), {.tokens = 96, .context = 32});
  for (const std::string name : {"f32", "f16", "bf16", "int8"}) {
    const auto codec = find_kv_codec(name);
    ASSERT_TRUE(codec.has_value()) << name;
    const auto pairs = align_own(*checkpoint, windows, {.kv_cache = *codec, .threads = 3});
    ASSERT_TRUE(pairs.has_value()) << pairs.error().text();
    EXPECT_EQ(pairs->size(), 6 * supported_isas().size());
    for (const Alignment& a : *pairs) {
      EXPECT_TRUE(a.equal_bits) << name << ": " << a.name;
      EXPECT_EQ(a.max, 0) << name << ": " << a.name;
      EXPECT_EQ(a.ratio_mean, 1) << name << ": " << a.name;
    }
  }
}

TEST(Align, SavedLogProbabilitiesThatAreOffByAKnownStepGiveItsStatistics) {
  const ScratchFolder folder;
  ContextOwner owner(1, choose_isa().value());
  const auto checkpoint = Checkpoint::open(stories).value();
  NoProgress progress;
  const auto model = build_model(owner.get(), checkpoint->config(), *checkpoint, progress).value();
  const Windows windows = windows_of(*checkpoint, odd_text(), {.tokens = 16, .context = 16});
  // All saved values are -20: d = 20 + log p, above 10 where the model is surer than e^-10.
  auto writer = NpyWriter::create(folder / "p.npy", Shape{1, 15}).value();
  const std::vector<float> saved(15, -20.0f);
  ASSERT_TRUE(writer.write(saved).has_value());
  ASSERT_TRUE(writer.commit().has_value());
  const auto a = align_saved(owner.get(), *model, folder / "p.npy", windows, {});
  ASSERT_TRUE(a.has_value()) << a.error().text();
  EXPECT_EQ(a->tokens, 15);
  EXPECT_FALSE(a->equal_bits);
  EXPECT_EQ(a->clip_fraction, 1);
  EXPECT_NEAR(a->k3_max, std::exp(10.0) - 11, 1e-6);  // the clamp; doubles of 2e4 have 4e-12
  const Windows more = windows_of(*checkpoint, odd_text(), {.tokens = 32, .context = 16});
  EXPECT_FALSE(align_saved(owner.get(), *model, folder / "p.npy", more, {}).has_value());
}

TEST(Align, AModelWhoseResultsDependOnTheBatchIsRefused) {
  const ScratchFolder folder;
  ContextOwner owner(1, choose_isa().value());
  NoProgress progress;
  const auto from = Checkpoint::open(stories).value();
  QuantizeOptions options;
  options.scheme = parse_scheme("int4_g32@int8_tensor").value();
  options.method = find_algorithm("rtn");
  ASSERT_TRUE(quantize_checkpoint(owner.get(), *from, options, folder / "q", progress));
  const auto checkpoint = Checkpoint::open(folder / "q").value();
  const Windows windows = windows_of(*checkpoint, odd_text(), {.tokens = 32, .context = 32});
  const auto own = align_own(*checkpoint, windows, {});
  ASSERT_FALSE(own);
  EXPECT_NE(own.error().text().find("int4_g32@int8_tensor"), std::string::npos);
  const auto a = build_model(owner.get(), from->config(), *from, progress).value();
  const auto b = build_model(owner.get(), checkpoint->config(), *checkpoint, progress).value();
  EXPECT_EQ(align_models(owner.get(), *a, *b, windows, {}).error().text(), own.error().text());
  EXPECT_EQ(align_models(owner.get(), *b, *a, windows, {}).error().text(), own.error().text());
  EXPECT_EQ(align_saved(owner.get(), *b, "x.npy", windows, {}).error().text(), own.error().text());
}

}  // namespace
}  // namespace farthing
