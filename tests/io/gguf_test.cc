// GGUF: reading of good files, refusal of every kind of bad file, writing.
#include "io/gguf/gguf.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/support/disk_trouble.h"
#include "base/support/resident_memory.h"
#include "base/support/scratch_folder.h"
#include "io/support/bytes.h"

namespace farthing {
namespace {
using Names = std::vector<std::string>;
const std::string python_file = FARTHING_SOURCE_DIR "/tests/io/data/python.gguf";
constexpr uint32_t u32 = 4, string = 8, array = 9, f32_tensor = 0, q4_0_tensor = 2;

Result<GgufFile> parse(const std::string& bytes) {
  return GgufFile::parse(storage_of(bytes), "file");
}

// The error of a file with these parts.
Error error_of(const std::vector<std::string>& pairs, const std::vector<std::string>& tensors,
               const std::string& data = {}) {
  const auto file = parse(gguf_bytes(pairs, tensors, data));
  EXPECT_FALSE(file);
  return file ? Error{} : file.error();
}

TEST(GgufTypes, TheTableIsThePythonPackages) {
  std::ifstream golden(FARTHING_SOURCE_DIR "/tests/io/data/gguf_types.txt");
  size_t lines = 0;
  uint32_t id;
  std::string name;
  for (int64_t size, bytes; golden >> id >> name >> size >> bytes; ++lines) {
    const auto* type = gguf_tensor_type(id);
    ASSERT_NE(type, nullptr) << name;
    EXPECT_EQ(type->name, name);
    EXPECT_EQ(type->block_size, size) << name;
    EXPECT_EQ(type->block_bytes, bytes) << name;
    EXPECT_EQ(gguf_tensor_type(name), type);
    if (type->dtype) {
      EXPECT_EQ(dtype_name(*type->dtype), name);
    }
  }
  EXPECT_EQ(lines, gguf_tensor_types().size());
  EXPECT_EQ(gguf_tensor_type(4), nullptr);  // retired
}

TEST(Gguf, AFileOfThePythonPackageReadsWithItsMetadata) {
  const auto file = GgufFile::open(python_file);
  ASSERT_TRUE(file) << file.error().text();
  EXPECT_EQ(file->version(), 3);
  const auto& metadata = file->metadata();
  EXPECT_EQ(metadata.string("general.architecture").value(), "llama");
  EXPECT_EQ(metadata.integer("test.u32").value(), 4'000'000'000u);
  EXPECT_EQ(metadata.integer("test.u64").value(), uint64_t{1} << 40);
  EXPECT_EQ(metadata.number("test.i32").value(), -7);
  EXPECT_EQ(metadata.number("test.f32").value(), 0.5);
  EXPECT_EQ(metadata.number("test.f64").value(), 1e-300);
  EXPECT_EQ(metadata.boolean("test.yes").value(), true);
  EXPECT_EQ(metadata.string("test.text").value(), "Grüße");
  EXPECT_EQ(metadata.strings("test.strings").value(), (Names{"a", "", "ccc"}));
  EXPECT_EQ(metadata.numbers("test.floats").value(), (std::vector<double>{0.25, -1}));
  EXPECT_EQ(metadata.integers("test.integers").value(), (std::vector<int64_t>{1, -2, 3}));
  EXPECT_EQ(metadata.numbers("test.integers").value(), (std::vector<double>{1, -2, 3}));
  EXPECT_TRUE(metadata.has("test.nested"));
}

TEST(Gguf, AFileOfThePythonPackageReadsWithItsTensors) {
  const auto file = GgufFile::open(python_file);
  ASSERT_TRUE(file) << file.error().text();
  ASSERT_EQ(file->tensors().size(), 3u);
  const Tensor f32 = file->plain("plain.f32").value();
  const Tensor f16 = to_f32(file->plain("plain.f16").value());
  EXPECT_TRUE(f32.shape() == (Shape{3, 32}));
  EXPECT_TRUE(f16.shape() == (Shape{3, 5}));
  for (int i = 0; i < 96; ++i) EXPECT_EQ(f32.as<float>()[i], static_cast<float>(i - 48));
  EXPECT_EQ(f16.view<float>().row(2)[4], 64 + 4 - 48);
  const Tensor blocks = file->bytes("blocks").value();
  EXPECT_TRUE(file->find("blocks")->shape == (Shape{3, 32}));
  EXPECT_EQ(blocks.bytes(), 3 * 18);
  // The first block holds -48..-17: its scale is -48 / -8.
  EXPECT_EQ(
      f32_from_f16(static_cast<uint16_t>(blocks.as<uint8_t>()[0] | blocks.as<uint8_t>()[1] << 8)),
      6.0f);
  EXPECT_EQ(file->plain("blocks").error().got, "Q4_0");
  EXPECT_EQ(file->bytes("other").error().wanted, "the tensor 'other'");
}

TEST(Gguf, Version2ReadsAndOtherVersionsAreNamed) {
  EXPECT_TRUE(parse(gguf_bytes({}, {}, "", 2)));
  EXPECT_EQ(parse(gguf_bytes({}, {}, "", 1)).error().got, "version 1");
  EXPECT_EQ(parse(gguf_bytes({}, {}, "", 4)).error().got, "version 4");
  EXPECT_EQ(parse(gguf_bytes({}, {}, "", 0x03000000)).error().what, "the file is big-endian");
  EXPECT_EQ(parse("GGML" + gguf_bytes({}, {}, "").substr(4)).error().what, "not a GGUF file");
}

TEST(Gguf, TensorsThatAreNotAlignedInMemoryAreCopied) {
  for (const uint32_t alignment : {8u, 1u}) {
    const std::string bytes = gguf_bytes(
        {gguf_pair("general.alignment", u32, raw(alignment))},
        {gguf_tensor("odd", {alignment}, 24, 0), gguf_tensor("floats", {2}, f32_tensor, alignment)},
        std::string(alignment, 'x') + raw(1.5f) + raw(2.5f), 3, alignment);
    const auto storage = storage_of(bytes);
    const auto file = GgufFile::parse(storage, "file");
    ASSERT_TRUE(file) << file.error().text();
    const Tensor floats = file->plain("floats").value();
    const auto* inside = storage->data() + file->find("floats")->begin;
    EXPECT_EQ(floats.data() == inside, reinterpret_cast<uintptr_t>(inside) % 8 == 0);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(floats.data()) % 8, 0u);
    EXPECT_EQ(floats.as<float>()[1], 2.5f);
  }
}

TEST(Gguf, CountsThatTheFileCannotHoldAreRefusedBeforeAnythingIsAllocated) {
  const std::string rest(100, '\0');
  EXPECT_NE(parse("GGUF" + raw(uint32_t{3}) + raw(UINT64_MAX) + raw(uint64_t{0}) + rest)
                .error()
                .got.find("18446744"),
            std::string::npos);
  EXPECT_NE(parse("GGUF" + raw(uint32_t{3}) + raw(uint64_t{0}) + raw(UINT64_MAX) + rest)
                .error()
                .got.find("18446744"),
            std::string::npos);
  EXPECT_FALSE(parse("GGUF" + raw(uint32_t{3}) + raw(uint64_t{5}) + raw(uint64_t{0}) + rest));
  EXPECT_FALSE(parse("GGUF" + raw(uint32_t{3})));
}

TEST(Gguf, MetadataThatCannotBeReadIsRefusedWithItsKey) {
  const auto error = [](uint32_t type, const std::string& value) {
    return error_of({gguf_pair("k", type, value)}, {}).got;
  };
  EXPECT_EQ(error_of({gguf_pair("k", 13, "")}, {}).where, "file, key k");
  EXPECT_EQ(error(13, std::string(8, '\0')), "unknown type 13");
  const std::string beyond = "a value that reaches beyond the end of the file";
  EXPECT_EQ(error(string, raw(uint64_t{1} << 60)), beyond);
  EXPECT_EQ(error(string, raw(UINT64_MAX)), beyond);
  for (const uint32_t element : {0u, 10u, string, array})
    for (const uint64_t count : {uint64_t{1000}, uint64_t{1} << 61, UINT64_MAX})
      EXPECT_EQ(error(array, raw(element) + raw(count)), beyond);
  EXPECT_EQ(error(array, raw(uint32_t{99}) + raw(uint64_t{0})), "an array of unknown type 99");
  EXPECT_EQ(error_of({gguf_pair("k", u32, raw(1)), gguf_pair("k", u32, raw(1))}, {}).got,
            "a second value");
}

TEST(Gguf, ArraysNestOnlySoFar) {
  const auto nested = [](int depth) {
    std::string value;
    for (int i = 1; i < depth; ++i) value += raw(array) + raw(uint64_t{1});
    return parse(gguf_bytes({gguf_pair("k", array, value + raw(u32) + raw(uint64_t{0}))}, {}, ""))
        .has_value();
  };
  EXPECT_TRUE(nested(8));
  EXPECT_FALSE(nested(9));
  EXPECT_FALSE(nested(100000));
}

TEST(Gguf, MetadataOfTheWrongKindIsAnError) {
  const auto file = GgufFile::open(python_file);
  ASSERT_TRUE(file);
  const auto& metadata = file->metadata();
  EXPECT_FALSE(metadata.integer("test.i32"));  // negative
  EXPECT_FALSE(metadata.integer("test.f32"));
  EXPECT_FALSE(metadata.integer("test.text", 5));
  EXPECT_FALSE(metadata.string("test.u32"));
  EXPECT_FALSE(metadata.boolean("test.u32"));
  EXPECT_FALSE(metadata.strings("test.floats"));
  EXPECT_FALSE(metadata.numbers("test.u32"));
  EXPECT_FALSE(metadata.numbers("test.nested"));
  EXPECT_FALSE(metadata.integers("test.floats"));
  EXPECT_EQ(metadata.integer("absent").error().where, python_file + ", key absent");
  EXPECT_EQ(metadata.integer("absent", 5).value(), 5u);
  EXPECT_EQ(metadata.string("absent", "x").value(), "x");
}

TEST(Gguf, ShapesThatCannotBeAreRefused) {
  EXPECT_EQ(error_of({}, {gguf_tensor("t", {33}, q4_0_tensor, 0)}).what,
            "a tensor has an impossible shape");
  EXPECT_EQ(error_of({}, {gguf_tensor("t", {1, 1, 1, 1, 1}, f32_tensor, 0)}).got, "5");
  EXPECT_FALSE(parse(gguf_bytes({}, {gguf_tensor("t", {UINT64_MAX}, f32_tensor, 0)}, "")));
  EXPECT_FALSE(parse(gguf_bytes(
      {}, {gguf_tensor("t", {uint64_t{1} << 32, uint64_t{1} << 32}, f32_tensor, 0)}, "")));
  EXPECT_EQ(error_of({}, {gguf_tensor("t", {32}, 4, 0)}).got, "type 4");
}

TEST(Gguf, OffsetsThatCannotBeAreRefused) {
  const std::string data(96, 'x');
  const auto refused = [&](uint64_t first, uint64_t second) {
    return !parse(gguf_bytes(
        {}, {gguf_tensor("a", {8}, f32_tensor, first), gguf_tensor("b", {8}, f32_tensor, second)},
        data));
  };
  EXPECT_FALSE(refused(0, 32));
  EXPECT_FALSE(refused(64, 0));  // any order, holes allowed
  EXPECT_TRUE(refused(0, 0));
  EXPECT_TRUE(refused(0, 96));
  EXPECT_TRUE(refused(0, 33));
  EXPECT_TRUE(refused(0, UINT64_MAX - 31));
  EXPECT_TRUE(refused(0, uint64_t{INT64_MAX} - 31));
  EXPECT_EQ(
      error_of({}, {gguf_tensor("a", {16}, f32_tensor, 0), gguf_tensor("b", {8}, f32_tensor, 32)},
               data)
          .what,
      "tensors overlap");
  EXPECT_EQ(
      error_of({}, {gguf_tensor("a", {8}, f32_tensor, 0), gguf_tensor("a", {8}, f32_tensor, 32)},
               data)
          .what,
      "two tensors have the same name");
}

TEST(Gguf, AlignmentMustBeAPowerOfTwo) {
  for (const uint32_t alignment : {0u, 3u, 1u << 21})
    EXPECT_EQ(error_of({gguf_pair("general.alignment", u32, raw(alignment))}, {}).what,
              "impossible alignment");
  EXPECT_EQ(error_of({gguf_pair("general.alignment", string, gguf_string("32"))}, {}).what,
            "a metadata value is of the wrong kind");
}

const std::string small_file = gguf_bytes(
    {gguf_pair("general.alignment", u32, raw(uint32_t{32})),
     gguf_pair("s", string, gguf_string("ab")),
     gguf_pair("l", array, raw(string) + raw(uint64_t{2}) + gguf_string("x") + gguf_string("yz")),
     gguf_pair("n", array, raw(array) + raw(uint64_t{1}) + raw(u32) + raw(uint64_t{1}) + raw(7))},
    {gguf_tensor("q", {32, 2}, q4_0_tensor, 0), gguf_tensor("f", {2}, f32_tensor, 64)},
    std::string(72, 'x'));

// A file of 4 GiB, nearly all of it a hole: what is read lies in the memory of this process.
TEST(Gguf, OpeningAFileReadsItsDescriptionsAndNotItsData) {
  ScratchFolder folder;
  const uint64_t elements = uint64_t{1} << 30;
  const std::string bytes = gguf_bytes({}, {gguf_tensor("t", {elements}, f32_tensor, 0)}, "");
  write_all(folder / "large.gguf", bytes);
  std::filesystem::resize_file(folder / "large.gguf", bytes.size() + 4 * elements);
  const int64_t before = resident_bytes();
  const auto file = GgufFile::open(folder / "large.gguf");
  ASSERT_TRUE(file) << file.error().text();
  const Tensor tensor = file->plain("t").value();
  EXPECT_EQ(tensor.as<float>()[elements - 1], 0);
  EXPECT_LT(resident_bytes() - before, 64 << 20);
}

TEST(Gguf, EveryTruncationIsRefused) {
  ASSERT_TRUE(parse(small_file));
  for (size_t n = 0; n < small_file.size(); ++n) ASSERT_FALSE(parse(small_file.substr(0, n))) << n;
}

TEST(Gguf, EveryChangedHeaderByteGivesAnErrorOrAFileThatReads) {
  int errors = 0, reads = 0;
  for (size_t i = 0; i < small_file.size() - 72; ++i)
    for (int change = 1; change < 256; ++change) {
      std::string changed = small_file;
      changed[i] = static_cast<char>(changed[i] ^ change);
      const auto file = parse(changed);
      if (!file) {
        ASSERT_NE(file.error().what, "");
        ASSERT_EQ(file.error().where.substr(0, 4), "file");
        ++errors;
        continue;
      }
      ++reads;
      for (const auto& tensor : file->tensors()) {
        ASSERT_LE(tensor.end, static_cast<int64_t>(changed.size()));
        ASSERT_EQ(file->bytes(tensor).bytes(),
                  tensor.shape.elements() / tensor.type->block_size * tensor.type->block_bytes);
      }
    }
  EXPECT_GT(errors, 10000);
  EXPECT_GT(reads, 1000);  // other names and values
}

class GgufWriting : public testing::Test {
 protected:
  GgufWriting() {
    metadata_.set("text", "Grüße")
        .set("count", uint32_t{7})
        .set("negative", -3)
        .set("half", 0.5f)
        .set("yes", true);
    metadata_.set("huge", uint64_t{1} << 40)
        .set("names", Names{"a", ""})
        .set("scores", std::vector<float>{1, -2});
    metadata_.set("types", std::vector<int32_t>{1, -1});
  }
  Result<> write() const {
    auto writer = TRY(GgufWriter::create(folder_ / "m", metadata_,
                                         {{"blocks", gguf_tensor_type("Q4_0"), Shape{2, 32}},
                                          {"floats", gguf_tensor_type("F32"), Shape{3}},
                                          {"empty", gguf_tensor_type("F32"), Shape{0}}}));
    const std::string blocks(36, 'q');
    const float floats[3] = {1, 2, 3};
    TRY(writer.write("floats", std::as_bytes(std::span(floats))));
    TRY(writer.write("blocks", std::as_bytes(std::span(blocks)).first(10)));
    TRY(writer.write("blocks", std::as_bytes(std::span(blocks)).subspan(10)));
    return writer.commit();
  }
  ScratchFolder folder_;
  GgufMetadataBuilder metadata_;
};

TEST_F(GgufWriting, ReadsBack) {
  ASSERT_TRUE(write());
  const auto file = GgufFile::open(folder_ / "m");
  ASSERT_TRUE(file) << file.error().text();
  const auto& metadata = file->metadata();
  EXPECT_EQ(metadata.string("text").value(), "Grüße");
  EXPECT_EQ(metadata.integer("count").value(), 7u);
  EXPECT_EQ(metadata.number("negative").value(), -3);
  EXPECT_EQ(metadata.number("half").value(), 0.5);
  EXPECT_EQ(metadata.boolean("yes").value(), true);
  EXPECT_EQ(metadata.integer("huge").value(), uint64_t{1} << 40);
  EXPECT_EQ(metadata.strings("names").value(), (Names{"a", ""}));
  EXPECT_EQ(metadata.numbers("scores").value(), (std::vector<double>{1, -2}));
  EXPECT_EQ(metadata.integers("types").value(), (std::vector<int64_t>{1, -1}));
  EXPECT_EQ(file->plain("floats")->as<float>()[2], 3.0f);
  EXPECT_EQ(file->bytes("blocks")->as<uint8_t>()[35], 'q');
  EXPECT_TRUE(file->find("blocks")->shape == (Shape{2, 32}));
  EXPECT_EQ(std::filesystem::file_size(folder_ / "m") % 32, 0u);
}

TEST_F(GgufWriting, TheBeginningOfAFileIsEnoughForWhatItDescribes) {
  GgufMetadataBuilder metadata;
  metadata.set("general.architecture", "llama");
  const std::vector<GgufWriter::Declaration> tensors = {
      {"first", gguf_tensor_type("F32"), {2}}, {"second", gguf_tensor_type("Q4_0"), {1 << 20, 32}}};
  GgufWriter::Head head = GgufWriter::head_of(metadata, tensors);
  EXPECT_EQ(head.file_bytes, static_cast<int64_t>(head.bytes.size()) + 32 + 18 * (1 << 20));
  const float numbers[] = {1.5f, -2.0f};
  head.bytes.append(reinterpret_cast<const char*>(numbers), sizeof numbers);
  EXPECT_FALSE(GgufFile::parse(storage_of(head.bytes), "file"));
  const auto file = GgufFile::parse(storage_of(head.bytes), "file", head.file_bytes);
  ASSERT_TRUE(file) << file.error().text();
  EXPECT_EQ(file->find("second")->shape, (Shape{1 << 20, 32}));
  EXPECT_EQ(file->plain("first").value().as<float>()[1], -2.0f);
}

TEST_F(GgufWriting, MetadataOfAnotherFileIsCopiedAsItIs) {
  const auto file = GgufFile::open(python_file);
  ASSERT_TRUE(file);
  GgufMetadataBuilder copy;
  for (const auto& [key, value] : file->metadata().values()) copy.set(key, value);
  auto writer = GgufWriter::create(folder_ / "copy", copy, {});
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer->commit());
  const auto again = GgufFile::open(folder_ / "copy");
  ASSERT_TRUE(again) << again.error().text();
  for (const auto& [key, value] : file->metadata().values()) {
    const auto& other = again->metadata().values().at(key);
    EXPECT_EQ(other.type, value.type);
    EXPECT_TRUE(
        std::equal(value.bytes.begin(), value.bytes.end(), other.bytes.begin(), other.bytes.end()))
        << key;
  }
}

TEST_F(GgufWriting, AFullDiskLeavesNothing) {
  for (const rlim_t bytes : {100, 500}) {  // within the header, within the tensors
    {
      FileSizeLimit limit(bytes);
      EXPECT_FALSE(write());
    }
    EXPECT_EQ(folder_.names(), Names{});
  }
}

TEST_F(GgufWriting, AForbiddenFolderIsReportedAndLeavesNothing) {
  {
    ReadOnlyFolder forbidden(folder_.path());
    EXPECT_FALSE(write());
  }
  EXPECT_EQ(folder_.names(), Names{});
}

}  // namespace
}  // namespace farthing
