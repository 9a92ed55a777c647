// Shares by whole heads and layers, and pages that the rest of a card's memory holds.
#include "advise/cards.h"

#include <fmt/format.h>

#include <algorithm>

namespace farthing {
namespace {

int64_t divided(int64_t count, int64_t by) { return (count + by - 1) / by; }

}  // namespace

std::vector<Card> known_cards() {
  return {
#define FARTHING_CARD(name, gib) {name, gib},
#include "advise/cards.inc"
#undef FARTHING_CARD
  };
}

Result<> check_parallel(const ModelConfig& config, const Parallel& parallel) {
  if (config.heads % parallel.tensor != 0) {
    return fail({.what = "the heads cannot be divided over so many cards",
                 .where = "--tensor-parallel-size",
                 .got = fmt::format("{} for {} heads", parallel.tensor, config.heads),
                 .wanted = "a divisor of the number of heads",
                 .remedy = "lower it, or divide layers too (--pipeline-parallel-size)"});
  }
  if (parallel.pipeline > config.layers) {
    return fail({.what = "there are more cards than layers to divide",
                 .where = "--pipeline-parallel-size",
                 .got = fmt::format("{} for {} layers", parallel.pipeline, config.layers),
                 .wanted = fmt::format("at most {}", config.layers),
                 .remedy = "lower it"});
  }
  return {};
}

CardShare share_of(const ModelConfig& config, const ServingPlan& plan, KvCodec codec,
                   const Parallel& parallel) {
  const int64_t layers = divided(config.layers, parallel.pipeline);
  // The first card has the embedding, the last one the head; a tied head is the embedding again.
  const int64_t head = config.tied_embeddings() ? plan.embedding_stored : plan.head_stored;
  const int64_t tables = parallel.pipeline == 1 ? plan.embedding_stored + plan.head_stored
                                                : std::max(plan.embedding_stored, head);
  const int64_t blocks = divided(plan.blocks_stored * layers, config.layers);
  return {.weights = divided(blocks + tables, parallel.tensor),
          .kv_page_bytes =
              KvLayout{layers, divided(config.kv_heads, parallel.tensor), config.head_dim, codec}
                  .page_bytes(),
          .activations = plan.activations()};
}

std::vector<CardFit> fits_of(const ModelConfig& config, const ServingPlan& plan,
                             const CardShare& share, std::span<const Card> cards) {
  std::vector<CardFit> out;
  for (const Card& card : cards) {
    const double usable = card.memory_gib * usable_share * 0x1p30;
    const auto rest = static_cast<int64_t>(usable) - share.bytes(0);
    const int64_t pages = std::max<int64_t>(rest, 0) / share.kv_page_bytes;
    const int64_t of_sequence = plan.kv_pages / plan.batch;
    CardFit fit{.card = card, .fits = rest >= 0 && pages >= plan.kv_pages};
    fit.most_batch = pages / of_sequence;
    fit.most_context = std::min(config.max_positions, pages / plan.batch * kv_page_positions);
    out.push_back(std::move(fit));
  }
  return out;
}

}  // namespace farthing
