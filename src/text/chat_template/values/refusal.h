// The error of a template that cannot go on.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"

namespace farthing::jinja {

// The interpreter adds the place where it happened.
inline tl::unexpected<Error> refused(std::string what, std::string got, std::string wanted = {}) {
  return fail({.what = std::move(what),
               .where = {},
               .got = std::move(got),
               .wanted = std::move(wanted),
               .remedy = {}});
}

}  // namespace farthing::jinja
