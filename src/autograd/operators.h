// The operators that models are made of: each calls the one of ops/, and records its backward pass
// if context.tape is set, and shows its output to context.probe if that is set. Training and
// serving run the same calls.
#pragma once

#include <array>
#include <span>

#include "autograd/parameter.h"
#include "autograd/probe.h"
#include "autograd/tape.h"
#include "kernels/activation_functions/activation_functions.h"
#include "ops/attention/attention.h"
#include "ops/elementwise.h"
#include "ops/experts/experts.h"
#include "ops/hadamard/hadamard.h"
#include "ops/rope.h"

namespace farthing::autograd {

// Rows of an activation [m, n], and their gradient, which is there while a tape is.
struct Value {
  View<float, 2> data;
  View<float, 2> gradient = {nullptr, 0, 0, 0};
};

// Memory of the workspace; the gradient is zeroed.
Value new_value(Context& context, int64_t rows, int64_t columns);

Value embedding(Context& context, const TableWeight& table, std::span<const int32_t> tokens);
// x / rms(x) * (gain + offset) of each part of a row of the gain's size, such as a head, and layer
// norm, row by row; into new memory.
Value rms_norm(Context& context, const Value& x, const VectorWeight& gain, float offset,
               float epsilon);
Value layer_norm(Context& context, const Value& x, const VectorWeight& gain,
                 const VectorWeight& bias, float epsilon);

// y[i] = x weights[i]^T, into the given values, or into new ones. False where the context's probe
// does not want them: then nothing was computed.
bool linear_into(Context& context, const Value& x, std::span<const LinearWeight* const> weights,
                 std::span<const Value> y);
template <class... Weights>
auto linear(Context& context, const Value& x, const Weights&... weights) {
  const LinearWeight* const list[] = {&weights...};
  std::array<Value, sizeof...(weights)> y{new_value(context, x.data.rows, weights.packed.n())...};
  linear_into(context, x, list, y);
  return y;
}

// x += bias, in place: nobody else has read x.
void add_bias(Context& context, const VectorWeight& bias, const Value& x);
// The columns begin + step i + j of x, j < width, i ascending, `count` of them in all.
Value columns(Context& context, const Value& x, int64_t begin, int64_t width, int64_t step,
              int64_t count);
// Column i of the result is column from[i] of x, or 0 where that is negative. `from` outlives the
// tape.
Value select_columns(Context& context, const Value& x, std::span<const int32_t> from);

// In place: nobody else reads x. Turns the first table.head_dim() elements of each head.
void rope(Context& context, RopeTable& table, std::span<const int32_t> positions, int64_t head_dim,
          const Value& x);

// In place: nobody else reads x. Each part of a row of h.size() elements becomes H part / sqrt(n).
void hadamard(Context& context, const ops::HadamardMatrix& h, const Value& x);

// Appends k and v to the sequences' caches, and attends to them.
struct SequenceRows {
  KvCache* cache;
  int64_t first_position, rows;
};
// `sinks`: a score of each head that no key has, or null.
Value attention(Context& context, const Value& q, const Value& k, const Value& v,
                std::span<const SequenceRows> sequences, int64_t layer,
                ops::AttentionOptions options, const VectorWeight* sinks = nullptr);

// x + y; without a tape in x's memory.
Value add(Context& context, const Value& x, const Value& y);
// silu(gate) * up; without a tape in gate's memory.
Value swiglu(Context& context, const Value& gate, const Value& up);
// gpt-oss's; without a tape in gate's memory.
Value clamped_swiglu(Context& context, const Value& gate, const Value& up,
                     ops::ClampedSwiglu options);
// f(x); without a tape in x's memory.
Value activation(Context& context, ActivationFunction f, const Value& x);
// x * y; without a tape in x's memory.
Value multiply(Context& context, const Value& x, const Value& y);
// x *= factor, in place: nobody else has read x.
void scale(Context& context, float factor, const Value& x);
// y = cap * tanh(x / cap), into the given value; without a tape y may be x.
void softcap_into(Context& context, float cap, const Value& x, const Value& y);
// Experts and their weights of each row, from the router's logits; in the workspace.
struct Routing {
  ops::ExpertRows rows;
  Value weights;  // [m, chosen]
};
// `choice_bias`: a number of each expert, added to its score where experts are chosen, or null.
Routing route(Context& context, const Value& logits, ops::RoutingOptions options,
              const VectorWeight* choice_bias = nullptr);
// out[rows[i]] += weights[rows[i]][slots[i]] * y[i]; out is a sum of such rows.
void add_weighted_rows(Context& context, const Value& y, std::span<const int32_t> rows,
                       std::span<const int32_t> slots, const Value& weights, const Value& out);
// The rows `rows` of x.
Value select_rows(Context& context, const Value& x, std::span<const int32_t> rows);

// One block of a model: y = body(context, x). Without a tape the block's memory is given back, and
// body must return x's memory (as `add` does). With a checkpointing tape only x is kept.
template <class Body>
Value block(Context& context, const Value& x, const Body& body) {
  if (context.tape == nullptr) {
    const Workspace::Mark mark(context.workspace);
    const Value y = body(context, x);
    CHECK(y.data.data == x.data.data);
    return x;
  }
  if (!context.tape->checkpointing()) return body(context, x);
  Tape* const tape = context.tape;
  const Value y = new_value(context, x.data.rows, x.data.columns);
  context.tape = nullptr;
  {
    const Workspace::Mark mark(context.workspace);
    for (int64_t r = 0; r < x.data.rows; ++r)
      std::copy_n(x.data.row(r), x.data.columns, y.data.row(r));
    body(context, y);
  }
  context.tape = tape;
  tape->record([=](Context& c) {
    const Workspace::Mark mark(c.workspace);
    Tape inner;
    c.tape = &inner;
    const Value again = body(c, x);
    for (int64_t r = 0; r < y.gradient.rows; ++r)
      std::copy_n(y.gradient.row(r), y.gradient.columns, again.gradient.row(r));
    inner.run_backward(c);
    c.tape = nullptr;
  });
  return y;
}

}  // namespace farthing::autograd
