// Gradients of linear, attention and of a whole model against finite differences in double.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "autograd/operators.h"
#include "base/random.h"
#include "model/support/models.h"
#include "ops/linear/linear.h"
#include "train/trained_model.h"

namespace farthing {
namespace {

std::vector<float> normals(uint64_t stream, int64_t count) {
  std::vector<float> out;
  for (int64_t i = 0; i < count; ++i)
    out.push_back(random_normal(11, stream, static_cast<uint64_t>(i)));
  return out;
}

View<float, 2> rows_of(std::vector<float>& v, int64_t columns) {
  return {v.data(), static_cast<int64_t>(v.size()) / columns, columns, columns};
}

// Odd sizes: parts of panels, of tiles, of blocks of rows.
TEST(LinearBackward, EveryFormatsGradientsAreThoseOfTheDecodedWeight) {
  for (const Format& format : all_formats()) {
    for (const auto& [m, n, least_k] :
         {std::array<int64_t, 3>{1, 5, 64}, {70, 33, 96}, {300, 65, 288}}) {
      const int64_t k = (least_k + format.block - 1) / format.block * format.block;
      ContextOwner owner(2, supported_isas().back());
      Context& context = owner.get();
      auto values = normals(1, n * k), x = normals(2, m * k), dy = normals(3, m * n);
      QuantizedTensor w = QuantizedTensor::allocate(format, n, k);
      const ScaleRule rule =
          format.scale_rules.empty() ? ScaleRule::half_step : format.scale_rules.front();
      w.encode(values.data(), k, rule);
      const Tensor decoded = w.decode();
      std::vector<float> dx(x.size(), 1.0f), dw(values.size(), 2.0f);  // backward adds
      const ops::LinearGradient g{&w, Activations::f32, rows_of(dy, n), rows_of(dw, k)};
      ops::linear_backward(context, rows_of(x, k), {&g, 1}, rows_of(dx, k));
      for (int64_t r = 0; r < m; ++r)
        for (int64_t i = 0; i < k; ++i) {
          double exact = 0, size = 0;
          for (int64_t o = 0; o < n; ++o) {
            const double term = static_cast<double>(dy[r * n + o]) * decoded.as<float>()[o * k + i];
            exact += term;
            size += std::fabs(term);
          }
          // n products in one chain, then the addition to 1
          ASSERT_NEAR(dx[r * k + i], 1 + exact, (n + 2) * 0x1p-24 * (1 + size)) << format.name;
        }
      for (int64_t o = 0; o < n; ++o)
        for (int64_t i = 0; i < k; ++i) {
          double exact = 0, size = 0;
          for (int64_t r = 0; r < m; ++r) {
            const double term = static_cast<double>(dy[r * n + o]) * x[r * k + i];
            exact += term;
            size += std::fabs(term);
          }
          ASSERT_NEAR(dw[o * k + i], 2 + exact, (m + 2) * 0x1p-24 * (2 + size)) << format.name;
        }
    }
  }
}

// One head's attention in double, of one output component.
struct AttentionInDouble {
  int64_t tokens, heads, kv_heads, d;
  std::vector<double> q, k, v;
  double softcap = 0;
  int64_t window = 1 << 20;

