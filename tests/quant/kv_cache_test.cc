// A model that brings its KV cache: what is stored, who runs it, and what keeps or loses the
// scales.
#include <gtest/gtest.h>

#include <cstring>

#include "base/file.h"
#include "base/support/scratch_folder.h"
#include "eval/scorer.h"
#include "eval/support/kv_magnitudes.h"
#include "io/safetensors/safetensors.h"
#include "model/support/models.h"
#include "quant/quantize.h"
#include "quant/rescaling/rescaling_method.h"

namespace farthing {
namespace {

class KvCacheOfModel : public ::testing::Test {
 protected:
  struct What {
    std::string scheme = "int4_g32", method = "rtn";
    std::optional<KvCodec> kv_cache = KvCodec::int8_static;
    std::vector<std::string> redo = {};
    const char* rescaling = nullptr;
    bool resume = false;
    RangeMethod range = RangeMethod::absmax;  // of the cache
  };
  Result<std::vector<LayerReport>> quantize(const std::filesystem::path& from,
                                            const std::filesystem::path& to, const What& what) {
    return quantize(from, to, what, quiet_);
  }
  Result<std::vector<LayerReport>> quantize(const std::filesystem::path& from,
                                            const std::filesystem::path& to, const What& what,
                                            Progress& progress) {
    ContextOwner owner(2, supported_isas().back());
    QuantizeOptions options;
    options.scheme = parse_scheme(what.scheme).value();
    options.method = find_algorithm(what.method);
    options.kv_cache = what.kv_cache;
    options.kv_cache_range.method = what.range;
    if (what.rescaling != nullptr) options.rescaling = find_rescaling(what.rescaling);
    return quantize_checkpoint(owner.get(), *Checkpoint::open(from).value(), options, to, progress,
                               {calibration, what.resume, what.redo});
  }
  KvCacheFormat format_of(const std::filesystem::path& path) {
    return Checkpoint::open(path).value()->kv_cache().value();
  }
  KvScales scales_of(const std::filesystem::path& path) {
    const auto scales = format_of(path).scales;
    EXPECT_NE(scales, nullptr) << path;
    return scales == nullptr ? KvScales{} : *scales;
  }
  // By the extremes of what the whole model puts into a cache of f32.
  KvScales of_whole_model(Context& context, Checkpoint& stored) {
    const auto read = calibration_windows(stored, calibration).value();
    return testing::kv_magnitudes(context, stored.config(), stored, read.windows).scales();
  }
  // With one tensor replaced, or removed where `tensor` is empty.
  Error error_with_tensor(const std::string& name, const Tensor& tensor) {
    const auto path = first_ / "model.safetensors";
    std::vector<std::pair<std::string, Tensor>> tensors;
    const auto file = SafetensorsFile::open(path).value();
    for (const auto& entry : file.entries()) {
      if (entry.name != name) tensors.emplace_back(entry.name, file.tensor(entry));
      if (entry.name == name && tensor) tensors.emplace_back(name, tensor);
    }
    EXPECT_TRUE(write_safetensors(path, tensors).has_value());
    const auto format = Checkpoint::open(first_).value()->kv_cache();
    EXPECT_FALSE(format.has_value());
    return format ? Error{} : format.error();
  }

