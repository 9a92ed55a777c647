// Integer weights of other programs as planes of the registered formats: the same codes, scales and
// zeros, in another order.
#pragma once

#include <string>
#include <string_view>

#include "formats/format.h"
#include "formats/packing/packing.h"
#include "io/huggingface.h"

namespace farthing {

// Weights as a configuration states them: value = scale * (code - zero), code unsigned, below
// 2^bits.
struct IntegerArguments {
  int bits = 0;
  int64_t group = 0;         // along k; 0: the row
  bool of_tensor = false;    // one scale for all
  bool zero_points = false;  // false: zero is 2^(bits-1)
  bool act_order = false;    // groups are no runs of inputs; zeros are stored then
  int64_t group_size(int64_t k) const { return group == 0 ? k : group; }
  int64_t groups(int64_t k) const { return group == 0 ? 1 : (k + group - 1) / group; }
};

// The format that holds such weights: of as many bits or, where there is none, of more; of such
// groups or, where there is none, of the largest of which they are made (in runs). `where`: what
// states them, for the error where no format does.
Result<const Format*> integer_format(const IntegerArguments& arguments, std::string where);

// The codes of an [n, k] weight in the order of a packing, as a file stores them.
struct StoredCodes {
  Tensor packed;
  const CodePacking* order;
  int64_t n, k;
  int bits;
};

// Of tensor `name`.
Result<StoredCodes> stored_codes(const HuggingFaceDirectory& directory, const std::string& name,
                                 std::string_view packing, int64_t n, int64_t k, int bits);

// The unsigned codes, u8 [n, k], of tensor `name`, which holds them in the order of `packing`: of
// weights, or of zero points with k groups.
Result<Tensor> codes_of(const HuggingFaceDirectory& directory, const std::string& name,
                        std::string_view packing, int64_t n, int64_t k, int bits);

// The unsigned codes, u8 of `shape`, of tensor `name`, which holds them a byte each: I8, from
// -2^(bits-1), or U8. Fails where one does not fit into the bits.
Result<Tensor> byte_codes(const HuggingFaceDirectory& directory, const std::string& name,
                          bool is_signed, const Shape& shape, int bits);

// Whether the groups of inputs that tensor `name` states, I32 [k], are other than runs of inputs.
// Without the tensor, or where it says -1 (of inputs in no order), they are runs. Fails where they
// contradict the groups' size.
Result<bool> is_act_order(const HuggingFaceDirectory& directory, const std::string& name, int64_t k,
                          const IntegerArguments& arguments);

// The format of the same codes, scales and zeros whose groups are runs of inputs: itself where they
// are.
const Format& format_in_runs(const Format& format);

// Scales or zeros [n, groups], as they are stored, for the groups of the format: a group that is
// made of several gives each of them its own.
Tensor for_groups_of(const Format& format, const IntegerArguments& arguments, int64_t k,
                     Tensor of_groups);

// The zeros of symmetric codes, u8 [n, groups].
Tensor middle_zeros(int64_t n, int64_t groups, int bits);

// `weight`, of format_in_runs(format), in `format`, with the groups that tensor `name` states where
// it stores them.
Result<QuantizedTensor> with_input_groups(const HuggingFaceDirectory& directory,
                                          const std::string& name, const Format& format,
                                          QuantizedTensor weight);

// The weight [n, k] of plain codes u8 [n, k] of so many bits, which may be fewer than the format's,
// scales [n, groups] and, where the format has them, zeros u8 [n, groups].
QuantizedTensor integer_weight(const Format& format, int bits, Tensor codes, Tensor scales,
                               const Tensor& zeros = {});

// The same of codes that the threads of `pool`, or without one the caller's, unpack.
QuantizedTensor integer_weight(ThreadPool* pool, const Format& format, const StoredCodes& codes,
                               Tensor scales, const Tensor& zeros = {});

// The same where `codes` is the format's plane already, u8 [n, ceil(k bits / 8)].
QuantizedTensor integer_weight_of_planes(const Format& format, int64_t k, Tensor codes,
                                         Tensor scales, const Tensor& zeros = {});

// The first `bytes` of each row of a matrix, as u8 [rows, bytes]; a view where these are all.
Tensor first_bytes(const Tensor& matrix, int64_t bytes);

}  // namespace farthing
