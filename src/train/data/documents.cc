// Files as documents of tokens.
#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "io/json.h"
#include "train/data/chat_reader.h"
#include "train/data/data.h"

namespace farthing {
namespace {

class DocumentReader {
 public:
  DocumentReader(const DataSource& source, const Tokenizer& tokenizer, int64_t vocabulary,
                 const std::string& chat_template, Progress& progress)
      : source_(source),
        tokenizer_(tokenizer),
        vocabulary_(vocabulary),
        chat_template_(chat_template),
        progress_(progress) {}

  Result<Documents> read() {
    const std::string text = TRY(read_text_file(source_.path, size_t{16} << 30));
    if (source_.kind == "tokens") {
      TRY(add_ids(text));
    } else if (source_.kind == "jsonl") {
      TRY(source_.path.ends_with(".json") ? add_array(text) : add_lines(text));
    } else {
      add_texts(text);
    }
    int64_t count = 0, learned = 0;  // predicted tokens that the loss counts
    for (const Document& d : out_) {
      count += static_cast<int64_t>(d.tokens.size());
      for (size_t i = 0; i < d.tokens.size(); ++i) {
        if (d.tokens[i] < 0 || d.tokens[i] >= vocabulary_)
          return fail(error("a token is outside the model's vocabulary",
                            fmt::format("id {}, token {} of its document", d.tokens[i], i),
                            fmt::format("ids below {}", vocabulary_),
                            "use the tokenizer that belongs to the model"));
        learned += i > 0 && d.counts[i];
      }
    }
    if (learned == 0)
      return fail(error("the data has no tokens to learn from",
                        fmt::format("{} bytes, {} tokens, none that follows another and counts",
                                    text.size(), count),
                        "at least two tokens of a document, or a response",
                        "give a file with text"));
    // what chats become depends on the template, too
    return Documents{std::move(out_), digest_of(chats_ ? text + chat_template_ : text)};
  }

 private:
  Error error(std::string what, std::string got, std::string wanted, std::string remedy,
              const std::string& where = {}) const {
    return {.what = std::move(what),
            .where = where.empty() ? source_.path : where,
            .got = std::move(got),
            .wanted = std::move(wanted),
            .remedy = std::move(remedy)};
  }

  // The text alone counts. Prompt and text are tokenized together, as a server sees them; what
  // counts begins where the tokens leave those of the prompt alone.
  void add(const std::string& prompt, std::string_view text) {
    const EncodeOptions plain{.parse_special = false};
    const auto alone = prompt.empty() ? std::vector<int32_t>{} : tokenizer_.encode(prompt, plain);
    const auto joined = tokenizer_.encode(prompt + std::string(text), plain);
    const auto leave = std::mismatch(alone.begin(), alone.end(), joined.begin(), joined.end());
    const auto kept = static_cast<size_t>(leave.second - joined.begin());
    Document d;
    const auto put = [&](int32_t id, bool counts) {
      d.tokens.push_back(id);
      d.counts.push_back(counts);
    };
    if (const auto bos = tokenizer_.bos_id()) put(*bos, false);
    for (size_t i = 0; i < joined.size(); ++i) put(joined[i], i >= kept);
    if (const auto eos = tokenizer_.eos_id()) put(*eos, true);
    out_.push_back(std::move(d));
  }

  void add_texts(std::string_view text) {
    constexpr std::string_view end = "<|endoftext|>";
    for (size_t begin = 0; begin < text.size();) {
      const size_t found = std::min(text.find(end, begin), text.size());
      std::string_view document = text.substr(begin, found - begin);
      while (!document.empty() && document.front() == '\n') document.remove_prefix(1);
      while (!document.empty() && document.back() == '\n') document.remove_suffix(1);
      if (!document.empty()) add({}, document);
      begin = found + end.size();
      progress_.update(static_cast<double>(found), static_cast<double>(text.size()), source_.path);
    }
  }

  Result<> add_object(const JsonObject& json, const std::string& where) {
    if (json.has("text")) {
      add({}, TRY(json.string("text")));
    } else if (json.has("prompt") && json.has("response")) {
      add(TRY(json.string("prompt")), TRY(json.string("response")));
    } else {
      std::string keys;
      for (const std::string& key : json.keys()) keys += (keys.empty() ? "" : ", ") + key;
      return fail(error("a line of the data is none that can be learned", "members " + keys,
                        "\"text\", \"prompt\" and \"response\", or on a line \"messages\"",
                        "correct it; chats go into a .jsonl file",
                        where));
    }
    return {};
  }

  // As text: a template may write the members of an object in their order.
  Result<> add_chat(std::string_view json, const std::string& where) {
    if (!chats_) chats_ = TRY(ChatReader::create(tokenizer_, chat_template_, where));
    for (Document& d : TRY(chats_->read(json, where))) out_.push_back(std::move(d));
    return {};
  }

  Result<> add_lines(std::string_view text) {
    int64_t line = 0;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      const std::string_view row = text.substr(begin, end - begin);
      ++line;
      begin = end + 1;
      if (row.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      const std::string where = fmt::format("{}, line {}", source_.path, line);
      const auto json = TRY(JsonObject::parse(row, where));
      if (json.has("messages")) {
        TRY(add_chat(row, where));
      } else {
        TRY(add_object(json, where));
      }
      progress_.update(static_cast<double>(end), static_cast<double>(text.size()), source_.path);
    }
    return {};
  }

  // One array, of texts or of the objects of a line.
  Result<> add_array(std::string_view text) {
    const auto json = TRY(JsonObject::parse(fmt::format("{{\"array\": {}}}", text), source_.path));
    if (auto texts = json.strings("array")) {
      for (const std::string& each : *texts) add({}, each);
      return {};
    }
    int64_t element = 0;
    for (const JsonObject& each : TRY(json.objects("array")))
      TRY(add_object(each, fmt::format("{}, element {}", source_.path, ++element)));
    return {};
  }

  Result<> add_ids(std::string_view bytes) {
    if (bytes.size() % 2 != 0)
      return fail(error("a token file is cut short", fmt::format("{} bytes", bytes.size()),
                        "unsigned 16-bit ids, two bytes each", "write the file again"));
    Document d;
    for (size_t i = 0; i < bytes.size(); i += 2)
      d.tokens.push_back(static_cast<uint8_t>(bytes[i]) | static_cast<uint8_t>(bytes[i + 1]) << 8);
    d.counts.assign(d.tokens.size(), true);
    out_.push_back(std::move(d));
    return {};
  }

  const DataSource& source_;
  const Tokenizer& tokenizer_;
  int64_t vocabulary_;
  const std::string& chat_template_;
  std::optional<ChatReader> chats_;  // once there is a chat
  Progress& progress_;
  std::vector<Document> out_;
};

}  // namespace

Result<Documents> read_documents(const DataSource& source, const Tokenizer& tokenizer,
                                 int64_t vocabulary, const std::string& chat_template,
                                 Progress& progress) {
  return DocumentReader(source, tokenizer, vocabulary, chat_template, progress).read();
}

}  // namespace farthing