  const CalibrationOptions calibration{.text = {}, .samples = 2, .context = 64};
  ScratchFolder folder_;
  NoProgress quiet_;
  const std::filesystem::path stories_ = FARTHING_SOURCE_DIR "/models/stories260k";
  const std::filesystem::path first_ = folder_ / "first", second_ = folder_ / "second";
};

// Whatever chose the codes: what is calibrated is what is stored.
TEST_F(KvCacheOfModel, StoresTheScalesOfTheQuantizedModel) {
  for (const char* method : {"rtn", "gptq"}) {
    ASSERT_TRUE(quantize(stories_, folder_ / method, {.method = method}).has_value());
    const auto stored = Checkpoint::open(folder_ / method).value();
    const KvCacheFormat format = stored->kv_cache().value();
    EXPECT_EQ(format.codec, KvCodec::int8_static);
    ContextOwner owner(1, supported_isas().back());
    ASSERT_NE(format.scales, nullptr);
    EXPECT_EQ(*format.scales, of_whole_model(owner.get(), *stored)) << method;
  }
  EXPECT_NE(scales_of(folder_ / "rtn"), scales_of(folder_ / "gptq"));
}

TEST_F(KvCacheOfModel, OtherTypesAreStoredByNameAlone) {
  ASSERT_TRUE(quantize(stories_, first_, {.kv_cache = KvCodec::f16}).has_value());
  EXPECT_EQ(format_of(first_).codec, KvCodec::f16);
  EXPECT_EQ(format_of(first_).scales, nullptr);
}

TEST_F(KvCacheOfModel, QuantizingAgainKeepsTheScales) {
  ASSERT_TRUE(quantize(stories_, first_, {.scheme = "int8_g32"}).has_value());
  ASSERT_TRUE(quantize(first_, second_, {.kv_cache = std::nullopt}).has_value());
  EXPECT_EQ(format_of(second_).codec, KvCodec::int8_static);
  EXPECT_EQ(scales_of(second_), scales_of(first_));
}

TEST_F(KvCacheOfModel, QuantizingAgainToAnotherCacheDropsThem) {
  ASSERT_TRUE(quantize(stories_, first_, {}).has_value());
  ASSERT_TRUE(quantize(first_, second_, {.kv_cache = KvCodec::f32}).has_value());
  EXPECT_EQ(format_of(second_).codec, KvCodec::f32);
  EXPECT_EQ(format_of(second_).scales, nullptr);
}

TEST_F(KvCacheOfModel, RescalingChannelsAsksForACalibration) {
  ASSERT_TRUE(quantize(stories_, first_, {.scheme = "f32"}).has_value());
  const What awq{.method = "imatrix", .kv_cache = std::nullopt, .rescaling = "awq"};
  const auto refused = quantize(first_, second_, awq);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().remedy.find("--kv-cache-dtype"), std::string::npos);
  What anew = awq;
  anew.kv_cache = KvCodec::int8_static;
  ASSERT_TRUE(quantize(first_, second_, anew).has_value());
  EXPECT_NE(scales_of(second_), scales_of(first_));
}

TEST_F(KvCacheOfModel, RedoKeepsTheScales) {
  ASSERT_TRUE(quantize(stories_, first_, {}).has_value());
  const KvScales before = scales_of(first_);
  ASSERT_TRUE(quantize(stories_, first_,
                       {.scheme = "int8_g32",
                        .kv_cache = std::nullopt,
                        .redo = {"model.layers.1.self_attn.v_proj"}})
                  .has_value());
  EXPECT_EQ(format_of(first_).codec, KvCodec::int8_static);
  EXPECT_EQ(scales_of(first_), before);
}

// Stands for a process that ends between two writes, and counts what is done of a calibration.
class Stop : public Progress {
 public:
  explicit Stop(std::string at) : at_(std::move(at)) {}
  void update(double, double, std::string_view what) override {
    if (what == at_) throw 1;
    windows += what.starts_with("calibrating the KV cache");
  }
  int windows = 0;

 private:
  std::string at_;
};

TEST_F(KvCacheOfModel, AnInterruptedCalibrationGoesOnAndEndsWithTheSameBytes) {
  for (const char* method : {"rtn", "gptq"}) {
    ASSERT_TRUE(quantize(stories_, first_, {.method = method}).has_value());
    // Ten stages run two windows each: the last block's mlp and the head give no keys.
    for (const auto& [at, left] : {std::pair{"embedding, window 1 of 2", 20},
                                   {"block 0, attention, window 2 of 2", 20},
                                   {"block 2, mlp, window 1 of 2", 8},
                                   {"block 4, attention, window 2 of 2", 2}}) {
      Stop stop(std::string("calibrating the KV cache, ") + at), all("");
      EXPECT_THROW((void)quantize(stories_, second_, {.method = method}, stop), int);
      EXPECT_FALSE(std::filesystem::exists(second_)) << at;
      const auto asked = quantize(stories_, second_, {.method = method});
      ASSERT_FALSE(asked.has_value());  // not without being asked
      EXPECT_NE(asked.error().remedy.find("--resume"), std::string::npos);
      ASSERT_TRUE(quantize(stories_, second_, {.method = method, .resume = true}, all)) << at;
      EXPECT_EQ(all.windows, left) << method << " " << at;
      for (const char* file : {"model.safetensors", "config.json", "farthing.json"})
        EXPECT_EQ(read_all(second_ / file), read_all(first_ / file)) << method << " " << at;
      EXPECT_EQ(folder_.names(), (std::vector<std::string>{"first", "second"}));
      std::filesystem::remove_all(second_);
    }
    std::filesystem::remove_all(first_);
  }
}

TEST_F(KvCacheOfModel, AnInterruptedCalibrationIsOfOneRange) {
  Stop stop("calibrating the KV cache, block 1, mlp, window 1 of 2");
  EXPECT_THROW((void)quantize(stories_, first_, {}, stop), int);
  const auto other = quantize(stories_, first_, {.resume = true, .range = RangeMethod::mse});
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().what, "the folder holds the unfinished work of another quantization");
  EXPECT_EQ(folder_.names(), std::vector<std::string>{"first.work"});
}

