// Reads the command line with CLI11, and words its errors so that they say what to do.
#include "apps/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>

#include "base/nearest_name.h"
#include "base/thread_pool.h"

namespace farthing {

#define FARTHING_COMMAND(name) Command name##_command();
#include "apps/commands.inc"
#undef FARTHING_COMMAND

std::vector<Command> all_commands() {
  return {
#define FARTHING_COMMAND(name) name##_command(),
#include "apps/commands.inc"
#undef FARTHING_COMMAND
  };
}

namespace {
// Refuses what is no number of type T within the bounds.
template <class T>
CLI::Validator between(T least, T most) {
  const auto problem = [=](std::string& given) {
    T value{};
    if (CLI::detail::lexical_cast(given, value) && value >= least && value <= most)
      return std::string();
    return fmt::format("{} is not a {} from {} to {}", given,
                       std::is_integral_v<T> ? "whole number" : "number", least, most);
  };
  return CLI::Validator(problem, "");
}
}  // namespace

void OptionList::flag(const std::string& names, bool& target, const std::string& help) {
  app_.add_flag(names, target, help);
}

void OptionList::text(const std::string& names, const std::string& value_name, std::string& target,
                      const std::string& help) {
  app_.add_option(names, target, help)->type_name(value_name)->take_last();
}

void OptionList::integer(const std::string& names, int64_t& target, int64_t least, int64_t most,
                         const std::string& help) {
  app_.add_option(names, target, help)
      ->type_name("N")
      ->take_last()
      ->capture_default_str()
      ->check(between(least, most));
}

void OptionList::number(const std::string& names, float& target, float least, float most,
                        const std::string& help) {
  app_.add_option(names, target, help)
      ->type_name("X")
      ->take_last()
      ->capture_default_str()
      ->check(between(least, most));
}

void OptionList::list(const std::string& names, const std::string& value_name,
                      std::vector<std::string>& target, const std::string& help) {
  accept(names, value_name, help, [&target](const std::string& given) -> Result<> {
    target = CLI::detail::split(given, ',');
    return {};
  });
}

void OptionList::required(const std::string& names, const std::string& value_name,
                          std::string& target, const std::string& help) {
  app_.add_option(names, target, help)->required()->type_name(value_name)->take_last();
}

void OptionList::accept(const std::string& names, const std::string& value_name,
                        const std::string& help, std::function<Result<>(const std::string&)> take) {
  const std::function<void(const std::string&)> call = [names, take](const std::string& given) {
    if (const auto taken = take(given); !taken)
      throw CLI::ValidationError(names, taken.error().text());
  };
  app_.add_option_function<std::string>(names, call, help)->type_name(value_name);
}

namespace {

std::string program_help(std::span<const Command> commands) {
  std::string out =
      "farthing: makes a language model a quarter of its size, proves what that cost, and runs "
      "it.\n\n"
      "Usage: farthing COMMAND [OPTIONS]\n\nCommands:\n";
  for (const Command& command : commands)
    out += fmt::format("  {:13} {}\n", command.text.name, command.text.summary);
  out +=
      "  help          the help of a command: farthing help run\n\n"
      "Options:\n"
      "  -h,--help     this text\n"
      "  --version     the version\n\n"
      "MODEL is a Hugging Face directory, a GGUF file, or a directory that `farthing quantize` "
      "wrote.\n"
      "Results go to standard output, messages to standard error. The exit status is 0 after "
      "success, 1 after a\n"
      "failure, 2 after bad usage.\n\n"
      "Example:\n"
      "  farthing compare models/stories260k --formats int8_row,int4_g32 --tokens 500\n";
  return out;
}

std::string did_you_mean(std::string_view given, std::span<const std::string> candidates) {
  const std::string nearest = nearest_name(given, candidates);
  return nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest);
}

Invocation usage_error(std::string_view command, std::string_view what) {
  const std::string help =
      command.empty() ? "farthing --help" : fmt::format("farthing {} --help", command);
  return {.error = fmt::format("farthing: {}\nSee `{}`.\n", what, help)};
}

Invocation unknown_command(std::span<const Command> commands, const std::string& given) {
  std::vector<std::string> names{"help"};
  for (const Command& command : commands) names.emplace_back(command.text.name);
  const std::string kind = given.starts_with('-') ? "option" : "command";
  return usage_error(
      "", fmt::format("there is no {} \"{}\"{}", kind, given, did_you_mean(given, names)));
}

// What is wrong, in words that name the flag and the remedy.
std::string usage_problem(const CLI::App& app, const CLI::ParseError& error) {
  if (dynamic_cast<const CLI::ValidationError*>(&error) != nullptr) return error.what();
  for (const std::string& extra : app.remaining()) {
    if (!extra.starts_with('-') || extra == "-")
      return fmt::format("\"{}\" is one argument too many", extra);
    std::vector<std::string> flags;
    for (const CLI::Option* option : app.get_options()) {
      for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
      for (const std::string& name : option->get_snames()) flags.push_back("-" + name);
    }
    const std::string name = extra.substr(0, extra.find('='));
    return fmt::format("there is no option {}{}", name, did_you_mean(name, flags));
  }
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    for (const CLI::Option* option : app.get_options()) {
      if (!option->get_required() || option->count() > 0) continue;
      const bool positional = option->get_positional();
      return fmt::format("{} is missing: {}",
                         positional ? option->get_type_name() : option->get_name(),
                         option->get_description());
    }
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    const std::string_view what = error.what();
    const std::string_view name = what.substr(0, what.find(':'));
    if (what.find("At Most") == std::string_view::npos)
      return fmt::format("{} needs a value", name);
    return fmt::format("{} was given more than once", name);
  }
  return error.what();
}

