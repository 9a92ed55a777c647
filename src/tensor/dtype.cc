// Table of the element types.
#include "tensor/dtype.h"

namespace farthing {
namespace {
struct Row {
  DType dtype;
  std::string_view name;
  int64_t bytes;
};
constexpr Row rows[] = {
    {DType::f64, "F64", 8},         {DType::f32, "F32", 4},         {DType::f16, "F16", 2},
    {DType::bf16, "BF16", 2},       {DType::f8_e4m3, "F8_E4M3", 1}, {DType::f8_e5m2, "F8_E5M2", 1},
    {DType::f8_e8m0, "F8_E8M0", 1}, {DType::i64, "I64", 8},         {DType::i32, "I32", 4},
    {DType::i16, "I16", 2},         {DType::i8, "I8", 1},           {DType::u64, "U64", 8},
    {DType::u32, "U32", 4},         {DType::u16, "U16", 2},         {DType::u8, "U8", 1},
    {DType::boolean, "BOOL", 1},
};
}  // namespace

int64_t dtype_bytes(DType dtype) { return rows[static_cast<int>(dtype)].bytes; }

std::string_view dtype_name(DType dtype) { return rows[static_cast<int>(dtype)].name; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const Row& row : rows)
    if (row.name == name) return row.dtype;
  return std::nullopt;
}

}  // namespace farthing
