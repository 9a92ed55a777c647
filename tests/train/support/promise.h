// A model after a few training steps, and what the engine reads from the file that it wrote.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/support/scratch_folder.h"
#include "kernels/attention/kv_codec.h"
#include "model/support/models.h"
#include "train/fresh_checkpoint.h"
#include "train/optimizer.h"
#include "train/support/kv_scales.h"
#include "train/support/ways.h"
#include "train/trained_model.h"

namespace farthing::testing {

inline const std::filesystem::path stories = FARTHING_SOURCE_DIR "/models/stories260k";

// Every kind of activations that is served with a format: "int4_g32@int8_token".
inline std::vector<std::string> schemes_of(const Format& format) {
  std::vector<std::string> out;
  for (const Activations activations : all_activations) {
    const std::string name =
        std::string(format.name) + "@" + std::string(activations_name(activations));
    if (batch_invariant(activations) && parse_scheme(name)) out.push_back(name);
  }
  return out;
}

inline std::vector<std::string> all_schemes() {
  std::vector<std::string> out;
  for (const Format& format : all_formats())
    for (std::string& scheme : schemes_of(format)) out.push_back(std::move(scheme));
  return out;
}

// What a suite runs over: one in `share` of the formats, beginning with the `turn`th, each with one
// kind of activations. FARTHING_EVERY_SCHEME=1, as every_scheme_slow_test.py sets it: every format,
// and every scheme where the share is 1.
inline std::vector<std::string> schemes_in_turn(size_t share = 1, size_t turn = 0) {
  const bool every = std::getenv("FARTHING_EVERY_SCHEME") != nullptr;
  if (every && share == 1) return all_schemes();
  std::vector<std::string> out;
  for (size_t i = 0; i < all_formats().size(); ++i) {
    const auto schemes = schemes_of(all_formats()[i]);
    if (every || i % share == turn) out.push_back(schemes[(i / share + turn) % schemes.size()]);
  }
  return out;
}

// Its index among them: what differs from one scheme to the next turns on it.
inline size_t place_of_scheme(const std::string& scheme) {
  const auto all = all_schemes();
  return static_cast<size_t>(std::find(all.begin(), all.end(), scheme) - all.begin());
}

inline std::vector<KvCodec> all_codecs() {
  std::vector<KvCodec> out;
  for (const KvCodecInfo& info : kv_codecs()) out.push_back(info.codec);
  return out;
}

// As the name of a test may be.
inline std::string test_name(std::string scheme) {
  std::replace(scheme.begin(), scheme.end(), '@', '_');
  return scheme;
}

inline std::unique_ptr<Checkpoint> stories_checkpoint() {
  return Checkpoint::open(stories).value();
}

// Random weights for the same tokens; k is 288 and 544: several tiles, shards and groups of 128,
// with a rest.
inline std::unique_ptr<Checkpoint> wide_checkpoint() {
  static const auto from = stories_checkpoint();
  return fresh_checkpoint(*from,
                          {.hidden_size = 288,
                           .layers = 2,
                           .heads = 9,
                           .kv_heads = 3,
                           .intermediate_size = 544,
                           .max_positions = 512},
                          5)
      .value();
}

// Random weights whose every k is a multiple of 256, for formats with blocks of so many.
inline std::unique_ptr<Checkpoint> blocks_checkpoint() {
  static const auto from = stories_checkpoint();
  return fresh_checkpoint(*from,
                          {.hidden_size = 256,
                           .layers = 1,
                           .heads = 4,
                           .kv_heads = 2,
                           .intermediate_size = 512,
                           .max_positions = 512},
                          6)
      .value();
}

// One whose linears the scheme's format can hold.
inline std::unique_ptr<Checkpoint> checkpoint_for(const Scheme& scheme) {
  return scheme.weights->block > 32 ? blocks_checkpoint() : stories_checkpoint();
}

// Sequences of 70, 17 and 5 tokens; each token's target is the next.
struct Examples {
  Sequences tokens;
  std::vector<TrainingSequence> sequences;

