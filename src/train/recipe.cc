// Reading a recipe with toml++; every key that was not asked for is unknown.
#include "train/recipe.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <limits>
#include <map>

namespace farthing {
namespace {

// Edits that turn one word into another.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

class Reader {
 public:
  Reader(const toml::table& table, std::string file) : table_(table), file_(std::move(file)) {}

  bool has(const std::string& key) {
    known_[key];
    return static_cast<bool>(table_.at_path(key));
  }

  Result<> number(const std::string& key, double& to, double least, double most) {
    const auto node = TRY(find(key));
    if (!node) return {};
    const auto value = node.value<double>();
    if (!node.is_number() || !value || !(*value >= least && *value <= most))
      return fail(error(key, node, fmt::format("a number from {} to {}", least, most)));
    to = *value;
    text_ += fmt::format("{} = {}\n", key, to);
    return {};
  }

  Result<> integer(const std::string& key, int64_t& to, int64_t least,
                   int64_t most = int64_t{1} << 40) {
    const auto node = TRY(find(key));
    if (!node) return {};
    const auto value = node.value_exact<int64_t>();
    if (!value || *value < least || *value > most)
      return fail(error(key, node, fmt::format("a whole number from {} to {}", least, most)));
    to = *value;
    text_ += fmt::format("{} = {}\n", key, to);
    return {};
  }

  Result<> boolean(const std::string& key, bool& to) {
    const auto node = TRY(find(key));
    if (!node) return {};
    const auto value = node.value_exact<bool>();
    if (!value) return fail(error(key, node, "true or false"));
    to = *value;
    text_ += fmt::format("{} = {}\n", key, to);
    return {};
  }

  // `names`: what is allowed; any text where it is empty.
  Result<> word(const std::string& key, std::string& to, const std::vector<std::string>& names = {},
                bool decides = true) {
    const auto node = TRY(find(key));
    if (!node) return {};
    const auto value = node.value_exact<std::string>();
    bool allowed = value.has_value() && names.empty();
    std::string list;
    for (const std::string& name : names) {
      allowed |= value == name;
      list += (list.empty() ? "\"" : ", \"") + name + "\"";
    }
    if (!allowed) return fail(error(key, node, list.empty() ? "a text in quotes" : list));
    to = *value;
    if (decides) text_ += fmt::format("{} = \"{}\"\n", key, to);
    return {};
  }

  // A text that `parse` understands.
  template <class T, class Parse>
  Result<> parsed(const std::string& key, T& to, const Parse& parse, const std::string& wanted) {
    std::string value;
    TRY(word(key, value));
    if (value.empty()) return {};
    auto result = parse(value);
    if (!result) return fail(error(key, table_.at_path(key), wanted));
    to = *result;
    return {};
  }

  const toml::array* sources(const std::string& key) {
    known_[key];
    return table_.at_path(key).as_array();
  }

  Error error(const std::string& key, toml::node_view<const toml::node> node, std::string wanted) {
    std::string got = "nothing";
    if (node) {
      std::ostringstream text;
      text << node;
      got = text.str();
    }
    return {.what = "a value of the recipe is not possible",
            .where = place(key, node ? node.node() : nullptr),
            .got = std::move(got),
            .wanted = std::move(wanted),
            .remedy = "correct it in the recipe"};
  }

  std::string place(const std::string& key, const toml::node* node) const {
    if (node == nullptr) return fmt::format("{}, {}", file_, key);
    return fmt::format("{}, line {}, {}", file_, node->source().begin.line, key);
  }

  // An error for the first key that nobody asked for.
  Result<> check_unknown() const { return check_unknown(table_, ""); }
  const std::string& text() const { return text_; }
  void note(const std::string& line) { text_ += line; }

 private:
  Result<toml::node_view<const toml::node>> find(const std::string& key) {
    known_[key];
    return table_.at_path(key);
  }

  Result<> check_unknown(const toml::table& table, const std::string& prefix) const {
    for (const auto& [name, node] : table) {
      const std::string key = prefix + std::string(name.str());
      if (known_.count(key) != 0) continue;
      const bool section = std::any_of(known_.begin(), known_.end(), [&](const auto& known) {
        return known.first.starts_with(key + ".");
      });
      if (section && node.is_table()) {
        TRY(check_unknown(*node.as_table(), key + "."));
        continue;
      }
      std::string nearest;
      size_t least = std::numeric_limits<size_t>::max();
      for (const auto& [known, unused] : known_)
        if (const size_t d = distance(key, known); d < least) {
          least = d;
          nearest = known;
        }
      return fail({.what = "the recipe has an unknown key",
                   .where = place(key, &node),
                   .got = key,
                   .wanted = fmt::format("perhaps {}", nearest),
                   .remedy = "remove it, or write it as docs/training.md lists it"});
    }
    return {};
  }