  double loss(const std::vector<float>& weights) const {
    double sum = 0;
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t t = 0; t < tokens; ++t) {
        const int64_t kv = h / (heads / kv_heads);
        std::vector<double> p;
        double largest = -1e300, total = 0;
        const int64_t first = std::max(int64_t{0}, t + 1 - window);
        for (int64_t j = first; j <= t; ++j) {
          double score = 0;
          for (int64_t i = 0; i < d; ++i)
            score += q[(t * heads + h) * d + i] * k[(j * kv_heads + kv) * d + i];
          score /= std::sqrt(static_cast<double>(d));
          p.push_back(softcap == 0 ? score : softcap * std::tanh(score / softcap));
          largest = std::max(largest, p.back());
        }
        for (double& each : p) total += each = std::exp(each - largest);
        for (int64_t j = first; j <= t; ++j)
          for (int64_t i = 0; i < d; ++i)
            sum += p[static_cast<size_t>(j - first)] / total * v[(j * kv_heads + kv) * d + i] *
                   weights[(t * heads + h) * d + i];
      }
    return sum;
  }
};

struct AttentionCase {
  int64_t tokens, heads, kv_heads, d;
  float softcap = 0;
  int64_t window = 0;
};

TEST(AttentionBackward, AgreesWithFiniteDifferences) {
  for (const auto& [tokens, heads, kv_heads, d, softcap, window] : {AttentionCase{9, 2, 1, 6},
                                                                    {70, 4, 2, 8},
                                                                    {300, 1, 1, 4},
                                                                    {70, 2, 1, 8, 1.5f},
                                                                    {70, 2, 1, 8, 0, 9},
                                                                    {300, 1, 1, 4, 2.0f, 100}}) {
    ContextOwner owner(2, supported_isas().back());
    Context& context = owner.get();
    auto q = normals(1, tokens * heads * d), dout = normals(4, tokens * heads * d);
    auto k = normals(2, tokens * kv_heads * d), v = normals(3, tokens * kv_heads * d);
    KvCache cache({1, kv_heads, d});
    cache.append(context, 0, 0, rows_of(k, kv_heads * d), rows_of(v, kv_heads * d));
    std::vector<float> dq(q.size()), dk(k.size()), dv(v.size());
    const ops::AttentionSequence sequence{&cache, 0, tokens};
    ops::attention_backward(
        context, rows_of(q, heads * d), {&sequence, 1}, 0,
        {1.0f / std::sqrt(static_cast<float>(d)), softcap, window}, rows_of(dout, heads * d),
        {rows_of(dq, heads * d), rows_of(dk, kv_heads * d), rows_of(dv, kv_heads * d)});
    AttentionInDouble reference{tokens, heads, kv_heads, d, {}, {}, {}};
    reference.softcap = softcap;
    if (window != 0) reference.window = window;
    reference.q.assign(q.begin(), q.end());
    reference.k.assign(k.begin(), k.end());
    reference.v.assign(v.begin(), v.end());
    const auto check = [&](std::vector<double>& in, const std::vector<float>& gradient,
                           const char* what) {
      for (size_t i = 0; i < in.size(); i += 1 + in.size() / 40) {
        constexpr double step = 1e-5;
        const double at = in[i];
        in[i] = at + step;
        const double high = reference.loss(dout);
        in[i] = at - step;
        const double low = reference.loss(dout);
        in[i] = at;
        // The difference errs by step^2 and by 1e-16 of the loss over the step; f32 by some hundred
        // units of 2^-24 of terms of size 10 added over the tokens.
        EXPECT_NEAR(gradient[i], (high - low) / (2 * step), 2e-4) << what << " " << i;
      }
    };
    check(reference.q, dq, "q");
    check(reference.k, dk, "k");
    check(reference.v, dv, "v");
  }
}

TEST(AttentionBackward, OfValuesAloneGivesTheSameBits) {
  const int64_t tokens = 300, heads = 4, kv_heads = 2, d = 8;
  for (const int64_t window : {0, 70}) {
    ContextOwner owner(2, supported_isas().back());
    auto q = normals(1, tokens * heads * d), dout = normals(4, tokens * heads * d);
    auto k = normals(2, tokens * kv_heads * d), v = normals(3, tokens * kv_heads * d);
    KvCache cache({1, kv_heads, d});
    cache.append(owner.get(), 0, 0, rows_of(k, kv_heads * d), rows_of(v, kv_heads * d));
    const ops::AttentionSequence sequence{&cache, 0, tokens};
    std::vector<float> dq(q.size()), dk(k.size()), dv(v.size()), alone(v.size());
    const auto backward = [&](const ops::AttentionGradients& to) {
      ops::attention_backward(owner.get(), rows_of(q, heads * d), {&sequence, 1}, 0,
                              {.scale = 0.35f, .softcap = 1.5f, .window = window},
                              rows_of(dout, heads * d), to);
    };
    backward({rows_of(dq, heads * d), rows_of(dk, kv_heads * d), rows_of(dv, kv_heads * d)});
    const View<float, 2> none{nullptr, 0, 0, 0};
    backward({none, none, rows_of(alone, kv_heads * d)});
    EXPECT_EQ(std::memcmp(dv.data(), alone.data(), dv.size() * sizeof(float)), 0) << window;
  }
}

// The loss of a whole model along the gradient's own direction: its derivative is the norm. The f32
// loss is a sum of 141 tokens with errors near 1e-5; a step of 1e-3 along a unit vector changes it
// by 1e-3 times the norm, so the quotient is good to 1 %, and the curvature cancels.
TEST(ModelGradient, IsTheDirectionalDerivative) {
  ContextOwner owner(2, choose_isa().value());
  Context& context = owner.get();
  NoProgress progress;
  auto checkpoint = Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k").value();
  const TrainedPrecision precision{.linears = parse_scheme("f32").value(),
                                   .tables = parse_scheme("f32").value()};
  auto model = std::move(TrainedModel::create(context, *checkpoint, precision, progress).value());
  const auto tokens = testing::some_tokens(142, 512);
  const TrainingSequence sequence{std::span(tokens).first(141), std::span(tokens).subspan(1)};
  model->clear_gradients(context);
  model->accumulate_gradients(context, {&sequence, 1}, 1.0f, false);
  for (const auto& p : model->parameters()) {
    const int64_t count = p->value.shape().elements();
    double squares = 0;
    for (int64_t i = 0; i < count; ++i)
      squares += static_cast<double>(p->gradient.as<float>()[i]) * p->gradient.as<float>()[i];
    const double norm = std::sqrt(squares), step = 1e-3;
    const std::vector<float> before(p->value.as<float>(), p->value.as<float>() + count);
    const auto loss_at = [&](double s) {
      for (int64_t i = 0; i < count; ++i)
        p->value.as<float>()[i] =
            static_cast<float>(before[i] + s * p->gradient.as<float>()[i] / norm);
      EXPECT_TRUE(model->encode(context));
      return model->loss(context, {&sequence, 1});
    };
    const double slope = (loss_at(step) - loss_at(-step)) / (2 * step);
    std::copy(before.begin(), before.end(), p->value.as<float>());
    EXPECT_NEAR(slope, norm, 0.01 * norm + 0.05) << p->name;
  }
}

}  // namespace
}  // namespace farthing
