// Safetensors: reading of good files, refusal of every kind of bad file, writing.
#include "io/safetensors/safetensors.h"

#include <gtest/gtest.h>

#include "base/support/disk_trouble.h"
#include "base/support/resident_memory.h"
#include "base/support/scratch_folder.h"
#include "io/support/bytes.h"

namespace farthing {
namespace {
using Names = std::vector<std::string>;

const std::string good_header =
    R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}})";
const std::string good_data("\0\0\x80\x3f\0\0\0\x40xyz", 11);  // 1, 2; "xyz"

Result<SafetensorsFile> parse(const std::string& header, const std::string& data) {
  return SafetensorsFile::parse(storage_of(safetensors_bytes(header, data)), "file");
}

// The error of a file with one tensor of 8 bytes of data.
Error error_of(const std::string& entry, const std::string& data = "12345678") {
  const auto file = parse("{\"t\":" + entry + "}", data);
  EXPECT_FALSE(file) << entry;
  return file ? Error{} : file.error();
}

TEST(Safetensors, GivesNamesShapesAndValues) {
  const auto file = parse(good_header, good_data);
  ASSERT_TRUE(file) << file.error().text();
  ASSERT_EQ(file->entries().size(), 2u);
  EXPECT_EQ(file->entries()[0].name, "a");
  const Tensor a = file->tensor("a").value();
  EXPECT_EQ(a.dtype(), DType::f32);
  EXPECT_EQ(a.as<float>()[1], 2.0f);
  EXPECT_EQ(file->tensor("b")->as<uint8_t>()[2], 'z');
  const auto missing = file->tensor("c");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().wanted, "the tensor 'c'");
}

TEST(Safetensors, AFileOfThePythonPackageReadsWithItsValues) {
  const auto file = SafetensorsFile::open(FARTHING_SOURCE_DIR "/tests/io/data/python.safetensors");
  ASSERT_TRUE(file) << file.error().text();
  EXPECT_EQ(file->entries().size(), 7u);
  EXPECT_EQ(file->metadata(),
            (SafetensorsMetadata{{"format", "pt"}, {"näme", "a \"quoted\" value"}}));
  const Tensor norm = file->tensor("norm.weight").value();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(norm.as<float>()[i], static_cast<float>(i) / 4);
  const Tensor half = to_f32(file->tensor("a.f16").value());
  EXPECT_TRUE(half.shape() == (Shape{2, 3}));
  const Tensor brain = to_f32(file->tensor("a.bf16").value());
  EXPECT_TRUE(brain.shape() == (Shape{2, 3, 4}));
  for (int i = 0; i < 6; ++i) EXPECT_EQ(half.as<float>()[i], static_cast<float>(i - 3));
  for (int i = 0; i < 24; ++i) EXPECT_EQ(brain.as<float>()[i], static_cast<float>(i - 8));
  EXPECT_EQ(file->tensor("ids")->as<int64_t>()[0], -2);
  EXPECT_EQ(file->tensor("codes")->as<uint8_t>()[6], 6);
  EXPECT_EQ(file->tensor("scalar")->as<double>()[0], 2.5);
  EXPECT_EQ(file->tensor("scalar")->shape().rank(), 0);
  EXPECT_EQ(file->tensor("empty")->bytes(), 0);
}

TEST(Safetensors, AlignedTensorsShareTheMapAndOthersAreCopied) {
  for (const bool aligned : {true, false}) {
    std::string header = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
    header.resize((header.size() + 7) / 8 * 8 + (aligned ? 0 : 1), ' ');
    const auto storage = storage_of(safetensors_bytes(header, good_data.substr(0, 8)));
    const auto file = SafetensorsFile::parse(storage, "file");
    ASSERT_TRUE(file) << file.error().text();
    const Tensor a = file->tensor("a").value();
    EXPECT_EQ(a.data() == storage->data() + 8 + header.size(), aligned);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(a.data()) % 4, 0u);
    EXPECT_EQ(a.as<float>()[0], 1.0f);
  }
}

TEST(Safetensors, TensorsOutliveTheFileObject) {
  Tensor tensor;
  {
    const auto file = parse(good_header, good_data);
    const SafetensorsFile copy = *file;
    tensor = copy.tensor("a").value();
  }
  EXPECT_EQ(tensor.as<float>()[0], 1.0f);
}

TEST(Safetensors, HeaderLongerThanTheFileIsRefused) {
  const auto file =
      SafetensorsFile::parse(storage_of(raw<uint64_t>(100) + good_header.substr(0, 99)), "file");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().got, "a header of 100 bytes");
}

