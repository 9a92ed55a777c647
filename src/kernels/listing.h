// Every kernel of every operation, as `farthing kernels` prints them.
#pragma once

#include <string_view>
#include <vector>

#include "kernels/kernel_list.h"

namespace farthing {

struct ListedKernel {
  std::string_view operation;  // the folder: "norm"
  KernelInfo kernel;
};

// By operation, weakest instruction set first.
std::vector<ListedKernel> list_kernels();

}  // namespace farthing
