// gsm8k: word problems of grade school mathematics, whose solution is generated.
//
// Source: Cobbe et al., "Training Verifiers to Solve Math Word Problems", arXiv 2110.14168. Rows:
// question, answer, which ends in "#### NUMBER".
#include <algorithm>

#include "eval/tasks/task.h"

namespace farthing {
namespace {

constexpr std::string_view mark = "#### ";
constexpr std::string_view digits = "0123456789";
constexpr std::string_view number_characters = "0123456789.,";
constexpr std::string_view amount_characters = "$0123456789.,";

size_t run_of(std::string_view text, std::string_view characters) {
  return std::min(text.find_first_not_of(characters), text.size());
}

// The number behind the first mark that has one.
std::string strict_answer(std::string_view text) {
  for (size_t at = text.find(mark); at != std::string_view::npos; at = text.find(mark, at + 1)) {
    const std::string_view behind = text.substr(at + mark.size());
    const size_t sign = behind.starts_with('-') ? 1 : 0;
    const size_t size = run_of(behind.substr(sign), number_characters);
    if (size > 0) return std::string(behind.substr(0, sign + size));
  }
  return "[invalid]";
}

// The last number of the text: two characters of an amount or more, else whole digits.
std::string flexible_answer(std::string_view text) {
  std::string out = "[invalid]";
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    const size_t sign = rest.starts_with('-') ? 1 : 0;
    size_t size = run_of(rest.substr(sign), amount_characters);
    if (size < 2) size = run_of(rest.substr(sign), digits);
    if (size > 0) out = rest.substr(0, sign + size);
    at += size > 0 ? sign + size : 1;
  }
  return out;
}

// What is compared: without commas and dollars, what stands in front of the last mark, and a period
// at the end.
std::string plain_number(std::string text) {
  std::erase_if(text, [](char c) { return c == ',' || c == '$'; });
  if (const size_t at = text.rfind(mark); at != std::string::npos) text.erase(0, at + mark.size());
  if (text.ends_with('.')) text.pop_back();
  return text;
}

Result<TaskItem> read(const JsonObject& row) {
  TaskItem item;
  const std::string answer = TRY(row.string("answer"));
  item.prompt = "Question: " + TRY(row.string("question")) + "\nAnswer:";
  item.target = " " + answer;
  item.references = {answer};
  return item;
}

std::vector<double> judge(const TaskItem& item, const TaskResponse& response) {
  const std::string wanted = plain_number(item.references[0]);
  const auto right = [&](const std::string& answer) {
    return plain_number(answer) == wanted ? 1.0 : 0.0;
  };
  return {right(strict_answer(response.text)), right(flexible_answer(response.text))};
}

}  // namespace

Task gsm8k_task() {
  return {
      .name = "gsm8k",
      .file = "gsm8k.jsonl",
      .source = "GSM8K, arXiv 2110.14168",
      .metrics = {{.name = "exact_match,strict-match"}, {.name = "exact_match,flexible-extract"}},
      .read = read,
      .judge = judge,
      .examples = 8,
      .generation = {.until = {"Question:", "</s>", "<|im_end|>"}}};
}

}  // namespace farthing
