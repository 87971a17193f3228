#include "mlr/Ast/ParserImpl.h"

namespace mlr::ast {

/// An expression in the head of a block, where a name followed by `{` is no struct literal.
ExprPtr Parser::parseHeadExpr() {
  Scoped<bool> restricted(noStruct, true);
  return parseExpr();
}

Block Parser::parseBlock(std::string_view of) {
  Level level(*this);
  Scoped<bool> free(noStruct, false);
  Block block;
  uint32_t begin = token().begin;
  size_t open = pos;
  if (!expect(Tok::LBrace, "and " + std::string(of))) return block;
  parseStatements(block, open);
  closeBlock(open, of);
  block.span = spanFrom(begin);
  return block;
}

/// Up to the `}` of the block, a declaration or the end of the file.
void Parser::parseStatements(Block &block, size_t open) {
  while (!atEnd() && !at(Tok::RBrace) && !startsDeclaration(token().kind)) {
    size_t start = pos;
    auto s = parseStmt();
    if (panic) skipStatement();
    else block.stmts.push_back(std::move(s));
    if (pos == start) advance();
  }
}

/// Columns before the first token of the line of token `i`; -1 on a line too long to look at.
int Parser::indentation(size_t i) const {
  for (size_t steps = 0; !tokens[i].firstOnLine; --i)
    if (i == 0 || ++steps > 100) return -1;
  uint32_t begin = tokens[i].begin;
  while (begin > 0 && source[begin - 1] != '\n') --begin;
  return static_cast<int>(tokens[i].begin - begin);
}

bool Parser::closeBlock(size_t open, std::string_view of) {
  size_t close = pos;
  if (accept(Tok::RBrace)) {
    bool aligned = !tokens[close].firstOnLine || indentation(open) == indentation(close);
    if (!aligned && suspect == 0) suspect = open;
    return true;
  }
  Diagnostic *e = unexpected("`}` after " + std::string(of));
  if (!e) return false;
  e->labels.push_back({span(tokens[open]), "this `{` is not closed", false});
  if (suspect != 0)
    e->labels.push_back(
        {span(tokens[suspect]), "perhaps because this one took its `}`: they are not aligned", false});
  return false;
}

std::unique_ptr<Stmt> Parser::parseStmt() {
  auto s = std::make_unique<Stmt>();
  uint32_t begin = token().begin;
  while (at(Tok::At)) s->annotations.push_back(parseAnnotation());
  parseStmtKind(*s);
  s->span = spanFrom(begin);
  return s;
}

void Parser::parseStmtKind(Stmt &s) {
  switch (token().kind) {
  case Tok::Identifier: return parseEquation(s);
  case Tok::LParen: return parseTupleEquation(s);
  case Tok::KwScan: return parseScan(s);
  default: break;
  }
  if (!s.annotations.empty()) {
    unexpected("an equation or a scan after this annotation");
    return;
  }
  switch (token().kind) {
  case Tok::KwLast:
    s.kind = StmtKind::Last;
    advance();
    s.targets.push_back(expectName("a name after `last`"));
    expect(Tok::Assign, "after this name");
    return parseValue(s);
  case Tok::KwWhen:
    s.kind = StmtKind::When;
    advance();
    s.clock = parseWhenCondition(true);
    if (panic && !skipToBody()) return;
    s.body = parseBlock("the equations of this `when`");
    return;
  case Tok::KwIf: return parseIf(s);
  case Tok::KwMatch: return parseMatch(s);
  case Tok::KwReset:
    s.kind = StmtKind::Reset;
    advance();
    s.body = parseBlock("the equations of this `reset`");
    expect(Tok::KwEvery, "after the block of `reset`");
    s.condition = parseExpr();
    expect(Tok::Semicolon, "after this `reset`");
    return;
  case Tok::KwAutomaton: return parseAutomaton(s);
  case Tok::KwAssert:
  case Tok::KwAssume:
  case Tok::KwGuarantee:
    s.kind = at(Tok::KwAssert)   ? StmtKind::Assert
             : at(Tok::KwAssume) ? StmtKind::Assume
                                 : StmtKind::Guarantee;
    advance();
    s.condition = parseExpr();
    expect(Tok::Semicolon, "after this condition");
    return;
  default: break;
  }
  Diagnostic *e = unexpected("an equation");
  if (e && token().kind == Tok::KwElse) e->notes = {"an `else` follows the `}` of its `if`"};
  else if (e && token().kind == Tok::KwFor)
    e->helps = {"iterate with `scan i < N { .. }`, or build a tensor: `y = [x[i] * 2 for i < N];`"};
  else if (e && isKeyword(token().kind)) e->labels[0].text = "this word is a keyword and cannot be a name";
}

/// ID [ ":" type [clock] ] "=" expr ";"  |  ID "[" ID "]" "=" expr ";"
void Parser::parseEquation(Stmt &s) {
  s.targets.push_back(expectName("a name"));
  size_t open = pos;
  if (accept(Tok::LBracket)) {
    s.kind = StmtKind::Stacked;
    s.index = expectName("the index of the scan in a stacked result");
    if (!panic && !at(Tok::RBracket)) {
      if (Diagnostic *e = unexpected("`]` after the index of the scan"))
        e->notes = {
            "`y[t] = e` stacks the values of e along the scan over t; to rearrange, index on the right side"};
    }
    expectClose(Tok::RBracket, open, "");
  } else if (accept(Tok::Colon)) {
    if (at(Tok::Assign)) {
      if (Diagnostic *e = unexpected("a type after `:`")) e->helps = {s.targets[0].text + " = ..;"};
    }
    s.type = parseType();
    s.clock = parseClockOpt();
  }
  if (at(Tok::Comma)) {
    if (Diagnostic *e = unexpected("`=` after this name")) e->helps = {"(a, b) = ..;"};
  }
  if (!panic && (token(1).kind == Tok::Assign && !token(1).firstOnLine) && token().kind != Tok::Assign) {
    std::string op(text(token()));
    if (op == "+" || op == "-" || op == "*" || op == "/") {
      if (Diagnostic *e = unexpected("`=` after the name that this equation defines"))
        e->notes = {"an equation defines its variable once; the previous value is `pre x`"};
    }
  }
  if (!panic && at(Tok::Eq)) {
    unexpected("`=` in an equation");
    return;
  }
  expect(Tok::Assign, "after the name that this equation defines");
  parseValue(s);
}

void Parser::parseTupleEquation(Stmt &s) {
  size_t open = pos;
  advance();
  s.tupleTargets = true;
  do s.targets.push_back(expectName("a name in this tuple of variables"));
  while (accept(Tok::Comma));
  expectClose(Tok::RParen, open, "or `,` in this tuple of variables");
  expect(Tok::Assign, "after this tuple of variables");
  parseValue(s);
}

void Parser::parseValue(Stmt &s) {
  s.value = parseExpr();
  if (at(Tok::Semicolon)) return advance();
  if (panic) return;
  if (at(Tok::Assign)) {
    if (Diagnostic *e = unexpected("`;` after this equation")) e->helps = {"equality is written `==`"};
    return;
  }
  expect(Tok::Semicolon, "after this equation");
}

void Parser::parseScan(Stmt &s) {
  s.kind = StmtKind::Scan;
  advance();
  s.index = expectName("the index of the scan");
  expect(Tok::Lt, "and the number of instants after the index of the scan");
  {
    Scoped<bool> restricted(noStruct, true);
    s.bound = parseAdd();
  }
  s.resume = acceptWord("resume");
  if (acceptWord("until")) s.condition = parseHeadExpr();
  if (panic && !skipToBody()) return;
  s.body = parseBlock("the equations of this scan");
}

void Parser::parseIf(Stmt &s) {
  Level level(*this);
  s.kind = StmtKind::If;
  advance();
  s.condition = parseHeadExpr();
  if (at(Tok::KwThen)) {
    if (Diagnostic *e = unexpected("`{` and equations after the condition of this `if`"))
      e->notes = {"a statement is `if c { .. } else { .. }`; `if c then a else b` is an expression"};
  }
  if (panic && !skipToBody()) return;
  s.body = parseBlock("the equations of this `if`");
  if (!accept(Tok::KwElse)) return;
  s.hasOther = true;
  if (!at(Tok::KwIf)) {
    s.other = parseBlock("the equations of this `else`");
    return;
  }
  s.other.stmts.push_back(std::make_unique<Stmt>());
  Stmt &nested = *s.other.stmts.back();
  uint32_t begin = token().begin;
  parseIf(nested);
  nested.span = s.other.span = spanFrom(begin);
}

void Parser::parseMatch(Stmt &s) {
  Level level(*this);
  s.kind = StmtKind::Match;
  advance();
  s.condition = parseHeadExpr();
  if (panic && !skipToBody()) return;
  size_t open = pos;
  if (!expect(Tok::LBrace, "and the arms of this `match`")) return;
  while (!atEnd() && !at(Tok::RBrace)) {
    Arm arm;
    uint32_t begin = token().begin;
    arm.name = parseConstructor();
    expect(Tok::Colon, "after the name of a constructor");
    arm.body = parseBlock("the equations of this arm");
    arm.span = spanFrom(begin);
    s.arms.push_back(std::move(arm));
  }
  closeBlock(open, "the arms of this `match`");
}

void Parser::parseAutomaton(Stmt &s) {
  Level level(*this);
  s.kind = StmtKind::Automaton;
  advance();
  size_t open = pos;
  if (!expect(Tok::LBrace, "and the states of this automaton")) return;
  while (!atEnd() && !at(Tok::RBrace)) {
    if (!atWord("state")) {
      unexpected("`state` in this automaton");
      break;
    }
    s.arms.push_back(parseState());
  }
  closeBlock(open, "the states of this automaton");
}

Arm Parser::parseState() {
  Arm state;
  uint32_t begin = token().begin;
  advance();
  state.name = expectName("the name of a state");
  uint32_t bodyBegin = token().begin;
  size_t open = pos;
  if (!expect(Tok::LBrace, "and the equations of this state")) return state;
  while (!atEnd() && !at(Tok::RBrace) && !startsDeclaration(token().kind)) {
    size_t start = pos;
    std::unique_ptr<Stmt> s;
    if (atTransition()) parseTransitions(state);
    else s = parseStmt();
    if (panic) skipStatement();
    else if (s) state.body.stmts.push_back(std::move(s));
    if (pos == start) advance();
  }
  closeBlock(open, "the equations of this state");
  state.body.span = spanFrom(bodyBegin);
  state.span = spanFrom(begin);
  return state;
}

/// `unless`, or the word `until` where it does not start an equation.
bool Parser::atTransition() const {
  if (at(Tok::KwUnless)) return true;
  Tok next = token(1).kind;
  return atWord("until") && next != Tok::Assign && next != Tok::Colon;
}

void Parser::parseTransitions(Arm &state) {
  auto &list = at(Tok::KwUnless) ? state.unless : state.until;
  advance();
  do {
    Transition t;
    t.condition = parseHeadExpr();
    t.resume = accept(Tok::KwContinue);
    if (!t.resume) expect(Tok::KwThen, "or `continue` and a state after this condition");
    t.target = expectName("the name of a state");
    list.push_back(std::move(t));
  } while (accept(Tok::Bar));
  expect(Tok::Semicolon, "after this transition");
}

/// The parentheses that begin here stand on the left of an equation: `@spread (a, b) = ..`.
bool Parser::isTupleOfTargets() const {
  size_t i = 1;
  for (; token(i).kind == Tok::Identifier; ++i)
    if (token(++i).kind != Tok::Comma) break;
  return token(i).kind == Tok::RParen && token(i + 1).kind == Tok::Assign;
}

/// "@" ID [ "(" add [ID] ")" ]
Annotation Parser::parseAnnotation() {
  Annotation a;
  uint32_t begin = token().begin;
  advance();
  a.name = expectName("the name of an annotation after `@`");
  size_t open = pos;
  if (at(Tok::LParen) && !isTupleOfTargets()) {
    advance();
    bool unit = at(Tok::Number, Tok::Identifier);
    a.value = unit ? parseLiteral() : parseAdd();
    if (unit) a.unit = expectName("");
    expectClose(Tok::RParen, open, "after the value of this annotation");
  }
  a.span = spanFrom(begin);
  return a;
}

} // namespace mlr::ast
