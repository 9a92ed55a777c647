// farthing inspect: what a checkpoint holds, and what narrow float types would do to its values.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "apps/command_line.h"
#include "apps/open_model.h"
#include "apps/output.h"
#include "base/json_writer.h"
#include "formats/ranges.h"
#include "model/checkpoint.h"

namespace farthing {
namespace {

struct Options {
  std::string model;
  bool tensors = false, ranges = false;
};

void declare(OptionList& list, Options& options) {
  list.required("model,-m,--model", "MODEL", options.model, "The model to look at");
  list.flag("--tensors", options.tensors, "Every tensor with its shape, format and bytes");
  list.flag(
      "--ranges", options.ranges,
      "Per tensor: extremes, kurtosis, and how many values f16, bf16, fp8 and fp4 could not hold");
}

struct TensorRow {
  StoredTensorInfo info;
  int64_t parameters;  // 0: of scales of a KV cache, which are what a format stores beside codes
  std::optional<ValueRanges> ranges;
};

struct Report {
  std::vector<TensorRow> tensors;
  int64_t parameters = 0, bytes = 0;
  std::array<RangeCounts, narrow_float_count> totals;
};

// The tensors of a KV cache's scales.
std::set<std::string> scales_of(const ModelConfig& config) {
  std::set<std::string> out;
  for (const BlockPlan& block : config.plan.blocks) {
    const KvScaleNames names = kv_scale_names(block);
    out.insert({names.keys, names.values});
  }
  return out;
}

Result<Report> look_at(const CommonOptions& common, const Checkpoint& checkpoint, bool ranges) {
  Report report;
  ThreadPool pool(static_cast<int>(common.threads));
  ProgressBar progress;
  double done = 0, total = 0;
  const std::set<std::string> scales = scales_of(checkpoint.config());
  for (StoredTensorInfo& info : checkpoint.tensors()) {
    const int64_t parameters = scales.contains(info.name) ? 0 : info.shape.elements();
    report.parameters += parameters;
    report.bytes += info.bytes;
    total += static_cast<double>(info.bytes);
    report.tensors.push_back({std::move(info), parameters, std::nullopt});
  }
  if (!ranges) return report;
  for (TensorRow& row : report.tensors) {
    progress.update(done, total, row.info.name);
    done += static_cast<double>(row.info.bytes);
    const Tensor values = TRY(checkpoint.values(row.info.name));
    row.ranges =
        count_ranges(pool, {values.as<float>(), static_cast<size_t>(values.shape().elements())});
    for (size_t t = 0; t < report.totals.size(); ++t) report.totals[t] += row.ranges->narrow[t];
  }
  return report;
}

void write_counts(JsonWriter& json, std::span<const RangeCounts, narrow_float_count> counts) {
  json.begin_object();
  for (size_t t = 0; t < counts.size(); ++t) {
    json.key(narrow_floats()[t].name).begin_object();
    json.field("overflowed", counts[t].overflowed).field("clipped", counts[t].clipped);
    json.field("subnormal", counts[t].subnormal).field("vanished", counts[t].vanished).end_object();
  }
  json.end_object();
}

void write_config(JsonWriter& json, const ModelConfig& c) {
  json.begin_object().field("architecture", c.architecture).field("hidden_size", c.hidden_size);
  json.field("intermediate_size", c.intermediate_size)
      .field("layers", c.layers)
      .field("heads", c.heads);
  json.field("kv_heads", c.kv_heads)
      .field("head_dim", c.head_dim)
      .field("vocabulary_size", c.vocabulary_size);
  json.field("max_positions", c.max_positions).field("norm_epsilon", c.plan.final_norm.epsilon);
  json.field("tied_embeddings", c.tied_embeddings()).end_object();
}

Result<std::string> json_text(const Checkpoint& checkpoint, const Report& report,
                              const Options& options) {
  JsonWriter json(true);
  json.begin_object().field("model", checkpoint.path().string()).field("kind", checkpoint.kind());
  write_config(json.key("config"), checkpoint.config());
  json.field("parameters", report.parameters).field("bytes", report.bytes);
  json.field("chat_template", !TRY(checkpoint.chat_template()).empty());
  json.field("kv_cache_not_read", checkpoint.stated_kv_cache().text);
  if (options.ranges) write_counts(json.key("ranges"), report.totals);
  json.key("tensors").begin_array();
  for (const TensorRow& row : report.tensors) {
    json.begin_object()
        .field("name", row.info.name)
        .field("format", row.info.format)
        .key("shape")
        .begin_array();
    for (int i = 0; i < row.info.shape.rank(); ++i) json.value(row.info.shape[i]);
    json.end_array().field("bytes", row.info.bytes);
    if (row.ranges) {
      json.field("minimum", row.ranges->low)
          .field("maximum", row.ranges->high)
          .field("absmax", row.ranges->amax());
      json.field("mean", row.ranges->mean).field("variance", row.ranges->variance);
      json.field("kurtosis", row.ranges->kurtosis).field("zeros", row.ranges->zeros);
      json.field("nonfinite", row.ranges->nonfinite);
      write_counts(json.key("ranges"), row.ranges->narrow);
    }
    json.end_object();
  }
  json.end_array().end_object();
  return json.take();
}

std::string summary_text(const Checkpoint& checkpoint, const Report& report) {
  const ModelConfig& c = checkpoint.config();
  std::string out = fmt::format(
      "{}: {} ({}), {} parameters in {} tensors, {}, {:.2f} bits each\n",
      checkpoint.path().string(), c.architecture, checkpoint.kind(), count_text(report.parameters),
      report.tensors.size(), size_text(static_cast<double>(report.bytes)),
      8 * static_cast<double>(report.bytes) / static_cast<double>(report.parameters));
  out += table_text(
      {{"hidden", "layers", "MLP", "heads", "KV heads", "head dim", "vocabulary", "context",
        "tied head"},
       {std::to_string(c.hidden_size), std::to_string(c.layers),
        std::to_string(c.intermediate_size), std::to_string(c.heads), std::to_string(c.kv_heads),
        std::to_string(c.head_dim), std::to_string(c.vocabulary_size),
        std::to_string(c.max_positions), c.tied_embeddings() ? "yes" : "no"}});
  // One line for each format that tensors are stored in.
  std::vector<std::vector<std::string>> rows{{"stored as", "tensors", "parameters", "bytes"}};
  std::vector<std::string> formats;
  for (const TensorRow& row : report.tensors)
    if (std::find(formats.begin(), formats.end(), row.info.format) == formats.end())
      formats.push_back(row.info.format);
  for (const std::string& format : formats) {
    int64_t tensors = 0, parameters = 0, bytes = 0;
    for (const TensorRow& row : report.tensors) {
      if (row.info.format != format) continue;
      ++tensors;
      parameters += row.parameters;
      bytes += row.info.bytes;
    }
    rows.push_back({format, std::to_string(tensors), count_text(parameters),
                    size_text(static_cast<double>(bytes))});
  }
  return out + '\n' + table_text(rows) + kv_cache_note(checkpoint.stated_kv_cache());
}

std::string tensors_text(const Report& report) {
  std::vector<std::vector<std::string>> rows{{"tensor", "format", "shape", "bytes"}};
  for (const TensorRow& row : report.tensors)
    rows.push_back(
        {row.info.name, row.info.format, row.info.shape.text(), count_text(row.info.bytes)});
  return '\n' + table_text(rows);
}

// "3 over, 12 sub, 4 zero": what does not fit; "-" where everything does.
std::string counts_text(const RangeCounts& counts) {
  std::string out;
  const auto add = [&](int64_t count, const char* word) {
    if (count > 0) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count_text(count), word);
  };
  add(counts.overflowed, "over");
  add(counts.clipped, "clip");
  add(counts.subnormal, "sub");
  add(counts.vanished, "zero");
  return out.empty() ? "-" : out;
}

std::string ranges_text(const Report& report) {
  std::vector<std::vector<std::string>> rows{
      {"tensor", "minimum", "maximum", "absmax", "kurtosis"}};
  for (const NarrowFloat& type : narrow_floats()) rows.front().emplace_back(type.name);
  for (const TensorRow& row : report.tensors) {
    const ValueRanges& r = *row.ranges;
    rows.push_back(
        {row.info.name + (r.nonfinite > 0 ? fmt::format(" ({} not finite)", r.nonfinite) : ""),
         fmt::format("{:.4g}", r.low), fmt::format("{:.4g}", r.high),
         fmt::format("{:.4g}", r.amax()), fmt::format("{:.1f}", r.kurtosis)});
    for (const RangeCounts& counts : r.narrow) rows.back().push_back(counts_text(counts));
  }
  rows.push_back({"total", "", "", "", ""});
  for (const RangeCounts& counts : report.totals) rows.back().push_back(counts_text(counts));
  std::string out = '\n' + table_text(rows);
  out +=
      "\nHow many values each type could not hold if they were rounded to it as they are, WITHOUT "
      "A SCALE:\n"
      "  over  too large, becomes infinity      clip  too large, becomes the largest value (types "
      "without infinity)\n"
      "  sub   becomes subnormal: fewer bits    zero  not zero, becomes zero\n"
      "A format with scales brings each group of values into its range first.\n"
      "kurtosis: 3 for a normal distribution; large: rare outliers.\n";
  for (const NarrowFloat& type : narrow_floats())
    out += fmt::format("  {:9} largest {:.6g}, smallest normal {:.4g}, smallest {:.4g}\n",
                       type.name, type.largest, type.smallest_normal, type.smallest);
  return out;
}

Result<> run(const CommonOptions& common, const Options& options) {
  const auto checkpoint = TRY(Checkpoint::open(options.model));
  const Report report = TRY(look_at(common, *checkpoint, options.ranges));
  if (common.json) return print(TRY(json_text(*checkpoint, report, options)));
  std::string out = summary_text(*checkpoint, report);
  if (options.tensors) out += tensors_text(report);
  if (options.ranges) out += ranges_text(report);
  return print(out);
}

}  // namespace

Command inspect_command() {
  return make_command<Options>(
      {.name = "inspect",
       .summary = "shows what a checkpoint holds and how its values fit narrow float types",
       .details = "Kind, architecture, sizes, parameters; with --tensors every tensor; with "
                  "--ranges the values that\n"
                  "overflow, underflow or would be clipped in f16, bf16, fp8 and fp4.",
       .example = "  farthing inspect models/stories260k --tensors\n  farthing inspect "
                  "models/stories260k --ranges"},
      declare, run);
}

}  // namespace farthing
