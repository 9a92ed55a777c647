// The pre-tokenizers, all as: rewrite the piece, then split it by a pattern.
#include "text/pipeline/pre_tokenizer.h"

#include <algorithm>
#include <string>

#include "text/unicode/character_class.h"

namespace farthing::tokenizer {
namespace {

struct Piece {
  std::size_t begin, end;
  bool is_match;
};

// Every match joins the piece before it, unless that piece is a match too.
std::vector<Piece> merge_with_previous(const std::vector<Piece>& pieces) {
  std::vector<Piece> out;
  bool previous_is_match = false;
  for (const Piece& piece : pieces) {
    if (piece.is_match && !previous_is_match && !out.empty()) {
      out.back().end = piece.end;
    } else {
      out.push_back(piece);
    }
    previous_is_match = piece.is_match;
  }
  return out;
}

std::vector<Piece> merge_with_next(const std::vector<Piece>& pieces) {
  std::vector<Piece> out;
  bool previous_is_match = false;
  for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) {
    if (piece->is_match && !previous_is_match && !out.empty()) {
      out.back().begin = piece->begin;
    } else {
      out.push_back(*piece);
    }
    previous_is_match = piece->is_match;
  }
  std::reverse(out.begin(), out.end());
  return out;
}

std::vector<Piece> merge_runs(const std::vector<Piece>& pieces) {
  std::vector<Piece> out;
  for (const Piece& piece : pieces) {
    if (!out.empty() && out.back().is_match == piece.is_match) {
      out.back().end = piece.end;
    } else {
      out.push_back(piece);
    }
  }
  return out;
}

std::vector<Piece> arrange(std::vector<Piece> pieces, SplitBehavior behavior) {
  switch (behavior) {
    case SplitBehavior::kRemoved:
      std::erase_if(pieces, [](const Piece& piece) { return piece.is_match; });
      return pieces;
    case SplitBehavior::kIsolated:
      return pieces;
    case SplitBehavior::kMergedWithPrevious:
      return merge_with_previous(pieces);
    case SplitBehavior::kMergedWithNext:
      return merge_with_next(pieces);
    case SplitBehavior::kContiguous:
      return merge_runs(pieces);
  }
  return pieces;
}

}  // namespace

// One overload for each kind of step: it adds what the step is made of.
struct PreTokenizer::Compiler {
  std::vector<Step>* steps;
  std::string_view where;

  Result<void> operator()(const Split& split) const {
    Step step;
    step.matcher = TRY(PatternMatcher::compile(split.pattern, where));
    step.behavior = split.behavior;
    step.invert = split.invert;
    steps->push_back(std::move(step));
    return {};
  }
  Result<void> operator()(const Digits& digits) const {
    const auto behavior = digits.individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous;
    return (*this)(Split{.pattern = {.text = "\\p{N}", .is_regex = true}, .behavior = behavior});
  }
  Result<void> operator()(const ByteLevel& byte_level) const {
    Step step;
    step.add_prefix_space = byte_level.add_prefix_space;
    if (byte_level.use_regex)
      step.matcher = TRY(PatternMatcher::compile({.text = kGpt2Pattern, .is_regex = true}, where));
    steps->push_back(std::move(step));
    return {};
  }
  Result<void> operator()(const Metaspace& metaspace) const {
    Step step;
    step.metaspace = metaspace;
    if (metaspace.split) {
      step.matcher = TRY(PatternMatcher::compile({.text = metaspace.replacement}, where));
      step.behavior = SplitBehavior::kMergedWithNext;
    }
    steps->push_back(std::move(step));
    return {};
  }
  Result<void> operator()(const Whitespace&) const {
    add_class(&is_white_space, SplitBehavior::kRemoved);
    add_class(&is_word_character, SplitBehavior::kContiguous);
    return {};
  }
  Result<void> operator()(const WhitespaceSplit&) const {
    add_class(&is_white_space, SplitBehavior::kRemoved);
    return {};
  }
  Result<void> operator()(const Punctuation& punctuation) const {
    add_class(&is_punctuation, punctuation.behavior);
    return {};
  }
  Result<void> operator()(const BertPreTokenizer&) const {
    add_class(&is_white_space, SplitBehavior::kRemoved);
    add_class(&is_punctuation, SplitBehavior::kIsolated);
    return {};
  }

  void add_class(bool (*contains)(char32_t), SplitBehavior behavior) const {
    Step step;
    step.matcher = PatternMatcher::of_class(contains);
    step.behavior = behavior;
    steps->push_back(std::move(step));
  }
};

Result<PreTokenizer> PreTokenizer::compile(const std::vector<PreTokenizerStep>& steps,
                                           std::string_view where) {
  PreTokenizer out;
  for (const PreTokenizerStep& step : steps) TRY(std::visit(Compiler{&out.steps_, where}, step));
  return out;
}

void PreTokenizer::split(std::string_view text, bool first, const Sink& sink) const {
  if (!text.empty()) run(0, text, first, sink);
}

// Depth first, so that a long text is never held as a list of pieces.
void PreTokenizer::run(std::size_t index, std::string_view text, bool first,
                       const Sink& sink) const {
  if (index == steps_.size()) return sink(text);
  const Step& step = steps_[index];
  if (step.add_prefix_space && text.front() != ' ') {
    return split_by(index, ' ' + std::string(text), first, sink);
  }
  if (!step.metaspace) return split_by(index, text, first, sink);

  const std::string& replacement = step.metaspace->replacement;
  std::string rewritten;
  for (const char c : text) {
    if (c == ' ') {
      rewritten += replacement;
    } else {
      rewritten += c;
    }
  }
  const bool prepends = step.metaspace->prepend == PrependScheme::kAlways ||
                        (step.metaspace->prepend == PrependScheme::kFirst && first);
  if (prepends && !rewritten.starts_with(replacement)) rewritten.insert(0, replacement);
  split_by(index, rewritten, first, sink);
}

void PreTokenizer::split_by(std::size_t index, std::string_view text, bool first,
                            const Sink& sink) const {
  const Step& step = steps_[index];
  if (!step.matcher) return run(index + 1, text, first, sink);
  const auto emit = [&](std::size_t begin, std::size_t end) {
    run(index + 1, text.substr(begin, end - begin), first && begin == 0, sink);
  };
  const bool isolated = step.behavior == SplitBehavior::kIsolated;
  const bool removed = step.behavior == SplitBehavior::kRemoved;
  std::vector<Piece> pieces;
  const auto add = [&](std::size_t begin, std::size_t end, bool is_match) {
    if (begin == end) return;
    if (isolated || removed) {  // what most do: no list is needed
      if (isolated || is_match == step.invert) emit(begin, end);
    } else {
      pieces.push_back({begin, end, is_match != step.invert});
    }
  };
  std::size_t done = 0;
  while (const auto match = step.matcher->find(text, done)) {
    add(done, match->begin, false);
    add(match->begin, match->end, true);
    done = match->end;
  }
  add(done, text.size(), false);
  for (const Piece& piece : arrange(std::move(pieces), step.behavior)) emit(piece.begin, piece.end);
}

}  // namespace farthing::tokenizer
