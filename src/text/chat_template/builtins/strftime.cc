// strftime's directives.
#include "text/chat_template/builtins/strftime.h"
#include "text/chat_template/values/refusal.h"

#include <fmt/format.h>

#include <chrono>

#include "text/chat_template.h"

namespace farthing::jinja {
namespace {

constexpr std::string_view kMonths[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};
constexpr std::string_view kDays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                      "Thursday", "Friday", "Saturday"};

// A number of `digits` digits, or without leading zeros where the directive has a minus.
std::string number(int value, int digits, bool bare) {
  return bare ? std::to_string(value) : fmt::format("{:0{}}", value, digits);
}

}  // namespace

Result<std::string> formatted_time(const ChatTime& time, std::string_view format) {
  const std::chrono::year_month_day date{std::chrono::year(time.year),
                                         std::chrono::month(static_cast<unsigned>(time.month)),
                                         std::chrono::day(static_cast<unsigned>(time.day))};
  const bool is_time = time.year >= 1 && time.year <= 9999 && time.month >= 1 && time.day >= 1 &&
                       date.ok() && time.hour >= 0 && time.hour < 24 && time.minute >= 0 &&
                       time.minute < 60 && time.second >= 0 && time.second < 60;
  if (!is_time) {
    return refused("the time that the chat template asks for is none",
                   fmt::format("{}-{}-{} {}:{}:{}", time.year, time.month, time.day, time.hour,
                               time.minute, time.second),
                   "a date of the years 1 to 9999, and a time of day");
  }
  const std::chrono::sys_days day(date);
  const unsigned weekday = std::chrono::weekday(day).c_encoding();
  const std::chrono::sys_days new_year(date.year() / std::chrono::January / 1);
  const int day_of_year = static_cast<int>((day - new_year).count()) + 1;
  const int half_day_hour = time.hour % 12 == 0 ? 12 : time.hour % 12;
  std::string out;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    ++i;
    const bool bare = i < format.size() && format[i] == '-';
    if (bare) ++i;
    const char directive = i < format.size() ? format[i] : '\0';
    const std::string_view month = kMonths[time.month - 1], weekday_name = kDays[weekday];
    switch (directive) {
      case 'Y':
        out += std::to_string(time.year);
        break;
      case 'y':
        out += number(time.year % 100, 2, bare);
        break;
      case 'm':
        out += number(time.month, 2, bare);
        break;
      case 'd':
        out += number(time.day, 2, bare);
        break;
      case 'H':
        out += number(time.hour, 2, bare);
        break;
      case 'I':
        out += number(half_day_hour, 2, bare);
        break;
      case 'M':
        out += number(time.minute, 2, bare);
        break;
      case 'S':
        out += number(time.second, 2, bare);
        break;
      case 'j':
        out += number(day_of_year, 3, bare);
        break;
      case 'B':
        out += month;
        break;
      case 'b':
        out += month.substr(0, 3);
        break;
      case 'A':
        out += weekday_name;
        break;
      case 'a':
        out += weekday_name.substr(0, 3);
        break;
      case 'p':
        out += time.hour < 12 ? "AM" : "PM";
        break;
      case 'F':
        out += fmt::format("{}-{:02}-{:02}", time.year, time.month, time.day);
        break;
      case 'T':
        out += fmt::format("{:02}:{:02}:{:02}", time.hour, time.minute, time.second);
        break;
      case '%':
        out += '%';
        break;
      default:
        return refused("the chat template asks for the time in a form that is not supported",
                       fmt::format("%{}{} in '{}'", bare ? "-" : "", directive, format),
                       "%Y %y %m %d %H %I %M %S %j %B %b %A %a %p %F %T %%");
    }
  }
  return out;
}

}  // namespace farthing::jinja
