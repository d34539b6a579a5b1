#include "tokenizer/file/tokenizer_file.h"

#include <map>
#include <optional>
#include <set>

#include "error.h"
#include "tokenizer/file/json.h"
#include "tokenizer/file/show.h"

namespace qwen3 {
namespace {

using Type = JsonReader::Type;

// Limits, so that reading a file takes little more memory than its tokenizer.
constexpr size_t kMaxTemplate = 256;   // tokens that a template adds
constexpr size_t kMaxKeys = 1'000;     // of an object other than the vocabulary
constexpr size_t kMaxComponents = 64;  // normalizers, pre-tokenizers and post-processors
constexpr size_t kMaxTokens = size_t{1} << 21;
constexpr size_t kMaxMerges = size_t{1} << 21;

// The pattern of Qwen2 and Qwen3 that splits a text into words. split.cc implements it.
constexpr std::string_view kPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

[[noreturn]] void invalid(const std::string& what) { throw Error(ErrorCode::model_invalid, what); }

[[noreturn]] void unsupported(const std::string& what) {
  throw Error(ErrorCode::model_unsupported, what);
}

void refuse_more(size_t count, size_t limit, const char* what) {
  if (count >= limit) unsupported("it has more than " + std::to_string(limit) + ' ' + what);
}

// The keys of an object so far. One that stands twice contradicts itself.
class Keys {
 public:
  void add(std::string_view key) {
    refuse_more(keys_.size(), kMaxKeys, "keys in an object");
    if (!keys_.emplace(key).second) invalid(quoted(key) + " is given twice");
  }
  bool has(std::string_view key) const { return keys_.contains(key); }

 private:
  std::set<std::string, std::less<>> keys_;
};

// A component of the file: its type and the few settings that matter.
struct Component {
  std::string type;
  std::vector<Component> parts;  // of a Sequence
  std::string pattern, behavior;
  bool is_regex = false, invert = false;
  bool add_prefix_space = false, use_regex = true;
  // TemplateProcessing
  struct Piece {
    bool is_sequence = false;
    std::string id;
  };
  std::vector<Piece> single;
  std::map<std::string, std::vector<uint32_t>, std::less<>> special_tokens;
};

class FileReader {
 public:
  explicit FileReader(std::string_view text) : json_(text) {}

  TokenizerFile read();

 private:
  bool take_null() {
    if (json_.type() != Type::null) return false;
    json_.null("");
    return true;
  }

  void read_added_tokens();
  AddedToken read_added_token();
  void read_model();
  void read_vocabulary();
  void read_merges();
  Component read_component(std::string_view name);
  std::vector<Component::Piece> read_template();
  void read_special_token(Component& to, std::string_view key);
  void apply_processor(const Component& component);

