// The backward pass of attention: scores are computed again in blocks of queries and keys; the six
// products are the f32 matrix product's kernel.
#include <algorithm>

#include "kernels/attention/attention.h"
#include "ops/attention/attention.h"
#include "ops/linear/product.h"

namespace farthing::ops {
namespace {

constexpr int64_t block_queries = 64, block_keys = 256;

// What one thread needs for sequences of up to `keys` keys.
struct Memory {
  float *keys, *values;                       // [keys][head_dim], as the codec decodes them
  float *keys_across, *values_across;         // their transposes' panels, block after block
  float* keys_panels;                         // panels of the keys themselves, block after block
  float *key_gradient, *value_gradient;       // [keys][head_dim]
  float *weights, *weight_gradient;           // [block_queries][keys + 16]
  float *transposed, *columns;                // [block_keys][block_queries], and of a block's keys
  float *q_panels, *out_panels, *q_gradient;  // of a block of queries
  float* part;                                // [block_keys][head_dim]
  float* slopes;                              // of a row's scores
  float* scratch;

  Memory(Workspace& w, int64_t keys_count, int64_t d) {
    const int64_t rounded = (keys_count + block_keys - 1) / block_keys * block_keys;
    const int64_t padded = padded_head_dim(d);
    for (float** p : {&keys, &values, &key_gradient, &value_gradient})
      *p = w.take<float>(rounded * d);
    for (float** p : {&keys_across, &values_across, &keys_panels})
      *p = w.take<float>(rounded * padded);
    for (float** p : {&weights, &weight_gradient})
      *p = w.take<float>(block_queries * (rounded + 16));
    transposed = w.take<float>(block_keys * block_queries);
    columns = w.take<float>(block_keys * padded);
    for (float** p : {&q_panels, &out_panels}) *p = w.take<float>(block_queries * padded);
    q_gradient = w.take<float>(block_queries * d);
    part = w.take<float>(block_keys * d);
    slopes = w.take<float>(rounded + 16);
    scratch = w.take<float>(matmul_scratch_floats());
  }
};

// Of the rows of one sequence; sinks: [heads], of the sequence alone.
struct Gradients {
  View<float, 2> q, k, v;
  float* sinks;
};

// One kv head of one sequence.
class HeadBackward {
 public:
  HeadBackward(Context& context, const AttentionSequence& sequence, int64_t layer,
               const AttentionOptions& options, int64_t kv_head, int64_t group,
               const Memory& memory)
      : attention_(choose_attention_kernel(context.isa)),
        product_(f32_product_kernel(context.isa)),
        sequence_(sequence),
        layer_(layer),
        kv_head_(kv_head),
        group_(group),
        d_(sequence.cache->head_dim()),
        keys_(sequence.first_position + sequence.rows),
        options_(options),
        m_(memory) {}

  void run(View<const float, 2> q, View<const float, 2> out_gradient, const Gradients& to) {
    decode();
    if (of_scores(to)) std::fill_n(m_.key_gradient, keys_ * d_, 0.0f);
    std::fill_n(m_.value_gradient, keys_ * d_, 0.0f);
    for (int64_t head = 0; head < group_; ++head)
      for (int64_t row = 0; row < sequence_.rows; row += block_queries)
        run_block(kv_head_ * group_ + head, row, q, out_gradient, to);
    const int64_t first = sequence_.first_position;
    if (of_scores(to))
      add_to({m_.key_gradient + first * d_, sequence_.rows, d_, d_}, head_of(to.k, kv_head_));
    add_to({m_.value_gradient + first * d_, sequence_.rows, d_, d_}, head_of(to.v, kv_head_));
  }

 private:
  static bool of_scores(const Gradients& to) { return to.q.data != nullptr; }
  template <class T>
  View<T, 2> head_of(View<T, 2> rows, int64_t head) const {
    return {rows.data + head * d_, rows.rows, d_, rows.stride};
  }
  int64_t keys_of(int64_t begin) const { return std::min(block_keys, keys_ - begin); }

