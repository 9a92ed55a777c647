// Forward calls and what they record.
#include "autograd/operators.h"

#include <algorithm>
#include <vector>

#include "base/rehearsal.h"
#include "ops/elementwise.h"
#include "ops/embedding.h"
#include "ops/linear/linear.h"
#include "ops/norm.h"
#include "ops/rows.h"

namespace farthing::autograd {
namespace {

void show(Context& context, OperatorKind kind, const void* weight, View<const float, 2> rows) {
  if (context.probe != nullptr) context.probe->see({kind, weight, rows});
}

Tensor* gradient_of(const VectorWeight& weight) {
  return weight.parameter ? &weight.parameter->gradient : nullptr;
}

// The same memory as rows of `columns` elements, such as a head each.
Value as_rows_of(const Value& x, int64_t columns) {
  if (x.data.columns == columns) return x;
  const auto split = [&](View<float, 2> rows) -> View<float, 2> {
    const int64_t elements = rows.rows * rows.columns;
    CHECK(rows.stride == rows.columns && elements % columns == 0);
    return {rows.data, elements / columns, columns, columns};
  };
  return {split(x.data), x.gradient.data == nullptr ? x.gradient : split(x.gradient)};
}

}  // namespace

Value new_value(Context& context, int64_t rows, int64_t columns) {
  Value out{context.workspace.take_rows<float>(rows, columns)};
  if (context.tape != nullptr) {
    out.gradient = context.workspace.take_rows<float>(rows, columns);
    if (!rehearsing()) std::fill_n(out.gradient.data, rows * columns, 0.0f);
  }
  return out;
}

Value embedding(Context& context, const TableWeight& table, std::span<const int32_t> tokens) {
  const Value out = new_value(context, static_cast<int64_t>(tokens.size()), table.stored.k);
  ops::embedding_forward(context, table.stored, tokens, out.data);
  show(context, OperatorKind::embedding, &table, out.data);
  if (context.tape != nullptr && table.parameter != nullptr)
    context.tape->record([out, parameter = table.parameter.get(),
                          ids = std::vector<int32_t>(tokens.begin(), tokens.end())](Context& c) {
      ops::embedding_backward(c, ids, out.gradient, parameter->gradient_rows());
    });
  return out;
}

Value rms_norm(Context& context, const Value& x, const VectorWeight& gain, float offset,
               float epsilon) {
  const Value out = new_value(context, x.data.rows, x.data.columns);
  const int64_t size = gain.value.shape().elements();
  const Value from = as_rows_of(x, size), to = as_rows_of(out, size);
  ops::rms_norm_forward(context, from.data, gain.value, offset, epsilon, to.data);
  show(context, OperatorKind::rms_norm, &gain, out.data);
  if (context.tape != nullptr)
    context.tape->record([=, weight = &gain](Context& c) {
      ops::rms_norm_backward(c, from.data, weight->value, offset, epsilon, to.gradient,
                             from.gradient, gradient_of(*weight));
    });
  return out;
}

Value layer_norm(Context& context, const Value& x, const VectorWeight& gain,
                 const VectorWeight& bias, float epsilon) {
  const Value out = new_value(context, x.data.rows, x.data.columns);
  ops::layer_norm_forward(context, x.data, gain.value, bias.value, epsilon, out.data);
  show(context, OperatorKind::layer_norm, &gain, out.data);
  if (context.tape != nullptr)
    context.tape->record([=, weight = &gain, shift = &bias](Context& c) {
      ops::layer_norm_backward(c, x.data, weight->value, epsilon, out.gradient, x.gradient,
                               gradient_of(*weight), gradient_of(*shift));
    });
  return out;
}

bool linear_into(Context& context, const Value& x, std::span<const LinearWeight* const> weights,
                 std::span<const Value> y) {
  CHECK(weights.size() == y.size());
  if (context.probe != nullptr) {
    const PassStep step = context.probe->before_linears(weights, x.data);
    if (step == PassStep::end) context.probe->end();
    if (step != PassStep::run) return step == PassStep::leave_out;
  }
  const Workspace::Mark mark(context.workspace);
  ops::LinearOutput* outputs =
      context.workspace.take<ops::LinearOutput>(static_cast<int64_t>(y.size()));
  for (size_t i = 0; i < y.size(); ++i) outputs[i] = {&weights[i]->packed, y[i].data};
  ops::linear_forward(context, x.data, {outputs, y.size()});
  if (context.probe != nullptr)
    for (size_t i = 0; i < y.size(); ++i)
      context.probe->see({OperatorKind::linear, weights[i], y[i].data, x.data});
  if (context.tape == nullptr) return true;
  context.tape->record([x, w = std::vector<const LinearWeight*>(weights.begin(), weights.end()),
                        y = std::vector<Value>(y.begin(), y.end())](Context& c) {
    std::vector<ops::LinearGradient> gradients;
    for (size_t i = 0; i < w.size(); ++i) {
      CHECK(w[i]->parameter != nullptr);
      gradients.push_back({&w[i]->stored, w[i]->packed.rounding(), y[i].gradient,
                           w[i]->parameter->gradient_rows(), w[i]->clips_input});
    }
    ops::linear_backward(c, x.data, gradients, x.gradient);
  });
  return true;
}

void add_bias(Context& context, const VectorWeight& bias, const Value& x) {
  ops::bias_forward(context, x.data, bias.value);
  show(context, OperatorKind::bias, &bias, x.data);
  if (context.tape != nullptr && bias.parameter != nullptr)
    context.tape->record([x, weight = &bias](Context& c) {
      ops::bias_backward(c, x.gradient, *gradient_of(*weight));
    });
}

Value columns(Context& context, const Value& x, int64_t begin, int64_t width, int64_t step,
              int64_t count) {
  const Value out = new_value(context, x.data.rows, count);
  const auto from = [=](int64_t i) { return begin + i / width * step + i % width; };
  CHECK(count > 0 && from(count - 1) < x.data.columns);
  if (rehearsing()) return out;
  for (int64_t r = 0; r < x.data.rows; ++r)
    for (int64_t i = 0; i < count; i += width)
      std::copy_n(x.data.row(r) + from(i), width, out.data.row(r) + i);
  if (context.tape != nullptr)
    context.tape->record([=](Context&) {
      for (int64_t r = 0; r < out.gradient.rows; ++r)
        for (int64_t i = 0; i < count; ++i) x.gradient.row(r)[from(i)] += out.gradient.row(r)[i];
    });
  return out;
}

Value select_columns(Context& context, const Value& x, std::span<const int32_t> from) {
  const Value out = new_value(context, x.data.rows, static_cast<int64_t>(from.size()));
  ops::for_each_row(context, out.data.rows, out.data.columns, [&](int64_t r) {
    for (size_t i = 0; i < from.size(); ++i)
      out.data.row(r)[i] = from[i] < 0 ? 0.0f : x.data.row(r)[from[i]];
  });
  if (context.tape != nullptr)
    context.tape->record([=](Context& c) {
      ops::for_each_row(c, out.gradient.rows, out.gradient.columns, [&](int64_t r) {
        for (size_t i = 0; i < from.size(); ++i)
          if (from[i] >= 0) x.gradient.row(r)[from[i]] += out.gradient.row(r)[i];
      });
    });
  return out;
}

void rope(Context& context, RopeTable& table, std::span<const int32_t> positions, int64_t head_dim,
          const Value& x) {
  ops::rope_forward(context, table, positions, head_dim, x.data);
  show(context, OperatorKind::rope, nullptr, x.data);
  if (context.tape != nullptr)
    context.tape->record(
        [&table, head_dim, x, at = std::vector<int32_t>(positions.begin(), positions.end())](
            Context& c) { ops::rope_backward(c, table, at, head_dim, x.gradient); });
}

void hadamard(Context& context, const ops::HadamardMatrix& h, const Value& x) {
  const Value parts = as_rows_of(x, h.size());
  ops::hadamard_forward(context, h, parts.data);
  show(context, OperatorKind::hadamard, nullptr, x.data);
  if (context.tape != nullptr)
    context.tape->record([parts, &h](Context& c) { ops::hadamard_backward(c, h, parts.gradient); });
}

Value attention(Context& context, const Value& q, const Value& k, const Value& v,
                std::span<const SequenceRows> sequences, int64_t layer,
                ops::AttentionOptions options, const VectorWeight* sinks) {
  if (sinks != nullptr) options.sinks = sinks->value.as<float>();
  const Value out = new_value(context, q.data.rows, q.data.columns);
  const Workspace::Mark mark(context.workspace);
  ops::AttentionSequence* of =
      context.workspace.take<ops::AttentionSequence>(static_cast<int64_t>(sequences.size()));
  int64_t row = 0;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const SequenceRows& s = sequences[i];
    s.cache->append(context, layer, s.first_position, k.data.rows_from(row, row + s.rows),
                    v.data.rows_from(row, row + s.rows));
    of[i] = {s.cache, s.first_position, s.rows};
    row += s.rows;
  }
  if (context.probe != nullptr) {
    const PassStep step = context.probe->before_attention(
        {q.data, {of, sequences.size()}, layer, options, v.data.columns});
    if (step == PassStep::end) context.probe->end();
    if (step != PassStep::run) return out;
  }
  ops::attention_forward(context, q.data, {of, sequences.size()}, layer, options, out.data);
  show(context, OperatorKind::attention, nullptr, out.data);
  if (context.tape != nullptr)
    context.tape->record(
        [=, list = std::vector<ops::AttentionSequence>(of, of + sequences.size())](Context& c) {
          ops::attention_backward(c, q.data, list, layer, options, out.gradient,
                                  {q.gradient, k.gradient, v.gradient,
                                   sinks == nullptr ? nullptr : gradient_of(*sinks)});
        });
  return out;
}

