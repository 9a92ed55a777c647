// The declarative layer of the command line: what a subcommand is, and how it declares its options.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace CLI {
class App;
}

namespace farthing {

// Options that every command has.
struct CommonOptions {
  bool json = false;    // --json: the result as JSON
  int64_t threads = 0;  // --threads; the number of available processors where it was not given
};

// Declares a command's options. `names` are comma-separated, "-n,--n-predict"; a name without
// dashes makes the option positional too. The target's value at declaration is the default and is
// shown by --help.
class OptionList {
 public:
  explicit OptionList(CLI::App& app) : app_(app) {}

  void flag(const std::string& names, bool& target, const std::string& help);
  void text(const std::string& names, const std::string& value_name, std::string& target,
            const std::string& help);
  void integer(const std::string& names, int64_t& target, int64_t least, int64_t most,
               const std::string& help);
  void number(const std::string& names, float& target, float least, float most,
              const std::string& help);
  // Values that are separated by commas.
  void list(const std::string& names, const std::string& value_name,
            std::vector<std::string>& target, const std::string& help);
  // Must be given.
  void required(const std::string& names, const std::string& value_name, std::string& target,
                const std::string& help);
  // A value that `parse` turns into `target`; its error is one of usage, and so is giving it twice.
  template <class Target, class Parse>
  void parsed(const std::string& names, const std::string& value_name, Target& target, Parse parse,
              const std::string& help) {
    accept(names, value_name, help, [&target, parse](const std::string& given) -> Result<> {
      target = TRY(parse(given));
      return {};
    });
  }

 private:
  void accept(const std::string& names, const std::string& value_name, const std::string& help,
              std::function<Result<>(const std::string&)> take);
  CLI::App& app_;
};

// What --help says of a command.
struct CommandText {
  std::string_view name;
  std::string_view summary;  // one line
  std::string_view details;  // what it does and prints
  std::string_view example;  // lines of a shell
};

struct Command {
  CommandText text;
  std::function<void(OptionList&)> declare;
  std::function<Result<>()> check;  // contradictions between options: errors of usage
  std::function<Result<>(const CommonOptions&)> run;
};

// A command whose options live in an Options object.
template <class Options>
Command make_command(CommandText text, void (*declare)(OptionList&, Options&),
                     Result<> (*run)(const CommonOptions&, const Options&),
                     Result<> (*check)(const Options&) = nullptr) {
  auto options = std::make_shared<Options>();
  return {.text = text,
          .declare = [=](OptionList& list) { declare(list, *options); },
          .check = [=]() -> Result<> { return check == nullptr ? Result<>{} : check(*options); },
          .run = [=](const CommonOptions& common) { return run(common, *options); }};
}

// Every command, in the order of commands.inc.
std::vector<Command> all_commands();

// What to do after reading a command line.
struct Invocation {
  std::function<Result<>(const CommonOptions&)> run = {};  // empty: print and leave
  CommonOptions common = {};
  std::string out = {};    // for standard output: help, version
  std::string error = {};  // for standard error: what is wrong with the usage
};

// Reads the arguments that follow the program's name.
Invocation read_command_line(std::span<const Command> commands, std::vector<std::string> arguments);

}  // namespace farthing
