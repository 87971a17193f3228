// exp, sin, atan2, ...: names that mean a function of the prelude for f32 and one for f64, element by
// element.
#include "mlr/Check/Body.h"

#include <fmt/format.h>

namespace mlr::checking {

Value Body::elabElementary(const ast::Expr &e, const Ty *want) {
  const ast::Decl *narrow = module.elementary(e.text, false);
  std::vector<Value> args;
  if (!elabArguments(e, narrow->inputs.size(), args)) return Value();
  bool structs = false;
  for (const Value &arg : args) structs |= arg.isStruct();
  if (!structs) return elementary(e, std::move(args), want);
  std::vector<const ast::Expr *> where;
  for (const ast::ExprPtr &arg : e.args) where.push_back(arg.get());
  if (!alikeStructs(args, where, e.text, true)) return Value();
  for (Value &arg : args) arg = named(std::move(arg));
  return overLeaves(args, [&](std::vector<Value> leaves) { return elementary(e, std::move(leaves), nullptr); });
}

Value Body::elementary(const ast::Expr &e, std::vector<Value> given, const Ty *want) {
  const ast::Decl *narrow = module.elementary(e.text, false);
  std::vector<Value> args;
  std::vector<const ast::Expr *> where;
  for (size_t i = 0; i < given.size(); ++i) {
    if (given[i].kind == Ty::Kind::Tuple) {
      refuseCompound(*e.args[i], given[i], e.text);
      return Value();
    }
    if (given[i].unknown()) continue;
    args.push_back(given[i]);
    where.push_back(e.args[i].get());
  }
  bool complete = args.size() == given.size(), open = !complete && !assuming;
  for (const Value &v : args) open |= v.open;
  if (args.empty() || (!complete && !report.isQuiet())) return Value();
  if (!unifyScalars(args, where, e.text)) return Value();
  bool wantsFloat =
      want && want->kind == Ty::Kind::Plain && want->flex == Flex::None && isFloat(want->type.scalar);
  bool literals = open && args[0].flex != Flex::None; // their type may follow from what is unknown
  for (Value &v : args) force(v, wantsFloat ? want->type.scalar : Scalar::F32);
  Scalar s = args[0].type().scalar;
  if (!isFloat(s)) {
    Diagnostic &d =
        error(kinds::typeMismatch, e.span, fmt::format("`{}` takes floats, not {}", e.text, name(s)));
    for (size_t i = 0; i < args.size(); ++i) describeOperand(d, *where[i], args[i], false);
    d.helps.push_back(fmt::format("convert it: `{}(f32({}))`", e.text, text(*where[0])));
    return Value();
  }
  if (!unifyShapes(args, where, e.text)) return Value();
  Type type{s, args[0].shape()};
  if (report.isQuiet()) {
    Value v = plain(make(ExprKind::Var, type, e.span), literals ? Flex::Float : Flex::None);
    v.open = open;
    return v;
  }

  bool wide = s == Scalar::F64, half = byteSize(s) == 2;
  const ast::Decl *decl = wide ? module.elementary(e.text, true) : narrow;
  if (!decl || decl->inputs.size() != narrow->inputs.size()) {
    error(kinds::unsupported, e.nameSpan, fmt::format("`{}` has no f64 version", e.text), "f64");
    return Value();
  }
  Signature callee;
  callee.decl = decl;
  callee.env.module = checker.home(*decl);
  if (!evaluateSignature(callee, e.nameSpan) || callee.outputs.size() != 1) return Value();
  NodeInstance *function = checker.instantiate(callee, e.nameSpan, report);
  if (!function) return Value();
  checker.noteCall(instance, *function);

  std::vector<IndexId> indices;
  std::vector<int64_t> axes;
  static constexpr const char *names[] = {"i", "j", "k", "l"};
  for (size_t i = 0; i < type.shape.size(); ++i) {
    indices.push_back(newIndex(indexName(i < 4 ? names[i] : fmt::format("i{}", i)), type.shape[i], e.span));
    axes.push_back(indices.back());
  }
  std::vector<const Expr *> elements;
  for (Value &v : args) {
    Expr *element = elementAt(v.expr, axes, e.span);
    if (half) element = makeOp(OpKind::Convert, {Scalar::F32, {}}, e.span, {element});
    elements.push_back(element);
  }
  Expr *call = make(ExprKind::Call, {wide ? Scalar::F64 : Scalar::F32, {}}, e.span, std::move(elements));
  call->callee = function;
  if (half) call = makeOp(OpKind::Convert, {s, {}}, e.span, {call});
  if (indices.empty()) return shared(plain(call));
  Expr *build = make(ExprKind::Build, type, e.span, {call});
  build->indices = indices;
  return shared(plain(build));
}

} // namespace mlr::checking
