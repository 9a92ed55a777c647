// Models for tests: stories260k of the repository in any scheme, and logits of token sequences.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/checkpoint.h"
#include "quant/quantize.h"

namespace farthing::testing {

// A checkpoint's model with its linears (not its tables) quantized to a scheme; "" for as it is.
inline Result<std::unique_ptr<Model>> load_model(Context& context,
                                                 const std::filesystem::path& path,
                                                 std::string_view scheme = "") {
  NoProgress progress;
  const auto checkpoint = TRY(Checkpoint::open(path));
  if (scheme.empty()) return build_model(context, checkpoint->config(), *checkpoint, progress);
  QuantizeOptions options;
  options.scheme = TRY(parse_scheme(scheme));
  options.method = find_algorithm("rtn");
  QuantizingSource source(context, *checkpoint, options);
  return build_model(context, checkpoint->config(), source, progress);
}

inline std::unique_ptr<Model> stories260k(Context& context, std::string_view scheme = "") {
  auto model = load_model(context, FARTHING_SOURCE_DIR "/models/stories260k", scheme);
  if (!model) ADD_FAILURE() << model.error().text();
  return std::move(model.value());
}

// Logits behind every token, [tokens, vocabulary], of a sequence that is fed in pieces of `piece`
// tokens.
inline std::vector<float> logits_of(Context& context, const Model& model,
                                    std::span<const int32_t> tokens, size_t piece) {
  const auto vocabulary = static_cast<size_t>(model.config().vocabulary_size);
  std::vector<float> out(tokens.size() * vocabulary);
  Sequence sequence = model.new_sequence(static_cast<int64_t>(tokens.size()));
  for (size_t begin = 0; begin < tokens.size(); begin += piece) {
    const auto part = tokens.subspan(begin, std::min(piece, tokens.size() - begin));
    const auto columns = static_cast<int64_t>(vocabulary);
    model.forward(context, sequence, part,
                  {&out[begin * vocabulary], static_cast<int64_t>(part.size()), columns, columns});
  }
  return out;
}

inline std::vector<int32_t> some_tokens(size_t count, int64_t vocabulary) {
  std::vector<int32_t> out;
  for (size_t i = 0; i < count; ++i)
    out.push_back(static_cast<int32_t>((i * i * 31 + i * 7 + 1) % static_cast<size_t>(vocabulary)));
  return out;
}

}  // namespace farthing::testing
