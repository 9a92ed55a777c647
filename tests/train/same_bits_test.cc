// The promise: what the trainer runs and what the engine runs from the exported file are one
// function. Over every format of the registry.
#include <gtest/gtest.h>

#include <cstring>

#include "base/cpu.h"
#include "kernels/attention/kv_codec.h"
#include "kernels/softmax/softmax.h"
#include "model/support/models.h"
#include "ops/softmax.h"
#include "train/optimizer.h"
#include "train/trained_model.h"

namespace farthing {
namespace {

const std::filesystem::path stories = FARTHING_SOURCE_DIR "/models/stories260k";

// Sequences of 100, 37 and 5 tokens; each token's target is the next.
struct Examples {
  std::vector<std::vector<int32_t>> tokens;
  std::vector<TrainingSequence> sequences;

  Examples() {
    for (const size_t count : {101, 38, 6}) tokens.push_back(testing::some_tokens(count, 512));
    for (const auto& t : tokens)
      sequences.push_back({std::span(t).first(t.size() - 1), std::span(t).subspan(1)});
  }
};

std::unique_ptr<TrainedModel> trained(Context& context, Checkpoint& checkpoint,
                                      const TrainedPrecision& precision, int steps,
                                      bool checkpointing = false) {
  NoProgress progress;
  auto made = TrainedModel::create(context, checkpoint, precision, progress);
  if (!made) ADD_FAILURE() << made.error().text();
  auto model = std::move(made.value());
  Optimizer optimizer({}, model->parameters());
  const Examples examples;
  for (int i = 0; i < steps; ++i) {
    model->clear_gradients(context);
    model->accumulate_gradients(context, examples.sequences, 1.0f / 142, checkpointing);
    const auto norm = optimizer.step(context, 1e-3);
    if (!norm) ADD_FAILURE() << norm.error().text();
    const auto encoded = model->encode(context);
    if (!encoded) ADD_FAILURE() << encoded.error().text();
  }
  return model;
}

// Log-probabilities behind every token of a sequence that is fed in pieces.
std::vector<float> log_probabilities(Context& context, const Model& model, KvCodec codec,
                                     std::span<const int32_t> tokens, size_t piece) {
  const int64_t vocabulary = model.config().vocabulary_size;
  std::vector<float> out(tokens.size() * static_cast<size_t>(vocabulary));
  Sequence sequence = model.new_sequence(static_cast<int64_t>(tokens.size()), codec);
  for (size_t begin = 0; begin < tokens.size(); begin += piece) {
    const auto part = tokens.subspan(begin, std::min(piece, tokens.size() - begin));
    const View<float, 2> to{&out[begin * static_cast<size_t>(vocabulary)],
                            static_cast<int64_t>(part.size()), vocabulary, vocabulary};
    model.forward(context, sequence, part, to);
    ops::log_softmax_forward(context, to, to);
  }
  return out;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::vector<std::string> all_schemes() {
  std::vector<std::string> out;
  for (const Format& format : all_formats())
    for (const Activations activations : all_activations) {
      const std::string name =
          std::string(format.name) + "@" + std::string(activations_name(activations));
      if (batch_invariant(activations) && parse_scheme(name)) out.push_back(name);
    }
  return out;
}

class TrainerAndEngine : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::temp_directory_path() / ("farthing_same_bits_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    checkpoint_ = Checkpoint::open(stories).value();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
  std::unique_ptr<Checkpoint> checkpoint_;
};

TEST_P(TrainerAndEngine, DifferByExactlyZero) {
  ContextOwner owner(2, choose_isa().value());
  Context& context = owner.get();
  for (const KvCodecInfo& codec : kv_codecs()) {
    const TrainedPrecision precision{.linears = parse_scheme(GetParam()).value(),
                                     .kv_cache = codec.codec};
    const auto model = trained(context, *checkpoint_, precision, 3);
    NoProgress progress;
    const auto written = model->write(*checkpoint_, "qat", "{}\n", folder_ / "out", progress);
    ASSERT_TRUE(written) << written.error().text();
    const auto tokens = testing::some_tokens(90, 512);
    const auto trainers =
        log_probabilities(context, model->model(), codec.codec, tokens, tokens.size());
    for (const Isa isa : supported_isas()) {
      for (const int threads : {1, 2}) {
        ContextOwner other(threads, isa);
        const auto engine = testing::load_model(other.get(), folder_ / "out");
        ASSERT_TRUE(engine) << engine.error().text();
        for (const size_t piece : {size_t{1}, size_t{3}, size_t{17}, tokens.size()})
          EXPECT_TRUE(same_bits(
              trainers, log_probabilities(other.get(), **engine, codec.codec, tokens, piece)))
              << isa_name(isa) << " " << threads << " " << codec.name << " " << piece;
      }
    }
    std::filesystem::remove_all(folder_ / "out");
  }
}

TEST_P(TrainerAndEngine, CallTheSameKernels) {
  ContextOwner owner(1, choose_isa().value());
  const TrainedPrecision precision{.linears = parse_scheme(GetParam()).value()};
  const auto model = trained(owner.get(), *checkpoint_, precision, 1);
  NoProgress progress;
  ASSERT_TRUE(model->write(*checkpoint_, "qat", "{}\n", folder_ / "out", progress));
  const auto engine = testing::load_model(owner.get(), folder_ / "out");
  const auto ours = model->model().linears(), theirs = (*engine)->linears();
  ASSERT_EQ(ours.size(), theirs.size());
  for (size_t i = 0; i < ours.size(); ++i) {
    EXPECT_EQ(ours[i].kernel, theirs[i].kernel) << ours[i].name;
    EXPECT_EQ(ours[i].scheme.name(), theirs[i].scheme.name()) << ours[i].name;
  }
}

TEST_P(TrainerAndEngine, TrainingLowersTheLoss) {
  ContextOwner owner(2, choose_isa().value());
  const TrainedPrecision precision{.linears = parse_scheme(GetParam()).value()};
  const Examples examples;
  const auto before = trained(owner.get(), *checkpoint_, precision, 0);
  const auto after = trained(owner.get(), *checkpoint_, precision, 3);
  EXPECT_LT(after->loss(owner.get(), examples.sequences),
            before->loss(owner.get(), examples.sequences));
}

TEST_P(TrainerAndEngine, ThreadsDoNotChangeWhatIsTrained) {
  std::vector<Tensor> first;
  for (const int threads : {1, 2, 3}) {
    ContextOwner owner(threads, choose_isa().value());
    const TrainedPrecision precision{.linears = parse_scheme(GetParam()).value(),
                                     .kv_cache = KvCodec::int8};
    const auto model = trained(owner.get(), *checkpoint_, precision, 2);
    size_t i = 0;
    for (const auto& p : model->parameters()) {
      if (threads == 1) {
        first.push_back(p->value);
      } else {
        EXPECT_EQ(
            std::memcmp(first[i].data(), p->value.data(), static_cast<size_t>(p->value.bytes())), 0)
            << p->name;
      }
      ++i;
    }
  }
}

TEST_P(TrainerAndEngine, GradientCheckpointingChangesNoBit) {
  ContextOwner owner(2, choose_isa().value());
  const TrainedPrecision precision{.linears = parse_scheme(GetParam()).value()};
  const auto plain = trained(owner.get(), *checkpoint_, precision, 2);
  const auto checkpointed = trained(owner.get(), *checkpoint_, precision, 2, true);
  for (size_t i = 0; i < plain->parameters().size(); ++i) {
    const Tensor &a = plain->parameters()[i]->value, &b = checkpointed->parameters()[i]->value;
    EXPECT_EQ(std::memcmp(a.data(), b.data(), static_cast<size_t>(a.bytes())), 0)
        << plain->parameters()[i]->name;
  }
}

// In blocks and in tables.
TEST(BatchDependentScheme, IsNotTrained) {
  ContextOwner owner(1, choose_isa().value());
  NoProgress progress;
  const auto checkpoint = Checkpoint::open(stories).value();
  const Scheme scheme = parse_scheme("int4_g32@int8_tensor").value(),
               f32 = parse_scheme("f32").value();
  for (const auto& precision :
       {TrainedPrecision{.linears = scheme}, TrainedPrecision{.linears = f32, .tables = scheme}}) {
    const auto model = TrainedModel::create(owner.get(), *checkpoint, precision, progress);
    ASSERT_FALSE(model);
    EXPECT_NE(model.error().what.find("depend on the batch"), std::string::npos);
    EXPECT_NE(model.error().got.find("int4_g32@int8_tensor"), std::string::npos);
    EXPECT_NE(model.error().remedy.find("int4_g32@int8_token"), std::string::npos);
  }
}

INSTANTIATE_TEST_SUITE_P(Registry, TrainerAndEngine, ::testing::ValuesIn(all_schemes()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '@', '_');
                           return name;
                         });

}  // namespace
}  // namespace farthing
