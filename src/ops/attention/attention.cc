// Attention: work is cut into (kv head, block of tokens), and where that is too few for the
// threads, into partitions too.
#include "ops/attention/attention.h"

#include <algorithm>
#include <cstring>

#include "base/rehearsal.h"

#include "kernels/attention/attention.h"

namespace farthing::ops {

namespace {

// Enough rows to reuse a page of keys in the first-level cache, few enough that their scores stay
// in the second.
constexpr int64_t rows_of_block = 48;

struct Plan {
  const AttentionKernel& kernel;
  const KvCache& cache;
  View<const float, 2> q;
  View<float, 2> out;
  int64_t layer, first_position, group, block_tokens, blocks, partitions;
  AttentionOptions options;

  int64_t rows() const { return block_tokens * group; }
  int64_t items() const { return cache.kv_heads() * blocks; }
  int64_t partial_floats() const { return rows() * (padded_head_dim(cache.head_dim()) + 2); }
};

// A worker's memory.
struct Scratch {
  float* q;
  float* scores;
  float* decoded;       // a page
  float *total, *next;  // partial results
};

PartialAttention partial_in(const Plan& plan, float* memory) {
  return {memory, memory + plan.rows(), memory + 2 * plan.rows()};
}

// One kv head and some tokens: item = block * kv_heads + kv head.
struct Item {
  int64_t kv_head, first_token, tokens;

