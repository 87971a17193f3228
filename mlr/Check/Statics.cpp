#include "mlr/Check/Statics.h"

#include "mlr/Check/Body.h"

#include <algorithm>
#include <fmt/format.h>

namespace mlr::checking {

// ---- values ----------------------------------------------------------------------------------------------

static std::string displayElement(const Array &value, int64_t i) {
  Scalar s = value.type().scalar;
  if (s == Scalar::Bool) return integerAt(value, i) ? "true" : "false";
  if (s == Scalar::F32) return fmt::format("{}", static_cast<float>(floatAt(value, i)));
  if (isFloat(s)) return fmt::format("{}", floatAt(value, i));
  return isSigned(s) ? std::to_string(integerAt(value, i)) : std::to_string(bitsAt(value, i));
}

/// "relu", "dense<<I = 3>>".
static std::string displayFunction(const FunctionValue &f) {
  std::string given;
  for (const auto &[name, value] : f.bound.values)
    if (value.kind != StaticValue::Kind::Unbound)
      given += fmt::format("{}{} = {}", given.empty() ? "" : ", ", name, value.display());
  return given.empty() ? f.name : fmt::format("{}<<{}>>", f.name, given);
}

static std::string keyOf(const FunctionValue &f) {
  std::string key = f.decl ? fmt::format("{}:{}", f.decl->name.span.file, f.decl->name.span.begin) : f.name;
  for (const auto &[name, value] : f.bound.values) {
    std::string part = value.key();
    key += fmt::format("/{}:{}", part.size(), part);
  }
  return key;
}

std::string StaticValue::display() const {
  switch (kind) {
  case Kind::Unbound: return "?";
  case Kind::Function: return displayFunction(*function);
  case Kind::Size: return std::to_string(size);
  case Kind::Shape: return toString(shape);
  case Kind::Type: return toString(type);
  case Kind::Value:
    if (type.nominal && value.type().isScalar())
      return fmt::format("{}.{}", type.nominal->display, type.nominal->decl->constructors[integerAt(value, 0)].text);
    return value.type().isScalar() ? displayElement(value, 0) : toString(value.type()) + "(..)";
  }
  return "";
}

std::string StaticValue::key() const {
  if (kind == Kind::Function) return keyOf(*function);
  if (kind == Kind::Type) return keyOf(type);
  if (kind != Kind::Value) return display();
  std::string bytes(reinterpret_cast<const char *>(value.data()), value.bytes());
  return toString(value.type()) + ":" + bytes;
}

std::string keyOf(const Ty &ty) {
  if (ty.nominal) return ty.nominal->key + toString(ty.type.shape);
  if (ty.kind != Ty::Kind::Tuple) return toString(ty);
  std::string out = "(";
  for (const Ty &part : ty.parts) out += keyOf(part) + ",";
  return out + ")";
}

std::vector<std::string> Nominal::constructors() const {
  std::vector<std::string> out;
  for (const ast::Name &name : decl->constructors) out.push_back(name.text);
  return out;
}

std::optional<size_t> Nominal::constructor(std::string_view name) const {
  for (size_t i = 0; i < decl->constructors.size(); ++i)
    if (decl->constructors[i].text == name) return i;
  return std::nullopt;
}

std::optional<size_t> Nominal::field(std::string_view name) const {
  for (size_t i = 0; i < decl->fields.size(); ++i)
    if (decl->fields[i].name.text == name) return i;
  return std::nullopt;
}

const StaticValue *Env::find(std::string_view name) const {
  for (const auto &[key, value] : values)
    if (key == name) return &value;
  return nullptr;
}

StaticValue *Env::find(std::string_view name) {
  return const_cast<StaticValue *>(static_cast<const Env *>(this)->find(name));
}

std::string excerpt(const SourceMap &sources, Span span) {
  std::string out;
  for (char c : sources.text(span)) {
    bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    if (!space) out += c;
    else if (!out.empty() && out.back() != ' ') out += ' ';
    if (out.size() > 60) return out.substr(0, 57) + "...";
  }
  return out;
}

std::string describeSizes(const SourceMap &sources, const ast::TypeExpr &type, const Env &env) {
  std::string out = fmt::format("declared `{}`", excerpt(sources, type.span));
  std::vector<std::string_view> named{type.name.text};
  for (const ast::ExprPtr &dim : type.dims) {
    std::vector<const ast::Expr *> stack{dim.get()};
    while (!stack.empty()) {
      const ast::Expr *e = stack.back();
      stack.pop_back();
      if (e->kind == ast::ExprKind::Name) named.push_back(e->text);
      for (auto arg = e->args.rbegin(); arg != e->args.rend(); ++arg) stack.push_back(arg->get());
    }
  }
  for (size_t i = 0; i < named.size() && i < 6; ++i) {
    const StaticValue *value = env.find(named[i]);
    bool repeated = std::find(named.begin(), named.begin() + static_cast<ptrdiff_t>(i), named[i]) !=
                    named.begin() + static_cast<ptrdiff_t>(i);
    if (value && !repeated) out += fmt::format(", {} = {}", named[i], value->display());
  }
  return out;
}

// ---- sizes -----------------------------------------------------------------------------------------------

std::optional<LinearSize> StaticEvaluator::fail(const DiagnosticKind &kind, const ast::Expr &e,
                                                const std::string &title, const std::string &label) {
  if (!partial) report.error(kind, e.span, title, label);
  return std::nullopt;
}

std::optional<LinearSize> StaticEvaluator::name(const ast::Expr &e) {
  std::string text = dottedName(e);
  if (const StaticValue *value = env.find(text)) {
    using K = StaticValue::Kind;
    if (value->kind == K::Unbound && partial) return LinearSize{0, 1, e.text};
    if (value->kind == K::Unbound)
      return fail(kinds::cannotInfer, e, fmt::format("`{}` is needed before it is known", text),
                  "has no value here");
    if (value->kind == K::Size) return LinearSize{value->size, 0, {}};
    if (value->kind == K::Value && value->value.type().isScalar() && isInt(value->value.type().scalar))
      return LinearSize{integerAt(value->value, 0), 0, {}};
    return fail(kinds::typeMismatch, e, fmt::format("`{}` is not an integer", text),
                fmt::format("it is {}", value->display()));
  }
  if (std::string what = describeName ? describeName(text) : ""; !what.empty())
    return fail(kinds::notConstant, e,
                fmt::format("`{}` is {}, and a size must be known at compile time", text, what),
                "not a constant");
  if (const ast::Decl *decl = env.module->find(text); decl && decl->kind == ast::DeclKind::Const) {
    Ty type = checker.constant(*decl).type;
    if (checker.constant(*decl).failed) return std::nullopt;
    bool isInteger = type.kind == Ty::Kind::Plain && type.type.isScalar() && isInt(type.type.scalar) && !type.nominal;
    if (const Array *value = isInteger ? checker.valueOf(*decl, e.span, report) : nullptr)
      return LinearSize{integerAt(*value, 0), 0, {}};
    if (isInteger) return std::nullopt; // reported
    return fail(kinds::notConstant, e, fmt::format("`{}` cannot be a size", text),
                fmt::format("it is a constant of type {}", toString(type)));
  }
  if (!partial && env.module->explain(text, e.span, report)) return std::nullopt;
  return fail(kinds::unknownName, e, fmt::format("nothing called `{}` is declared", text),
              "not a size or constant");
}

std::optional<LinearSize> StaticEvaluator::binary(const ast::Expr &e) {
  std::optional<LinearSize> a = linear(*e.args[0]), b = linear(*e.args[1]);
  if (!a || !b) return std::nullopt;
  if (!a->unknown.empty() && !b->unknown.empty() && a->unknown != b->unknown) return std::nullopt;
  LinearSize r;
  r.unknown = a->unknown.empty() ? b->unknown : a->unknown;
  bool overflow = false;
  auto add = [&](int64_t x, int64_t y, int64_t &out) { overflow |= __builtin_add_overflow(x, y, &out); };
  auto sub = [&](int64_t x, int64_t y, int64_t &out) { overflow |= __builtin_sub_overflow(x, y, &out); };
  auto mul = [&](int64_t x, int64_t y, int64_t &out) { overflow |= __builtin_mul_overflow(x, y, &out); };
  switch (e.op) {
  case ast::Op::Add:
    add(a->constant, b->constant, r.constant);
    add(a->factor, b->factor, r.factor);
    break;
  case ast::Op::Sub:
    sub(a->constant, b->constant, r.constant);
    sub(a->factor, b->factor, r.factor);
    break;
  case ast::Op::Mul: {
    if (a->factor && b->factor) return std::nullopt;
    mul(a->constant, b->constant, r.constant);
    int64_t left = 0, right = 0;
    mul(a->factor, b->constant, left);
    mul(a->constant, b->factor, right);
    add(left, right, r.factor);
    break;
  }
  default:
    if (a->factor || b->factor) return std::nullopt;
    if (b->constant == 0)
      return fail(kinds::invalidSize, e, "a size divides by zero", "this is 0 on the right");
    if (b->constant == -1) sub(0, e.op == ast::Op::Div ? a->constant : 0, r.constant);
    else r.constant = e.op == ast::Op::Div ? a->constant / b->constant : a->constant % b->constant;
  }
  if (overflow) return fail(kinds::invalidSize, e, "a size is too large", "more than 64 bits");
  if (r.factor == 0) r.unknown = {};
  return r;
}

std::optional<LinearSize> StaticEvaluator::linear(const ast::Expr &e) {
  using K = ast::ExprKind;
  if (e.kind == K::Number) {
    if (auto value = parseSize(e.text)) return LinearSize{*value, 0, {}};
    bool decimal = isDecimal(e.text);
    return fail(decimal ? kinds::typeMismatch : kinds::literalRange, e,
                fmt::format("`{}` cannot be a size", excerpt(report.sources(), e.span)),
                decimal ? "sizes are integers" : "too large");
  }
  if (e.kind == K::Name || (e.kind == K::Field && !dottedName(e).empty())) return name(e);
  if (e.kind == K::Unary && e.op == ast::Op::Neg) {
    auto a = linear(*e.args[0]);
    if (!a) return std::nullopt;
    if (a->constant == INT64_MIN || a->factor == INT64_MIN)
      return fail(kinds::invalidSize, e, "a size is too large");
    return LinearSize{-a->constant, -a->factor, a->unknown};
  }
  bool arithmetic = e.op == ast::Op::Add || e.op == ast::Op::Sub || e.op == ast::Op::Mul ||
                    e.op == ast::Op::Div || e.op == ast::Op::Rem;
  if (e.kind == K::Binary && arithmetic) return binary(e);
  if (e.kind == K::Call && (e.text == "min" || e.text == "max") && e.args.size() == 2) {
    auto a = integer(*e.args[0]), b = integer(*e.args[1]);
    if (!a || !b) return std::nullopt;
    return LinearSize{e.text == "min" ? std::min(*a, *b) : std::max(*a, *b), 0, {}};
  }
  if (e.kind == ast::ExprKind::Call && e.text == "elements" && e.args.size() == 1 &&
      e.args[0]->kind == ast::ExprKind::Name)
    if (const StaticValue *shape = env.find(e.args[0]->text); shape && shape->kind == StaticValue::Kind::Shape)
      return LinearSize{Type{Scalar::I32, shape->shape}.elements(), 0, {}};
  return fail(kinds::notConstant, e, fmt::format("`{}` cannot be a size", excerpt(report.sources(), e.span)),
              "sizes are made of integers, size parameters, constants and + - * / %");
}

std::optional<int64_t> StaticEvaluator::integer(const ast::Expr &e) {
  auto r = linear(e);
  if (!r || r->factor) return std::nullopt;
  return r->constant;
}

std::optional<int64_t> StaticEvaluator::size(const ast::Expr &e) {
  auto value = integer(e);
  if (!value || (*value >= 0 && *value <= maxSize)) return value;
  fail(kinds::invalidSize, e, *value < 0 ? "a size is negative" : "a size is too large",
       fmt::format("this is {}{}", *value, *value < 0 ? "" : fmt::format("; the largest is {}", maxSize)));
  return std::nullopt;
}

// ---- shapes and types ------------------------------------------------------------------------------------

std::optional<Shape> StaticEvaluator::shape(const std::vector<ast::ExprPtr> &dims) {
  std::vector<const ast::Expr *> axes;
  for (const ast::ExprPtr &dim : dims) axes.push_back(dim.get());
  return shape(axes);
}

std::optional<Shape> StaticEvaluator::shape(const std::vector<const ast::Expr *> &dims) {
  Shape out;
  bool ok = true;
  for (const ast::Expr *dim : dims) {
    const StaticValue *value = dim->kind == ast::ExprKind::Name ? env.find(dim->text) : nullptr;
    if (value && value->kind == StaticValue::Kind::Shape) {
      out.insert(out.end(), value->shape.begin(), value->shape.end());
      continue;
    }
    auto axis = size(*dim);
    ok &= axis.has_value();
    if (axis) out.push_back(*axis);
  }
  if (!ok) return std::nullopt;
  auto count = elementCount(out);
  if (count && *count <= maxSize) return out;
  if (!partial)
    report.error(kinds::invalidSize, dims.front()->span.to(dims.back()->span),
                 fmt::format("a tensor of shape {} is too large", toString(out)),
                 fmt::format("more than {} elements", maxSize));
  return std::nullopt;
}

std::optional<Ty> StaticEvaluator::namedType(std::string_view name) {
  if (const StaticValue *value = env.find(name))
    return value->kind == StaticValue::Kind::Type ? std::optional(value->type) : std::nullopt;
  if (auto scalar = scalarNamed(name)) return Ty::of({*scalar, {}});
  const ast::Decl *decl = env.module->find(name);
  bool type = decl && (decl->kind == ast::DeclKind::Enum || decl->kind == ast::DeclKind::Struct);
  if (!type || !decl->statics.empty()) return std::nullopt;
  return declared(*decl, {}, {});
}

/// An enum, or a struct with its static arguments.
std::optional<Ty> StaticEvaluator::declared(const ast::Decl &decl, const std::vector<ast::StaticArg> &args,
                                            Span span) {
  if (checker.facts(decl).recursive) return std::nullopt;
  Reporter to = report;
  if (partial) to.setQuiet(true), to.setLoud(false);
  Env own{checker.home(decl), {}};
  for (const ast::StaticParam &param : decl.statics) own.values.emplace_back(param.name.text, StaticValue());
  if (!decl.statics.empty() || !args.empty()) {
    Signature context{&decl, env, {}, {}};
    NodeInstance scratch;
    Body body(checker, context, scratch, to, describeName);
    if (!body.bindArguments(decl, args, own) || !checker.bindDefaults(decl, own, to)) return std::nullopt;
  }
  for (const auto &[name, value] : own.values) {
    if (value.kind != StaticValue::Kind::Unbound) continue;
    Diagnostic &d = to.error(kinds::cannotInfer, span, fmt::format("`{}` of `{}` has no value", name, decl.name.text),
                                 "needs it");
    d.labels.push_back({decl.name.span, "declared here", false});
    return std::nullopt;
  }
  const Nominal *nominal = checker.nominal(decl, own, span, to);
  if (!nominal) return std::nullopt;
  if (nominal->isEnum()) return Ty{Ty::Kind::Plain, Flex::None, {Scalar::I32, {}}, {}, nominal};
  return Ty{Ty::Kind::Tuple, Flex::None, {}, nominal->fields, nominal};
}

std::optional<Ty> StaticEvaluator::written(const ast::Expr &e, bool &known) {
  known = true;
  std::string name = dottedName(e);
  if (!name.empty() && e.statics.empty()) return namedType(name);
  if (e.kind == ast::ExprKind::Name) {
    const ast::Decl *decl = env.find(name) ? nullptr : env.module->find(name);
    if (!decl || decl->kind != ast::DeclKind::Struct) return std::nullopt;
    auto ty = declared(*decl, e.statics, e.nameSpan);
    known = ty.has_value();
    return ty;
  }
  if (e.kind != ast::ExprKind::Index) return std::nullopt;
  std::vector<const ast::Expr *> dims;
  for (const ast::Index &index : e.indices) {
    if (index.kind != ast::Index::Kind::At) return std::nullopt;
    dims.push_back(index.a.get());
  }
  auto base = written(*e.args[0], known);
  if (!base) return std::nullopt;
  auto axes = shape(dims);
  known = axes.has_value();
  if (!axes) return std::nullopt;
  return prepend(*axes, std::move(*base));
}

std::optional<Ty> StaticEvaluator::type(const ast::TypeExpr &type) {
  if (!type.tuple.empty()) {
    Ty out;
    out.kind = Ty::Kind::Tuple;
    for (const ast::TypeExpr &part : type.tuple) {
      auto ty = this->type(part);
      if (!ty) return std::nullopt;
      out.parts.push_back(*ty);
    }
    return out;
  }
  const StaticValue *parameter = env.find(type.name.text);
  const ast::Decl *decl = parameter || scalarNamed(type.name.text) ? nullptr : env.module->find(type.name.text);
  bool isDeclared = decl && (decl->kind == ast::DeclKind::Struct || decl->kind == ast::DeclKind::Enum);
  std::optional<Ty> base = isDeclared ? declared(*decl, type.args, type.name.span) : namedType(type.name.text);
  if (!base && (partial || isDeclared)) return std::nullopt;
  if (!base) {
    if (parameter && parameter->kind == StaticValue::Kind::Unbound) {
      report.error(kinds::cannotInfer, type.name.span,
                   fmt::format("`{}` is needed before it is known", type.name.text), "has no value here");
      return std::nullopt;
    }
    if (type.name.text.find('.') != type.name.text.npos && env.module->explain(type.name.text, type.name.span, report))
      return std::nullopt;
    std::vector<std::string_view> known;
    for (Scalar s = Scalar::Bool;; s = static_cast<Scalar>(static_cast<int>(s) + 1)) {
      known.push_back(mlr::name(s));
      if (s == Scalar::F64) break;
    }
    for (const auto &[key, value] : env.values) known.push_back(key);
    for (const auto &other : env.module->file->decls)
      if (other->kind == ast::DeclKind::Struct || other->kind == ast::DeclKind::Enum) known.push_back(other->name.text);
    Diagnostic &d = report.error(kinds::unknownName, type.name.span,
                                 fmt::format("there is no type `{}`", type.name.text), "not a type");
    if (std::string near = nearest(type.name.text, known); !near.empty())
      d.helps.push_back(fmt::format("did you mean `{}`?", near));
    return std::nullopt;
  }
  if (!isDeclared && !type.args.empty()) {
    if (!partial)
      report.error(kinds::wrongArguments, type.args[0].span,
                   fmt::format("`{}` has no static parameters", type.name.text), "no parameter for this");
    return std::nullopt;
  }
  if (!type.hasDims) return base;
  auto axes = shape(type.dims);
  if (!axes) return std::nullopt;
  return prepend(*axes, std::move(*base));
}

} // namespace mlr::checking
