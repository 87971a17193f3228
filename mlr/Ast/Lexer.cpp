#include "mlr/Ast/Lexer.h"

#include "support/DiagnosticKinds.h"

#include <algorithm>
#include <array>

namespace mlr::ast {

namespace {

struct Spelling {
  const char *text;
  Tok kind;
};

// Sorted by text, for binary search.
constexpr std::array<Spelling, 34> keywords{{{"and", Tok::KwAnd},
                                             {"assert", Tok::KwAssert},
                                             {"assume", Tok::KwAssume},
                                             {"automaton", Tok::KwAutomaton},
                                             {"const", Tok::KwConst},
                                             {"continue", Tok::KwContinue},
                                             {"eby", Tok::KwEby},
                                             {"else", Tok::KwElse},
                                             {"enum", Tok::KwEnum},
                                             {"every", Tok::KwEvery},
                                             {"extern", Tok::KwExtern},
                                             {"false", Tok::KwFalse},
                                             {"fby", Tok::KwFby},
                                             {"final", Tok::KwFinal},
                                             {"for", Tok::KwFor},
                                             {"fun", Tok::KwFun},
                                             {"guarantee", Tok::KwGuarantee},
                                             {"if", Tok::KwIf},
                                             {"import", Tok::KwImport},
                                             {"initial", Tok::KwInitial},
                                             {"last", Tok::KwLast},
                                             {"match", Tok::KwMatch},
                                             {"merge", Tok::KwMerge},
                                             {"node", Tok::KwNode},
                                             {"not", Tok::KwNot},
                                             {"or", Tok::KwOr},
                                             {"pre", Tok::KwPre},
                                             {"reset", Tok::KwReset},
                                             {"scan", Tok::KwScan},
                                             {"struct", Tok::KwStruct},
                                             {"then", Tok::KwThen},
                                             {"true", Tok::KwTrue},
                                             {"unless", Tok::KwUnless},
                                             {"when", Tok::KwWhen}}};

// Longest first among those with a common prefix.
constexpr std::array<Spelling, 30> punctuation{
    {{"..+", Tok::DotDotPlus}, {"..", Tok::DotDot},  {".", Tok::Dot},
     {"->", Tok::Arrow},       {"-", Tok::Minus},    {"<<", Tok::LStatic},
     {"<=", Tok::Le},          {"<", Tok::Lt},       {">>", Tok::RStatic},
     {">=", Tok::Ge},          {">", Tok::Gt},       {"==", Tok::Eq},
     {"=", Tok::Assign},       {"!=", Tok::Ne},      {"(", Tok::LParen},
     {")", Tok::RParen},       {"[", Tok::LBracket}, {"]", Tok::RBracket},
     {"{", Tok::LBrace},       {"}", Tok::RBrace},   {",", Tok::Comma},
     {";", Tok::Semicolon},    {":", Tok::Colon},    {"|", Tok::Bar},
     {"+", Tok::Plus},         {"*", Tok::Star},     {"/", Tok::Slash},
     {"%", Tok::Percent},      {"@", Tok::At}}};

// ASCII only, whatever the locale.
bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isHex(char c) { return isDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool isLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool isSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
int hexValue(char c) { return isDigit(c) ? c - '0' : (c | 0x20) - 'a' + 10; }

/// A binary file is one mistake, not one for each of its bytes: after so many the rest is not reported.
constexpr size_t maxLexicalErrors = 50;

class Lexer {
public:
  Lexer(uint32_t file, Diagnostics &diagnostics)
      : file(file), diagnostics(diagnostics), text(diagnostics.sourceMap().text(file)) {}

  Tokens run() {
    out.tokens.reserve(text.size() / 4 + 1);
    if (text.substr(0, 3) == "\xEF\xBB\xBF") pos = 3; // byte order mark
    while (skipSpace()) next();
    out.tokens.push_back({Tok::End, newLine, size(), size()});
    return std::move(out);
  }

private:
  uint32_t size() const { return static_cast<uint32_t>(text.size()); }
  char peek(size_t ahead = 0) const { return pos + ahead < text.size() ? text[pos + ahead] : '\0'; }
  bool startsWith(std::string_view s) const { return text.substr(pos, s.size()) == s; }

  void push(Tok kind, uint32_t begin) {
    out.tokens.push_back({kind, newLine, begin, pos});
    newLine = onlySpace = false;
  }

  Diagnostic &error(uint32_t begin, uint32_t end, std::string title, std::string label = "") {
    if (++reported > maxLexicalErrors) {
      unreported.labels.assign(1, Label());
      return unreported;
    }
    Diagnostic &d = diagnostics.report(kinds::syntax, {file, begin, end}, std::move(title), std::move(label));
    if (reported == maxLexicalErrors) d.helps = {"is this file text? further characters are not reported"};
    return d;
  }

  /// To the first byte of the next token; false at the end of the text.
  bool skipSpace() {
    while (pos < text.size()) {
      if (text[pos] == '\n') newLine = onlySpace = true;
      if (isSpace(text[pos])) ++pos;
      else if (startsWith("//")) lineComment();
      else if (startsWith("/*")) blockComment();
      else return true;
    }
    return false;
  }

  void lineComment() {
    uint32_t begin = pos;
    pos = static_cast<uint32_t>(std::min(text.find('\n', pos), text.size()));
    uint32_t end = pos;
    while (end > begin && isSpace(text[end - 1])) --end;
    comment(begin, end);
  }

  /// A comment behind another one is not on a line of its own, even where the first one ends a line before.
  void comment(uint32_t begin, uint32_t end) {
    out.comments.push_back({{file, begin, end}, onlySpace});
    onlySpace = false;
  }

  void blockComment() {
    uint32_t begin = pos;
    size_t close = text.find("*/", pos + 2);
    pos = close == std::string_view::npos ? size() : static_cast<uint32_t>(close) + 2;
    if (close == std::string_view::npos)
      error(begin, begin + 2, "this comment is never closed", "expected `*/` before the end of the file");
    comment(begin, pos);
    if (text.substr(begin, pos - begin).find('\n') != std::string_view::npos) newLine = true;
  }

  void next() {
    char c = text[pos];
    if (isLetter(c)) return word();
    if (isDigit(c) || (c == '.' && isDigit(peek(1)) && !afterOperand())) return number();
    if (c == '"') return string();
    if (startsWith("||")) return unknown(); // two alternatives of a transition are never empty
    for (const Spelling &p : punctuation)
      if (p.text && startsWith(p.text)) {
        uint32_t begin = pos;
        pos += static_cast<uint32_t>(std::string_view(p.text).size());
        return push(p.kind, begin);
      }
    unknown();
  }

  /// `p.0` is a field that does not exist, not a number behind a name.
  bool afterOperand() const {
    if (out.tokens.empty() || out.tokens.back().end != pos) return false;
    Tok last = out.tokens.back().kind;
    return last == Tok::Identifier || last == Tok::RParen || last == Tok::RBracket || last == Tok::RBrace;
  }

  void word() {
    uint32_t begin = pos;
    while (isLetter(peek()) || isDigit(peek())) ++pos;
    std::string_view w = text.substr(begin, pos - begin);
    auto found = std::lower_bound(keywords.begin(), keywords.end(), w,
                                  [](const Spelling &k, std::string_view w) { return k.text < w; });
    bool keyword = found != keywords.end() && found->text == w;
    push(keyword ? found->kind : Tok::Identifier, begin);
  }

  /// Digits with single `_` between them; false when a `_` stands elsewhere or there is no digit.
  template <class F> bool digits(F isOne) {
    bool good = isOne(peek()), any = false;
    char last = '\0';
    while (isOne(peek()) || peek() == '_') {
      if (peek() == '_' && last == '_') good = false;
      any |= isOne(peek());
      last = peek();
      ++pos;
    }
    return good && any && last != '_';
  }

  void number() {
    uint32_t begin = pos;
    if (peek() == '0' && (peek(1) == 'x' || peek(1) == 'X')) {
      pos += 2;
      bool good = digits(isHex);
      return finishNumber(begin, good ? nullptr
                                      : "`0x` needs hexadecimal digits behind it, `_` only between digits");
    }
    const char *problem = nullptr;
    if (isDigit(peek()) && !digits(isDigit)) problem = "`_` in a number stands between two digits";
    // A "." followed by another ends the number: 0..4
    if (peek() == '.' && isDigit(peek(1))) {
      ++pos;
      if (!digits(isDigit)) problem = "`_` in a number stands between two digits";
    } else if (peek() == '.' && peek(1) != '.' && (!isLetter(peek(1)) || isExponent(1))) {
      ++pos;
    }
    if (isExponent(0)) {
      pos += isDigit(peek(1)) ? 1 : 2;
      if (!digits(isDigit)) problem = "`_` in a number stands between two digits";
    }
    finishNumber(begin, problem);
  }

  bool isExponent(size_t ahead) const {
    if (peek(ahead) != 'e' && peek(ahead) != 'E') return false;
    char c = peek(ahead + 1);
    return isDigit(c) || ((c == '+' || c == '-') && isDigit(peek(ahead + 2)));
  }

  void finishNumber(uint32_t begin, const char *problem) {
    if (problem) error(begin, pos, "this number is malformed", problem);
    push(problem ? Tok::Error : Tok::Number, begin);
  }

  void string() {
    uint32_t begin = pos++;
    bool good = true;
    while (pos < text.size() && text[pos] != '"' && text[pos] != '\n') {
      if (text[pos] == '\\') good &= escape();
      else ++pos;
    }
    if (peek() != '"' || pos >= text.size()) {
      uint32_t end = pos > begin + 1 && text[pos - 1] == '\r' ? pos - 1 : pos;
      error(begin, end, "this string is never closed", "expected `\"` before the end of the line");
      return push(Tok::Error, begin);
    }
    ++pos;
    push(good ? Tok::String : Tok::Error, begin);
  }

  /// At a backslash: \n \t \r \0 \\ \" \xHH \u{H..}
  bool escape() {
    uint32_t begin = pos++;
    char c = peek();
    bool good = pos < text.size() && std::string_view("ntr0\\\"").find(c) != std::string_view::npos;
    if (good) ++pos;
    else if (c == 'x' && isHex(peek(1)) && isHex(peek(2))) good = true, pos += 3;
    else if (c == 'u' && peek(1) == '{') good = unicodeEscape();
    else if (pos < text.size() && c != '\n') ++pos;
    if (!good)
      error(begin, pos, "`" + std::string(text.substr(begin, pos - begin)) + "` is no escape sequence")
          .notes = {"a string knows \\n \\t \\r \\0 \\\\ \\\" \\xHH \\u{HHHH}"};
    return good;
  }

  bool unicodeEscape() {
    pos += 2;
    uint32_t begin = pos, value = 0;
    while (isHex(peek())) value = std::min<uint32_t>(value * 16 + hexValue(text[pos++]), 0x110000);
    bool good = pos > begin && peek() == '}' && value < 0x110000 && (value < 0xD800 || value > 0xDFFF);
    if (peek() == '}') ++pos;
    return good;
  }

  /// One error for a run of bytes that start no token.
  void unknown() {
    uint32_t begin = pos;
    auto starts = [&] {
      if (isLetter(peek()) || isDigit(peek()) || isSpace(peek()) || peek() == '"') return true;
      return std::any_of(punctuation.begin(), punctuation.end(),
                         [&](const Spelling &p) { return p.text && startsWith(p.text); });
    };
    pos += startsWith("||") ? 2 : 1;
    while (pos < text.size() && !starts()) ++pos;
    std::string_view seen = text.substr(begin, pos - begin);
    Diagnostic &d =
        error(begin, pos, "`" + std::string(seen.substr(0, 30)) + "` is not part of the language");
    explain(d, seen);
    push(Tok::Error, begin);
  }

  void explain(Diagnostic &d, std::string_view seen) {
    unsigned char c = static_cast<unsigned char>(seen[0]);
    if (seen == "&&" || seen == "&") d.helps = {"write `and`; for the bits of integers, `bitand(a, b)`"};
    else if (seen == "||") d.helps = {"write `or`; for the bits of integers, `bitor(a, b)`"};
    else if (seen == "!") d.helps = {"write `not`"};
    else if (seen == "^") d.helps = {"write `pow(a, b)` for a power, `bitxor(a, b)` for bits"};
    else if (seen == "~") d.helps = {"write `bitnot(a)`"};
    else if (seen == "?") d.helps = {"write `if c then a else b`"};
    else if (seen == "#") d.helps = {"a comment starts with `//`"};
    else if (seen[0] == '\'') d.helps = {"a string stands in double quotes"};
    else if (c >= 0x80)
      d.title = "this character is not part of the language",
      d.notes = {"names are made of ASCII letters, digits and `_`; comments and strings may hold any UTF-8"};
    else if (c < 0x20 || c == 0x7F)
      d.title = "this byte is not text", d.labels[0].text = "a control character";
  }

  uint32_t file;
  Diagnostics &diagnostics;
  std::string_view text;
  uint32_t pos = 0;
  size_t reported = 0;
  Diagnostic unreported;
  bool newLine = true;   // since the last token
  bool onlySpace = true; // on this line so far: neither token nor comment
  Tokens out;
};

void appendUtf8(std::string &out, uint32_t c) {
  if (c < 0x80) out += static_cast<char>(c);
  else if (c < 0x800) out += {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
  else if (c < 0x10000)
    out += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
            static_cast<char>(0x80 | (c & 0x3F))};
  else
    out += {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3F)),
            static_cast<char>(0x80 | (c >> 6 & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
}

} // namespace

const char *spelling(Tok kind) {
  switch (kind) {
  case Tok::End: return "the end of the file";
  case Tok::Error: return "an error";
  case Tok::Identifier: return "a name";
  case Tok::Number: return "a number";
  case Tok::String: return "a string";
  default: break;
  }
  for (const Spelling &s : punctuation)
    if (s.kind == kind && s.text) return s.text;
  for (const Spelling &s : keywords)
    if (s.kind == kind) return s.text;
  return "";
}

bool startsDeclaration(Tok kind) {
  switch (kind) {
  case Tok::KwImport:
  case Tok::KwConst:
  case Tok::KwEnum:
  case Tok::KwStruct:
  case Tok::KwExtern:
  case Tok::KwNode:
  case Tok::KwFun: return true;
  default: return false;
  }
}

Tokens tokenize(uint32_t file, Diagnostics &diagnostics) { return Lexer(file, diagnostics).run(); }

std::string unescape(std::string_view quoted) {
  std::string out;
  if (quoted.size() < 2) return out;
  std::string_view s = quoted.substr(1, quoted.size() - 2);
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '\\' || i + 1 >= s.size()) {
      out += s[i];
      continue;
    }
    switch (char c = s[++i]) {
    case 'n': out += '\n'; break;
    case 't': out += '\t'; break;
    case 'r': out += '\r'; break;
    case '0': out += '\0'; break;
    case 'x':
      if (i + 2 < s.size()) out += static_cast<char>(hexValue(s[i + 1]) * 16 + hexValue(s[i + 2]));
      i += 2;
      break;
    case 'u': {
      uint32_t value = 0;
      for (i += 2; i < s.size() && s[i] != '}'; ++i) value = value * 16 + hexValue(s[i]);
      appendUtf8(out, value);
      break;
    }
    default: out += c;
    }
  }
  return out;
}

} // namespace mlr::ast
