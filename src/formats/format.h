// Format: one row of the registry of number formats, and QuantizedTensor: a matrix stored in one of
// them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "formats/activations.h"
#include "formats/elements.h"
#include "formats/scale_rule.h"
#include "tensor/tensor.h"

namespace farthing {

struct QuantizedTensor;

// Rows [n0, n1) and columns [k0, k1) of a weight matrix [n, k].
struct Tile {
  int64_t n0, n1, k0, k1;
};

// One of the tensors that a quantized matrix is stored as.
struct PlaneSpec {
  std::string_view name;  // "codes", "scales", "zeros", "blocks", "weight"
  DType dtype;
  Shape shape;
  // A stored tensor has one dimension of a length of its own: `shape` is that of an empty one.
  bool counted = false;
};

// What encoding met; sums over tiles.
struct EncodeReport {
  int64_t nonfinite = 0;  // weights that are NaN or infinite: the quantizer refuses the tensor
  int64_t overflowed_scales =
      0;  // scales or values beyond the stored type: the quantizer refuses the tensor
  int64_t flushed_groups = 0;  // groups so small that their scale rounds to zero: stored as zeros
  int64_t zero_groups = 0;     // groups of zeros: scale 1, codes 0
  int64_t clipped = 0;         // weights beyond the grid's ends by a step or more
  EncodeReport& operator+=(const EncodeReport& other);
};

// For formats whose values are scale * (code - zero), code unsigned: what integer kernels build on.
struct IntegerGrid {
  int bits;          // codes are 0 .. 2^bits - 1
  int64_t group;     // weights along k that share a scale; 0: the whole row
  bool zero_points;  // false: zero is 2^(bits-1) everywhere
  int middle() const { return 1 << (bits - 1); }
  int64_t group_size(int64_t k) const { return group == 0 ? k : group; }
  int64_t groups(int64_t k) const { return group == 0 ? 1 : (k + group - 1) / group; }
};

// Weights that share a scale; 0: all rows, all columns.
struct ScaleBlock {
  int64_t rows = 1, columns = 1;
  // `columns` are counted along the flattened matrix, so that a block may cross into the next row.
  bool flat = false;
};

struct Format {
  std::string_view name;
  std::string_view layout;  // the bit layout, in one sentence
  std::string_view value;   // the value formula and the codes' range
  std::string_view source;
  int64_t block = 1;                  // k must be a multiple of this
  std::string_view fallback = "f16";  // the format of a linear whose k is not
  std::optional<IntegerGrid> grid;    // set for formats on an integer grid
  std::optional<Elements> elements;   // set where a kernel may decode in registers
  std::optional<DType> plain;         // set where the one plane is the weight itself, [n, k]
  Activations default_activations = Activations::f32;
  // The first is the default; empty where there is no scale, or one rule only.
  std::span<const ScaleRule> scale_rules;
  // Of a plane "scales"; a checkpoint may bring another where it is f16, bf16 or f32.
  DType scale_dtype = DType::f16;
  ScaleBlock scale_block;  // 1 x 1 where there is no scale
  int gguf_type = -1;      // the ggml type with this very layout
  int outliers =
      -1;  // the first of the planes of outliers (formats/outliers.h); -1: there are none
  // The plane of each input's group (formats/input_groups.h); -1: groups are runs of inputs.
  int input_groups = -1;

  std::vector<PlaneSpec> (*planes)(int64_t n, int64_t k, DType scale_dtype);
  // Fills the planes that depend on the whole matrix (a tensor's one scale, second-level scales)
  // before any tile is encoded; null where there are none. The same bytes for any number of
  // threads. Non-finite weights are left for encode_tile to count.
  EncodeReport (*prepare)(QuantizedTensor& to, ThreadPool& pool, const float* values,
                          int64_t stride, ScaleRule rule) = nullptr;
  // Encodes `values` (row-major, `stride` floats a row) into the tile, whose edges lie on
  // boundaries of scale blocks (rows: of rows_of_tile) or at the matrix's end.
  EncodeReport (*encode_tile)(QuantizedTensor& to, Tile tile, const float* values, int64_t stride,
                              ScaleRule rule);
  // The same with scales that are given, one for each row and group of the tile, instead of chosen;
  // each is rounded to its stored type, which must leave it finite and above 0. Null where a format
  // has no such scales.
  EncodeReport (*encode_with_scales)(QuantizedTensor& to, Tile tile, const float* values,
                                     int64_t stride, ScaleRule rule, const float* scales,
                                     int64_t scale_stride) = nullptr;
  // The same with scales, and zeros in steps of them, that are given; where one cannot be stored
  // the group is encoded by the rule. Null where zeros are whole numbers, or there are none.
  EncodeReport (*encode_with_zeros)(QuantizedTensor& to, Tile tile, const float* values,
                                    int64_t stride, const float* scales, const float* zeros,
                                    int64_t scale_stride) = nullptr;
  // encode_tile with scales that are searched: the weighted squared error sum importance[k] (w' -
  // w)^2 gets small, importance >= 0 being that of the tile's columns. Scales outside of a tile
  // (prepare) are not searched. Null where there is nothing to search.
  EncodeReport (*search_tile)(QuantizedTensor& to, Tile tile, const float* values, int64_t stride,
                              ScaleRule rule, const float* importance) = nullptr;
  // Chooses the weights that are stored apart from their codes, which encode_tile and search_tile
  // then leave out: an error in column k counts penalty[k] (null: 1), and one beyond `limit` makes
  // an outlier. Null where the format has none.
  EncodeReport (*find_outliers)(QuantizedTensor& to, ThreadPool& pool, const float* values,
                                int64_t stride, const float* penalty, float limit) = nullptr;
  // Puts codes, a byte each, into whole rows [n0, n1); scales stay as they are. The inverse of
  // elements->codes, or of codes_tile where there are no elements. Null where the codes of a weight
  // are not its own (code books of several weights) or there are none.
  void (*put_codes)(QuantizedTensor& to, int64_t n0, int64_t n1, const uint8_t* codes,
                    int64_t stride) = nullptr;
  // The tile's values. k0 is a multiple of the block, or of 32 where there is none.
  void (*decode_tile)(const QuantizedTensor& from, Tile tile, float* values, int64_t stride);
  // Integer grids only. The unsigned codes of a tile (k0 a multiple of 32), and the scale and zero
  // of group `g` of the rows [n0, n1).
  void (*codes_tile)(const QuantizedTensor& from, Tile tile, uint8_t* codes,
                     int64_t stride) = nullptr;
  void (*group_parameters)(const QuantizedTensor& from, int64_t n0, int64_t n1, int64_t g,
                           float* scales, int32_t* zeros) = nullptr;
};

// A weight matrix [n, k] (n outputs, k inputs) as it is stored: the planes that format->planes()
// names.
struct QuantizedTensor {
  const Format* format = nullptr;
  int64_t n = 0, k = 0;
  DType scale_dtype = DType::f16;
  std::vector<Tensor> planes;

