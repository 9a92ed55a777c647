// Starting the program with pipes.
#include "apps/support/program.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>

namespace farthing {
namespace {

int status_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

[[noreturn]] void become_program(const std::vector<std::string>& arguments,
                                 const ProgramSettings& settings) {
  // A test may run where a shell ignores or blocks these.
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, SIG_DFL);
  for (const auto& [name, value] : settings.environment) ::setenv(name.c_str(), value.c_str(), 1);
  if (!settings.folder.empty() && ::chdir(settings.folder.c_str()) != 0) ::_exit(126);
  const std::string program = FARTHING_BUILD_DIR "/farthing";
  std::vector<char*> words{const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments)
    words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  ::execv(program.c_str(), words.data());
  ::_exit(127);
}

struct Pipe {
  std::array<int, 2> ends{};
  Pipe() {
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
  }
  void close(int end) {
    if (ends[static_cast<size_t>(end)] >= 0) ::close(ends[static_cast<size_t>(end)]);
    ends[static_cast<size_t>(end)] = -1;
  }
  ~Pipe() {
    close(0);
    close(1);
  }
};

}  // namespace

ProgramRun farthing(const std::vector<std::string>& arguments, const ProgramSettings& settings) {
  Pipe in, out, err;
  const pid_t process = ::fork();
  if (process < 0) std::abort();
  if (process == 0) {
    ::dup2(in.ends[0], 0);
    ::dup2(out.ends[1], 1);
    ::dup2(err.ends[1], 2);
    become_program(arguments, settings);
  }
  in.close(0);
  out.close(1);
  err.close(1);
  size_t written = 0;  // inputs of the tests fit into a pipe
  while (written < settings.input.size()) {
    const ssize_t n =
        ::write(in.ends[1], settings.input.data() + written, settings.input.size() - written);
    if (n <= 0) break;
    written += static_cast<size_t>(n);
  }
  in.close(1);
  ProgramRun run;
  const auto drain = [](Pipe& pipe, std::string& into) {
    char buffer[4096];
    const ssize_t n = ::read(pipe.ends[0], buffer, sizeof buffer);
    if (n > 0) into.append(buffer, static_cast<size_t>(n));
    if (n <= 0) pipe.close(0);
  };
  while (out.ends[0] >= 0 || err.ends[0] >= 0) {
    std::array<pollfd, 2> ready{{{out.ends[0], POLLIN, 0}, {err.ends[0], POLLIN, 0}}};
    ::poll(ready.data(), ready.size(), -1);
    if (ready[0].revents != 0) drain(out, run.out);
    if (ready[1].revents != 0) drain(err, run.err);
  }
  int status = 0;
  ::waitpid(process, &status, 0);
  run.status = status_of(status);
  return run;
}

BackgroundProgram::BackgroundProgram(const std::vector<std::string>& arguments)
    : process_(::fork()) {
  if (process_ < 0) std::abort();
  if (process_ > 0) return;
  const int nowhere = ::open("/dev/null", O_RDWR);
  for (const int descriptor : {0, 1, 2}) ::dup2(nowhere, descriptor);
  become_program(arguments, {});
}

BackgroundProgram::~BackgroundProgram() {
  if (!running()) return;
  ::kill(process_, SIGKILL);
  wait();
}

void BackgroundProgram::send(int signal) { ::kill(process_, signal); }

bool BackgroundProgram::running() {
  if (status_ >= 0) return false;
  int status = 0;
  if (::waitpid(process_, &status, WNOHANG) == 0) return true;
  status_ = status_of(status);
  return false;
}

int BackgroundProgram::wait() {
  if (status_ >= 0) return status_;
  int status = 0;
  ::waitpid(process_, &status, 0);
  return status_ = status_of(status);
}

std::string stories() { return FARTHING_SOURCE_DIR "/models/stories260k"; }

}  // namespace farthing