Invocation read_options(const Command& command, std::vector<std::string> arguments) {
  Invocation out;
  const std::string name = fmt::format("farthing {}", command.text.name);
  CLI::App app(fmt::format("{}: {}\n\n{}", name, command.text.summary, command.text.details), name);
  app.get_formatter()->column_width(34);
  app.footer(fmt::format("Example:\n{}", command.text.example));
  OptionList options(app);
  command.declare(options);
  app.add_flag("--json", out.common.json, "The result as JSON");
  out.common.threads = available_processors();
  options.integer("-t,--threads", out.common.threads, 1, 1024, "Threads to compute with");
  app.allow_extras();
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  try {
    app.parse(arguments);
    if (!app.remaining().empty()) throw CLI::ExtrasError(app.remaining());
  } catch (const CLI::CallForHelp&) {
    out.out = app.help();
    return out;
  } catch (const CLI::ParseError& error) {
    return usage_error(command.text.name, usage_problem(app, error));
  }
  if (const auto checked = command.check(); !checked)
    return usage_error(command.text.name, checked.error().text());
  out.run = command.run;
  return out;
}

}  // namespace

Invocation read_command_line(std::span<const Command> commands,
                             std::vector<std::string> arguments) {
  if (arguments.empty())
    return {.error = "farthing: no command was given\n\n" + program_help(commands)};
  std::string first = arguments.front();
  arguments.erase(arguments.begin());
  if (first == "--version") return {.out = "farthing " FARTHING_VERSION "\n"};
  const bool asks_help = first == "help" && !arguments.empty();
  if (asks_help) {
    first = arguments.front();
    arguments.erase(arguments.begin());
  }
  for (const Command& command : commands) {  // of two words: bench offline
    if (arguments.empty() || command.text.name != first + " " + arguments.front()) continue;
    first = command.text.name;
    arguments.erase(arguments.begin());
    break;
  }
  if (asks_help) arguments = {"--help"};
  if (first == "help" || first == "--help" || first == "-h") return {.out = program_help(commands)};
  for (const Command& command : commands)
    if (command.text.name == first) return read_options(command, std::move(arguments));
  return unknown_command(commands, first);
}

}  // namespace farthing
