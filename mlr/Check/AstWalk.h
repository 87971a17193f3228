// Walking the syntax tree without recursion over expressions.
#pragma once

#include "mlr/Ast/Ast.h"

#include <string>
#include <vector>

namespace mlr::checking {

/// Pushes the direct subexpressions of `e`, last first, so that popping visits them in textual order.
void pushChildren(const ast::Expr &e, std::vector<const ast::Expr *> &stack);

/// "a.b.c" of a name or of fields of a name, which may stand for something in a module; else "".
std::string dottedName(const ast::Expr &e);

/// Calls visit(expression) for `root` and everything below it, parents first, left to right. Linear.
template <class Visit> void walk(const ast::Expr *root, Visit visit) {
  if (!root) return;
  std::vector<const ast::Expr *> stack{root};
  while (!stack.empty()) {
    const ast::Expr *e = stack.back();
    stack.pop_back();
    visit(*e);
    pushChildren(*e, stack);
  }
}

} // namespace mlr::checking
