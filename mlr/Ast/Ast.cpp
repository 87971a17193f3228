#include "mlr/Ast/Ast.h"

namespace mlr::ast {

const char *spelling(Op op) {
  switch (op) {
  case Op::None: return "";
  case Op::Neg:
  case Op::Sub: return "-";
  case Op::Not: return "not";
  case Op::Pre: return "pre";
  case Op::Last: return "last";
  case Op::Final: return "final";
  case Op::Initial: return "initial";
  case Op::Add: return "+";
  case Op::Mul: return "*";
  case Op::Div: return "/";
  case Op::Rem: return "%";
  case Op::MatMul: return "@";
  case Op::Lt: return "<";
  case Op::Gt: return ">";
  case Op::Le: return "<=";
  case Op::Ge: return ">=";
  case Op::Eq: return "==";
  case Op::Ne: return "!=";
  case Op::And: return "and";
  case Op::Or: return "or";
  case Op::Fby: return "fby";
  case Op::Eby: return "eby";
  case Op::Arrow: return "->";
  }
  return "";
}

} // namespace mlr::ast
