// Viterbi's search over the cuts of a text. Source: Kudo 2018; SentencePiece's EncodeOptimized.
#include "text/models/unigram.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "text/json/steps.h"
#include "text/models/model.h"
#include "text/models/trie.h"
#include "text/unicode/byte_level.h"
#include "text/unicode/utf8.h"

namespace farthing::tokenizer {
namespace {

constexpr std::int32_t kUnreached = -2, kUnknown = -1;
constexpr std::size_t kLongestPieceBytes = std::size_t{1} << 30;  // positions are 32-bit

class Unigram : public Model {
 public:
  Unigram(const Spec& spec, const UnigramScores& model)
      : trie_(entries(spec, model)),
        unknown_(spec.unknown.value_or(-1)),
        byte_fallback_(spec.byte_fallback),
        fuse_unknown_(spec.fuse_unknown && unknown_ >= 0),
        add_in_f32_(model.add_in_f32),
        unknown_score_(model.unknown_score),
        scores_(model.scores) {
    byte_id_.fill(-1);
    for (std::size_t i = 0; i < spec.tokens.size(); ++i) {
      const int byte = byte_of_token(spec.tokens[i]);
      if (byte >= 0) byte_id_[byte] = static_cast<std::int32_t>(i);
    }
  }

  struct Cuts : Scratch {
    struct Best {
      double score;
      std::uint32_t begin;
      std::int32_t id;
    };
    std::vector<Best> best;  // of the text up to each byte
    std::vector<Best> path;
  };
  std::unique_ptr<Scratch> make_scratch() const override { return std::make_unique<Cuts>(); }

  void encode(std::string_view word, Scratch* any, std::vector<std::int32_t>* ids) const override {
    auto* cuts = static_cast<Cuts*>(any);
    while (!word.empty()) {
      std::size_t bytes = std::min(word.size(), kLongestPieceBytes);
      while (bytes < word.size() && (word[bytes] & 0xC0) == 0x80) --bytes;
      add_in_f32_ ? search<float>(word.substr(0, bytes), cuts)
                  : search<double>(word.substr(0, bytes), cuts);
      emit(word.substr(0, bytes), cuts, ids);
      word.remove_prefix(bytes);
    }
  }

 private:
  static std::vector<std::pair<std::string, std::int32_t>> entries(const Spec& spec,
                                                                   const UnigramScores& model) {
    std::vector<std::pair<std::string, std::int32_t>> out;
    const std::vector<bool> of_text = tokens_of_text(spec);
    for (std::size_t i = 0; i < model.scores.size() && i < spec.tokens.size(); ++i) {
      // A cut lies between characters; a token that is part of one would set it elsewhere.
      if (of_text[i] && (model.usable.empty() || model.usable[i]) && is_valid_utf8(spec.tokens[i]))
        out.emplace_back(spec.tokens[i], static_cast<std::int32_t>(i));
    }
    return out;
  }

  template <class Float>
  void search(std::string_view text, Cuts* cuts) const {
    auto& best = cuts->best;
    best.assign(text.size() + 1, {0, 0, kUnreached});
    for (std::size_t begin = 0; begin < text.size();) {
      const auto so_far = static_cast<Float>(best[begin].score);
      const std::size_t bytes = utf8_character_bytes(text[begin]);
      const auto offer = [&](std::size_t end, double score, std::int32_t id) {
        const Float sum = static_cast<Float>(score) + so_far;
        if (best[end].id == kUnreached || sum > static_cast<Float>(best[end].score))
          best[end] = {sum, static_cast<std::uint32_t>(begin), id};
      };
      bool is_token = false;
      trie_.prefixes(text.substr(begin), [&](std::size_t length, std::int32_t id) {
        offer(begin + length, scores_[id], id);
        is_token = is_token || length == bytes;
      });
      if (!is_token) offer(begin + bytes, unknown_score_, kUnknown);
      begin += bytes;
    }
  }

