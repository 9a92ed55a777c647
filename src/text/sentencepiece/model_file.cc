// The messages ModelProto, SentencePiece, TrainerSpec and NormalizerSpec. Source: SentencePiece's
// sentencepiece_model.proto (field numbers and defaults).
#include "text/sentencepiece/model_file.h"

#include <fmt/format.h>

#include "text/sentencepiece/protobuf.h"
#include "text/unicode/utf8.h"

namespace farthing::tokenizer {
namespace {

using Field = ProtobufReader::Field;

tl::unexpected<Error> refuse(std::string where, std::string got, std::string wanted) {
  return fail({.what = "the SentencePiece model cannot be used",
               .where = std::move(where),
               .got = std::move(got),
               .wanted = std::move(wanted),
               .remedy = "check that the file is complete; if it is, this kind of tokenizer is not "
                         "supported"});
}

// Calls `use` with each field of a message; one of another kind than `use` expects is an error.
template <class Use>
Result<void> each_field(std::string_view message, const std::string& where, const Use& use) {
  ProtobufReader reader(message, where);
  while (const auto field = TRY(reader.next())) {
    if (!use(*field))
      return refuse(fmt::format("{}, field {}", where, field->number), "a value of another type",
                    "the type of sentencepiece_model.proto");
  }
  return {};
}

bool read_text(const Field& field, std::string* out) {
  if (field.kind != Field::Kind::kBytes) return false;
  *out = field.bytes;
  return true;
}
bool read_number(const Field& field, std::int64_t* out) {
  if (field.kind != Field::Kind::kVarint) return false;
  *out = static_cast<std::int64_t>(field.value);
  return true;
}
bool read_flag(const Field& field, bool* out) {
  std::int64_t value = 0;
  if (!read_number(field, &value)) return false;
  *out = value != 0;
  return true;
}

Result<void> read_piece(std::string_view message, std::string_view file, SentencePieceModel* out) {
  const std::string where = fmt::format("{}, pieces[{}]", file, out->tokens.size());
  std::string text;
  float score = 0;
  std::int64_t type = kNormal;
  TRY(each_field(message, where, [&](const Field& field) {
    if (field.number == 1) return read_text(field, &text);
    if (field.number == 3) return read_number(field, &type);
    if (field.number != 2) return true;
    score = field.as_float();
    return field.kind == Field::Kind::kFixed32;
  }));
  if (text.empty() || !is_valid_utf8(text))
    return refuse(where + ".piece", fmt::format("{} bytes", text.size()), "a text in UTF-8");
  if (type < kNormal || type > kByte)
    return refuse(where + ".type", fmt::format("{}", type), "1 (normal) to 6 (byte)");
  out->tokens.push_back(std::move(text));
  out->pieces.scores.push_back(score);
  out->pieces.types.push_back(static_cast<std::int32_t>(type));
  return {};
}

struct TrainerSpec {
  std::int64_t kind = SentencePieceModel::kUnigram, bos = 1, eos = 2;
  bool space_as_suffix = false;
};

Result<void> read_trainer(std::string_view message, const std::string& where, TrainerSpec* out) {
  return each_field(message, where, [&](const Field& field) {
    switch (field.number) {
      case 3:
        return read_number(field, &out->kind);
      case 24:
        return read_flag(field, &out->space_as_suffix);
      case 41:
        return read_number(field, &out->bos);
      case 42:
        return read_number(field, &out->eos);
      default:
        return true;
    }
  });
}

Result<void> read_normalizer(std::string_view message, const std::string& where,
                             SentencePieces* out, bool* escapes_spaces) {
  return each_field(message, where, [&](const Field& field) {
    switch (field.number) {
      case 2:
        return read_text(field, &out->charsmap);
      case 3:
        return read_flag(field, &out->add_prefix);
      case 4:
        return read_flag(field, &out->remove_extra_spaces);
      case 5:
        return read_flag(field, escapes_spaces);
      default:
        return true;
    }
  });
}

// Negative: there is none.
Result<std::optional<std::int32_t>> control_token(std::int64_t id, const SentencePieceModel& model,
                                                  std::string where) {
  if (static_cast<std::int32_t>(id) < 0) return std::nullopt;  // written as 64 bits or as 32
  if (static_cast<std::uint64_t>(id) >= model.tokens.size())
    return refuse(std::move(where), fmt::format("{}", id),
                  fmt::format("one of {} pieces", model.tokens.size()));
  return static_cast<std::int32_t>(id);
}

}  // namespace

Result<SentencePieceModel> parse_sentencepiece_model(std::string_view file,
                                                     std::string_view where) {
  SentencePieceModel out;
  out.pieces.remove_extra_spaces = true;  // unless the file says otherwise
  TrainerSpec trainer;
  bool escapes_spaces = true;
  const std::string trainer_name = fmt::format("{}, trainer_spec", where);
  const std::string normalizer_name = fmt::format("{}, normalizer_spec", where);
  ProtobufReader reader(file, std::string(where));
  while (const auto field = TRY(reader.next())) {
    if (field->number > 3) continue;
    if (field->kind != Field::Kind::kBytes)
      return refuse(fmt::format("{}, field {}", where, field->number), "a number", "a message");
    if (field->number == 1) TRY(read_piece(field->bytes, where, &out));
    if (field->number == 2) TRY(read_trainer(field->bytes, trainer_name, &trainer));
    if (field->number == 3)
      TRY(read_normalizer(field->bytes, normalizer_name, &out.pieces, &escapes_spaces));
  }
  if (out.tokens.empty()) return refuse(std::string(where), "no pieces", "at least one piece");
  if (trainer.kind != SentencePieceModel::kUnigram && trainer.kind != SentencePieceModel::kBpe)
    return refuse(trainer_name + ".model_type", fmt::format("{}", trainer.kind),
                  "1 (unigram) or 2 (BPE)");
  if (trainer.space_as_suffix)
    return refuse(trainer_name + ".treat_whitespace_as_suffix", "true", "false");
  if (!escapes_spaces) return refuse(normalizer_name + ".escape_whitespaces", "false", "true");
  out.kind = static_cast<std::int32_t>(trainer.kind);
  for (std::size_t i = 0; i < out.tokens.size(); ++i) {
    if (out.pieces.types[i] == kUnknown) out.unknown = static_cast<std::int32_t>(i);
  }
  out.bos = TRY(control_token(trainer.bos, out, trainer_name + ".bos_id"));
  out.eos = TRY(control_token(trainer.eos, out, trainer_name + ".eos_id"));
  return out;
}

}  // namespace farthing::tokenizer
