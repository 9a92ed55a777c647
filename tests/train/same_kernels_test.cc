// Trainer and engine call the same kernels: by what each linear is packed for, and by the calls
// that a pass makes.
#include <map>

#include "train/support/promise.h"

namespace farthing {
namespace {

using testing::log_probabilities;
using testing::Promise;
using testing::same_bits;

// Linears that the two run by different kernels, or in different schemes.
std::vector<std::string> different_linears(const Model& a, const Model& b) {
  const auto ours = a.linears(), theirs = b.linears();
  EXPECT_EQ(ours.size(), theirs.size());
  std::vector<std::string> out;
  for (size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i)
    if (ours[i].kernel != theirs[i].kernel || ours[i].scheme.name() != theirs[i].scheme.name())
      out.push_back(ours[i].name);
  return out;
}

// A call of a linear's kernel.
struct Call {
  std::string linear;
  std::string_view kernel;
  int64_t rows, panel_begin, panel_end;
  bool operator==(const Call&) const = default;
};

// While it lives, every linear of a model tells of its kernel's calls, and the kernel runs. For one
// thread, and one recorder at a time.
class Recorder {
 public:
  explicit Recorder(const Model& model) {
    for (const auto& [name, weight] : const_cast<Model&>(model).weights().linears) {
      PackedWeight& w = weight->packed;
      Linear& linear = linears()[&w.stored];
      linear = {name, &w, w.kernel, {}, {}};
      linear.functions = {.input = (*w.kernel)->input, .packing = (*w.kernel)->packing, .run = run};
      linear.recording = *w.kernel;
      linear.recording.functions = &linear.functions;
      w.kernel = &linear.recording;
    }
    calls().clear();
  }
  ~Recorder() {
    for (auto& [stored, linear] : linears()) linear.weight->kernel = linear.kernel;
    linears().clear();
  }
  static std::vector<Call>& calls() {
    static std::vector<Call> made;
    return made;
  }

 private:
  struct Linear {
    std::string name;
    PackedWeight* weight;
    const MatmulKernel* kernel;
    MatmulFunctions functions;
    MatmulKernel recording;
  };
  static std::map<const QuantizedTensor*, Linear>& linears() {
    static std::map<const QuantizedTensor*, Linear> all;
    return all;
  }
  static void run(const MatmulArguments& a) noexcept {
    const Linear& linear = linears().at(a.stored);
    calls().push_back({linear.name, linear.kernel->name, a.m, a.panel_begin, a.panel_end});
    (*linear.kernel)->run(a);
  }
};

class Kernels : public ::testing::TestWithParam<std::string> {};

TEST_P(Kernels, AreTheSameForEveryLinear) {
  Promise promise(GetParam());
  const auto engine = promise.engine(promise.context());
  EXPECT_EQ(different_linears(promise.trainer().model(), *engine), std::vector<std::string>());
}

std::vector<Call> calls_of_training(Promise& promise, std::span<const int32_t> tokens) {
  const Recorder recorder(promise.trainer().model());
  const TrainingSequence example{tokens.first(tokens.size() - 1), tokens.subspan(1)};
  promise.trainer().accumulate_gradients(promise.context(), {&example, 1}, 1, false);
  return recorder.calls();
}

std::vector<Call> calls_of_prompt(Promise& promise, std::span<const int32_t> tokens) {
  const auto engine = promise.engine(promise.context());
  const Recorder recorder(*engine);
  log_probabilities({}, promise.context(), *engine, promise.codec(),
                    {{tokens.begin(), tokens.end() - 1}});
  return recorder.calls();
}

TEST_P(Kernels, AreCalledTheSameByATrainingPassAndByThePrompt) {
  Promise promise({.linears = parse_scheme(GetParam()).value()}, {}, 1);
  const auto tokens = testing::some_tokens(41, 512);
  const auto trainers = calls_of_training(promise, tokens);
  EXPECT_EQ(trainers.size(), promise.trainer().model().linears().size());
  EXPECT_TRUE(trainers == calls_of_prompt(promise, tokens));
}

INSTANTIATE_TEST_SUITE_P(Registry, Kernels, ::testing::ValuesIn(testing::schemes_in_turn(3)),
                         [](const auto& info) { return testing::test_name(info.param); });

// A kernel that reads another packing gives the same bits: only its symbol tells.
TEST(DifferentKernel, IsSeenThoughTheBitsAreTheSame) {
  Promise promise({.linears = parse_scheme("int4_g32").value()}, {}, 1);
  Context& context = promise.context();
  const auto sequences = testing::seventeen_sequences();
  const auto before = promise.trainers(sequences);
  const auto [name, slot] = const_cast<Model&>(promise.trainer().model()).weights().linears[3];
  const auto kernels = matmul_kernels();
  const auto decoding = std::find_if(kernels.begin(), kernels.end(), [&](const MatmulKernel& k) {
    return k.isa == context.isa && k->packing == Packing::stored;
  });
  ASSERT_NE(decoding, kernels.end());
  slot->packed = ops::pack_weight_for(context, slot->stored, Activations::f32, *decoding);
  EXPECT_TRUE(same_bits(before, promise.trainers(sequences)));
  EXPECT_EQ(different_linears(promise.trainer().model(), *promise.engine(context)),
            std::vector<std::string>{name});
  const auto tokens = testing::some_tokens(41, 512);
  EXPECT_FALSE(calls_of_training(promise, tokens) == calls_of_prompt(promise, tokens));
}

}  // namespace
}  // namespace farthing
