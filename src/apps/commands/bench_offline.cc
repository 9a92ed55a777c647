// farthing bench offline: throughput and latency of many requests at once.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/command_line.h"
#include "apps/open_model.h"
#include "apps/output.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "base/random.h"
#include "engine/engine.h"
#include "io/json.h"

namespace farthing {
namespace {

struct Options {
  std::string model, dataset_path;
  LoadingFormat format;
  EngineOptions engine;
  int64_t num_prompts = 64, input_len = 128, output_len = 128, seed = 0;
  float random_range_ratio = 0;
  bool no_prefix_caching = false;
};

void declare(OptionList& list, Options& options) {
  constexpr int64_t many = 1 << 20;
  EngineOptions& engine = options.engine;
  list.required("model,-m,--model", "MODEL", options.model, "The model to run");
  declare_format(list, options.format);
  list.integer("--num-prompts", options.num_prompts, 1, many,
               "Requests; of a file at most so many");
  list.integer("--input-len", options.input_len, 1, many, "Tokens of a random prompt");
  list.integer("--output-len", options.output_len, 1, many, "Tokens written behind each prompt");
  list.number("--random-range-ratio", options.random_range_ratio, 0, 1,
              "Lengths of random prompts and outputs differ by up to this share; 0: fixed");
  list.integer("--seed", options.seed, 0, INT64_MAX, "Of random prompts and lengths");
  list.text("--dataset-path", "FILE", options.dataset_path,
            ".txt: a prompt a line; .jsonl: {\"prompt\": TEXT, \"output_len\": N} a line");
  declare_kv_cache(list, engine.kv_cache_dtype);
  list.integer("--kv-cache-memory-bytes", engine.kv_bytes, 0, INT64_MAX,
               "Most memory of the KV cache; 0: 1 GiB");
  list.integer("--max-num-seqs", engine.max_num_seqs, 1, many, "Requests that run at once");
  list.integer("--max-num-batched-tokens", engine.max_num_batched_tokens, 1, many,
               "Tokens of one step");
  list.flag("--no-enable-prefix-caching", options.no_prefix_caching,
            "Compute beginnings that prompts share again");
}

Result<> check(const Options& options) { return check_format(options.format); }

std::vector<Request> random_requests(const Options& options, const ModelConfig& config) {
  const auto seed = static_cast<uint64_t>(options.seed);
  const auto about = [&](int64_t length, uint64_t stream, uint64_t index) {
    const auto spread =
        static_cast<int64_t>(static_cast<double>(length) * options.random_range_ratio);
    const auto choices = static_cast<uint64_t>(2 * spread + 1);
    return std::max<int64_t>(
        1, length - spread + static_cast<int64_t>(random_bits(seed, stream, index) % choices));
  };
  std::vector<Request> out(static_cast<size_t>(options.num_prompts));
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t tokens = about(options.input_len, 0, i);
    for (int64_t t = 0; t < tokens; ++t)
      out[i].prompt.push_back(
          static_cast<int32_t>(random_bits(seed, 2 + i, static_cast<uint64_t>(t)) %
                               static_cast<uint64_t>(config.vocabulary_size)));
    out[i].most_tokens = about(options.output_len, 1, i);
  }
  return out;
}

Result<std::vector<Request>> requests_of_file(const Options& options, const Tokenizer& tokenizer) {
  constexpr size_t most_bytes = size_t{1} << 30;
  const std::string text = TRY(read_text_file(options.dataset_path, most_bytes));
  const bool json = options.dataset_path.ends_with(".jsonl");
  std::vector<Request> out;
  size_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    Request& request = out.emplace_back();
    request.most_tokens = options.output_len;
    if (json) {
      const std::string where = fmt::format("{}, line {}", options.dataset_path, number);
      const JsonObject object = TRY(JsonObject::parse(line, where));
      line = TRY(object.string("prompt"));
      request.most_tokens = TRY(object.integer("output_len", options.output_len));
    }
    request.prompt = tokenizer.encode(line, {.add_special_tokens = true});
    if (static_cast<int64_t>(out.size()) == options.num_prompts) break;
  }
  if (!out.empty()) return out;
  return fail({.what = "there is no prompt in the file",
               .where = options.dataset_path,
               .got = "no line with text",
               .wanted = "a prompt a line",
               .remedy = "give another file, or leave --dataset-path away for random prompts"});
}

// Seconds; percentiles are interpolated, as numpy's are.
class Times {
 public:
  void add(double seconds) { values_.push_back(seconds); }
  void sort() { std::sort(values_.begin(), values_.end()); }
  double mean() const {
    double sum = 0;
    for (const double value : values_) sum += value;
    return values_.empty() ? 0 : sum / static_cast<double>(values_.size());
  }
  double percentile(double percent) const {
    if (values_.empty()) return 0;
    const double at = percent / 100 * static_cast<double>(values_.size() - 1);
    const auto low = static_cast<size_t>(at);
    const size_t high = std::min(low + 1, values_.size() - 1);
    return values_[low] + (at - static_cast<double>(low)) * (values_[high] - values_[low]);
  }

 private:
  std::vector<double> values_;
};

struct Measured {
  double seconds = 0;
  int64_t requests = 0, prompt_tokens = 0, output_tokens = 0;
  Times first_token, end_to_end, inter_token;
  EngineStatistics engine;
};

