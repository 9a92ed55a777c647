// Model: a decoder that turns tokens into logits, and where its weights come from. Written once for
// every use.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "autograd/operators.h"
#include "base/progress.h"
#include "model/config.h"
#include "tensor/context.h"

namespace farthing {

// What a file says of the KV cache and this program does not compute.
struct StatedKvCache {
  std::string text = {};  // "FP8 (field kv_cache_scheme)"; empty: nothing
  std::string json = {};  // the value of the dialect's field, where its own writer repeats it
};

// How a file had what has one form in memory: written into the same dialect it comes out so again.
struct StoredForm {
  DType input_scale = DType::f32;  // the type of the static scale of inputs, f32 in memory
  bool e8m0_scales = false;        // fp8: powers of two as E8M0, f32 in memory
  bool whole_words = false;        // compressed-tensors before 0.17: a word holds whole codes
  bool in_order = false;           // Quark's pack_method "order"
  bool without_groups = false;     // gptq: inputs do not name their groups
  Tensor input_groups = {};        // compressed-tensors: they do, I32 [k], though groups are runs
};

// A linear's weight as it is stored, and the format that its input is rounded to.
struct StoredLinear {
  QuantizedTensor weight;
  Activations activations = Activations::f32;
  StaticInput input = {};  // where these are static
  StoredForm form = {};

  InputRounding rounding() const { return {activations, input}; }
};

// The name and size of a linear: "model.layers.0.mlp.down_proj.weight", n outputs, k inputs.
struct LinearSpec {
  std::string name;
  int64_t n, k;
  bool to_residual = false;      // its output is added to the stream between blocks
  bool transposed = false;       // Hugging Face's files hold the unquantized matrix as [k, n]
  bool keeps_precision = false;  // quantizing leaves it as it is
  std::string stack = {};        // Hugging Face's files may hold it as the in_stack-th part of this
  int64_t in_stack = 0;
};
LinearSpec spec_of(const LinearPlan& plan);

// A vector of f32 beside the matrices, such as a norm's gain.
struct VectorSpec {
  std::string name;
  int64_t size;
  float initial = 1;       // where training begins from nothing
  std::string stack = {};  // Hugging Face's files may hold it as row in_stack of this
  int64_t in_stack = 0;
};

VectorSpec bias_of(const LinearPlan& plan);
// A norm's gain, and the bias of one that has it.
std::vector<VectorSpec> vectors_of(const NormPlan& plan);

// Every tensor of a model. Linears stand in the order in which the model runs them; tables are the
// embedding and, where it is not tied, the head.
struct TensorSpecs {
  std::vector<LinearSpec> linears, tables;
  std::vector<VectorSpec> vectors;
};

// How a model's cache stores keys and values where nobody asks for another codec.
struct KvCacheFormat {
  KvCodec codec = KvCodec::f32;
  std::shared_ptr<const KvScales> scales = nullptr;  // with a codec that has scales of heads

  // Fails where the codec needs scales that are not there.
  Result<> check(KvCodec asked) const;
};

// Where a model takes its weights from while it is built: a checkpoint as it is, or one that is
// quantized on the way.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  // A linear of a block.
  virtual Result<StoredLinear> linear(const LinearSpec& spec) = 0;
  // The embedding [vocabulary, hidden], or the head of an untied model.
  virtual Result<StoredLinear> table(const LinearSpec& spec) = 0;
  virtual Result<Tensor> vector(const VectorSpec& spec) = 0;
  virtual Result<KvCacheFormat> kv_cache() { return KvCacheFormat{}; }
  // Threads for what is the source's own work in these calls; null: none any more.
  virtual void use_pool(ThreadPool*) {}
};

// What runs one linear, for `farthing kernels`.
struct LinearInfo {
  std::string name;
  int64_t n, k;
  Scheme scheme;
  const MatmulKernel* kernel;
  int64_t bytes;
};

// The state of one sequence: its KV cache and how many tokens it holds.
struct Sequence {
  KvCache cache;
  int64_t length = 0;
};

// What one sequence brings to a batch: tokens behind those that it holds, and of how many of them,
// counted from the last, the logits are wanted.
struct SequenceTokens {
  Sequence* sequence;
  std::span<const int32_t> tokens;
  int64_t logits;
};

// Where a model keeps its weights, by name, in the order in which it runs them. A tied head has the
// embedding's name.
struct WeightSlots {
  std::vector<std::pair<std::string, TableWeight*>> tables;
  std::vector<std::pair<std::string, LinearWeight*>> linears;
  std::vector<std::pair<std::string, VectorWeight*>> vectors;
};

