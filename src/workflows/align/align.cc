// Opening what is compared, running the pairs, writing the report.
#include "workflows/align/align.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "model/checkpoint.h"
#include "workflows/report_folder.h"

namespace farthing {
namespace {

std::vector<AlignedToken> tokens_of(const Windows& windows, const Tokenizer& tokenizer) {
  std::vector<AlignedToken> out;
  for (int64_t w = 0; w < windows.count(); ++w) {
    const auto window = windows[w];
    for (size_t t = 1; t < window.size(); ++t) {
      std::string_view bytes = tokenizer.token_bytes(window[t]);
      if (bytes.empty()) bytes = tokenizer.token_text(window[t]);
      out.push_back({w, static_cast<int64_t>(t), window[t], std::string(bytes)});
    }
  }
  return out;
}

Result<AlignedPairs> run_pairs(Context& context, Checkpoint& checkpoint, Checkpoint* other,
                               const AlignOptions& options, const Windows& windows,
                               Progress& progress) {
  const PairOptions pair{
      .kv_cache = options.kv_cache, .clip = options.clip, .threads = context.pool.size()};
  if (options.against.empty())
    return align_own(checkpoint.config(), checkpoint, windows, pair, progress);
  const auto a = TRY(build_model(context, checkpoint.config(), checkpoint, progress));
  if (other == nullptr) return align_saved(context, *a, options.against, windows, pair, progress);
  const auto b = TRY(build_model(context, other->config(), *other, progress));
  return align_models(context, *a, *b, windows, pair, progress);
}

// Of the model, and of the other where it is another.
Result<std::string> kv_cache_names(Checkpoint& checkpoint, Checkpoint* other,
                                   std::optional<KvCodec> asked) {
  const auto name_of = [&](Checkpoint& of) -> Result<std::string> {
    return std::string(kv_codec_info(asked ? *asked : TRY(of.kv_cache()).codec).name);
  };
  const std::string mine = TRY(name_of(checkpoint));
  if (other == nullptr) return mine;
  const std::string others = TRY(name_of(*other));
  return mine == others ? mine : mine + " against " + others;
}

}  // namespace

Result<AlignReport> align(Context& context, const AlignOptions& options, Progress& progress) {
  const auto checkpoint = TRY(Checkpoint::open(options.model));
  std::unique_ptr<Checkpoint> other;
  int64_t longest = checkpoint->config().max_positions;
  if (!options.against.empty() && !options.against.ends_with(".npy")) {
    other = TRY(Checkpoint::open(options.against));
    longest = std::min(longest, other->config().max_positions);
  }
  if (options.windows.context > longest)
    return fail({.what = "the windows are longer than the model's context",
                 .where = "--context",
                 .got = fmt::format("{} tokens", options.windows.context),
                 .wanted = fmt::format("at most {} tokens", longest),
                 .remedy = fmt::format("use --context {}", longest)});
  const Tokenizer tokenizer = TRY(checkpoint->tokenizer());
  const EvaluationText text = TRY(load_text(options.text));
  const Windows windows =
      TRY(Windows::of_text(tokenizer, text, options.windows, checkpoint->config().vocabulary_size));
  const ReportFolder output = TRY(ReportFolder::prepare_page(options.report));

  AlignReport report;
  report.model = options.model.string();
  report.against = options.against;
  report.kv_cache = TRY(kv_cache_names(*checkpoint, other.get(), options.kv_cache));
  report.clip = options.clip;
  report.bound = options.bound;
  report.protocol = measuring_protocol(windows, text);
  report.place = measuring_place(context);
  report.tokens = tokens_of(windows, tokenizer);
  report.measured = TRY(run_pairs(context, *checkpoint, other.get(), options, windows, progress));
  if (options.report) TRY(output.write(align_html(report), align_json(report)));
  return report;
}

}  // namespace farthing
