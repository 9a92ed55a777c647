// Unigram: of all ways to cut a text into tokens the one whose log probabilities add up highest.
#pragma once

#include <vector>

namespace farthing::tokenizer {

// Spec::model of the kind Unigram.
struct UnigramScores {
  std::vector<double> scores;  // log probability of each token; those of added tokens may lack
  double unknown_score = 0;    // of a character that is no token
  // The tokens that a text may be cut into; empty: all that have a score.
  std::vector<bool> usable;
  bool add_in_f32 = false;  // as SentencePiece adds; otherwise as Hugging Face, in f64
};

// Unknown characters cost so much more than the least probable token.
inline constexpr double kUnknownPenalty = 10;

}  // namespace farthing::tokenizer