  void decode() {
    const KvPages keys = sequence_.cache->keys(layer_, kv_head_);
    const KvPages values = sequence_.cache->values(layer_, kv_head_);
    for (int64_t p = 0; p * kv_page_positions < keys_; ++p) {
      const int64_t begin = p * kv_page_positions,
                    count = std::min(kv_page_positions, keys_ - begin);
      attention_->decode_keys(keys, p, d_, count, m_.keys + begin * d_);
      attention_->decode_values(values, p, d_, count, m_.values + begin * d_);
    }
    const int64_t padded = padded_head_dim(d_);
    for (int64_t begin = 0; begin < keys_; begin += block_keys) {
      const int64_t count = keys_of(begin);
      const View<const float, 2> block_k{m_.keys + begin * d_, count, d_, d_};
      const View<const float, 2> block_v{m_.values + begin * d_, count, d_, d_};
      pack_right(block_k, 0, count, m_.keys_panels + begin * padded);
      const View<float, 2> across{m_.columns, d_, count, count};
      transpose(block_k, across);
      pack_right(across, 0, d_, m_.keys_across + begin * padded);
      transpose(block_v, across);
      pack_right(across, 0, d_, m_.values_across + begin * padded);
    }
  }

  // Queries [row, row + block) of one head.
  void run_block(int64_t head, int64_t row, View<const float, 2> q_all,
                 View<const float, 2> out_gradient_all, const Gradients& to) {
    const int64_t rows = std::min(block_queries, sequence_.rows - row);
    const auto q = head_of(q_all, head).rows_from(row, row + rows);
    const auto out_gradient = head_of(out_gradient_all, head).rows_from(row, row + rows);
    const int64_t last_keys = sequence_.first_position + row + rows;  // seen by the last row
    const int64_t stride = (last_keys + 15) / 16 * 16 + 16, padded = padded_head_dim(d_);
    for (int64_t begin = 0; begin < last_keys; begin += block_keys) {
      const int64_t count = std::min(keys_of(begin), last_keys - begin);
      Product{product_, d_, count, m_.keys_across + begin * padded}.run(
          q, {m_.weights + begin, rows, count, stride}, m_.scratch);
      if (!of_scores(to)) continue;
      Product{product_, d_, count, m_.values_across + begin * padded}.run(
          out_gradient, {m_.weight_gradient + begin, rows, count, stride}, m_.scratch);
    }
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t seen = sequence_.first_position + row + r + 1;
      float* const weights = m_.weights + r * stride;
      if (!of_scores(to)) {
        weights_of(head, seen, last_keys, weights);
        continue;
      }
      const float of_sink =
          score_gradient(head, seen, last_keys, weights, m_.weight_gradient + r * stride);
      if (to.sinks != nullptr) to.sinks[head] += of_sink;
    }
    if (of_scores(to)) pack_right(q, 0, rows, m_.q_panels);
    pack_right(out_gradient, 0, rows, m_.out_panels);
    for (int64_t begin = 0; begin < last_keys; begin += block_keys) {
      const int64_t count = std::min(keys_of(begin), last_keys - begin);
      const View<const float, 2> weights{m_.weights + begin, rows, count, stride};
      const View<const float, 2> scores{m_.weight_gradient + begin, rows, count, stride};
      add_transposed_product(weights, m_.out_panels, m_.value_gradient + begin * d_);
      if (!of_scores(to)) continue;
      add_transposed_product(scores, m_.q_panels, m_.key_gradient + begin * d_);
      const auto q_gradient = head_of(to.q, head).rows_from(row, row + rows);
      // the panels of a block have as many rows as the block has keys
      if (count == keys_of(begin)) {
        multiply(scores, m_.keys_panels + begin * padded, q_gradient);
      } else {
        pack_right({m_.keys + begin * d_, count, d_, d_}, 0, count, m_.columns);
        multiply(scores, m_.columns, q_gradient);
      }
    }
  }

  // to += a panels.
  void multiply(View<const float, 2> a, const float* panels, View<float, 2> to) const {
    const View<float, 2> part{m_.part, a.rows, d_, d_};
    Product{product_, a.columns, d_, panels}.run(a, part, m_.scratch);
    add_to(part, to);
  }

  // to [a's columns, head_dim] += a^T panels.
  void add_transposed_product(View<const float, 2> a, const float* panels, float* to) const {
    const View<float, 2> across{m_.transposed, a.columns, a.rows, a.rows};
    transpose(a, across);
    const View<float, 2> part{m_.part, a.columns, d_, d_};
    Product{product_, a.rows, d_, panels}.run(across, part, m_.scratch);
    add_to(part, {to, a.columns, d_, d_});
  }

  int64_t first_of(int64_t seen) const {
    return options_.window == 0 || seen < options_.window ? 0 : seen - options_.window;
  }
  const float* sink_of(int64_t head) const {
    return options_.sinks == nullptr ? nullptr : options_.sinks + head;
  }

  // From raw scores to weights, of the keys before `seen` that the window reaches; zeros elsewhere.
  void weights_of(int64_t head, int64_t seen, int64_t count, float* weights) const {
    attention_->weights(weights, first_of(seen), seen, options_.scale, options_.softcap,
                        sink_of(head));
    std::fill(weights + seen, weights + count, 0.0f);
  }

