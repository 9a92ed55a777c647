// The recommendation: the smallest row whose loss is surely small, and what speaks for and against
// the others.
#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "formats/activations.h"
#include "page/number_text.h"
#include "workflows/compare/compare_report.h"

namespace farthing {
namespace {

// Sizes and speeds that differ by less count as equal.
constexpr double same_size = 1.01, same_speed = 1.1;
// A row is only warned of where another one has a KL that is lower by this factor.
constexpr double worth_a_warning = 1.1;

// KL divergences that llama.cpp's types cost Llama-3-8B on WikiText-2, as its project published
// them: a measure of what a figure means.
struct KnownLoss {
  double kl;
  const char* type;
};
constexpr KnownLoss known_losses[] = {{0.0014, "q8_0"},  {0.0055, "q6_K"}, {0.011, "q5_K_M"},
                                      {0.028, "q4_K_M"}, {0.072, "q4_0"},  {0.10, "iq3_M"},
                                      {0.33, "iq2_M"}};

std::string compared_to_known(double kl) {
  const KnownLoss* best = nullptr;
  for (const KnownLoss& known : known_losses)
    if (known.kl <= kl) best = &known;
  const std::string source = "in llama.cpp's published figures for Llama-3-8B";
  if (best == nullptr)
    return fmt::format("less than {} costs {} ({})", known_losses[0].type, source,
                       known_losses[0].kl);
  if (best == std::end(known_losses) - 1)
    return fmt::format("more than {}, a 2-bit type, costs {} ({})", best->type, source, best->kl);
  return fmt::format("between what {} ({}) and {} ({}) cost {}", best->type, best->kl, best[1].type,
                     best[1].kl, source);
}

using Row = const CompareRow*;

double kl(Row row) { return row->quality.kl_mean.value; }
const Rate& decode(Row row) { return row->speed.decode; }
const Rate& prompt(Row row) { return row->speed.prompt; }

bool can_be_served(const CompareRow& row) {
  const auto activations = find_activations(row.activations);
  return !activations || batch_invariant(*activations);
}

// Whether a is faster than b beyond what the runs of each vary.
bool surely_faster(const Rate& a, const Rate& b) {
  return a.slowest > b.fastest && a.median > same_speed * b.median;
}

std::string kl_with_interval(Row row) {
  const Estimate& e = row->quality.kl_mean;
  return fmt::format("{} nats (95 % interval {} to {})", significant_text(e.value),
                     significant_text(e.low), significant_text(e.high));
}

// Whether b is surely farther from the baseline than a; the windows are the same, so their
// differences count.
bool surely_farther(Row a, Row b) {
  const Estimate difference = paired_difference(a->window_kl, b->window_kl);
  return difference.low > 0;
}

template <class Better>
Row best_of(const std::vector<Row>& rows, Better better) {
  Row best = nullptr;
  for (Row row : rows)
    if (best == nullptr || better(row, best)) best = row;
  return best;
}

std::string times_text(const Rate& a, const Rate& b) {
  return fmt::format("{:.2f} times", a.median / b.median);
}

class Recommender {
 public:
  Recommender(const CompareReport& report, double bound) : report_(report) {
    out_.kl_bound = bound;
    for (const CompareRow& row : report.rows)
      if (row.error.empty() && can_be_served(row)) rows_.push_back(&row);
    if (rows_.empty())  // a note of the report says that they cannot be served
      for (const CompareRow& row : report.rows)
        if (row.error.empty()) rows_.push_back(&row);
    CHECK(!rows_.empty());
    for (Row row : rows_)
      if (row->quality.kl_mean.high <= bound) within_.push_back(row);
  }

  Recommendation run() {
    out_.within_bound = !within_.empty();
    if (out_.within_bound) {
      smallest_within();
    } else {
      closest_of_all();
    }
    out_.name = chosen_->name();
    add_reasons();
    add_alternatives();
    add_warnings();
    add_cautions();
    return std::move(out_);
  }

 private:
  void smallest_within() {
    const int64_t least = best_of(within_, [](Row a, Row b) { return a->bytes < b->bytes; })->bytes;
    std::vector<Row> smallest;
    for (Row row : within_)
      if (static_cast<double>(row->bytes) <= same_size * static_cast<double>(least))
        smallest.push_back(row);
    // Of equally small ones the faster, unless one of them is surely closer and about as fast.
    chosen_ = best_of(smallest, [](Row a, Row b) {
      for (const auto& rate : {decode, prompt}) {
        if (surely_faster(rate(a), rate(b))) return true;
        if (surely_faster(rate(b), rate(a))) return false;
      }
      return kl(a) < kl(b);
    });
    const std::string size = bytes_text(static_cast<double>(chosen_->bytes));
    const std::string before = bytes_text(static_cast<double>(report_.baseline.bytes));
    out_.headline = chosen_->bytes < report_.baseline.bytes
                        ? fmt::format("Use {}: {} instead of {}, and the loss is small.",
                                      chosen_->name(), size, before)
                        : fmt::format(
                              "Keep the model as it is: the smallest format within the bound, {}, "
                              "takes {}, and what "
                              "is stored takes {}.",
                              chosen_->name(), size, before);
    out_.reasons.push_back(fmt::format(
        "It is the smallest whose KL lies below the bound of {} nats with its whole interval: {}.",
        out_.kl_bound, kl_with_interval(chosen_)));
    if (smallest.size() > 1) {
      out_.reasons.push_back(fmt::format(
          "{} within the bound have this size; it is the fastest of them, or as fast and closer.",
          smallest.size()));
    }
  }

