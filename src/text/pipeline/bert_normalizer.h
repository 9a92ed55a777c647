// BERT's normalizer: controls, ideographs, accents and case.
#pragma once

#include <string>

#include "text/pipeline/spec.h"

namespace farthing::tokenizer {

void normalize_bert(const BertNormalizer& step, std::string* text);

}  // namespace farthing::tokenizer