  const toml::table& table_;
  std::string file_, text_;
  std::map<std::string, int> known_;
};

Result<> read_model(Reader& r, Recipe& recipe) {
  FreshModel m{};
  m.max_positions = 512;
  constexpr int64_t most = 1 << 20;
  TRY(r.integer("model.hidden_size", m.hidden_size, 2, most));
  TRY(r.integer("model.layers", m.layers, 1, 1000));
  TRY(r.integer("model.heads", m.heads, 1, 1024));
  m.kv_heads = m.heads;
  TRY(r.integer("model.kv_heads", m.kv_heads, 1, 1024));
  TRY(r.integer("model.intermediate_size", m.intermediate_size, 1, most));
  TRY(r.integer("model.max_positions", m.max_positions, 2, most));
  TRY(r.boolean("model.tied_embeddings", m.tied_embeddings));
  if (r.has("model")) recipe.model = m;
  return {};
}

Result<> read_precision(Reader& r, TrainedPrecision& p) {
  p.linears = parse_scheme("f32").value();
  TRY(r.parsed("quantization.scheme", p.linears, parse_scheme,
               "WEIGHTS[@ACTIVATIONS], as `farthing formats` lists them"));
  TRY(r.parsed("quantization.scale_rule", p.scale_rule, find_scale_rule, "a scale rule's name"));
  TRY(r.parsed("quantization.tables", p.tables, parse_scheme, "a scheme"));
  TRY(r.parsed("quantization.kv_cache", p.kv_cache, find_kv_codec, "one of " + kv_codec_names()));
  return {};
}

Result<> read_data(Reader& r, Recipe& recipe, const std::filesystem::path& folder) {
  if (const toml::array* list = r.sources("data.source"); list != nullptr && recipe.data.empty()) {
    for (const toml::node& node : *list) {
      const toml::table* table = node.as_table();
      if (table == nullptr) return fail(r.error("data.source", {}, "[[data.source]] sections"));
      Reader source(*table, r.place("data.source", &node));
      DataSource out;
      TRY(source.word("path", out.path, {}, false));
      TRY(source.word("kind", out.kind, {"text", "jsonl", "tokens"}));
      TRY(source.number("weight", out.weight, 1e-6, 1e6));
      TRY(source.check_unknown());
      if (out.path.empty()) return fail(source.error("path", {}, "the path of a file"));
      if (out.kind.empty()) out.kind = "text";
      out.path = (folder / out.path).string();
      recipe.data.push_back(std::move(out));
    }
  }
  for (const DataSource& source : recipe.data)
    r.note(fmt::format("data.source = \"{}\" {} {}\n", source.path, source.kind, source.weight));
  TRY(r.integer("data.context", recipe.context, 2, 1 << 20));
  TRY(r.integer("data.batch_tokens", recipe.batch_tokens, 2));
  return {};
}

Result<> read_schedule(Reader& r, Schedule& s) {
  std::string kind = "cosine";
  TRY(r.word("schedule.kind", kind, {"constant", "cosine", "wsd"}));
  s.kind = kind == "constant" ? Schedule::Kind::constant
           : kind == "wsd"    ? Schedule::Kind::wsd
                              : Schedule::Kind::cosine;
  TRY(r.integer("schedule.steps", s.steps, 1, 1 << 30));
  TRY(r.integer("schedule.warmup_steps", s.warmup_steps, 0, s.steps));
  TRY(r.number("schedule.final_ratio", s.final_ratio, 0, 1));
  TRY(r.number("schedule.decay_fraction", s.decay_fraction, 0, 1));
  return r.number("optimizer.learning_rate", s.learning_rate, 0, 10);
}

Result<> read_optimizer(Reader& r, Recipe& recipe) {
  AdamW& a = recipe.optimizer;
  TRY(r.number("optimizer.beta1", a.beta1, 0, 0.9999999));
  TRY(r.number("optimizer.beta2", a.beta2, 0, 0.9999999));
  TRY(r.number("optimizer.epsilon", a.epsilon, 1e-20, 1));
  TRY(r.number("optimizer.weight_decay", a.weight_decay, 0, 10));
  TRY(r.number("optimizer.clip_norm", a.clip_norm, 0, 1e9));
  TRY(r.integer("optimizer.accumulation", recipe.accumulation, 1, 1 << 20));
  return r.boolean("optimizer.gradient_checkpointing", recipe.gradient_checkpointing);
}

// What no single key shows.
Result<> check_together(Reader& r, const Recipe& recipe) {
  const bool pretrain = recipe.mode == TrainMode::pretrain;
  if (recipe.model.has_value() != pretrain)
    return fail(r.error("model", {},
                        pretrain ? "a section [model] with the sizes of the new model"
                                 : "no [model] unless mode = \"pretrain\""));
  if (pretrain) {
    const FreshModel& m = *recipe.model;
    for (const auto& [key, value] : {std::pair{"model.hidden_size", m.hidden_size},
                                     {"model.layers", m.layers},
                                     {"model.heads", m.heads},
                                     {"model.intermediate_size", m.intermediate_size}})
      if (value == 0) return fail(r.error(key, {}, "a whole number; mode = \"pretrain\" needs it"));
    if (m.hidden_size % (2 * m.heads) != 0 || m.heads % m.kv_heads != 0)
      return fail(r.error("model.heads", {},
                          "heads that divide hidden_size into an even head size, and a multiple of "
                          "kv_heads"));
  }
  const TrainedPrecision& p = recipe.precision;
  if (recipe.mode == TrainMode::qat && p.linears.weights->plain == DType::f32)
    return fail(r.error("quantization.scheme", {}, "a number format; mode = \"qat\" needs one"));
  if (recipe.mode != TrainMode::qat && !p.linears.weights->plain)
    return fail(r.error("mode", {}, fmt::format("\"qat\", to train in {}", p.linears.name())));
  if (p.scale_rule) {
    bool fits = false;
    for (const ScaleRule rule : p.linears.weights->scale_rules) fits |= rule == *p.scale_rule;
    if (!fits)
      return fail(r.error("quantization.scale_rule", {},
                          fmt::format("a rule of {}", p.linears.weights->name)));
  }
  if (recipe.data.empty())
    return fail(r.error("data.source", {}, "at least one [[data.source]], or --data FILE"));
  return {};
}

Result<toml::table> parse_file(const std::filesystem::path& file) {
  const std::string text = TRY(read_text_file(file, 1 << 20));
  try {
    return toml::parse(text, file.string());
  } catch (const toml::parse_error& e) {
    return fail({.what = "the recipe is not TOML",
                 .where = fmt::format("{}, line {}", file.string(), e.source().begin.line),
                 .got = std::string(e.description()),
                 .wanted = "a TOML file",
                 .remedy = "correct that line"});
  }
}

}  // namespace

Result<Recipe> Recipe::read(const std::filesystem::path& file, const std::string& data,
                            const std::string& evaluation) {
  const toml::table table = TRY(parse_file(file));
  const auto folder = file.parent_path();
  Reader r(table, file.string());
  Recipe out;
  std::string mode = "finetune";
  TRY(r.word("mode", mode, {"pretrain", "finetune", "qat"}));
  out.mode = mode == "pretrain" ? TrainMode::pretrain
             : mode == "qat"    ? TrainMode::qat
                                : TrainMode::finetune;
  auto seed = static_cast<int64_t>(out.seed);
  TRY(r.integer("seed", seed, 0));
  out.seed = static_cast<uint64_t>(seed);
  if (!data.empty())
    out.data.push_back({data,
                        data.ends_with(".jsonl") ? "jsonl"
                        : data.ends_with(".npy") ? "tokens"
                                                 : "text",
                        1});
  TRY(read_model(r, out));
  TRY(read_precision(r, out.precision));
  TRY(read_data(r, out, folder));
  TRY(read_schedule(r, out.schedule));
  TRY(read_optimizer(r, out));
  TRY(r.word("evaluation.path", out.evaluation_path, {}, false));
  if (!out.evaluation_path.empty()) out.evaluation_path = (folder / out.evaluation_path).string();
  if (!evaluation.empty()) out.evaluation_path = evaluation;
  TRY(r.integer("evaluation.every_steps", out.evaluation_every, 1));
  TRY(r.integer("evaluation.tokens", out.evaluation_tokens, 16));
  TRY(r.integer("checkpoint.every_steps", out.checkpoint_every, 1));
  TRY(r.integer("checkpoint.keep", out.checkpoint_keep, 1, 1000));
  TRY(r.check_unknown());
  TRY(check_together(r, out));
  out.text = r.text();
  return out;
}

}  // namespace farthing
