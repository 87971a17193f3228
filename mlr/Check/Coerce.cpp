// Literals take the type of their context, operands take one shape, and what cannot is explained.
#include "mlr/Check/AstWalk.h"
#include "mlr/Check/Body.h"

#include <cstring>
#include <fmt/format.h>

namespace mlr::checking {

static Expr *own(const Expr *e) { return const_cast<Expr *>(e); }

// ---- literals --------------------------------------------------------------------------------------------

void Body::resolveLiteral(Expr *e, Scalar s) {
  Literal literal = literals[e->var];
  e->var = 0;
  Array value;
  LiteralError problem = parseLiteral(literal, s, value);
  if (problem == LiteralError::None) {
    e->constant = std::move(value);
    return;
  }
  std::string shown = literal.text.empty() ? std::to_string(literal.value)
                                           : (literal.negative ? "-" : "") + std::string(literal.text);
  e->constant = Array(Type{s, {}});
  if (problem == LiteralError::OutOfRange) {
    error(kinds::literalRange, e->span, fmt::format("`{}` does not fit {}", shown, name(s)), "out of range");
    return;
  }
  bool number = problem == LiteralError::NotInteger;
  Diagnostic &d = error(kinds::typeMismatch, e->span,
                        fmt::format("`{}` cannot be {} {}", shown, s == Scalar::Bool ? "a" : "an", name(s)),
                        number ? "a decimal number" : "a number");
  if (number) d.helps.push_back(fmt::format("to round it toward zero: `{}({})`", name(s), shown));
}

bool Body::foldReshape(Expr *e) {
  if (e->args[0]->kind != ExprKind::Const || !e->args[0]->constant.data()) return false;
  const Array &from = e->args[0]->constant;
  Type type{from.type().scalar, e->type.shape};
  if (type.elements() != from.type().elements()) return false;
  e->constant = Array(type, std::vector<std::byte>(from.data(), from.data() + from.bytes()));
  e->type = type;
  e->kind = ExprKind::Const;
  e->args.clear();
  return true;
}

bool Body::foldConcat(Expr *e) {
  for (const Expr *arg : e->args)
    if (arg->kind != ExprKind::Const || !arg->constant.data() || arg->type.scalar != e->type.scalar)
      return false;
  std::vector<std::byte> bytes;
  bytes.reserve(e->type.bytes());
  for (const Expr *arg : e->args)
    bytes.insert(bytes.end(), arg->constant.data(), arg->constant.data() + arg->constant.bytes());
  if (bytes.size() != e->type.bytes()) return false;
  e->constant = Array(e->type, std::move(bytes));
  e->kind = ExprKind::Const;
  e->args.clear();
  return true;
}

/// Gives a flexible tree its scalar type. Operands of a flexible node that carry its value are flexible too.
void Body::setScalar(Expr *e, Scalar s) {
  e->type.scalar = s;
  switch (e->kind) {
  case ExprKind::Const: return resolveLiteral(e, s);
  case ExprKind::Var: return; // of a guessed type; the guess is rolled back
  case ExprKind::Op: {
    size_t first = e->op == OpKind::Select ? 1 : 0;
    for (size_t i = first; i < e->args.size(); ++i) setScalar(own(e->args[i]), s);
    return;
  }
  case ExprKind::Reduce:
  case ExprKind::ReduceAll: e->fused = e->fused && isFloat(s); break;
  default: break;
  }
  for (const Expr *arg : e->args) setScalar(own(arg), s);
  if (e->kind == ExprKind::Reshape) foldReshape(e);
  if (e->kind == ExprKind::Concat) foldConcat(e);
}

void Body::force(Value &v, Scalar s) {
  if (v.kind == Ty::Kind::Tuple)
    for (Value &part : v.parts) force(part, s);
  if (!v.plain() || v.flex == Flex::None) return;
  v.flex = Flex::None;
  setScalar(v.expr, s);
}

/// Literals that no operand decides: the wanted type if it suits them, else i32 or f32.
void Body::forceDefault(Value &v, const Ty *want) {
  if (v.kind == Ty::Kind::Tuple) {
    bool alike = want && want->kind == Ty::Kind::Tuple && want->parts.size() == v.parts.size();
    for (size_t i = 0; i < v.parts.size(); ++i) forceDefault(v.parts[i], alike ? &want->parts[i] : nullptr);
    return;
  }
  if (!v.plain() || v.flex == Flex::None) return;
  Scalar s = v.flex == Flex::Int ? Scalar::I32 : Scalar::F32;
  if (want && want->kind == Ty::Kind::Plain && want->flex == Flex::None &&
      want->type.scalar != Scalar::Bool && (v.flex == Flex::Int || isFloat(want->type.scalar)))
    s = want->type.scalar;
  force(v, s);
}

// ---- shapes ----------------------------------------------------------------------------------------------

Expr *Body::broadcastTo(Expr *e, const Shape &shape) {
  if (e->type.shape == shape) return e;
  if (e->kind == ExprKind::Broadcast) {
    e->type.shape = shape; // broadcasting twice is broadcasting once
    return e;
  }
  return make(ExprKind::Broadcast, {e->type.scalar, shape}, e->span, {e});
}

Value Body::broadcast(Value v, const Shape &shape) {
  if (v.plain()) v.expr = broadcastTo(v.expr, shape);
  return v;
}

// ---- mismatches ------------------------------------------------------------------------------------------

void Body::describeOperand(Diagnostic &d, const ast::Expr &e, const Value &v, bool primary) {
  std::string label = fmt::format("this is {}", toString(v.ty()));
  if (e.kind == ast::ExprKind::Name) {
    label = fmt::format("`{}` is {}", e.text, toString(v.ty()));
    if (const SymbolId *id = lookup(e.text); id && symbols[*id].declared) {
      std::string origin = describeSizes(checker.sources, *symbols[*id].declared, env);
      if (origin != fmt::format("declared `{}`", toString(v.ty())))
        d.labels.push_back({symbols[*id].span, origin, false});
    }
  }
  d.labels.push_back({e.span, label, primary});
}

/// Where `e` is `is` only because a variable in it is made of literals alone, the remedy is to declare that
/// variable, not to convert. True: said so.
bool Body::suggestAnnotation(Diagnostic &d, const ast::Expr &e, Scalar is, Scalar wanted) {
  const Symbol *found = nullptr;
  walk(&e, [&](const ast::Expr &part) {
    const SymbolId *id = part.kind == ast::ExprKind::Name ? lookup(part.text) : nullptr;
    if (!id || found) return;
    const Symbol &symbol = symbols[*id];
    bool suits = symbol.literal == Flex::Int ? wanted != Scalar::Bool : isFloat(wanted);
    if (symbol.literal != Flex::None && symbol.ty.type.scalar == is && suits) found = &symbol;
  });
  if (!found) return false;
  std::string type = toString(Type{wanted, found->ty.type.shape});
  d.labels.push_back({found->span, fmt::format("made of literals alone, so it is {}", name(is)), false});
  const ast::Stmt *stmt = found->definition ? found->definition->stmt : nullptr;
  std::string value = stmt && stmt->value ? text(*stmt->value) : "..";
  d.helps.push_back(fmt::format("state its type: `{}: {} = {};`", found->name, type, value));
  return true;
}

bool Body::fitPlain(Value &v, const Ty &ty, const ast::Expr &e, const std::string &what) {
  const Type &type = ty.type;
  if (v.fills() && !ty.nominal && v.truth == (type.scalar == Scalar::Bool)) {
    force(v, type.scalar);
    v = broadcast(v, type.shape);
    return true;
  }
  if (v.flex != Flex::None && type.scalar != Scalar::Bool) force(v, type.scalar);
  if (v.type() == type && v.nominal == ty.nominal) return true;
  if (v.nominal != ty.nominal) {
    forceDefault(v);
    Diagnostic &d = error(kinds::typeMismatch, e.span,
                          fmt::format("{} is {}, but this is {}", what, toString(ty), toString(v.ty())), toString(v.ty()));
    if (ty.nominal && !ty.nominal->decl->constructors.empty())
      d.helps.push_back(fmt::format("the values are `{}.{}` and so on", ty.nominal->display,
                                    ty.nominal->decl->constructors[0].text));
    else if (!ty.nominal && isInt(type.scalar))
      d.helps.push_back(fmt::format("its number, in the order of the declaration: `{}({})`", name(type.scalar), text(e)));
    return false;
  }
  bool scalars = v.type().scalar != type.scalar;
  const DiagnosticKind &kind = scalars ? kinds::typeMismatch : kinds::shapeMismatch;
  Diagnostic &d =
      error(kind, e.span, fmt::format("{} is {}, but this is {}", what, toString(type), toString(v.ty())),
            fmt::format("{}", toString(v.ty())));
  if (e.kind == ast::ExprKind::Name)
    if (const SymbolId *id = lookup(e.text); id && symbols[*id].declared)
      d.labels.push_back(
          {symbols[*id].span, describeSizes(checker.sources, *symbols[*id].declared, env), false});
  bool annotate = scalars && v.flex == Flex::None && suggestAnnotation(d, e, v.type().scalar, type.scalar);
  if (scalars && !annotate && v.flex == Flex::None && v.shape() == type.shape)
    d.helps.push_back(fmt::format("convert it: `{}({})`", name(type.scalar), text(e)));
  if (!scalars && v.shape().empty() && !type.shape.empty())
    d.notes.push_back("only literals fill a shape; a scalar is repeated with a comprehension");
  return false;
}

bool Body::fit(Value &v, const Ty &ty, const ast::Expr &e, const std::string &what) {
  if (v.unknown() || ty.kind == Ty::Kind::Unknown) return false;
  if (v.fills() && !v.truth && ty.isStruct()) v = spread(std::move(v), ty);
  if (v.plain() && ty.kind == Ty::Kind::Plain) {
    if (fitPlain(v, ty, e, what)) return true;
    v = Value();
    return false;
  }
  if (v.kind == ty.kind && v.nominal == ty.nominal && v.parts.size() == ty.parts.size() &&
      (!v.nominal || v.lead == ty.type.shape)) {
    bool ok = true;
    for (size_t i = 0; i < v.parts.size(); ++i) {
      const ast::Expr &part =
          e.kind == ast::ExprKind::Tuple && e.args.size() == v.parts.size() ? *e.args[i] : e;
      ok &= fit(v.parts[i], ty.parts[i], part, what);
    }
    if (!ok) v = Value();
    return ok;
  }
  error(kinds::typeMismatch, e.span,
        fmt::format("{} is {}, but this is {}", what, toString(ty), toString(v.ty())), toString(v.ty()));
  v = Value();
  return false;
}

// ---- operands --------------------------------------------------------------------------------------------

/// One scalar type for all: the first operand that has one decides for the literals. All flexible: they stay
/// so.
bool Body::unifyScalars(std::vector<Value> &values, const std::vector<const ast::Expr *> &where,
                        const std::string &spelling) {
  size_t decider = values.size();
  Flex flex = Flex::Int;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].flex == Flex::None) {
      decider = std::min(decider, i);
      continue;
    }
    if (values[i].flex == Flex::Float) flex = Flex::Float;
  }
  if (decider == values.size()) {
    for (Value &v : values) {
      v.flex = flex;
      v.expr->type.scalar = flex == Flex::Int ? Scalar::I32 : Scalar::F32;
    }
    return true;
  }
  Scalar s = values[decider].type().scalar;
  for (size_t i = 0; i < values.size(); ++i) {
    // A literal that cannot have the type of the operands stays what it is by default, and is reported below.
    bool suits = s != Scalar::Bool && (isFloat(s) || values[i].flex != Flex::Float);
    if (suits) force(values[i], s);
    else forceDefault(values[i]);
    Scalar other = values[i].type().scalar;
    if (other == s && values[i].nominal == values[decider].nominal) continue;
    Diagnostic &d = error(kinds::typeMismatch, where[i]->span.to(where[decider]->span),
                          fmt::format("the operands of `{}` have types {} and {}", spelling,
                                      toString(values[decider].ty()), toString(values[i].ty())));
    for (size_t k : {decider, i}) {
      const SymbolId *id = where[k]->kind == ast::ExprKind::Name ? lookup(where[k]->text) : nullptr;
      if (!id || !symbols[*id].ty.nominal || values[k].nominal) continue;
      d.labels.push_back({where[k]->span, fmt::format("a field of `{}` is {}", where[k]->text, toString(values[k].ty())), false});
      d.notes.push_back("a literal fills every field of a struct, and has to fit the type of each");
      return false;
    }
    describeOperand(d, *where[decider], values[decider], false);
    describeOperand(d, *where[i], values[i], false);
    for (size_t k : {decider, i}) // a number in the place of an enum's value
      if (const Nominal *type = values[k].nominal; type && !type->decl->constructors.empty() && !values[k == i ? decider : i].nominal)
        d.helps.push_back(fmt::format("a value of the enum `{0}`:  {0}.{1}", type->display, type->decl->constructors[0].text));
    if (values[i].nominal || values[decider].nominal) return false;
    if (suggestAnnotation(d, *where[i], other, s) || suggestAnnotation(d, *where[decider], s, other))
      return false;
    // Towards the type that holds more: numbers over booleans, floats over integers, wide over narrow.
    auto rank = [](Scalar x) { return x == Scalar::Bool ? 0 : bitWidth(x) + (isInt(x) ? 0 : 1000); };
    bool toOther = rank(other) > rank(s);
    d.helps.push_back(fmt::format("convert one of them: `{}({})`", name(toOther ? other : s),
                                  text(*where[toOther ? decider : i])));
    return false;
  }
  return true;
}

