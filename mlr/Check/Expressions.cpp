// Names, literals, operators, tuples, lists, `if`.
#include "mlr/Check/Body.h"

#include <algorithm>
#include <fmt/format.h>

namespace mlr::checking {

Value Body::elab(const ast::Expr &e, const Ty *want) {
  using K = ast::ExprKind;
  if (!given.empty())
    if (auto at = given.find(&e); at != given.end()) return copy(at->second);
  switch (e.kind) {
  case K::Number: return elabNumber(e);
  case K::Bool: {
    Value v = plain(makeConst(scalarArray(Scalar::Bool, e.text == "true"), e.span));
    v.truth = true;
    return v;
  }
  case K::Name: return elabName(e);
  case K::Tuple: return elabTuple(e, want);
  case K::List: return elabList(e.args, e.span, want);
  case K::Comprehension: return elabComprehension(e, want);
  case K::Call: return elabCall(e, want);
  case K::Reduce: return elabReduce(e, want);
  case K::Index: return elabIndex(e);
  case K::Unary: return elabUnary(e, want);
  case K::Binary: return elabBinary(e, want);
  case K::If: return elabIf(e, want);
  case K::String:
    error(kinds::typeMismatch, e.span, "a text is not a value", "only `load` takes texts");
    return Value();
  case K::Field: return elabField(e);
  case K::StructLiteral: return elabStruct(e, want);
  case K::StructUpdate: return elabUpdate(e, want);
  case K::When: return elabWhen(e, want);
  case K::MergeBool:
  case K::MergeEnum: return elabMerge(e, want);
  }
  return Value();
}

// ---- atoms -----------------------------------------------------------------------------------------------

Value Body::elabNumber(const ast::Expr &e) {
  return literal({e.text, 0, false}, isDecimal(e.text) ? Flex::Float : Flex::Int, e.span);
}

Value Body::elabStatic(const ast::Expr &e, const StaticValue &value) {
  using K = StaticValue::Kind;
  if (value.kind == K::Size) return literal({{}, value.size, false}, Flex::Int, e.span);
  if (value.kind == K::Value) {
    Value v = plain(makeConst(value.value, e.span));
    v.nominal = value.type.nominal;
    return v;
  }
  bool isFunction = value.kind == K::Function;
  const char *what = isFunction ? "node or fun" : value.kind == K::Type ? "type" : "shape";
  Diagnostic &d = error(kinds::typeMismatch, e.span, fmt::format("`{}` is a {}, not a value", e.text, what),
                        isFunction ? "not called" : fmt::format("it is {}", value.display()));
  if (isFunction) d.helps.push_back(fmt::format("call it: `{}(..)`", e.text));
  return Value();
}

Value Body::elabConstant(const ast::Expr &e, const ast::Decl &decl) {
  const Constant &constant = checker.constant(decl);
  if (constant.failed) { // its declared type still tells what stands beside it
    incomplete = true;
    if (!unit) return Value();
    return assemble(constant.type, [&](const Ty &ty) { return plain(makeVar(newHidden(ty.type, e.span, decl.name.text), e.span)); });
  }
  uint32_t leaf = 0;
  bool isKnown = !constant.computed || constant.isTable;
  if (!isKnown) checker.noteCall(instance, *constant.computed);
  return assemble(constant.type, [&](const Ty &ty) {
    if (isKnown) return plain(makeConst(constant.leaves[leaf++], e.span));
    Expr *call = make(ExprKind::Call, ty.type, e.span);
    call->callee = constant.computed;
    call->result = leaf++;
    return plain(call);
  });
}

/// The tree of reads of a variable's leaves; while guessing, leaves may not exist yet.
Value Body::tupleOf(const std::vector<Ty> &types, const std::vector<VarId> &vars, Span span) {
  size_t next = 0;
  return assemble(types, [&](const Ty &ty) {
    if (next < vars.size()) return plain(makeVar(vars[next++], span));
    Value v = plain(make(ExprKind::Var, ty.type, span), ty.flex);
    v.open = ty.open && !assuming;
    return v;
  });
}

Value Body::elabName(const ast::Expr &e) {
  for (auto c = comprehended.rbegin(); c != comprehended.rend(); ++c)
    if (c->name == e.text) return plain(makeIndex(c->id, e.span));
  if (const SymbolId *id = lookup(e.text)) {
    const Symbol &symbol = symbols[*id];
    if (!report.isQuiet() && symbol.leaves.empty()) return Value();
    return tupleOf({symbol.ty}, symbol.leaves, e.span);
  }
  if (const StaticValue *value = env.find(e.text)) return elabStatic(e, *value);
  if (const ast::Decl *decl = module.find(e.text)) return elabDeclared(e, *decl);
  return unknownName(e);
}

/// A name, maybe of another module, that means a declaration.
Value Body::elabDeclared(const ast::Expr &e, const ast::Decl &decl) {
  using K = ast::DeclKind;
  if (decl.kind == K::Const) return elabConstant(e, decl);
  std::string name = dottedName(e);
  if (decl.kind == K::Enum || decl.kind == K::Struct) {
    bool isEnum = decl.kind == K::Enum;
    Diagnostic &d = error(kinds::wrongArguments, e.span,
                          fmt::format("`{}` is {}, not a value", name, isEnum ? "an enum" : "a struct"), "a type");
    if (isEnum && !decl.constructors.empty())
      d.helps.push_back(fmt::format("name a value of it: `{}.{}`", name, decl.constructors[0].text));
    else if (!isEnum && !decl.fields.empty())
      d.helps.push_back(fmt::format("make one: `{} {{ {} = .. }}`", name, decl.fields[0].name.text));
    return Value();
  }
  Diagnostic &d = error(kinds::wrongArguments, e.span,
                        fmt::format("`{}` is a {}, not a value", name, decl.kind == K::Node ? "node" : "fun"),
                        "not called");
  d.helps.push_back(fmt::format("call it: `{}(..)`", name));
  return Value();
}

/// Whether a variable of that name is hidden in a scan, a state or an arm; says so.
bool Body::explainHidden(const ast::Expr &e, Diagnostic &d) {
  for (const Symbol &symbol : symbols) {
    if (symbol.name != e.text) continue;
    if (symbol.scope->time) {
      std::string_view index = symbol.scope->index;
      d.labels.push_back({symbol.span, fmt::format("a stream of the scan over `{}`, visible inside only", index), false});
      d.helps.push_back(fmt::format("inside the scan, `{0}_end = final {0};` or `{0}s[{1}] = {0};` makes it visible", e.text, index));
      return true;
    }
    const Scope *arm = symbol.scope;
    while (arm && arm->kind != Scope::Kind::Arm) arm = arm->parent;
    bool isState = false;
    for (auto &[block, clock] : blocks) isState |= block == arm && clock->constructor.text.starts_with('#');
    if (!arm) continue;
    d.labels.push_back({symbol.span, fmt::format("of one {}, visible inside only", isState ? "state" : "arm"), false});
    bool isStrong = unit && unit->targets.size() == 1 && symbols[unit->targets[0]].name.find(".unless") != std::string_view::npos;
    if (!isStrong) return true;
    d.notes.push_back("`unless` decides before the state runs: it sees what is defined around the automaton");
    d.helps.push_back(fmt::format("decide after it, with `until`, or define `{}` around the automaton", e.text));
    return true;
  }
  return false;
}

Value Body::unknownName(const ast::Expr &e) {
  if (module.explain(e.text, e.span, report)) return Value();
  Diagnostic &d =
      error(kinds::unknownName, e.span, fmt::format("nothing called `{}` is declared", e.text), "unknown");
  if (report.isQuiet() || ++suggestions > 20 || explainHidden(e, d)) return Value();
  for (const auto &decl : module.file->decls)
    for (const ast::Name &constructor : decl->constructors) {
      if (constructor.text != e.text) continue;
      d.labels.push_back({constructor.span, fmt::format("a value of the enum `{}`", decl->name.text), false});
      d.helps.push_back(fmt::format("write it with its enum:  {}.{}", decl->name.text, e.text));
      return Value();
    }
  if (std::string near = nearest(e.text, visibleNames()); !near.empty())
    d.helps.push_back(fmt::format("did you mean `{}`?", near));
  return Value();
}

Value Body::elabTuple(const ast::Expr &e, const Ty *want) {
  Value out;
  out.kind = Ty::Kind::Tuple;
  bool alike = want && want->kind == Ty::Kind::Tuple && want->parts.size() == e.args.size();
  bool ok = true;
  auto mark = marks.find(&e);
  ClockTerm *before = here;
  for (size_t i = 0; i < e.args.size(); ++i) {
    if (mark != marks.end()) here = mark->second.each[i];
    out.parts.push_back(elab(*e.args[i], alike ? &want->parts[i] : nullptr));
    ok &= !out.parts.back().unknown();
  }
  here = before;
  // While guessing, a tuple with unknown parts still tells its arity.
  return ok || report.isQuiet() ? out : Value();
}

/// Elements stacked along a new leading axis: each gets an axis of 1 in front, then they are concatenated.
Value Body::elabList(const std::vector<ast::ExprPtr> &elements, Span span, const Ty *want) {
  Ty element;
  if (want && (want->kind == Ty::Kind::Plain || want->isStruct()) && !want->type.shape.empty())
    element = checking::element(want->type.shape[0], *want);
  std::vector<const ast::Expr *> where;
  for (const ast::ExprPtr &arg : elements) where.push_back(arg.get());
  std::vector<Value> values = elabAlike(where, element.kind != Ty::Kind::Unknown ? &element : nullptr);
  bool ok = true, structs = false;
  for (const Value &v : values) structs |= v.isStruct();
  for (size_t i = 0; i < values.size(); ++i) {
    ok &= values[i].plain() || (structs && !values[i].unknown());
    if (values[i].kind == Ty::Kind::Tuple && !structs)
      error(kinds::typeMismatch, where[i]->span, "a tensor cannot hold tuples", toString(values[i].ty()));
  }
  if (!ok || !join(values, where, "[..]")) return Value();
  return stackList(std::move(values), span);
}

/// Values of one type along a new leading axis, structs leaf by leaf.
Value Body::stackList(std::vector<Value> values, Span span) {
  if (values[0].isStruct()) {
    Value out = values[0];
    out.lead.insert(out.lead.begin(), static_cast<int64_t>(values.size()));
    for (size_t part = 0; part < out.parts.size(); ++part) {
      std::vector<Value> leaves;
      for (Value &v : values) leaves.push_back(std::move(v.parts[part]));
      out.parts[part] = stackList(std::move(leaves), span);
      if (out.parts[part].unknown()) return Value();
    }
    return out;
  }
  Flex flex = values[0].flex;
  Shape shape = values[0].shape();
  shape.insert(shape.begin(), 1);
  std::vector<const Expr *> rows;
  for (Value &v : values) {
    Expr *row = make(ExprKind::Reshape, {v.type().scalar, shape}, v.expr->span, {v.expr});
    if (flex == Flex::None) foldReshape(row);
    rows.push_back(row);
  }
  shape[0] = static_cast<int64_t>(rows.size());
  if (auto count = elementCount(shape); !count || *count > maxSize) {
    error(kinds::invalidSize, span, fmt::format("a tensor of shape {} is too large", toString(shape)));
    return Value();
  }
  Expr *list = make(ExprKind::Concat, {values[0].type().scalar, shape}, span, std::move(rows));
  if (flex == Flex::None) foldConcat(list);
  Value v = plain(list, flex);
  v.nominal = values[0].nominal;
  v.open = values[0].open;
  return v;
}

// ---- operators -------------------------------------------------------------------------------------------

static std::optional<OpKind> binaryOp(ast::Op op) {
  switch (op) {
  case ast::Op::Add: return OpKind::Add;
  case ast::Op::Sub: return OpKind::Sub;
  case ast::Op::Mul: return OpKind::Mul;
  case ast::Op::Div: return OpKind::Div;
  case ast::Op::Rem: return OpKind::Rem;
  case ast::Op::Lt: return OpKind::Lt;
  case ast::Op::Gt: return OpKind::Gt;
  case ast::Op::Le: return OpKind::Le;
  case ast::Op::Ge: return OpKind::Ge;
  case ast::Op::Eq: return OpKind::Eq;
  case ast::Op::Ne: return OpKind::Ne;
  case ast::Op::And: return OpKind::And;
  case ast::Op::Or: return OpKind::Or;
  default: return std::nullopt;
  }
}

static bool isComparison(OpKind op) { return op >= OpKind::Lt && op <= OpKind::Ne; }
static bool isLogical(OpKind op) { return op >= OpKind::And && op <= OpKind::Not; }
static bool isBitwise(OpKind op) { return op >= OpKind::BitAnd && op <= OpKind::Shr; }
static bool needsFloat(OpKind op) { return op >= OpKind::Fma && op <= OpKind::RoundEven; }

/// Whether the operator takes this scalar type; else what it takes.
static const char *wanted(OpKind op, Scalar s) {
  if (op == OpKind::Eq || op == OpKind::Ne) return nullptr;
  if (isLogical(op)) return s == Scalar::Bool ? nullptr : "booleans";
  if (isBitwise(op)) return isInt(s) ? nullptr : "integers";
  if (needsFloat(op)) return isFloat(s) ? nullptr : "floats";
  return s != Scalar::Bool ? nullptr : "numbers";
}

/// Takes floats to floats, so that it goes through structs of them.
static bool arithmetic(OpKind op) { return op <= OpKind::RoundEven; }

Diagnostic &Body::refuseCompound(const ast::Expr &e, const Value &v, const std::string &spelling) {
  return error(kinds::typeMismatch, e.span, fmt::format("`{}` does not take {}", spelling, v.nominal ? "structs" : "tuples"),
               toString(v.ty()));
}

/// An operator on operands of one type, broadcast to one shape. Unknown operands (while guessing) are assumed
/// to be like the others.
Value Body::elementwise(OpKind op, std::vector<Value> operands, const ast::Expr &e,
                        const std::string &spelling) {
  std::vector<const ast::Expr *> where;
  std::vector<Value> known;
  for (const ast::ExprPtr &arg : e.args) where.push_back(arg.get());
  bool structs = false, some = false;
  for (const Value &operand : operands) structs |= operand.isStruct(), some |= operand.unknown();
  if (structs && arithmetic(op)) {
    if (some && !report.isQuiet()) return Value();
    if (!alikeStructs(operands, where, spelling, true)) return Value();
    for (Value &operand : operands) operand = named(std::move(operand));
    return overLeaves(operands, [&](std::vector<Value> leaves) { return elementwise(op, std::move(leaves), e, spelling); });
  }
  where.clear();
  for (size_t i = 0; i < operands.size(); ++i) {
    if (operands[i].unknown()) continue;
    if (operands[i].kind == Ty::Kind::Tuple) {
      Diagnostic &d = refuseCompound(*e.args[i], operands[i], spelling);
      if (operands[i].isStruct() && (op == OpKind::Eq || op == OpKind::Ne)) {
        const std::string &field = operands[i].nominal->decl->fields.empty() ? "x" : operands[i].nominal->decl->fields[0].name.text;
        d.helps.push_back(fmt::format("compare the fields: `{0}.{2} {3} {1}.{2}`", text(*e.args[0]), text(*e.args[1]), field, spelling));
      }
      return Value();
    }
    known.push_back(operands[i]);
    where.push_back(e.args[i].get());
  }
  bool complete = known.size() == operands.size(), open = !complete && !assuming;
  for (const Value &v : known) open |= v.open;
  if (known.empty() || (!complete && !report.isQuiet())) return Value();
  for (size_t i = 0; isLogical(op) && i < known.size(); ++i) {
    forceDefault(known[i]);
    if (known[i].type().scalar == Scalar::Bool) continue;
    Diagnostic &d = error(kinds::typeMismatch, where[i]->span,
                          fmt::format("`{}` needs booleans, not {}", spelling, toString(known[i].ty())),
                          toString(known[i].ty()));
    d.helps.push_back(fmt::format("compare it: `{} != 0`", text(*where[i])));
    return Value();
  }
  if (!unifyScalars(known, where, spelling)) return Value();
  if (known[0].nominal && op != OpKind::Eq && op != OpKind::Ne) {
    Diagnostic &d = error(kinds::typeMismatch, e.span,
                          fmt::format("`{}` does not take values of the enum `{}`", spelling, known[0].nominal->display),
                          toString(known[0].ty()));
    d.notes.push_back("enums are compared with `==` and `!=`");
    d.helps.push_back(fmt::format("its number, in the order of the declaration: `i32({})`", text(*where[0])));
    return Value();
  }
  if (needsFloat(op) && known[0].flex == Flex::Int)
    for (Value &v : known) v.flex = Flex::Float, v.expr->type.scalar = Scalar::F32;
  Scalar s = known[0].type().scalar;
  if (const char *need = wanted(op, s)) {
    Diagnostic &d =
        error(kinds::typeMismatch, e.span, fmt::format("`{}` needs {}, not {}", spelling, need, name(s)));
    for (size_t i = 0; i < known.size(); ++i) describeOperand(d, *where[i], known[i], false);
    if (needsFloat(op) && isInt(s)) d.helps.push_back(fmt::format("convert it: `f32({})`", text(*where[0])));
    return Value();
  }
  if (!unifyShapes(known, where, spelling)) return Value();
  if (isComparison(op))
    for (Value &v : known) forceDefault(v);
  Type type{isComparison(op) ? Scalar::Bool : known[0].type().scalar, known[0].shape()};
  std::vector<const Expr *> args;
  for (const Value &v : known) args.push_back(v.expr);
  Flex flex = isComparison(op) ? Flex::None : known[0].flex;
  Value v = plain(complete ? makeOp(op, type, e.span, std::move(args)) : make(ExprKind::Var, type, e.span), flex);
  v.open = open;
  if (!complete) return v;
  return truth(std::move(v), known);
}

/// `v` is made of `true` and `false` alone if all of `from` are.
Value Body::truth(Value v, const std::vector<Value> &from) const {
  v.truth = v.plain() && v.type().scalar == Scalar::Bool && v.flex == Flex::None;
  for (const Value &part : from) v.truth &= part.truth;
  return v;
}

Value Body::elabBinary(const ast::Expr &e, const Ty *want) {
  if (e.op == ast::Op::Fby || e.op == ast::Op::Eby || e.op == ast::Op::Arrow) return elabDelay(e, want);
  std::string spelling = ast::spelling(e.op);
  if (e.op == ast::Op::MatMul) {
    std::vector<Value> factors = elabAlike({e.args[0].get(), e.args[1].get()}, nullptr, want);
    Value &a = factors[0], &b = factors[1];
    return a.unknown() || b.unknown() || a.open || b.open ? Value() : matrixProduct(std::move(a), std::move(b), e);
  }
  OpKind op = *binaryOp(e.op);
  bool isArithmetic = !isComparison(op) && op != OpKind::And && op != OpKind::Or;
  return elementwise(op, elabAlike({e.args[0].get(), e.args[1].get()}, nullptr, isArithmetic ? want : nullptr), e, spelling);
}

/// `zeros()` or `ones()` without a shape.
bool Body::isOpenFill(const ast::Expr &e) const {
  return e.kind == ast::ExprKind::Call && (e.text == "zeros" || e.text == "ones") && e.statics.empty() &&
         e.args.empty() && !module.find(e.text);
}

/// Whether the type of literals in it has to be known where it stands: its operands become variables.
static bool fixesLiterals(const ast::Expr &e) {
  using K = ast::ExprKind;
  return e.kind == K::MergeBool || e.kind == K::MergeEnum || (e.kind == K::Call && e.text == "hold");
}

/// A call without arguments of what has a type parameter that is not given: only its context tells the type.
bool Body::needsType(const ast::Expr &e) const {
  const ast::Decl *decl = calledDeclaration(e);
  if (!decl || !e.args.empty() || !decl->inputs.empty()) return false;
  std::vector<const ast::StaticParam *> given;
  for (size_t i = 0; i < e.statics.size(); ++i) given.push_back(parameterOf(*decl, e.statics, i));
  return std::any_of(decl->statics.begin(), decl->statics.end(), [&](const ast::StaticParam &param) {
    return isTypeKind(param) && !param.defaultValue && std::find(given.begin(), given.end(), &param) == given.end();
  });
}

/// An operator whose operands have the scalar type of its result.
static bool keepsScalar(const ast::Expr &e) {
  return e.kind == ast::ExprKind::Binary || (e.kind == ast::ExprKind::Unary && e.op == ast::Op::Neg);
}

/// Operands of one shape: `zeros()` among them takes that of the others, literals in a `merge` or `hold` their type.
/// Calls that need a type take the scalar type of the others, where these are literals that of `scalar`.
std::vector<Value> Body::elabAlike(const std::vector<const ast::Expr *> &operands, const Ty *want, const Ty *scalar) {
  std::vector<Value> values(operands.size());
  Ty hint;
  bool failed = false;
  for (size_t i = 0; i < operands.size(); ++i) {
    if (isOpenFill(*operands[i]) || fixesLiterals(*operands[i]) || needsType(*operands[i])) continue;
    values[i] = elab(*operands[i], want || !keepsScalar(*operands[i]) ? want : scalar);
    failed |= values[i].unknown();
    bool larger = hint.kind == Ty::Kind::Unknown || values[i].ty().type.shape.size() > hint.type.shape.size();
    if (values[i].plain() && larger) hint = values[i].ty();
  }
  bool known = hint.kind == Ty::Kind::Plain;
  auto decides = [](const Value &v) { return v.plain() && v.flex == Flex::None && v.type().scalar != Scalar::Bool; };
  auto decider = std::find_if(values.begin(), values.end(), decides);
  Ty type = decider != values.end() ? decider->ty() : scalar ? *scalar : Ty();
  bool isTyped = type.kind == Ty::Kind::Plain && type.flex == Flex::None;
  type.open = true; // its shape is its own
  for (size_t i = 0; i < operands.size(); ++i)
    if (needsType(*operands[i])) values[i] = elab(*operands[i], want || !isTyped ? want : &type);
    else if (isOpenFill(*operands[i]) && (known || !failed)) values[i] = elab(*operands[i], known ? &hint : want);
    else if (fixesLiterals(*operands[i])) values[i] = elab(*operands[i], hint.isKnown() && hint.flex == Flex::None ? &hint : want);
  return values;
}

Value Body::negate(Value a, const ast::Expr &e) {
  if (a.plain() && a.flex != Flex::None && a.expr->kind == ExprKind::Const) {
    literals[a.expr->var].negative ^= true;
    a.expr->span = e.span;
    return a;
  }
  std::vector<Value> operands;
  operands.push_back(std::move(a));
  return elementwise(OpKind::Neg, std::move(operands), e, "-");
}

Value Body::elabUnary(const ast::Expr &e, const Ty *want) {
  std::vector<Value> operands;
  switch (e.op) {
  case ast::Op::Neg: return negate(elab(*e.args[0], want), e);
  case ast::Op::Not:
    operands.push_back(elab(*e.args[0]));
    return elementwise(OpKind::Not, std::move(operands), e, "not");
  case ast::Op::Pre: return elabDelay(e, want);
  case ast::Op::Final:
  case ast::Op::Initial: return elabEndValue(e, want);
  default: break;
  }
  if (const SymbolId *id = variableRead(e)) {
    const Symbol &symbol = symbols[*id];
    return !report.isQuiet() && symbol.leaves.empty() ? Value() : tupleOf({symbol.ty}, symbol.leaves, e.span);
  }
  Diagnostic &d = error(kinds::unknownName, e.span, fmt::format("`{}` has no memory", e.text), "nothing keeps its value");
  d.helps.push_back(fmt::format("say what it is at first:  last {} = 0;", e.text));
  return Value();
}

// ---- if --------------------------------------------------------------------------------------------------

/// The comparison that the source has behind an operand, which binds it no more: of `every x == 3`.
std::string_view Body::comparisonAfter(const ast::Expr &e) const {
  std::string_view rest = checker.sources.text(e.span.file).substr(e.span.end);
  while (!rest.empty() && rest[0] == ' ') rest.remove_prefix(1);
  for (std::string_view op : {"==", "!=", "<=", ">=", "<", ">"})
    if (rest.starts_with(op) && !rest.starts_with("<<") && !rest.starts_with(">>")) return op;
  return {};
}

bool Body::elabScalarCondition(const ast::Expr &e, const std::string &what, Expr *&out) {
  Value c = elab(e);
  if (c.unknown() || !fitScalarCondition(c, e, what)) return false;
  out = c.expr;
  return true;
}

bool Body::fitScalarCondition(Value &c, const ast::Expr &e, const std::string &what) {
  forceDefault(c);
  if (c.plain() && c.type() == Type{Scalar::Bool, {}}) return true;
  Diagnostic &d = error(kinds::typeMismatch, e.span,
                        fmt::format("{} must be a bool, not {}", what, toString(c.ty())), toString(c.ty()));
  if (c.plain() && c.type().scalar == Scalar::Bool)
    d.helps.push_back("to choose element by element: `where(c, a, b)`");
  else if (std::string_view next = comparisonAfter(e); !next.empty())
    d.helps.push_back(fmt::format("it ends before `{0}`: put the comparison in parentheses, `({1} {0} ..)`", next, text(e)));
  else if (c.plain() && c.type().isScalar()) d.helps.push_back(fmt::format("compare it: `{} != 0`", text(e)));
  return false;
}

/// Leaf by leaf; the condition is copied for each further leaf.
Value Body::select(Expr *condition, Value a, Value b, Span span) {
  if (a.kind == Ty::Kind::Tuple) {
    Value out;
    out.kind = Ty::Kind::Tuple;
    out.nominal = a.nominal;
    out.lead = a.lead;
    for (size_t i = 0; i < a.parts.size(); ++i)
      out.parts.push_back(select(i ? clone(condition) : condition, a.parts[i], b.parts[i], span));
    return out;
  }
  Expr *c = broadcastTo(condition, a.shape());
  Value v = plain(makeOp(OpKind::Select, a.type(), span, {c, a.expr, b.expr}), a.flex);
  v.nominal = a.nominal;
  return truth(std::move(v), {a, b});
}

Value Body::elabIf(const ast::Expr &e, const Ty *want) {
  Expr *condition = nullptr;
  bool ok = elabScalarCondition(*e.args[0], "the condition of `if`", condition);
  bool known = want && want->kind != Ty::Kind::Unknown;
  std::vector<Value> branches = elabAlike({e.args[1].get(), e.args[2].get()}, known ? want : nullptr);
  if (report.isQuiet()) return guessJoin(branches[0], branches[1], {e.args[1].get(), e.args[2].get()}, "if");
  if (!ok || branches[0].unknown() || branches[1].unknown()) return Value();
  if (!join(branches, {e.args[1].get(), e.args[2].get()}, "if")) return Value();
  if (branches[0].kind == Ty::Kind::Tuple) condition = named(condition);
  return select(condition, std::move(branches[0]), std::move(branches[1]), e.span);
}

} // namespace mlr::checking