Result<Measured> measure(Engine& engine, std::vector<Request> requests) {
  Measured out;
  ProgressBar progress;
  const auto total = static_cast<double>(requests.size());
  std::vector<double> last_token;
  const double started = now_seconds();
  RequestId first_id = 0;
  for (Request& request : requests) {
    out.prompt_tokens += static_cast<int64_t>(request.prompt.size());
    const RequestId id = TRY(engine.submit(std::move(request)));
    if (last_token.empty()) first_id = id;
    last_token.push_back(0);
  }
  while (!engine.idle()) {
    const auto outputs = engine.step();
    const double now = now_seconds() - started;
    for (const RequestOutput& output : outputs) {
      if (output.error != nullptr) return fail(*output.error);
      double& last = last_token[output.id - first_id];
      if (output.has_token) {
        ++out.output_tokens;
        (last == 0 ? out.first_token : out.inter_token).add(last == 0 ? now : now - last);
        last = now;
      }
      if (!output.finished) continue;
      out.end_to_end.add(now);
      progress.update(static_cast<double>(++out.requests), total, "requests");
    }
  }
  out.seconds = now_seconds() - started;
  out.engine = engine.statistics();
  for (Times* times : {&out.first_token, &out.end_to_end, &out.inter_token}) times->sort();
  return out;
}

constexpr double percents[] = {50, 95, 99};

void write_times(JsonWriter& json, const std::string& name, const Times& times) {
  json.field(fmt::format("mean_{}_ms", name), times.mean() * 1e3);
  for (const double percent : percents)
    json.field(fmt::format("p{}_{}_ms", percent, name), times.percentile(percent) * 1e3);
}

std::vector<std::string> row(std::string name, const Times& times) {
  std::vector<std::string> out{std::move(name), fmt::format("{:.2f}", times.mean() * 1e3)};
  for (const double percent : percents)
    out.push_back(fmt::format("{:.2f}", times.percentile(percent) * 1e3));
  return out;
}

Result<> run(const CommonOptions& common, const Options& options) {
  const auto owner = TRY(open_context(common));
  const auto checkpoint = TRY(Checkpoint::open(options.model));
  std::vector<Request> requests;
  if (options.dataset_path.empty()) {
    requests = random_requests(options, checkpoint->config());
  } else {
    requests = TRY(requests_of_file(options, TRY(checkpoint->tokenizer())));
  }
  const auto model = TRY(load_model(owner->get(), *checkpoint, options.format));
  EngineOptions engine_options = options.engine;
  engine_options.enable_prefix_caching = !options.no_prefix_caching;
  const auto engine = TRY(Engine::create(owner->get(), *model, engine_options));
  const Measured m = TRY(measure(*engine, std::move(requests)));
  const auto rate = [&](int64_t count) { return static_cast<double>(count) / m.seconds; };
  const std::string codec(kv_codec_info(model->kv_codec(engine_options.kv_cache_dtype)).name);
  if (common.json) {
    JsonWriter json(true);
    json.begin_object().field("model", options.model).field("processor", cpu_model());
    json.field("isa", isa_name(owner->get().isa)).field("threads", common.threads);
    if (options.format.scheme) json.field("format", options.format.scheme->name());
    json.field("kv_cache_dtype", codec).field("max_num_seqs", engine_options.max_num_seqs);
    json.field("max_num_batched_tokens", engine_options.max_num_batched_tokens);
    json.field("num_requests", m.requests).field("elapsed_time", m.seconds);
    json.field("total_input_tokens", m.prompt_tokens);
    json.field("total_output_tokens", m.output_tokens);
    json.field("requests_per_second", rate(m.requests));
    json.field("output_tokens_per_second", rate(m.output_tokens));
    json.field("tokens_per_second", rate(m.prompt_tokens + m.output_tokens));
    write_times(json, "ttft", m.first_token);
    write_times(json, "e2el", m.end_to_end);
    write_times(json, "itl", m.inter_token);
    json.field("steps", m.engine.steps).field("reused_tokens", m.engine.reused_tokens);
    json.field("preemptions", m.engine.preemptions).field("evictions", m.engine.evictions);
    json.end_object();
    return print(json.take());
  }
  return print(fmt::format(
      "{}, {}, {} threads; KV cache {}, at most {} requests and {} tokens a step\n\n"
      "{} requests in {:.2f} s: {:.2f} requests/s, {:.1f} total tokens/s, {:.1f} output tokens/s\n"
      "{} tokens of prompts ({} of them reused), {} of output; {} steps, {} preemptions\n\n{}",
      cpu_model(), isa_name(owner->get().isa), common.threads, codec, engine_options.max_num_seqs,
      engine_options.max_num_batched_tokens, m.requests, m.seconds, rate(m.requests),
      rate(m.prompt_tokens + m.output_tokens), rate(m.output_tokens), count_text(m.prompt_tokens),
      count_text(m.engine.reused_tokens), count_text(m.output_tokens), count_text(m.engine.steps),
      m.engine.preemptions,
      table_text({{"milliseconds", "mean", "p50", "p95", "p99"},
                  row("time to first token", m.first_token),
                  row("inter-token latency", m.inter_token),
                  row("end-to-end latency", m.end_to_end)})));
}

}  // namespace

Command bench_offline_command() {
  return make_command<Options>(
      {.name = "bench offline",
       .summary = "measures throughput and latency of many requests at once",
       .details = "All requests are there at the start; latencies count from then on, waiting "
                  "included.\nSampling is of the model's own distribution, and goes on behind the "
                  "end of the text.\nFlags are named as those of `vllm bench throughput`.",
       .example = "  farthing bench offline models/stories260k --num-prompts 32 --input-len 64\n"
                  "  farthing bench offline model.gguf --dataset-path prompts.jsonl "
                  "--kv-cache-dtype int8 --json"},
      declare, run, check);
}

}  // namespace farthing
