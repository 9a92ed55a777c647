// Writing of GGUF files.
#include <array>

#include "base/check.h"
#include "io/gguf/gguf.h"

namespace farthing {
namespace {

constexpr int64_t alignment = 32;

template <class T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_string(std::string& out, std::string_view text) {
  append(out, static_cast<uint64_t>(text.size()));
  out += text;
}

int64_t aligned(int64_t offset) { return (offset + alignment - 1) / alignment * alignment; }

int64_t stored_bytes(const GgufTensorType& type, const Shape& shape) {
  CHECK(shape.rank() == 0 || shape[shape.rank() - 1] % type.block_size == 0);
  return shape.elements() / type.block_size * type.block_bytes;
}

}  // namespace

GgufMetadataBuilder& GgufMetadataBuilder::set(std::string_view key, const GgufValue& value) {
  CHECK(key != "general.alignment");  // the writer's own
  append_string(bytes_, key);
  append(bytes_, static_cast<uint32_t>(value.type));
  bytes_.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
  ++count_;
  return *this;
}

GgufMetadataBuilder& GgufMetadataBuilder::set(std::string_view key, std::string_view text) {
  std::string bytes;
  append_string(bytes, text);
  return set(key, GgufValue{GgufValueType::string, std::as_bytes(std::span(bytes))});
}

GgufMetadataBuilder& GgufMetadataBuilder::set(std::string_view key,
                                              const std::vector<std::string>& strings) {
  std::string bytes;
  append(bytes, static_cast<uint32_t>(GgufValueType::string));
  append(bytes, static_cast<uint64_t>(strings.size()));
  for (const auto& text : strings) append_string(bytes, text);
  return set(key, GgufValue{GgufValueType::array, std::as_bytes(std::span(bytes))});
}

template <class T>
GgufMetadataBuilder& GgufMetadataBuilder::array(std::string_view key, GgufValueType type,
                                                const std::vector<T>& values) {
  std::string bytes;
  append(bytes, static_cast<uint32_t>(type));
  append(bytes, static_cast<uint64_t>(values.size()));
  for (const T value : values) append(bytes, value);
  return set(key, GgufValue{GgufValueType::array, std::as_bytes(std::span(bytes))});
}

GgufMetadataBuilder& GgufMetadataBuilder::set(std::string_view key,
                                              const std::vector<float>& numbers) {
  return array(key, GgufValueType::f32, numbers);
}
GgufMetadataBuilder& GgufMetadataBuilder::set(std::string_view key,
                                              const std::vector<int32_t>& integers) {
  return array(key, GgufValueType::i32, integers);
}

GgufWriter::Head GgufWriter::head_of(const GgufMetadataBuilder& metadata,
                                     const std::vector<Declaration>& tensors) {
  std::string head = "GGUF";
  append(head, uint32_t{3});
  append(head, static_cast<uint64_t>(tensors.size()));
  append(head, metadata.count());
  head += metadata.bytes();
  int64_t at = 0;
  for (const Declaration& tensor : tensors) {
    append_string(head, tensor.name);
    append(head, static_cast<uint32_t>(tensor.shape.rank()));
    for (int i = tensor.shape.rank() - 1; i >= 0; --i)
      append(head, static_cast<uint64_t>(tensor.shape[i]));
    append(head, tensor.type->id);
    append(head, static_cast<uint64_t>(at));
    at = aligned(at + stored_bytes(*tensor.type, tensor.shape));
  }
  head.resize(static_cast<size_t>(aligned(static_cast<int64_t>(head.size()))), '\0');
  const auto data_begin = static_cast<int64_t>(head.size());
  return {std::move(head), data_begin + at};
}

Result<GgufWriter> GgufWriter::create(const std::filesystem::path& target,
                                      const GgufMetadataBuilder& metadata,
                                      const std::vector<Declaration>& tensors) {
  GgufWriter writer(TRY(AtomicFile::create(target)));
  const Head head = head_of(metadata, tensors);
  TRY(writer.file_.write(head.bytes));
  auto at = static_cast<int64_t>(head.bytes.size());
  for (const Declaration& tensor : tensors) {
    const int64_t end = at + stored_bytes(*tensor.type, tensor.shape);
    CHECK(writer.windows_.emplace(tensor.name, Window{at, end}).second);
    at = aligned(end);
  }
  writer.file_bytes_ = head.file_bytes;
  return writer;
}

Result<> GgufWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  const auto found = windows_.find(name);
  CHECK(found != windows_.end());
  Window& window = found->second;
  CHECK(static_cast<int64_t>(bytes.size()) <= window.end - window.next);
  TRY(file_.write_at(static_cast<uint64_t>(window.next), bytes));
  window.next += static_cast<int64_t>(bytes.size());
  return {};
}

Result<> GgufWriter::commit() {
  for (const auto& [_, window] : windows_) CHECK(window.next == window.end);
  const int64_t missing = file_bytes_ - static_cast<int64_t>(file_.size());
  if (missing > 0) TRY(file_.write(std::string(static_cast<size_t>(missing), '\0')));
  return file_.commit();
}

}  // namespace farthing
