// Functions of the language itself.
#include "mlr/Check/Body.h"

#include <fmt/format.h>

namespace mlr::checking {

/// Elaborates the arguments of a built-in that takes `arity` of them.
bool Body::elabArguments(const ast::Expr &e, size_t arity, std::vector<Value> &out, const Ty *want, size_t apart) {
  bool ok = e.args.size() == arity;
  for (const ast::Name &name : e.argNames)
    if (!name.text.empty()) {
      error(kinds::wrongArguments, name.span, fmt::format("`{}` does not name its arguments", e.text),
            "a name");
      return false;
    }
  std::vector<const ast::Expr *> operands;
  apart = std::min(apart, e.args.size());
  for (size_t i = apart; i < e.args.size(); ++i) operands.push_back(e.args[i].get());
  for (size_t i = 0; i < apart; ++i) out.push_back(elab(*e.args[i]));
  for (Value &v : elabAlike(operands, want)) out.push_back(std::move(v));
  if (!ok)
    error(
        kinds::wrongArguments, e.span,
        fmt::format("`{}` takes {} argument{}, not {}", e.text, arity, arity == 1 ? "" : "s", e.args.size()),
        fmt::format("{} given", e.args.size()));
  return ok;
}

static std::optional<OpKind> operatorNamed(std::string_view name, size_t &arity) {
  static constexpr std::tuple<std::string_view, OpKind, size_t> table[] = {
      {"sqrt", OpKind::Sqrt, 1},     {"abs", OpKind::Abs, 1},       {"floor", OpKind::Floor, 1},
      {"ceil", OpKind::Ceil, 1},     {"trunc", OpKind::Trunc, 1},   {"round", OpKind::RoundEven, 1},
      {"bitnot", OpKind::BitNot, 1}, {"bitand", OpKind::BitAnd, 2}, {"bitor", OpKind::BitOr, 2},
      {"bitxor", OpKind::BitXor, 2}, {"shl", OpKind::Shl, 2},       {"shr", OpKind::Shr, 2},
      {"fma", OpKind::Fma, 3},       {"max", OpKind::Max, 2},       {"min", OpKind::Min, 2}};
  for (auto [key, op, count] : table) {
    if (key != name) continue;
    arity = count;
    return op;
  }
  return std::nullopt;
}

Value Body::elabOperator(const ast::Expr &e, OpKind op, size_t arity, const Ty *want) {
  std::vector<Value> args;
  if (!elabArguments(e, arity, args)) return Value();
  return elementwise(op, std::move(args), e, e.text);
}

Value Body::elabBuiltin(const ast::Expr &e, const Ty *want) {
  if (auto scalar = scalarNamed(e.text)) return elabConversion(e, *scalar);
  size_t arity = 0;
  bool reduction = e.args.size() == 1;
  if (auto op = operatorNamed(e.text, arity);
      op && !(arity == 2 && reduction && (e.text == "max" || e.text == "min")))
    return elabOperator(e, *op, arity, want);
  if (e.text == "where") return elabWhere(e, want);
  if (e.text == "at") return elabAtOr(e);
  if (e.text == "pack") return elabPack(e, want);
  if (e.text == "unpack") return elabUnpack(e, want);
  if (e.text == "split" || e.text == "join") return elabSplit(e);
  if (e.text == "hold") return elabHold(e, want);
  if (e.text == "grad" || e.text == "vjp" || e.text == "jvp") return elabGradient(e);
  if (e.text == "stop_gradient") return elabStop(e, want);
  if (e.text == "window") return elabWindow(e, want);
  if (e.text == "count") return elabCount(e);
  if (e.text == "concat") return elabConcat(e);
  if (e.text == "reshape") return elabReshape(e, want);
  if (e.text == "zeros" || e.text == "ones") return elabFill(e, want);
  if (e.text == "bits") return elabBits(e);
  if (e.text == "from_bits") return elabFromBits(e);
  if (e.text == "isnan") return elabIsNan(e);
  if (e.text == "load") return elabLoad(e, want);
  if (e.text == "map") return elabMap(e);
  if (e.text == "reduce") return elabReduceLeaves(e);
  return elabReduceAll(e);
}

// ---- conversions -----------------------------------------------------------------------------------------

Value Body::elabConversion(const ast::Expr &e, Scalar s) {
  std::vector<Value> args;
  if (!elabArguments(e, 1, args) || args[0].unknown()) return Value();
  Value v = args[0];
  if (!v.plain()) {
    error(kinds::typeMismatch, e.args[0]->span, fmt::format("a tuple cannot be converted to {}", name(s)),
          toString(v.ty()));
    return Value();
  }
  v.nominal = nullptr; // an enum is its number
  bool direct = v.flex == Flex::Int ? s != Scalar::Bool : isFloat(s);
  if (v.flex != Flex::None && direct) {
    force(v, s); // rounded once, from the decimal text
    return v;
  }
  forceDefault(v);
  if (v.type().scalar == s) return v;
  Value converted = plain(makeOp(OpKind::Convert, {s, v.shape()}, e.span, {v.expr}));
  converted.open = v.open;
  return converted;
}

static Scalar bitsOf(Scalar s) {
  switch (byteSize(s)) {
  case 1: return Scalar::U8;
  case 2: return Scalar::U16;
  case 4: return Scalar::U32;
  default: return Scalar::U64;
  }
}

Value Body::elabBits(const ast::Expr &e) {
  std::vector<Value> args;
  if (!elabArguments(e, 1, args) || args[0].unknown()) return Value();
  if (args[0].plain() && args[0].flex == Flex::Int) force(args[0], Scalar::F32);
  forceDefault(args[0]);
  if (!args[0].plain() || !isFloat(args[0].type().scalar)) {
    error(kinds::typeMismatch, e.args[0]->span, "`bits` takes a float", toString(args[0].ty()));
    return Value();
  }
  return plain(
      makeOp(OpKind::Bitcast, {bitsOf(args[0].type().scalar), args[0].shape()}, e.span, {args[0].expr}));
}

std::optional<Type> Body::typeArgument(const ast::Expr &e) {
  bool known = true;
  if (e.statics.size() == 1 && e.statics[0].value)
    if (auto ty = statics.written(*e.statics[0].value, known); ty && ty->kind == Ty::Kind::Plain && !ty->nominal)
      return ty->type;
  if (!known) return std::nullopt;
  Diagnostic &d =
      error(kinds::wrongArguments, e.nameSpan, fmt::format("`{}` needs a type", e.text), "which type?");
  d.helps.push_back(fmt::format("`{}<<f32>>(..)`", e.text));
  return std::nullopt;
}

Value Body::elabFromBits(const ast::Expr &e) {
  auto type = typeArgument(e);
  std::vector<Value> args;
  if (!elabArguments(e, 1, args) || !type) return Value();
  if (!isFloat(type->scalar)) {
    error(kinds::typeMismatch, e.statics[0].span, "`from_bits` makes a float", toString(*type));
    return Value();
  }
  if (args[0].unknown()) return Value();
  Scalar from = bitsOf(type->scalar);
  if (args[0].flex == Flex::Int) force(args[0], from);
  if (!args[0].plain() || args[0].type().scalar != from) {
    error(kinds::typeMismatch, e.args[0]->span,
          fmt::format("the bits of {} are {}", name(type->scalar), name(from)), toString(args[0].ty()));
    return Value();
  }
  return plain(makeOp(OpKind::Bitcast, {type->scalar, args[0].shape()}, e.span, {args[0].expr}));
}

Value Body::elabIsNan(const ast::Expr &e) {
  std::vector<Value> args;
  if (!elabArguments(e, 1, args) || args[0].unknown()) return Value();
  forceDefault(args[0]);
  if (!args[0].plain() || !isFloat(args[0].type().scalar)) {
    error(kinds::typeMismatch, e.args[0]->span, "`isnan` takes a float", toString(args[0].ty()));
    return Value();
  }
  Expr *x = named(args[0].expr);
  return plain(makeOp(OpKind::Ne, {Scalar::Bool, x->type.shape}, e.span, {x, clone(x)}));
}

// ---- choosing, filling, rearranging ----------------------------------------------------------------------

Value Body::elabWhere(const ast::Expr &e, const Ty *want) {
  std::vector<Value> args;
  bool isOpen = !e.args.empty() && isOpenFill(*e.args[0]); // its shape is that of the others
  if (!elabArguments(e, 3, args, nullptr, /*apart=*/isOpen ? 0 : 1)) return Value();
  std::vector<Value> sides{args[1], args[2]};
  std::vector<const ast::Expr *> where{e.args[1].get(), e.args[2].get()};
  if (report.isQuiet()) {
    for (size_t i = 0; i < 2; ++i) {
      if (!sides[i].unknown()) continue;
      sides[1 - i].open |= !assuming && sides[1 - i].plain();
      return sides[1 - i];
    }
    if (args[0].unknown()) {
      args[0] = plain(make(ExprKind::Var, {Scalar::Bool, {}}, e.span));
      args[0].open = !assuming;
    }
  }
  for (size_t i = 0; i < 3; ++i) {
    if (args[i].unknown()) return Value();
    if (args[i].plain()) continue;
    refuseCompound(*e.args[i], args[i], "where");
    return Value();
  }
  forceDefault(args[0]);
  if (args[0].type().scalar != Scalar::Bool) {
    error(kinds::typeMismatch, e.args[0]->span, "the condition of `where` must be of bool",
          toString(args[0].ty()));
    return Value();
  }
  if (!unifyScalars(sides, where, "where")) return Value();
  std::vector<Value> all{args[0], sides[0], sides[1]};
  if (!unifyShapes(all, {e.args[0].get(), e.args[1].get(), e.args[2].get()}, "where")) return Value();
  Value v = plain(makeOp(OpKind::Select, all[1].type(), e.span, {all[0].expr, all[1].expr, all[2].expr}),
                  all[1].flex);
  v.nominal = all[1].nominal;
  for (const Value &operand : all) v.open |= operand.open;
  return truth(std::move(v), sides);
}

Value Body::elabConcat(const ast::Expr &e) {
  std::vector<Value> parts;
  std::vector<const ast::Expr *> where;
  for (const ast::ExprPtr &arg : e.args)
    if (isOpenFill(*arg) && !shapeArgument(*arg)) return Value(); // its length follows from nothing
  if (!elabArguments(e, std::max<size_t>(1, e.args.size()), parts)) return Value();
  for (size_t i = 0; i < parts.size(); ++i) {
    where.push_back(e.args[i].get());
    if (parts[i].unknown() || parts[i].open) return Value();
    if (parts[i].plain() && !parts[i].shape().empty()) continue;
    Diagnostic &d = error(kinds::shapeMismatch, where[i]->span,
                          "`concat` joins tensors along their leading axis", toString(parts[i].ty()));
    d.helps.push_back(fmt::format("a tensor of one element: `[{}]`", text(*where[i])));
    return Value();
  }
  if (!unifyScalars(parts, where, "concat")) return Value();
  Shape shape = parts[0].shape();
  for (size_t i = 1; i < parts.size(); ++i) {
    Shape rest = parts[i].shape();
    int64_t rows = rest[0];
    rest[0] = shape[0];
    if (rest == shape) {
      shape[0] += rows;
      continue;
    }
    Diagnostic &d =
        error(kinds::shapeMismatch, where[i]->span, "`concat` needs equal axes but for the leading one");
    describeOperand(d, *where[0], parts[0], false);
    describeOperand(d, *where[i], parts[i], false);
    return Value();
  }
  if (auto count = elementCount(shape); !count || *count > maxSize) {
    error(kinds::invalidSize, e.span, fmt::format("a tensor of shape {} is too large", toString(shape)));
    return Value();
  }
  std::vector<const Expr *> args;
  for (const Value &v : parts) args.push_back(v.expr);
  Value v = plain(make(ExprKind::Concat, {parts[0].type().scalar, shape}, e.span, std::move(args)), parts[0].flex);
  v.nominal = parts[0].nominal;
  return v;
}

/// The shape in << >>: `[2, 3]`, a shape parameter, or one size.
std::optional<Shape> Body::shapeArgument(const ast::Expr &e) {
  if (e.statics.size() != 1 || !e.statics[0].name.text.empty()) {
    Diagnostic &d =
        error(kinds::wrongArguments, e.nameSpan, fmt::format("`{}` needs a shape", e.text), "which shape?");
    d.helps.push_back(fmt::format("`{}<<[2, 3]>>(..)`", e.text));
    return std::nullopt;
  }
  const ast::StaticArg &arg = e.statics[0];
  if (arg.isShape) return statics.shape(arg.shape);
  if (arg.value->kind == ast::ExprKind::List) return statics.shape(arg.value->args);
  if (arg.value->kind == ast::ExprKind::Name)
    if (const StaticValue *value = env.find(arg.value->text);
        value && value->kind == StaticValue::Kind::Shape)
      return value->shape;
  auto size = statics.size(*arg.value);
  if (!size) return std::nullopt;
  return Shape{*size};
}

Value Body::elabReshape(const ast::Expr &e, const Ty *want) {
  auto shape = shapeArgument(e);
  std::vector<Value> args;
  if (!elabArguments(e, 1, args) || !shape || args[0].unknown()) return Value();
  Value v = args[0];
  if (!v.plain() || elementCount(v.shape()) != elementCount(*shape)) {
    Diagnostic &d = error(kinds::shapeMismatch, e.span,
                          fmt::format("`reshape` to {} keeps all elements, and there are {}",
                                      toString(*shape), v.plain() ? v.type().elements() : 0));
    describeOperand(d, *e.args[0], v, false);
    return Value();
  }
  if (v.shape() == *shape) return v;
  v.expr = make(ExprKind::Reshape, {v.type().scalar, *shape}, e.span, {v.expr});
  v.truth = false;
  return v;
}

/// zeros<<S>>(), ones<<S>>(): a literal of that shape; without << >> the shape that is wanted.
Value Body::elabFill(const ast::Expr &e, const Ty *want) {
  std::vector<Value> args;
  if (!elabArguments(e, 0, args)) return Value();
  std::optional<Shape> shape;
  if (e.statics.empty() && want && want->kind == Ty::Kind::Plain) shape = want->type.shape;
  else shape = shapeArgument(e);
  if (!shape) return Value();
  Value v = literal({{}, e.text == "ones", false}, Flex::Int, e.span);
  return broadcast(v, *shape);
}

/// One array a leaf, named like it behind `name`: "fc.w" and "fc.b".
Value Body::loadLeaves(const ast::Expr &e, const Ty &ty, const std::string &name) {
  if (ty.kind == Ty::Kind::Plain) {
    auto array = checker.load(e.args[0]->text, name, e.span.file, e.span, report);
    if (!array) return Value();
    Value v = plain(makeConst(std::move(*array), e.span));
    if (ty.nominal && v.type().scalar == Scalar::I32) v.nominal = ty.nominal;
    if (v.type() == ty.type && v.nominal == ty.nominal) return v;
    bool scalars = v.type().scalar != ty.type.scalar || v.nominal != ty.nominal;
    Diagnostic &d = error(scalars ? kinds::typeMismatch : kinds::shapeMismatch, e.span,
                          fmt::format("the array `{}` of the file is {}, but the field is {}", name, toString(v.ty()), toString(ty)),
                          "loaded here");
    if (scalars && isFloat(v.type().scalar) && isFloat(ty.type.scalar))
      d.helps.push_back(fmt::format("load it into a struct whose leaves are {}, and convert each: `{}(..)`", mlr::name(v.type().scalar),
                                    mlr::name(ty.type.scalar)));
    return Value();
  }
  Value out;
  out.kind = Ty::Kind::Tuple;
  out.nominal = ty.nominal;
  out.lead = ty.type.shape;
  bool ok = ty.isStruct();
  for (size_t i = 0; ok && i < ty.parts.size(); ++i) {
    const std::string &field = ty.nominal->decl->fields[i].name.text;
    out.parts.push_back(loadLeaves(e, ty.parts[i], name.empty() ? field : name + "." + field));
    ok = !out.parts.back().unknown();
  }
  return ok ? out : Value();
}

Value Body::elabLoad(const ast::Expr &e, const Ty *want) {
  if (unit) {
    Diagnostic &d = error(kinds::notConstant, e.span, "`load` stands in constants only",
                          "files are read at compile time");
    d.helps.push_back(fmt::format("declare `const W: f32[..] = {};` and use `W` here", text(e)));
    return Value();
  }
  bool texts = e.args.size() == 1 || e.args.size() == 2;
  for (const ast::ExprPtr &arg : e.args) texts &= arg->kind == ast::ExprKind::String;
  if (!texts) {
    Diagnostic &d = error(kinds::wrongArguments, e.span, "`load` takes a path and a name, both as text");
    d.helps.push_back("`load(\"net.safetensors\", \"fc.weight\")`");
    return Value();
  }
  if (want && want->isStruct()) return loadLeaves(e, *want, e.args.size() > 1 ? e.args[1]->text : "");
  auto array =
      checker.load(e.args[0]->text, e.args.size() > 1 ? e.args[1]->text : "", e.span.file, e.span, report);
  if (!array) return Value();
  return plain(makeConst(std::move(*array), e.span));
}

} // namespace mlr::checking
