#include "mlr/Check/AstBuild.h"

namespace mlr::checking {

using ast::ExprPtr;

static ExprPtr copy(const ExprPtr &e) { return e ? copyOf(*e) : nullptr; }

ExprPtr copyOf(const ast::Expr &e) {
  auto out = std::make_unique<ast::Expr>();
  out->kind = e.kind, out->op = e.op, out->parenthesised = e.parenthesised;
  out->span = e.span, out->nameSpan = e.nameSpan;
  out->text = e.text;
  out->argNames = e.argNames;
  for (const ExprPtr &arg : e.args) out->args.push_back(copy(arg));
  for (const ast::StaticArg &s : e.statics) {
    ast::StaticArg &to = out->statics.emplace_back();
    to.name = s.name, to.isShape = s.isShape, to.span = s.span;
    to.value = copy(s.value);
    for (const ExprPtr &size : s.shape) to.shape.push_back(copy(size));
  }
  for (const ast::Index &i : e.indices) out->indices.push_back({i.kind, copy(i.a), copy(i.b), i.span});
  for (const ast::For &f : e.fors) out->fors.push_back({f.index, copy(f.bound)});
  out->every = copy(e.every);
  if (e.clock) {
    out->clock = std::make_unique<ast::ClockExpr>();
    out->clock->kind = e.clock->kind;
    out->clock->constructor = e.clock->constructor;
    out->clock->span = e.clock->span;
    out->clock->condition = copy(e.clock->condition);
    out->clock->period = copy(e.clock->period);
    out->clock->phase = copy(e.clock->phase);
  }
  return out;
}

static ExprPtr leaf(ast::ExprKind kind, std::string text, Span span) {
  auto out = std::make_unique<ast::Expr>();
  out->kind = kind;
  out->text = std::move(text);
  out->span = out->nameSpan = span;
  return out;
}

ExprPtr nameExpr(std::string name, Span span) { return leaf(ast::ExprKind::Name, std::move(name), span); }
ExprPtr numberExpr(size_t value, Span span) { return leaf(ast::ExprKind::Number, std::to_string(value), span); }
ExprPtr boolExpr(bool value, Span span) { return leaf(ast::ExprKind::Bool, value ? "true" : "false", span); }

ExprPtr opExpr(ast::Op op, ExprPtr a, ExprPtr b, Span span) {
  ExprPtr out = leaf(b ? ast::ExprKind::Binary : ast::ExprKind::Unary, "", span);
  out->op = op;
  out->args.push_back(std::move(a));
  if (b) out->args.push_back(std::move(b));
  return out;
}

ExprPtr ifExpr(ExprPtr condition, ExprPtr a, ExprPtr b) {
  ExprPtr out = leaf(ast::ExprKind::If, "", condition->span);
  out->args.push_back(std::move(condition));
  out->args.push_back(std::move(a));
  out->args.push_back(std::move(b));
  return out;
}

ExprPtr lastExpr(std::string name, Span span) {
  ExprPtr out = leaf(ast::ExprKind::Unary, std::move(name), span);
  out->op = ast::Op::Last;
  return out;
}

std::unique_ptr<ast::Stmt> equation(std::string target, ExprPtr value, Span span, std::string type) {
  auto out = std::make_unique<ast::Stmt>();
  out->span = span;
  out->targets.push_back({std::move(target), span});
  out->value = std::move(value);
  if (type.empty()) return out;
  out->type.emplace();
  out->type->span = span;
  out->type->name = {std::move(type), span};
  return out;
}

} // namespace mlr::checking
