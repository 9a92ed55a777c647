// The program: reads the command line, runs the command, turns errors into messages and exit
// statuses.
#include <fmt/format.h>

#include <exception>
#include <new>

#include "apps/command_line.h"
#include "apps/output.h"
#include "apps/signals.h"
#include "base/float_mode.h"

namespace farthing {
namespace {

constexpr int success = 0, failure = 1, bad_usage = 2;

int report(const Result<>& result) {
  if (result) return success;
  tell(fmt::format("farthing: {}\n", result.error().text()));
  return failure;
}

int run_program(std::vector<std::string> arguments) {
  const auto commands = all_commands();
  const Invocation invocation = read_command_line(commands, std::move(arguments));
  if (!invocation.error.empty()) {
    tell(invocation.error);
    return bad_usage;
  }
  if (!invocation.run) return report(print(invocation.out));
  return report(invocation.run(invocation.common));
}

}  // namespace
}  // namespace farthing

int main(int argc, char** argv) {
  farthing::handle_signals();
  farthing::set_float_mode();
  try {  // the destructors on the way up remove partial outputs
    return farthing::run_program({argv + 1, argv + argc});
  } catch (const std::bad_alloc&) {
    farthing::tell("farthing: there is not enough memory for this\n");
  } catch (const std::exception& error) {
    farthing::tell(fmt::format("farthing: internal error: {}\n", error.what()));
  }
  return farthing::failure;
}
