// Facts about attention: values against double, and bits that no split of the work changes.
#include "ops/attention/attention.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/random.h"

namespace farthing {
namespace {

// One sequence's queries, keys and values.
struct Inputs {
  int64_t tokens, heads, kv_heads, head_dim;
  std::vector<float> q, k, v;

  Inputs(int64_t tokens, int64_t heads, int64_t kv_heads, int64_t head_dim, uint64_t seed = 3)
      : tokens(tokens), heads(heads), kv_heads(kv_heads), head_dim(head_dim) {
    const auto fill = [&](std::vector<float>& to, int64_t columns, uint64_t stream) {
      for (int64_t i = 0; i < tokens * columns; ++i)
        to.push_back(random_normal(seed, stream, static_cast<uint64_t>(i)));
    };
    fill(q, heads * head_dim, 1);
    fill(k, kv_heads * head_dim, 2);
    fill(v, kv_heads * head_dim, 3);
  }

  static View<const float, 2> rows(const std::vector<float>& of, int64_t columns, int64_t begin,
                                   int64_t end) {
    return {of.data() + begin * columns, end - begin, columns, columns};
  }
};

// One sequence's rows.
void attend(Context& context, View<const float, 2> q, const KvCache& cache, int64_t layer,
            int64_t first_position, View<float, 2> out, float softcap = 0, int64_t window = 0) {
  const ops::AttentionSequence sequence{&cache, first_position, q.rows};
  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(cache.head_dim())));
  ops::attention_forward(context, q, {&sequence, 1}, layer, {scale, softcap, window}, out);
}

// Runs the tokens in chunks that end at `ends`, as prompts and decode steps would.
std::vector<float> run(const Inputs& in, Isa isa, int threads, const std::vector<int64_t>& ends,
                       float softcap = 0, int64_t window = 0) {
  ContextOwner owner(threads, isa);
  Context& context = owner.get();
  KvCache cache({2, in.kv_heads, in.head_dim});
  std::vector<float> out(in.q.size(), -1.0f);
  const int64_t width = in.heads * in.head_dim, kv_width = in.kv_heads * in.head_dim;
  int64_t begin = 0;
  for (int64_t end : ends) {
    const auto k = Inputs::rows(in.k, kv_width, begin, end),
               v = Inputs::rows(in.v, kv_width, begin, end);
    cache.append(context, 1, begin, k, v);
    const View<float, 2> to{out.data() + begin * width, end - begin, width, width};
    attend(context, Inputs::rows(in.q, width, begin, end), cache, 1, begin, to, softcap, window);
    begin = end;
  }
  return out;
}

