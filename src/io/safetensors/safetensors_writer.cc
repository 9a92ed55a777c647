// Writing of safetensors files.
#include <algorithm>

#include "base/check.h"
#include "base/json_writer.h"
#include "io/safetensors/safetensors.h"

namespace farthing {

Result<SafetensorsWriter> SafetensorsWriter::create(const std::filesystem::path& target,
                                                    const std::vector<Declaration>& tensors,
                                                    const SafetensorsMetadata& metadata) {
  SafetensorsWriter writer(TRY(AtomicFile::create(target)));
  writer.tensors_ = tensors;
  writer.metadata_ = metadata;
  std::stable_sort(writer.tensors_.begin(), writer.tensors_.end(),
                   [](const Declaration& a, const Declaration& b) {
                     if (a.counted != b.counted) return b.counted;
                     return dtype_bytes(a.dtype) > dtype_bytes(b.dtype);
                   });
  int64_t at = 0;
  for (const Declaration& tensor : writer.tensors_) {
    const int64_t end = at + tensor.shape.elements() * dtype_bytes(tensor.dtype);
    CHECK(writer.windows_.emplace(tensor.name, Window{at, end, at}).second &&
          tensor.name != "__metadata__" && (!tensor.counted || tensor.shape.rank() == 1));
    at = end;
    if (!tensor.counted) writer.data_end_ = end;
  }
  // No number of a counted tensor gets longer than these.
  for (const Declaration& tensor : writer.tensors_)
    if (tensor.counted) writer.windows_.find(tensor.name)->second = {at, at, -1};

  const std::string text = writer.header();
  const uint64_t length = (text.size() + 7) / 8 * 8;  // the data begins at a multiple of 8
  writer.header_bytes_ = static_cast<int64_t>(length);
  TRY(writer.file_.write(std::as_bytes(std::span(&length, 1))));
  TRY(writer.file_.write(text + std::string(length - text.size(), ' ')));
  return writer;
}

std::string SafetensorsWriter::header() const {
  JsonWriter json;
  json.begin_object();
  if (!metadata_.empty()) {
    json.key("__metadata__").begin_object();
    for (const auto& [key, value] : metadata_) json.field(key, value);
    json.end_object();
  }
  for (const Declaration& tensor : tensors_) {
    const Window& window = windows_.find(tensor.name)->second;
    json.key(tensor.name).begin_object().field("dtype", dtype_name(tensor.dtype));
    json.key("shape").begin_array();
    for (int i = 0; i < tensor.shape.rank(); ++i) json.value(tensor.shape[i]);
    json.end_array()
        .key("data_offsets")
        .begin_array()
        .value(window.begin)
        .value(window.end)
        .end_array()
        .end_object();
  }
  return json.end_object().take();
}

Result<> SafetensorsWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  const auto found = windows_.find(name);
  CHECK(found != windows_.end());
  Window& window = found->second;
  const auto size = static_cast<int64_t>(bytes.size());
  if (window.next < 0) {  // counted
    const auto tensor = std::find_if(tensors_.begin(), tensors_.end(),
                                     [&](const Declaration& each) { return each.name == name; });
    const int64_t count = size / dtype_bytes(tensor->dtype);
    CHECK(count <= tensor->shape[0] && count * dtype_bytes(tensor->dtype) == size);
    tensor->shape = {count};
    window = {data_end_, data_end_ + size, data_end_};
    data_end_ += size;
  }
  CHECK(size <= window.end - window.next);
  TRY(file_.write_at(static_cast<uint64_t>(8 + header_bytes_ + window.next), bytes));
  window.next += size;
  return {};
}

Result<> SafetensorsWriter::commit() {
  for (const auto& [_, window] : windows_) CHECK(window.next == window.end);
  if (std::any_of(tensors_.begin(), tensors_.end(),
                  [](const auto& each) { return each.counted; })) {
    std::string text = header();
    text.resize(static_cast<size_t>(header_bytes_), ' ');
    TRY(file_.write_at(8, std::as_bytes(std::span(text))));
  }
  return file_.commit();
}

Result<> write_safetensors(const std::filesystem::path& target,
                           const std::vector<std::pair<std::string, Tensor>>& tensors,
                           const SafetensorsMetadata& metadata) {
  std::vector<SafetensorsWriter::Declaration> declarations;
  for (const auto& [name, tensor] : tensors)
    declarations.push_back({name, tensor.dtype(), tensor.shape()});
  auto writer = TRY(SafetensorsWriter::create(target, declarations, metadata));
  for (const auto& [name, tensor] : tensors) TRY(writer.write(name, tensor.span()));
  return writer.commit();
}

}  // namespace farthing