TEST(Safetensors, HeaderBeyondTheLimitIsRefusedUnread) {
  const auto storage =
      Storage::allocate(100'000'100);  // zeros: the header would be refused later otherwise
  const uint64_t length = 100'000'001;
  std::memcpy(storage->data(), &length, 8);
  storage->data()[8] = std::byte{'{'};
  const auto file = SafetensorsFile::parse(storage, "file");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().got, "a header of 100000001 bytes");
}

TEST(Safetensors, AHeaderOfAGigabyteInASmallFileIsRefused) {
  ScratchFolder folder;
  write_all(folder / "small.safetensors", raw<uint64_t>(uint64_t{1} << 30) + "{}      ");
  const auto file = SafetensorsFile::open(folder / "small.safetensors");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().where, (folder / "small.safetensors").string());
  EXPECT_EQ(file.error().got, "a header of 1073741824 bytes");
  EXPECT_EQ(file.error().wanted, "8 bytes with a length of 2 to 8, then the header");
}

// A file of 4 GiB, nearly all of it a hole: what is read lies in the memory of this process.
TEST(Safetensors, OpeningAFileReadsItsHeaderAndNotItsData) {
  ScratchFolder folder;
  const int64_t data_bytes = int64_t{4} << 30;
  const std::string header = R"({"t":{"dtype":"U8","shape":[4294967296],"data_offsets":[0,)" +
                             std::to_string(data_bytes) + "]}}";
  write_all(folder / "large.safetensors", safetensors_bytes(header, ""));
  std::filesystem::resize_file(
      folder / "large.safetensors",
      static_cast<uintmax_t>(8 + static_cast<int64_t>(header.size()) + data_bytes));
  const int64_t before = resident_bytes();
  const auto file = SafetensorsFile::open(folder / "large.safetensors");
  ASSERT_TRUE(file) << file.error().text();
  const Tensor tensor = file->tensor("t").value();
  EXPECT_EQ(tensor.bytes(), data_bytes);
  EXPECT_EQ(tensor.span()[static_cast<size_t>(data_bytes - 1)], std::byte{0});
  EXPECT_LT(resident_bytes() - before, 64 << 20);
}

TEST(Safetensors, AListOfOffsetsWithoutEndIsCountedAndNotShown) {
  std::string offsets = "0";
  for (int i = 1; i < 1000; ++i) offsets += ",0";
  const Error error = error_of(R"({"dtype":"U8","shape":[8],"data_offsets":[)" + offsets + "]}");
  EXPECT_EQ(error.where, "file, tensor t");
  EXPECT_EQ(error.got, "data_offsets of 1000 numbers");
}

TEST(Safetensors, AFileWithoutRoomForALengthIsRefused) {
  for (const std::string bytes : {"", "1234567"})
    EXPECT_FALSE(SafetensorsFile::parse(storage_of(bytes), "file"));
  EXPECT_FALSE(parse(" {}", ""));  // the specification wants the brace first
  EXPECT_FALSE(parse("[]", ""));
  EXPECT_TRUE(parse("{}  ", ""));
}

TEST(Safetensors, UnknownTypeIsRefusedWithTensorTypeAndKnownTypes) {
  const Error error = error_of(R"({"dtype":"F9","shape":[2],"data_offsets":[0,8]})");
  EXPECT_EQ(error.where, "file, tensor t");
  EXPECT_EQ(error.got, "F9");
  EXPECT_NE(error.wanted.find("F32, F16, BF16"), std::string::npos);
}

TEST(Safetensors, OffsetsOutsideOfTheFileOrReversedAreRefused) {
  for (const std::string offsets : {"[0,9]", "[-1,7]", "[8,0]", "[0]", "[0,4,8]",
                                    "[0,9223372036854775807]", "[0,18446744073709551615]"}) {
    const Error error = error_of(R"({"dtype":"U8","shape":[8],"data_offsets":)" + offsets + "}");
    if (offsets.size() < 24) {  // the last is no integer of 63 bits
      EXPECT_EQ(error.what, "a tensor lies outside of the file") << offsets;
      EXPECT_EQ(error.where, "file, tensor t");
    }
  }
}

TEST(Safetensors, SizeThatDoesNotFitTheShapeIsRefused) {
  EXPECT_EQ(error_of(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})").wanted,
            "shape [3] of F32: 12 bytes");
  EXPECT_EQ(error_of(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})").wanted,
            "shape [-2] of F32");
  // 2^32 * 2^32 * 2 elements: 0 in 64 bits.
  error_of(R"({"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,0]})", "");
  // A zero does not excuse a product that overflows.
  for (const std::string shape : {"[4294967296,4294967296,0]", "[0,4294967296,4294967296]"})
    error_of(R"({"dtype":"F32","shape":)" + shape + R"(,"data_offsets":[0,0]})", "");
}