  // Zeroed planes; scales of the format's own type, or of another.
  static QuantizedTensor allocate(const Format& format, int64_t n, int64_t k) {
    return allocate(format, n, k, format.scale_dtype);
  }
  static QuantizedTensor allocate(const Format& format, int64_t n, int64_t k, DType scale_dtype);
  // Encodes the whole matrix, `stride` floats a row, on the threads of `pool`; without one, on the
  // caller's. The bytes do not depend on the threads.
  EncodeReport encode(ThreadPool& pool, const float* values, int64_t stride, ScaleRule rule);
  EncodeReport encode(const float* values, int64_t stride, ScaleRule rule);
  // The same with search_tile, where the format has it; importance [k].
  EncodeReport encode_searched(ThreadPool& pool, const float* values, int64_t stride,
                               ScaleRule rule, const float* importance);
  // The same with outliers found by find_outliers under importance and limit.
  EncodeReport encode_with_outliers(ThreadPool& pool, const float* values, int64_t stride,
                                    ScaleRule rule, const float* importance, float limit);
  int64_t bytes() const;
  double bits_per_weight() const {
    return 8.0 * static_cast<double>(bytes()) / static_cast<double>(n * k);
  }
  // The whole matrix as f32 [n, k].
  Tensor decode() const;
};

// Every format, in the order of the registry.
std::span<const Format> all_formats();
// Null when there is none.
const Format* find_format(std::string_view name);
const Format* find_format_of_gguf_type(int type);
// "f32, f16, ...", for error messages.
std::string format_names();

// The wanted format where its blocks divide k, else its fallback, or the fallback's.
const Format& format_that_holds(const Format& wanted, int64_t k);

// Rows of an encoded tile are a multiple of this, counted from the first row, or end with the
// matrix.
int64_t rows_of_tile(const Format& format, int64_t k);

// Whether the format has a product with int8 codes of activations: an integer grid whose groups are
// whole blocks of 32.
inline bool has_int8_product(const Format& format) {
  return format.grid && format.grid->group % 32 == 0;
}

// Whether a checkpoint may store such scales in another of these types.
inline bool is_scale_dtype(DType dtype) {
  return dtype == DType::f16 || dtype == DType::bf16 || dtype == DType::f32;
}

// Whether a stored tensor may be this plane; of a counted one the length is free.
bool is_plane(const Tensor& tensor, const PlaneSpec& plane);

// Bits a weight of an [n, k] matrix, everything stored counted but outliers.
double bits_per_weight(const Format& format, int64_t n, int64_t k);

// A scheme: the weight format and the activation format of a linear, "int4_g128@int8_block32".
struct Scheme {
  const Format* weights = nullptr;
  Activations activations = Activations::f32;
  std::string name() const;
  bool operator==(const Scheme&) const = default;
};

// Parses WEIGHTS[@ACTIVATIONS]; without @, the format's own default. Fails on unknown names.
Result<Scheme> parse_scheme(std::string_view text);

// The scheme of a linear with k inputs: the wanted one where its blocks divide k, else that of the
// format that holds it, with the wanted activations; where those are the wanted format's default,
// the other's own default takes their place.
Scheme scheme_that_holds(const Scheme& wanted, int64_t k);

// What a kernel of the matrix product reads.
enum class ProductInput {
  floats,       // the rounded values, as f32
  int8_blocks,  // codes of 8 bits with a scale and a sum for each block of 32 along k
};

// A function of the pair: int8 codes are multiplied as they are by weights on an integer grid with
// whole blocks of 32; for all other weights they become floats first.
inline ProductInput product_input(const Scheme& scheme) {
  return activation_codes(scheme.activations) == ActivationCodes::int8 &&
                 has_int8_product(*scheme.weights)
             ? ProductInput::int8_blocks
             : ProductInput::floats;
}

// Fails where a token's result depends on the batch that it is in: asked wherever equal bits are
// promised, in training and serving. `where`: of the error.
Result<> check_batch_invariant(const Scheme& scheme, std::string where);
// What a reader of numbers must know of such a scheme; empty for all others.
std::string batch_note(const Scheme& scheme);

}  // namespace farthing
