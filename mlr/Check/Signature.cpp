// The static parameters of a call: given, inferred from arguments and expected results, defaults.
#include "mlr/Check/AstBuild.h"
#include "mlr/Check/AstWalk.h"
#include "mlr/Check/Body.h"
#include "mlr/Check/Fold.h"

#include <fmt/format.h>
#include <utility>

namespace mlr::checking {

bool isTypeKind(const ast::StaticParam &param) {
  const std::string &kind = param.kind.name.text;
  return kind == "type" || kind == "float" || kind == "int" || kind == "num";
}

static bool isValue(const ast::StaticParam &param) {
  return !isTypeKind(param) && !param.isFunction && param.kind.name.text != "size" &&
         param.kind.name.text != "shape";
}

static const ast::StaticParam *parameter(const ast::Decl &decl, std::string_view name) {
  for (const ast::StaticParam &param : decl.statics)
    if (param.name.text == name) return &param;
  return nullptr;
}

/// What arguments are given for: the inputs of a node or fun, the fields of a struct.
struct Slot {
  const ast::Name *name;
  const ast::TypeExpr *type;
};

static std::vector<Slot> slotsOf(const ast::Decl &decl) {
  std::vector<Slot> out;
  for (const ast::Param &param : decl.inputs) out.push_back({&param.name, &param.type});
  for (const ast::FieldDecl &field : decl.fields) out.push_back({&field.name, &field.type});
  return out;
}

std::string Signature::display() const {
  if (env.values.empty()) return decl->name.text;
  std::string out = decl->name.text + "<<";
  for (size_t i = 0; i < env.values.size(); ++i)
    out += fmt::format("{}{} = {}", i ? ", " : "", env.values[i].first, env.values[i].second.display());
  return out + ">>";
}

// ---- one value -------------------------------------------------------------------------------------------

/// Kind of a type parameter that `type` violates, or null.
static const char *violated(const std::string &kind, const Ty &ty) {
  if (kind == "type") return nullptr;
  if (ty.nominal || ty.kind != Ty::Kind::Plain) return "a number type";
  const Type &type = ty.type;
  if (kind == "float" && !isFloat(type.scalar)) return "a float type";
  if (kind == "int" && !isInt(type.scalar)) return "an integer type";
  if (kind == "num" && type.scalar == Scalar::Bool) return "a number type";
  return nullptr;
}

bool Body::bindParam(const ast::StaticParam &param, const ast::Expr *value,
                     const std::vector<ast::ExprPtr> *shape, Span span, Env &target) {
  StaticValue &out = *target.find(param.name.text);
  const std::string &kind = param.kind.name.text;
  if (value && value->kind == ast::ExprKind::List && kind == "shape") shape = &value->args, value = nullptr;
  auto refuse = [&](const std::string &need) {
    Diagnostic &d = error(kinds::typeMismatch, span, fmt::format("`{}` must be {}", param.name.text, need));
    d.labels.push_back({param.name.span, fmt::format("declared `{}`", kind), false});
    return false;
  };
  if (param.isFunction) {
    return bindFunction(param, value, span, out);
  }
  if (kind == "size") {
    auto size = value ? statics.size(*value) : std::nullopt;
    if (!value) return refuse("a size");
    if (size) out = StaticValue::ofSize(*size);
    return size.has_value();
  }
  if (kind == "shape") {
    const StaticValue *named = value && value->kind == ast::ExprKind::Name ? env.find(value->text) : nullptr;
    std::optional<Shape> axes;
    if (shape) axes = statics.shape(*shape);
    else if (named && named->kind == StaticValue::Kind::Shape) axes = named->shape;
    else return refuse("a shape such as `[2, 3]`");
    if (axes) out = StaticValue::ofShape(*axes);
    return axes.has_value();
  }
  if (isTypeKind(param)) {
    if (value && value->kind == ast::ExprKind::Tuple) return refuse("a scalar or tensor type, not a tuple");
    bool known = true;
    auto type = value ? statics.written(*value, known) : std::nullopt;
    if (!known) return false;
    if (!type) return refuse("a type such as `f32`");
    if (kind != "type" && !type->type.isScalar())
      return refuse(fmt::format("a scalar type, not {}", toString(*type)));
    if (const char *need = violated(kind, *type))
      return refuse(fmt::format("{}, not {}", need, toString(*type)));
    out = StaticValue::ofType(*type);
    return true;
  }
  auto ty = StaticEvaluator(checker, target, report).type(param.kind);
  if (!ty) return false;
  if (ty->kind == Ty::Kind::Tuple) {
    Diagnostic &d = error(kinds::typeMismatch, param.kind.span,
                          fmt::format("the static parameter `{}` cannot be {}", param.name.text, ty->nominal ? "a struct" : "a tuple"),
                          "of several values");
    d.helps.push_back("give each value a parameter of its own, or pass it as an input");
    return false;
  }
  if (!value && !shape) return refuse("a value");
  std::string what = fmt::format("`{}`", param.name.text);
  Value v = value ? constant(*value, *ty, what) : constant(*shape, span, *ty, what);
  if (!v.plain()) return false;
  if (auto folded = fold(*v.expr)) {
    out = StaticValue::ofValue(*folded, *ty);
    return true;
  }
  auto computed = checker.valueOf(*v.expr, instance, fmt::format("`{}`", param.name.text), report);
  if (computed) out = StaticValue::ofValue(*computed, *ty);
  return computed.has_value();
}

static bool changesClocks(std::string_view builtin) { return builtin == "hold" || builtin == "pack" || builtin == "unpack"; }

/// `relu`, `nn.relu`, `dense<<3, 4>>`, `exp`, or a parameter of this node that is itself a function.
bool Body::bindFunction(const ast::StaticParam &param, const ast::Expr *value, Span span, StaticValue &out) {
  auto refuse = [&](const std::string &title, const DiagnosticKind &kind = kinds::typeMismatch) {
    Diagnostic &d = error(kind, span, title);
    d.labels.push_back({param.name.span, fmt::format("takes {} value{}, gives {}", param.domain.size(),
                                                     param.domain.size() == 1 ? "" : "s", param.range.size()), false});
    return false;
  };
  std::string name = value ? dottedName(*value) : "";
  if (name.empty()) return refuse(fmt::format("`{}` must be the name of a node or fun", param.name.text));
  auto function = std::make_shared<FunctionValue>();
  const StaticValue *passed = env.find(name);
  if (passed && passed->kind == StaticValue::Kind::Function && value->statics.empty()) *function = *passed->function;
  else if (const ast::Decl *decl = passed ? nullptr : module.find(name)) {
    if (decl->kind != ast::DeclKind::Node && decl->kind != ast::DeclKind::Fun)
      return refuse(fmt::format("`{}` is neither a node nor a fun", name));
    function->decl = decl;
    function->name = decl->name.text;
    function->bound.module = checker.home(*decl);
    for (const ast::StaticParam &own : decl->statics) function->bound.values.emplace_back(own.name.text, StaticValue());
    if (!bindArguments(*decl, value->statics, function->bound)) return false;
  } else if (!passed && value->statics.empty() && (isBuiltin(name) || module.elementary(name, false))) {
    function->name = name.substr(name.rfind('.') + 1);
  } else {
    if (module.explain(name, span, report)) return false;
    return refuse(fmt::format("no node or fun called `{}` is declared", name), kinds::unknownName);
  }
  const ast::Decl *decl = function->decl;
  if (decl && (decl->inputs.size() != param.domain.size() || decl->outputs.size() != param.range.size()))
    return refuse(fmt::format("`{}` takes {} value{} and gives {}, which `{}` does not", name, decl->inputs.size(),
                              decl->inputs.size() == 1 ? "" : "s", decl->outputs.size(), param.name.text));
  for (const auto *params : {decl ? &decl->inputs : nullptr, decl ? &decl->outputs : nullptr})
    for (size_t i = 0; params && i < params->size(); ++i)
      if ((*params)[i].clock)
        return refuse(fmt::format("`{}` of `{}` is on a clock of its own, and `{}` has none", (*params)[i].name.text, name,
                                  param.name.text));
  if (!decl && changesClocks(function->name))
    return refuse(fmt::format("`{}` changes clocks, and `{}` does not", name, param.name.text));
  out = StaticValue();
  out.kind = StaticValue::Kind::Function;
  out.function = std::move(function);
  return true;
}

/// A compile-time expression of the wanted type, elaborated outside any time.
Value Body::constant(const ast::Expr &e, const Ty &ty, const std::string &what) {
  Unit *outerUnit = std::exchange(unit, nullptr);
  std::vector<Comprehended> outer = std::exchange(comprehended, {});
  Value v = elab(e, &ty);
  if (!v.unknown() && !fit(v, ty, e, what)) v = Value();
  unit = outerUnit;
  comprehended = std::move(outer);
  return v;
}

Value Body::constant(const std::vector<ast::ExprPtr> &elements, Span span, const Ty &ty,
                     const std::string &what) {
  Unit *outerUnit = std::exchange(unit, nullptr);
  std::vector<Comprehended> outer = std::exchange(comprehended, {});
  Value v = elabList(elements, span, &ty);
  if (!v.unknown() && !fit(v, ty, *elements.front(), what)) v = Value();
  unit = outerUnit;
  comprehended = std::move(outer);
  return v;
}

// ---- inference -------------------------------------------------------------------------------------------

/// Values whose types depend on parameters that are still to be inferred are left for later.
bool Body::bindGiven(const ast::Decl &decl, const std::vector<ast::StaticArg> &args, Env &target,
                     std::vector<Given> &later) {
  size_t position = 0;
  bool ok = true;
  for (const ast::StaticArg &arg : args) {
    const ast::StaticParam *param = nullptr;
    if (!arg.name.text.empty()) param = parameter(decl, arg.name.text);
    else if (position < decl.statics.size()) param = &decl.statics[position++];
    bool again = param && target.find(param->name.text)->kind != StaticValue::Kind::Unbound;
    for (const Given &given : later) again |= given.param == param;
    if (!param || again) {
      Diagnostic &d =
          error(kinds::wrongArguments, arg.span,
                param ? fmt::format("`{}` is given twice", param->name.text)
                : arg.name.text.empty()
                    ? fmt::format("`{}` has {} static parameter{}", decl.name.text, decl.statics.size(),
                                  decl.statics.size() == 1 ? "" : "s")
                    : fmt::format("`{}` has no static parameter `{}`", decl.name.text, arg.name.text),
                param ? "again here" : "no parameter for this");
      d.labels.push_back({decl.name.span, "declared here", false});
      ok = false;
      continue;
    }
    if (isValue(*param) && !StaticEvaluator(checker, target, report, true).type(param->kind)) {
      later.push_back({param, &arg});
      continue;
    }
    ok &= bindParam(*param, arg.value.get(), arg.isShape ? &arg.shape : nullptr, arg.span, target);
  }
  return ok;
}

bool Body::bindArguments(const ast::Decl &decl, const std::vector<ast::StaticArg> &args, Env &target) {
  std::vector<Given> later;
  bool ok = bindGiven(decl, args, target, later);
  for (const Given &given : later)
    ok &= bindParam(*given.param, given.arg->value.get(), given.arg->isShape ? &given.arg->shape : nullptr,
                    given.arg->span, target);
  return ok;
}

void Body::unifyName(const ast::Decl &decl, const ast::TypeExpr &type, const Ty &actual, Env &target) {
  const ast::StaticParam *param = parameter(decl, type.name.text);
  StaticValue *value = target.find(type.name.text);
  if (!param || !isTypeKind(*param) || value->kind != StaticValue::Kind::Unbound) return;
  bool whole = !type.hasDims && param->kind.name.text == "type";
  if (whole && actual.open) return;
  Ty bound = actual;
  bound.flex = Flex::None, bound.open = false;
  if (!whole && bound.isStruct()) return; // number types only
  if (!whole) bound.type.shape.clear();
  *value = StaticValue::ofType(std::move(bound));
}

void Body::unifyDims(const ast::Decl &decl, const std::vector<ast::ExprPtr> &dims, const Shape &shape, Env &target) {
  // Axes that are one size each, and what shape parameters already cover.
  size_t covered = 0;
  StaticValue *open = nullptr;
  auto shapeOf = [&](const ast::Expr &dim) -> StaticValue * {
    const ast::StaticParam *param = dim.kind == ast::ExprKind::Name ? parameter(decl, dim.text) : nullptr;
    return param && param->kind.name.text == "shape" ? target.find(dim.text) : nullptr;
  };
  for (const ast::ExprPtr &dim : dims) {
    StaticValue *value = shapeOf(*dim);
    if (!value) ++covered;
    else if (value->kind == StaticValue::Kind::Shape) covered += value->shape.size();
    else if (open) return; // two open shapes: where one ends is not known
    else open = value;
  }
  if (covered > shape.size() || (!open && covered != shape.size())) return;
  size_t at = 0;
  for (const ast::ExprPtr &dim : dims) {
    if (StaticValue *value = shapeOf(*dim)) {
      size_t rank = value == open ? shape.size() - covered : value->shape.size();
      if (value == open) {
        auto first = shape.begin() + static_cast<ptrdiff_t>(at);
        *value = StaticValue::ofShape(Shape(first, first + static_cast<ptrdiff_t>(rank)));
      }
      at += rank;
      continue;
    }
    unifySize(decl, *dim, shape[at++], target);
  }
}

/// A size that is linear in one unbound parameter gives its value.
void Body::unifySize(const ast::Decl &decl, const ast::Expr &written, int64_t actual, Env &target) {
  auto linear = StaticEvaluator(checker, target, report, true).linear(written);
  if (!linear || linear->unknown.empty() || linear->factor == 0) return;
  const ast::StaticParam *param = parameter(decl, linear->unknown);
  if (!param || param->kind.name.text != "size") return;
  if ((actual - linear->constant) % linear->factor != 0) return; // reported when nothing else gives it
  int64_t size = (actual - linear->constant) / linear->factor;
  if (size >= 0 && size <= maxSize) *target.find(linear->unknown) = StaticValue::ofSize(size);
}

/// What a type as static argument, such as `Dense<<D, H>>[N]`, learns from an actual one.
void Body::unifyWritten(const ast::Decl &decl, const ast::Expr &written, const Ty &ty, Env &target) {
  const ast::Expr *base = &written;
  ast::TypeExpr type;
  if (written.kind == ast::ExprKind::Index) {
    for (const ast::Index &index : written.indices) {
      if (index.kind != ast::Index::Kind::At) return;
      type.dims.push_back(copyOf(*index.a));
    }
    type.hasDims = true;
    base = written.args[0].get();
  }
  type.span = written.span;
  type.name = {dottedName(*base), base->span};
  type.args = std::move(copyOf(*base)->statics);
  if (!type.name.text.empty()) unify(decl, type, ty, target, false);
}

/// What a declared struct type, such as `Dense<<2 * N, O>>` or a `type` parameter, learns from an actual one.
void Body::unifyStruct(const ast::Decl &decl, const ast::TypeExpr &type, const Ty &ty, Env &target) {
  if (type.hasDims) unifyDims(decl, type.dims, ty.type.shape, target);
  const ast::StaticParam *own = parameter(decl, type.name.text);
  if (own) {
    StaticValue *value = target.find(type.name.text);
    if (own->kind.name.text != "type" || value->kind != StaticValue::Kind::Unbound) return;
    Ty bound = ty;
    for (size_t i = 0; type.hasDims && i < ty.type.shape.size(); ++i) bound = element(ty.type.shape[i], std::move(bound));
    *value = StaticValue::ofType(std::move(bound));
    return;
  }
  const ast::Decl &declared = *ty.nominal->decl;
  if (target.module->find(type.name.text) != &declared) return;
  size_t position = 0;
  for (const ast::StaticArg &arg : type.args) {
    const ast::StaticParam *param = nullptr;
    if (!arg.name.text.empty()) param = parameter(declared, arg.name.text);
    else if (position < declared.statics.size()) param = &declared.statics[position++];
    if (!param) continue;
    const StaticValue &actual = *ty.nominal->env.find(param->name.text);
    if (actual.kind == StaticValue::Kind::Shape && arg.isShape) unifyDims(decl, arg.shape, actual.shape, target);
    if (!arg.value) continue;
    if (actual.kind == StaticValue::Kind::Size) unifySize(decl, *arg.value, actual.size, target);
    else if (actual.kind == StaticValue::Kind::Type) unifyWritten(decl, *arg.value, actual.type, target);
    else if (arg.value->kind == ast::ExprKind::Name && arg.value->statics.empty() && parameter(decl, arg.value->text))
      if (StaticValue *open = target.find(arg.value->text); open->kind == StaticValue::Kind::Unbound) *open = actual;
  }
}

/// `T[N, M]`, T a `type` parameter: the first axes are the stated ones, T has the others. False: it is something else.
bool Body::unifyElement(const ast::Decl &decl, const ast::TypeExpr &type, const Ty &ty, Env &target) {
  const ast::StaticParam *param = parameter(decl, type.name.text);
  if (!param || param->kind.name.text != "type" || !type.hasDims || ty.open || ty.flex != Flex::None) return false;
  size_t stated = 0;
  for (const ast::ExprPtr &dim : type.dims) {
    const ast::StaticParam *size = dim->kind == ast::ExprKind::Name ? parameter(decl, dim->text) : nullptr;
    StaticValue *shape = size && size->kind.name.text == "shape" ? target.find(dim->text) : nullptr;
    if (shape && shape->kind != StaticValue::Kind::Shape) return false;
    stated += shape ? shape->shape.size() : 1;
  }
  const Shape &shape = ty.type.shape;
  if (stated > shape.size()) return false;
  auto end = shape.begin() + static_cast<ptrdiff_t>(stated);
  unifyDims(decl, type.dims, Shape(shape.begin(), end), target);
  StaticValue *value = target.find(type.name.text);
  if (value->kind != StaticValue::Kind::Unbound) return true;
  Ty bound = ty;
  bound.type.shape.assign(end, shape.end());
  *value = StaticValue::ofType(std::move(bound));
  return true;
}

/// What a declared type and an actual one say about unbound parameters. Literals say something only if
/// nothing else did (`literals`).
void Body::unify(const ast::Decl &decl, const ast::TypeExpr &type, const Ty &ty, Env &target, bool literals) {
  if (ty.kind == Ty::Kind::Tuple && !ty.nominal && ty.parts.size() == type.tuple.size())
    for (size_t i = 0; i < ty.parts.size(); ++i) unify(decl, type.tuple[i], ty.parts[i], target, literals);
  if (ty.isStruct() && type.tuple.empty()) return unifyStruct(decl, type, ty, target);
  if (ty.kind != Ty::Kind::Plain || !type.tuple.empty()) return;
  if (unifyElement(decl, type, ty, target)) return;
  bool flexible = ty.flex != Flex::None;
  if (type.hasDims && !ty.open && (!flexible || literals || !ty.type.shape.empty()))
    unifyDims(decl, type.dims, ty.type.shape, target);
  if (flexible && !literals) return;
  Ty actual = ty;
  const ast::StaticParam *param = parameter(decl, type.name.text);
  if (flexible && param && param->kind.name.text == "float") actual.type.scalar = Scalar::F32;
  unifyName(decl, type, actual, target);
}

/// A `float` parameter that nothing has given yet is the scalar type of the `type` parameters, if all of their
/// leaves are floats of one type: a rate written as a literal follows the parameters that it trains.
static void unifyLeaves(const ast::Decl &decl, Env &target) {
  std::vector<Type> leaves;
  for (const ast::StaticParam &param : decl.statics) {
    const StaticValue &value = *target.find(param.name.text);
    if (param.kind.name.text == "type" && value.kind == StaticValue::Kind::Type) leafTypes(value.type, leaves);
  }
  if (leaves.empty()) return;
  Ty scalar = Ty::of({leaves[0].scalar, {}});
  for (const Type &leaf : leaves)
    if (leaf.scalar != scalar.type.scalar || violated("float", Ty::of({leaf.scalar, {}}))) return;
  for (const ast::StaticParam &param : decl.statics) {
    StaticValue &value = *target.find(param.name.text);
    if (param.kind.name.text == "float" && value.kind == StaticValue::Kind::Unbound && !param.defaultValue)
      value = StaticValue::ofType(scalar);
  }
}

bool Body::unifyAll(const ast::Decl &decl, const std::vector<Value> &args, const std::vector<Ty> *want,
                    const std::vector<Given> &later, Env &target) {
  auto unbound = [&] {
    size_t count = 0;
    for (auto &[name, value] : target.values) count += value.kind == StaticValue::Kind::Unbound;
    return count;
  };
  auto repeat = [&](auto &&pass) {
    for (size_t before = unbound() + 1, now = before - 1; now > 0 && now < before;
         before = now, now = unbound())
      pass();
  };
  std::vector<Slot> slots = slotsOf(decl);
  // While guessing, what is not known yet may decide more than literals and defaults do.
  bool open = false;
  for (const Value &arg : args) open |= arg.unknown() || arg.open;
  open &= report.isQuiet() && !assuming;
  auto inputs = [&](bool literals) {
    // Of literals alone a decimal one decides, wherever it stands.
    for (size_t i = 0; literals && i < args.size(); ++i)
      if (args[i].plain() && args[i].flex == Flex::Float) unify(decl, *slots[i].type, args[i].ty(), target, true);
    for (size_t i = 0; i < args.size(); ++i)
      if (literals || !args[i].truth) unify(decl, *slots[i].type, args[i].ty(), target, literals);
  };
  repeat([&] { inputs(false); });
  if (want)
    repeat([&] {
      for (size_t i = 0; i < want->size(); ++i) unify(decl, decl.outputs[i].type, (*want)[i], target, false);
    });
  for (const Given &given : later) {
    const ast::StaticArg &arg = *given.arg;
    bool typed = StaticEvaluator(checker, target, report, true).type(given.param->kind).has_value();
    if (!typed && open) return false;
    if (!typed) repeat([&] { inputs(true); });
    if (!bindParam(*given.param, arg.value.get(), arg.isShape ? &arg.shape : nullptr, arg.span, target))
      return false;
  }
  repeat([&] { inputs(false); });
  if (open) return true;
  if (!checker.bindDefaults(decl, target, report)) return false;
  repeat([&] {
    unifyLeaves(decl, target);
    inputs(true);
  });
  return checker.bindDefaults(decl, target, report); // those that waited for the size of a literal
}

/// An input whose type is the parameter alone is given a tuple.
static bool takesTuple(const ast::StaticParam &param, const ast::Decl &decl, const std::vector<Value> &args) {
  std::vector<Slot> slots = slotsOf(decl);
  for (size_t i = 0; i < args.size(); ++i)
    if (args[i].kind == Ty::Kind::Tuple && slots[i].type->name.text == param.name.text) return true;
  return false;
}

/// An argument has an axis that the declared one, such as `2 * N`, is for no size N. True: reported.
bool Body::noSizeFits(const ast::Decl &decl, const ast::StaticParam &param, const std::vector<Value> &args,
                      const Env &target) {
  StaticEvaluator evaluator(checker, target, report, true);
  std::vector<Slot> slots = slotsOf(decl);
  for (size_t i = 0; i < args.size(); ++i) {
    const ast::TypeExpr &type = *slots[i].type;
    if (!args[i].plain() || type.dims.size() != args[i].shape().size()) continue;
    for (size_t axis = 0; axis < type.dims.size(); ++axis) {
      auto size = evaluator.linear(*type.dims[axis]);
      if (!size || size->unknown != param.name.text || size->factor == 0) continue;
      int64_t actual = args[i].shape()[axis];
      if ((actual - size->constant) % size->factor == 0 && (actual - size->constant) / size->factor >= 0)
        continue;
      std::string quoted = "`" + text(*type.dims[axis]) + "`";
      Diagnostic &d =
          error(kinds::shapeMismatch, args[i].expr->span,
                fmt::format("the {} `{}` of `{}` has {} elements along axis {}, and {} is {} for no {}",
                            decl.kind == ast::DeclKind::Struct ? "field" : "input", slots[i].name->text, decl.name.text, quoted, axis, actual, quoted, param.name.text),
                fmt::format("this is {}", toString(args[i].ty())));
      d.labels.push_back({type.span, fmt::format("declared `{}`", text(type.span)), false});
      return true;
    }
  }
  return false;
}

/// The call as it stands, with a parameter that nothing gives: of a type the one of the numbers around it.
std::string Body::withStatic(const ast::Decl &decl, const ast::StaticParam &param, const ast::Expr &e) {
  const std::string &kind = param.kind.name.text;
  std::string value = kind == "size" ? "8" : kind == "shape" ? "[8]" : kind == "int" ? "i32" : param.isFunction ? "abs" : "1";
  if (isTypeKind(param) && kind != "int") {
    value = unit ? plausibleType({unit}) : "";
    auto scalar = scalarNamed(value);
    if (!scalar || violated(kind, Ty::of({*scalar, {}}))) value = "f32";
  }
  std::string given;
  for (const ast::StaticArg &arg : e.statics) given += text(arg.span) + ", ";
  const char *rest = decl.kind == ast::DeclKind::Struct ? " { .. }" : e.args.empty() ? "()" : "(..)";
  return fmt::format("{}<<{}{} = {}>>{}", e.text, given, param.name.text, value, rest);
}

bool Body::inferStatics(const ast::Decl &decl, const ast::Expr &e, const std::vector<Value> &args,
                        const std::vector<Ty> *want, Signature &out) {
  out.env.module = checker.home(decl);
  for (const ast::StaticParam &param : decl.statics)
    out.env.values.emplace_back(param.name.text, StaticValue());
  if (bound && bound->decl == &decl) out.env.values = bound->bound.values;
  std::vector<Given> later;
  if (!bindGiven(decl, e.statics, out.env, later) || !unifyAll(decl, args, want, later, out.env)) return false;
  for (const ast::StaticParam &param : decl.statics) {
    const StaticValue &value = *out.env.find(param.name.text);
    if (value.kind == StaticValue::Kind::Unbound) {
      if (noSizeFits(decl, param, args, out.env)) return false;
      Diagnostic &d = error(
          kinds::cannotInfer, e.nameSpan,
          fmt::format("`{}` of `{}` cannot be inferred from the arguments", param.name.text, decl.name.text),
          "needs it");
      d.labels.push_back({param.name.span, "declared here", false});
      const std::string &kind = param.kind.name.text;
      if (takesTuple(param, decl, args)) {
        d.notes.push_back("a type parameter is a scalar or tensor type, and the argument is a tuple");
        return false;
      }
      d.helps.push_back(fmt::format("give it: `{}`", withStatic(decl, param, e)));
      if (kind == "shape") d.helps.push_back(fmt::format("`{} = []` for no axes", param.name.text));
      return false;
    }
    if (!isTypeKind(param)) continue;
    if (const char *need = violated(param.kind.name.text, value.type)) {
      Diagnostic &d = error(kinds::typeMismatch, e.nameSpan,
                            fmt::format("`{}` of `{}` must be {}, not {}", param.name.text, decl.name.text,
                                        need, toString(value.type)));
      d.labels.push_back({param.name.span, fmt::format("declared `{}`", param.kind.name.text), false});
      return false;
    }
  }
  return true;
}

} // namespace mlr::checking
