// transpose: every element lies at the other side of the diagonal, and nothing else is written.
#include "tensor/transpose.h"

#include <gtest/gtest.h>

#include <vector>

namespace farthing {
namespace {

template <class Element>
class Transpose : public ::testing::Test {};
using Elements = ::testing::Types<uint8_t, uint16_t, uint32_t>;
TYPED_TEST_SUITE(Transpose, Elements);

// Sizes around the blocks of 4, 8 and 16 and the pieces of 16 to 64 rows and 64 columns, in rows
// that are longer than the matrix.
TYPED_TEST(Transpose, RowsBecomeColumns) {
  for (const int64_t rows : {1, 3, 4, 8, 16, 17, 63, 64, 131})
    for (const int64_t columns : {1, 4, 7, 16, 33, 64, 65, 128, 150}) {
      const int64_t stride = columns + 3, to_stride = rows + 5;
      std::vector<TypeParam> from(static_cast<size_t>(rows * stride)),
          to(static_cast<size_t>(columns * to_stride), 99), wanted(to);
      for (size_t i = 0; i < from.size(); ++i)
        from[i] = static_cast<TypeParam>(i * 2654435761u >> 7);
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t column = 0; column < columns; ++column)
          wanted[static_cast<size_t>(column * to_stride + row)] =
              from[static_cast<size_t>(row * stride + column)];
      transpose(from.data(), stride, rows, columns, to.data(), to_stride);
      ASSERT_EQ(to, wanted) << rows << " x " << columns;
    }
}

}  // namespace
}  // namespace farthing
