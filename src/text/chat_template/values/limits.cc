// The error of a template that runs too long.
#include "text/chat_template/values/limits.h"

#include <fmt/format.h>

#include "text/chat_template/values/refusal.h"

namespace farthing::jinja {

Result<> Budget::spend(std::uint64_t steps) {
  if (steps > left_) {
    left_ = 0;
    return refused("the chat template runs too long", fmt::format("more than {} steps", kMostSteps),
                   "a template that ends, and a conversation of at most some megabytes");
  }
  left_ -= steps;
  return {};
}

}  // namespace farthing::jinja