  void closest_of_all() {
    chosen_ = best_of(rows_, [](Row a, Row b) { return kl(a) < kl(b); });
    out_.headline = fmt::format(
        "None of these formats is surely within the bound of {} nats; {} comes closest.",
        out_.kl_bound, chosen_->name());
    out_.reasons.push_back(fmt::format("Its KL is {}.", kl_with_interval(chosen_)));
  }

  void add_reasons() {
    const Quality& q = chosen_->quality;
    out_.reasons.push_back(
        fmt::format("As a measure: that is {}.", compared_to_known(kl(chosen_))));
    const bool clear = q.perplexity_increase.low > 0 || q.perplexity_increase.high < 0;
    out_.reasons.push_back(fmt::format(
        "Perplexity goes from {:.2f} to {:.2f} ({:+.3f}, interval {:+.3f} to {:+.3f}{}); the most "
        "likely next token is the "
        "same at {} of the positions.",
        report_.baseline.quality.perplexity.value, q.perplexity.value, q.perplexity_increase.value,
        q.perplexity_increase.low, q.perplexity_increase.high, clear ? "" : ": not significant",
        percent_text(q.top1_agreement.value)));
    out_.reasons.push_back(
        fmt::format("Decoding runs at {} tokens a second, {} the unquantized model's speed; a "
                    "prompt is read at {}, {}.",
                    significant_text(decode(chosen_).median),
                    times_text(decode(chosen_), decode(&report_.baseline)),
                    significant_text(prompt(chosen_).median),
                    times_text(prompt(chosen_), prompt(&report_.baseline))));
  }

  void advise(std::vector<Advice>& list, Row row, std::string reason) {
    const auto same = [&](const Advice& advice) { return advice.name == row->name(); };
    if (row == chosen_ || std::any_of(list.begin(), list.end(), same)) return;
    list.push_back({row->name(), std::move(reason)});
  }

  void add_alternatives() {
    const std::vector<Row>& pool = within_.empty() ? rows_ : within_;
    const auto faster = [&](const Rate& (*rate)(Row), const char* aim) {
      Row fastest = best_of(pool, [&](Row a, Row b) { return rate(a).median > rate(b).median; });
      if (!surely_faster(rate(fastest), rate(chosen_))) return;
      advise(out_.alternatives, fastest,
             fmt::format("{} {} as fast, at KL {} and {}", aim,
                         times_text(rate(fastest), rate(chosen_)), significant_text(kl(fastest)),
                         bytes_text(static_cast<double>(fastest->bytes))));
    };
    faster(decode, "for speed: decoding is");
    faster(prompt, "for long prompts: they are read");
    Row closest = best_of(rows_, [](Row a, Row b) { return kl(a) < kl(b); });
    if (closest != chosen_ && surely_farther(closest, chosen_)) {
      advise(out_.alternatives, closest,
             fmt::format("for fidelity: KL {} at {}", significant_text(kl(closest)),
                         bytes_text(static_cast<double>(closest->bytes))));
    }
    Row smallest = best_of(rows_, [](Row a, Row b) {
      return a->bytes < b->bytes || (a->bytes == b->bytes && kl(a) < kl(b));
    });
    if (static_cast<double>(smallest->bytes) * same_size < static_cast<double>(chosen_->bytes)) {
      advise(out_.alternatives, smallest,
             fmt::format("if size decides: {}, but at KL {}, {}",
                         bytes_text(static_cast<double>(smallest->bytes)),
                         significant_text(kl(smallest)), compared_to_known(kl(smallest))));
    }
  }

  // Rows that another one beats in size and quality without being slower.
  void add_warnings() {
    for (Row row : rows_) {
      for (Row other : rows_) {
        if (other == row ||
            static_cast<double>(other->bytes) > same_size * static_cast<double>(row->bytes))
          continue;
        if (surely_faster(decode(row), decode(other)) || surely_faster(prompt(row), prompt(other)))
          continue;
        if (kl(row) < worth_a_warning * kl(other) || !surely_farther(other, row)) continue;
        advise(
            out_.avoid, row,
            fmt::format(
                "{} is no larger, no slower and closer to the unquantized model (KL {} against {})",
                other->name(), significant_text(kl(other)), significant_text(kl(row))));
        break;
      }
    }
  }

  void add_cautions() {
    // The rivals of about the chosen one's size: is it really better?
    for (Row row : rows_) {
      if (row == chosen_ || row->bytes > chosen_->bytes * 1.1 ||
          row->bytes * 1.1 < static_cast<double>(chosen_->bytes))
        continue;
      const Estimate difference = paired_difference(chosen_->window_kl, row->window_kl);
      if (difference.low > 0 || difference.high < 0) continue;
      out_.cautions.push_back(
          fmt::format("The difference in KL between {} and {} is not significant on this text.",
                      chosen_->name(), row->name()));
    }
    const MeasuringProtocol& p = report_.protocol;
    if (p.windows < 16) {
      out_.cautions.push_back(
          fmt::format("Only {} window{} of text {} measured: the intervals are rough. More "
                      "--tokens make them narrower.",
                      p.windows, p.windows == 1 ? "" : "s", p.windows == 1 ? "was" : "were"));
    }
    out_.cautions.push_back(
        "The numbers hold for this text and this machine. A quantized model can lose more on "
        "tasks, languages or context "
        "lengths that the text does not show: measure on text of your own with --text.");
  }

  const CompareReport& report_;
  std::vector<Row> rows_, within_;
  Row chosen_ = nullptr;
  Recommendation out_;
};

}  // namespace

Recommendation recommend(const CompareReport& report, double kl_bound) {
  return Recommender(report, kl_bound).run();
}

}  // namespace farthing