  void emit(std::string_view text, Cuts* cuts, std::vector<std::int32_t>* ids) const {
    cuts->path.clear();
    for (std::size_t end = text.size(); end > 0;) {
      Cuts::Best piece = cuts->best[end];
      piece.score = static_cast<double>(end);  // from here on: where the piece ends
      cuts->path.push_back(piece);
      end = piece.begin;
    }
    bool after_unknown = false;
    for (auto piece = cuts->path.rbegin(); piece != cuts->path.rend(); ++piece) {
      const bool is_unknown = piece->id == kUnknown || piece->id == unknown_;
      if (!is_unknown) {
        ids->push_back(piece->id);
        after_unknown = false;
        continue;
      }
      // A run of unknown characters is fused before its bytes are looked for: all of them or none.
      auto last = piece;
      while (fuse_unknown_ && last + 1 != cuts->path.rend() &&
             ((last + 1)->id == kUnknown || (last + 1)->id == unknown_))
        ++last;
      const auto end = static_cast<std::size_t>(last->score);
      const bool is_written_out = last == piece && piece->id == unknown_;
      const bool spelled = byte_fallback_ && !is_written_out &&
                           add_bytes(text.substr(piece->begin, end - piece->begin), ids);
      if (!spelled && unknown_ >= 0 && !(after_unknown && fuse_unknown_)) ids->push_back(unknown_);
      after_unknown = !spelled;
      piece = last;
    }
  }

  bool add_bytes(std::string_view text, std::vector<std::int32_t>* ids) const {
    const auto id_of = [&](char byte) { return byte_id_[static_cast<unsigned char>(byte)]; };
    if (!std::all_of(text.begin(), text.end(), [&](char byte) { return id_of(byte) >= 0; }))
      return false;
    for (const char byte : text) ids->push_back(id_of(byte));
    return true;
  }

  Trie trie_;
  std::int32_t unknown_;  // -1 if there is none
  bool byte_fallback_, fuse_unknown_, add_in_f32_;
  double unknown_score_;
  std::vector<double> scores_;
  std::array<std::int32_t, 256> byte_id_;
};

Result<void> read(const JsonNode& model, std::size_t limit, Spec* spec) {
  const JsonNode vocab = TRY(model.at("vocab"));
  TRY(vocab.check_list());
  UnigramScores scores;
  double lowest = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < vocab.size(); ++i) {
    const auto entry = vocab.scored_at(i);
    if (!entry || !std::isfinite(entry->second))
      return vocab.element(i).refuse("a token and its score");
    TRY(add_token(vocab, std::string(entry->first), static_cast<std::int32_t>(i), limit, spec));
    scores.scores.push_back(entry->second);
    lowest = std::min(lowest, entry->second);
  }
  if (scores.scores.empty()) return vocab.refuse("at least one token");
  scores.unknown_score = lowest - kUnknownPenalty;
  if (model.has("unk_id")) {
    spec->unknown = TRY(TRY(model.at("unk_id")).count());
    if (static_cast<std::size_t>(*spec->unknown) >= scores.scores.size())
      return TRY(model.at("unk_id")).refuse("a token of the vocabulary");
  }
  spec->byte_fallback = TRY(model.boolean("byte_fallback", false));
  spec->fuse_unknown = true;
  spec->model = std::move(scores);
  return {};
}

std::string write(const Spec& spec) {
  const auto& model = std::any_cast<const UnigramScores&>(spec.model);
  std::vector<std::string> vocab;
  for (std::size_t i = 0; i < model.scores.size(); ++i) {
    vocab.push_back(fmt::format("[{}, {}]", quoted(spec.tokens[i]), model.scores[i]));
  }
  return fmt::format(R"({{"type": "Unigram", "unk_id": {}, "byte_fallback": {}, "vocab": [{}]}})",
                     spec.unknown ? fmt::format("{}", *spec.unknown) : "null", spec.byte_fallback,
                     fmt::join(vocab, ",\n      "));
}

Result<std::unique_ptr<Model>> make(const Spec& spec, bool, std::string_view) {
  return std::make_unique<Unigram>(spec, std::any_cast<const UnigramScores&>(spec.model));
}

}  // namespace

ModelKind unigram_kind() { return {.name = "Unigram", .read = read, .write = write, .make = make}; }

}  // namespace farthing::tokenizer
