// Operators in time: fby, pre, ->, eby, window, and the end values of scans. Inside a comprehension they are
// lifted: a hidden variable holds the stream for all indices, and the body reads its element.
#include "mlr/Check/Body.h"

#include <fmt/format.h>

namespace mlr::checking {

bool Body::allowState(const ast::Expr &e, const std::string &spelling) {
  if (!unit) {
    error(kinds::notConstant, e.span, fmt::format("`{}` in a constant", spelling), "constants have no time");
    return false;
  }
  if (scope->time) return true;
  if (!instance.isFun) {
    instance.hasState = true;
    return true;
  }
  Diagnostic &d = error(kinds::stateInFun, e.nameSpan.valid() ? e.nameSpan : e.span,
                        fmt::format("the fun `{}` cannot keep state", signature.decl->name.text),
                        fmt::format("`{}` reaches another instant", spelling));
  d.helps.push_back(fmt::format("declare it as a node: `node {}(..)`", signature.decl->name.text));
  return false;
}

bool Body::allowEnd(const ast::Expr &e, const std::string &spelling) {
  if (!unit || (instance.isFun && !scope->time)) return allowState(e, spelling);
  if (!scope->time) instance.usesEnd = true;
  return true;
}

// ---- lifting ---------------------------------------------------------------------------------------------

/// The tensor of `e` over comprehension indices: [e for free], with the indices renamed.
Expr *Body::overIndices(Expr *e, const std::vector<IndexId> &free) {
  Shape shape;
  for (IndexId index : free) shape.push_back(instance.indices[index].size);
  size_t outer = shape.size();
  shape.insert(shape.end(), e->type.shape.begin(), e->type.shape.end());
  if (freeIndices({e}).empty()) return broadcastTo(e, shape);
  bool whole = e->kind == ExprKind::Read && e->args[0]->kind == ExprKind::Var && e->reads.size() == outer &&
               e->args[0]->type.shape == shape;
  for (size_t i = 0; whole && i < outer; ++i) {
    const ReadIndex &axis = e->reads[i];
    whole = axis.kind == ReadIndex::Kind::At && axis.at->kind == ExprKind::Index && axis.at->index == free[i];
  }
  if (whole) return const_cast<Expr *>(e->args[0]);
  Renaming renaming;
  std::vector<IndexId> fresh;
  for (IndexId index : free) {
    IndexVar var = instance.indices[index];
    fresh.push_back(newIndex(var.name, var.size, var.span));
    renaming[index] = fresh.back();
  }
  Expr *build = make(ExprKind::Build, {e->type.scalar, shape}, e->span, {clone(e, renaming)});
  build->indices = fresh;
  return build;
}

Expr *Body::inTimeLeaf(ExprKind kind, std::vector<Expr *> operands, Span span, int64_t count) {
  std::vector<IndexId> free;
  if (!comprehended.empty()) {
    free = freeIndices(std::vector<const Expr *>(operands.begin(), operands.end()));
    for (Expr *&operand : operands) operand = overIndices(operand, free);
  }
  Type type = operands.empty() ? Type{Scalar::I32, {}} : operands[0]->type;
  if (kind == ExprKind::Window) type.shape.insert(type.shape.begin(), count);
  Expr *e = make(kind, type, span, std::vector<const Expr *>(operands.begin(), operands.end()));
  e->count = count;
  if (comprehended.empty()) return e;
  Expr *stream = define(e, kind == ExprKind::Eby ? "next" : kind == ExprKind::Window ? "window" : "stream");
  if (free.empty()) return stream;
  std::vector<ReadIndex> reads;
  auto whole = [&](size_t axis) {
    ReadIndex all;
    all.kind = ReadIndex::Kind::Range;
    all.count = type.shape[axis];
    all.inBounds = true;
    reads.push_back(all);
  };
  if (kind == ExprKind::Window) whole(0);
  for (IndexId index : free) {
    ReadIndex at;
    at.at = makeIndex(index, span);
    at.inBounds = true;
    reads.push_back(at);
  }
  while (reads.size() < type.shape.size()) whole(reads.size());
  return read(stream, std::move(reads), span);
}

Value Body::inTime(ExprKind kind, std::vector<Value> operands, Span span, int64_t count) {
  if (!operands.empty() && operands[0].kind == Ty::Kind::Tuple) {
    Value out;
    out.kind = Ty::Kind::Tuple;
    out.nominal = operands[0].nominal;
    out.lead = operands[0].lead;
    if (kind == ExprKind::Window && out.nominal) out.lead.insert(out.lead.begin(), count);
    for (size_t part = 0; part < operands[0].parts.size(); ++part) {
      std::vector<Value> leaves;
      for (Value &operand : operands) leaves.push_back(operand.parts[part]);
      out.parts.push_back(inTime(kind, std::move(leaves), span, count));
    }
    return out;
  }
  std::vector<Expr *> trees;
  for (Value &operand : operands) {
    if (operand.unknown()) return Value();
    if (!comprehended.empty()) forceDefault(operand);
    trees.push_back(operand.expr);
  }
  Flex flex = operands.empty() ? Flex::None : operands[0].flex;
  Value v = plain(inTimeLeaf(kind, std::move(trees), span, count), flex);
  if (!operands.empty()) v.nominal = operands[0].nominal, v.open = operands[0].open;
  return operands.empty() ? v : truth(std::move(v), operands);
}

// ---- operators -------------------------------------------------------------------------------------------

Value Body::elabDelay(const ast::Expr &e, const Ty *want) {
  bool allowed = e.op == ast::Op::Eby ? allowEnd(e, "eby") : allowState(e, ast::spelling(e.op));
  if (e.op == ast::Op::Pre) {
    Value a = elab(*e.args[0], want);
    if (a.unknown() || !allowed) return report.isQuiet() ? a : Value();
    std::vector<Value> operands;
    operands.push_back(std::move(a));
    return inTime(ExprKind::Pre, std::move(operands), e.span);
  }
  // The operand that is likely a variable first: its type helps to infer the other one.
  bool secondFirst = e.op == ast::Op::Fby;
  std::vector<Value> values(2);
  size_t first = secondFirst ? 1 : 0, second = 1 - first;
  values[first] = elab(*e.args[first], want);
  Ty hint = values[first].ty();
  values[second] = elab(*e.args[second], hint.isKnown() ? &hint : want);
  std::vector<const ast::Expr *> where{e.args[0].get(), e.args[1].get()};
  std::string spelling = ast::spelling(e.op);
  if (report.isQuiet()) return guessJoin(values[0], values[1], where, spelling);
  if (values[0].unknown() || values[1].unknown()) return Value();
  if (!join(values, where, spelling) || !allowed) return Value();
  // The hidden variable of a lifted operator needs its type here.
  for (Value &v : values)
    if (!comprehended.empty()) forceDefault(v, want);
  ExprKind kind = e.op == ast::Op::Fby   ? ExprKind::Fby
                  : e.op == ast::Op::Eby ? ExprKind::Eby
                                         : ExprKind::Arrow;
  return inTime(kind, std::move(values), e.span);
}

Value Body::elabEndValue(const ast::Expr &e, const Ty *want) {
  bool final = e.op == ast::Op::Final;
  ClockTerm *before = here;
  ClockTerm *base = unit ? scope->ofTime().base : nullptr;
  here = base;
  Value a = elab(*e.args[0], want);
  here = before;
  if (!unit || !scope->time) {
    error(kinds::outsideScan, e.nameSpan.valid() ? e.nameSpan : e.span,
          fmt::format("`{}` outside a scan", ast::spelling(e.op)),
          final ? "this time has no last instant" : "only a scan has a first instant to return to");
    return Value();
  }
  if (scope->time->length == 0)
    error(kinds::emptyReduction, e.span,
          fmt::format("the scan has no instants, so `{}` has no value", text(e)), "its length is 0");
  if (a.unknown()) return Value();
  std::vector<Value> operands;
  operands.push_back(std::move(a));
  bool elsewhere = here && ClockSolver::find(here) != base && !report.isQuiet();
  if (elsewhere) here = base;
  Value value = inTime(final ? ExprKind::Final : ExprKind::Initial, std::move(operands), e.span);
  here = before;
  return elsewhere ? onVariable(std::move(value), base) : value;
}

/// `count(t)`: of the innermost scan an expression, of an outer one a variable there.
Value Body::elabCount(const ast::Expr &e) {
  Scope *counted = unit ? scope : nullptr;
  bool named = e.args.size() == 1 && e.args[0]->kind == ast::ExprKind::Name;
  if (counted) counted = &counted->ofTime();
  while (counted && !(named && counted->time && counted->index == e.args[0]->text)) counted = counted->parent;
  if (!counted) {
    Diagnostic &d =
        error(kinds::outsideScan, e.span, fmt::format("`{}` does not name a scan around it", text(e)),
              "the argument is the index of a scan");
    if (unit && scope->time) d.helps.push_back(fmt::format("`count({})`", scope->index));
    return Value();
  }
  bool onBase = !here || ClockSolver::find(here) == scope->ofTime().base;
  if (counted == &scope->ofTime() && onBase) return inTime(ExprKind::Count, {}, e.span);
  if (report.isQuiet()) return plain(make(ExprKind::Var, {Scalar::I32, {}}, e.span));
  Scope *inner = scope;
  scope = counted;
  ClockTerm *clock = here;
  here = nullptr;
  VarId var = newHidden({Scalar::I32, {}}, e.span, "count");
  here = clock;
  scope = inner;
  Equation &equation = counted->region->equations.emplace_back();
  equation.span = e.span;
  equation.targets = {var};
  equation.value = make(ExprKind::Count, {Scalar::I32, {}}, e.span);
  return plain(makeVar(var, e.span));
}

Value Body::elabWindow(const ast::Expr &e, const Ty *want) {
  std::optional<int64_t> count;
  if (e.statics.size() == 1 && e.statics[0].value && !e.statics[0].isShape) {
    count = statics.size(*e.statics[0].value);
    if (count && *count < 1) {
      error(kinds::invalidSize, e.statics[0].span, "a window needs at least one element",
            fmt::format("this is {}", *count));
      count = std::nullopt;
    }
  } else {
    Diagnostic &d = error(kinds::wrongArguments, e.nameSpan, "`window` needs its length", "no length");
    d.helps.push_back("`window<<8>>(x, 0)`: the last 8 values of x, 0 before time began");
  }
  std::vector<Value> values;
  bool allowed = allowState(e, "window");
  if (!elabArguments(e, 2, values)) return Value();
  std::vector<const ast::Expr *> where{e.args[0].get(), e.args[1].get()};
  if (report.isQuiet() && (values[0].unknown() || values[1].unknown()))
    values[0] = values[1] = guessJoin(values[0], values[1], where, "window");
  if (values[0].unknown() || values[1].unknown() || !count || !allowed) return Value();
  if (!join(values, where, "window")) return Value();
  for (Value &v : values)
    if (!comprehended.empty()) forceDefault(v, want);
  if (values[0].plain()) {
    Shape shape = values[0].shape();
    shape.insert(shape.begin(), *count);
    if (auto total = elementCount(shape); !total || *total > maxSize) {
      error(kinds::invalidSize, e.span, fmt::format("a window of shape {} is too large", toString(shape)));
      return Value();
    }
  }
  return inTime(ExprKind::Window, std::move(values), e.span, *count);
}

} // namespace mlr::checking