  Item(const Plan& plan, int64_t item)
      : kv_head(item % plan.cache.kv_heads()),
        first_token(item / plan.cache.kv_heads() * plan.block_tokens),
        tokens(std::min(plan.block_tokens, plan.q.rows - first_token)) {}
};

// Gathers the item's queries: row = token * group + head of the group.
AttentionRows gather(const Plan& plan, const Item& item, float* q) {
  const int64_t width = plan.group * plan.cache.head_dim();
  for (int64_t t = 0; t < item.tokens; ++t)
    std::memcpy(q + t * width, plan.q.row(item.first_token + t) + item.kv_head * width,
                static_cast<size_t>(width) * sizeof(float));
  return {.q = q,
          .rows = item.tokens * plan.group,
          .group = plan.group,
          .first_position = plan.first_position + item.first_token,
          .head_dim = plan.cache.head_dim(),
          .scale = plan.options.scale,
          .softcap = plan.options.softcap,
          .window = plan.options.window};
}

int64_t first_partition_of(const AttentionRows& rows) {
  return rows.first_seen(0) / kv_partition_positions;
}
int64_t partitions_of(const AttentionRows& rows) {
  return (rows.first_position + (rows.rows - 1) / rows.group) / kv_partition_positions + 1;
}

void attend(const Plan& plan, const Item& item, const AttentionRows& rows, int64_t partition,
            const Scratch& scratch, const PartialAttention& to) {
  plan.kernel->attend(rows, plan.cache.keys(plan.layer, item.kv_head),
                      plan.cache.values(plan.layer, item.kv_head), partition, scratch.scores,
                      scratch.decoded, to);
}

void merge(const Plan& plan, const AttentionRows& rows, int64_t partition,
           const PartialAttention& total, const PartialAttention& next) {
  plan.kernel->merge(total, next, rows.first_row_seeing(partition * kv_partition_positions),
                     rows.rows, rows.head_dim);
}

void finish(const Plan& plan, const Item& item, const AttentionRows& rows,
            const PartialAttention& total) {
  for (int64_t r = 0; r < rows.rows; ++r) {
    const int64_t head = item.kv_head * plan.group + r % plan.group;
    const float* const sink = plan.options.sinks == nullptr ? nullptr : plan.options.sinks + head;
    plan.kernel->finish(total, r, rows.head_dim, sink,
                        plan.out.row(item.first_token + r / plan.group) + head * rows.head_dim);
  }
}

void run_item(const Plan& plan, int64_t index, const Scratch& scratch) {
  const Item item(plan, index);
  const AttentionRows rows = gather(plan, item, scratch.q);
  const PartialAttention total = partial_in(plan, scratch.total),
                         next = partial_in(plan, scratch.next);
  const int64_t first = first_partition_of(rows);
  attend(plan, item, rows, first, scratch, total);
  for (int64_t p = first + 1; p < partitions_of(rows); ++p) {
    attend(plan, item, rows, p, scratch, next);
    merge(plan, rows, p, total, next);
  }
  finish(plan, item, rows, total);
}

// Few items, long context: first every (item, partition), then the merges, which are short.
void run_partitioned(Context& context, const Plan& plan, const Scratch* scratch, float* partials) {
  const auto partial = [&](int64_t item, int64_t p) {
    return partial_in(plan, partials + (item * plan.partitions + p) * plan.partial_floats());
  };
  context.pool.run([&](Part part) {
    const Scratch& mine = scratch[part.index];
    for (int64_t i = part.index; i < plan.items() * plan.partitions; i += part.count) {
      const Item item(plan, i / plan.partitions);
      const AttentionRows rows = gather(plan, item, mine.q);
      const int64_t partition = i % plan.partitions;
      if (first_partition_of(rows) <= partition && partition < partitions_of(rows))
        attend(plan, item, rows, partition, mine, partial(i / plan.partitions, partition));
    }
  });
  if (rehearsing()) return;
  for (int64_t i = 0; i < plan.items(); ++i) {
    const Item item(plan, i);
    const AttentionRows rows = gather(plan, item, scratch[0].q);
    const int64_t first = first_partition_of(rows);
    for (int64_t p = first + 1; p < partitions_of(rows); ++p)
      merge(plan, rows, p, partial(i, first), partial(i, p));
    finish(plan, item, rows, partial(i, first));
  }
}

Plan plan_of(const AttentionKernel& kernel, const AttentionSequence& sequence, int64_t layer,
             const AttentionOptions& options, View<const float, 2> q, View<float, 2> out) {
  const KvCache& cache = *sequence.cache;
  CHECK(layer >= 0 && layer < cache.layers());
  CHECK(q.columns > 0 && q.columns % (cache.kv_heads() * cache.head_dim()) == 0);
  CHECK(sequence.first_position >= 0 && sequence.rows > 0 &&
        sequence.first_position + q.rows <= cache.length(layer));
  const int64_t group = q.columns / (cache.kv_heads() * cache.head_dim());
  const int64_t block_tokens = std::min(q.rows, std::max<int64_t>(1, rows_of_block / group));
  return {.kernel = kernel,
          .cache = cache,
          .q = q,
          .out = out,
          .layer = layer,
          .first_position = sequence.first_position,
          .group = group,
          .block_tokens = block_tokens,
          .blocks = (q.rows + block_tokens - 1) / block_tokens,
          .partitions = (sequence.first_position + q.rows - 1) / kv_partition_positions + 1,
          .options = options};
}

Scratch take_scratch(Workspace& workspace, int64_t rows, int64_t head_dim) {
  const int64_t partial = rows * (padded_head_dim(head_dim) + 2);
  return {.q = workspace.take<float>(rows * head_dim),
          .scores = workspace.take<float>(rows * kv_partition_positions),
          .decoded = workspace.take<float>(decoded_page_floats(head_dim)),
          .total = workspace.take<float>(partial),
          .next = workspace.take<float>(partial)};
}

}  // namespace

void attention_forward(Context& context, View<const float, 2> q,
                       std::span<const AttentionSequence> sequences, int64_t layer,
                       const AttentionOptions& options, View<float, 2> out) {
  CHECK(q.rows == out.rows && q.columns == out.columns);
  if (q.rows == 0) return;
  CHECK(!sequences.empty());
  const Workspace::Mark mark(context.workspace);
  const AttentionKernel& kernel = choose_attention_kernel(context.isa);
  Plan* plans = context.workspace.take<Plan>(static_cast<int64_t>(sequences.size()));
  int64_t row = 0, items = 0, products = 0, most_rows = 0;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const int64_t end = row + sequences[i].rows;
    CHECK(end <= q.rows);
    const Plan* plan = new (plans + i) Plan(plan_of(
        kernel, sequences[i], layer, options, q.rows_from(row, end), out.rows_from(row, end)));
    items += plan->items();
    products += sequences[i].rows * (sequences[i].first_position + sequences[i].rows) * q.columns;
    most_rows = std::max(most_rows, plan->rows());
    row = end;
  }
  CHECK(row == q.rows);
  // about 10 us of arithmetic: less is not worth waking threads for
  constexpr int64_t least_products = int64_t{1} << 19;
  const int threads = products < least_products ? 1 : context.pool.size();
  Scratch* scratch = context.workspace.take<Scratch>(threads);
  for (int i = 0; i < threads; ++i)
    scratch[i] = take_scratch(context.workspace, most_rows, plans[0].cache.head_dim());
  if (threads > 1 && sequences.size() == 1 && items < 2 * threads && plans[0].partitions > 1) {
    // sized by the cache's room, not by its length: a decode step asks for the same memory as the
    // step before
    const int64_t most_partitions =
        (plans[0].cache.capacity() + kv_partition_positions - 1) / kv_partition_positions;
    float* partials =
        context.workspace.take<float>(items * most_partitions * plans[0].partial_floats());
    run_partitioned(context, plans[0], scratch, partials);
    return;
  }
  const auto run = [&](Part part) {
    int64_t first = 0;  // of this sequence, counted over all items
    for (size_t s = 0; s < sequences.size(); ++s) {
      const int64_t count = plans[s].items();
      for (int64_t i = 0; i < count; ++i)
        if ((first + i) % part.count == part.index) run_item(plans[s], i, scratch[part.index]);
      first += count;
    }
  };
  if (threads == 1 && !rehearsing()) {
    run({.index = 0, .count = 1});
  } else {
    context.pool.run(run);
  }
}

}  // namespace farthing::ops