Value add(Context& context, const Value& x, const Value& y) {
  if (context.tape == nullptr) {
    ops::add_forward(context, x.data, y.data);
    show(context, OperatorKind::add, nullptr, x.data);
    return x;
  }
  const Value out = new_value(context, x.data.rows, x.data.columns);
  if (!rehearsing()) std::copy_n(x.data.data, x.data.rows * x.data.columns, out.data.data);
  ops::add_forward(context, out.data, y.data);
  show(context, OperatorKind::add, nullptr, out.data);
  context.tape->record([=](Context& c) {
    ops::add_forward(c, x.gradient, out.gradient);
    ops::add_forward(c, y.gradient, out.gradient);
  });
  return out;
}

Value swiglu(Context& context, const Value& gate, const Value& up) {
  const Value out =
      context.tape == nullptr ? gate : new_value(context, gate.data.rows, gate.data.columns);
  ops::swiglu_forward(context, gate.data, up.data, out.data);
  show(context, OperatorKind::swiglu, nullptr, out.data);
  if (context.tape != nullptr)
    context.tape->record([=](Context& c) {
      ops::swiglu_backward(c, gate.data, up.data, out.gradient, gate.gradient, up.gradient);
    });
  return out;
}

Value clamped_swiglu(Context& context, const Value& gate, const Value& up,
                     ops::ClampedSwiglu options) {
  const Value out =
      context.tape == nullptr ? gate : new_value(context, gate.data.rows, gate.data.columns);
  ops::clamped_swiglu_forward(context, gate.data, up.data, options, out.data);
  show(context, OperatorKind::swiglu, nullptr, out.data);
  if (context.tape != nullptr)
    context.tape->record([=](Context& c) {
      ops::clamped_swiglu_backward(c, gate.data, up.data, options, out.gradient, gate.gradient,
                                   up.gradient);
    });
  return out;
}

