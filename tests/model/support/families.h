// The tiny random models of data/families, one for each architecture and variant.
#pragma once

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace farthing::testing {

inline std::filesystem::path family_path(const std::string& name) {
  return std::filesystem::path(FARTHING_SOURCE_DIR "/tests/model/data/families") / name;
}

inline std::vector<std::string> families() {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(family_path("")))
    if (entry.is_directory()) out.push_back(entry.path().filename());
  std::sort(out.begin(), out.end());
  return out;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace farthing::testing