  JsonReader json_;
  TokenizerFile file_;
  bool has_template_ = false;  // one that adds tokens
  size_t components_ = 0;
};

AddedToken FileReader::read_added_token() {
  struct Flag {
    std::string_view key;
    bool AddedToken::*value;
  };
  constexpr Flag kFlags[] = {{"special", &AddedToken::special},
                             {"normalized", &AddedToken::normalized},
                             {"single_word", &AddedToken::single_word},
                             {"lstrip", &AddedToken::left_strip},
                             {"rstrip", &AddedToken::right_strip}};
  AddedToken token;
  Keys keys;
  json_.object("an added token", [&](std::string_view key) {
    keys.add(key);
    for (const Flag& flag : kFlags) {
      if (key == flag.key) return void(token.*flag.value = json_.boolean(key));
    }
    if (key == "id") {
      token.id = json_.integer("the id of an added token");
    } else if (key == "content") {
      token.content = json_.string("the content of an added token");
    } else {
      json_.skip();
    }
  });
  if (!keys.has("id") || !keys.has("content")) invalid("an added token has no id or no content");
  for (const Flag& flag : kFlags) {
    if (!keys.has(flag.key))
      invalid("the added token " + quoted(token.content) + " has no " + std::string(flag.key));
  }
  return token;
}

void FileReader::read_added_tokens() {
  json_.array("added_tokens", [&] { file_.added.push_back(read_added_token()); });
}

void FileReader::read_vocabulary() {
  json_.object("model.vocab", [&](std::string_view key) {
    refuse_more(file_.vocabulary.size(), kMaxTokens, "tokens");
    // The key's memory is reused by the reader.
    std::string token(key);
    const uint32_t id = json_.integer("an id of model.vocab");
    file_.vocabulary.emplace_back(std::move(token), id);
  });
}

// A merge is an array of two tokens, in older files a string with a space between them.
void FileReader::read_merges() {
  std::optional<Type> form;
  json_.array("model.merges", [&] {
    refuse_more(file_.merges.size(), kMaxMerges, "merges");
    const Type type = json_.type();
    if (form.value_or(type) != type) invalid("model.merges has merges of two forms");
    form = type;
    std::string parts[2];
    size_t count = 0;
    const auto add = [&](std::string_view part) {
      if (count < 2) parts[count] = part;
      ++count;
    };
    if (type == Type::array) {
      json_.array("a merge", [&] { add(json_.string("a part of a merge")); });
    } else {
      std::string_view merge = json_.string("a merge");
      if (merge.starts_with("#version")) return;
      for (size_t space; (space = merge.find(' ')) != std::string_view::npos;) {
        add(merge.substr(0, space));
        merge.remove_prefix(space + 1);
      }
      add(merge);
    }
    if (count != 2)
      invalid("merge " + std::to_string(file_.merges.size()) +
              " of model.merges does not have two parts");
    file_.merges.emplace_back(std::move(parts[0]), std::move(parts[1]));
  });
}

void FileReader::read_model() {
  std::string type, refused;  // refused: a setting, unless the type, which may follow, is refused
  Keys keys;
  json_.object("model", [&](std::string_view key) {
    keys.add(key);
    const std::string name = quoted("model." + std::string(key));
    if (key == "type") {
      type = json_.string(name);
    } else if (key == "vocab") {
      // Models of other types have arrays here; the type may stand behind.
      if (json_.type() == Type::object)
        read_vocabulary();
      else
        json_.skip();
    } else if (key == "merges") {
      read_merges();
    } else if (key == "unk_token" || key == "dropout") {
      if (take_null()) return;
      json_.skip();
      refused = name;
    } else if (key == "continuing_subword_prefix" || key == "end_of_word_suffix") {
      if (!take_null() && !json_.string(name).empty()) refused = name;
    } else if (key == "byte_fallback" || key == "ignore_merges") {
      if (!take_null() && json_.boolean(name)) refused = name;
    } else {
      json_.skip();
    }
  });
  if (type != "BPE") unsupported("its model is " + quoted(type) + "; only BPE is supported");
  if (!refused.empty()) unsupported("its model has " + refused);
  if (!keys.has("vocab") || !keys.has("merges")) invalid("model.vocab or model.merges is missing");
}

std::vector<Component::Piece> FileReader::read_template() {
  std::vector<Component::Piece> pieces;
  json_.array("the template", [&] {
    refuse_more(pieces.size(), 2 * kMaxTemplate, "pieces in its template");
    Component::Piece piece;
    size_t kinds = 0;
    json_.object("a piece of the template", [&](std::string_view kind) {
      ++kinds;
      piece.is_sequence = kind == "Sequence";
      if (!piece.is_sequence && kind != "SpecialToken")
        invalid("the template has a piece " + quoted(kind));
      Keys keys;
      json_.object("a piece of the template", [&](std::string_view key) {
        keys.add(key);
        if (key != "id") return json_.skip();
        piece.id = json_.string("the id of a piece of the template");
      });
      if (!keys.has("id")) invalid("a piece of the template has no id");
    });
    if (kinds != 1) invalid("a piece of the template is not one piece");
    pieces.push_back(std::move(piece));
  });
  return pieces;
}

void FileReader::read_special_token(Component& to, std::string_view key) {
  refuse_more(to.special_tokens.size(), kMaxTemplate, "tokens in its template");
  const std::string name(key);
  std::vector<uint32_t> ids;
  size_t tokens = 0;
  Keys keys;
  json_.object("a special token of the template", [&](std::string_view member) {
    keys.add(member);
    if (member == "ids")
      json_.array(member, [&] {
        refuse_more(ids.size(), 2 * kMaxTemplate, "ids in a token of its template");
        ids.push_back(json_.integer("an id of the template"));
      });
    else if (member == "tokens")
      json_.array(member, [&] { json_.string("a token of the template"), ++tokens; });
    else
      json_.skip();
  });
  if (ids.size() != tokens)
    invalid("the template's token " + quoted(name) + " has " + std::to_string(ids.size()) +
            " ids and " + std::to_string(tokens) + " tokens");
  if (!to.special_tokens.emplace(name, std::move(ids)).second)
    invalid("the template's token " + quoted(name) + " is given twice");
}

// Reads a normalizer, pre-tokenizer or post-processor.
Component FileReader::read_component(std::string_view name) {
  refuse_more(components_++, kMaxComponents, "components");
  Component component;
  Keys keys;
  json_.object(name, [&](std::string_view key) {
    keys.add(key);
    if (key == "type") {
      component.type = json_.string(std::string(name) + ".type");
    } else if (key == "normalizers" || key == "pretokenizers" || key == "processors") {
      json_.array(key, [&] { component.parts.push_back(read_component(name)); });
    } else if (key == "pattern" && json_.type() == Type::object) {
      Keys kinds;
      json_.object(key, [&](std::string_view kind) {
        kinds.add("a pattern");
        component.is_regex = kind == "Regex";
        component.pattern = json_.string("a pattern");
      });
    } else if (key == "behavior") {
      component.behavior = json_.string(key);
    } else if (key == "invert") {
      component.invert = json_.boolean(key);
    } else if (key == "add_prefix_space") {
      component.add_prefix_space = json_.boolean(key);
    } else if (key == "use_regex") {
      component.use_regex = json_.boolean(key);
    } else if (key == "single" && json_.type() == Type::array) {
      component.single = read_template();
    } else if (key == "special_tokens" && json_.type() == Type::object) {
      json_.object(key, [&](std::string_view token) { read_special_token(component, token); });
    } else {
      json_.skip();
    }
  });
  if (!keys.has("type")) invalid(std::string(name) + " has no type");
  return component;
}

void check_normalizer(const Component& component) {
  if (component.type == "NFC") return;
  unsupported(component.type.empty()
                  ? "it has no normalizer; only NFC is supported"
                  : "its normalizer is " + quoted(component.type) + "; only NFC is supported");
}

void check_pre_tokenizer(const Component& component) {
  const auto refuse = [](const std::string& what) {
    unsupported("its pre_tokenizer " + what + "; only Qwen's Split and ByteLevel are supported");
  };
  if (component.type.empty()) refuse("is missing");
  if (component.type != "Sequence") refuse("is " + quoted(component.type));
  std::string types;
  for (const Component& part : component.parts) {
    if (part.type != "Split" && part.type != "ByteLevel") refuse("has " + quoted(part.type));
    types += (types.empty() ? "" : ", ") + part.type;
  }
  if (types != "Split, ByteLevel") refuse("is the sequence " + quoted(types));
  const Component& split = component.parts[0];
  if (!split.is_regex || split.pattern != kPattern)
    refuse("has the pattern " + quoted(split.pattern));
  if (split.behavior != "Isolated") refuse("has the behavior " + quoted(split.behavior));
  if (split.invert) refuse("has invert");
  if (component.parts[1].add_prefix_space) refuse("has add_prefix_space");
  if (component.parts[1].use_regex) refuse("has use_regex");
}

// Hugging Face cannot apply a template to what another one has put around a text.
void FileReader::apply_processor(const Component& component) {
  if (component.type.empty() || component.type == "ByteLevel") return;
  if (component.type == "Sequence") {
    for (const Component& part : component.parts) apply_processor(part);
    return;
  }
  if (component.type != "TemplateProcessing")
    unsupported("its post_processor has " + quoted(component.type) +
                "; only TemplateProcessing and ByteLevel are supported");
  if (has_template_) unsupported("its post_processor has a template after another one");
  std::vector<uint32_t> before, after;
  bool has_text = false;
  for (const Component::Piece& piece : component.single) {
    if (piece.is_sequence) {
      if (piece.id != "A")
        invalid("the template for one text has the sequence " + quoted(piece.id));
      if (has_text) unsupported("its template has the text twice");
      has_text = true;
      continue;
    }
    const auto found = component.special_tokens.find(piece.id);
    if (found == component.special_tokens.end())
      invalid("its template does not define " + quoted(piece.id));
    std::vector<uint32_t>& to = has_text ? after : before;
    to.insert(to.end(), found->second.begin(), found->second.end());
    if (before.size() + after.size() > kMaxTemplate)
      unsupported("its template adds more than " + std::to_string(kMaxTemplate) + " tokens");
  }
  if (!has_text) unsupported("its template has no place for the text");
  has_template_ = component.single.size() > 1;
  file_.before = std::move(before);
  file_.after = std::move(after);
}

TokenizerFile FileReader::read() {
  Component normalizer, pre_tokenizer, post_processor;
  Keys keys;
  json_.object("the file", [&](std::string_view key) {
    keys.add(key);
    if (key == "version") {
      const std::string_view version = json_.string(key);
      if (version != "1.0") unsupported("its version is " + quoted(version));
    } else if (key == "added_tokens") {
      read_added_tokens();
    } else if (key == "normalizer") {
      if (!take_null()) normalizer = read_component(key);
    } else if (key == "pre_tokenizer") {
      if (!take_null()) pre_tokenizer = read_component(key);
    } else if (key == "post_processor") {
      if (!take_null()) post_processor = read_component(key);
    } else if (key == "model") {
      read_model();
    } else {
      json_.skip();
    }
  });
  json_.end();
  if (!keys.has("model")) invalid("it has no model");
  check_normalizer(normalizer);
  check_pre_tokenizer(pre_tokenizer);
  apply_processor(post_processor);
  return std::move(file_);
}

}  // namespace

TokenizerFile read_tokenizer_file(std::string_view json) { return FileReader(json).read(); }

}  // namespace qwen3
