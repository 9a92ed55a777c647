// AutoRound's small floats (data_type mx_fp and nv_fp).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/dialects/dialect.h"
#include "model/dialects/module_patterns.h"

namespace farthing::auto_round {

// One entry of extra_config: what it says of the modules whose whole names its pattern matches.
struct Override {
  std::string text;
  ModuleRegex pattern;
  JsonObject fields;
};

Result<std::unique_ptr<DialectReader>> open_floats(const DialectSource& source,
                                                   std::vector<Override> overrides);

}  // namespace farthing::auto_round