std::vector<int64_t> one_by_one(int64_t tokens) {
  std::vector<int64_t> ends;
  for (int64_t t = 1; t <= tokens; ++t) ends.push_back(t);
  return ends;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Heads, kv heads and head sizes: plain, grouped, one kv head, whole vectors, part vectors.
const std::vector<std::array<int64_t, 3>> head_shapes = {
    {2, 2, 64}, {9, 3, 64}, {5, 1, 2}, {4, 2, 80}, {7, 7, 18}, {2, 1, 256}, {16, 2, 40}};

TEST(Attention, ValuesAgreeWithDouble) {
  for (const auto& [heads, kv_heads, head_dim] : head_shapes) {
    const Inputs in(300, heads, kv_heads, head_dim);
    const auto out = run(in, supported_isas().back(), 1, {in.tokens});
    for (int64_t t : {0, 1, 63, 64, 100, 255, 256, 299}) {
      for (int64_t h = 0; h < heads; ++h) {
        const float* q = &in.q[(t * heads + h) * head_dim];
        const int64_t kv = h / (heads / kv_heads);
        std::vector<double> weights;
        double largest = -1e300, magnitude = 0, sum = 0;
        for (int64_t j = 0; j <= t; ++j) {
          double score = 0, size = 0;
          for (int64_t d = 0; d < head_dim; ++d) {
            const double product =
                static_cast<double>(q[d]) * in.k[(j * kv_heads + kv) * head_dim + d];
            score += product;
            size += std::fabs(product);
          }
          weights.push_back(score / std::sqrt(static_cast<double>(head_dim)));
          largest = std::max(largest, weights.back());
          magnitude = std::max(magnitude, size / std::sqrt(static_cast<double>(head_dim)));
        }
        for (double& w : weights) sum += (w = std::exp(w - largest));
        for (int64_t d = 0; d < head_dim; ++d) {
          double exact = 0, size = 0;
          for (int64_t j = 0; j <= t; ++j) {
            const double term = weights[j] / sum * in.v[(j * kv_heads + kv) * head_dim + d];
            exact += term;
            size += std::fabs(term);
          }
          // A score errs by (head_dim + 3) 2^-24 of its sum of magnitudes, so does a weight
          // relatively, and the sum of the weights again; a weight's own roundings: 4; chains over
          // at most 256 keys and two merges: 264.
          const double tolerance = size * 0x1p-24 * (2 * (head_dim + 3) * magnitude + 8 + 264);
          EXPECT_NEAR(out[(t * heads + h) * head_dim + d], exact, tolerance)
              << head_dim << " " << t << " " << h << " " << d;
        }
      }
    }
  }
}

TEST(Attention, EveryInstructionSetGivesThePortableBits) {
  for (const auto& [heads, kv_heads, head_dim] : head_shapes) {
    const Inputs in(270, heads, kv_heads, head_dim);
    const auto portable = run(in, Isa::portable, 1, {in.tokens});
    for (Isa isa : supported_isas())
      EXPECT_TRUE(same_bits(run(in, isa, 1, {in.tokens}), portable))
          << isa_name(isa) << " " << head_dim;
  }
}

TEST(Attention, DecodeAndChunksGiveTheBitsOfThePrompt) {
  for (Isa isa : supported_isas()) {
    for (const auto& [heads, kv_heads, head_dim] : head_shapes) {
      const Inputs in(isa == Isa::portable ? 70 : 530, heads, kv_heads, head_dim);
      const auto prompt = run(in, isa, 1, {in.tokens});
      EXPECT_TRUE(same_bits(run(in, isa, 1, one_by_one(in.tokens)), prompt))
          << isa_name(isa) << " decode " << head_dim;
      for (const std::vector<int64_t>& ends :
           {std::vector<int64_t>{1, 64, 65, 200, 256, 257, 512}, {63, 250, 270, 300}, {17, 500}}) {
        std::vector<int64_t> chunks;
        for (int64_t end : ends)
          if (end < in.tokens) chunks.push_back(end);
        chunks.push_back(in.tokens);
        EXPECT_TRUE(same_bits(run(in, isa, 1, chunks), prompt))
            << isa_name(isa) << " chunks " << head_dim;
      }
    }
  }
}

TEST(Attention, ThreadsDoNotChangeTheBits) {
  for (const auto& [heads, kv_heads, head_dim] : head_shapes) {
    const Inputs in(600, heads, kv_heads, head_dim);
    const Isa isa = supported_isas().back();
    const std::vector<int64_t> ends = {250, 590, 591, 592, 600};
    const auto one = run(in, isa, 1, ends);
    for (int threads : {2, 3, 8})
      EXPECT_TRUE(same_bits(run(in, isa, threads, ends), one)) << threads << " " << head_dim;
  }
}

// Long enough that single tokens are shared between threads by partitions.
TEST(Attention, ThreadsDoNotChangeTheBitsOfALongDecode) {
  const Inputs in(1290, 9, 3, 64);
  for (Isa isa : supported_isas()) {
    if (isa == Isa::portable) continue;
    std::vector<int64_t> ends = {1000, 1020};
    for (int64_t end = 1021; end <= 1030; ++end) ends.push_back(end);
    ends.insert(ends.end(), {1275, 1280, 1281, 1290});
    const auto one = run(in, isa, 1, {in.tokens});
    for (int threads : {1, 2, 3, 8})
      EXPECT_TRUE(same_bits(run(in, isa, threads, ends), one)) << isa_name(isa) << " " << threads;
  }
}

TEST(Attention, KeysBehindTheQueryAreNotRead) {
  const Inputs in(140, 4, 2, 64);
  for (Isa isa : supported_isas()) {
    const auto expected = run(in, isa, 1, {in.tokens});
    ContextOwner owner(1, isa);
    KvCache cache({1, in.kv_heads, in.head_dim});
    std::vector<float> k = in.k, v = in.v;
    for (size_t i = 100 * 128; i < k.size(); ++i) k[i] = v[i] = NAN;
    cache.append(owner.get(), 0, 0, Inputs::rows(k, 128, 0, in.tokens),
                 Inputs::rows(v, 128, 0, in.tokens));
    std::vector<float> out(in.q.size());
    attend(owner.get(), Inputs::rows(in.q, 256, 0, in.tokens), cache, 0, 0,
           {out.data(), in.tokens, 256, 256});
    EXPECT_EQ(std::memcmp(out.data(), expected.data(), 100 * 256 * sizeof(float)), 0)
        << isa_name(isa);
    EXPECT_TRUE(std::isnan(out[100 * 256]));
  }
}

TEST(Attention, EveryInstructionSetGivesTheCommittedDigest) {
  const Inputs in(530, 9, 3, 64);
  for (Isa isa : {Isa::portable, Isa::avx2, Isa::avx512}) {
    if (!isa_supported(isa)) {
      std::printf("not run on this machine: %s\n", std::string(isa_name(isa)).c_str());
      continue;
    }
    const auto out = run(in, isa, 1, {in.tokens});
    EXPECT_EQ(XXH3_64bits(out.data(), out.size() * sizeof(float)), 0x7e6ed770544012a1u)
        << isa_name(isa);
  }
}

TEST(Attention, ADecodeStepAllocatesNothing) {
  const Inputs in(1300, 9, 3, 64);  // beyond 910 tokens a step uses threads
  for (int threads : {1, 4}) {
    ContextOwner owner(threads, supported_isas().back());
    Context& context = owner.get();
    KvCache cache({1, 3, 64}, in.tokens);
    std::vector<float> out(576);
    const auto step = [&](int64_t t) {
      cache.append(context, 0, t, Inputs::rows(in.k, 192, t, t + 1),
                   Inputs::rows(in.v, 192, t, t + 1));
      attend(context, Inputs::rows(in.q, 576, t, t + 1), cache, 0, t, {out.data(), 1, 576, 576});
    };
    int64_t t = 0;
    for (; t < 1000; ++t) step(t);
    reset_peak_memory();
    const int64_t before = memory_use().peak_bytes;
    for (; t < in.tokens; ++t) step(t);
    EXPECT_EQ(memory_use().peak_bytes, before);
  }
}

TEST(KvCache, ForgottenPositionsAreWrittenAgain) {
  const Inputs in(100, 2, 2, 64);
  ContextOwner owner(1, supported_isas().back());
  KvCache cache({1, 2, 64});
  cache.append(owner.get(), 0, 0, Inputs::rows(in.k, 128, 0, 100), Inputs::rows(in.v, 128, 0, 100));
  cache.truncate(70);
  EXPECT_EQ(cache.length(0), 70);
  cache.append(owner.get(), 0, 60, Inputs::rows(in.k, 128, 60, 100),
               Inputs::rows(in.v, 128, 60, 100));
  EXPECT_EQ(cache.length(0), 100);
  EXPECT_EQ(cache.capacity(), 128);
  EXPECT_EQ(cache.bytes(), 2 * 2 * 2 * (64 * 64 * 4 + 64));  // 64: room behind a head's page
  std::vector<float> out(in.q.size());
  attend(owner.get(), Inputs::rows(in.q, 128, 0, 100), cache, 0, 0, {out.data(), 100, 128, 128});
  EXPECT_TRUE(same_bits(out, run(in, supported_isas().back(), 1, {100})));
}

// The first 100 positions of one text, then another's: attention is that of the whole, and of the
// first text unchanged.
TEST(KvCache, AForkGoesOnByItself) {
  const Inputs in(200, 2, 2, 64), other(200, 2, 2, 64, 4);
  ContextOwner owner(1, supported_isas().back());
  Context& context = owner.get();
  const auto append = [&](KvCache& cache, const Inputs& from, int64_t begin, int64_t end) {
    cache.append(context, 0, begin, Inputs::rows(from.k, 128, begin, end),
                 Inputs::rows(from.v, 128, begin, end));
  };
  const auto attended = [&](const KvCache& cache) {
    std::vector<float> out(in.q.size());
    attend(context, Inputs::rows(in.q, 128, 0, 200), cache, 0, 0, {out.data(), 200, 128, 128});
    return out;
  };
  KvCache first({1, 2, 64});
  append(first, in, 0, 200);
  const auto before = attended(first);
  KvCache whole({1, 2, 64});
  append(whole, in, 0, 100);
  append(whole, other, 100, 200);

  KvCache fork = first.fork(100);
  EXPECT_EQ(fork.length(0), 100);
  append(fork, other, 100, 200);
  EXPECT_EQ(fork.pages()[0], first.pages()[0]) << "a whole page is shared";
  EXPECT_TRUE(same_bits(attended(fork), attended(whole)));
  EXPECT_TRUE(same_bits(attended(first), before));
}

TEST(KvCache, PagesAreFreeWhenTheLastForkGoes) {
  const auto pool = std::make_shared<KvPool>(KvLayout{1, 2, 64});
  const Inputs in(130, 2, 2, 64);
  ContextOwner owner(1, supported_isas().back());
  {
    KvCache fork(pool);
    {
      KvCache first(pool);
      first.append(owner.get(), 0, 0, Inputs::rows(in.k, 128, 0, 130),
                   Inputs::rows(in.v, 128, 0, 130));
      fork = first.fork(70);
      EXPECT_EQ(pool->pages() - pool->free_pages(), 3 + 1);
    }
    EXPECT_EQ(pool->pages() - pool->free_pages(), 2);
  }
  EXPECT_EQ(pool->pages(), pool->free_pages());
}

// Windows within a page, over a page, over partitions, and longer than the text.
constexpr int64_t windows[] = {1, 5, 64, 100, 256, 300, 5000};

TEST(AttentionWindow, ValuesAgreeWithDouble) {
  const int64_t heads = 4, kv_heads = 2, d = 16;
  const Inputs in(600, heads, kv_heads, d);
  for (const float softcap : {0.0f, 2.0f}) {
    for (const int64_t window : windows) {
      const auto out = run(in, supported_isas().back(), 1, {in.tokens}, softcap, window);
      for (const int64_t t : {0, 4, 63, 64, 255, 256, 300, 511, 512, 599}) {
        for (int64_t h = 0; h < heads; ++h) {
          std::vector<double> weights;
          const int64_t first = std::max(int64_t{0}, t + 1 - window);
          double sum = 0;
          for (int64_t j = first; j <= t; ++j) {
            double score = 0;
            for (int64_t i = 0; i < d; ++i)
              score += static_cast<double>(in.q[(t * heads + h) * d + i]) *
                       in.k[(j * kv_heads + h / 2) * d + i];
            score /= std::sqrt(static_cast<double>(d));
            if (softcap != 0) score = softcap * std::tanh(score / softcap);
            weights.push_back(std::exp(score));
            sum += weights.back();
          }
          for (int64_t i = 0; i < d; ++i) {
            double exact = 0;
            for (int64_t j = first; j <= t; ++j)
              exact += weights[static_cast<size_t>(j - first)] / sum *
                       in.v[(j * kv_heads + h / 2) * d + i];
            // some hundred roundings of terms whose magnitudes add up to about 1
            EXPECT_NEAR(out[(t * heads + h) * d + i], exact, 2e-5) << window << " " << t;
          }
        }
      }
    }
  }
}

TEST(AttentionWindow, DecodeChunksThreadsAndInstructionSetsGiveTheBitsOfThePrompt) {
  const Inputs in(600, 4, 2, 16);
  for (const float softcap : {0.0f, 2.0f}) {
    for (const int64_t window : windows) {
      const auto prompt = run(in, Isa::portable, 1, {in.tokens}, softcap, window);
      for (const Isa isa : supported_isas()) {
        for (const int threads : {1, 2})
          EXPECT_TRUE(same_bits(run(in, isa, threads, {in.tokens}, softcap, window), prompt));
        const std::vector<int64_t> chunks = {63, 250, 270, 300, 599, 600};
        EXPECT_TRUE(same_bits(run(in, isa, 2, chunks, softcap, window), prompt)) << window;
        if (isa == Isa::portable) continue;
        EXPECT_TRUE(same_bits(run(in, isa, 2, one_by_one(in.tokens), softcap, window), prompt))
            << isa_name(isa) << " " << window << " " << softcap;
      }
    }
  }
}

}  // namespace
}  // namespace farthing