class Model {
 public:
  virtual ~Model() = default;

  const ModelConfig& config() const { return config_; }
  virtual WeightSlots weights() = 0;
  std::vector<LinearInfo> linears() const;
  // Fails, and names the linear, where a scheme's results depend on the batch.
  Result<> check_batch_invariant() const;

  // Packs what PackTime::later left, for more speed token by token; no bit of a result changes. Not
  // while another thread runs the model.
  void finish_packing(Context& context);

  const KvCacheFormat& kv_cache() const { return kv_cache_; }
  // What a cache stores: what is asked for, or what the model brings. The one place that decides.
  KvCodec kv_codec(std::optional<KvCodec> asked) const { return asked.value_or(kv_cache_.codec); }
  // Fails where it needs scales that the model does not have.
  Result<> check_kv_cache(std::optional<KvCodec> asked) const {
    return kv_cache_.check(kv_codec(asked));
  }
  // Pages for this model's sequences; check_kv_cache succeeds.
  KvLayout kv_layout(std::optional<KvCodec> asked = std::nullopt) const {
    return {config_.layers, config_.kv_heads, config_.head_dim, kv_codec(asked), kv_cache_.scales};
  }
  // Makes what positions below `positions` need, such as angles, so that no run does. Not while
  // another thread runs the model.
  virtual void reserve_positions(int64_t positions) const = 0;
  // Room for `tokens` tokens, so that steps up to there allocate nothing. Not while another thread
  // runs forward.
  Sequence new_sequence(int64_t tokens, std::optional<KvCodec> asked = std::nullopt) const;
  // The same in pages of a pool that sequences share.
  Sequence new_sequence(std::shared_ptr<KvPool> pool, int64_t tokens) const;

  // Runs the batch's tokens; sequences differ. Writes the wanted logits [sum of the sequences'
  // logits, vocabulary], sequence after sequence. The bits of a token's logits depend on the tokens
  // up to it in its sequence alone. With a tape, `logits` brings its gradient's memory, and every
  // weight a parameter.
  virtual void run(Context& context, std::span<const SequenceTokens> batch,
                   const autograd::Value& logits) const = 0;

  // One sequence: the logits of the last `logits.rows` tokens.
  void forward(Context& context, Sequence& sequence, std::span<const int32_t> tokens,
               View<float, 2> logits) const {
    const SequenceTokens one{&sequence, tokens, logits.rows};
    run(context, {&one, 1}, {logits});
  }

 protected:
  explicit Model(ModelConfig config, KvCacheFormat kv_cache = {})
      : config_(std::move(config)), kv_cache_(std::move(kv_cache)) {}
  ModelConfig config_;
  KvCacheFormat kv_cache_;
};

class GgufTranslation;

// Names of tensors without ".weight" and ".bias" (or whole ones), "#" for the block's number:
// Hugging Face's, GGUF's.
using TensorNames = std::vector<std::pair<std::string_view, std::string_view>>;

// How GGUF files hold what an architecture has.
struct GgufNaming {
  std::string_view architecture = {};  // general.architecture; empty: it has no GGUF files
  bool experts = false;                // and has an expert_count
  bool sigmoid_experts = false;        // and an expert_gating_func of 2
  TensorNames tensors = {};            // where they are not those of Llama's blocks
  bool interleaved_rope = false;       // query and key rows are pairs (2 j, 2 j + 1), ours halves
  bool qkv_in_blocks = false;          // one linear's rows are all of q, k, v; ours are each head's
  bool gains_with_one = false;         // the gains of norms are 1 + gain
  Result<> (*translate)(GgufTranslation&) = nullptr;  // its fields of config.json
};

// One line of the registry of architectures.
struct Architecture {
  std::string_view name;                           // config.json's model_type
  std::vector<std::string_view> hugging_face;      // config.json's architectures[0]
  Result<ModelConfig> (*read)(const JsonObject&);  // all but `architecture`
  GgufNaming gguf;
};
std::span<const Architecture> all_architectures();
// The registry's entry for a configuration's architecture.
const Architecture& architecture_of(const ModelConfig& config);

TensorSpecs tensors_of(const ModelConfig& config);
// With PackTime::later plain floats stay where the source has them until Model::finish_packing.
enum class PackTime { loading, later };
Result<std::unique_ptr<Model>> build_model(Context& context, const ModelConfig& config,
                                           WeightSource& source, Progress& progress,
                                           PackTime time = PackTime::loading);

}  // namespace farthing
