// Steps as lines of JSON, and back.
#include "train/metrics_log.h"

#include "base/file.h"
#include "base/json_writer.h"
#include "io/json.h"

namespace farthing {
namespace {

std::string line_of(const TrainStep& s) {
  JsonWriter json;
  json.begin_object().field("step", s.step).field("loss", s.loss);
  json.field("gradient_norm", s.gradient_norm).field("learning_rate", s.learning_rate);
  json.field("tokens", s.tokens).field("seconds", s.seconds);
  if (s.evaluation_loss) json.field("evaluation_loss", *s.evaluation_loss);
  return json.end_object().take() + "\n";
}

Result<TrainStep> step_of(const JsonObject& json) {
  TrainStep out{.step = TRY(json.integer("step")),
                .loss = TRY(json.number("loss")),
                .gradient_norm = TRY(json.number("gradient_norm")),
                .learning_rate = TRY(json.number("learning_rate")),
                .tokens = TRY(json.integer("tokens")),
                .seconds = TRY(json.number("seconds"))};
  if (json.has("evaluation_loss")) out.evaluation_loss = TRY(json.number("evaluation_loss"));
  return out;
}

}  // namespace

Result<MetricsLog> MetricsLog::open(const std::filesystem::path& run, int64_t steps) {
  MetricsLog out;
  out.file_ = run / "metrics.jsonl";
  std::string kept;
  std::error_code ignored;
  if (steps > 0 && std::filesystem::exists(out.file_, ignored)) {
    const std::string text = TRY(read_text_file(out.file_));
    for (size_t begin = 0; static_cast<int64_t>(out.steps_.size()) < steps;) {
      const size_t end = text.find('\n', begin);
      if (end == std::string::npos) break;
      const auto json = TRY(
          JsonObject::parse(std::string_view(text).substr(begin, end - begin), out.file_.string()));
      if (begin == 0 && TRY(json.integer("step")) == 0) {
        out.first_evaluation_ = TRY(json.number("evaluation_loss"));
      } else {
        out.steps_.push_back(TRY(step_of(json)));
      }
      begin = end + 1;
      kept = text.substr(0, begin);
    }
  }
  TRY(write_text_file(out.file_, kept));
  return out;
}

Result<> MetricsLog::begin(double evaluation_loss) {
  JsonWriter json;
  json.begin_object().field("step", 0).field("evaluation_loss", evaluation_loss).end_object();
  TRY(append_text_file(file_, json.take() + "\n"));
  first_evaluation_ = evaluation_loss;
  return {};
}

Result<> MetricsLog::append(const TrainStep& step) {
  TRY(append_text_file(file_, line_of(step)));
  steps_.push_back(step);
  return {};
}

}  // namespace farthing
