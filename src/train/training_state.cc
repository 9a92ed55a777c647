// States as safetensors files in folders of their own, renamed when complete.
#include "train/training_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/json_writer.h"
#include "base/leftovers.h"
#include "io/json.h"
#include "io/safetensors/safetensors.h"

namespace farthing {
namespace {

constexpr const char* manifest_name = "state.json";
constexpr std::string_view prefix = "step-";

// Complete states, oldest first.
std::vector<std::filesystem::path> states_of(const std::filesystem::path& run) {
  std::vector<std::filesystem::path> out;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(run, ignored)) {
    const std::string name = entry.path().filename().string();
    const bool numbered = name.size() == prefix.size() + 8 && name.starts_with(prefix) &&
                          std::all_of(name.begin() + prefix.size(), name.end(),
                                      [](char c) { return c >= '0' && c <= '9'; });
    if (numbered && std::filesystem::exists(entry.path() / manifest_name, ignored))
      out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Each tensor of a state: its name and where it lives.
std::vector<std::pair<std::string, Tensor>> tensors_of_state(const TrainedModel& model,
                                                             Optimizer& optimizer) {
  std::vector<std::pair<std::string, Tensor>> out;
  size_t i = 0;
  for (const auto& p : model.parameters()) {
    out.emplace_back(p->name, p->value);
    out.emplace_back(p->name + ".first", optimizer.moments()[i].first);
    out.emplace_back(p->name + ".second", optimizer.moments()[i].second);
    ++i;
  }
  return out;
}

}  // namespace

Result<> save_training_state(const std::filesystem::path& run, const TrainedModel& model,
                             Optimizer& optimizer, const std::string& recipe, int64_t keep) {
  auto folder = TRY(AtomicDirectory::create(run / fmt::format("{}{:08}", prefix, optimizer.steps()),
                                            manifest_name));
  TRY(write_safetensors(folder.path() / "state.safetensors", tensors_of_state(model, optimizer)));
  JsonWriter json(true);
  json.begin_object().field("step", optimizer.steps()).field("recipe", recipe).end_object();
  TRY(write_text_file(folder.path() / manifest_name, json.take() + "\n"));
  TRY(folder.commit());
  const auto states = states_of(run);
  for (size_t i = 0; i + static_cast<size_t>(std::max<int64_t>(keep, 1)) < states.size(); ++i)
    remove_folder(states[i]);
  return {};
}

std::optional<std::filesystem::path> latest_training_state(const std::filesystem::path& run) {
  const auto states = states_of(run);
  if (states.empty()) return std::nullopt;
  return states.back();
}

Result<> load_training_state(const std::filesystem::path& state, TrainedModel& model,
                             Optimizer& optimizer, const std::string& recipe) {
  const auto manifest = state / manifest_name;
  const auto json = TRY(JsonObject::parse(TRY(read_text_file(manifest)), manifest.string()));
  const int64_t step = TRY(json.integer("step"));
  const std::string theirs = TRY(json.string("recipe"));
  if (theirs != recipe) {
    return fail({.what = "the training state belongs to another recipe",
                 .where = manifest.string(),
                 .got = theirs,
                 .wanted = recipe,
                 .remedy = "go on with the recipe that began this run, or start a new one in "
                           "another folder"});
  }
  const auto file = TRY(SafetensorsFile::open(state / "state.safetensors"));
  auto wanted = tensors_of_state(model, optimizer);
  std::vector<Tensor> found;
  for (const auto& [name, to] : wanted) {
    found.push_back(TRY(file.tensor(name)));
    if (found.back().dtype() != DType::f32 || found.back().shape() != to.shape()) {
      return fail({.what = "the training state belongs to another model",
                   .where = fmt::format("{}, tensor {}", state.string(), name),
                   .got = found.back().shape().text(),
                   .wanted = to.shape().text(),
                   .remedy = "give the model that this run began with"});
    }
  }
  for (size_t i = 0; i < wanted.size(); ++i)
    std::memcpy(wanted[i].second.data(), std::as_const(found[i]).data(),
                static_cast<size_t>(found[i].bytes()));
  optimizer.set_steps(step);
  return {};
}

}  // namespace farthing
