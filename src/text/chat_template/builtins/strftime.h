// Times as texts, for strftime_now.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace farthing {
struct ChatTime;
}

namespace farthing::jinja {

// Python's strftime in the C locale. Fails on a directive that is not supported, and on a time
// that is none.
Result<std::string> formatted_time(const ChatTime& time, std::string_view format);

}  // namespace farthing::jinja
