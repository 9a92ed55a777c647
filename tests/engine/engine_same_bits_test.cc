// What a request gets never depends on what else is going on: compared bit for bit with each
// request alone.
#include <algorithm>

#include "base/cpu.h"
#include "engine/support/requests.h"
#include "model/support/models.h"

namespace farthing {
namespace {

struct Case {
  std::string scheme;
  KvCodec codec;
};

class EngineSameBits : public ::testing::TestWithParam<Case> {};

struct Fixture {
  explicit Fixture(int threads = 2) : owner(threads, choose_isa().value()) {
    const auto& [scheme, codec] = EngineSameBits::GetParam();
    model = testing::stories260k(owner.get(), scheme);
    requests = testing::random_requests(64, model->config().vocabulary_size);
  }
  std::unique_ptr<Engine> engine(EngineOptions options) {
    options.kv_cache_dtype = EngineSameBits::GetParam().codec;
    return testing::new_engine(owner.get(), *model, options);
  }
  // One engine for each request.
  std::vector<testing::Made> alone() {
    std::vector<testing::Made> out;
    for (const Request& request : requests) {
      const auto one = engine({.enable_prefix_caching = false});
      out.push_back(testing::run_all(*one, {request}, {0})[0]);
    }
    return out;
  }

  ContextOwner owner;
  std::unique_ptr<Model> model;
  std::vector<Request> requests;
};

void expect_same(const std::vector<testing::Made>& got, const std::vector<testing::Made>& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(got[i] == wanted[i]) << "request " << i;
}

TEST_P(EngineSameBits, EachRequestGetsWhatItGetsAlone) {
  Fixture f;
  const auto alone = f.alone();
  auto order = testing::in_order(f.requests.size());
  {
    SCOPED_TRACE("all at once");
    const auto engine = f.engine({});
    expect_same(testing::run_all(*engine, f.requests, order), alone);
    EXPECT_GT(engine->statistics().reused_tokens, 0);
    EXPECT_EQ(engine->statistics().preemptions, 0);
    SCOPED_TRACE("and again, out of the prefix cache");
    const int64_t reused = engine->statistics().reused_tokens;
    std::reverse(order.begin(), order.end());
    expect_same(testing::run_all(*engine, f.requests, order), alone);
    EXPECT_GT(engine->statistics().reused_tokens, 2 * reused);
  }
  {
    SCOPED_TRACE("few pages: preemption and eviction");
    const auto engine = f.engine({.kv_pages = 9});
    expect_same(testing::run_all(*engine, f.requests, order), alone);
    EXPECT_GT(engine->statistics().preemptions, 0);
    EXPECT_GT(engine->statistics().evictions, 0);
  }
  {
    SCOPED_TRACE("few pages, no prefix cache, odd chunks");
    const auto engine =
        f.engine({.kv_pages = 12, .max_num_batched_tokens = 37, .enable_prefix_caching = false});
    expect_same(testing::run_all(*engine, f.requests, order), alone);
    EXPECT_GT(engine->statistics().preemptions, 0);
    EXPECT_EQ(engine->free_kv_pages(), 12);
  }
  {
    SCOPED_TRACE("fewer tokens a step than requests");
    const auto engine = f.engine({.max_num_seqs = 10, .max_num_batched_tokens = 7});
    expect_same(testing::run_all(*engine, f.requests, order), alone);
  }
}

TEST_P(EngineSameBits, ThreadsDoNotMatter) {
  Fixture one(1), three(3);
  const auto order = testing::in_order(one.requests.size());
  expect_same(testing::run_all(*three.engine({}), three.requests, order),
              testing::run_all(*one.engine({}), one.requests, order));
}

TEST_P(EngineSameBits, RequestsThatComeLateAndAreCancelledDisturbNobody) {
  Fixture f;
  const auto alone = f.alone();
  const auto engine = f.engine({.kv_pages = 16});
  std::map<RequestId, testing::Made> made;
  std::map<size_t, RequestId> ids;
  for (size_t i = 0; i < f.requests.size(); ++i) {
    ids[i] = engine->submit(f.requests[i]).value();
    testing::take_outputs(engine->step(), made);
    if (i % 5 == 4) engine->cancel(ids[i - 2]);
  }
  while (!engine->idle()) testing::take_outputs(engine->step(), made);
  for (size_t i = 0; i < f.requests.size(); ++i)
    EXPECT_TRUE(i % 5 == 2 || made[ids[i]] == alone[i]) << "request " << i;
}

INSTANTIATE_TEST_SUITE_P(Cases, EngineSameBits,
                         ::testing::Values(Case{"f32", KvCodec::f32}, Case{"f32", KvCodec::int8},
                                           Case{"int4_g128@int8_block32", KvCodec::f32},
                                           Case{"int4_g128@int8_block32", KvCodec::int8}),
                         [](const auto& info) {
                           return info.param.scheme.substr(0, info.param.scheme.find('_')) +
                                  "_kv_" + std::string(kv_codec_info(info.param.codec).name);
                         });

}  // namespace
}  // namespace farthing
