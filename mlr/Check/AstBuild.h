// Making syntax trees: blocks and automata are translated into equations before they are elaborated.
#pragma once

#include "mlr/Ast/Ast.h"

#include <string>

namespace mlr::checking {

/// A copy that shares nothing.
ast::ExprPtr copyOf(const ast::Expr &e);
ast::ExprPtr nameExpr(std::string name, Span span);
ast::ExprPtr numberExpr(size_t value, Span span);
ast::ExprPtr boolExpr(bool value, Span span);
/// op(a), a op b.
ast::ExprPtr opExpr(ast::Op op, ast::ExprPtr a, ast::ExprPtr b, Span span);
/// if condition then a else b.
ast::ExprPtr ifExpr(ast::ExprPtr condition, ast::ExprPtr a, ast::ExprPtr b);
/// `last name`.
ast::ExprPtr lastExpr(std::string name, Span span);
/// target: type = value; no type if it is empty.
std::unique_ptr<ast::Stmt> equation(std::string target, ast::ExprPtr value, Span span, std::string type = "");

} // namespace mlr::checking