bool Body::unifyShapes(std::vector<Value> &values, const std::vector<const ast::Expr *> &where,
                       const std::string &spelling) {
  // What is open comes last: its shape may still become that of the others.
  std::vector<size_t> order;
  for (bool open : {false, true})
    for (size_t i = 0; i < values.size(); ++i)
      if (values[i].open == open) order.push_back(i);
  Shape shape;
  for (size_t i : order) {
    auto joined = broadcastShapes(shape, values[i].shape());
    if (joined) shape = *joined;
    if (joined || values[i].open) continue;
    Diagnostic &d = error(kinds::shapeMismatch, where[0]->span.to(where[i]->span),
                          fmt::format("the shapes {} and {} of the operands of `{}` do not broadcast",
                                      toString(shape), toString(values[i].shape()), spelling));
    for (size_t j = 0; j <= i; ++j) describeOperand(d, *where[j], values[j], false);
    d.notes.push_back("axes are matched from the last one; sizes must be equal, or one of them 1");
    return false;
  }
  auto count = elementCount(shape);
  if (!count || *count > maxSize) {
    error(kinds::invalidSize, where[0]->span.to(where.back()->span),
          fmt::format("a tensor of shape {} is too large", toString(shape)));
    return false;
  }
  for (Value &v : values) v = broadcast(v, shape);
  return true;
}

