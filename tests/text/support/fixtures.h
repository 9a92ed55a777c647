// Vocabularies and test vectors: the committed ones (see data/README.md), and those of the folder
// ../shared.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"
#include "text/tokenizer_gguf.h"

namespace farthing::testing {

struct Vector {
  std::string text;
  std::vector<std::int32_t> ids;
};

// A file of tests/text/data; aborts if there is none.
std::string read_data(const std::string& name);
std::string read_whole_file(const std::string& path);

// Written by data/make_vocabularies.py.
GgufVocabulary read_vocabulary(const std::string& name);

// Written by data/vectors.py.
std::vector<Vector> read_vectors(const std::string& name);
std::vector<Vector> read_vector_file(const std::string& path);

// llama.cpp's pair of files.
std::vector<Vector> read_ggml_vectors(const std::string& inputs, const std::string& outputs);

// ../shared beside the repository, or what FARTHING_SHARED names; empty if there is none.
std::string shared_folder();

// Fails the test at the first text whose tokens differ; otherwise tells how many there were.
std::size_t expect_same_tokens(const Tokenizer& tokenizer, const std::vector<Vector>& vectors,
                               EncodeOptions options = {});

}  // namespace farthing::testing
