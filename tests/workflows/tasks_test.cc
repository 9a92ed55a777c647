// A measurement by tasks: judging, flips, what is kept of unfinished work, and the folder at the
// end.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/cpu.h"
#include "base/support/scratch_folder.h"
#include "model/support/models.h"
#include "workflows/tasks/measure_tasks.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

class MeasureTasks : public ::testing::Test {
 protected:
  MeasureTasks() {
    model_ = {.name = "model", .checkpoint = from_.get(), .format = "int2_g32", .load = [&] {
                ++loads_;
                return testing::load_model(owner_.get(), from_->path(), "int2_g32");
              }};
    baseline_ = {.name = "baseline", .checkpoint = from_.get(), .load = [&] {
                   ++loads_;
                   return testing::load_model(owner_.get(), from_->path());
                 }};
    options_ = {.tasks = {"arc_easy"}, .questions = {.limit = 70}, .output = folder_ / "out"};
  }
  Result<TasksReport> measure(bool against = true) {
    return measure_tasks(owner_.get(), model_, against ? &baseline_ : nullptr, options_, quiet_);
  }
  TasksReport measured(bool against = true) {
    auto report = measure(against);
    if (report) return std::move(*report);
    ADD_FAILURE() << report.error().text();
    return {};
  }
  fs::path work() const { return folder_ / "out.work"; }

  ScratchFolder folder_;
  ContextOwner owner_{2, choose_isa().value()};
  std::unique_ptr<Checkpoint> from_ =
      Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k").value();
  int loads_ = 0;
  TaskModel model_, baseline_;
  MeasureTasksOptions options_;
  NoProgress quiet_;
};

TEST_F(MeasureTasks, AModelAgainstItselfLosesNothing) {
  model_.load = baseline_.load;
  const TasksReport report = measured();
  const TaskResult& task = report.tasks.at(0);
  EXPECT_EQ(task.responses, task.baseline_responses);
  for (const MetricResult& metric : task.metrics) {
    EXPECT_EQ(metric.drop->value, 0);
    EXPECT_EQ(metric.drop->low, 0);
    EXPECT_EQ(metric.drop->high, 0);
    EXPECT_EQ(metric.flips->lost + metric.flips->gained, 0);
  }
}

TEST_F(MeasureTasks, TheDropIsTheFlipsAndTheDifferenceOfTheValues) {
  const TasksReport report = measured();
  const TaskResult& task = report.tasks.at(0);
  EXPECT_NE(task.responses, task.baseline_responses);
  int64_t flips = 0;
  for (const MetricResult& metric : task.metrics) {
    // Means of 70 zeros and ones: a few roundings of 2^-53.
    EXPECT_NEAR(metric.drop->value, metric.baseline->value - metric.value.value, 1e-14);
    EXPECT_NEAR(metric.drop->value,
                static_cast<double>(metric.flips->lost - metric.flips->gained) / 70, 1e-14);
    EXPECT_LE(metric.drop->low, metric.drop->value);
    EXPECT_GE(metric.drop->high, metric.drop->value);
    flips += metric.flips->lost + metric.flips->gained;
  }
  EXPECT_GT(flips, 0);  // two bits turn some of 70 answers
}

TEST_F(MeasureTasks, TheFolderHoldsTheReportAndTheAnswersAndNoWork) {
  options_.tasks = {"arc_easy", "boolq"};
  options_.questions.limit = 3;
  measured();
  EXPECT_EQ(folder_.names(), std::vector<std::string>{"out"});
  const std::string samples = read_all(folder_ / "out/samples_boolq.jsonl");
  EXPECT_EQ(std::count(samples.begin(), samples.end(), '\n'), 3);
  EXPECT_TRUE(fs::exists(folder_ / "out/samples_arc_easy.jsonl"));
  EXPECT_TRUE(fs::exists(folder_ / "out/tasks.json"));
}

// As if it had been killed: the folder of a finished run is kept, and some of its files are
// removed.
class Interrupted : public MeasureTasks {
 protected:
  // Leaves the work of a run that ended while it wrote its report.
  std::string interrupt() {
    const TasksReport report = measured();
    const std::string samples = read_all(folder_ / "out/samples_arc_easy.jsonl");
    fs::rename(folder_ / "out", folder_ / "whole");
    fail_to_write();
    return samples;
  }
  void fail_to_write() {
    const auto load = model_.load;
    model_.load = [&]() -> Result<std::unique_ptr<Model>> {
      fs::create_directory(folder_ / "out");  // not a run's: it cannot be replaced at the end
      write_all(folder_ / "out/own", "a user's file");
      return load();
    };
    EXPECT_FALSE(measure());
    EXPECT_EQ(read_all(folder_ / "out/own"), "a user's file");
    fs::remove_all(folder_ / "out");
    model_.load = load;
    loads_ = 0;
  }
};

