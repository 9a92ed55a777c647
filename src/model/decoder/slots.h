// Where parts of a model keep their weights, by name.
#pragma once

#include "model/decoder/weight_visitor.h"

namespace farthing {

struct SlotsVisitor : WeightVisitor {
  WeightSlots out;
  Result<> table(const LinearSpec& spec, TableWeight& weight) override {
    out.tables.emplace_back(spec.name, &weight);
    return {};
  }
  Result<> linear(const LinearSpec& spec, LinearWeight& weight) override {
    out.linears.emplace_back(spec.name, &weight);
    return {};
  }
  Result<> vector(const VectorSpec& spec, VectorWeight& weight) override {
    out.vectors.emplace_back(spec.name, &weight);
    return {};
  }
  Result<> head(const LinearSpec& spec, LinearWeight& weight, bool) override {
    return linear(spec, weight);
  }
};

}  // namespace farthing
