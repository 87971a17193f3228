// Building, copying and taking apart the expressions of the typed program.
#include "mlr/Check/Body.h"

#include <algorithm>
#include <fmt/format.h>
#include <unordered_set>

namespace mlr::checking {

/// The expressions of an instance are immutable for others; while its body is elaborated they are ours.
static Expr *own(const Expr *e) { return const_cast<Expr *>(e); }

Ty Value::ty() const {
  Ty out;
  out.kind = kind;
  if (kind == Ty::Kind::Plain) {
    out.flex = flex;
    out.type = expr->type;
    out.open = open;
  }
  out.nominal = nominal;
  if (isStruct()) out.type.shape = lead;
  for (const Value &part : parts) out.parts.push_back(part.ty());
  return out;
}

// ---- building --------------------------------------------------------------------------------------------

Expr *Body::make(ExprKind kind, Type type, Span span, std::vector<const Expr *> args) {
  Expr &e = instance.arena.emplace_back();
  e.kind = kind;
  e.type = std::move(type);
  e.span = span;
  e.args = std::move(args);
  return &e;
}

Expr *Body::makeOp(OpKind op, Type type, Span span, std::vector<const Expr *> args) {
  Expr *e = make(ExprKind::Op, std::move(type), span, std::move(args));
  e->op = op;
  return e;
}

Expr *Body::makeConst(Array value, Span span) {
  Expr *e = make(ExprKind::Const, value.type(), span);
  e->constant = std::move(value);
  return e;
}

Expr *Body::makeVar(VarId var, Span span) {
  Expr *e = make(ExprKind::Var, instance.vars[var].type, span);
  e->var = var;
  return e;
}

Expr *Body::makeIndex(IndexId index, Span span) {
  Expr *e = make(ExprKind::Index, {Scalar::I32, {}}, span);
  e->index = index;
  return e;
}

/// A flexible constant: `var` is its number in `literals` until setScalar() gives it a value.
Value Body::literal(Literal literal, Flex flex, Span span) {
  Expr *e = make(ExprKind::Const, {flex == Flex::Int ? Scalar::I32 : Scalar::F32, {}}, span);
  e->var = static_cast<VarId>(literals.size());
  literals.push_back(literal);
  return plain(e, flex);
}

Value Body::plain(Expr *e, Flex flex) const {
  Value v;
  v.kind = Ty::Kind::Plain;
  v.flex = flex;
  v.expr = e;
  return v;
}

Value Body::assemble(const Ty &ty, const std::function<Value(const Ty &)> &leaf) const {
  if (ty.kind == Ty::Kind::Unknown) return Value();
  Value out;
  if (ty.kind == Ty::Kind::Plain) out = leaf(ty);
  else {
    out.kind = Ty::Kind::Tuple;
    for (const Ty &part : ty.parts) out.parts.push_back(assemble(part, leaf));
    out.lead = ty.type.shape;
  }
  out.nominal = ty.nominal;
  return out;
}

Value Body::assemble(const std::vector<Ty> &types, const std::function<Value(const Ty &)> &leaf) const {
  if (types.size() == 1) return assemble(types[0], leaf);
  return assemble(Ty{Ty::Kind::Tuple, Flex::None, {}, types, nullptr}, leaf);
}

IndexId Body::newIndex(std::string name, int64_t size, Span span) {
  instance.indices.push_back({std::move(name), size, span});
  return static_cast<IndexId>(instance.indices.size() - 1);
}

/// A name for an index of the checker's own that reads well: not that of an index around it.
std::string Body::indexName(std::string name) const {
  auto used = [&] {
    for (const Comprehended &c : comprehended)
      if (c.name == name) return true;
    return false;
  };
  std::string base = name;
  for (int i = 1; used(); ++i) name = base + std::to_string(i);
  return name;
}

VarId Body::newHidden(Type type, Span span, std::string_view base) {
  auto id = static_cast<VarId>(instance.vars.size());
  instance.vars.push_back({Var::Kind::Hidden, fmt::format("{}#{}", base, id), std::move(type), span,
                           scope ? scope->time : nullptr});
  setClock(id, here);
  return id;
}

// ---- copying ---------------------------------------------------------------------------------------------

Expr *Body::clone(const Expr *e) {
  Renaming none;
  return clone(e, none);
}

Expr *Body::clone(const Expr *e, Renaming &renaming) {
  if (e->kind == ExprKind::Index) {
    auto at = renaming.find(e->index);
    if (at == renaming.end()) return makeIndex(e->index, e->span);
    if (at->second < 0) return makeConst(scalarArray(Scalar::I32, 0), e->span);
    return makeIndex(static_cast<IndexId>(at->second), e->span);
  }
  Expr copy = *e;
  for (IndexId &index : copy.indices) {
    IndexVar var = instance.indices[index];
    IndexId fresh = newIndex(var.name, var.size, var.span);
    renaming[index] = fresh;
    index = fresh;
  }
  for (const Expr *&arg : copy.args) arg = clone(arg, renaming);
  for (ReadIndex &axis : copy.reads)
    if (axis.at) axis.at = clone(axis.at, renaming);
  return &instance.arena.emplace_back(std::move(copy));
}

Expr *Body::rename(Expr *e, const Renaming &renaming) {
  std::vector<Expr *> stack{e};
  while (!stack.empty()) {
    Expr *at = stack.back();
    stack.pop_back();
    auto found = at->kind == ExprKind::Index ? renaming.find(at->index) : renaming.end();
    if (found != renaming.end() && found->second >= 0) at->index = static_cast<IndexId>(found->second);
    if (found != renaming.end() && found->second < 0) {
      at->kind = ExprKind::Const;
      at->constant = scalarArray(Scalar::I32, 0);
    }
    for (const Expr *arg : at->args) stack.push_back(own(arg));
    for (const ReadIndex &axis : at->reads)
      if (axis.at) stack.push_back(own(axis.at));
  }
  return e;
}

std::vector<IndexId> Body::freeIndices(const std::vector<const Expr *> &trees) const {
  std::vector<IndexId> out;
  if (comprehended.empty()) return out;
  std::unordered_set<IndexId> mentioned;
  std::vector<const Expr *> stack(trees);
  while (!stack.empty()) {
    const Expr *e = stack.back();
    stack.pop_back();
    if (e->kind == ExprKind::Index) mentioned.insert(e->index);
    stack.insert(stack.end(), e->args.begin(), e->args.end());
    for (const ReadIndex &axis : e->reads)
      if (axis.at) stack.push_back(axis.at);
  }
  for (const Comprehended &c : comprehended)
    if (mentioned.count(c.id)) out.push_back(c.id);
  return out;
}

// ---- elements --------------------------------------------------------------------------------------------

static bool isElementwise(const Expr &e) { return e.kind == ExprKind::Op; }

Expr *Body::elementAt(Expr *e, const std::vector<int64_t> &axes, Span span) {
  if (axes.empty()) return e;
  if (isElementwise(*e)) {
    for (const Expr *&arg : e->args) arg = elementAt(own(arg), axes, span);
    e->type.shape.clear();
    return e;
  }
  if (e->kind == ExprKind::Broadcast) {
    // Few elements are used often: they are computed once.
    bool repeated = e->args[0]->type.elements() != e->type.elements();
    const Expr *inner = repeated && !e->args[0]->type.isScalar() ? named(own(e->args[0])) : e->args[0];
    const Shape &from = inner->type.shape;
    size_t dropped = axes.size() - from.size();
    std::vector<int64_t> innerAxes;
    for (size_t i = 0; i < from.size(); ++i)
      innerAxes.push_back(from[i] == 1 && e->type.shape[dropped + i] != 1 ? -1 : axes[dropped + i]);
    return elementAt(own(inner), innerAxes, span);
  }
  if (e->kind == ExprKind::Build && e->args[0]->type.isScalar()) {
    Renaming renaming;
    for (size_t i = 0; i < e->indices.size(); ++i) renaming[e->indices[i]] = axes[i];
    return rename(own(e->args[0]), renaming);
  }
  bool sliced = e->kind == ExprKind::Read && e->args[0]->kind == ExprKind::Var;
  for (const ReadIndex &axis : e->reads) sliced &= axis.kind != ReadIndex::Kind::Slide;
  if (sliced) return elementOfSlice(e, axes, span);
  return read(named(e), positions(axes, span), span);
}

std::vector<ReadIndex> Body::positions(const std::vector<int64_t> &axes, Span span) {
  std::vector<ReadIndex> reads(axes.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    reads[i].at = axes[i] < 0 ? makeConst(scalarArray(Scalar::I32, 0), span)
                              : makeIndex(static_cast<IndexId>(axes[i]), span);
    reads[i].inBounds = true;
  }
  return reads;
}

/// x[2..5][i] is x[i + 2].
Expr *Body::elementOfSlice(Expr *e, const std::vector<int64_t> &axes, Span span) {
  size_t next = 0;
  for (ReadIndex &axis : e->reads) {
    if (axis.kind == ReadIndex::Kind::At) continue;
    int64_t index = axes[next++];
    const Expr *at = makeConst(scalarArray(Scalar::I32, static_cast<uint64_t>(axis.start)), span);
    if (index >= 0) {
      const Expr *i = makeIndex(static_cast<IndexId>(index), span);
      at = axis.start == 0 ? i : makeOp(OpKind::Add, {Scalar::I32, {}}, span, {i, at});
    }
    axis = ReadIndex();
    axis.at = at;
    axis.inBounds = true;
  }
  e->type.shape.clear();
  return e;
}

Expr *Body::define(Expr *e, std::string_view base) {
  VarId var = newHidden(e->type, e->span, base);
  Equation equation;
  equation.span = e->span;
  equation.targets = {var};
  equation.value = e;
  unit->equations.push_back(std::move(equation));
  return makeVar(var, e->span);
}

/// Beyond this, recomputing is preferred to memory.
static constexpr int64_t maxLifted = 1 << 22;

Expr *Body::lifted(Expr *e, std::string_view base) {
  std::vector<IndexId> free = freeIndices({e});
  if (free.empty()) return define(e, base);
  int64_t count = e->type.elements();
  for (IndexId index : free) {
    int64_t size = instance.indices[index].size;
    if (size && count > maxLifted / size) return e;
    count *= size;
  }
  Expr *stream = define(overIndices(e, free), base);
  std::vector<ReadIndex> reads(stream->type.shape.size());
  for (size_t i = 0; i < reads.size(); ++i) {
    reads[i].inBounds = true;
    if (i < free.size()) {
      reads[i].at = makeIndex(free[i], e->span);
      continue;
    }
    reads[i].kind = ReadIndex::Kind::Range;
    reads[i].count = stream->type.shape[i];
  }
  return read(stream, std::move(reads), e->span);
}

/// A variable, a constant, or elements of one.
static bool isSimple(const Expr *e) {
  if (e->kind == ExprKind::Broadcast || e->kind == ExprKind::Read) e = e->args[0];
  return e->kind == ExprKind::Var || e->kind == ExprKind::Const || e->kind == ExprKind::Index;
}

Expr *Body::named(Expr *e) { return isSimple(e) || !unit || deadCode() ? e : lifted(e, "value"); }

Expr *Body::shared(Expr *e) {
  if (comprehended.empty() || !unit || report.isQuiet() || isSimple(e) || deadCode()) return e;
  return freeIndices({e}).size() == comprehended.size() ? e : lifted(e, "part");
}

Value Body::shared(Value v) {
  if (v.plain() && v.flex == Flex::None) v.expr = shared(v.expr);
  for (Value &part : v.parts) part = shared(std::move(part));
  return v;
}

// ---- guesses ---------------------------------------------------------------------------------------------

Body::Mark Body::mark() const {
  return {instance.arena.size(), instance.vars.size(), instance.indices.size(), literals.size(),
          unit ? unit->equations.size() : 0};
}

void Body::rollBack(const Mark &mark) {
  instance.arena.resize(mark.arena);
  instance.vars.resize(mark.vars);
  instance.indices.resize(mark.indices);
  literals.resize(mark.literals);
  if (unit) unit->equations.resize(mark.equations);
}

} // namespace mlr::checking
