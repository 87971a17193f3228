// Operators, by precedence climbing: one loop, so that a level of parentheses costs few stack frames.
#include "mlr/Ast/ParserImpl.h"

namespace mlr::ast {

namespace {

struct Infix {
  Op op = Op::None;
  int precedence = -1; // -1: no infix operator
};

} // namespace

ExprPtr Parser::make(ExprKind kind, uint32_t begin) const {
  auto e = std::make_unique<Expr>();
  e->kind = kind;
  e->span = spanFrom(begin);
  return e;
}

ExprPtr Parser::finish(ExprPtr &&e, uint32_t begin) const {
  e->span = spanFrom(begin);
  return std::move(e);
}

static Infix infix(Tok kind, int compare, int add, int mul) {
  switch (kind) {
  case Tok::Arrow: return {Op::Arrow, 0};
  case Tok::KwFby: return {Op::Fby, 1};
  case Tok::KwEby: return {Op::Eby, 1};
  case Tok::KwWhen: return {Op::None, 2};
  case Tok::KwOr: return {Op::Or, 3};
  case Tok::KwAnd: return {Op::And, 4};
  case Tok::Lt: return {Op::Lt, compare};
  case Tok::Gt: return {Op::Gt, compare};
  case Tok::Le: return {Op::Le, compare};
  case Tok::Ge: return {Op::Ge, compare};
  case Tok::Eq: return {Op::Eq, compare};
  case Tok::Ne: return {Op::Ne, compare};
  case Tok::Plus: return {Op::Add, add};
  case Tok::Minus: return {Op::Sub, add};
  case Tok::Star: return {Op::Mul, mul};
  case Tok::Slash: return {Op::Div, mul};
  case Tok::Percent: return {Op::Rem, mul};
  case Tok::At: return {Op::MatMul, mul};
  default: return {};
  }
}

ExprPtr Parser::parseLevel(int minimum) {
  int siblings = height;
  height = 0;
  uint32_t begin = token().begin;
  ExprPtr e = parseOperators(parseOperand(minimum), minimum, begin);
  height = std::max(height, siblings);
  return e;
}

ExprPtr Parser::parseOperand(int minimum) {
  if (!at(Tok::KwNot)) return parseUnary();
  const Token &op = token();
  if (minimum > PNot) {
    if (Diagnostic *e =
            error(span(op), "`not` binds weaker than the operator before it", "needs parentheses"))
      e->helps = {"write `(not ..)`"};
    return make(ExprKind::Bool, op.begin);
  }
  Level level(*this);
  advance();
  ExprPtr e = make(ExprKind::Unary, op.begin);
  e->op = Op::Not;
  e->nameSpan = span(op);
  e->args.push_back(parseLevel(PNot));
  return finish(std::move(e), op.begin);
}

ExprPtr Parser::parseOperators(ExprPtr left, int minimum, uint32_t begin) {
  while (!panic) {
    Infix next = infix(token().kind, PCompare, PAdd, PMul);
    if (next.precedence < minimum) break;
    left = next.precedence == PWhen ? parseWhenSuffix(std::move(left), begin)
                                    : parseBinary(std::move(left), begin);
    ++height;
    if (depth + height > maxDepth) tooDeep();
  }
  return left;
}

ExprPtr Parser::parseBinary(ExprPtr left, uint32_t begin) {
  const Token op = token();
  Infix found = infix(op.kind, PCompare, PAdd, PMul);
  ExprPtr e = make(ExprKind::Binary, begin);
  e->op = found.op;
  e->nameSpan = span(op);
  e->args.reserve(2);
  e->args.push_back(std::move(left));
  advance();
  bool right = found.op == Op::Arrow || found.op == Op::Fby;
  int leftHeight = height;
  {
    Level level(*this);
    e->args.push_back(parseLevel(right ? found.precedence : found.precedence + 1));
  }
  height = std::max(leftHeight, height - 1); // the caller adds the level of this operator to both
  checkOperands(*e, op);
  return finish(std::move(e), begin);
}

static bool isComparison(Op op) { return op >= Op::Lt && op <= Op::Ne; }

/// What the grammar leaves out on purpose: a < b < c, and fby beside eby.
bool Parser::checkOperands(const Expr &e, const Token &op) {
  auto bare = [&](size_t i, auto matches) {
    const Expr &a = *e.args[i];
    return a.kind == ExprKind::Binary && !a.parenthesised && matches(a.op);
  };
  if (isComparison(e.op) && bare(0, isComparison)) {
    Diagnostic *d = error(span(op), "comparisons do not chain", "a second comparison");
    if (!d) return false;
    const Expr &first = *e.args[0];
    d->labels.push_back({first.nameSpan, "the first", false});
    d->helps = {"compare twice: " + written(first) + " and " + written(*first.args[1]) + " " +
                spelling(e.op) + " " + written(*e.args[1])};
    return false;
  }
  Op other = e.op == Op::Fby ? Op::Eby : Op::Fby;
  auto isOther = [&](Op o) { return o == other; };
  size_t mixed = bare(0, isOther) ? 0 : 1;
  if ((e.op != Op::Fby && e.op != Op::Eby) || !bare(mixed, isOther)) return true;
  Diagnostic *d =
      error(span(op), "`fby` and `eby` beside each other need parentheses", "which one comes first?");
  if (!d) return false;
  const Expr &inner = *e.args[mixed];
  d->labels.push_back({inner.nameSpan, "beside this", false});
  std::string a = written(mixed == 0 ? *inner.args[0] : *e.args[0]),
              c = written(mixed == 0 ? *e.args[1] : *inner.args[1]);
  std::string b = written(mixed == 0 ? *inner.args[1] : *inner.args[0]);
  std::string left = std::string(" ") + spelling(mixed == 0 ? inner.op : e.op) + " ";
  std::string right = std::string(" ") + spelling(mixed == 0 ? e.op : inner.op) + " ";
  d->helps = {"either  (" + a + left + b + ")" + right + c,
              "or      " + a + left + "(" + b + right + c + ")"};
  return false;
}

/// The text of an expression for a message; dots when it is long.
std::string Parser::written(const Expr &e) const {
  std::string_view all = source.substr(e.span.begin, e.span.end - e.span.begin);
  std::string out = all.size() > 40 || all.find('\n') != std::string_view::npos ? ".." : std::string(all);
  return e.parenthesised ? "(" + out + ")" : out;
}

ExprPtr Parser::parseWhenSuffix(ExprPtr left, uint32_t begin) {
  ExprPtr e = make(ExprKind::When, begin);
  e->nameSpan = span(token());
  advance();
  e->args.push_back(std::move(left));
  int leftHeight = height;
  e->clock = parseWhenCondition(noStruct);
  height = std::max(leftHeight, height - 1);
  if (!panic && infix(token().kind, PCompare, PAdd, PMul).precedence > PWhen)
    if (Diagnostic *d = error(span(token()), "the condition of `when` ends before " + describe(token()),
                              "needs parentheses")) {
      d->labels.push_back({e->clock->span, "the condition", false});
      std::string_view condition =
          source.substr(e->clock->span.begin, e->clock->span.end - e->clock->span.begin);
      if (condition.size() <= 40)
        d->helps = {"write `when (" + std::string(condition) + " " + std::string(text(token())) + " ..)`"};
    }
  return finish(std::move(e), begin);
}

ExprPtr Parser::parseUnary() {
  switch (panic ? Tok::End : token().kind) {
  case Tok::Minus: return parsePrefix(Op::Neg);
  case Tok::KwPre: return parsePrefix(Op::Pre);
  case Tok::KwFinal: return parsePrefix(Op::Final);
  case Tok::KwInitial: return parsePrefix(Op::Initial);
  case Tok::KwIf: return parseIfExpr();
  case Tok::KwLast: {
    ExprPtr e = make(ExprKind::Unary, token().begin);
    e->op = Op::Last;
    e->nameSpan = span(token());
    advance();
    e->text = expectName("a name after `last`").text;
    uint32_t begin = e->nameSpan.begin;
    return parseSuffixes(finish(std::move(e), begin), begin);
  }
  default: return parsePostfix();
  }
}

ExprPtr Parser::parsePrefix(Op op) {
  Level level(*this);
  ExprPtr e = make(ExprKind::Unary, token().begin);
  e->op = op;
  e->nameSpan = span(token());
  advance();
  if (at(Tok::KwNot)) e->args.push_back(parseOperand(PUnary)); // reports the missing parentheses
  else e->args.push_back(parseUnary());
  return finish(std::move(e), e->nameSpan.begin);
}

ExprPtr Parser::parseIfExpr() {
  Level level(*this);
  ExprPtr e = make(ExprKind::If, token().begin);
  e->nameSpan = span(token());
  advance();
  e->args.push_back(parseExpr());
  if (at(Tok::LBrace)) {
    if (Diagnostic *d = unexpected("`then` after the condition of this `if`"))
      d->notes = {"in an expression both values are written: `if c then a else b`"};
  }
  if (at(Tok::Assign)) {
    if (Diagnostic *d = unexpected("`then` after the condition of this `if`"))
      d->helps = {"equality is written `==`"};
  }
  expect(Tok::KwThen, "after the condition of this `if`");
  e->args.push_back(parseExpr());
  if (!panic && !at(Tok::KwElse)) {
    if (Diagnostic *d = unexpected("`else` in this `if` expression")) {
      d->labels.push_back({e->nameSpan, "the `if`", false});
      d->notes = {"an expression has a value at each instant, so `if c then a else b` needs both"};
    }
  }
  expect(Tok::KwElse, "in this `if` expression");
  e->args.push_back(parseExpr());
  return finish(std::move(e), e->nameSpan.begin);
}

} // namespace mlr::ast