TEST_F(Interrupted, ItGoesOnToTheSameAnswers) {
  const std::string samples = interrupt();
  // 70 questions are three files for each model.
  ASSERT_TRUE(fs::remove(work() / "model-arc_easy-1.json"));
  ASSERT_TRUE(fs::remove(work() / "model-arc_easy-2.json"));
  options_.resume = true;
  const TasksReport report = measured();
  EXPECT_EQ(loads_, 1) << "the baseline's answers were all there";
  EXPECT_EQ(report.tasks.at(0).answered, 38);
  EXPECT_EQ(read_all(folder_ / "out/samples_arc_easy.jsonl"), samples);
  EXPECT_FALSE(fs::exists(work()));
}

TEST_F(Interrupted, SoItDoesAfterTwoInterruptions) {
  const std::string samples = interrupt();
  ASSERT_TRUE(fs::remove(work() / "model-arc_easy-1.json"));
  ASSERT_TRUE(fs::remove(work() / "model-arc_easy-2.json"));
  options_.resume = true;
  fail_to_write();
  EXPECT_EQ(measured().tasks.at(0).answered, 0);
  EXPECT_EQ(read_all(folder_ / "out/samples_arc_easy.jsonl"), samples);
}

TEST_F(Interrupted, NothingIsComputedWhereAllAnswersAreThere) {
  const std::string samples = interrupt();
  options_.resume = true;
  measured();
  EXPECT_EQ(loads_, 0);
  EXPECT_EQ(read_all(folder_ / "out/samples_arc_easy.jsonl"), samples);
}

TEST_F(Interrupted, WithoutResumeItIsRefusedAndTheWorkStays) {
  interrupt();
  const auto report = measure();
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().remedy.find("--resume"), std::string::npos);
  EXPECT_TRUE(fs::exists(work() / "model-arc_easy-2.json"));
}

TEST_F(Interrupted, OtherOptionsAreRefusedAndTheWorkStays) {
  interrupt();
  options_.resume = true;
  options_.questions.limit = 69;
  const auto report = measure();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().what, "the folder holds the unfinished work of another measurement");
  EXPECT_TRUE(fs::exists(work() / "model-arc_easy-2.json"));
}

TEST_F(Interrupted, AnotherFormatOrKvCacheIsRefused) {
  interrupt();
  options_.resume = true;
  for (TaskModel* other : {&model_, &baseline_}) {
    const TaskModel before = *other;
    other->format = "int3_g32";
    EXPECT_FALSE(measure());
    *other = before;
    other->kv_cache = KvCodec::int8;
    EXPECT_FALSE(measure());
    *other = before;
  }
  EXPECT_EQ(loads_, 0);
  EXPECT_TRUE(measure());
}

TEST_F(Interrupted, DamagedAnswersAreRefusedAndTheWorkStays) {
  interrupt();
  options_.resume = true;
  const auto file = work() / "model-arc_easy-0.json";
  const auto answer = [](int question, const char* log_likelihoods) {
    return fmt::format(
        R"({{"responses": [{{"question": {}, "log_likelihoods": {}, "text": ""}}]}})", question,
        log_likelihoods);
  };
  for (const auto& [text, got] : {std::pair(answer(70, "[-1, -2, -3, -4]"), "question 70"),
                                  std::pair(answer(-1, "[-1, -2, -3, -4]"), "question -1"),
                                  std::pair(answer(7, "[-1]"), "1 log-likelihoods")}) {
    write_all(file, text);
    const auto report = measure();
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().got, got);
    EXPECT_NE(report.error().where.find(file.string()), std::string::npos) << report.error().where;
    EXPECT_EQ(read_all(file), text);
  }
  EXPECT_EQ(loads_, 0);
}

TEST_F(MeasureTasks, AFolderOfTheUserIsRefusedBeforeAnyWork) {
  fs::create_directory(folder_ / "out");
  write_all(folder_ / "out/own", "a user's file");
  EXPECT_FALSE(measure());
  EXPECT_EQ(loads_, 0);
  EXPECT_EQ(folder_.names(), std::vector<std::string>{"out"});
}

TEST_F(MeasureTasks, ASchemeWhoseResultsDependOnTheBatchIsRefused) {
  model_.load = [&] {
    return testing::load_model(owner_.get(), from_->path(), "int8_row@int8_tensor");
  };
  const auto report = measure(false);
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().text().find("int8_tensor"), std::string::npos) << report.error().text();
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

}  // namespace
}  // namespace farthing
