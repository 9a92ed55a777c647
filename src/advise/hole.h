// A file that is nothing but a hole: zeros that take neither disk nor memory.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace farthing {

class Hole {
 public:
  static Result<Hole> make(int64_t bytes);
  ~Hole();
  Hole(Hole&& other) noexcept;
  Hole& operator=(Hole&&) = delete;

  // While this lives; what has mapped the file keeps it.
  std::filesystem::path path() const;

 private:
  explicit Hole(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace farthing
