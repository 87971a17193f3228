#include "mlr/Ast/FormatImpl.h"

namespace mlr::ast {

// ---- blocks ----------------------------------------------------------------------------------------------

/// ` { .. }` behind a head. A block that the author wrote on one line stays there if it fits.
void Formatter::block(const Block &b, const Arm *state) {
  space();
  if (blockOnOneLine(b, state)) return;
  token(Tok::LBrace);
  bool empty = b.stmts.empty() && nextIs(Tok::RBrace) && !hasComment();
  if (empty) return token(Tok::RBrace);
  flushLine();
  indent += 2;
  blockItems(b, state, false);
  closeLines();
}

static bool isSimple(const Stmt &s) {
  switch (s.kind) {
  case StmtKind::Equation:
  case StmtKind::Stacked:
  case StmtKind::Last:
  case StmtKind::Assert:
  case StmtKind::Assume:
  case StmtKind::Guarantee: return true;
  default: return false;
  }
}

bool Formatter::blockOnOneLine(const Block &b, const Arm *state) {
  std::string_view written = textOf(b.span);
  if (written.size() > 2 * lineWidth || written.find('\n') != std::string_view::npos) return false;
  if (nextComment < comments.size() && comments[nextComment].span.begin < b.span.end) return false;
  if (!std::all_of(b.stmts.begin(), b.stmts.end(), [](const auto &s) { return isSimple(*s); })) return false;
  size_t items = line.size(), start = pos;
  uint32_t end = lastEnd;
  token(Tok::LBrace);
  bool empty = nextIs(Tok::RBrace);
  if (!empty) blockItems(b, state, true), space();
  token(Tok::RBrace);
  size_t lineStart = out.rfind('\n');
  size_t column = out.size() - (lineStart == std::string::npos ? 0 : lineStart + 1);
  if (failed || static_cast<int>(column) + line.flatWidth() <= lineWidth) {
    line.flatten(items);
    return true;
  }
  line.truncate(items);
  pos = start;
  lastEnd = end;
  return false;
}

/// The statements, and transitions of a state, in the order in which they were written.
void Formatter::blockItems(const Block &b, const Arm *state, bool oneLine) {
  size_t stmts = 0, unless = 0, until = 0;
  bool first = true;
  while (!failed && !nextIs(Tok::RBrace)) {
    if (oneLine) space();
    else startLine(!first);
    first = false;
    bool isStmt = stmts < b.stmts.size() && b.stmts[stmts]->span.begin == next().begin;
    if (isStmt) stmt(*b.stmts[stmts++]);
    else if (state && nextIs(Tok::KwUnless)) transitions(state->unless, unless);
    else if (state) transitions(state->until, until);
    else failed = true;
    if (!oneLine) flushLine();
  }
}

/// One `until ..;` with its alternatives; moves `at` over them.
void Formatter::transitions(const std::vector<Transition> &list, size_t &at) {
  any(), space();
  line.begin();
  for (bool first = true; at < list.size() && !failed; first = false) {
    if (!first) line.line(), token(Tok::Bar), space();
    expr(*list[at].condition);
    line.line(), any(), space(), token(Tok::Identifier);
    ++at;
    if (!nextIs(Tok::Bar)) break;
  }
  line.end();
  token(Tok::Semicolon);
}

// ---- statements ------------------------------------------------------------------------------------------

void Formatter::stmt(const Stmt &s) {
  for (const Annotation &a : s.annotations) annotation(a), space();
  switch (s.kind) {
  case StmtKind::Equation:
  case StmtKind::Stacked:
  case StmtKind::Last: return equation(s);
  case StmtKind::Scan: return scan(s);
  case StmtKind::When:
    token(Tok::KwWhen), space();
    clock(*s.clock);
    return block(s.body);
  case StmtKind::If: return ifStmt(s);
  case StmtKind::Match: return match(s);
  case StmtKind::Automaton: return automaton(s);
  case StmtKind::Reset:
    token(Tok::KwReset);
    block(s.body);
    space(), token(Tok::KwEvery), space();
    break;
  case StmtKind::Assert:
  case StmtKind::Assume:
  case StmtKind::Guarantee: any(), space(); break;
  }
  line.begin();
  optional(s.condition);
  line.end();
  token(Tok::Semicolon);
}

void Formatter::equation(const Stmt &s) {
  if (s.kind == StmtKind::Last) any(), space();
  if (s.tupleTargets) token(Tok::LParen), line.begin();
  for (size_t i = 0; i < s.targets.size(); ++i) {
    if (i > 0) token(Tok::Comma), line.line();
    token(Tok::Identifier);
  }
  if (s.tupleTargets) line.end(), token(Tok::RParen);
  if (s.kind == StmtKind::Stacked) token(Tok::LBracket), token(Tok::Identifier), token(Tok::RBracket);
  if (s.type) token(Tok::Colon), space(), type(*s.type);
  if (s.clock) space(), clock(*s.clock);
  space(), token(Tok::Assign), space();
  line.begin();
  optional(s.value);
  line.end();
  token(Tok::Semicolon);
}

void Formatter::annotation(const Annotation &a) {
  token(Tok::At), token(Tok::Identifier);
  if (!a.value) return;
  token(Tok::LParen);
  expr(*a.value);
  if (!a.unit.text.empty()) {
    if (lastEnd < next().begin) space(); // 64K, or 64 K as it was written
    token(Tok::Identifier);
  }
  token(Tok::RParen);
}

void Formatter::scan(const Stmt &s) {
  token(Tok::KwScan), space(), token(Tok::Identifier), space(), token(Tok::Lt), space();
  line.begin();
  optional(s.bound);
  if (s.resume) line.line(), any();
  if (s.condition) line.line(), any(), space(), expr(*s.condition);
  line.end();
  block(s.body);
}

void Formatter::ifStmt(const Stmt &s) {
  token(Tok::KwIf), space();
  line.begin();
  optional(s.condition);
  line.end();
  block(s.body);
  if (!s.hasOther) return;
  if (hasComment()) flushLine(), startLine(false);
  else space();
  token(Tok::KwElse);
  if (!nextIs(Tok::KwIf)) return block(s.other);
  space();
  if (s.other.stmts.empty()) failed = true;
  else ifStmt(*s.other.stmts[0]);
}

void Formatter::match(const Stmt &s) {
  token(Tok::KwMatch), space();
  optional(s.condition);
  space(), token(Tok::LBrace);
  flushLine();
  indent += 2;
  bool first = true;
  for (const Arm &arm : s.arms) {
    if (failed) break;
    startLine(!first);
    first = false;
    qualifiedName();
    token(Tok::Colon);
    block(arm.body);
    flushLine();
  }
  closeLines();
}

void Formatter::automaton(const Stmt &s) {
  token(Tok::KwAutomaton), space(), token(Tok::LBrace);
  flushLine();
  indent += 2;
  bool first = true;
  for (const Arm &state : s.arms) {
    if (failed) break;
    startLine(!first);
    first = false;
    any(), space(), token(Tok::Identifier);
    block(state.body, &state);
    flushLine();
  }
  closeLines();
}

} // namespace mlr::ast
