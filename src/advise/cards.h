// Which cards a served model fits on: arithmetic on a plan, as no card runs anything yet.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "advise/serving_plan.h"

namespace farthing {

struct Card {
  std::string name;
  double memory_gib;
};
// Those of cards.inc.
std::vector<Card> known_cards();

// Over how many cards each layer's weights and heads are divided, and the layers.
struct Parallel {
  int64_t tensor = 1, pipeline = 1;
  int64_t cards() const { return tensor * pipeline; }
};
// Fails where heads or layers cannot be divided so.
Result<> check_parallel(const ModelConfig& config, const Parallel& parallel);

// What each of the cards holds, that with the most if they differ. Weights as a file stores them
// and the KV cache are divided, whole heads and whole layers to a card; activations are not.
struct CardShare {
  int64_t weights = 0, kv_page_bytes = 0, activations = 0;
  int64_t bytes(int64_t kv_pages) const { return weights + activations + kv_pages * kv_page_bytes; }
};
CardShare share_of(const ModelConfig& config, const ServingPlan& plan, KvCodec codec,
                   const Parallel& parallel);

// A share of a card is left for its driver and for what an allocator cannot use.
inline constexpr double usable_share = 0.9;

struct CardFit {
  Card card;
  bool fits = false;
  int64_t most_context = 0;  // of the plan's batch; 0: not one page of it
  int64_t most_batch = 0;    // of the plan's context
};
std::vector<CardFit> fits_of(const ModelConfig& config, const ServingPlan& plan,
                             const CardShare& share, std::span<const Card> cards);

}  // namespace farthing
