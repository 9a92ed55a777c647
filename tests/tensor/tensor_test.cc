// Storage, Shape, Tensor and Workspace.
#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/support/scratch_folder.h"
#include "tensor/context.h"

namespace farthing {
namespace {

bool is_aligned(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) % 64 == 0; }

TEST(Shape, CountsAndPrints) {
  EXPECT_EQ((Shape{2, 3, 4}).elements(), 24);
  EXPECT_EQ(Shape{}.elements(), 1);
  EXPECT_EQ((Shape{5, 0}).elements(), 0);
  EXPECT_EQ((Shape{2, 3}).text(), "[2, 3]");
  EXPECT_TRUE((Shape{2, 3}) == (Shape{2, 3}));
  EXPECT_FALSE((Shape{2, 3}) == (Shape{2, 3, 1}));
}

TEST(Storage, IsAlignedZeroedAndCounted) {
  const int64_t before = memory_use().now_bytes;
  reset_peak_memory();
  {
    const auto storage = Storage::allocate(100);
    EXPECT_TRUE(is_aligned(storage->data()));
    for (int64_t i = 0; i < 100; ++i) ASSERT_EQ(storage->data()[i], std::byte{0});
    EXPECT_EQ(memory_use().now_bytes, before + 100);
  }
  EXPECT_EQ(memory_use().now_bytes, before);
  EXPECT_EQ(memory_use().peak_bytes, before + 100);
  EXPECT_NE(Storage::allocate(0)->data(), nullptr);
}

TEST(Storage, AMapIsNotCountedAndOutlivesTheOpenFile) {
  ScratchFolder folder;
  write_all(folder / "a", "abcd");
  const int64_t before = memory_use().now_bytes;
  const auto storage = Storage::map(MappedFile::open(folder / "a").value());
  EXPECT_EQ(memory_use().now_bytes, before);
  EXPECT_EQ(storage->bytes(), 4);
  EXPECT_EQ(storage->data()[3], std::byte{'d'});
}

TEST(Tensor, CopiesShareTheStorage) {
  Tensor a(DType::f32, Shape{2, 2});
  Tensor b = a;
  b.as<float>()[3] = 5;
  EXPECT_EQ(a.view<float>().row(1)[1], 5.0f);
  EXPECT_FALSE(Tensor());
}

TEST(Tensor, ViewedAsKeepsTheBytes) {
  Tensor a(DType::f32, Shape{2});
  a.as<float>()[0] = 1;
  const Tensor bits = a.viewed_as(DType::u32, Shape{1, 2});
  EXPECT_EQ(bits.as<uint32_t>()[0], 0x3f800000u);
  EXPECT_DEATH(a.viewed_as(DType::u16, Shape{2}), "CHECK");
}

TEST(TensorDeathTest, APieceOutsideOfItsStorageIsABug) {
  const auto storage = Storage::allocate(16);
  EXPECT_DEATH(Tensor(storage, 4, DType::f32, Shape{4}), "CHECK");
}

TEST(ToF32, ConvertsEveryFloatType) {
  Tensor half(DType::f16, Shape{2}), brain(DType::bf16, Shape{2}), wide(DType::f64, Shape{2});
  for (int i = 0; i < 2; ++i) {
    half.as<uint16_t>()[i] = f16_from_f32(static_cast<float>(i) + 0.5f);
    brain.as<uint16_t>()[i] = bf16_from_f32(static_cast<float>(i) + 0.5f);
    wide.as<double>()[i] = i + 0.5;
  }
  for (const Tensor& tensor : {half, brain, wide}) {
    const Tensor out = to_f32(tensor);
    EXPECT_EQ(out.dtype(), DType::f32);
    EXPECT_EQ(out.as<float>()[0], 0.5f);
    EXPECT_EQ(out.as<float>()[1], 1.5f);
  }
  const Tensor same(DType::f32, Shape{2});
  EXPECT_EQ(to_f32(same).data(), same.data());
}

TEST(Workspace, GivesAlignedPiecesThatDoNotOverlapAndTakesThemBack) {
  Workspace workspace;
  float* const first = workspace.take<float>(3);
  float* inner = nullptr;
  {
    Workspace::Mark mark(workspace);
    inner = workspace.take<float>(1000);
    EXPECT_TRUE(is_aligned(first) && is_aligned(inner));
    EXPECT_GE(inner, first + 3);
  }
  EXPECT_EQ(workspace.take<float>(1), inner);
}

TEST(Workspace, AllocatesNothingTheSecondTime) {
  Workspace workspace;
  const auto step = [&] {
    Workspace::Mark mark(workspace);
    workspace.take<float>(1000);
    workspace.take<float>(1 << 20);  // more than one block
    workspace.take_rows<float>(3, 5);
  };
  step();
  const int64_t after_first = memory_use().now_bytes;
  for (int i = 0; i < 10; ++i) step();
  EXPECT_EQ(memory_use().now_bytes, after_first);
}

TEST(Workspace, StepsOfManySizesTakeNoMoreThanTheLargest) {
  Workspace workspace;
  constexpr int64_t most = 1 << 20;
  for (int64_t i = 0; i < 50; ++i) {
    Workspace::Mark mark(workspace);
    const int64_t bytes = (i * 7919 + 5) % most;  // sizes in no order
    for (int piece = 0; piece < 8; ++piece) workspace.take<std::byte>(bytes + piece * 4096);
  }
  Workspace::Mark mark(workspace);
  workspace.take<std::byte>(1);
  EXPECT_LE(workspace.bytes(), 8 * (most + 8 * 4096));
}

}  // namespace
}  // namespace farthing
