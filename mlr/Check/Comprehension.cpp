// [e for i < N], reductions, matrix products.
#include "mlr/Check/Body.h"

#include <fmt/format.h>

namespace mlr::checking {

static std::optional<ReduceKind> reduceNamed(std::string_view name) {
  static constexpr std::pair<std::string_view, ReduceKind> table[] = {
      {"sum", ReduceKind::Sum},       {"prod", ReduceKind::Prod},     {"max", ReduceKind::Max},
      {"min", ReduceKind::Min},       {"all", ReduceKind::All},       {"any", ReduceKind::Any},
      {"argmax", ReduceKind::Argmax}, {"argmin", ReduceKind::Argmin}, {"mean", ReduceKind::Mean}};
  for (auto [key, kind] : table)
    if (key == name) return kind;
  return std::nullopt;
}

/// Enters the indices of a comprehension; they may not hide anything of the node.
bool Body::enterIndices(const ast::Expr &e, std::vector<IndexId> &indices) {
  bool ok = true;
  int64_t total = 1;
  std::vector<Comprehended> entered;
  for (const ast::For &f : e.fors) {
    auto size = statics.size(*f.bound);
    std::string hidden = describe(f.index.text);
    if (hidden.empty() && env.find(f.index.text)) hidden = "a static parameter";
    for (const Comprehended &c : entered)
      if (c.name == f.index.text) hidden = "an index of this comprehension";
    if (!hidden.empty()) {
      error(kinds::duplicateDefinition, f.index.span, fmt::format("`{}` is already {}", f.index.text, hidden),
            "the index needs another name");
      ok = false;
    }
    ok &= size.has_value();
    if (size && *size && total > maxSize / *size) {
      error(kinds::invalidSize, f.bound->span, "a comprehension has too many elements",
            fmt::format("more than {}", maxSize));
      ok = false;
    } else if (size) {
      total *= *size;
    }
    indices.push_back(newIndex(f.index.text, size.value_or(1), f.index.span));
    entered.push_back({f.index.text, indices.back(), size.value_or(1)});
  }
  comprehended.insert(comprehended.end(), entered.begin(), entered.end());
  return ok;
}

/// One tensor a leaf; leaves after the first get indices of their own.
static void eachLeaf(Value &v, const auto &visit) {
  for (Value &part : v.parts) eachLeaf(part, visit);
  if (v.plain()) visit(v);
}

Value Body::elabComprehension(const ast::Expr &e, const Ty *want) {
  std::vector<IndexId> indices;
  bool ok = enterIndices(e, indices);
  Ty element;
  if (want && (want->kind == Ty::Kind::Plain || want->isStruct()) && want->type.shape.size() >= indices.size()) {
    element = *want;
    for (size_t i = 0; i < indices.size(); ++i) element = checking::element(want->type.shape[i], std::move(element));
  }
  Value body = elab(*e.args[0], &element);
  comprehended.resize(comprehended.size() - indices.size());
  if (!ok || body.unknown()) return Value();
  bool first = true;
  eachLeaf(body, [&](Value &leaf) {
    std::vector<IndexId> own = indices;
    Expr *tree = leaf.expr;
    if (!first) {
      forceDefault(leaf);
      Renaming renaming;
      for (IndexId &index : own) {
        IndexVar var = instance.indices[index];
        IndexId fresh = newIndex(var.name, var.size, var.span);
        renaming[index] = fresh;
        index = fresh;
      }
      tree = clone(leaf.expr, renaming);
    }
    first = false;
    Shape shape;
    for (IndexId index : own) shape.push_back(instance.indices[index].size);
    shape.insert(shape.end(), tree->type.shape.begin(), tree->type.shape.end());
    if (auto count = elementCount(shape); !count || *count > maxSize) {
      error(kinds::invalidSize, e.span, fmt::format("a tensor of shape {} is too large", toString(shape)));
      ok = false;
      return;
    }
    Expr *build = make(ExprKind::Build, {tree->type.scalar, std::move(shape)}, e.span, {tree});
    build->indices = own;
    leaf.expr = build;
  });
  Shape sizes;
  for (IndexId index : indices) sizes.push_back(instance.indices[index].size);
  return ok ? stacked(std::move(body), sizes) : Value();
}

/// Leaves that got axes in front: the structs that they are of say so.
Value Body::stacked(Value v, const Shape &axes) const {
  for (Value &part : v.parts) part = stacked(std::move(part), axes);
  if (v.isStruct()) v.lead.insert(v.lead.begin(), axes.begin(), axes.end());
  return v;
}

// ---- reductions ------------------------------------------------------------------------------------------

static bool needsElements(ReduceKind kind) {
  return kind == ReduceKind::Max || kind == ReduceKind::Min || kind == ReduceKind::Argmax ||
         kind == ReduceKind::Argmin;
}

/// Checks what is reduced and settles the literals that cannot stay open.
bool Body::prepareReduction(ReduceKind kind, Value &body, const ast::Expr &body_e, const ast::Expr &e,
                            const Ty *want, int64_t count) {
  bool position = kind == ReduceKind::Argmax || kind == ReduceKind::Argmin;
  bool logical = kind == ReduceKind::All || kind == ReduceKind::Any;
  if (!body.plain()) {
    Diagnostic &d = refuseCompound(body_e, body, e.text);
    if (body.isStruct() && e.kind == ast::ExprKind::Call)
      d.helps.push_back(fmt::format("over all leaves: `reduce(f, 0, {})` with a fun `f` that adds one", text(body_e)));
    return false;
  }
  if (body.nominal) {
    error(kinds::typeMismatch, body_e.span, fmt::format("`{}` does not take values of the enum `{}`", e.text, body.nominal->display),
          toString(body.ty()));
    return false;
  }
  if (kind == ReduceKind::Mean && body.flex == Flex::Int) force(body, Scalar::F32);
  if (position || logical) forceDefault(body);
  Scalar s = body.type().scalar;
  const char *need = logical && s != Scalar::Bool              ? "booleans"
                     : !logical && s == Scalar::Bool           ? "numbers"
                     : kind == ReduceKind::Mean && !isFloat(s) ? "floats"
                                                               : nullptr;
  if (need) {
    Diagnostic &d = error(kinds::typeMismatch, body_e.span,
                          fmt::format("`{}` needs {}, not {}", e.text, need, name(s)), toString(body.ty()));
    if (kind == ReduceKind::Mean && isInt(s))
      d.helps.push_back(fmt::format("convert them: `mean(f32({}))`", text(body_e)));
    return false;
  }
  if (!needsElements(kind) || count != 0 || deadCode()) return true;
  error(kinds::emptyReduction, e.span, fmt::format("`{}` of no elements has no value", e.text), "0 elements");
  return false;
}

Value Body::elabReduce(const ast::Expr &e, const Ty *want) {
  auto kind = reduceNamed(e.text);
  if (!kind || module.findOwn(e.text)) {
    Diagnostic &d = error(kinds::wrongArguments, e.nameSpan, fmt::format("`{}` is not a reduction", e.text),
                          "only reductions take `for`");
    d.notes.push_back("the reductions are sum, prod, max, min, all, any, argmax, argmin and mean");
    return Value();
  }
  std::vector<IndexId> indices;
  bool ok = enterIndices(e, indices);
  Value body = elab(*e.args[0], want);
  comprehended.resize(comprehended.size() - indices.size());
  if (!ok || body.unknown()) return Value();
  int64_t count = 1;
  for (IndexId index : indices) count *= instance.indices[index].size;
  if (!prepareReduction(*kind, body, *e.args[0], e, want, count)) return Value();
  bool position = *kind == ReduceKind::Argmax || *kind == ReduceKind::Argmin;
  Expr *reduce = make(ExprKind::Reduce, {position ? Scalar::I32 : body.type().scalar, body.shape()}, e.span,
                      {body.expr});
  reduce->reduce = *kind;
  reduce->indices = indices;
  bool chain = *kind == ReduceKind::Sum || *kind == ReduceKind::Mean;
  reduce->fused = chain && isProduct(*e.args[0]) && body.expr->kind == ExprKind::Op &&
                  (body.flex != Flex::None || isFloat(body.type().scalar));
  Value v = shared(plain(reduce, position ? Flex::None : body.flex));
  v.open = body.open;
  return v;
}

/// sum(x) over a whole tensor.
Value Body::elabReduceAll(const ast::Expr &e) {
  ReduceKind kind = *reduceNamed(e.text);
  std::vector<Value> args;
  if (!elabArguments(e, 1, args) || args[0].unknown()) return Value();
  Value body = args[0];
  int64_t count = body.plain() ? elementCount(body.shape()).value_or(0) : 1;
  if (!prepareReduction(kind, body, *e.args[0], e, nullptr, count)) return Value();
  bool position = kind == ReduceKind::Argmax || kind == ReduceKind::Argmin;
  Expr *reduce =
      make(ExprKind::ReduceAll, {position ? Scalar::I32 : body.type().scalar, {}}, e.span, {body.expr});
  reduce->reduce = kind;
  bool partials = kind == ReduceKind::Sum || kind == ReduceKind::Mean;
  reduce->fused = partials && isProduct(*e.args[0]) && body.expr->kind == ExprKind::Op &&
                  (body.flex != Flex::None || isFloat(body.type().scalar));
  Value v = shared(plain(reduce, position ? Flex::None : body.flex));
  v.open = body.open && v.flex != Flex::None;
  return v;
}

// ---- matrix products -------------------------------------------------------------------------------------

Value Body::dotProduct(Value a, Value b, const ast::Expr &e) {
  Type scalar{a.type().scalar, {}};
  Expr *product = makeOp(OpKind::Mul, a.type(), e.span, {a.expr, b.expr});
  Expr *sum = make(ExprKind::ReduceAll, scalar, e.span, {product});
  sum->reduce = ReduceKind::Sum;
  sum->fused = a.flex != Flex::None || isFloat(scalar.scalar);
  return shared(plain(sum, a.flex));
}

/// sum(a[aAxes] * b[bAxes] for k), an ascending fused chain; -1 among the axes is position 0 of an axis of
/// size 1.
Expr *Body::contraction(Expr *a, const std::vector<int64_t> &aAxes, Expr *b,
                        const std::vector<int64_t> &bAxes, IndexId k, Span span, bool flexible) {
  Type scalar{a->type.scalar, {}};
  // A variable has a type, so literals that have none yet are read in their place.
  auto element = [&](Expr *e, const std::vector<int64_t> &axes) {
    return flexible ? read(e, positions(axes, span), span) : elementAt(e, axes, span);
  };
  Expr *left = element(a, aAxes), *right = element(b, bAxes);
  Expr *sum = make(ExprKind::Reduce, scalar, span, {makeOp(OpKind::Mul, scalar, span, {left, right})});
  sum->reduce = ReduceKind::Sum;
  sum->indices = {k};
  sum->fused = flexible || isFloat(scalar.scalar);
  return sum;
}

/// NumPy's matmul: the last axis of a with the last but one of b (or its only one); leading axes broadcast.
Value Body::matrixProduct(Value a, Value b, const ast::Expr &e) {
  std::vector<Value> operands{std::move(a), std::move(b)};
  std::vector<const ast::Expr *> where{e.args[0].get(), e.args[1].get()};
  bool tensors = true;
  for (const Value &v : operands) tensors &= v.plain() && !v.shape().empty();
  auto describe = [&](Diagnostic &d) {
    for (size_t i = 0; i < 2; ++i) describeOperand(d, *where[i], operands[i], false);
  };
  if (!tensors) {
    Diagnostic &d = error(kinds::shapeMismatch, e.span, "`@` needs two tensors");
    describe(d);
    d.helps.push_back(fmt::format("a multiple is written `{} * {}`", text(*where[0]), text(*where[1])));
    return Value();
  }
  if (!unifyScalars(operands, where, "@")) return Value();
  Flex flex = operands[0].flex;
  Shape x = operands[0].shape(), y = operands[1].shape();
  if (operands[0].type().scalar == Scalar::Bool || operands[0].nominal) {
    Diagnostic &d = error(kinds::typeMismatch, e.span,
                          fmt::format("`@` needs numbers, not {}", operands[0].nominal ? "an enum" : "bool"));
    describe(d);
    return Value();
  }
  size_t inner = y.size() == 1 ? 0 : y.size() - 2;
  Shape leadX(x.begin(), x.end() - (x.size() == 1 ? 1 : 2)),
      leadY(y.begin(), y.end() - (y.size() == 1 ? 1 : 2));
  auto lead = broadcastShapes(leadX, leadY);
  if (x.back() != y[inner] || !lead) {
    Diagnostic &d =
        error(kinds::shapeMismatch, e.span,
              fmt::format("the shapes {} and {} do not multiply", toString(x), toString(y)),
              lead ? fmt::format("{} columns on the left, {} rows on the right", x.back(), y[inner]) : "");
    describe(d);
    return Value();
  }
  if (x.size() == 1 && y.size() == 1) return dotProduct(operands[0], operands[1], e);
  Expr *left = operands[0].expr, *right = operands[1].expr;
  if (flex == Flex::None) left = named(left), right = named(right);
  Shape shape = *lead;
  if (x.size() > 1) shape.push_back(x[x.size() - 2]);
  if (y.size() > 1) shape.push_back(y.back());
  if (auto count = elementCount(shape); !count || *count > maxSize) {
    error(kinds::invalidSize, e.span, fmt::format("a tensor of shape {} is too large", toString(shape)));
    return Value();
  }
  std::vector<IndexId> indices;
  for (size_t i = 0; i < shape.size(); ++i) {
    const char *name = i < lead->size() ? "b" : i == lead->size() && x.size() > 1 ? "i" : "j";
    indices.push_back(newIndex(indexName(name), shape[i], e.span));
  }
  IndexId k = newIndex(indexName("k"), x.back(), e.span);
  auto axes = [&](const Shape &own, size_t leading) {
    std::vector<int64_t> out;
    for (size_t i = 0; i < leading; ++i) {
      size_t at = lead->size() - leading + i;
      out.push_back(own[i] == 1 && (*lead)[at] != 1 ? -1 : static_cast<int64_t>(indices[at]));
    }
    return out;
  };
  std::vector<int64_t> aAxes = axes(x, leadX.size()), bAxes = axes(y, leadY.size());
  if (x.size() > 1) aAxes.push_back(indices[lead->size()]);
  aAxes.push_back(k);
  bAxes.push_back(k);
  if (y.size() > 1) bAxes.push_back(indices.back());
  Expr *build = make(ExprKind::Build, {left->type.scalar, shape}, e.span,
                     {contraction(left, aAxes, right, bAxes, k, e.span, flex != Flex::None)});
  build->indices = indices;
  return shared(plain(build, flex));
}

} // namespace mlr::checking
