// The metadata of GGUF files, as far as tests of tokenizers need it.
#include <cstring>
#include <fstream>

#include "base/check.h"
#include "text/support/fixtures.h"

namespace farthing::testing {
namespace {

enum : std::uint32_t { kInt32 = 5, kFloat32 = 6, kBool = 7, kString = 8, kArray = 9 };
constexpr std::size_t kBytesOfType[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

struct Reader {
  std::ifstream in;

  template <class T>
  T number() {
    T value{};
    in.read(reinterpret_cast<char*>(&value), sizeof(value));
    CHECK(in.good());
    return value;
  }
  std::string text() {
    std::string value(number<std::uint64_t>(), '\0');
    in.read(value.data(), static_cast<std::streamsize>(value.size()));
    CHECK(in.good());
    return value;
  }
};

template <class T>
void read_list(Reader& reader, std::uint64_t count, std::vector<T>* list) {
  for (std::uint64_t i = 0; i < count; ++i) {
    if constexpr (std::is_same_v<T, std::string>) {
      list->push_back(reader.text());
    } else {
      list->push_back(reader.number<T>());
    }
  }
}

void read_array(Reader& reader, const std::string& key, GgufVocabulary* vocabulary) {
  const auto type = reader.number<std::uint32_t>();
  const auto count = reader.number<std::uint64_t>();
  if (key == "tokenizer.ggml.tokens") return read_list(reader, count, &vocabulary->tokens);
  if (key == "tokenizer.ggml.merges") return read_list(reader, count, &vocabulary->merges);
  if (key == "tokenizer.ggml.scores") return read_list(reader, count, &vocabulary->scores);
  if (key == "tokenizer.ggml.token_type") return read_list(reader, count, &vocabulary->types);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (type == kString) {
      reader.text();
    } else {
      reader.in.ignore(static_cast<std::streamsize>(kBytesOfType[type]));
    }
  }
}

}  // namespace

GgufVocabulary read_gguf_vocabulary(const std::string& path) {
  Reader reader{std::ifstream(path, std::ios::binary)};
  CHECK(reader.number<std::uint32_t>() == 0x46554747);  // "GGUF"
  reader.number<std::uint32_t>();                       // version
  reader.number<std::uint64_t>();                       // tensors
  GgufVocabulary vocabulary;
  for (auto left = reader.number<std::uint64_t>(); left > 0; --left) {
    const std::string key = reader.text();
    const auto type = reader.number<std::uint32_t>();
    if (type == kArray) {
      read_array(reader, key, &vocabulary);
    } else if (type == kString) {
      const std::string value = reader.text();
      if (key == "tokenizer.ggml.model") vocabulary.model = value;
      if (key == "tokenizer.ggml.pre") vocabulary.pre = value;
    } else if (type == kBool) {
      const bool value = reader.number<std::uint8_t>() != 0;
      if (key == "tokenizer.ggml.add_bos_token") vocabulary.add_bos = value;
      if (key == "tokenizer.ggml.add_eos_token") vocabulary.add_eos = value;
      if (key == "tokenizer.ggml.add_space_prefix") vocabulary.add_space_prefix = value;
    } else if (kBytesOfType[type] == 4) {
      const auto value = reader.number<std::int32_t>();
      if (key == "tokenizer.ggml.bos_token_id") vocabulary.bos = value;
      if (key == "tokenizer.ggml.eos_token_id") vocabulary.eos = value;
      if (key == "tokenizer.ggml.unknown_token_id") vocabulary.unknown = value;
    } else {
      reader.in.ignore(static_cast<std::streamsize>(kBytesOfType[type]));
    }
  }
  return vocabulary;
}

}  // namespace farthing::testing