Value activation(Context& context, ActivationFunction f, const Value& x) {
  const Value out = context.tape == nullptr ? x : new_value(context, x.data.rows, x.data.columns);
  ops::activation_forward(context, f, x.data, out.data);
  show(context, OperatorKind::activation, nullptr, out.data);
  if (context.tape != nullptr)
    context.tape->record(
        [=](Context& c) { ops::activation_backward(c, f, x.data, out.gradient, x.gradient); });
  return out;
}

Value multiply(Context& context, const Value& x, const Value& y) {
  const Value out = context.tape == nullptr ? x : new_value(context, x.data.rows, x.data.columns);
  ops::multiply_forward(context, x.data, y.data, out.data);
  show(context, OperatorKind::multiply, nullptr, out.data);
  if (context.tape != nullptr)
    context.tape->record([=](Context& c) {
      ops::add_products(c, out.gradient, y.data, x.gradient);
      ops::add_products(c, out.gradient, x.data, y.gradient);
    });
  return out;
}

void scale(Context& context, float factor, const Value& x) {
  ops::scale_forward(context, x.data, factor);
  show(context, OperatorKind::scale, nullptr, x.data);
  if (context.tape != nullptr)
    context.tape->record([=](Context& c) { ops::scale_forward(c, x.gradient, factor); });
}

