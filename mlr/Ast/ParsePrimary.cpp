#include "mlr/Ast/ParserImpl.h"

namespace mlr::ast {

/// primary { "." ID | "[" index { "," index } "]" }
ExprPtr Parser::parsePostfix() {
  uint32_t begin = token().begin;
  return parseSuffixes(parsePrimary(), begin);
}

ExprPtr Parser::parseSuffixes(ExprPtr e, uint32_t begin) {
  while (at(Tok::Dot) || at(Tok::LBracket)) {
    e = parseSuffix(std::move(e), begin);
    ++height;
    if (depth + height > maxDepth) tooDeep();
  }
  return e;
}

ExprPtr Parser::parseSuffix(ExprPtr base, uint32_t begin) {
  if (at(Tok::LBracket)) return parseIndexing(std::move(base), begin);
  advance();
  ExprPtr e = make(ExprKind::Field, begin);
  if (at(Tok::Number)) {
    if (Diagnostic *d = unexpected("the name of a field after `.`"))
      d->helps = {"take a tuple apart: `(a, b) = ..;`"};
  }
  Name field = expectName("the name of a field after `.`");
  e->text = std::move(field.text);
  e->nameSpan = field.span;
  e->args.push_back(std::move(base));
  return finish(std::move(e), begin);
}

ExprPtr Parser::parseIndexing(ExprPtr base, uint32_t begin) {
  int baseHeight = height;
  Scoped<bool> free(noStruct, false), plain(inStaticArgs, false);
  ExprPtr e = make(ExprKind::Index, begin);
  e->args.push_back(std::move(base));
  size_t open = pos;
  {
    Level level(*this);
    advance();
    do e->indices.push_back(parseIndex());
    while (accept(Tok::Comma));
    expectClose(Tok::RBracket, open, "or `,` in this index");
  }
  height = std::max(baseHeight, height - 1); // the caller adds the level of the suffix
  return finish(std::move(e), begin);
}

/// expr | [expr] ".." [add] | expr "..+" add
Index Parser::parseIndex() {
  Index index;
  uint32_t begin = token().begin;
  if (!at(Tok::DotDot)) index.a = parseExpr();
  if (accept(Tok::DotDot)) {
    index.kind = Index::Kind::Range;
    if (!at(Tok::RBracket) && !at(Tok::Comma)) index.b = parseAdd();
  } else if (accept(Tok::DotDotPlus)) {
    index.kind = Index::Kind::Slide;
    index.b = parseAdd();
  }
  index.span = spanFrom(begin);
  return index;
}

ExprPtr Parser::parsePrimary() {
  switch (panic ? Tok::End : token().kind) {
  case Tok::Number: return parseNumber();
  case Tok::String:
  case Tok::KwTrue:
  case Tok::KwFalse: return parseLiteral();
  case Tok::Identifier: return parseNamed();
  case Tok::LParen: return parseParenthesised();
  case Tok::LBracket: return parseList();
  case Tok::LBrace: return parseUpdate();
  case Tok::KwMerge: return parseMerge();
  default: break;
  }
  if (Diagnostic *d = unexpected("an expression")) {
    Tok before = pos > 0 ? tokens[pos - 1].kind : Tok::End;
    if (token().kind == Tok::Star && before == Tok::Star) d->helps = {"write a power as `pow(a, b)`"};
    else if (token().kind == Tok::Assign && before == Tok::Assign) d->helps = {"equality is written `==`"};
    else if (token().kind == Tok::KwFor) d->helps = {"build a tensor with `[x[i] * 2 for i < N]`"};
    else if (isKeyword(token().kind)) d->labels[0].text = "this word is a keyword and cannot be a name";
  }
  return make(ExprKind::Number, token().begin);
}

ExprPtr Parser::parseLiteral() {
  const Token &t = token();
  ExprKind kind = at(Tok::Number) ? ExprKind::Number : at(Tok::String) ? ExprKind::String : ExprKind::Bool;
  ExprPtr e = make(kind, t.begin);
  e->span = span(t);
  if (kind == ExprKind::String) e->text = unescape(text(t));
  else
    for (char c : text(t))
      if (c != '_') e->text += c;
  advance();
  return e;
}

ExprPtr Parser::parseNumber() {
  const Token &number = token();
  ExprPtr e = parseLiteral();
  if (!at(Tok::Identifier) || token().begin != number.end) return e;
  if (Diagnostic *d = error(span(token()),
                            "expected an operator between " + describe(number) + " and " + describe(token())))
    d->helps = {"write `" + e->text + " * " + std::string(text(token())) + "`"};
  return e;
}

/// Tokens of `a.b.c` from the current one on.
size_t Parser::qualifiedLength() const {
  size_t length = 1;
  while (token(length).kind == Tok::Dot && token(length + 1).kind == Tok::Identifier) length += 2;
  return length;
}

/// A variable, or a (qualified) name with static arguments, arguments or fields behind it.
ExprPtr Parser::parseNamed() {
  uint32_t begin = token().begin;
  size_t length = qualifiedLength();
  Tok after = token(length).kind;
  bool literal = after == Tok::LBrace && !noStruct;
  ExprPtr e = make(ExprKind::Name, begin);
  if (after != Tok::LParen && after != Tok::LStatic && !literal) {
    Name name = expectName("");
    e->text = std::move(name.text);
    e->nameSpan = e->span = name.span;
    return e;
  }
  Name name = parseQualifiedName("");
  e->text = std::move(name.text);
  e->nameSpan = name.span;
  if (at(Tok::LStatic)) e->statics = parseStaticArgs();
  if (at(Tok::LParen)) return parseCall(std::move(e));
  if (at(Tok::LBrace) && !noStruct) return parseStructLiteral(std::move(e));
  if (!inStaticArgs) unexpected("`(` after these static arguments");
  return finish(std::move(e), begin);
}

ExprPtr Parser::parseCall(ExprPtr e) {
  Level level(*this);
  Scoped<bool> plain(inStaticArgs, false);
  e->kind = ExprKind::Call;
  {
    Scoped<bool> free(noStruct, false);
    size_t open = pos;
    advance();
    if (!at(Tok::RParen)) parseArguments(*e);
    expectClose(Tok::RParen, open, "or `,` in the arguments of `" + e->text + "`");
  }
  if (accept(Tok::KwEvery)) e->every = parsePostfix();
  return finish(std::move(e), e->nameSpan.begin);
}

void Parser::parseArguments(Expr &e) {
  do {
    Name name;
    if (at(Tok::Identifier, Tok::Assign)) {
      name = expectName("");
      advance();
    }
    e.argNames.push_back(std::move(name));
    e.args.push_back(parseExpr());
    if (e.args.size() == 1 && e.argNames[0].text.empty() && at(Tok::KwFor)) {
      e.kind = ExprKind::Reduce;
      e.argNames.clear();
      return parseFors(e);
    }
  } while (accept(Tok::Comma));
}

/// "for" ID "<" add { "," ID "<" add }
void Parser::parseFors(Expr &e) {
  advance();
  do {
    For f;
    f.index = expectName("an index after `for`");
    expect(Tok::Lt, "and a bound after the index");
    f.bound = parseAdd();
    e.fors.push_back(std::move(f));
  } while (accept(Tok::Comma));
}

/// ID "=" expr { "," ID "=" expr } [","]
void Parser::parseFieldValues(Expr &e, std::string_view of) {
  do {
    if (at(Tok::RBrace) && !e.argNames.empty()) break;
    e.argNames.push_back(expectName("the name of a field"));
    expect(Tok::Assign, "after the name of a field");
    e.args.push_back(parseExpr());
  } while (accept(Tok::Comma));
}

ExprPtr Parser::parseStructLiteral(ExprPtr e) {
  Level level(*this);
  Scoped<bool> plain(inStaticArgs, false);
  e->kind = ExprKind::StructLiteral;
  size_t open = pos;
  advance();
  ++openBraces;
  parseFieldValues(*e, "this struct");
  expectClose(Tok::RBrace, open, "or `,` in this `" + e->text + "`");
  if (!panic) --openBraces;
  return finish(std::move(e), e->nameSpan.begin);
}

/// ( e ), or a tuple.
ExprPtr Parser::parseParenthesised() {
  Level level(*this);
  Scoped<bool> free(noStruct, false), plain(inStaticArgs, false);
  uint32_t begin = token().begin;
  size_t open = pos;
  advance();
  ExprPtr first = parseExpr();
  if (!at(Tok::Comma)) {
    expectClose(Tok::RParen, open, "or an operator");
    first->parenthesised = true;
    return first;
  }
  ExprPtr e = make(ExprKind::Tuple, begin);
  e->args.push_back(std::move(first));
  while (accept(Tok::Comma)) e->args.push_back(parseExpr());
  expectClose(Tok::RParen, open, "or `,` in this tuple");
  return finish(std::move(e), begin);
}

ExprPtr Parser::parseList() {
  Level level(*this);
  Scoped<bool> free(noStruct, false), plain(inStaticArgs, false);
  uint32_t begin = token().begin;
  size_t open = pos;
  ExprPtr e = make(ExprKind::List, begin);
  advance();
  e->args.push_back(parseExpr());
  if (at(Tok::KwFor)) {
    e->kind = ExprKind::Comprehension;
    parseFors(*e);
  }
  while (e->kind == ExprKind::List && accept(Tok::Comma) && !at(Tok::RBracket))
    e->args.push_back(parseExpr());
  expectClose(Tok::RBracket, open, "or `,` in this list");
  return finish(std::move(e), begin);
}

/// "{" expr "with" ID "=" expr { "," ID "=" expr } [","] "}"
ExprPtr Parser::parseUpdate() {
  Level level(*this);
  Scoped<bool> free(noStruct, false), plain(inStaticArgs, false);
  uint32_t begin = token().begin;
  size_t open = pos;
  ExprPtr e = make(ExprKind::StructUpdate, begin);
  advance();
  ++openBraces;
  e->args.push_back(parseExpr());
  if (!panic && !atWord("with")) {
    if (Diagnostic *d = unexpected("`with` in this update of a struct"))
      d->notes = {"braces in an expression are `{ p with w = .. }`; equations stand in the body of a node"};
  }
  acceptWord("with");
  parseFieldValues(*e, "this update");
  expectClose(Tok::RBrace, open, "or `,` in this update");
  if (!panic) --openBraces;
  return finish(std::move(e), begin);
}

ExprPtr Parser::parseMerge() {
  Level level(*this);
  uint32_t begin = token().begin;
  ExprPtr e = make(ExprKind::MergeBool, begin);
  e->nameSpan = span(token());
  Scoped<bool> plain(inStaticArgs, false);
  advance();
  size_t open = pos;
  if (accept(Tok::LParen)) {
    Scoped<bool> free(noStruct, false);
    e->args.push_back(parseExpr());
    if (at(Tok::RParen) && token(1).kind == Tok::LBrace) { // the selector in parentheses
      e->args[0]->parenthesised = true;
      advance();
      return parseMergeArms(std::move(e), begin);
    }
    for (int i = 1; i < 3; ++i) {
      expect(Tok::Comma, "in `merge(condition, a, b)`");
      e->args.push_back(parseExpr());
    }
    expectClose(Tok::RParen, open, "after the third part of `merge(condition, a, b)`");
    return finish(std::move(e), begin);
  }
  {
    Scoped<bool> restricted(noStruct, true);
    e->args.push_back(parsePostfix());
  }
  return parseMergeArms(std::move(e), begin);
}

/// "{" [ID "."] ID ":" expr { "," [ID "."] ID ":" expr } [","] "}"
ExprPtr Parser::parseMergeArms(ExprPtr e, uint32_t begin) {
  Scoped<bool> free(noStruct, false);
  e->kind = ExprKind::MergeEnum;
  size_t open = pos;
  if (!expect(Tok::LBrace, "and the arms of this `merge`")) return e;
  ++openBraces;
  do {
    if (at(Tok::RBrace) && !e->argNames.empty()) break;
    e->argNames.push_back(parseConstructor());
    expect(Tok::Colon, "after the name of a constructor");
    e->args.push_back(parseExpr());
  } while (accept(Tok::Comma));
  expectClose(Tok::RBrace, open, "or `,` in this `merge`");
  if (!panic) --openBraces;
  return finish(std::move(e), begin);
}

} // namespace mlr::ast
