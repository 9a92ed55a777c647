// Reading and writing of .npy files (format 1.0 to 3.0, numpy.lib.format).
#include "io/npy.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <optional>
#include <vector>

#include "base/check.h"
#include "io/byte_reader.h"
#include "io/sizes.h"

namespace farthing {
namespace {

constexpr std::string_view magic("\x93NUMPY", 6);

// Reads the header, a Python dictionary such as {'descr': '<f4', 'fortran_order': False, 'shape':
// (2, 3), }.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view text) : text_(text) {}

  // False where the text is no such dictionary; other types and orders are kept for the error.
  bool read() {
    if (!take("{")) return false;
    while (!take("}")) {
      const auto key = take_quoted();
      if (!key || !take(":")) return false;
      if (*key == "descr") {
        const auto value = take_quoted();
        if (!value || !descr.empty()) return false;
        descr = *value;
      } else if (*key == "fortran_order") {
        fortran_order = take("True");
        if (!fortran_order && !take("False")) return false;
      } else if (*key != "shape" || has_shape || !read_shape()) {
        return false;
      }
      if (!take(",") && !text_.starts_with('}')) return false;
    }
    skip_space();
    return text_.empty() && !descr.empty() && has_shape;
  }

  std::string_view descr;
  bool fortran_order = false;
  bool has_shape = false;
  std::vector<int64_t> sizes;

 private:
  void skip_space() {
    const size_t n = text_.find_first_not_of(" \n");
    text_.remove_prefix(n == std::string_view::npos ? text_.size() : n);
  }
  bool take(std::string_view word) {
    skip_space();
    if (!text_.starts_with(word)) return false;
    text_.remove_prefix(word.size());
    skip_space();
    return true;
  }
  std::optional<std::string_view> take_quoted() {
    if (!take("'")) return std::nullopt;
    const size_t end = text_.find('\'');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view out = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    skip_space();
    return out;
  }
  bool read_shape() {
    has_shape = true;
    if (!take("(")) return false;
    while (!take(")")) {
      int64_t size = 0;
      const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), size);
      if (error != std::errc() || sizes.size() == Shape::max_rank) return false;
      sizes.push_back(size);
      text_.remove_prefix(static_cast<size_t>(end - text_.data()));
      if (!take(",") && !text_.starts_with(')')) return false;
    }
    return true;
  }

  std::string_view text_;
};

tl::unexpected<Error> unreadable(const std::string& where, std::string got, std::string wanted) {
  return fail({.what = "the array cannot be read",
               .where = where,
               .got = std::move(got),
               .wanted = std::move(wanted),
               .remedy = "write it again with --save-logits or numpy.save"});
}

}  // namespace

Result<NpyWriter> NpyWriter::create(const std::filesystem::path& target, const Shape& shape) {
  std::string sizes;
  for (int i = 0; i < shape.rank(); ++i) sizes += fmt::format("{}{}", i == 0 ? "" : ", ", shape[i]);
  if (shape.rank() == 1) sizes += ",";
  std::string header =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", sizes);
  // numpy leaves room for the first size to grow to 21 digits in place.
  if (shape.rank() > 0) header.append(21 - std::to_string(shape[0]).size(), ' ');
  const size_t prefix = magic.size() + 4;
  header.append(64 - (prefix + header.size() + 1) % 64, ' ');  // 1 to 64, as numpy does
  header += '\n';
  const auto length = static_cast<uint16_t>(header.size());
  auto file = TRY(AtomicFile::create(target));
  TRY(file.write(magic));
  TRY(file.write(std::string_view("\x01\x00", 2)));
  TRY(file.write(std::as_bytes(std::span(&length, 1))));
  TRY(file.write(header));
  return NpyWriter(std::move(file), shape.elements());
}

Result<> NpyWriter::write(std::span<const float> values) {
  CHECK(static_cast<int64_t>(values.size()) <= missing_);
  TRY(file_.write(std::as_bytes(values)));
  missing_ -= static_cast<int64_t>(values.size());
  return {};
}

Result<> NpyWriter::commit() {
  CHECK(missing_ == 0);
  return file_.commit();
}

Result<Tensor> read_npy(const std::filesystem::path& path) {
  return parse_npy(Storage::map(TRY(MappedFile::open(path))), path.string());
}

Result<Tensor> parse_npy(std::shared_ptr<Storage> storage, const std::string& where) {
  ByteReader reader({storage->data(), static_cast<size_t>(storage->bytes())});
  const auto start = reader.take(magic.size());
  const auto major = reader.take<uint8_t>();
  const auto minor = reader.take<uint8_t>();
  if (!start || !major || !minor || std::memcmp(start->data(), magic.data(), magic.size()) != 0 ||
      *major < 1 || *major > 3)
    return unreadable(where, "other bytes at the start", "a .npy file of version 1 to 3");
  std::optional<uint64_t> length;
  if (*major == 1) {
    if (const auto short_length = reader.take<uint16_t>()) length = *short_length;
  } else if (const auto long_length = reader.take<uint32_t>()) {
    length = *long_length;
  }
  const auto text = length ? reader.take(*length) : std::nullopt;
  if (!text) return unreadable(where, "an end within the header", "a whole header");
  HeaderReader header({reinterpret_cast<const char*>(text->data()), text->size()});
  if (!header.read()) {
    return unreadable(where, "a header that numpy does not write",
                      "a dictionary of descr, fortran_order and a shape of at most 4 sizes");
  }
  if (header.descr != "<f4" || header.fortran_order) {
    return unreadable(
        where,
        fmt::format("type {}, {} order", header.descr, header.fortran_order ? "Fortran" : "C"),
        "type <f4 (little-endian float32), C order");
  }
  const auto bytes = checked_product(header.sizes, sizeof(float));
  if (!bytes || static_cast<uint64_t>(*bytes) != reader.remaining()) {
    return unreadable(where, fmt::format("{} bytes of data", reader.remaining()),
                      fmt::format("shape ({}) of 4 bytes each", fmt::join(header.sizes, ", ")));
  }
  const auto begin = static_cast<int64_t>(reader.position());
  const Shape shape(header.sizes);
  if ((reinterpret_cast<uintptr_t>(storage->data()) + reader.position()) % alignof(float) == 0)
    return Tensor(std::move(storage), begin, DType::f32, shape);
  Tensor copy(DType::f32, shape);
  std::memcpy(copy.data(), storage->data() + begin, static_cast<size_t>(*bytes));
  return copy;
}

}  // namespace farthing
