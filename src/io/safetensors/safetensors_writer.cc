// Writing of safetensors files.
#include <algorithm>

#include "base/check.h"
#include "base/json_writer.h"
#include "io/safetensors/safetensors.h"

namespace farthing {

Result<SafetensorsWriter> SafetensorsWriter::create(const std::filesystem::path& target,
                                                    const std::vector<Declaration>& tensors,
                                                    const SafetensorsMetadata& metadata) {
  std::vector<const Declaration*> order;
  for (const Declaration& tensor : tensors) order.push_back(&tensor);
  std::stable_sort(order.begin(), order.end(), [](const Declaration* a, const Declaration* b) {
    return dtype_bytes(a->dtype) > dtype_bytes(b->dtype);
  });

  SafetensorsWriter writer(TRY(AtomicFile::create(target)));
  JsonWriter header;
  header.begin_object();
  if (!metadata.empty()) {
    header.key("__metadata__").begin_object();
    for (const auto& [key, value] : metadata) header.field(key, value);
    header.end_object();
  }
  int64_t at = 0;
  for (const Declaration* tensor : order) {
    const int64_t end = at + tensor->shape.elements() * dtype_bytes(tensor->dtype);
    CHECK(writer.windows_.emplace(tensor->name, Window{at, end}).second &&
          tensor->name != "__metadata__");
    header.key(tensor->name).begin_object().field("dtype", dtype_name(tensor->dtype));
    header.key("shape").begin_array();
    for (int i = 0; i < tensor->shape.rank(); ++i) header.value(tensor->shape[i]);
    header.end_array()
        .key("data_offsets")
        .begin_array()
        .value(at)
        .value(end)
        .end_array()
        .end_object();
    at = end;
  }
  std::string text = header.end_object().take();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data begins at a multiple of 8

  const uint64_t length = text.size();
  TRY(writer.file_.write(std::as_bytes(std::span(&length, 1))));
  TRY(writer.file_.write(text));
  for (auto& [_, window] : writer.windows_) {
    window.next += static_cast<int64_t>(8 + length);
    window.end += static_cast<int64_t>(8 + length);
  }
  return writer;
}

Result<> SafetensorsWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  const auto found = windows_.find(name);
  CHECK(found != windows_.end());
  Window& window = found->second;
  CHECK(static_cast<int64_t>(bytes.size()) <= window.end - window.next);
  TRY(file_.write_at(static_cast<uint64_t>(window.next), bytes));
  window.next += static_cast<int64_t>(bytes.size());
  return {};
}

Result<> SafetensorsWriter::commit() {
  for (const auto& [_, window] : windows_) CHECK(window.next == window.end);
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
