// Reading of GGUF files.
#include "io/gguf/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "io/byte_reader.h"
#include "io/sizes.h"

namespace farthing {
namespace {

constexpr const char* remedy = "download or write the file again";
constexpr uint64_t default_alignment = 32;
constexpr uint64_t max_alignment = uint64_t{1} << 20;

std::span<const std::byte> all_bytes(const Storage& storage) {
  return {storage.data(), static_cast<size_t>(storage.bytes())};
}

struct Head {
  uint32_t version;
  uint64_t tensors, keys;
};

Result<Head> read_head(ByteReader& reader, const std::string& where) {
  const auto magic = reader.take<std::array<char, 4>>();
  if (!magic || std::string_view(magic->data(), 4) != "GGUF") {
    return fail({.what = "not a GGUF file",
                 .where = where,
                 .got = magic ? "other bytes at the start" : "fewer than 4 bytes",
                 .wanted = "the letters GGUF",
                 .remedy = "check the path, or download the file again"});
  }
  const auto version = reader.take<uint32_t>();
  if (version && (*version & 0xffff) == 0 && *version != 0) {
    return fail({.what = "the file is big-endian",
                 .where = where,
                 .got = fmt::format("version {:#010x}", *version),
                 .wanted = "a little-endian GGUF file",
                 .remedy = "convert it with gguf-convert-endian of the Python package gguf"});
  }
  if (version && *version != 2 && *version != 3) {
    return fail({.what = "this version of GGUF cannot be read",
                 .where = where,
                 .got = fmt::format("version {}", *version),
                 .wanted = "version 2 or 3",
                 .remedy = "convert the model again with a current converter"});
  }
  const auto tensors = reader.take<uint64_t>();
  const auto keys = reader.take<uint64_t>();
  if (!version || !tensors || !keys) {
    return fail({.what = "the file is cut short",
                 .where = where,
                 .got = "fewer than 24 bytes",
                 .wanted = "magic, version and the numbers of tensors and keys",
                 .remedy = remedy});
  }
  return Head{*version, *tensors, *keys};
}

// One description; begin holds the offset from the start of the data, end the offset plus the size.
Result<GgufFile::Entry> read_entry(ByteReader& reader, const std::string& where, uint64_t number) {
  const auto name = reader.take_string();
  const auto rank = reader.take<uint32_t>();
  const std::string place = name ? fmt::format("{}, tensor {}", where, *name)
                                 : fmt::format("{}, tensor number {}", where, number);
  const auto cut_short = [&] {
    return fail({.what = "the file is cut short",
                 .where = place,
                 .got = "an end within the tensor's description",
                 .wanted = "name, sizes, type and offset",
                 .remedy = remedy});
  };
  if (!name || !rank) return cut_short();
  if (*rank > Shape::max_rank) {
    return fail({.what = "a tensor has too many dimensions",
                 .where = place,
                 .got = std::to_string(*rank),
                 .wanted = fmt::format("at most {}", Shape::max_rank),
                 .remedy = remedy});
  }
  std::array<int64_t, Shape::max_rank> sizes{};
  for (uint32_t i = 0; i < *rank; ++i) {
    const auto size = reader.take<int64_t>();
    if (!size) return cut_short();
    sizes[*rank - 1 - i] = *size;
  }
  const auto id = reader.take<uint32_t>();
  const auto offset = reader.take<int64_t>();
  if (!id || !offset) return cut_short();
  const GgufTensorType* type = gguf_tensor_type(*id);
  if (type == nullptr) {
    return fail({.what = "unknown tensor type",
                 .where = place,
                 .got = fmt::format("type {}", *id),
                 .wanted = "a type that ggml has today",
                 .remedy = "convert the model again with a current converter"});
  }
  const std::span<const int64_t> shape(sizes.data(), *rank);
  const int64_t innermost = *rank == 0 ? 1 : shape.back();
  const auto bytes =
      checked_product(shape, type->block_bytes);  // before the division by the block size
  if (!bytes || innermost % type->block_size != 0) {
    return fail({.what = "a tensor has an impossible shape",
                 .where = place,
                 .got = fmt::format("[{}] of type {}", fmt::join(shape, ", "), type->name),
                 .wanted = fmt::format(
                     "sizes whose last is a multiple of {} and whose product fits 63 bits",
                     type->block_size),
                 .remedy = remedy});
  }
  int64_t end = 0;
  if (*offset < 0 || __builtin_add_overflow(*offset, *bytes / type->block_size, &end)) {
    return fail({.what = "a tensor lies outside of the file",
                 .where = place,
                 .got = fmt::format("offset {}", static_cast<uint64_t>(*offset)),
                 .wanted = "an offset inside the file",
                 .remedy = remedy});
  }
  return GgufFile::Entry{std::string(*name), type, Shape(shape), *offset, end};
}

Result<int64_t> read_alignment(const GgufMetadata& metadata, const std::string& where) {
  const uint64_t alignment = TRY(metadata.integer("general.alignment", default_alignment));
  if (alignment == 0 || alignment > max_alignment || (alignment & (alignment - 1)) != 0) {
    return fail({.what = "impossible alignment",
                 .where = where + ", key general.alignment",
                 .got = std::to_string(alignment),
                 .wanted = fmt::format("a power of two, at most {}", max_alignment),
                 .remedy = remedy});
  }
  return static_cast<int64_t>(alignment);
}

// Makes the offsets absolute; they must be aligned, inside the file, and no two tensors may share a
// byte.
Result<> place_tensors(std::vector<GgufFile::Entry>& tensors, const std::string& where,
                       int64_t data_begin, int64_t alignment, int64_t file_bytes) {
  std::vector<const GgufFile::Entry*> order;
  for (GgufFile::Entry& tensor : tensors) {
    if (tensor.begin % alignment != 0 || tensor.end > file_bytes - data_begin) {
      return fail(
          {.what = "a tensor lies outside of the file, or not where it may begin",
           .where = fmt::format("{}, tensor {}", where, tensor.name),
           .got = fmt::format("bytes {} to {} after byte {}", tensor.begin, tensor.end, data_begin),
           .wanted = fmt::format("a begin that is a multiple of {}, an end within {} bytes of file",
                                 alignment, file_bytes),
           .remedy = "the file may be cut short: compare its size, download it again"});
    }
    tensor.begin += data_begin;
    tensor.end += data_begin;
    if (tensor.begin < tensor.end) order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(),
            [](const auto* a, const auto* b) { return a->begin < b->begin; });
  for (size_t i = 1; i < order.size(); ++i) {
    if (order[i]->begin >= order[i - 1]->end) continue;
    return fail(
        {.what = "tensors overlap",
         .where = fmt::format("{}, tensors {} and {}", where, order[i - 1]->name, order[i]->name),
         .got = fmt::format("a begin at byte {}", order[i]->begin),
         .wanted = fmt::format("at least {}", order[i - 1]->end),
         .remedy = remedy});
  }
  return {};
}

}  // namespace

Result<GgufFile> GgufFile::open(const std::filesystem::path& path) {
  return parse(Storage::map(TRY(MappedFile::open(path))), path.string());
}

Result<GgufFile> GgufFile::parse(std::shared_ptr<Storage> storage, std::string where,
                                 int64_t file_bytes) {
  constexpr size_t least_entry_bytes = 8 + 4 + 4 + 8;
  const auto bytes = all_bytes(*storage);
  ByteReader reader(bytes);
  const Head head = TRY(read_head(reader, where));
  GgufFile file;
  file.version_ = static_cast<int>(head.version);
  size_t used = reader.position();
  file.metadata_ = TRY(GgufMetadata::parse(bytes.subspan(used), head.keys, where, used));
  ByteReader entries(bytes.subspan(used));
  if (head.tensors > entries.remaining() / least_entry_bytes) {
    return fail(
        {.what = "the file has no room for its tensors' descriptions",
         .where = where,
         .got = fmt::format("{} tensors in a rest of {} bytes", head.tensors, entries.remaining()),
         .wanted = fmt::format("at least {} bytes for each", least_entry_bytes),
         .remedy = remedy});
  }
  for (uint64_t i = 0; i < head.tensors; ++i) {
    file.tensors_.push_back(TRY(read_entry(entries, where, i)));
    if (!file.index_.emplace(file.tensors_.back().name, i).second) {
      return fail({.what = "two tensors have the same name",
                   .where = fmt::format("{}, tensor {}", where, file.tensors_.back().name),
                   .got = fmt::format("a second one as number {}", i),
                   .wanted = "each name once",
                   .remedy = remedy});
    }
  }
  const int64_t alignment = TRY(read_alignment(file.metadata_, where));
  const auto described = static_cast<int64_t>(used + entries.position());
  const int64_t data_begin = (described + alignment - 1) / alignment * alignment;
  TRY(place_tensors(file.tensors_, where, data_begin, alignment,
                    std::max(file_bytes, storage->bytes())));
  file.storage_ = std::move(storage);
  file.where_ = std::move(where);
  return file;
}

const GgufFile::Entry* GgufFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

Result<const GgufFile::Entry*> GgufFile::required(std::string_view name) const {
  const Entry* entry = find(name);
  if (entry != nullptr) return entry;
  return fail({.what = "the file has no such tensor",
               .where = where_,
               .got = fmt::format("{} other tensors", tensors_.size()),
               .wanted = fmt::format("the tensor '{}'", name),
               .remedy = "check that this is the right file for the model"});
}

Tensor GgufFile::bytes(const Entry& entry) const {
  const Shape flat{entry.end - entry.begin};
  if ((reinterpret_cast<uintptr_t>(storage_->data()) + static_cast<uintptr_t>(entry.begin)) % 8 ==
      0)
    return Tensor(storage_, entry.begin, DType::u8, flat);
  Tensor copy(DType::u8, flat);
  std::memcpy(copy.data(), storage_->data() + entry.begin, static_cast<size_t>(copy.bytes()));
  return copy;
}

Result<Tensor> GgufFile::bytes(std::string_view name) const { return bytes(*TRY(required(name))); }

Result<Tensor> GgufFile::plain(std::string_view name) const {
  const Entry& entry = *TRY(required(name));
  if (!entry.type->dtype) {
    return fail({.what = "a tensor is quantized where plain numbers are needed",
                 .where = fmt::format("{}, tensor {}", where_, name),
                 .got = std::string(entry.type->name),
                 .wanted = "a plain type, such as F32 or F16",
                 .remedy = "convert the model again and keep this tensor unquantized"});
  }
  return bytes(entry).viewed_as(*entry.type->dtype, entry.shape);
}

}  // namespace farthing