TEST(Safetensors, MoreThanFourDimensionsAreRefused) {
  const Error error = error_of(R"({"dtype":"F32","shape":[1,1,1,1,2],"data_offsets":[0,8]})");
  EXPECT_EQ(error.got, "5");
  EXPECT_EQ(error.wanted, "at most 4");
}

TEST(Safetensors, HolesOverlapsAndTrailingBytesAreRefused) {
  const auto two = [](const char* first, const char* second) {
    return parse(std::string(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)") + first +
                     R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + second + "}}",
                 "12345");
  };
  EXPECT_EQ(two("[0,2]", "[3,5]").error().what, "bytes belong to no tensor");
  EXPECT_EQ(two("[0,2]", "[1,3]").error().what, "tensors overlap");
  EXPECT_EQ(two("[2,4]", "[0,2]").error().what, "the file is longer than its tensors");
  EXPECT_EQ(two("[1,3]", "[3,5]").error().what, "bytes belong to no tensor");
}

TEST(Safetensors, DuplicateNamesAreRefused) {
  const std::string entry = R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  const auto file = parse("{" + entry + "," + entry + "}", "");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().got, "the key \"a\" twice in one object");
}

TEST(Safetensors, MissingAndMistypedFieldsAreNamed) {
  EXPECT_EQ(error_of(R"({"shape":[8],"data_offsets":[0,8]})").where,
            "file, header, t, field dtype");
  EXPECT_EQ(error_of(R"({"dtype":"U8","data_offsets":[0,8]})").where,
            "file, header, t, field shape");
  EXPECT_EQ(error_of(R"({"dtype":"U8","shape":[8.0],"data_offsets":[0,8]})").where,
            "file, header, t, field shape[0]");
  EXPECT_EQ(error_of("7").where, "file, header, field t");
  EXPECT_FALSE(parse(R"({"__metadata__":{"a":1}})", ""));
}

TEST(Safetensors, EveryTruncationIsRefused) {
  const std::string bytes = safetensors_bytes(good_header, good_data);
  for (size_t n = 0; n < bytes.size(); ++n)
    ASSERT_FALSE(SafetensorsFile::parse(storage_of(bytes.substr(0, n)), "file")) << n;
  EXPECT_FALSE(SafetensorsFile::parse(storage_of(bytes + "x"), "file"));
}

TEST(Safetensors, EveryChangedHeaderByteGivesAnErrorOrAFileThatReads) {
  const std::string bytes = safetensors_bytes(good_header, good_data);
  int errors = 0, reads = 0;
  for (size_t i = 0; i < 8 + good_header.size(); ++i)
    for (int change = 1; change < 256; ++change) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ change);
      const auto file = SafetensorsFile::parse(storage_of(changed), "file");
      if (!file) {
        ASSERT_NE(file.error().what, "");
        ASSERT_EQ(file.error().where.substr(0, 4), "file");
        ++errors;
        continue;
      }
      ++reads;
      int64_t covered = 0;
      for (const auto& entry : file->entries()) covered += file->tensor(entry).bytes();
      ASSERT_EQ(covered, static_cast<int64_t>(good_data.size()));
    }
  EXPECT_GT(errors, 20000);
  EXPECT_GT(reads, 100);  // other names, other types of the same size
}

class SafetensorsWriting : public testing::Test {
 protected:
  SafetensorsWriting() {
    for (int i = 0; i < 3; ++i) bytes_.as<uint8_t>()[i] = static_cast<uint8_t>(i + 1);
    for (int i = 0; i < 2; ++i) floats_.as<float>()[i] = static_cast<float>(i) - 0.5f;
  }
  Result<> write() const {
    return write_safetensors(folder_ / "m", {{"bytes", bytes_}, {"x.\"floats\"", floats_}},
                             {{"k", "v"}});
  }
  ScratchFolder folder_;
  Tensor bytes_{DType::u8, Shape{3}}, floats_{DType::f32, Shape{2, 1}};
};

TEST_F(SafetensorsWriting, ReadsBackAndIsAligned) {
  ASSERT_TRUE(write());
  const auto file = SafetensorsFile::open(folder_ / "m");
  ASSERT_TRUE(file) << file.error().text();
  EXPECT_EQ(file->metadata(), (SafetensorsMetadata{{"k", "v"}}));
  EXPECT_EQ(file->entries()[0].begin % 8, 0);
  EXPECT_EQ(file->entries()[0].name, "x.\"floats\"");  // the larger elements first
  EXPECT_TRUE(file->tensor("x.\"floats\"")->shape() == (Shape{2, 1}));
  EXPECT_EQ(file->tensor("x.\"floats\"")->as<float>()[1], 0.5f);
  EXPECT_EQ(file->tensor("bytes")->as<uint8_t>()[2], 3);
}

