// ResponseFolder: what models answered so far, so that a killed measurement goes on where it was.
//
//   work.json           what is being measured: another model or other options refuse to go on
//   ROLE-TASK-N.json    32 questions and their answers, in the order in which they were answered;
//                       ROLE: model, baseline
//
// Every file is complete or absent.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "eval/tasks/task.h"

namespace farthing {

struct AnsweredQuestion {
  size_t question;  // counted from 0
  TaskResponse response;
};

class ResponseFolder {
 public:
  static constexpr size_t questions_of_a_file = 32;

  // Makes the folder, or goes on with it. Fails where it holds another measurement's work, or where
  // it holds this one's and `resume` is false.
  static Result<ResponseFolder> open(const std::filesystem::path& path, const std::string& identity,
                                     bool resume);

  // The N-th file's answers, if it is there.
  Result<std::optional<std::vector<AnsweredQuestion>>> read(const std::string& role,
                                                            const std::string& task,
                                                            size_t n) const;
  Result<> write(const std::string& role, const std::string& task, size_t n,
                 std::span<const AnsweredQuestion> answered) const;
  std::filesystem::path file(const std::string& role, const std::string& task, size_t n) const;
  // Once its answers are kept elsewhere.
  void remove() const;

 private:
  explicit ResponseFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace farthing