TEST_F(KvCacheOfModel, DamagedScalesOfAnInterruptedCalibrationAreRefused) {
  Stop stop("calibrating the KV cache, block 1, mlp, window 1 of 2");
  EXPECT_THROW((void)quantize(stories_, first_, {}, stop), int);
  const auto path = folder_ / "first.work" / "kv-scales.safetensors";
  const Tensor four(DType::f32, {4}), eight(DType::f32, {8});  // of one block, of two
  const auto refused = [&](const Tensor& values, const SafetensorsMetadata& metadata) {
    EXPECT_TRUE(write_safetensors(path, {{"keys", eight}, {"values", values}}, metadata));
    const std::string before = read_all(path);
    const auto resumed = quantize(stories_, first_, {.resume = true});
    EXPECT_FALSE(resumed.has_value());
    EXPECT_EQ(read_all(path), before);
    EXPECT_EQ(folder_.names(), std::vector<std::string>{"first.work"});
    return resumed ? std::string() : resumed.error().got;
  };
  EXPECT_EQ(refused(eight, {}), "no stage");
  EXPECT_EQ(refused(eight, {{"stage", "12"}}), "stage 12");
  EXPECT_EQ(refused(four, {{"stage", "3"}}), "values [4]");
}

// The evaluation's whole window, a prompt in pieces and token by token; one thread and two.
TEST_F(KvCacheOfModel, RunsWithItWhereNothingElseIsAskedFor) {
  ASSERT_TRUE(quantize(stories_, first_, {}).has_value());
  const auto tokens = testing::some_tokens(90, 512);
  std::vector<float> expected;
  for (const int threads : {1, 2}) {
    for (const Isa isa : supported_isas()) {
      ContextOwner owner(threads, isa);
      const auto model = testing::load_model(owner.get(), first_).value();
      Tensor scored(DType::f32, {90, 512});
      ASSERT_TRUE(ModelScorer(owner.get(), *model).score(tokens, scored.view<float>()).has_value());
      const std::vector<float> of_window(scored.as<float>(), scored.as<float>() + 90 * 512);
      if (expected.empty()) {
        expected = of_window;
        Tensor plain(DType::f32, {90, 512});
        ModelScorer f32(owner.get(), *model, KvCodec::f32);
        ASSERT_TRUE(f32.score(tokens, plain.view<float>()).has_value());
        EXPECT_NE(std::memcmp(plain.data(), scored.data(), static_cast<size_t>(plain.bytes())), 0);
      }
      EXPECT_EQ(of_window, expected) << isa_name(isa) << " " << threads;
      for (const size_t piece : {1, 17})
        EXPECT_EQ(testing::logits_of(owner.get(), *model, tokens, piece), expected)
            << isa_name(isa) << " " << threads << " " << piece;
    }
  }
}

TEST_F(KvCacheOfModel, WithoutScalesTheErrorNamesTheCommand) {
  ContextOwner owner(1, supported_isas().back());
  const auto model = testing::stories260k(owner.get());
  EXPECT_TRUE(model->check_kv_cache(KvCodec::int8).has_value());
  const auto checked = model->check_kv_cache(KvCodec::int8_static);
  ASSERT_FALSE(checked.has_value());
  EXPECT_NE(checked.error().remedy.find("farthing quantize MODEL"), std::string::npos);
  EXPECT_NE(checked.error().remedy.find("--kv-cache-dtype int8_static"), std::string::npos);
}

TEST_F(KvCacheOfModel, AFileWithoutOneOfTheScalesIsRefused) {
  ASSERT_TRUE(quantize(stories_, first_, {}).has_value());
  const std::string name = "model.layers.3.self_attn.v_scale";
  EXPECT_NE(error_with_tensor(name, {}).where.find(name), std::string::npos);
}

TEST_F(KvCacheOfModel, AScaleThatIsNoScaleIsRefused) {
  ASSERT_TRUE(quantize(stories_, first_, {}).has_value());
  const std::string name = "model.layers.0.self_attn.k_scale";
  Tensor zeros(DType::f32, {4});
  std::fill_n(zeros.as<float>(), 4, 0.0f);
  EXPECT_EQ(error_with_tensor(name, zeros).got, "0");
  EXPECT_EQ(error_with_tensor(name, Tensor(DType::f32, {3})).got, "[3]");
}

TEST_F(KvCacheOfModel, AnUnknownTypeIsRefused) {
  ASSERT_TRUE(quantize(stories_, first_, {}).has_value());
  std::string text = read_text_file(first_ / "config.json").value();
  const std::string codec = "\"int8_static\"";
  ASSERT_NE(text.find(codec), std::string::npos);
  text.replace(text.find(codec), codec.size(), "\"int8_later\"");
  ASSERT_TRUE(write_text_file(first_ / "config.json", text).has_value());
  const auto opened = Checkpoint::open(first_);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().got, "int8_later");
}

}  // namespace
}  // namespace farthing
