// Readers of vocabularies and test vectors.
#include "text/support/fixtures.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/check.h"

namespace farthing::testing {
namespace {

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    const char escaped = text[++i];
    out += escaped == 'n' ? '\n' : escaped == 'r' ? '\r' : escaped;
  }
  return out;
}

std::vector<std::int32_t> read_ids(const std::string& line) {
  std::vector<std::int32_t> ids;
  std::istringstream in(line);
  for (std::int32_t id; in >> id;) ids.push_back(id);
  return ids;
}

}  // namespace

std::string read_whole_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) std::fprintf(stderr, "no file %s\n", path.c_str());
  CHECK(in.good());
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string read_data(const std::string& name) {
  return read_whole_file(std::string(FARTHING_SOURCE_DIR "/tests/text/data/") + name);
}

GgufVocabulary read_vocabulary(const std::string& name) {
  GgufVocabulary vocabulary;
  std::istringstream in(read_data(name));
  std::string line;
  while (std::getline(in, line)) {
    const std::size_t space = line.find(' ');
    const std::string key = line.substr(0, space), value = line.substr(space + 1);
    if (key == "model") {
      vocabulary.model = value;
    } else if (key == "pre") {
      vocabulary.pre = value;
    } else if (key == "bos_token_id") {
      vocabulary.bos = std::stoi(value);
    } else if (key == "eos_token_id") {
      vocabulary.eos = std::stoi(value);
    } else if (key == "unknown_token_id") {
      vocabulary.unknown = std::stoi(value);
    } else if (key == "add_bos_token") {
      vocabulary.add_bos = value == "1";
    } else if (key == "add_eos_token") {
      vocabulary.add_eos = value == "1";
    } else if (key == "add_space_prefix") {
      vocabulary.add_space_prefix = value == "1";
    } else if (key == "tokens") {
      for (int left = std::stoi(value); left > 0; --left) {
        CHECK(std::getline(in, line).good());
        std::size_t tab = line.find('\t');
        vocabulary.types.push_back(tab == std::string::npos ? 1 : std::stoi(line.substr(0, tab)));
        if (vocabulary.model == "llama") {
          const std::size_t next = line.find('\t', tab + 1);
          vocabulary.scores.push_back(std::stof(line.substr(tab + 1, next - tab - 1)));
          tab = next;
        }
        vocabulary.tokens.push_back(tab == std::string::npos ? line : line.substr(tab + 1));
      }
    } else {
      CHECK(key == "merges");
      for (int left = std::stoi(value); left > 0; --left) {
        CHECK(std::getline(in, line).good());
        vocabulary.merges.push_back(line);
      }
    }
  }
  return vocabulary;
}

std::vector<Vector> read_vectors(const std::string& name) {
  return read_vector_file(FARTHING_SOURCE_DIR "/tests/text/data/" + name);
}

std::vector<Vector> read_vector_file(const std::string& path) {
  std::vector<Vector> vectors;
  std::istringstream in(read_whole_file(path));
  for (std::string text, ids; std::getline(in, text) && std::getline(in, ids);) {
    vectors.push_back({unescape(text), read_ids(ids)});
  }
  CHECK(!vectors.empty());
  return vectors;
}

std::vector<Vector> read_ggml_vectors(const std::string& inputs, const std::string& outputs) {
  constexpr std::string_view kSeparator = "\n__ggml_vocab_test__\n";
  const std::string text = read_whole_file(inputs);
  std::istringstream out(read_whole_file(outputs));
  std::vector<Vector> vectors;
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find(kSeparator, begin)) != std::string::npos;
       begin = end + kSeparator.size()) {
    std::string line;
    CHECK(std::getline(out, line).good());
    vectors.push_back({text.substr(begin, end - begin), read_ids(line)});
  }
  CHECK(vectors.size() > 40);
  return vectors;
}

std::string shared_folder() {
  const char* named = std::getenv("FARTHING_SHARED");
  const std::string path = named != nullptr ? named : FARTHING_SOURCE_DIR "/../shared";
  return std::filesystem::is_directory(path) ? path : std::string();
}

std::size_t expect_same_tokens(const Tokenizer& tokenizer, const std::vector<Vector>& vectors,
                               EncodeOptions options) {
  for (const Vector& vector : vectors) {
    EXPECT_EQ(tokenizer.encode(vector.text, options), vector.ids)
        << "text: \"" << vector.text << "\"";
    if (::testing::Test::HasFailure()) return 0;
  }
  return vectors.size();
}

}  // namespace farthing::testing