  explicit Examples(int64_t vocabulary = 512) {
    for (const size_t count : {71, 18, 6}) tokens.push_back(some_tokens(count, vocabulary));
    for (const auto& t : tokens)
      sequences.push_back({std::span(t).first(t.size() - 1), std::span(t).subspan(1)});
  }
};

inline std::unique_ptr<TrainedModel> trained(Context& context, Checkpoint& checkpoint,
                                             const TrainedPrecision& precision, int steps,
                                             bool checkpointing = false) {
  NoProgress progress;
  auto made = TrainedModel::create(context, checkpoint, precision, progress);
  if (!made) ADD_FAILURE() << made.error().text();
  auto model = std::move(made.value());
  Optimizer optimizer({}, model->parameters());
  const Examples examples(checkpoint.config().vocabulary_size);
  for (int i = 0; i < steps; ++i) {
    model->clear_gradients(context);
    model->accumulate_gradients(context, examples.sequences, 1.0f / 92, checkpointing);
    model->pass_gradients(context);
    const auto norm = optimizer.step(context, 1e-3);
    if (!norm) ADD_FAILURE() << norm.error().text();
    const auto encoded = model->encode(context);
    if (!encoded) ADD_FAILURE() << encoded.error().text();
  }
  return model;
}

// One trained model and its file.
class Promise {
 public:
  explicit Promise(const TrainedPrecision& precision, std::unique_ptr<Checkpoint> from = {},
                   int threads = 2, Isa isa = choose_isa().value())
      : owner_(threads, isa),
        from_(std::make_unique<CheckpointWithKvScales>(
            from != nullptr ? std::move(from) : checkpoint_for(precision.linears))) {
    model_ = testing::trained(context(), *from_, precision, 3);
    NoProgress progress;
    const auto written = model_->write(*from_, "qat", "{}\n", file(), progress);
    if (!written) ADD_FAILURE() << written.error().text();
  }
  explicit Promise(const std::string& scheme, KvCodec codec = KvCodec::f32)
      : Promise({.linears = parse_scheme(scheme).value(), .kv_cache = codec}) {}

  Context& context() { return owner_.get(); }
  TrainedModel& trainer() { return *model_; }
  KvCodec codec() const { return model_->kv_codec(); }
  std::filesystem::path file() const { return folder_ / "out"; }

  std::unique_ptr<Model> engine(Context& context) const {
    auto model = load_model(context, file());
    if (!model) ADD_FAILURE() << model.error().text();
    return std::move(model.value());
  }
  // What the trainer computes while it records gradients: all sequences in one batch.
  LogProbabilities trainers(const Sequences& sequences) {
    return log_probabilities({.batch = sequences.size(), .taped = true}, context(), model_->model(),
                             codec(), sequences);
  }

 private:
  ScratchFolder folder_;
  ContextOwner owner_;
  std::unique_ptr<Checkpoint> from_;
  std::unique_ptr<TrainedModel> model_;
};

// What an engine runs on.
struct Machine {
  Isa isa;
  int threads;
};
// Every instruction set of this machine, weakest first, with one thread and with two.
inline std::vector<Machine> machines() {
  std::vector<Machine> out;
  for (const int threads : {1, 2})
    for (const Isa isa : supported_isas()) out.push_back({isa, threads});
  return out;
}

// The engine's log-probabilities in each of `ways` must be `wanted`.
inline void expect_engine_gives(const LogProbabilities& wanted, const Promise& promise,
                                const Sequences& sequences, const Machine& machine,
                                std::span<const Way> ways) {
  ContextOwner owner(machine.threads, machine.isa);
  const auto engine = promise.engine(owner.get());
  for (const Way& way : ways)
    EXPECT_TRUE(
        same_bits(wanted, log_probabilities(way, owner.get(), *engine, promise.codec(), sequences)))
        << isa_name(machine.isa) << ", " << machine.threads << " threads, " << name_of(way);
}

}  // namespace farthing::testing