void softcap_into(Context& context, float cap, const Value& x, const Value& y) {
  ops::softcap_forward(context, x.data, cap, y.data);
  show(context, OperatorKind::softcap, nullptr, y.data);
  if (context.tape != nullptr)
    context.tape->record(
        [=](Context& c) { ops::softcap_backward(c, x.data, cap, y.gradient, x.gradient); });
}

Routing route(Context& context, const Value& logits, ops::RoutingOptions options,
              const VectorWeight* choice_bias) {
  if (choice_bias != nullptr) options.choice_bias = choice_bias->value.as<float>();
  const int64_t m = logits.data.rows;
  const auto experts = context.workspace.take_rows<int32_t>(m, options.chosen);
  const Value weights = new_value(context, m, options.chosen);
  ops::route_forward(context, logits.data, options, experts, weights.data);
  show(context, OperatorKind::route, nullptr, weights.data);
  if (context.tape != nullptr)
    context.tape->record([=](Context& c) {
      ops::route_backward(c, logits.data, options, experts, weights.gradient, logits.gradient);
    });
  return {ops::group_by_expert(context.workspace, experts, logits.data.columns), weights};
}

void add_weighted_rows(Context& context, const Value& y, std::span<const int32_t> rows,
                       std::span<const int32_t> slots, const Value& weights, const Value& out) {
  ops::add_weighted_rows(context, y.data, rows, slots, weights.data, out.data);
  show(context, OperatorKind::experts, nullptr, y.data);
  if (context.tape != nullptr)
    context.tape->record([=](Context& c) {  // the lists lie in the workspace, as the values do
      ops::weighted_rows_backward(c, y.data, rows, slots, weights.data, out.gradient, y.gradient,
                                  weights.gradient);
    });
}

Value select_rows(Context& context, const Value& x, std::span<const int32_t> rows) {
  const Value out = new_value(context, static_cast<int64_t>(rows.size()), x.data.columns);
  if (rehearsing()) return out;
  for (size_t i = 0; i < rows.size(); ++i)
    std::copy_n(x.data.row(rows[i]), x.data.columns, out.data.row(static_cast<int64_t>(i)));
  show(context, OperatorKind::select_rows, nullptr, out.data);
  if (context.tape != nullptr)
    context.tape->record([=, from = std::vector<int32_t>(rows.begin(), rows.end())](Context&) {
      for (size_t i = 0; i < from.size(); ++i) {
        const float* g = out.gradient.row(static_cast<int64_t>(i));
        float* to = x.gradient.row(from[i]);
        for (int64_t j = 0; j < out.gradient.columns; ++j) to[j] += g[j];
      }
    });
  return out;
}

}  // namespace farthing::autograd
