#include "mlr/Ast/ParserImpl.h"

namespace mlr::ast {

TypeExpr Parser::parseType() {
  Level level(*this);
  TypeExpr t;
  uint32_t begin = token().begin;
  size_t open = pos;
  if (accept(Tok::LParen)) {
    do t.tuple.push_back(parseType());
    while (accept(Tok::Comma));
    expectClose(Tok::RParen, open, "or `,` in this tuple of types");
    if (t.tuple.size() == 1) { // parentheses only
      TypeExpr inner = std::move(t.tuple[0]);
      return inner;
    }
  } else {
    parseTypeBody(t);
  }
  t.span = spanFrom(begin);
  return t;
}

void Parser::parseTypeBody(TypeExpr &t) {
  t.name = parseQualifiedName("a type");
  if (at(Tok::LStatic)) t.args = parseStaticArgs();
  size_t open = pos;
  if (!accept(Tok::LBracket)) return;
  Scoped<bool> free(noStruct, false), plain(inStaticArgs, false);
  t.hasDims = true;
  do t.dims.push_back(parseAdd());
  while (accept(Tok::Comma));
  expectClose(Tok::RBracket, open, "or `,` in this shape");
}

Name Parser::parseQualifiedName(std::string_view what) {
  Name name = expectName(what);
  while (at(Tok::Dot)) {
    advance();
    Name part = expectName("a name after `.`");
    name.text += "." + part.text;
    name.span = name.span.to(part.span);
  }
  return name;
}

/// [ID "."] ID
Name Parser::parseConstructor() {
  Name name = expectName("the name of a constructor");
  while (accept(Tok::Dot)) {
    Name part = expectName("the name of a constructor after `.`");
    name.text += "." + part.text;
    name.span = name.span.to(part.span);
  }
  return name;
}

std::unique_ptr<ClockExpr> Parser::parseClockOpt() {
  if (at(Tok::KwEvery)) return parseWhenCondition(noStruct);
  if (!accept(Tok::KwWhen)) return nullptr;
  return parseWhenCondition(noStruct);
}

/// "every" pfx [ "at" pfx ] | "not" pfx | pfx [ "==" [ID "."] ID ]
std::unique_ptr<ClockExpr> Parser::parseWhenCondition(bool headOfBlock) {
  Level level(*this);
  Scoped<bool> restricted(noStruct, headOfBlock);
  auto c = std::make_unique<ClockExpr>();
  uint32_t begin = token().begin;
  if (accept(Tok::KwEvery)) {
    c->kind = ClockExpr::Kind::Every;
    c->period = parsePostfix();
    if (acceptWord("at")) c->phase = parsePostfix();
  } else if (accept(Tok::KwNot)) {
    c->kind = ClockExpr::Kind::WhenNot;
    c->condition = parsePostfix();
  } else {
    c->condition = parsePostfix();
    if (accept(Tok::Eq)) {
      c->kind = ClockExpr::Kind::WhenIs;
      if (!at(Tok::Identifier)) {
        if (Diagnostic *e = unexpected("the name of a constructor after `==` in a clock"))
          e->helps = {"put another condition in parentheses: `when (n == 3)`"};
      }
      c->constructor = parseConstructor();
    }
  }
  c->span = spanFrom(begin);
  return c;
}

std::vector<StaticArg> Parser::parseStaticArgs() {
  Level level(*this);
  Scoped<bool> free(noStruct, false), inside(inStaticArgs, true);
  std::vector<StaticArg> args;
  size_t open = pos;
  advance();
  do args.push_back(parseStaticArg());
  while (accept(Tok::Comma));
  if (accept(Tok::RStatic)) return args;
  if (Diagnostic *e = unexpected("`>>` or `,` in these static arguments")) {
    e->labels.push_back({span(tokens[open]), "to close this", false});
    e->notes = {"`<<` opens static arguments; the shifts are functions: `shl(a, n)`, `shr(a, n)`"};
  }
  return args;
}

StaticArg Parser::parseStaticArg() {
  StaticArg arg;
  uint32_t begin = token().begin;
  if (at(Tok::Identifier, Tok::Assign)) {
    arg.name = expectName("");
    advance();
  }
  size_t open = pos;
  if (accept(Tok::LBracket)) {
    arg.isShape = true;
    Scoped<bool> plain(inStaticArgs, false);
    if (!at(Tok::RBracket)) do
        arg.shape.push_back(parseAdd());
      while (accept(Tok::Comma));
    expectClose(Tok::RBracket, open, "or `,` in this shape");
  } else {
    arg.value = parseAdd();
  }
  arg.span = spanFrom(begin);
  return arg;
}

} // namespace mlr::ast
