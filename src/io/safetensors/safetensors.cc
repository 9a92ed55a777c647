// Reading of safetensors files.
#include "io/safetensors/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "io/json.h"
#include "io/sizes.h"

namespace farthing {
namespace {

constexpr int64_t max_header_bytes = 100'000'000;  // the limit of the reference implementation
constexpr const char* remedy = "download or write the file again";

std::string known_dtypes() {
  std::string out;
  for (int i = 0; i <= static_cast<int>(DType::boolean); ++i)
    out += fmt::format("{}{}", i == 0 ? "" : ", ", dtype_name(static_cast<DType>(i)));
  return out;
}

// One member of the header; offsets become offsets in the file.
Result<SafetensorsFile::Entry> read_entry(const JsonObject& header, const std::string& name,
                                          const std::string& where, int64_t data_begin,
                                          int64_t file_bytes) {
  const std::string place = fmt::format("{}, tensor {}", where, name);
  const JsonObject fields = TRY(header.member(name));
  const std::string dtype_text = TRY(fields.string("dtype"));
  const auto dtype = dtype_from_name(dtype_text);
  if (!dtype) {
    return fail({.what = "unknown element type",
                 .where = place,
                 .got = dtype_text,
                 .wanted = "one of " + known_dtypes(),
                 .remedy = "convert the tensor to one of these types"});
  }
  const auto sizes = TRY(fields.integers("shape"));
  if (sizes.size() > Shape::max_rank) {
    return fail({.what = "a tensor has too many dimensions",
                 .where = place,
                 .got = std::to_string(sizes.size()),
                 .wanted = fmt::format("at most {}", Shape::max_rank),
                 .remedy = "reshape the tensor"});
  }
  const auto offsets = TRY(fields.integers("data_offsets"));
  const int64_t data_bytes = file_bytes - data_begin;
  if (offsets.size() != 2 || offsets[0] < 0 || offsets[0] > offsets[1] || offsets[1] > data_bytes) {
    return fail({.what = "a tensor lies outside of the file",
                 .where = place,
                 .got = offsets.size() == 2
                            ? fmt::format("data_offsets [{}, {}]", offsets[0], offsets[1])
                            : fmt::format("data_offsets of {} numbers", offsets.size()),
                 .wanted = fmt::format("[begin, end] with 0 <= begin <= end <= {}", data_bytes),
                 .remedy = remedy});
  }
  const auto bytes = checked_product(sizes, dtype_bytes(*dtype));
  if (!bytes || *bytes != offsets[1] - offsets[0]) {
    return fail({.what = "a tensor's size does not fit its shape",
                 .where = place,
                 .got = fmt::format("{} bytes", offsets[1] - offsets[0]),
                 .wanted = fmt::format("shape [{}] of {}{}", fmt::join(sizes, ", "), dtype_text,
                                       bytes ? fmt::format(": {} bytes", *bytes) : ""),
                 .remedy = remedy});
  }
  return SafetensorsFile::Entry{name, *dtype, Shape(sizes), data_begin + offsets[0],
                                data_begin + offsets[1]};
}

// The format wants each byte of the data in exactly one tensor. `entries` are sorted.
Result<> check_cover(const std::vector<SafetensorsFile::Entry>& entries, const std::string& where,
                     int64_t data_begin, int64_t file_bytes) {
  int64_t covered = data_begin;
  for (const auto& entry : entries) {
    if (entry.begin != covered) {
      return fail({.what = entry.begin < covered ? "tensors overlap" : "bytes belong to no tensor",
                   .where = fmt::format("{}, tensor {}", where, entry.name),
                   .got = fmt::format("data that begins at byte {} of the file", entry.begin),
                   .wanted = fmt::format("byte {}", covered),
                   .remedy = remedy});
    }
    covered = entry.end;
  }
  if (covered != file_bytes) {
    return fail({.what = "the file is longer than its tensors",
                 .where = where,
                 .got = fmt::format("{} bytes", file_bytes),
                 .wanted = fmt::format("{} bytes", covered),
                 .remedy = remedy});
  }
  return {};
}

// The length of the JSON header.
Result<int64_t> read_header_bytes(const Storage& storage, const std::string& where) {
  uint64_t length = 0;
  const int64_t available = storage.bytes() - 8;
  if (available >= 0) std::memcpy(&length, storage.data(), 8);
  const auto limit = static_cast<uint64_t>(std::clamp<int64_t>(available, 0, max_header_bytes));
  if (length < 2 || length > limit) {
    return fail({.what = "not a safetensors file: no header of a possible length",
                 .where = where,
                 .got = available < 0 ? fmt::format("a file of {} bytes", storage.bytes())
                                      : fmt::format("a header of {} bytes", length),
                 .wanted = fmt::format("8 bytes with a length of 2 to {}, then the header", limit),
                 .remedy = remedy});
  }
  if (storage.data()[8] != std::byte{'{'}) {
    return fail({.what = "not a safetensors file: the header is not a JSON object",
                 .where = where,
                 .got = fmt::format("first byte {:#04x}", static_cast<int>(storage.data()[8])),
                 .wanted = "an opening brace",
                 .remedy = remedy});
  }
  return static_cast<int64_t>(length);
}

}  // namespace

Result<SafetensorsFile> SafetensorsFile::open(const std::filesystem::path& path) {
  return parse(Storage::map(TRY(MappedFile::open(path))), path.string());
}

Result<SafetensorsFile> SafetensorsFile::parse(std::shared_ptr<Storage> storage,
                                               std::string where) {
  const int64_t header_bytes = TRY(read_header_bytes(*storage, where));
  const int64_t data_begin = 8 + header_bytes, file_bytes = storage->bytes();
  const std::string_view text(reinterpret_cast<const char*>(storage->data()) + 8,
                              static_cast<size_t>(header_bytes));
  const JsonObject header = TRY(JsonObject::parse(text, where + ", header"));

  SafetensorsFile file;
  for (const std::string& name : header.keys()) {
    if (name == "__metadata__") {
      const JsonObject metadata = TRY(header.member(name));
      for (const std::string& key : metadata.keys())
        file.metadata_[key] = TRY(metadata.member_string(key));
      continue;
    }
    file.entries_.push_back(TRY(read_entry(header, name, where, data_begin, file_bytes)));
  }
  std::stable_sort(file.entries_.begin(), file.entries_.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  TRY(check_cover(file.entries_, where, data_begin, file_bytes));
  for (size_t i = 0; i < file.entries_.size(); ++i) file.index_[file.entries_[i].name] = i;
  file.storage_ = std::move(storage);
  file.where_ = std::move(where);
  return file;
}

const SafetensorsFile::Entry* SafetensorsFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

Result<Tensor> SafetensorsFile::tensor(std::string_view name) const {
  const Entry* entry = find(name);
  if (entry != nullptr) return tensor(*entry);
  return fail({.what = "the file has no such tensor",
               .where = where_,
               .got = fmt::format("{} other tensors", entries_.size()),
               .wanted = fmt::format("the tensor '{}'", name),
               .remedy = "check that this is the right file for the model"});
}

Tensor SafetensorsFile::tensor(const Entry& entry) const {
  const auto address =
      reinterpret_cast<uintptr_t>(storage_->data()) + static_cast<uintptr_t>(entry.begin);
  if (address % static_cast<uintptr_t>(dtype_bytes(entry.dtype)) == 0)
    return Tensor(storage_, entry.begin, entry.dtype, entry.shape);
  Tensor copy(entry.dtype, entry.shape);
  std::memcpy(copy.data(), storage_->data() + entry.begin, static_cast<size_t>(copy.bytes()));
  return copy;
}

}  // namespace farthing
