// CodePacking: an order in which checkpoints and kernels put a matrix of small codes into words,
// and the conversion between two of them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tensor/tensor.h"

namespace farthing {

class ThreadPool;

// One row of the list of packings. What is packed is a matrix of unsigned codes, u8 [n, k], each
// below 2^bits: n outputs, and k inputs (weights) or k groups (zero points). A signed code q is
// stored as q + 2^(bits-1).
struct CodePacking {
  enum class Holds { weights, zero_points };
  // n and k must be multiples of these.
  struct Multiples {
    int64_t n = 1, k = 1;
  };

  std::string_view name;   // "gptq"
  std::string_view order;  // where code (n, k) lies
  std::string_view files;  // where it is met
  Holds holds = Holds::weights;
  std::span<const int> bits;  // the widths that it exists for
  DType dtype = DType::i32;   // of the packed tensor
  int least_code = 0;         // codes below it cannot be stored

  Multiples (*multiples)(int bits);
  Shape (*shape)(int64_t n, int64_t k, int bits);  // of the packed tensor
  // Outputs [begin, end): all of them or, of weights, from a multiple of `step` on.
  struct Outputs {
    static constexpr int64_t step = 256;
    int64_t begin, end;
  };
  // Of checked arguments; every byte of the target is written. What is unpacked is u8 [end - begin,
  // k].
  void (*pack)(const uint8_t* codes, int64_t n, int64_t k, int bits, uint8_t* packed);
  void (*unpack)(const uint8_t* packed, int64_t n, int64_t k, int bits, Outputs outputs,
                 uint8_t* codes);
  // What `pack` writes for inputs [begin, end), begin a multiple of `step`, of all codes in the
  // order of compressed_tensors: word by word. Null where there is no such way.
  struct Inputs {
    static constexpr int64_t step = 64;
    int64_t begin, end;
  };
  void (*pack_rows)(const uint8_t* rows, int64_t n, int64_t k, Inputs inputs,
                    uint8_t* packed) = nullptr;
};

std::span<const CodePacking> all_packings();
const CodePacking* find_packing(std::string_view name);
std::string packing_names();

// The shape of the packed tensor. Fails where the packing does not exist for these bits, or n or k
// is not a multiple of what it needs.
Result<Shape> packed_shape(const CodePacking& packing, int64_t n, int64_t k, int bits);

// `codes`, u8 [n, k], in the packing's order. Also fails where a code cannot be stored.
Result<Tensor> pack_codes(const CodePacking& packing, const Tensor& codes, int bits);

// The codes, u8 [n, k], of a tensor of type packing.dtype and of shape packed_shape(). Bits that
// belong to no code (padding) are not looked at.
Result<Tensor> unpack_codes(const CodePacking& packing, const Tensor& packed, int64_t n, int64_t k,
                            int bits);

// The same codes in the order of `to`, which holds what `from` holds: weights or zero points. The
// threads of `pool`, if there is one, do it where it goes word by word.
Result<Tensor> repack(const CodePacking& from, const CodePacking& to, const Tensor& packed,
                      int64_t n, int64_t k, int bits, ThreadPool* pool = nullptr);

}  // namespace farthing
