// Fuzz target: a section quantization_config that holds any bytes, over the tensors of a fixture
// that another program wrote: "NAME OF THE FIXTURE\nSECTION", or any fixture where there is no such
// name. Every linear is then read.
#include <algorithm>
#include <filesystem>

#include "base/check.h"
#include "io/huggingface.h"
#include "io/json.h"
#include "model/dialects/dialect.h"

namespace {

using namespace farthing;

struct Fixture {
  std::string name;
  HuggingFaceDirectory directory;
  JsonObject json;
  ModelConfig config;
};

const std::vector<Fixture>& fixtures() {
  static const std::vector<Fixture> all = [] {
    std::vector<Fixture> out;
    for (const auto& entry :
         std::filesystem::directory_iterator(FARTHING_SOURCE_DIR "/tests/model/data/dialects")) {
      if (!entry.is_directory()) continue;
      auto directory = HuggingFaceDirectory::open(entry.path());
      if (!directory) continue;  // a folder that is no model
      auto json = JsonObject::parse(directory->config_text(), "config.json").value();
      auto config = config_from_json(json).value();
      out.push_back(
          {entry.path().filename(), std::move(*directory), std::move(json), std::move(config)});
    }
    CHECK(!out.empty());
    std::ranges::sort(out, {}, &Fixture::name);
    return out;
  }();
  return all;
}

void check_error(const Error& error) { CHECK(!error.what.empty() && !error.where.empty()); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(text.find('\n'), size);
  const auto named = std::ranges::find(fixtures(), text.substr(0, end), &Fixture::name);
  const Fixture& fixture =
      named != fixtures().end() ? *named : fixtures()[size == 0 ? 0 : data[0] % fixtures().size()];
  const auto json = fixture.json.with("quantization_config", text.substr(std::min(end + 1, size)));
  if (!json) return 0;
  ModelConfig config = fixture.config;
  const auto opened = open_dialect(fixture.directory, *json, config);
  if (!opened) return check_error(opened.error()), 0;
  if (!*opened) return 0;
  const TensorSpecs specs = tensors_of(config);
  for (const LinearSpec& spec : specs.linears) {
    const auto as = (*opened)->reader->find(spec, false);
    if (!as) return check_error(as.error()), 0;
    if (!*as) continue;
    const auto linear = (*opened)->reader->read(spec, **as);
    if (!linear) return check_error(linear.error()), 0;
    const QuantizedTensor& weight = linear->weight;
    if (weight.format == nullptr) continue;  // plain
    CHECK(weight.format == (*as)->scheme.weights && weight.n == spec.n && weight.k == spec.k);
    const auto planes = weight.format->planes(spec.n, spec.k, weight.scale_dtype);
    CHECK(planes.size() == weight.planes.size());
    for (size_t i = 0; i < planes.size(); ++i) CHECK(is_plane(weight.planes[i], planes[i]));
    CHECK(weight.decode().shape().elements() == spec.n * spec.k);
  }
  return 0;
}
