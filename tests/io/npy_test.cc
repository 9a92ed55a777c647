// .npy files: numpy's bytes, and the refusal of everything else.
#include "io/npy.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/support/disk_trouble.h"
#include "base/support/scratch_folder.h"
#include "io/support/bytes.h"

namespace farthing {
namespace {
const std::string data_folder = FARTHING_SOURCE_DIR "/tests/io/data/";

Result<> write(const std::filesystem::path& target, const Shape& shape, float step) {
  std::vector<float> values(static_cast<size_t>(shape.elements()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) * step;
  auto writer = TRY(NpyWriter::create(target, shape));
  const std::span all(values);
  TRY(writer.write(all.first(all.size() / 2)));
  TRY(writer.write(all.subspan(all.size() / 2)));
  return writer.commit();
}

TEST(Npy, WrittenFilesAreNumpysByteForByte) {
  ScratchFolder folder;
  ASSERT_TRUE(write(folder / "matrix", Shape{2, 3}, 0.5f));
  ASSERT_TRUE(write(folder / "vector", Shape{4}, 1.0f));
  EXPECT_EQ(read_all(folder / "matrix"), read_all(data_folder + "python_matrix.npy"));
  EXPECT_EQ(read_all(folder / "vector"), read_all(data_folder + "python_vector.npy"));
}

TEST(Npy, NumpysFilesRead) {
  const auto matrix = read_npy(data_folder + "python_matrix.npy");
  ASSERT_TRUE(matrix) << matrix.error().text();
  EXPECT_TRUE(matrix->shape() == (Shape{2, 3}));
  for (int i = 0; i < 6; ++i) EXPECT_EQ(matrix->as<float>()[i], static_cast<float>(i) / 2);
  EXPECT_TRUE(read_npy(data_folder + "python_vector.npy")->shape() == Shape{4});
}

TEST(Npy, EveryRankReadsBack) {
  ScratchFolder folder;
  for (const Shape& shape : {Shape{}, Shape{0}, Shape{1, 2, 3, 4}}) {
    ASSERT_TRUE(write(folder / "a", shape, 1.0f));
    const auto array = read_npy(folder / "a");
    ASSERT_TRUE(array) << array.error().text();
    EXPECT_TRUE(array->shape() == shape);
  }
}

TEST(Npy, OtherTypesAndOrdersAreRefused) {
  EXPECT_EQ(read_npy(data_folder + "python_f64.npy").error().got, "type <f8, C order");
  EXPECT_EQ(read_npy(data_folder + "python_fortran.npy").error().got, "type <f4, Fortran order");
}

bool reads(const std::string& header, const std::string& data = "12345678") {
  const std::string bytes = std::string("\x93NUMPY\x01\x00", 8) +
                            raw(static_cast<uint16_t>(header.size())) + header + data;
  return parse_npy(storage_of(bytes), "here").has_value();
}

TEST(Npy, BadHeadersAreRefused) {
  EXPECT_TRUE(reads("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n"));
  EXPECT_TRUE(reads("{'shape':(1,2),'descr':'<f4','fortran_order':False}"));
  for (const std::string header :
       {"", "{", "{}", "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'shape': (3,)}", "{'descr': '<f4', 'shape': (-2,)}",
        "{'descr': '<f4', 'shape': (2 2)}", "{'descr': '<f4', 'shape': (2,",
        "{'descr': '<f4', 'shape': (1,1,1,1,2)}", "{'descr': '<f4', 'shape': (2,), 'shape': ()}",
        "{'descr': '<f4', 'shape': (2,), 'x': 1}", "{'descr': '<f4', 'shape': (2,)} x",
        "{'descr: (2,)}", "{'descr': '>f4', 'shape': (2,)}",
        "{'descr': '<f4', 'shape': (4611686018427387906,)}",
        "{'descr': '<f4', 'shape': (99999999999999999999,)}"})
    EXPECT_FALSE(reads(header)) << header;
}

TEST(Npy, EveryTruncationIsRefused) {
  const std::string bytes = read_all(data_folder + "python_vector.npy");
  for (size_t n = 0; n < bytes.size(); ++n)
    ASSERT_FALSE(parse_npy(storage_of(bytes.substr(0, n)), "here")) << n;
  EXPECT_FALSE(parse_npy(storage_of(bytes + "x"), "here"));
}

TEST(Npy, AFullDiskLeavesNothing) {
  ScratchFolder folder;
  {
    FileSizeLimit limit(130);
    EXPECT_FALSE(write(folder / "a", Shape{2, 3}, 1.0f));
  }
  EXPECT_EQ(folder.names(), std::vector<std::string>{});
}

}  // namespace
}  // namespace farthing
