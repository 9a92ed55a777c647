// Alignment: training's forward pass and serving agree in every bit; where two runs differ, the
// first operator is named.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "base/cpu.h"
#include "base/support/scratch_folder.h"
#include "io/npy.h"
#include "model/checkpoint.h"
#include "quant/quantize.h"
#include "workflows/align/pairs.h"

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

// Hands out a checkpoint's tensors; `change` may alter one of them, by name.
class ChangedSource : public WeightSource {
 public:
  using Change = std::function<void(const std::string& name, float* values, int64_t columns)>;
  ChangedSource(WeightSource& from, Change change) : from_(from), change_(std::move(change)) {}

  Result<StoredLinear> linear(const LinearSpec& spec) override {
    return changed(spec, TRY(from_.linear(spec)));
  }
  Result<StoredLinear> table(const LinearSpec& spec) override {
    return changed(spec, TRY(from_.table(spec)));
  }
  Result<Tensor> vector(const VectorSpec& spec) override {
    Tensor out = copy(TRY(from_.vector(spec)));
    change_(spec.name, out.as<float>(), spec.size);
    return out;
  }

 private:
  static Tensor copy(const Tensor& from) {
    Tensor out(DType::f32, from.shape());
    std::copy_n(from.as<float>(), from.shape().elements(), out.as<float>());
    return out;
  }
  // Decoded, so that a value can be altered.
  StoredLinear changed(const LinearSpec& spec, const StoredLinear& from) {
    Tensor values = copy(from.weight.decode());
    change_(spec.name, values.as<float>(), spec.k);
    QuantizedTensor out = QuantizedTensor::allocate(*find_format("f32"), spec.n, spec.k);
    std::memcpy(out.planes.front().data(), values.data(), static_cast<size_t>(values.bytes()));
    return {std::move(out), from.activations};
  }

  WeightSource& from_;
  Change change_;
};

// Doubles the first value of one tensor.
ChangedSource::Change doubled(const std::string& wanted) {
  return [=](const std::string& name, float* values, int64_t) {
    if (name == wanted) values[0] = values[0] * 2 + 1;
  };
}

class AlignModels : public ::testing::Test {
 protected:
  std::unique_ptr<Model> model_with(ChangedSource::Change change) {
    ChangedSource source(*checkpoint_, std::move(change));
    return build_model(owner_.get(), checkpoint_->config(), source, progress_).value();
  }
  AlignedPairs compare(ChangedSource::Change change) {
    const auto a = model_with(doubled("")), b = model_with(std::move(change));
    return align_models(owner_.get(), *a, *b, windows_, {}, progress_).value();
  }
  static std::string first_of(const AlignedPairs& m) {
    const int64_t first = m.pairs[0].first_operator();
    return first < 0 ? "none" : m.operators[static_cast<size_t>(first)].text();
  }

  NoProgress progress_;
  ContextOwner owner_{2, choose_isa().value()};
  std::unique_ptr<Checkpoint> checkpoint_ = Checkpoint::open(stories).value();
  Windows windows_ = windows_of(*checkpoint_, odd_text(), {.tokens = 96, .context = 32});
};

TEST_F(AlignModels, TheOperatorOfAChangedWeightIsTheFirstToDiffer) {
  for (const std::string name :
       {"model.layers.0.self_attn.k_proj.weight", "model.layers.2.self_attn.o_proj.weight",
        "model.layers.3.mlp.up_proj.weight", "model.layers.4.mlp.down_proj.weight"}) {
    const AlignedPairs m = compare(doubled(name));
    EXPECT_EQ(first_of(m), "linear " + name);
    EXPECT_FALSE(m.within(0)) << name;
  }
  for (const std::string name :
       {"model.layers.0.input_layernorm.weight", "model.layers.2.post_attention_layernorm.weight",
        "model.norm.weight"})
    EXPECT_EQ(first_of(compare(doubled(name))), "rms_norm " + name);
}

TEST_F(AlignModels, TheFirstDifferenceIsAtThePositionOfTheTokenWhoseEmbeddingDiffers) {
  // of all tokens the one that appears last for the first time
  int32_t token = 0;
  int64_t window = 0, position = 0;
  std::vector<bool> seen(static_cast<size_t>(checkpoint_->config().vocabulary_size));
  for (int64_t w = 0; w < windows_.count(); ++w)
    for (int64_t t = 0; t < windows_.context(); ++t) {
      const int32_t id = windows_[w][static_cast<size_t>(t)];
      if (seen[static_cast<size_t>(id)]) continue;
      seen[static_cast<size_t>(id)] = true;
      token = id, window = w, position = t;
    }
  ASSERT_GT(position, 0);
  const AlignedPairs m = compare([&](const std::string& name, float* values, int64_t columns) {
    if (name == "model.embed_tokens.weight") values[token * columns] += 1;
  });
  EXPECT_EQ(first_of(m), "embedding model.embed_tokens.weight");
  EXPECT_EQ(m.pairs[0].operators[0].window, window);
  EXPECT_EQ(m.pairs[0].operators[0].position, position);
  EXPECT_LT(m.pairs[0].operators[0].rows_differ, m.pairs[0].operators[0].rows);
  // the head is tied to it, and differs everywhere
  EXPECT_EQ(m.operators.back().text(), "linear model.embed_tokens.weight (head)");
  EXPECT_EQ(m.pairs[0].operators.back().rows_differ, 96);
}

