// Random requests for the engine, and what becomes of them.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "base/random.h"
#include "engine/engine.h"

namespace farthing::testing {

// Prompts of 1..200 tokens; every third begins with one of two prefixes of 140 tokens. Greedy and
// with temperature 0.8; every seventh wants its prompt's log-probabilities.
inline std::vector<Request> random_requests(size_t count, int64_t vocabulary) {
  std::vector<Request> out(count);
  for (size_t i = 0; i < count; ++i) {
    const auto random = [i](uint64_t index, uint64_t below) {
      return random_bits(7, i, index) % below;
    };
    const size_t size = 1 + random(0, 200);
    for (size_t t = 0; t < size; ++t) {
      const bool prefix = i % 3 == 0 && t < 140;
      const uint64_t bits = prefix ? random_bits(8, i % 2, t) : random_bits(9, i, t);
      out[i].prompt.push_back(static_cast<int32_t>(bits % static_cast<uint64_t>(vocabulary)));
    }
    out[i].most_tokens = static_cast<int64_t>(random(1, 80));
    if (random(2, 2) == 0) {
      out[i].sampling.temperature = 0;
    } else {
      out[i].sampling = {.temperature = 0.8f, .top_p = 0.95f, .repetition_penalty = 1.1f};
      out[i].sampling.seed = random(3, 5);
    }
    out[i].stream = i;
    out[i].stop_tokens = {2};
    out[i].prompt_log_probabilities = i % 7 == 0;
  }
  return out;
}

struct Made {
  std::vector<int32_t> ids;
  std::vector<float> log_probabilities, prompt;
  bool finished = false;
  Finish finish = Finish::most_tokens;

  bool operator==(const Made& other) const {
    const auto same = [](const std::vector<float>& a, const std::vector<float>& b) {
      return a.size() == b.size() &&
             (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
    };
    return ids == other.ids && finished == other.finished && finish == other.finish &&
           same(log_probabilities, other.log_probabilities) && same(prompt, other.prompt);
  }
};

inline void take_outputs(std::span<const RequestOutput> outputs, std::map<RequestId, Made>& made) {
  for (const RequestOutput& out : outputs) {
    EXPECT_EQ(out.error, nullptr);
    Made& of = made[out.id];
    EXPECT_FALSE(of.finished);
    if (out.has_token) {
      of.ids.push_back(out.token.id);
      of.log_probabilities.push_back(out.token.log_probability);
    }
    of.prompt.insert(of.prompt.end(), out.prompt_log_probabilities.begin(),
                     out.prompt_log_probabilities.end());
    of.finished = out.finished;
    if (out.finished) of.finish = out.finish;
  }
}

// Submits the requests in the order of `order` and runs until all are done; in the order of
// `requests`.
inline std::vector<Made> run_all(Engine& engine, const std::vector<Request>& requests,
                                 const std::vector<size_t>& order) {
  std::map<RequestId, Made> made;
  std::map<size_t, RequestId> ids;
  for (const size_t i : order) {
    const auto id = engine.submit(requests[i]);
    EXPECT_TRUE(id) << id.error().text();
    ids[i] = *id;
  }
  for (int steps = 0; !engine.idle(); ++steps) {
    take_outputs(engine.step(), made);
    if (steps > 1'000'000) {
      ADD_FAILURE() << "the engine does not come to an end";
      break;
    }
  }
  std::vector<Made> out;
  for (size_t i = 0; i < requests.size(); ++i) out.push_back(made[ids[i]]);
  return out;
}

inline std::vector<size_t> in_order(size_t count) {
  std::vector<size_t> out(count);
  for (size_t i = 0; i < count; ++i) out[i] = i;
  return out;
}

inline std::unique_ptr<Engine> new_engine(Context& context, const Model& model,
                                          const EngineOptions& options) {
  auto engine = Engine::create(context, model, options);
  if (!engine) ADD_FAILURE() << engine.error().text();
  return std::move(*engine);
}

}  // namespace farthing::testing