/// One type for alternatives of one stream (`fby`, `if`, list elements): equal, but that literals adapt and
/// fill. Works leaf by leaf on tuples.
bool Body::join(std::vector<Value> &values, const std::vector<const ast::Expr *> &where,
                const std::string &spelling) {
  for (size_t i = 0; i < values.size(); ++i)
    for (size_t j = 0; values[i].isStruct() && j < values.size(); ++j)
      if (values[j].fills() && !values[j].truth) values[j] = spread(std::move(values[j]), values[i].ty());
  size_t arity = values[0].parts.size();
  for (size_t i = 1; i < values.size(); ++i) {
    if (values[i].kind == values[0].kind && values[i].parts.size() == arity &&
        (values[i].plain() || (values[i].nominal == values[0].nominal && values[i].lead == values[0].lead)))
      continue;
    Diagnostic &d = error(kinds::typeMismatch, where[0]->span.to(where[i]->span),
                          fmt::format("the operands of `{}` have types {} and {}", spelling,
                                      toString(values[0].ty()), toString(values[i].ty())));
    describeOperand(d, *where[0], values[0], false);
    describeOperand(d, *where[i], values[i], false);
    return false;
  }
  for (size_t part = 0; part < arity; ++part) {
    std::vector<Value> leaves;
    for (Value &v : values) leaves.push_back(std::move(v.parts[part]));
    bool ok = true;
    for (const Value &leaf : leaves) ok &= !leaf.unknown();
    ok = ok && join(leaves, where, spelling);
    for (size_t i = 0; i < values.size(); ++i) values[i].parts[part] = std::move(leaves[i]);
    if (!ok) return false;
  }
  if (!values[0].plain()) return true;
  std::vector<bool> fills;
  bool open = false, decided = false;
  for (const Value &v : values) {
    fills.push_back(v.fills() || v.open);
    open |= v.open, decided |= !fills.back();
  }
  if (!unifyScalars(values, where, spelling)) return false;
  Shape shape;
  size_t decider = 0;
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i].shape().size() > shape.size() && !(values[i].open && decided)) shape = values[i].shape(), decider = i;
  for (Value &v : values) v.open = open && (!decided || v.flex != Flex::None);
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].shape() == shape) continue;
    if (fills[i]) {
      values[i] = broadcast(values[i], shape);
      continue;
    }
    Diagnostic &d = error(kinds::shapeMismatch, where[decider]->span.to(where[i]->span),
                          fmt::format("the operands of `{}` have shapes {} and {}", spelling, toString(shape),
                                      toString(values[i].shape())));
    describeOperand(d, *where[decider], values[decider], false);
    describeOperand(d, *where[i], values[i], false);
    d.notes.push_back("only literals fill a shape here");
    return false;
  }
  return true;
}

