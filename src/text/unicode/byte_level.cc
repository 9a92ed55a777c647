// The table between bytes and their spelling.
#include "text/unicode/byte_level.h"

#include <array>

#include "text/unicode/utf8.h"

namespace farthing {
namespace {

constexpr int kCharacters = 0x100 + 68;  // 68 bytes are not printable

struct Table {
  std::array<char32_t, 256> character{};
  std::array<int, kCharacters> byte{};
};

constexpr Table make_table() {
  Table table;
  for (int& byte : table.byte) byte = -1;
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable =
        (byte > 0x20 && byte < 0x7F) || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
    const char32_t character = printable ? static_cast<char32_t>(byte) : next++;
    table.character[byte] = character;
    table.byte[character] = byte;
  }
  return table;
}

constexpr Table kTable = make_table();

}  // namespace

std::string spell_bytes(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes)
    append_utf8(kTable.character[static_cast<unsigned char>(byte)], &out);
  return out;
}

std::optional<std::string> bytes_of_spelling(std::string_view spelling) {
  std::string out;
  for (std::size_t i = 0; i < spelling.size();) {
    const Utf8Step step = utf8_step(spelling.substr(i));
    if (step.kind != Utf8Step::Kind::kCharacter || step.bytes > 2) return std::nullopt;
    const auto lead = static_cast<unsigned char>(spelling[i]);
    const unsigned character =
        step.bytes == 1
            ? lead
            : (lead & 0x1Fu) << 6 | (static_cast<unsigned char>(spelling[i + 1]) & 0x3Fu);
    if (character >= kCharacters || kTable.byte[character] < 0) return std::nullopt;
    out.push_back(static_cast<char>(kTable.byte[character]));
    i += step.bytes;
  }
  return out;
}

}  // namespace farthing