  // From raw scores and the gradient of the weights to weights and the gradient of raw scores, of
  // the keys before `seen` that the window reaches; zeros elsewhere. Returns the sink's gradient.
  float score_gradient(int64_t head, int64_t seen, int64_t count, float* weights,
                       float* gradient) const {
    const int64_t first = first_of(seen);
    const float scale = options_.scale, softcap = options_.softcap;
    if (softcap != 0) attention_->softcap_slopes(weights, seen, scale, softcap, m_.slopes);
    const float of_sink = attention_->weights(weights, first, seen, scale, softcap, sink_of(head));
    double dot = 0;
    for (int64_t j = first; j < seen; ++j) dot += static_cast<double>(weights[j]) * gradient[j];
    const float mean = static_cast<float>(dot);
    for (int64_t j = 0; j < first; ++j) gradient[j] = 0;
    for (int64_t j = first; j < seen; ++j) gradient[j] = weights[j] * (gradient[j] - mean) * scale;
    if (softcap != 0)
      for (int64_t j = first; j < seen; ++j) gradient[j] *= m_.slopes[j];
    for (int64_t j = seen; j < count; ++j) weights[j] = gradient[j] = 0;
    return -of_sink * mean;
  }

  const AttentionKernel& attention_;
  const MatmulKernel& product_;
  const AttentionSequence& sequence_;
  int64_t layer_, kv_head_, group_, d_, keys_;
  AttentionOptions options_;
  const Memory& m_;
};

}  // namespace

void attention_backward(Context& context, View<const float, 2> q,
                        std::span<const AttentionSequence> sequences, int64_t layer,
                        const AttentionOptions& options, View<const float, 2> out_gradient,
                        const AttentionGradients& to) {
  CHECK(!sequences.empty());
  const KvCache& first = *sequences[0].cache;
  const int64_t d = first.head_dim(), kv_heads = first.kv_heads();
  CHECK(q.columns % (kv_heads * d) == 0);
  CHECK(out_gradient.columns == q.columns && q.rows == out_gradient.rows);
  CHECK(to.v.columns == kv_heads * d && to.v.rows == q.rows);
  const bool of_scores = to.q.data != nullptr;
  CHECK(of_scores == (to.k.data != nullptr) && (of_scores || to.sinks == nullptr));
  if (of_scores) {
    CHECK(to.q.columns == q.columns && to.k.columns == to.v.columns);
    CHECK(to.q.rows == q.rows && to.k.rows == q.rows);
  }
  int64_t most_keys = 0;
  for (const AttentionSequence& s : sequences)
    most_keys = std::max(most_keys, s.first_position + s.rows);
  const Workspace::Mark mark(context.workspace);
  Memory* memory = context.workspace.take<Memory>(context.pool.size());
  for (int i = 0; i < context.pool.size(); ++i)
    new (memory + i) Memory(context.workspace, most_keys, d);
  // each sequence's own, so that their sum has one order
  const int64_t heads = q.columns / d, count = static_cast<int64_t>(sequences.size());
  float* const of_sinks =
      to.sinks == nullptr ? nullptr : context.workspace.take<float>(count * heads);
  if (of_sinks != nullptr) std::fill_n(of_sinks, count * heads, 0.0f);
  context.pool.run([&](Part part) {
    int64_t row = 0, unit = 0;
    for (int64_t i = 0; i < count; ++i) {
      const AttentionSequence& s = sequences[static_cast<size_t>(i)];
      float* const sinks = of_sinks == nullptr ? nullptr : of_sinks + i * heads;
      const int64_t end = row + s.rows;
      for (int64_t head = 0; head < kv_heads; ++head, ++unit) {
        if (unit % part.count != part.index) continue;
        HeadBackward(context, s, layer, options, head, q.columns / (kv_heads * d),
                     memory[part.index])
            .run(q.rows_from(row, end), out_gradient.rows_from(row, end),
                 {of_scores ? to.q.rows_from(row, end) : to.q,
                  of_scores ? to.k.rows_from(row, end) : to.k, to.v.rows_from(row, end), sinks});
      }
      row = end;
    }
  });
  if (to.sinks == nullptr) return;
  CHECK(to.sinks->dtype() == DType::f32 && to.sinks->shape() == Shape({heads}));
  for (int64_t i = 0; i < count; ++i)
    for (int64_t h = 0; h < heads; ++h) to.sinks->as<float>()[h] += of_sinks[i * heads + h];
}

}  // namespace farthing::ops
