// The texts: from data/, from tests/train/data/rendered_chats/, and written out below.
#include "train/support/texts.h"

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "text/pipeline/spec.h"

namespace farthing::testing {
namespace {

constexpr size_t most_bytes = size_t{1} << 20;

std::string read(const std::filesystem::path& path) {
  return read_text_file(path, most_bytes).value();
}

const std::filesystem::path source = FARTHING_SOURCE_DIR;

struct OddText {
  const char* name;
  std::string text;
};

const std::vector<OddText>& odd_texts() {
  using namespace std::string_literals;
  static const std::vector<OddText> all = {
      {"combining marks",
       "e\u0301 n\u0303 Z\u0351\u036b\u0343a\u034el\u0328g\u0358o, "
       "\u1112\u1161\u11ab against \ud55c"},
      {"emoji",
       "a family \U0001F468\u200D\U0001F469\u200D\U0001F467\u200D\U0001F466, a flag "
       "\U0001F1E9\U0001F1EA, a thumb \U0001F44D\U0001F3FD, \u2764\uFE0F"},
      {"right to left",
       "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd, "
       "\u0645\u0631\u062d\u0628\u0627 \u202eback\u202c \u200fmark"},
      {"no width", "a\u200bb\u200cc\u200dd\ufeffe\u00adf\u2060g"},
      {"invalid UTF-8", "a\xff\xfe b\xc3 c\xed\xa0\x80 d\xf4\x90\x80\x80 e\xe2\x82"},
      {"control characters", "tab\tnew\nline\r\nbell\a zero\0 end\x7f"s},
      {"special tokens", "<s>Once upon a time</s><s> there was <unk> a <s></s></s> cat.</s>"},
      {"almost special", "<s >Once< /s> <unk <|im_start|> <0x41> \u2581\u2581"},
      {"white space", "    a \t\n\n\n   b" + std::string(70, ' ') + "c\n"},
  };
  return all;
}

std::vector<std::filesystem::path> rendered_chats() {
  std::vector<std::filesystem::path> out;
  for (const auto& entry :
       std::filesystem::directory_iterator(source / "tests/train/data/rendered_chats"))
    out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

Tokenizer chat_tokenizer(const Checkpoint& checkpoint) {
  const Tokenizer own = checkpoint.tokenizer().value();
  tokenizer::Spec spec = own.spec();
  spec.added.push_back(
      {.id = own.token_id("<0x01>").value(), .content = "<|im_start|>", .special = true});
  spec.added.push_back(
      {.id = own.token_id("<0x02>").value(), .content = "<|im_end|>", .special = true});
  return make_tokenizer(std::move(spec), "chat tokenizer").value();
}

std::vector<RealText> real_texts(const Checkpoint& checkpoint) {
  const Tokenizer plain = checkpoint.tokenizer().value(), chat = chat_tokenizer(checkpoint);
  const auto context = static_cast<size_t>(checkpoint.config().max_positions);
  std::vector<RealText> out;
  const auto add = [&](std::string name, const Tokenizer& tokenizer, std::string_view text) {
    auto tokens = tokenizer.encode(text, {.add_special_tokens = true});
    tokens.resize(std::min(tokens.size(), context));
    out.push_back({std::move(name), std::move(tokens)});
  };
  // more than the context holds, and a story that ends before
  add("wikitext", plain,
      std::string_view(read(source / "data/wikitext-2/eval.txt")).substr(0, 4096));
  add("story", plain, std::string_view(read(source / "data/tinystories/eval.txt")).substr(0, 600));
  for (const OddText& odd : odd_texts()) add(odd.name, plain, odd.text);
  for (const auto& path : rendered_chats()) {
    const std::string text = read(path), name = path.filename().string();
    add(name, chat, text);
    add(name + ", markers as text", plain, text);
  }
  return out;
}

}  // namespace farthing::testing