TEST_F(SafetensorsWriting, TheSameTensorsGiveTheSameBytes) {
  ASSERT_TRUE(write());
  const std::string first = read_all(folder_ / "m");
  ASSERT_TRUE(write());
  EXPECT_EQ(read_all(folder_ / "m"), first);
}

TEST_F(SafetensorsWriting, PiecesInAnyOrderGiveTheSameBytes) {
  ASSERT_TRUE(write());
  auto writer = SafetensorsWriter::create(
      folder_ / "pieces",
      {{"bytes", DType::u8, Shape{3}}, {"x.\"floats\"", DType::f32, Shape{2, 1}}}, {{"k", "v"}});
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer->write("bytes", bytes_.span().first(1)));
  ASSERT_TRUE(writer->write("x.\"floats\"", floats_.span()));
  ASSERT_TRUE(writer->write("bytes", bytes_.span().subspan(1)));
  ASSERT_TRUE(writer->commit());
  EXPECT_EQ(read_all(folder_ / "pieces"), read_all(folder_ / "m"));
}

TEST_F(SafetensorsWriting, CountedTensorsAreAsLongAsWhatIsWritten) {
  const uint16_t values[] = {5, 6, 7};
  const auto bytes = std::as_bytes(std::span(values));
  const auto write_counted = [&] {
    auto writer =
        SafetensorsWriter::create(folder_ / "counted", {{"few", DType::u16, Shape{1000}, true},
                                                        {"none", DType::u16, Shape{1000}, true},
                                                        {"bytes", DType::u8, Shape{3}},
                                                        {"all", DType::u16, Shape{3}, true}});
    EXPECT_TRUE(writer->write("none", {}));
    EXPECT_TRUE(writer->write("all", bytes));
    EXPECT_TRUE(writer->write("bytes", bytes_.span()));
    EXPECT_TRUE(writer->write("few", bytes.first(2)));
    EXPECT_TRUE(writer->commit());
    return read_all(folder_ / "counted");
  };
  const std::string first = write_counted();
  EXPECT_EQ(write_counted(), first);
  const auto file = SafetensorsFile::open(folder_ / "counted");
  ASSERT_TRUE(file) << file.error().text();
  EXPECT_EQ(file->tensor("none")->shape(), Shape{0});
  EXPECT_EQ(file->tensor("few")->shape(), Shape{1});
  EXPECT_EQ(file->tensor("few")->as<uint16_t>()[0], 5);
  EXPECT_EQ(file->tensor("all")->shape(), Shape{3});
  EXPECT_EQ(file->tensor("all")->as<uint16_t>()[2], 7);
  EXPECT_EQ(file->tensor("bytes")->shape(), Shape{3});
}

TEST_F(SafetensorsWriting, MoreOfACountedTensorThanItMayHaveIsABug) {
  auto writer = SafetensorsWriter::create(folder_ / "m", {{"few", DType::u8, Shape{2}, true}});
  ASSERT_TRUE(writer);
  EXPECT_DEATH((void)writer->write("few", bytes_.span()), "CHECK");
  ASSERT_TRUE(writer->write("few", bytes_.span().first(1)));
  EXPECT_DEATH((void)writer->write("few", bytes_.span().first(1)), "CHECK");
}

TEST_F(SafetensorsWriting, AnIncompleteTensorIsABug) {
  auto writer = SafetensorsWriter::create(folder_ / "m", {{"bytes", DType::u8, Shape{3}}});
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer->write("bytes", bytes_.span().first(2)));
  EXPECT_DEATH((void)writer->commit(), "CHECK");
  EXPECT_DEATH((void)writer->write("bytes", bytes_.span()), "CHECK");
  EXPECT_DEATH((void)writer->write("other", bytes_.span()), "CHECK");
}

TEST_F(SafetensorsWriting, AFullDiskLeavesNothing) {
  {
    FileSizeLimit limit(64);
    const auto written = write();
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().where, (folder_ / "m").string());
  }
  EXPECT_EQ(folder_.names(), Names{});
}

TEST_F(SafetensorsWriting, AForbiddenFolderIsReportedAndLeavesNothing) {
  {
    ReadOnlyFolder forbidden(folder_.path());
    EXPECT_FALSE(write());
  }
  EXPECT_EQ(folder_.names(), Names{});
}

}  // namespace
}  // namespace farthing
