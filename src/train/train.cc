// The loop of training: batches, gradients, a step, the codes anew; states and metrics beside it.
#include "train/train.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json_writer.h"
#include "train/fresh_checkpoint.h"
#include "train/report/describe_run.h"
#include "train/training_state.h"

namespace farthing {
namespace {

class Run {
 public:
  Run(Context& context, Checkpoint& from, const Recipe& recipe, const TrainOptions& options,
      Progress& progress)
      : context_(context), from_(from), recipe_(recipe), options_(options), progress_(progress) {}

  Result<TrainResult> go() {
    progress_.update(0, 0, "reading the data");
    TRY(read_data());
    progress_.update(0, 0, "encoding the weights");
    NoProgress quiet;  // the bar is the steps'
    model_ = TRY(TrainedModel::create(context_, from_, recipe_.precision, quiet));
    if (const Calibration* c = model_->calibration())
      identity_ += fmt::format("calibration = {} tokens, digest {}\n", c->tokens, c->text_digest);
    optimizer_.emplace(recipe_.optimizer, model_->parameters());
    TRY(begin());
    TrainResult out;
    const Schedule& schedule = recipe_.schedule;
    tell("held-out loss");
    out.evaluation_before = TRY(evaluate_first());
    TRY(write_report(false));
    double tokens = 0, seconds = 0;
    while (optimizer_->steps() < schedule.steps) {
      out.steps.push_back(TRY(step()));
      const TrainStep& last = out.steps.back();
      tokens += static_cast<double>(last.tokens);
      seconds += last.seconds;
      tell(fmt::format("step {}, loss {:.4f}, {:.0f} tok/s", last.step, last.loss,
                       tokens / seconds));
      options_.on_step(last);
      TRY(metrics_->append(last));
      const bool save = last.step % recipe_.checkpoint_every == 0 || last.step == schedule.steps;
      if (save)
        TRY(save_training_state(options_.run, *model_, *optimizer_, identity_,
                                recipe_.checkpoint_keep));
      if (save || last.evaluation_loss) TRY(write_report(false));
    }
    // the last step evaluates
    const auto evaluated = metrics_->steps().empty() ? std::optional<double>{}
                                                     : metrics_->steps().back().evaluation_loss;
    out.evaluation_after = evaluated ? *evaluated : evaluate();
    out.model = options_.run / "model";
    TRY(model_->write(from_, recipe_.mode == TrainMode::qat ? "qat" : "trained", manifest(),
                      out.model, quiet));
    TRY(write_report(true));
    out.report = report_path();
    out.trained = std::move(model_);
    return out;
  }

 private:
  // The share of the steps done, and what happens now.
  void tell(const std::string& what) {
    progress_.update(static_cast<double>(optimizer_->steps()),
                     static_cast<double>(recipe_.schedule.steps), what);
  }

  Result<> read_data() {
    NoProgress quiet;
    const Tokenizer tokenizer = TRY(from_.tokenizer());
    const int64_t vocabulary = from_.config().vocabulary_size;
    const std::string chat = TRY(from_.chat_template());
    identity_ = recipe_.settings();
    std::vector<std::vector<Document>> sources;
    std::vector<double> weights;
    for (const DataSource& source : recipe_.data) {
      Documents read = TRY(read_documents(source, tokenizer, vocabulary, chat, quiet));
      identity_ += fmt::format("data.source = {}, weight {}, digest {}\n", source.kind,
                               source.weight, read.digest);
      sources.push_back(std::move(read.documents));
      weights.push_back(source.weight);
    }
    if (recipe_.context > from_.config().max_positions) {
      return fail({.what = "the recipe's context is longer than the model's",
                   .where = "data.context",
                   .got = fmt::format("{} tokens", recipe_.context),
                   .wanted = fmt::format("at most {}", from_.config().max_positions),
                   .remedy = "lower data.context"});
    }
    const int64_t tokens = std::max<int64_t>(recipe_.batch_tokens / recipe_.accumulation, 1);
    batches_.emplace(std::move(sources), std::move(weights),
                     Batches::Options{recipe_.context, tokens, recipe_.seed});
    if (recipe_.evaluation_path.empty()) return {};
    const DataSource text{
        recipe_.evaluation_path,
        recipe_.evaluation_path.ends_with(".json") || recipe_.evaluation_path.ends_with(".jsonl")
            ? "jsonl"
            : "text",
        1};
    Batches held_out({TRY(read_documents(text, tokenizer, vocabulary, chat, quiet)).documents},
                     {1.0}, {recipe_.context, tokens, recipe_.seed});
    const int64_t most = std::min(recipe_.evaluation_tokens, held_out.epoch_tokens());
    for (int64_t seen = 0; seen < most;) {
      evaluation_.push_back(held_out.next());
      for (const auto& t : evaluation_.back().tokens) seen += static_cast<int64_t>(t.size());
    }
    return {};
  }