TEST_F(AlignModels, EqualModelsDifferInNoOperator) {
  const AlignedPairs m = compare(doubled(""));
  EXPECT_EQ(first_of(m), "none");
  EXPECT_TRUE(m.equal());
  EXPECT_TRUE(m.within(0));
  EXPECT_EQ(m.operators.size(), 79u);  // 5 layers of 15, the embedding and the last three
  for (const OperatorDifference& d : m.pairs[0].operators) {
    EXPECT_EQ(d.rows, 96);
    EXPECT_EQ(d.max, 0);
  }
}

TEST_F(AlignModels, OperatorsWithoutAWeightAreNamedByTheOneBefore) {
  const AlignedPairs m = compare(doubled(""));
  const std::string block = "model.layers.0.";
  const std::pair<size_t, std::string> wanted[] = {
      {5, "rope of " + block + "self_attn.q_proj.weight"},
      {6, "rope of " + block + "self_attn.k_proj.weight"},
      {7, "attention after " + block + "self_attn.v_proj.weight"},
      {9, "add after " + block + "self_attn.o_proj.weight"},
      {13, "swiglu after " + block + "mlp.up_proj.weight"},
      {76, "select_rows after model.layers.4.mlp.down_proj.weight"}};
  for (const auto& [i, text] : wanted) EXPECT_EQ(m.operators[i].text(), text) << i;
}

TEST_F(AlignModels, ModelsOfDifferentSizesAreComparedInTheirLogProbabilitiesAlone) {
  ModelConfig shallow = checkpoint_->config();
  shallow.layers = 3;
  shallow.plan.blocks.resize(3);
  const auto a = model_with(doubled(""));
  const auto b = build_model(owner_.get(), shallow, *checkpoint_, progress_).value();
  const AlignedPairs m = align_models(owner_.get(), *a, *b, windows_, {}, progress_).value();
  EXPECT_EQ(m.operators_note,
            "The models' operators were not compared: their layers differ (5 and 3).");
  EXPECT_TRUE(m.operators.empty());
  EXPECT_GT(m.pairs[0].max, 0);
}

// Rows of one operator, by hand.
TEST_F(AlignModels, AnOperatorsDifferenceCountsRowsAndTakesMeanMaximumAndRms) {
  const auto model = model_with(doubled(""));
  OperatorRecorder recorder(*model);
  OperatorComparer comparer(recorder);
  const float a[] = {1, 2, 3, 4, 0.0f, 1, 7, 7}, b[] = {1, 2, 3, 6, -0.0f, 1, 9, 9};
  recorder.begin(0, 4);
  recorder.see({OperatorKind::add, nullptr, {a, 4, 2, 2}});
  comparer.begin(5, 0, 0, 3);  // the last row is padding
  comparer.see({OperatorKind::add, nullptr, {b, 4, 2, 2}});
  const OperatorDifference d = comparer.differences()[0];
  EXPECT_EQ(d.rows, 3);
  EXPECT_EQ(d.rows_differ, 2);  // the signs of two zeros differ
  EXPECT_EQ(d.window, 5);
  EXPECT_EQ(d.position, 1);
  EXPECT_EQ(d.max, 2);
  EXPECT_EQ(d.mean, 2.0 / 6);
  EXPECT_EQ(recorder.operators()[0].rms, std::sqrt((1 + 4 + 9 + 16 + 1 + 98) / 8.0));

  const float nan[] = {std::numeric_limits<float>::quiet_NaN(), 9};
  comparer.begin(6, 0, 0, 1);
  comparer.see({OperatorKind::add, nullptr, {nan, 1, 2, 2}});
  EXPECT_TRUE(std::isnan(comparer.differences()[0].max));
}

TEST(Align, RecordingAndServingAgreeInEveryBitOnOddTextForEveryKvCodec) {
  const auto checkpoint = Checkpoint::open(stories).value();
  const Windows windows = windows_of(*checkpoint, odd_text(), {.tokens = 96, .context = 32});
  NoProgress progress;
  for (const std::string name : {"f32", "f16", "bf16", "int8"}) {
    const auto codec = find_kv_codec(name);
    ASSERT_TRUE(codec.has_value()) << name;
    PairOptions options;
    options.kv_cache = *codec;
    options.threads = 3;
    const auto m = align_own(checkpoint->config(), *checkpoint, windows, options, progress);
    ASSERT_TRUE(m.has_value()) << m.error().text();
    EXPECT_EQ(m->pairs.size(), 6 * supported_isas().size());
    EXPECT_EQ(m->operators.size(), 79u);
    for (const Alignment& a : m->pairs) {
      EXPECT_TRUE(a.equal_bits) << name << ": " << a.name;
      EXPECT_EQ(a.max, 0) << name << ": " << a.name;
      EXPECT_EQ(a.ratio_mean, 1) << name << ": " << a.name;
      EXPECT_EQ(a.first_operator(), -1) << name << ": " << a.name;
      const bool padded = a.name.starts_with("padded");
      EXPECT_EQ(a.operators.back().rows, padded ? 48 : 96) << name << ": " << a.name;
    }
  }
}

