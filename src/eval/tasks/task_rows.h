// The rows of a task's file: JSONL, or CSV with a header.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/json.h"

namespace farthing {

// An object a line; empty lines are left out. Errors name `where` and the line.
Result<std::vector<JsonObject>> rows_of_jsonl(std::string_view text, const std::string& where);

// RFC 4180, after a byte order mark if there is one: the first record names the fields, whose
// values are strings.
Result<std::vector<JsonObject>> rows_of_csv(std::string_view text, const std::string& where);

}  // namespace farthing
