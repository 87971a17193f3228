// grad, vjp, jvp, stop_gradient, and functions that state their derivative.
#include "mlr/Check/Body.h"

#include <fmt/format.h>

namespace mlr::checking {

/// The float variables that a derivative is taken with respect to: the second argument, a variable or a tuple of them.
bool Body::variablesOf(const Value &v, const ast::Expr &e, std::vector<const Expr *> &out) {
  std::vector<const Expr *> leaves;
  flatten(v, leaves);
  for (const Expr *leaf : leaves) {
    if (leaf->kind == ExprKind::Index) {
      error(kinds::typeMismatch, e.span, "only floats have derivatives, and this is an index", "a whole number");
      return false;
    }
    if (leaf->kind != ExprKind::Var) {
      Diagnostic &d = error(kinds::wrongArguments, e.span, "a derivative is taken with respect to a variable",
                            leaf->kind == ExprKind::Const ? "this is a constant" : "this is an expression");
      if (isFloat(leaf->type.scalar)) d.helps.push_back(fmt::format("name it: `v = {};`, use `v` in what is differentiated, and take the derivative with "
                                    "respect to `v`", text(e)));
      return false;
    }
    if (!isFloat(leaf->type.scalar)) {
      const Var &var = instance.vars[leaf->var];
      error(kinds::typeMismatch, e.span,
            fmt::format("only floats have derivatives, and this is {}", v.plain() ? toString(v.ty()) : toString(leaf->type)),
            v.plain() ? var.name : fmt::format("`{}` is {}", var.name, toString(leaf->type)));
      return false;
    }
    out.push_back(leaf);
  }
  return true;
}

static Array one(Scalar s) {
  switch (s) {
  case Scalar::F64: return scalarArray(s, 0x3ff0000000000000);
  case Scalar::F32: return scalarArray(s, 0x3f800000);
  case Scalar::F16: return scalarArray(s, 0x3c00);
  default: return scalarArray(s, 0x3f80);
  }
}

Value Body::elabGradient(const ast::Expr &e) {
  bool isGrad = e.text == "grad", isForward = e.text == "jvp";
  for (const ast::Name &name : e.argNames) {
    if (name.text.empty()) continue;
    error(kinds::wrongArguments, name.span, fmt::format("`{}` does not name its arguments", e.text), "a name");
    return Value();
  }
  if (!e.statics.empty()) {
    error(kinds::wrongArguments, e.statics[0].span, fmt::format("`{}` has no static parameters", e.text),
          "no parameter for this");
    return Value();
  }
  size_t arity = isGrad ? 2 : 3;
  if (e.args.size() != arity) {
    Diagnostic &d = error(kinds::wrongArguments, e.span,
                          fmt::format("`{}` takes {} arguments, not {}", e.text, arity, e.args.size()),
                          fmt::format("{} given", e.args.size()));
    d.helps.push_back(isGrad ? "`grad(loss, v)`: a scalar, and the variable" : isForward
                      ? "`jvp(y, v, tangent)`: a value, the variable, the direction" : "`vjp(y, v, cotangent)`: a value, the variable, the factor from the left");
    return Value();
  }
  if (!unit) {
    error(kinds::notConstant, e.span, fmt::format("`{}` in a constant", e.text), "constants have no variables");
    return Value();
  }
  Value value = elab(*e.args[0]), wrt = elab(*e.args[1]);
  Ty valueTy = value.ty(), wrtTy = wrt.ty();
  Value third;
  if (!isGrad) third = elab(*e.args[2], isForward ? &wrtTy : &valueTy);
  if (report.isQuiet()) {
    const Value &like = isForward ? value : wrt;
    if (wrt.plain() && wrt.flex == Flex::None && !isFloat(wrt.type().scalar))
      error(kinds::typeMismatch, e.args[1]->span, fmt::format("only floats have derivatives, and this is {}", toString(wrt.ty())));
    return like.unknown() ? Value() : tupleOf({like.ty()}, {}, e.span);
  }
  if (value.unknown() || wrt.unknown() || (!isGrad && third.unknown())) return Value();
  forceDefault(value);
  std::vector<const Expr *> values, variables, given;
  flatten(value, values);
  for (const Expr *v : values) {
    if (isFloat(v->type.scalar) && (!isGrad || v->type.isScalar())) continue;
    Diagnostic &d = error(kinds::typeMismatch, e.args[0]->span,
                          isGrad ? fmt::format("`grad` differentiates a scalar float, not {}", toString(v->type))
                                 : fmt::format("only floats have derivatives, and this is {}", toString(v->type)),
                          toString(v->type));
    if (isFloat(v->type.scalar)) d.helps.push_back(fmt::format("`vjp({}, {}, cotangent)`, or a Jacobian: `[grad(y[i], v) for i < N]`",
                                                               text(*e.args[0]), text(*e.args[1])));
    return Value();
  }
  if (isGrad && values.size() != 1) {
    Diagnostic &d = error(kinds::typeMismatch, e.args[0]->span,
                          fmt::format("`grad` differentiates a scalar float, not a {}", valueTy.isStruct() ? "struct" : "tuple"),
                          toString(valueTy));
    d.helps.push_back(fmt::format("`vjp({}, {}, cotangent)` takes all of its floats, each with a factor", text(*e.args[0]), text(*e.args[1])));
    return Value();
  }
  if (!variablesOf(wrt, *e.args[1], variables)) return Value();
  if (!isGrad) {
    if (!fit(third, isForward ? wrtTy : value.ty(), *e.args[2], isForward ? "the tangent" : "the cotangent")) return Value();
    flatten(third, given);
  }
  checker.noteDerivative();

  // Under comprehension indices the derivatives of all elements are taken side by side.
  std::vector<const Expr *> all = values;
  all.insert(all.end(), given.begin(), given.end());
  std::vector<IndexId> free = comprehended.empty() ? std::vector<IndexId>() : freeIndices(all);
  auto prepared = [&](const Expr *x) -> Expr * {
    Expr *whole = const_cast<Expr *>(x);
    if (!free.empty()) whole = overIndices(whole, free);
    return whole->kind == ExprKind::Var ? whole : define(whole, "value");
  };
  auto finish = [&](Expr *made) -> Expr * {
    made->count = static_cast<int64_t>(free.size());
    if (free.empty()) return made;
    return readLifted(define(made, "gradient"), free, 0, e.span);
  };
  auto shapeOver = [&](const Type &type) {
    Type out = type;
    for (size_t i = free.size(); i-- > 0;) out.shape.insert(out.shape.begin(), instance.indices[free[i]].size);
    return out;
  };
  for (const Expr *&v : values) v = prepared(v);
  for (const Expr *&v : given) v = prepared(v);
  size_t next = 0;
  if (isForward)
    return assemble(value.ty(), [&](const Ty &) {
      const Expr *y = values[next++];
      std::vector<const Expr *> args{clone(y)};
      for (size_t i = 0; i < variables.size(); ++i) {
        args.push_back(clone(given[i]));
        args.push_back(clone(variables[i]));
      }
      return plain(finish(make(ExprKind::Jvp, y->type, e.span, std::move(args))));
    });
  return assemble(wrtTy, [&](const Ty &ty) {
    const Expr *v = variables[next++];
    std::vector<const Expr *> others;
    for (const Expr *other : variables)
      if (other != v) others.push_back(other);
    Expr *sum = nullptr;
    for (size_t i = 0; i < values.size(); ++i) {
      Expr *factor = nullptr;
      if (isGrad) {
        factor = prepared(makeConst(one(values[i]->type.scalar), e.span));
      } else {
        factor = clone(given[i]);
      }
      std::vector<const Expr *> args{clone(values[i]), factor, clone(v)};
      for (const Expr *other : others) args.push_back(clone(other));
      Expr *part = finish(make(ExprKind::Vjp, shapeOver(v->type), e.span, std::move(args)));
      sum = sum ? makeOp(OpKind::Add, ty.type, e.span, {sum, part}) : part;
    }
    return plain(sum);
  });
}

Value Body::elabStop(const ast::Expr &e, const Ty *want) {
  std::vector<Value> args;
  if (!elabArguments(e, 1, args, want) || args[0].unknown()) return Value();
  Value v = args[0];
  if (report.isQuiet() || v.flex != Flex::None) return v; // a literal is a constant anyway
  return overLeaves({v}, [&](std::vector<Value> leaves) {
    Value out = leaves[0];
    if (out.plain()) out.expr = make(ExprKind::Stop, out.type(), e.span, {out.expr});
    return out;
  });
}

} // namespace mlr::checking
