// Text -> tokens and comments. Any bytes in; what is no token becomes an Error token with its diagnostic.
#pragma once

#include "mlr/Ast/Ast.h"
#include "support/Diagnostics.h"

namespace mlr::ast {

enum class Tok : uint8_t {
  End,
  Error, // reported already: whoever meets it stays silent
  Identifier,
  Number,
  String,
  // punctuation
  LParen, RParen, LBracket, RBracket, LBrace, RBrace,
  LStatic, RStatic, // << >>
  Comma, Semicolon, Colon, Dot, DotDot, DotDotPlus, Arrow, Bar,
  Assign, Eq, Ne, Lt, Gt, Le, Ge, Plus, Minus, Star, Slash, Percent, At,
  // keywords
  KwAnd, KwAssert, KwAssume, KwAutomaton, KwConst, KwContinue, KwEby, KwElse, KwEnum, KwEvery, KwExtern,
  KwFalse, KwFby, KwFinal, KwFor, KwFun, KwGuarantee, KwIf, KwImport, KwInitial, KwLast, KwMatch, KwMerge,
  KwNode, KwNot, KwOr, KwPre, KwReset, KwScan, KwStruct, KwThen, KwTrue, KwUnless, KwWhen,
};

/// As written in source; for a class of tokens, its name ("a number").
const char *spelling(Tok kind);
inline bool isKeyword(Tok kind) { return kind >= Tok::KwAnd; }
/// Starts a declaration, and can stand nowhere else.
bool startsDeclaration(Tok kind);

struct Token {
  Tok kind = Tok::End;
  bool firstOnLine = false;
  uint32_t begin = 0, end = 0;
};

struct Tokens {
  std::vector<Token> tokens; // the last one is End
  std::vector<Comment> comments;
};

/// Linear in the text. Reports unterminated comments and strings, malformed numbers and escapes, and characters
/// that MLR does not use.
Tokens tokenize(uint32_t file, Diagnostics &diagnostics);

/// The contents of a String token that was lexed without an error: without quotes, escapes resolved.
std::string unescape(std::string_view quoted);

} // namespace mlr::ast
