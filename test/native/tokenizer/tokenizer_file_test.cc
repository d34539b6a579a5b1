// tokenizer.json: what is read from it, and what is refused.
#include <algorithm>

#include "expect_error.h"
#include "random.h"
#include "tokenizer/small_file.h"
#include "tokenizer/tokenizer_tests.h"

namespace qwen3::test {
namespace {

using Ids = std::vector<uint32_t>;

constexpr auto kInvalid = ErrorCode::model_invalid;
constexpr auto kUnsupported = ErrorCode::model_unsupported;

// Expects an error whose message is short, whatever is in the file.
void expect_refused(const std::string& json, ErrorCode code, const std::string& part,
                    uint32_t rows = SmallFile::kRows, const std::string& end_token = "") {
  const auto read = [&] {
    try {
      Tokenizer(json, rows, end_token);
    } catch (const Error& error) {
      expect(std::string_view(error.what()).size() < 300,
             std::string("a long message: ") + error.what());
      throw;
    }
  };
  try {
    expect_error(code, part, read);
  } catch (const Failure& failure) {
    throw Failure(part + ": " + failure.what());
  }
}

std::string text_of(const std::string& post_processor) {
  SmallFile file;
  file.post_processor = post_processor;
  return file.json();
}

// A template from its pieces: "A" is the text, other names are tokens.
std::string with_template(const std::vector<std::string>& pieces,
                          const std::string& special_tokens) {
  std::string single;
  for (const std::string& piece : pieces) {
    if (!single.empty()) single += ',';
    single += piece == "A" ? R"({"Sequence":{"id":"A","type_id":0}})"
                           : R"({"SpecialToken":{"id":)" + quote(piece) + R"(,"type_id":0}})";
  }
  return R"({"type":"TemplateProcessing","single":[)" + single +
         R"(],"pair":[],"special_tokens":{)" + special_tokens + "}}";
}

std::string special_token(const std::string& name, const std::string& ids,
                          const std::string& tokens) {
  return quote(name) + R"(:{"id":)" + quote(name) + R"(,"ids":[)" + ids + R"(],"tokens":[)" +
         tokens + "]}";
}

void expect_template(const std::string& post_processor, const Ids& before, const Ids& after,
                     const std::string& what) {
  const Tokenizer tokenizer(text_of(post_processor), SmallFile::kRows, "");
  expect(tokenizer.before() == before && tokenizer.after() == after, what);
}

void the_template_gives_ids_around_a_text() {
  const std::string x = special_token("x", "120", "\"x\""), y = special_token("y", "121", "\"y\"");
  const std::string two = special_token("two", "1,2", "\"1\",\"2\"");
  expect_template("null", {}, {}, "no post-processor");
  expect_template(R"({"type":"ByteLevel","add_prefix_space":true,"use_regex":true})", {}, {},
                  "ByteLevel");
  expect_template(with_template({"A"}, ""), {}, {}, "the text alone");
  expect_template(with_template({"A", "x"}, x), {}, {120}, "a token after it");
  expect_template(with_template({"x", "A"}, x), {120}, {}, "a token before it");
  expect_template(with_template({"x", "y", "A", "y", "x", "x"}, x + ',' + y), {120, 121},
                  {121, 120, 120}, "tokens around it");
  expect_template(with_template({"two", "A", "two"}, two), {1, 2}, {1, 2}, "two ids");
  expect_template(with_template({"none", "A"}, special_token("none", "", "")), {}, {}, "no ids");
  const auto sequence = [](const std::string& processors) {
    return R"({"type":"Sequence","processors":[)" + processors + "]}";
  };
  const std::string alone = with_template({"A"}, ""),
                    around = with_template({"x", "A", "two"}, x + ',' + two);
  expect_template(sequence(""), {}, {}, "an empty sequence");
  expect_template(sequence(around), {120}, {1, 2}, "a sequence of one");
  expect_template(sequence(alone + ',' + alone + ',' + around), {120}, {1, 2},
                  "templates that add nothing");
  expect_template(sequence(R"({"type":"ByteLevel"},)" + sequence(around)), {120}, {1, 2},
                  "nested sequences");
  for (const std::string& second : {alone, around, sequence(around)})
    expect_refused(text_of(sequence(around + ',' + second)), kUnsupported,
                   "a template after another one");
}

void templates_that_are_refused() {
  const std::string x = special_token("x", "120", "\"x\"");
  const auto refuse = [](const std::string& post_processor, ErrorCode code,
                         const std::string& part) {
    expect_refused(text_of(post_processor), code, part);
  };
  const std::string good = with_template({"A", "x"}, x);
  refuse(with_template({"x"}, x), kUnsupported, "no place for the text");
  refuse(with_template({}, x), kUnsupported, "no place for the text");
  refuse(with_template({"A", "A"}, x), kUnsupported, "the text twice");
  refuse(with_template({"A", "y"}, x), kInvalid, "does not define \"y\"");
  refuse(replaced(good, R"("id":"A")", R"("id":"B")"), kInvalid, "the sequence \"B\"");
  refuse(replaced(good, "Sequence", "Other"), kInvalid, "a piece \"Other\"");
  refuse(replaced(good, R"({"Sequence":{"id":"A","type_id":0}})", "{}"), kInvalid,
         "a piece of the template is not one piece");
  refuse(replaced(good, R"({"Sequence":{"id":"A")", R"({"Sequence":{"name":"A")"), kInvalid,
         "has no id");
  refuse(replaced(good, R"({"Sequence":{"id":"A")", R"({"Sequence":{"id":"A","id":"A")"), kInvalid,
         "\"id\" is given twice");
  refuse(replaced(good, R"({"Sequence":{)", R"({"SpecialToken":{"id":"x"},"Sequence":{)"), kInvalid,
         "a piece of the template is not one piece");
  refuse(replaced(good, R"("single":[)", R"("single":"$A x","double":[)"), kUnsupported,
         "no place for the text");
  refuse(with_template({"A", "x"}, x + ',' + x), kInvalid, "token \"x\" is given twice");
  refuse(with_template({"A", "x"}, special_token("x", "1,2", "\"1\"")), kInvalid,
         "token \"x\" has 2 ids and 1 tokens");
  refuse(with_template({"A", "x"}, special_token("x", "-1", "\"x\"")), kInvalid,
         "an id of the template must be an integer");
  refuse(with_template({"A", "x"}, special_token("x", "1000", "\"x\"")), kInvalid,
         "adds the token id 1000, but the model has 1000 tokens");
  expect_template(with_template({"A", "x"}, special_token("x", "999", "\"x\"")), {}, {999},
                  "the largest id");
  const std::vector<std::string> many(256, "x");
  std::vector<std::string> pieces = many;
  pieces.insert(pieces.begin() + 100, "A");
  expect_template(with_template(pieces, x), Ids(100, 120), Ids(156, 120), "256 tokens");
  pieces.push_back("x");
  refuse(with_template(pieces, x), kUnsupported, "more than 256 tokens");
  refuse(R"({"type":"BertProcessing","sep":["x",1],"cls":["x",1]})", kUnsupported,
         "post_processor has \"BertProcessing\"");
  refuse(R"({"type":"Sequence","processors":[{"type":"RobertaProcessing"}]})", kUnsupported,
         "post_processor has \"RobertaProcessing\"");
  refuse("{}", kInvalid, "post_processor has no type");
  refuse("[]", kInvalid, "post_processor must be an object");
}

void an_end_token_is_appended_if_the_template_adds_nothing() {
  struct Example {
    std::string post_processor, end_token;
    Ids after;
    bool appends;
  };
  SmallFile file;
  const Example examples[] = {
      {"null", "", {}, false},
      {"null", "<|end|>", {SmallFile::end}, true},
      {"null", "ab", {SmallFile::ab}, true},
      {"null", "\xe4\xb8\xad", {SmallFile::chinese}, true},
      {R"({"type":"ByteLevel"})", "<think>", {SmallFile::think}, true},
      {file.post_processor, "<think>", {SmallFile::end}, false},
      {file.post_processor, "missing", {SmallFile::end}, false},
      {with_template({"x", "A"}, special_token("x", "120", "\"x\"")), "<think>", {}, false},
      {replaced(file.post_processor, R"("single":[)",
                R"("single":[{"SpecialToken":{"id":"<|end|>"}},)"),
       "<think>",
       {SmallFile::end},
       false},
  };
  for (const auto& [post_processor, end_token, after, appends] : examples) {
    const Tokenizer tokenizer(text_of(post_processor), SmallFile::kRows, end_token);
    expect(tokenizer.after() == after, "the ids after a text with " + end_token);
    expect(tokenizer.appends_end_token() == appends, "whether " + end_token + " is appended");
  }
  expect_refused(text_of("null"), kInvalid, "it has no token \"missing\"", SmallFile::kRows,
                 "missing");
  // Added tokens may have ids that the model does not have, but not the one that is appended.
  expect_refused(text_of("null"), kInvalid, "adds the token id 265, but the model has 265 tokens",
                 SmallFile::end, "<|end|>");
}

// Every member of `text` in another order: the keys of objects in reverse.
void keys_have_any_order() {
  const SmallFile file;
  const std::string tokens = file.json().substr(file.json().find("\"added_tokens\""));
  const std::string added = tokens.substr(0, tokens.find("],") + 1);
  const std::string model = "\"model\":{\"merges\":[" + file.merges + "],\"vocab\":{" +
                            file.vocabulary + "}," + file.model + ",\"unknown\":[1,{\"type\":2}]}";
  const std::string json = "{\"extra\":{\"type\":[]}," + model + ",\"post_processor\":" +
                           replaced(file.post_processor, R"("type":"TemplateProcessing",)", "") +
                           ',' + added + ",\"pre_tokenizer\":" + file.pre_tokenizer +
                           ",\"normalizer\":" + file.normalizer + ",\"version\":\"1.0\"}";
  const std::string moved = replaced(json, R"("tokens":["<|end|>"]}})",
                                     R"("tokens":["<|end|>"]}},"type":"TemplateProcessing")");
  const auto tokenizer = std::make_shared<Tokenizer>(moved, SmallFile::kRows, "");
  expect(tokenizer->after() == Ids{SmallFile::end}, "the template");
  expect(encode(tokenizer, u"abc<think>") == Ids{SmallFile::abc, SmallFile::think}, "the ids");
}

void keys_stand_once() {
  const SmallFile file;
  const auto twice = [&](const std::string& member, const std::string& again,
                         const std::string& name) {
    expect_refused(replaced(file.json(), member, again + ',' + member), kInvalid,
                   quote(name) + " is given twice");
  };
  twice(R"("version":"1.0")", R"("version":"1.0")", "version");
  for (const std::string key :
       {"normalizer", "pre_tokenizer", "post_processor", "added_tokens", "model"}) {
    const std::string empty = key == "added_tokens" ? "[]" : key == "model" ? "" : "null";
    if (empty.empty())
      expect_refused(replaced(file.json(), "\"decoder\":null",
                              "\"model\":{" + file.model + ",\"vocab\":{},\"merges\":[]}"),
                     kInvalid, "\"model\" is given twice");
    else
      twice(quote(key) + ':', quote(key) + ':' + empty, key);
  }
  twice(R"("type":"NFC")", R"("type":"NFC")", "type");
  twice(R"("type":"Split")", R"("type":"Split")", "type");
  twice(R"("pretokenizers":)", R"("pretokenizers":[])", "pretokenizers");
  twice(R"("pattern":)", R"("pattern":{"String":"x"})", "pattern");
  twice(R"("Regex":)", R"("Regex":"x")", "a pattern");
  twice(R"("Regex":)", R"("String":"x")", "a pattern");
  twice(R"("behavior":)", R"("behavior":"Removed")", "behavior");
  twice(R"("invert":)", R"("invert":true)", "invert");
  twice(R"("use_regex":)", R"("use_regex":true)", "use_regex");
  twice(R"("add_prefix_space":)", R"("add_prefix_space":true)", "add_prefix_space");
  twice(R"("single":)", R"("single":[])", "single");
  twice(R"("special_tokens":)", R"("special_tokens":{})", "special_tokens");
  twice(R"("ids":)", R"("ids":[265])", "ids");
  twice(R"("tokens":)", R"("tokens":["x"])", "tokens");
  twice(R"("type":"BPE")", R"("type":"BPE")", "type");
  twice(R"("dropout":)", R"("dropout":null)", "dropout");
  twice(R"("vocab":)", R"("vocab":{})", "vocab");
  twice(R"("merges":)", R"("merges":[])", "merges");
  twice(R"("content":)", R"("content":"x")", "content");
  twice(R"("single_word":)", R"("single_word":true)", "single_word");
  twice(R"("special":)", R"("special":false)", "special");
  expect_refused(replaced(file.json(), R"({"id":265)", R"({"id":1,"id":265)"), kInvalid,
                 "\"id\" is given twice");
}

// Everything that would make other ids is refused, with its name.
void settings_that_are_refused() {
  const SmallFile file;
  struct Example {
    std::string text, by;
    ErrorCode code;
    std::string part;
  };
  const std::string split = R"("type":"Split")", byte_level = R"("type":"ByteLevel")";
  const Example examples[] = {
      {R"("version":"1.0")", R"("version":"2.0")", kUnsupported, "version is \"2.0\""},
      {R"("version":"1.0")", R"("version":1)", kInvalid, "version must be a string"},
      {R"("type":"NFC")", R"("type":"NFKC")", kUnsupported, "normalizer is \"NFKC\""},
      {R"({"type":"NFC"})", R"({"type":"Sequence","normalizers":[{"type":"NFC"}]})", kUnsupported,
       "normalizer is \"Sequence\""},
      {R"({"type":"NFC"})", "null", kUnsupported, "it has no normalizer"},
      {R"("normalizer":{"type":"NFC"},)", "", kUnsupported, "it has no normalizer"},
      {R"({"type":"NFC"})", "{}", kInvalid, "normalizer has no type"},
      {R"({"type":"NFC"})", "\"NFC\"", kInvalid, "normalizer must be an object"},
      {R"({"type":"NFC"})", R"({"type":null})", kInvalid, "type must be a string"},
      {"\"pre_tokenizer\"", "\"other\"", kUnsupported, "pre_tokenizer is missing"},
      {R"("type":"Sequence","pretokenizers")", R"("type":"ByteLevel","pretokenizers")",
       kUnsupported, "pre_tokenizer is \"ByteLevel\""},
      {R"("type":"Sequence","pretokenizers")", R"("type":"Sequence","other")", kUnsupported,
       "is the sequence \""},
      {split, R"("type":"Digits")", kUnsupported, "pre_tokenizer has \"Digits\""},
      {split, byte_level, kUnsupported, "is the sequence \""},
      {byte_level, split, kUnsupported, "is the sequence \""},
      {R"("use_regex":false})", R"("use_regex":false},{"type":"ByteLevel"})", kUnsupported,
       "is the sequence \""},
      {R"(|\\s+(?!\\S))", "", kUnsupported, "has the pattern"},
      {"'re|", "", kUnsupported, "has the pattern"},
      {R"("Regex")", R"("String")", kUnsupported, "has the pattern"},
      {R"({"Regex":)", R"({"String":"","other":)", kInvalid, "given twice"},
      {R"("pattern":{)", R"("pattern":null,"other":{)", kUnsupported, "has the pattern \"\""},
      {R"("pattern":{)", R"("other":{)", kUnsupported, "has the pattern \"\""},
      {"Isolated", "Removed", kUnsupported, "behavior \"Removed\""},
      {R"("behavior")", R"("other")", kUnsupported, "behavior \"\""},
      {R"("invert":false)", R"("invert":true)", kUnsupported, "invert"},
      {R"("invert":false)", R"("invert":0)", kInvalid, "invert must be true or false"},
      {R"("add_prefix_space":false)", R"("add_prefix_space":true)", kUnsupported,
       "add_prefix_space"},
      {R"("use_regex":false)", R"("use_regex":true)", kUnsupported, "use_regex"},
      {R"("use_regex":false)", R"("other":false)", kUnsupported, "use_regex"},
      {R"("type":"BPE")", R"("type":"WordPiece")", kUnsupported, "its model is \"WordPiece\""},
      {R"("type":"BPE",)", "", kUnsupported, "its model is \"\""},
      {R"("dropout":null)", R"("dropout":0.1)", kUnsupported, "model.dropout"},
      {R"("unk_token":null)", R"("unk_token":"<unk>")", kUnsupported, "model.unk_token"},
      {R"("dropout":null)", R"("continuing_subword_prefix":"##")", kUnsupported,
       "model.continuing_subword_prefix"},
      {R"("dropout":null)", R"("end_of_word_suffix":"</w>")", kUnsupported,
       "model.end_of_word_suffix"},
      {R"("dropout":null)", R"("byte_fallback":true)", kUnsupported, "model.byte_fallback"},
      {R"("dropout":null)", R"("ignore_merges":true)", kUnsupported, "model.ignore_merges"},
      {R"("dropout":null)", R"("ignore_merges":1)", kInvalid, "model.ignore_merges"},
      {R"("vocab":{)", R"("other":{)", kInvalid, "model.vocab or model.merges is missing"},
      {R"("vocab":{)", R"("vocab":[],"other":{)", kUnsupported, "its vocabulary has no token"},
      {R"("merges":[)", R"("other":[)", kInvalid, "model.vocab or model.merges is missing"},
      {R"("merges":[)", R"("merges":{},"other":[)", kInvalid, "model.merges must be an array"},
      {"\"model\"", "\"other\"", kInvalid, "it has no model"},
      {"\"decoder\":null", "\"decoder\":nul", kInvalid, "it is not JSON: an unknown word"},
      {R"("special":true)", R"("other":true)", kInvalid, "\"<|end|>\" has no special"},
      {R"("lstrip":false,)", "", kInvalid, "\"<|end|>\" has no lstrip"},
      {R"("special":true)", R"("special":1)", kInvalid, "special must be true or false"},
      {R"("content":"<|end|>",)", "", kInvalid, "an added token has no id or no content"},
      {R"({"id":265,"content":"<|end|>",)", R"({"content":"<|end|>",)", kInvalid,
       "an added token has no id or no content"},
      {R"("content":"<|end|>")", R"("content":null)", kInvalid,
       "the content of an added token must be a string"},
      {R"({"id":265)", R"({"id":"265")", kInvalid, "the id of an added token must be a number"},
      {R"("added_tokens":[)", R"("added_tokens":[7,)", kInvalid,
       "an added token must be an object"},
  };
  for (const auto& [text, by, code, part] : examples)
    expect_refused(replaced(file.json(), text, by), code, part);
  expect_refused(file.json() + "{}", kInvalid, "there is more text");
  expect_refused("[]", kInvalid, "the file must be an object");
  expect_refused("", kInvalid, "it is not JSON");
  expect_refused("{}", kInvalid, "it has no model");
  // The pattern is on the list of what is supported only as a whole.
  for (size_t at = file.pre_tokenizer.find("(?i"); file.pre_tokenizer[at] != '"'; ++at) {
    SmallFile changed = file;
    changed.pre_tokenizer[at] = changed.pre_tokenizer[at] == 'x' ? 'y' : 'x';
    try {
      Tokenizer(changed.json(), SmallFile::kRows, "");
    } catch (const Error&) {
      continue;  // the pattern, or an escape sequence that there is not
    }
    throw Failure("another pattern is accepted: " + changed.pre_tokenizer);
  }
}

void settings_that_are_accepted() {
  const std::pair<std::string, std::string> examples[] = {
      {R"("dropout":null)", R"("continuing_subword_prefix":"","end_of_word_suffix":"")"},
      {R"("dropout":null)", R"("continuing_subword_prefix":null,"end_of_word_suffix":null)"},
      {R"("dropout":null)", R"("byte_fallback":false,"ignore_merges":false,"fuse_unk":true)"},
      {R"("dropout":null,)", ""},
      {R"("trim_offsets":false)", R"("trim_offsets":true)"},
      {R"("truncation":null)", R"("truncation":{"max_length":1})"},
      {R"("padding":null)", R"("padding":{"strategy":"BatchLongest"})"},
      {R"("decoder":null)", R"("decoder":{"type":"Anything"})"},
      {R"("version":"1.0",)", ""},
  };
  for (const auto& [text, by] : examples) {
    const auto tokenizer =
        std::make_shared<Tokenizer>(replaced(SmallFile().json(), text, by), SmallFile::kRows, "");
    expect(encode(tokenizer, u"abcx") == Ids{SmallFile::abc, 'x'}, by);
  }
}

void merges_in_both_forms() {
  SmallFile file;
  const Ids wanted = encode(open(file), u"abc xxxx ab");
  expect(wanted == Ids{SmallFile::abc, ' ', SmallFile::xxxx, SmallFile::space_ab}, "the ids");
  for (const char* merge :
       {"\"a b\"", "\"#version: 0.2\",\"a b\"", "\"#versions are no merges\",\"a b\""}) {
    file.merges = std::string(merge) + ",\"ab c\",\"\xc4\xa0 a\",\"\xc4\xa0 ab\",\"x x\",\"xx xx\"";
    expect(encode(open(file), u"abc xxxx ab") == wanted, merge);
  }
  for (const char* merge : {"\"a\"", "\"\"", "\"a b c\"", "\"a b \"", "\" a b\"", "[]", "[\"a\"]",
                            "[\"a\",\"b\",\"c\"]"}) {
    file.merges = merge;
    expect_refused(file.json(), kInvalid, "does not have two parts");
  }
  for (const char* merge : {"[\"a\",\"q\"]", "\"a q\""}) {
    file.merges = merge;
    expect_refused(file.json(), kInvalid, "a merge has \"aq\", which is not in its vocabulary");
  }
  for (const char* merge : {"\"a qq\"", "\"qq a\"", "[\"qq\",\"a\"]", "[\"a\",\"qq\"]"}) {
    file.merges = merge;
    expect_refused(file.json(), kInvalid, "a merge has \"qq\", which is not in its vocabulary");
  }
  for (const char* merge : {"\"a \"", "\" a\"", "[\"\",\"a\"]"}) {
    file.merges = merge;
    expect_refused(file.json(), kInvalid, "a merge has \"\", which is not in its vocabulary");
  }
  file.merges = "[\"a\",\"b\"],\"a b\"";
  expect_refused(file.json(), kInvalid, "merges of two forms");
  file.merges = "[\"a\",1]";
  expect_refused(file.json(), kInvalid, "a part of a merge must be a string");
  file.merges = "7";
  expect_refused(file.json(), kInvalid, "a merge must be a string");
}

// No text becomes a token with other characters, even if merges have it.
void tokens_outside_of_the_alphabet() {
  SmallFile file;
  file.vocabulary +=
      ",\"\xe4\xb8\xad"
      "a\":265";
  file.merges += ",[\"\xe4\xb8\xad\",\"a\"]";
  // Characters of one and two bytes. A space, a soft hyphen and a delete character are written as
  // others.
  file.vocabulary += ",\" \":266,\"\xc2\xad\":267,\"\x7f\":268,\"\xc6\x80\":269,\"a\xc6\x80\":270";
  file.added.clear();
  const auto tokenizer = open(file);
  expect(encode(tokenizer, u"\u4e2da") == Ids{0xe4, 0xb8, 0xad, 'a'}, "a Chinese character");
  expect(encode(tokenizer, u" \u00ad\x7f a\u0180") ==
             Ids{' ', 0xc2, 0xad, 0x7f, SmallFile::space_a, 0xc6, 0x80},
         "other characters");
  file.merges += ",[\"\xe4\xb8\xad\",\"b\"]";
  expect_refused(file.json(), kInvalid, "which is not in its vocabulary");
}

void ids_of_the_vocabulary() {
  const SmallFile file;
  const auto refuse = [&](const std::string& more, const std::string& part) {
    SmallFile changed = file;
    changed.vocabulary += ',' + more;
    expect_refused(changed.json(), kInvalid, part);
  };
  refuse("\"ab\":300", "its vocabulary has \"ab\" or the id 300 twice");
  refuse("\"q-\":256", "its vocabulary has \"q-\" or the id 256 twice");
  refuse("\"\xe4\xb8\xad\":300", "or the id 300 twice");
  refuse("\"\xe6\x96\x87\":264", "or the id 264 twice");
  refuse("\"\xe6\x96\x87\":256", "the id 256 twice");
  refuse("\"q-\":264", "the id 264 twice");
  refuse("\"q-\":1000", "token \"q-\" has the id 1000, but the model has 1000 tokens");
  refuse("\"\xe6\x96\x87\":1000", "has the id 1000, but the model has 1000 tokens");
  refuse("\"q-\":4294967295", "has the id 4294967295");
  refuse("\"q-\":4294967296", "an id of model.vocab must be an integer");
  refuse("\"q-\":null", "an id of model.vocab must be a number");
  expect_refused(replaced(file.json(), "\"a\":97", "\"a-\":97"), kUnsupported,
                 "its vocabulary has no token for the byte 97");
  // Ids may leave gaps.
  SmallFile gaps = file;
  gaps.vocabulary += ",\"q-\":999";
  gaps.added.clear();
  expect(encode(open(gaps), u"abq") == Ids{SmallFile::ab, 'q'}, "the ids");
  // The empty token is one like others.
  gaps.vocabulary += ",\"\":998";
  gaps.merges += ",[\"\",\"q\"]";
  expect(encode(open(gaps), u"abq") == Ids{SmallFile::ab, 'q'}, "with an empty token");
  gaps.vocabulary += ",\"\":997";
  expect_refused(gaps.json(), kInvalid, "its vocabulary has \"\" or the id 997 twice");
}

void ids_of_added_tokens() {
  const SmallFile file;
  const auto refuse = [&](const std::string& content, uint32_t id, const std::string& part) {
    SmallFile changed = file;
    changed.added.push_back({.content = content, .id = id});
    expect_refused(changed.json(), kInvalid, part);
  };
  refuse("new", 270, "added token \"new\" has the id 270, but the next id is 269");
  refuse("new", 97, "added token \"new\" has the id 97, but the next id is 269");
  refuse("ab", 269, "added token \"ab\" has the id 269, but its vocabulary has 256");
  refuse("<think>", 269, "added token \"<think>\" is given twice");

  SmallFile more = file;
  more.added.push_back({.content = "", .id = 7});      // Hugging Face ignores it
  more.added.push_back({.content = "ab", .id = 256});  // of the vocabulary
  more.added.push_back({.content = "\xe4\xb8\xad", .id = SmallFile::chinese});
  more.added.push_back({.content = "[\xc3\xa9]", .id = 269});
  const auto tokenizer = open(more);
  expect(encode(tokenizer, u"ab\u4e2d[\u00e9]e\u0301") ==
             Ids{SmallFile::ab, SmallFile::chinese, 269, SmallFile::e_acute},
         "the ids");
  more.added.back().normalized = true;
  expect_refused(more.json(), kInvalid, "another added token is equal to");

  // They follow on the number of tokens, which leaves no id for one if the vocabulary has gaps.
  SmallFile gaps = file;
  gaps.vocabulary += ",\"q-\":265";
  expect_refused(gaps.json(), kInvalid, "\"<|end|>\" has the id 265, but the next id is 266");
  gaps.added = {{.content = "q-", .id = 265}, {.content = "new", .id = 266}};
  expect(encode(open(gaps), u"q-newq") == Ids{265, 266, 'q'}, "no gap");
  gaps.vocabulary = replaced(gaps.vocabulary, "\"q-\":265", "\"q-\":300");
  gaps.added[0].id = 300;
  expect(encode(open(gaps), u"q-newq") == Ids{300, 266, 'q'}, "a gap after the ids");
  gaps.vocabulary = replaced(gaps.vocabulary, "\"q-\":300", "\"q-\":266");
  gaps.added[0].id = 266;
  expect_refused(gaps.json(), kInvalid, "\"new\" has the id 266, which its vocabulary has");
}

void many_added_tokens() {
  SmallFile file;
  const std::string content((1 << 20) - 30, 'x');  // 26 bytes are of other tokens
  file.added.push_back({.content = content, .id = SmallFile::next});
  open(file);
  file.added.back().content += std::string(20, 'y');
  expect_refused(file.json(), kUnsupported, "at most 1048576 are supported");
}

std::string repeated(const std::string& text, size_t count) {
  std::string all = text;
  for (size_t i = 1; i < count; ++i) all += ',' + text;
  return all;
}

// Files in which every byte costs many bytes of memory.
void files_that_would_take_much_memory() {
  SmallFile file;
  const std::string json = file.json();
  const auto refuse = [&](const std::string& text, const std::string& by, const std::string& part) {
    expect_refused(replaced(json, text, by), kUnsupported, part);
  };
  refuse(R"({"type":"NFC"})",
         R"({"type":"NFC","normalizers":[)" + repeated(R"({"type":""})", 1'000) + "]}",
         "more than 64 components");
  std::string keys;
  for (int i = 0; i < 1'001; ++i) keys += "\"k" + std::to_string(i) + "\":0,";
  refuse("\"version\"", keys + "\"version\"", "more than 1000 keys in an object");
  refuse("\"merges\":[", "\"merges\":[" + repeated(R"(["a","b"])", (1 << 21) + 1) + ',',
         "more than 2097152 merges");
  file.merges = "[" + repeated("\"\"", 1'000'000) + "]";
  expect_refused(file.json(), kInvalid, "does not have two parts");
  SmallFile sparse;
  sparse.vocabulary =
      replaced(sparse.vocabulary, "\"abc\":" + std::to_string(SmallFile::abc), "\"abc\":16777215");
  try {
    Tokenizer(sparse.json(), 1 << 24, "");
    throw Failure("ids that are far apart are accepted");
  } catch (const Error& error) {
    expect(error.code == kUnsupported, error.what());
  }
}

// Messages name what is wrong, but not all of it.
void messages_are_short() {
  std::string eyes, controls;
  for (int i = 0; i < 1'000; ++i) eyes += "\xf0\x9f\x91\x80", controls += "\\u0001";
  const std::string huge(100'000, 'x'), json = SmallFile().json();
  for (const std::string& name : {huge, eyes, controls}) {
    const std::string quoted = '"' + name + '"';
    const auto refuse = [&](const std::string& text, const std::string& by, ErrorCode code,
                            const std::string& part = "...") {
      expect_refused(replaced(json, text, by), code, part);
    };
    refuse("\"1.0\"", quoted, kUnsupported);
    refuse("\"NFC\"", quoted, kUnsupported);
    refuse("\"Sequence\"", quoted, kUnsupported);
    refuse("\"Split\"", quoted, kUnsupported);
    refuse("\"Isolated\"", quoted, kUnsupported);
    refuse("\"(?i", "\"" + name, kUnsupported);
    refuse("\"TemplateProcessing\"", quoted, kUnsupported);
    refuse("\"BPE\"", quoted, kUnsupported);
    refuse("\"dropout\"", quoted + ":1," + quoted, kInvalid);
    refuse("\"version\"", quoted + ":1," + quoted, kInvalid);
    refuse("\"A\"", quoted, kInvalid);
    refuse("\"Sequence\":{\"id\"", quoted + ":{\"id\"", kInvalid);
    refuse("{\"id\":\"<|end|>\"", "{\"id\":" + quoted, kInvalid);
    refuse("\"special_tokens\":{", "\"special_tokens\":{" + quoted + ":{\"ids\":[1]},", kInvalid);
    refuse("{\"id\":266,\"content\":\"<think>\"", "{\"id\":1,\"content\":" + quoted, kInvalid);
    refuse("\"<think>\",\"single_word\":false", quoted, kInvalid);
    refuse("\"vocab\":{", "\"vocab\":{" + quoted + ":1,", kInvalid, "twice");
    refuse("\"vocab\":{", "\"vocab\":{" + quoted + ":9999,", kInvalid);
    refuse("\"merges\":[", "\"merges\":[[" + quoted + ",\"a\"],", kInvalid);
    refuse("\"merges\":[", "\"merges\":[" + quoted + ",", kInvalid, "does not have two parts");
    expect_refused(text_of("null"), kInvalid, "...", SmallFile::kRows, name);
  }
  expect_refused(replaced(json, "{\"id\":265", "{\"id\":" + std::string(10'000, '1')), kInvalid,
                 "...");
  SmallFile equal;
  equal.added.push_back({.content = "e\xcc\x81" + huge, .id = 269, .normalized = true});
  equal.added.push_back({.content = "\xc3\xa9" + huge, .id = 270, .normalized = true});
  expect_refused(equal.json(), kInvalid, "another added token is equal to");
}

void errors_do_not_end_the_process() {
  const std::string json = SmallFile().json();
  size_t works = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed);
    std::string changed = json;
    for (uint32_t changes = 1 + random.below(2); changes > 0; --changes) {
      const auto size = static_cast<uint32_t>(changed.size());
      const size_t at = random.below(size), length = 1 + random.below(20);
      switch (random.below(4)) {
        case 0: changed[at] = static_cast<char>(changed[at] ^ 1 << random.below(8)); break;
        case 1: changed.resize(at); break;
        case 2: changed.insert(at, changed.substr(at, length)); break;
        default: changed.erase(at, length);
      }
    }
    try {
      const auto tokenizer = std::make_shared<Tokenizer>(changed, SmallFile::kRows, "");
      encode(tokenizer, u"abc<think> xxxx\u4e2d");
      ++works;
    } catch (const Error& error) {
      expect(error.code == kInvalid || error.code == kUnsupported, "another code");
    }
  }
  expect(works > 3 && works < 200, std::to_string(works) + " changed files work");
}

}  // namespace

void add_tokenizer_file_tests(Tests& tests) {
  tests.insert(
      tests.end(),
      {{"tokenizer file: the template gives ids around a text",
        the_template_gives_ids_around_a_text},
       {"tokenizer file: templates that are refused", templates_that_are_refused},
       {"tokenizer file: an end token is appended if the template adds nothing",
        an_end_token_is_appended_if_the_template_adds_nothing},
       {"tokenizer file: keys have any order", keys_have_any_order},
       {"tokenizer file: keys stand once", keys_stand_once},
       {"tokenizer file: settings that are refused", settings_that_are_refused},
       {"tokenizer file: settings that are accepted", settings_that_are_accepted},
       {"tokenizer file: merges in both forms", merges_in_both_forms},
       {"tokenizer file: tokens outside of the alphabet", tokens_outside_of_the_alphabet},
       {"tokenizer file: ids of the vocabulary", ids_of_the_vocabulary},
       {"tokenizer file: ids of added tokens", ids_of_added_tokens},
       {"tokenizer file: many added tokens", many_added_tokens},
       {"tokenizer file: files that would take much memory", files_that_would_take_much_memory},
       {"tokenizer file: messages are short", messages_are_short},
       {"tokenizer file: changed files are refused or work", errors_do_not_end_the_process}});
}

}  // namespace qwen3::test
