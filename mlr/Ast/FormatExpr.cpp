#include "mlr/Ast/FormatImpl.h"

namespace mlr::ast {

// ---- types and clocks ------------------------------------------------------------------------------------

void Formatter::type(const TypeExpr &t) {
  size_t parentheses = 0; // around a single type they say nothing
  for (; nextIs(Tok::LParen) && next().begin < t.span.begin; ++parentheses) skip(Tok::LParen);
  if (!t.tuple.empty()) {
    typeList(t.tuple);
  } else {
    qualifiedName();
    if (!t.args.empty()) staticArgs(t.args);
    if (t.hasDims) {
      token(Tok::LBracket);
      separated(t.dims);
      token(Tok::RBracket);
    }
  }
  while (parentheses-- > 0) skip(Tok::RParen);
}

void Formatter::qualifiedName() {
  token(Tok::Identifier);
  while (nextIs(Tok::Dot) && !failed) any(), token(Tok::Identifier);
}

void Formatter::staticArgs(const std::vector<StaticArg> &args) {
  token(Tok::LStatic);
  line.begin();
  for (size_t i = 0; i < args.size(); ++i) {
    if (i > 0) token(Tok::Comma), line.line();
    if (!args[i].name.text.empty()) token(Tok::Identifier), space(), token(Tok::Assign), space();
    if (args[i].isShape) {
      token(Tok::LBracket);
      separated(args[i].shape);
      token(Tok::RBracket);
    } else {
      optional(args[i].value);
    }
  }
  line.end();
  token(Tok::RStatic);
}

/// With the `when` before it in a signature or a typed equation; the statement and the operator print their
/// own.
void Formatter::clock(const ClockExpr &c) {
  if (nextIs(Tok::KwWhen)) any(), space();
  if (c.kind == ClockExpr::Kind::Every) {
    token(Tok::KwEvery), space();
    optional(c.period);
    if (c.phase) space(), any(), space(), expr(*c.phase);
    return;
  }
  if (c.kind == ClockExpr::Kind::WhenNot) token(Tok::KwNot), space();
  optional(c.condition);
  if (c.kind == ClockExpr::Kind::WhenIs) space(), token(Tok::Eq), space(), qualifiedName();
}

// ---- expressions -----------------------------------------------------------------------------------------

void Formatter::expr(const Expr &e) {
  size_t parentheses = 0; // ((a)) is written (a)
  if (e.parenthesised)
    while (tokens[std::min(pos + parentheses, tokens.size() - 1)].kind == Tok::LParen &&
           tokens[pos + parentheses].begin < e.span.begin)
      ++parentheses;
  for (size_t i = 1; i < parentheses; ++i) skip(Tok::LParen);
  if (parentheses > 0) token(Tok::LParen), line.begin();
  bare(e);
  if (parentheses > 0) line.end(), token(Tok::RParen);
  for (size_t i = 1; i < parentheses; ++i) skip(Tok::RParen);
}

void Formatter::bare(const Expr &e) {
  switch (e.kind) {
  case ExprKind::Number:
  case ExprKind::String:
  case ExprKind::Bool: return any();
  case ExprKind::Name:
    if (e.statics.empty()) return token(Tok::Identifier);
    qualifiedName();
    return staticArgs(e.statics);
  case ExprKind::Tuple:
    token(Tok::LParen);
    separated(e.args);
    return token(Tok::RParen);
  case ExprKind::List:
  case ExprKind::Comprehension: return list(e);
  case ExprKind::Call:
  case ExprKind::Reduce: return call(e);
  case ExprKind::Field:
    expr(*e.args[0]);
    token(Tok::Dot);
    return token(Tok::Identifier);
  case ExprKind::Index: return indexing(e);
  case ExprKind::StructLiteral:
  case ExprKind::StructUpdate:
  case ExprKind::MergeEnum: return braced(e);
  case ExprKind::Unary: return unary(e);
  case ExprKind::Binary:
  case ExprKind::When:
    line.begin();
    chain(e);
    return line.end();
  case ExprKind::If: return ifExpr(e);
  case ExprKind::MergeBool:
    token(Tok::KwMerge), token(Tok::LParen);
    separated(e.args);
    return token(Tok::RParen);
  }
}

/// e, e, ..
void Formatter::separated(const std::vector<ExprPtr> &list) {
  line.begin();
  for (size_t i = 0; i < list.size(); ++i) {
    if (i > 0) token(Tok::Comma), line.line();
    expr(*list[i]);
  }
  line.end();
}

void Formatter::unary(const Expr &e) {
  any();
  if (e.op == Op::Last) return space(), token(Tok::Identifier);
  if (e.op != Op::Neg) space();
  expr(*e.args[0]);
}

/// Operators of one precedence share a group: when they do not fit, each can start a line.
static int tightness(const Expr &e) {
  if (e.kind == ExprKind::When) return 2;
  if (e.kind != ExprKind::Binary) return -1;
  switch (e.op) {
  case Op::Arrow: return 0;
  case Op::Fby:
  case Op::Eby: return 1;
  case Op::Or: return 3;
  case Op::And: return 4;
  case Op::Add:
  case Op::Sub: return 6;
  case Op::Mul:
  case Op::Div:
  case Op::Rem:
  case Op::MatMul: return 7;
  default: return 5;
  }
}

void Formatter::chain(const Expr &e) {
  auto operand = [&](const Expr &a) {
    if (!a.parenthesised && tightness(a) == tightness(e)) chain(a);
    else expr(a);
  };
  operand(*e.args[0]);
  line.line();
  any(), space();
  if (e.kind == ExprKind::When) clock(*e.clock);
  else operand(*e.args[1]);
}

void Formatter::ifExpr(const Expr &e) {
  line.begin();
  any(), space();
  expr(*e.args[0]);
  for (size_t i = 1; i < 3; ++i) line.line(), any(), space(), expr(*e.args[i]);
  line.end();
}

void Formatter::call(const Expr &e) {
  qualifiedName();
  if (!e.statics.empty()) staticArgs(e.statics);
  token(Tok::LParen);
  line.begin();
  for (size_t i = 0; i < e.args.size(); ++i) {
    if (i > 0) token(Tok::Comma), line.line();
    if (i < e.argNames.size() && !e.argNames[i].text.empty()) any(), space(), token(Tok::Assign), space();
    expr(*e.args[i]);
  }
  fors(e);
  line.end();
  token(Tok::RParen);
  if (e.every) space(), token(Tok::KwEvery), space(), expr(*e.every);
}

void Formatter::list(const Expr &e) {
  token(Tok::LBracket);
  line.begin();
  for (size_t i = 0; i < e.args.size(); ++i) {
    if (i > 0) token(Tok::Comma), line.line();
    expr(*e.args[i]);
  }
  if (e.kind == ExprKind::List) dropComma();
  fors(e);
  line.end();
  token(Tok::RBracket);
}

void Formatter::fors(const Expr &e) {
  if (e.fors.empty()) return;
  line.line(), token(Tok::KwFor), space();
  for (size_t i = 0; i < e.fors.size(); ++i) {
    if (i > 0) token(Tok::Comma), line.line();
    token(Tok::Identifier), space(), token(Tok::Lt), space();
    expr(*e.fors[i].bound);
  }
}

void Formatter::indexing(const Expr &e) {
  expr(*e.args[0]);
  token(Tok::LBracket);
  line.begin();
  for (size_t i = 0; i < e.indices.size(); ++i) {
    const Index &index = e.indices[i];
    if (i > 0) token(Tok::Comma), line.line();
    optional(index.a);
    if (index.kind == Index::Kind::At) continue;
    // `2. .. 5` and `2 .. .5` would be read otherwise without their spaces.
    std::string_view before = pos > 0 ? text(tokens[pos - 1]) : "",
                     after = text(tokens[std::min(pos + 1, tokens.size() - 1)]);
    bool apart = index.kind == Index::Kind::Slide || (index.a && before.back() == '.') ||
                 (index.b && after.front() == '.');
    if (apart && index.a) space();
    any();
    if (apart) space();
    optional(index.b);
  }
  line.end();
  token(Tok::RBracket);
}

/// Dense { w = a }, { p with b = c }, merge m { A: a }
void Formatter::braced(const Expr &e) {
  bool literal = e.kind == ExprKind::StructLiteral;
  if (literal) {
    qualifiedName();
    if (!e.statics.empty()) staticArgs(e.statics);
    space();
  } else if (e.kind == ExprKind::MergeEnum) {
    token(Tok::KwMerge), space();
    expr(*e.args[0]);
    space();
  }
  token(Tok::LBrace), space();
  line.begin();
  if (e.kind == ExprKind::StructUpdate) expr(*e.args[0]), line.line(), any(), space();
  for (size_t i = literal ? 0 : 1; i < e.args.size(); ++i) {
    if (i > (literal ? 0u : 1u)) token(Tok::Comma), line.line();
    qualifiedName();
    if (e.kind != ExprKind::MergeEnum) space();
    any(), space(); // = or :
    expr(*e.args[i]);
  }
  dropComma();
  line.end();
  space(), token(Tok::RBrace);
}

} // namespace mlr::ast
