// What the program says about its use, and its exit statuses.
#include <gtest/gtest.h>

#include "apps/command_line.h"
#include "apps/support/program.h"
#include "base/nearest_name.h"

namespace farthing {
namespace {

std::vector<std::string> command_names() {
  std::vector<std::string> out;
  for (const Command& command : all_commands()) out.emplace_back(command.text.name);
  return out;
}

TEST(Usage, NoCommandIsBadUsageAndListsTheCommands) {
  const ProgramRun run = farthing({});
  EXPECT_EQ(run.status, 2);
  EXPECT_EQ(run.out, "");
  for (const std::string& name : command_names())
    EXPECT_NE(run.err.find("\n  " + name + " "), std::string::npos) << name;
}

TEST(Usage, VersionIsPrinted) {
  const ProgramRun run = farthing({"--version"});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(run.out.rfind("farthing ", 0), 0u);
}

TEST(Usage, HelpOfEachCommandHasAnExampleAndTheCommonOptions) {
  for (const std::string& name : command_names()) {
    const ProgramRun run = farthing({name, "--help"});
    EXPECT_EQ(run.status, 0) << name;
    EXPECT_NE(run.out.find("Example:\n  farthing " + name), std::string::npos) << run.out;
    for (const char* option : {"--json", "--threads", "--help"})
      EXPECT_NE(run.out.find(option), std::string::npos) << name << " " << option;
  }
}

TEST(Usage, HelpCommandPrintsTheSameAsTheOption) {
  for (const std::string& name : command_names())
    EXPECT_EQ(farthing({"help", name}).out, farthing({name, "--help"}).out);
  EXPECT_EQ(farthing({"help"}).out, farthing({"--help"}).out);
}

struct Mistake {
  std::vector<std::string> arguments;
  std::string message;  // what the message must say
};

class BadUsage : public testing::TestWithParam<Mistake> {};

TEST_P(BadUsage, EndsWithStatus2AndSaysWhatToDo) {
  const ProgramRun run = farthing(GetParam().arguments);
  EXPECT_EQ(run.status, 2);
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.err.find(GetParam().message), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("See `farthing "), std::string::npos) << run.err;
}

INSTANTIATE_TEST_SUITE_P(
    Mistakes, BadUsage,
    testing::Values(
        Mistake{{"quantise"}, "there is no command \"quantise\"; did you mean quantize?"},
        Mistake{{"--verbose"}, "there is no option \"--verbose\""},
        Mistake{{"help", "evil"}, "did you mean eval?"}, Mistake{{"run"}, "MODEL is missing"},
        Mistake{{"run", "m", "--tempp", "1"}, "there is no option --tempp; did you mean --temp?"},
        Mistake{{"run", "--promt=x"}, "there is no option --promt; did you mean --prompt?"},
        Mistake{{"run", "m", "more"}, "\"more\" is one argument too many"},
        Mistake{{"run", "m", "--temp", "warm"}, "--temp: warm is not a number from 0 to 1000"},
        Mistake{{"run", "m", "--temp", "nan"}, "--temp: nan is not a number from 0 to 1000"},
        Mistake{{"run", "m", "--top-k", "1.5"}, "--top-k: 1.5 is not a whole number"},
        Mistake{{"run", "m", "-n"}, "--n-predict needs a value"},
        Mistake{{"run", "m", "-n", "-2"}, "-2 is not a whole number from -1 to"},
        Mistake{{"run", "m", "-p", "a", "-f", "b"}, "two prompts were given"},
        Mistake{{"formats", "--threads", "0"}, "--threads: 0 is not a whole number from 1 to"},
        Mistake{{"quantize", "m", "--format", "q4_0"}, "--output is missing"},
        Mistake{{"quantize", "m", "-o", "d"}, "--format int4_g128"},
        Mistake{{"quantize", "m", "-o", "d", "--format", "int9_row"}, "unknown number format"},
        Mistake{{"quantize", "m", "-o", "d", "--format", "f16@int8_block33"},
                "unknown activation format"},
        Mistake{{"quantize", "m", "-o", "d", "--format", "q4_0", "--method", "magic"},
                "one of rtn"},
        Mistake{{"quantize", "m", "-o", "d", "--format", "q4_0", "--scale-rule", "narrow"},
                "one of signed"},
        Mistake{{"compare", "m", "--formats", "q4_0,nonsense"}, "scheme \"nonsense\""},
        Mistake{{"quantize", "m", "-o", "d", "--format", "q4_0", "--token-embedding-type", "q8_0",
                 "--output-tensor-type", "f16"},
                "--tables was given more than once"},
        Mistake{{"eval", "m", "--free-running", "8"}, "there is no baseline that could write"},
        Mistake{{"tasks", "m", "--resume"}, "there is nothing to go on with"},
        Mistake{{"kernels", "--format", "q4_0"}, "--format needs a model"}));

TEST(Usage, TheLastOfARepeatedOptionCounts) {
  EXPECT_EQ(farthing({"formats", "--threads", "0", "--threads", "1"}).status,
            2);  // each value must be one
  EXPECT_EQ(farthing({"formats", "--threads", "2", "--threads", "1"}).status, 0);
}

TEST(Usage, NearestNameAllowsForTyposOnly) {
  const std::vector<std::string> names{"--prompt", "--top-p", "--top-k"};
  EXPECT_EQ(nearest_name("--pormpt", names), "--prompt");
  EXPECT_EQ(nearest_name("--topk", names), "--top-k");
  EXPECT_EQ(nearest_name("--frequency", names), "");
}

TEST(Failure, MissingModelEndsWithStatus1AndNamesThePath) {
  for (const char* command : {"inspect", "eval", "run", "compare", "kernels", "tasks"}) {
    const ProgramRun run = farthing({command, "/nonexistent/model"});
    EXPECT_EQ(run.status, 1) << command;
    EXPECT_EQ(run.out, "") << command;
    EXPECT_NE(run.err.find("/nonexistent/model"), std::string::npos) << run.err;
  }
}

TEST(Failure, AFileThatIsNoModelIsRefused) {
  const ProgramRun run = farthing({"inspect", FARTHING_SOURCE_DIR "/CMakeLists.txt"});
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.err.find("CMakeLists.txt"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("GGUF"), std::string::npos) << run.err;
}

TEST(Failure, AnUnknownInstructionSetIsRefusedBeforeAnythingRuns) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"kernels"}, {"run", stories()}, {"eval", stories()}}) {
    const ProgramRun run = farthing(
        arguments, {.input = {}, .environment = {{"FARTHING_FORCE_ISA", "sse9"}}, .folder = {}});
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.err.find("sse9"), std::string::npos) << run.err;
  }
}

}  // namespace
}  // namespace farthing
