#include "mlr/Check/AstWalk.h"

#include <algorithm>

namespace mlr::checking {

void pushChildren(const ast::Expr &e, std::vector<const ast::Expr *> &stack) {
  size_t first = stack.size();
  auto push = [&](const ast::ExprPtr &child) {
    if (child) stack.push_back(child.get());
  };
  for (const ast::StaticArg &s : e.statics) {
    push(s.value);
    for (const ast::ExprPtr &size : s.shape) push(size);
  }
  for (const ast::ExprPtr &arg : e.args) push(arg);
  for (const ast::Index &index : e.indices) {
    push(index.a);
    push(index.b);
  }
  for (const ast::For &f : e.fors) push(f.bound);
  push(e.every);
  if (e.clock) {
    push(e.clock->condition);
    push(e.clock->period);
    push(e.clock->phase);
  }
  std::reverse(stack.begin() + static_cast<ptrdiff_t>(first), stack.end());
}

std::string dottedName(const ast::Expr &e) {
  if (e.kind == ast::ExprKind::Name) return e.text;
  if (e.kind != ast::ExprKind::Field) return "";
  std::string base = dottedName(*e.args[0]);
  return base.empty() ? "" : base + "." + e.text;
}

} // namespace mlr::checking
