// Probe: sees what each operator of a forward pass computed, in the order in which they run.
#pragma once

#include <span>
#include <string_view>

#include "ops/attention/attention.h"
#include "tensor/context.h"

namespace farthing {

struct LinearWeight;  // autograd/parameter.h

enum class OperatorKind {
  embedding,
  rms_norm,
  linear,
  rope,
  attention,
  add,
  swiglu,
  select_rows,
  layer_norm,
  bias,
  activation,
  multiply,
  scale,
  softcap,
  route,
  experts,
  hadamard,
};

constexpr std::string_view operator_name(OperatorKind kind) {
  constexpr std::string_view names[] = {
      "embedding", "rms_norm",    "linear",     "rope",    "attention",  "add",
      "swiglu",    "select_rows", "layer_norm", "bias",    "activation", "multiply",
      "scale",     "softcap",     "route",      "experts", "hadamard"};
  return names[static_cast<size_t>(kind)];
}

struct OperatorOutput {
  OperatorKind kind;
  const void* weight;  // the TableWeight, VectorWeight or LinearWeight (Model::weights()), or null
  View<const float, 2> rows;  // of the batch; the next operator may overwrite them
  View<const float, 2> input = {nullptr, 0, 0, 0};  // of a linear: before it is rounded
};

// What attention_forward is given; keys and values are in the sequences' caches.
struct AttentionPass {
  View<const float, 2> q;
  std::span<const ops::AttentionSequence> sequences;
  int64_t layer;
  const ops::AttentionOptions& options;
  int64_t kv_columns;  // of keys and of values
};

// What becomes of operators that are about to run.
enum class PassStep {
  run,
  leave_out,  // what they give means nothing, and nothing that is read depends on it
  end,        // as leave_out; parts of the model return as soon as they notice
};

// Called while context.probe is set, by training's recording pass and by serving alike, but not by
// the backward pass. Unless a probe resumes a pass it must not change what it sees.
class Probe {
 public:
  virtual ~Probe() = default;
  virtual void see(const OperatorOutput& output) = 0;
  // A probe that resumes a pass puts the input there.
  virtual PassStep before_linears(std::span<const LinearWeight* const>, View<float, 2> /*input*/) {
    return PassStep::run;
  }
  virtual PassStep before_attention(const AttentionPass&) { return PassStep::run; }
  // Before an expert of these linears runs. True sends it every row of the batch instead of those
  // that the router does, for what it gets as input alone: what the block gives means nothing.
  virtual bool sends_every_row(std::span<const LinearWeight* const>) { return false; }
  // Until the end of it, operators run on these rows of the batch alone, of the block's expert
  // number `expert`; rows ascend.
  virtual void begin_expert(int64_t /*expert*/, std::span<const int32_t> /*rows*/) {}
  virtual void end_expert() {}

  bool ended() const { return ended_; }
  void begin() { ended_ = false; }
  void end() { ended_ = true; }

 private:
  bool ended_ = false;
};

// Sets a context's probe while it lives.
class ProbeGuard {
 public:
  ProbeGuard(Context& context, Probe& probe) : context_(context) { context.probe = &probe; }
  ~ProbeGuard() { context_.probe = nullptr; }
  ProbeGuard(const ProbeGuard&) = delete;
  ProbeGuard& operator=(const ProbeGuard&) = delete;

 private:
  Context& context_;
};

// Whether nothing that a model goes on to compute will be read.
inline bool pass_ended(const Context& context) {
  return context.probe != nullptr && context.probe->ended();
}

}  // namespace farthing