/// A value beside something unknown: what is not final in it may still follow from that.
Value Body::opened(Value v) const {
  for (Value &part : v.parts) part = opened(std::move(part));
  if (v.plain() && !assuming) v.open |= v.fills() || v.flex != Flex::None;
  return v;
}

/// What alternatives of one stream say about its type while some of it, such as a component of a tuple, is
/// still unknown: each leaf takes what is known of it.
Value Body::guessJoin(const Value &a, const Value &b, const std::vector<const ast::Expr *> &where,
                      const std::string &spelling) {
  if (a.unknown()) return opened(b);
  if (b.unknown()) return opened(a);
  // A number times something unknown may be a struct.
  if (a.isStruct() && b.plain() && b.open) return a;
  if (b.isStruct() && a.plain() && a.open) return b;
  if (a.kind == Ty::Kind::Tuple && b.kind == a.kind && a.nominal == b.nominal && a.parts.size() == b.parts.size()) {
    Value out;
    out.kind = Ty::Kind::Tuple;
    out.nominal = a.nominal;
    out.lead = a.lead;
    for (size_t i = 0; i < a.parts.size(); ++i)
      out.parts.push_back(guessJoin(a.parts[i], b.parts[i], where, spelling));
    return out;
  }
  std::vector<Value> both{a, b};
  return join(both, where, spelling) ? both[0] : Value();
}

} // namespace mlr::checking