  // From the youngest state, or the run's first step.
  Result<> begin() {
    std::error_code ignored;
    std::filesystem::create_directories(options_.run, ignored);
    // what a killed run had begun to write
    for (const auto& entry : std::filesystem::directory_iterator(options_.run, ignored))
      if (entry.path().filename().string().find(".partial-") != std::string::npos)
        std::filesystem::remove_all(entry.path(), ignored);
    const auto state = latest_training_state(options_.run);
    if (state && !options_.resume) {
      return fail({.what = "the folder holds an earlier run",
                   .where = options_.run.string(),
                   .got = state->filename().string(),
                   .wanted = "a new folder",
                   .remedy = "give --resume to go on with it, or another folder"});
    }
    if (state) {
      TRY(load_training_state(*state, *model_, *optimizer_, identity_));
      TRY(model_->encode(context_));
      batches_->skip(optimizer_->steps() * recipe_.accumulation);
    }
    metrics_ = TRY(MetricsLog::open(options_.run, optimizer_->steps()));
    return {};
  }

  Result<TrainStep> step() {
    const double started = now_seconds();
    std::vector<Batches::Batch> batches;
    int64_t counted = 0, tokens = 0;
    for (int64_t i = 0; i < recipe_.accumulation; ++i) {
      batches.push_back(batches_->next());
      counted += batches.back().counted;
      for (const auto& t : batches.back().tokens) tokens += static_cast<int64_t>(t.size());
    }
    model_->clear_gradients(context_);
    double loss = 0;
    const float scale = 1.0f / static_cast<float>(std::max<int64_t>(counted, 1));
    for (const Batches::Batch& batch : batches)
      loss += model_->accumulate_gradients(context_, batch.sequences(), scale,
                                           recipe_.gradient_checkpointing);
    loss /= static_cast<double>(std::max<int64_t>(counted, 1));
    if (loss - loss != 0) {
      return fail({.what = "the loss is not finite",
                   .where = fmt::format("step {}", optimizer_->steps() + 1),
                   .got = fmt::format("{}", loss),
                   .wanted = "a finite loss",
                   .remedy = "lower the learning rate or lengthen the warm-up; the last state is "
                             "still good"});
    }
    model_->pass_gradients(context_);
    const double rate = recipe_.schedule.at(optimizer_->steps() + 1);
    const double norm = TRY(optimizer_->step(context_, rate));
    TRY(model_->encode(context_));
    TrainStep out{.step = optimizer_->steps(),
                  .loss = loss,
                  .gradient_norm = norm,
                  .learning_rate = rate,
                  .tokens = tokens,
                  .seconds = now_seconds() - started};
    if (!evaluation_.empty() &&
        (out.step % recipe_.evaluation_every == 0 || out.step == recipe_.schedule.steps)) {
      tell(fmt::format("step {}, held-out loss", out.step));
      out.evaluation_loss = evaluate();
    }
    return out;
  }

  // That of the model which the run began with, also where it goes on.
  Result<double> evaluate_first() {
    if (metrics_->first_evaluation()) return *metrics_->first_evaluation();
    const double loss = evaluate();
    if (!evaluation_.empty() && optimizer_->steps() == 0) TRY(metrics_->begin(loss));
    return loss;
  }

  std::filesystem::path report_path() const { return options_.run / "report.html"; }

  Result<> write_report(bool finished) {
    if (!report_) report_ = describe_run(context_, from_, recipe_, *model_, identity_);
    report_->finished = finished;
    report_->first_evaluation = metrics_->first_evaluation();
    report_->steps = metrics_->steps();
    return write_text_file(report_path(), train_html(*report_));
  }

  // Mean loss on the held-out text.
  double evaluate() {
    double sum = 0;
    int64_t counted = 0;
    for (const Batches::Batch& batch : evaluation_) {
      sum += model_->loss(context_, batch.sequences());
      counted += batch.counted;
    }
    return counted == 0 ? 0 : sum / static_cast<double>(counted);
  }

  std::string manifest() const {
    JsonWriter json(true);
    json.begin_object().field("written_by", "farthing train").field("recipe", identity_);
    if (const Calibration* c = model_->calibration()) {
      json.key("calibration").begin_object().field("text", c->text);
      json.field("text_digest", c->text_digest).field("tokens", c->tokens).end_object();
    }
    return json.end_object().take() + "\n";
  }

  Context& context_;
  Checkpoint& from_;
  const Recipe& recipe_;
  const TrainOptions& options_;
  Progress& progress_;
  std::optional<Batches> batches_;
  std::vector<Batches::Batch> evaluation_;
  std::unique_ptr<TrainedModel> model_;
  std::optional<Optimizer> optimizer_;
  std::string identity_;  // what decides the result
  std::optional<MetricsLog> metrics_;
  std::optional<TrainReport> report_;
};

}  // namespace

Result<TrainResult> train(Context& context, Checkpoint& from, const Recipe& recipe,
                          const TrainOptions& options, Progress& progress) {
  std::unique_ptr<Checkpoint> fresh;
  if (recipe.model) fresh = TRY(fresh_checkpoint(from, *recipe.model, recipe.seed));
  Checkpoint& start = fresh != nullptr ? *fresh : from;
  Recipe whole = recipe;  // with what it leaves to the model
  if (!whole.precision.kv_cache) whole.precision.kv_cache = TRY(start.kv_cache()).codec;
  return Run(context, start, whole, options, progress).go();
}

}  // namespace farthing
