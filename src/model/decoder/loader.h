// Loader: takes each weight that it visits from a source, and packs it for its kernel.
#pragma once

#include "model/decoder/weight_visitor.h"

namespace farthing {

class Loader : public WeightVisitor {
 public:
  Loader(Context& context, WeightSource& source, Progress& progress, PackTime time, size_t linears)
      : context_(context),
        source_(source),
        progress_(progress),
        time_(time),
        total_(static_cast<double>(linears)) {
    source_.use_pool(&context.pool);
  }
  ~Loader() { source_.use_pool(nullptr); }
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  Result<> table(const LinearSpec& spec, TableWeight& weight) override {
    StoredLinear stored = TRY(source_.table(spec));
    weight.stored = stored.weight;
    if (table_.weight.format == nullptr) table_ = std::move(stored);
    return {};
  }
  Result<> linear(const LinearSpec& spec, LinearWeight& weight) override {
    progress_.update(done_++, total_, spec.name);
    weight.packed = pack(TRY(source_.linear(spec)));
    return {};
  }
  Result<> vector(const VectorSpec& spec, VectorWeight& weight) override {
    weight.value = TRY(source_.vector(spec));
    return {};
  }
  Result<> head(const LinearSpec& spec, LinearWeight& weight, bool tied) override {
    weight.packed = pack(tied ? std::move(table_) : TRY(source_.table(spec)));
    return {};
  }
  // The embedding as the head that a stage of its own will visit.
  Result<> tied_head(const LinearSpec& embedding) {
    table_ = TRY(source_.table(embedding));
    return {};
  }

 private:
  PackedWeight pack(StoredLinear linear) {
    const InputRounding input = linear.rounding();
    return time_ == PackTime::later
               ? ops::pack_weight_later(context_, std::move(linear.weight), input)
               : ops::pack_weight(context_, std::move(linear.weight), input);
  }

  Context& context_;
  WeightSource& source_;
  Progress& progress_;
  PackTime time_;
  StoredLinear table_;  // the embedding
  double done_ = 0, total_;
};

}  // namespace farthing
