// A file that data/make_golden_gguf.py wrote, and the matrices in it.
#pragma once

#include <filesystem>
#include <string>

#include "formats/format.h"
#include "formats/support/gguf_error.h"
#include "io/safetensors/safetensors.h"

namespace farthing::testing {

class GgufGolden {
 public:
  explicit GgufGolden(const std::filesystem::path& path)
      : file_(SafetensorsFile::open(path).value()) {}

  Tensor tensor(const std::string& name) const { return file_.tensor(name).value(); }
  // Stored blocks as a matrix of the format.
  QuantizedTensor matrix(const Format& format, const std::string& suffix) const {
    const Tensor blocks = tensor(std::string(format.name) + suffix);
    const int64_t block_bytes = format.planes(1, format.block, DType::f16)[0].shape[1];
    return {&format,
            blocks.shape()[0],
            blocks.shape()[1] / block_bytes * format.block,
            format.scale_dtype,
            {blocks}};
  }
  // The file's rows of weights, encoded.
  QuantizedTensor encoded(const Format& format) const {
    const Tensor weights = tensor("weights");
    return testing::encoded(format, weights.as<float>(), weights.shape()[0], weights.shape()[1]);
  }
  EncodingError error(const QuantizedTensor& q) const {
    return error_of(q, tensor("weights").as<float>());
  }

 private:
  SafetensorsFile file_;
};

// The first element whose bits differ; -1 where there is none.
inline int64_t first_difference(const Tensor& a, const Tensor& b) {
  const auto element = dtype_bytes(a.dtype());
  if (a.bytes() != b.bytes()) return 0;
  for (int64_t i = 0; i < a.bytes(); ++i)
    if (a.data()[i] != b.data()[i]) return i / element;
  return -1;
}

// Types whose encoding gives the bytes of the package gguf, and those that search their scales.
inline const std::string gguf_with_a_rule[] = {"q5_0", "q5_1", "tq1_0", "tq2_0", "gguf_mxfp4"};
inline const std::string gguf_with_a_search[] = {
    "q2_k",  "q3_k",    "q4_k",  "q5_k",   "q6_k",    "iq4_nl", "iq4_xs", "gguf_nvfp4",
    "iq3_s", "iq3_xxs", "iq2_s", "iq2_xs", "iq2_xxs", "iq1_s",  "iq1_m"};

}  // namespace farthing::testing
