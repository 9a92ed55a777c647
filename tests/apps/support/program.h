// Runs the built program as a user does.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace farthing {

struct ProgramRun {
  int status = -1;  // the exit status, or 1000 + signal
  std::string out, err;
};

struct ProgramSettings {
  std::string input;                                             // for standard input
  std::vector<std::pair<std::string, std::string>> environment;  // added to this process's own
  std::filesystem::path folder;  // to run in; empty: this process's own
};

// `farthing ARGUMENTS...` to its end.
ProgramRun farthing(const std::vector<std::string>& arguments,
                    const ProgramSettings& settings = {});

// Started and left running, output thrown away.
class BackgroundProgram {
 public:
  explicit BackgroundProgram(const std::vector<std::string>& arguments);
  ~BackgroundProgram();  // kills it where it still runs
  BackgroundProgram(const BackgroundProgram&) = delete;
  BackgroundProgram& operator=(const BackgroundProgram&) = delete;

  pid_t process() const { return process_; }
  void send(int signal);
  bool running();
  int wait();  // the status, as ProgramRun

 private:
  pid_t process_;
  int status_ = -1;
};

// The small model of the repository.
std::string stories();

}  // namespace farthing