TEST(Align, BatchesOfOneThreeAndSeventeenWindowsAreRecordedAndServedAlike) {
  const auto checkpoint = Checkpoint::open(stories).value();
  const Windows windows = windows_of(*checkpoint, odd_text(), {.tokens = 23 * 6, .context = 6});
  ASSERT_EQ(windows.count(), 23);
  NoProgress progress;
  for (const int64_t kept_bytes : {1, 350'000, 1 << 29}) {  // 1, 2 and all windows at a time
    PairOptions options;
    options.threads = 2;
    options.kept_bytes = kept_bytes;
    const AlignedPairs m =
        align_own(checkpoint->config(), *checkpoint, windows, options, progress).value();
    EXPECT_EQ(m.batches, (std::vector<int64_t>{1, 3, 17, 1, 1}));
    EXPECT_TRUE(m.equal()) << kept_bytes;
    for (const Alignment& a : m.pairs)
      EXPECT_EQ(a.operators[0].rows, a.name.starts_with("padded") ? 23 * 3 : 23 * 6) << a.name;
  }
}

// The machine of the first instruction set is given another weight, as if its kernel were wrong.
TEST(Align, TheWaysOfAnInstructionSetThatComputesOtherwiseNameTheOperator) {
  if (supported_isas().size() < 2) GTEST_SKIP() << "needs two instruction sets";
  const auto checkpoint = Checkpoint::open(stories).value();
  const Windows windows = windows_of(*checkpoint, odd_text(), {.tokens = 96, .context = 32});
  PairOptions options;
  options.threads = 2;
  int built = 0;
  ChangedSource source(*checkpoint, [&](const std::string& name, float* values, int64_t) {
    if (name == "model.layers.3.mlp.gate_proj.weight" && built++ == 0) values[0] += 1;
  });
  NoProgress progress;
  const AlignedPairs m =
      align_own(checkpoint->config(), source, windows, options, progress).value();
  for (size_t i = 0; i < m.pairs.size(); ++i) {
    const Alignment& a = m.pairs[i];
    if (i >= 6) {
      EXPECT_TRUE(a.equal()) << a.name;
      continue;
    }
    ASSERT_GE(a.first_operator(), 0) << a.name;
    const auto first = static_cast<size_t>(a.first_operator());
    EXPECT_EQ(m.operators[first].text(), "linear model.layers.3.mlp.gate_proj.weight") << a.name;
    EXPECT_EQ(a.operators[first].window, 0) << a.name;
    EXPECT_EQ(a.operators[first].position, 0) << a.name;
    EXPECT_FALSE(a.equal_bits) << a.name;
  }
  EXPECT_FALSE(m.within(0));
  EXPECT_TRUE(m.within(100));
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
  const auto m = align_saved(owner.get(), *model, folder / "p.npy", windows, {}, progress);
  ASSERT_TRUE(m.has_value()) << m.error().text();
  const Alignment& a = m->pairs[0];
  EXPECT_EQ(a.tokens, 15);
  EXPECT_FALSE(a.equal_bits);
  EXPECT_EQ(a.clip_fraction, 1);
  EXPECT_NEAR(a.k3_max, std::exp(10.0) - 11, 1e-6);  // the clamp; doubles of 2e4 have 4e-12
  EXPECT_EQ(a.log_p, std::vector<double>(15, -20));
  EXPECT_EQ(a.first_operator(), -1);
  EXPECT_NE(m->operators_note, "");
  const Windows more = windows_of(*checkpoint, odd_text(), {.tokens = 32, .context = 16});
  EXPECT_FALSE(align_saved(owner.get(), *model, folder / "p.npy", more, {}, progress).has_value());
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
  const auto own = align_own(checkpoint->config(), *checkpoint, windows, {}, progress);
  ASSERT_FALSE(own);
  EXPECT_NE(own.error().text().find("int4_g32@int8_tensor"), std::string::npos);
  const auto a = build_model(owner.get(), from->config(), *from, progress).value();
  const auto b = build_model(owner.get(), checkpoint->config(), *checkpoint, progress).value();
  EXPECT_EQ(align_models(owner.get(), *a, *b, windows, {}, progress).error().text(),
            own.error().text());
  EXPECT_EQ(align_models(owner.get(), *b, *a, windows, {}, progress).error().text(),
            own.error().text());
  EXPECT_EQ(align_saved(owner.get(), *b, "x.npy", windows, {}, progress).error().text(),
            own.error().text());
}

}  // namespace
}  // namespace farthing
