// Tape: what the operators of a forward pass recorded, to be run backwards.
#pragma once

#include <functional>
#include <vector>

#include "tensor/context.h"

namespace farthing {

// Operators record while context.tape is set. The memory of values is the workspace's: it must not
// be given back before run_backward has returned.
class Tape {
 public:
  // With `checkpointing`, blocks keep their input alone and run again in the backward pass.
  explicit Tape(bool checkpointing = false) : checkpointing_(checkpointing) {}

  bool checkpointing() const { return checkpointing_; }
  void record(std::function<void(Context&)> backward) { steps_.push_back(std::move(backward)); }

  // Runs the steps from last to first, and forgets them. Nothing is recorded or probed meanwhile.
  void run_backward(Context& context) {
    Tape* const before = context.tape;
    Probe* const probe = context.probe;
    context.tape = nullptr;
    context.probe = nullptr;
    while (!steps_.empty()) {
      steps_.back()(context);
      steps_.pop_back();
    }
    context.tape = before;
    context.probe = probe;
  }

 private:
  bool checkpointing_;
  std::vector<std::function<void(Context&)>> steps_;
};

}  // namespace farthing
