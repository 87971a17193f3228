// Expressions that change clocks: `when`, `merge`, `hold`. What is sampled is read in the region of its clock;
// operands of merge and hold become variables of theirs.
#include "mlr/Check/AstWalk.h"
#include "mlr/Check/Body.h"
#include "mlr/Check/Instants.h"

#include <fmt/format.h>

namespace mlr::checking {

/// State counts the instants of the clock that it stands on, so it cannot move to another one.
static bool isBoundToClock(const Expr &e) {
  if (looksAround(e.kind) || e.kind == ExprKind::Merge) return true;
  for (const Expr *arg : e.args)
    if (isBoundToClock(*arg)) return true;
  for (const ReadIndex &read : e.reads)
    if (read.at && isBoundToClock(*read.at)) return true;
  return false;
}

/// A value computed on `clock`, to be read elsewhere.
Value Body::onVariable(Value v, ClockTerm *clock) {
  for (Value &part : v.parts) part = onVariable(std::move(part), clock);
  if (!v.plain() || !isBoundToClock(*v.expr)) return v;
  forceDefault(v);
  ClockTerm *before = here;
  here = clock;
  v.expr = lifted(v.expr, "sampled");
  here = before;
  return v;
}

// ---- selectors -------------------------------------------------------------------------------------------

/// Where a selector is computed: outside of the reset blocks that its variables and state have no part in, so that
/// equal conditions inside and outside are one variable. The clock there that `parent` is.
ClockTerm *Body::outsideResets(const ClockCondition &c, ClockTerm *parent, Scope *&home) {
  bool isLocal = false;
  Scope *before = scope;
  scope = c.scope;
  while (!isLocal && home->kind == Scope::Kind::Reset) {
    walk(c.expr, [&](const ast::Expr &e) {
      const SymbolId *id = variableRead(e);
      for (const Scope *s = id ? symbols[*id].scope : nullptr; s; s = s->parent) isLocal |= s == home;
      isLocal |= remembers(e);
    });
    ClockTerm *outside = isLocal ? nullptr : rebased(clocks, parent, home->base, home->outer);
    if (!outside) break;
    parent = outside;
    home = home->parent;
  }
  scope = before;
  return parent;
}

/// The variable behind a condition: the one that it names, or a hidden one on `parent`.
bool Body::elabSelector(ClockCondition &c, ClockTerm *parent) {
  if (c.kind == Clock::Kind::Every || c.selector != UINT32_MAX) return true;
  Scope *beforeScope = scope;
  ClockTerm *before = here;
  scope = c.scope;
  here = outsideResets(c, parent, scope);
  bool numbered = c.constructor.starts_with("#");
  if (numbered) c.value = std::stoll(c.constructor.substr(1));
  const SymbolId *id = c.expr->kind == ast::ExprKind::Name ? lookup(c.expr->text) : nullptr;
  bool own = id && symbols[*id].leaves.size() == 1 && symbols[*id].scope->time == scope->time;
  Expr *selector = nullptr;
  if (c.constructor.empty()) {
    if (elabScalarCondition(*c.expr, "the condition of a clock", selector)) c.selector = UINT32_MAX - 1;
  } else {
    Value v = elab(*c.expr);
    forceDefault(v);
    std::optional<size_t> number;
    if (v.plain() && v.nominal) number = constructorOf(*v.nominal, {c.written.empty() ? c.constructor : c.written, c.span});
    else if (!numbered && !v.unknown())
      error(kinds::typeMismatch, c.expr->span, fmt::format("`{}` is {}, not an enum", text(*c.expr), toString(v.ty())),
            fmt::format("compared with `{}`", c.constructor));
    if (number) c.value = static_cast<int64_t>(*number);
    if (v.plain() && v.type().isScalar() && (number || numbered)) selector = v.expr, c.selector = UINT32_MAX - 1;
  }
  bool ok = c.selector != UINT32_MAX;
  if (ok && own) c.selector = symbols[*id].leaves[0];
  if (ok && !own && !freeIndices({selector}).empty()) {
    Diagnostic &d = error(kinds::clockMismatch, c.expr->span, "a clock depends on the index of a comprehension",
                          "other instants for each index");
    d.helps.push_back("put what has the clock into a node of its own, and call that for each index");
    ok = false;
  }
  if (ok && !own) {
    // One expression selects all clocks under it.
    std::string on = ClockSolver::isGround(here) ? ClockSolver::key(here)
                                                 : fmt::format("{}", static_cast<const void *>(ClockSolver::find(here)));
    auto [at, isNew] = selectors.try_emplace(fmt::format("{} {}", on, c.key.empty() ? canonical(*c.expr) : c.key), 0);
    if (isNew) at->second = define(selector, "when")->var;
    c.selector = at->second;
    selected.push_back({&c, parent});
  }
  if (!ok) c.selector = UINT32_MAX;
  scope = beforeScope;
  here = before;
  return ok;
}

// ---- when ------------------------------------------------------------------------------------------------

Value Body::elabWhen(const ast::Expr &e, const Ty *want) {
  auto at = marks.find(&e);
  if (at == marks.end() || !unit) {
    if (!unit) error(kinds::notConstant, e.span, "`when` in a constant", "constants have no time");
    return Value();
  }
  ClockTerm *before = here;
  here = at->second.operand;
  Value v = elab(*e.args[0], want);
  here = before;
  if (report.isQuiet()) return v;
  if (at->second.condition->kind == Clock::Kind::Every && !allowState(e, "every")) return Value();
  if (!elabSelector(*at->second.condition, at->second.operand) || v.unknown()) return Value();
  return onVariable(std::move(v), at->second.operand);
}

/// Arms name every constructor once.
bool Body::coverArms(const Nominal &type, const std::vector<ast::Name> &arms, Span span, const char *what) {
  std::vector<const ast::Name *> of(type.decl->constructors.size(), nullptr);
  for (const ast::Name &arm : arms) {
    auto number = constructorOf(type, arm);
    if (!number) return false;
    if (const ast::Name *first = of[*number]) {
      Diagnostic &d = error(kinds::duplicateDefinition, arm.span, fmt::format("`{}` has two arms", arm.text), "again here");
      d.labels.push_back({first->span, "the other one", false});
      return false;
    }
    of[*number] = &arm;
  }
  std::string missing;
  for (size_t i = 0; i < of.size(); ++i)
    if (!of[i]) missing += fmt::format("{}`{}`", missing.empty() ? "" : ", ", type.decl->constructors[i].text);
  if (missing.empty()) return true;
  Diagnostic &d = error(kinds::incompleteMatch, span, fmt::format("`{}` has no arm for {}", what, missing),
                        fmt::format("of the enum `{}`", type.display));
  d.labels.push_back({type.decl->name.span, "declared here", false});
  return false;
}

// ---- merge -----------------------------------------------------------------------------------------------

/// The element at the comprehension's indices of a stream over them; `leading` axes stand before.
Expr *Body::readLifted(Expr *stream, const std::vector<IndexId> &free, size_t leading, Span span) {
  if (free.empty()) return stream;
  std::vector<ReadIndex> reads(stream->type.shape.size());
  for (size_t i = 0; i < reads.size(); ++i) {
    reads[i].inBounds = true;
    bool indexed = i >= leading && i < leading + free.size();
    if (indexed) {
      reads[i].at = makeIndex(free[i - leading], span);
      continue;
    }
    reads[i].kind = ReadIndex::Kind::Range;
    reads[i].count = stream->type.shape[i];
  }
  return read(stream, std::move(reads), span);
}

/// A variable on exactly this clock, or a constant.
Expr *Body::variableOn(Expr *e, ClockTerm *clock, const char *base) {
  if (e->kind == ExprKind::Const) return e;
  if (e->kind == ExprKind::Var && e->var < varClocks.size() && varClocks[e->var]) {
    ClockTerm *own = varClocks[e->var];
    bool same = ClockSolver::find(own) == ClockSolver::find(clock) ||
                (ClockSolver::isGround(own) && ClockSolver::isGround(clock) && ClockSolver::equal(own, clock));
    if (same && instance.vars[e->var].time == scope->time) return e;
  }
  ClockTerm *before = here;
  here = clock;
  Expr *var = define(e, base);
  here = before;
  return var;
}

Expr *Body::mergeLeaf(VarId selector, std::vector<Expr *> operands, const std::vector<ClockTerm *> &on, Span span) {
  std::vector<IndexId> free = freeIndices(std::vector<const Expr *>(operands.begin(), operands.end()));
  selectorReads.push_back(makeVar(selector, span));
  std::vector<const Expr *> args{selectorReads.back()};
  for (size_t i = 0; i < operands.size(); ++i)
    args.push_back(variableOn(comprehended.empty() ? operands[i] : overIndices(operands[i], free), on[i], "arm"));
  Type type = args[1]->type;
  Expr *e = make(ExprKind::Merge, type, span, std::move(args));
  return comprehended.empty() ? e : readLifted(define(e, "merged"), free, 0, span);
}

/// Leaf by leaf; `operands` by the selector's value, of one type.
Value Body::mergeValues(VarId selector, std::vector<Value> operands, const std::vector<ClockTerm *> &on, Span span) {
  if (operands[0].kind == Ty::Kind::Tuple) {
    Value out = operands[0];
    out.parts.clear();
    for (size_t part = 0; part < operands[0].parts.size(); ++part) {
      std::vector<Value> leaves;
      for (Value &v : operands) leaves.push_back(v.parts[part]);
      out.parts.push_back(mergeValues(selector, std::move(leaves), on, span));
    }
    return out;
  }
  std::vector<Expr *> trees;
  for (Value &v : operands) trees.push_back(v.expr);
  Value out = plain(mergeLeaf(selector, std::move(trees), on, span));
  out.nominal = operands[0].nominal;
  return out;
}

Value Body::elabMerge(const ast::Expr &e, const Ty *want) {
  auto at = marks.find(&e);
  if (at == marks.end() || !unit) {
    if (!unit) error(kinds::notConstant, e.span, "`merge` in a constant", "constants have no time");
    return Value();
  }
  ClockMark &mark = at->second;
  std::vector<Value> values;
  std::vector<const ast::Expr *> where;
  ClockTerm *before = here;
  bool known = true;
  for (size_t i = 1; i < e.args.size(); ++i) {
    here = mark.each[i - 1];
    values.push_back(elab(*e.args[i], want));
    where.push_back(e.args[i].get());
    known &= !values.back().unknown();
  }
  here = before;
  if (report.isQuiet()) {
    Value all = values[0];
    for (size_t i = 1; i < values.size(); ++i) all = guessJoin(all, values[i], {where[0], where[i]}, "merge");
    return all;
  }
  for (ClockCondition *c : mark.conditions)
    if (!elabSelector(*c, mark.operand)) return Value();
    else if (c != mark.conditions[0]) c->selector = mark.conditions[0]->selector;
  if (e.kind == ast::ExprKind::MergeEnum && !e.argNames[0].text.starts_with("#")) {
    here = mark.operand;
    Value selector = elab(*e.args[0]);
    here = before;
    bool written = e.text != "#arms";
    if (!selector.nominal || (written && !coverArms(*selector.nominal, e.argNames, e.span, "merge"))) return Value();
    if (selector.nominal->decl->constructors.size() != e.argNames.size()) return Value(); // reported

  }
  if (!known || !join(values, where, "merge")) return Value();
  for (Value &v : values) forceDefault(v, want);
  size_t count = values.size();
  std::vector<Value> byValue(count);
  std::vector<ClockTerm *> on(count, nullptr);
  for (size_t i = 0; i < count; ++i) {
    auto number = static_cast<size_t>(mark.conditions[i]->value);
    if (number >= count || on[number]) return Value(); // reported: an arm twice, or missing
    byValue[number] = std::move(values[i]);
    on[number] = mark.each[i];
  }
  return mergeValues(mark.conditions[0]->selector, std::move(byValue), on, e.span);
}

// ---- hold ------------------------------------------------------------------------------------------------

Value Body::elabHold(const ast::Expr &e, const Ty *want) {
  auto at = marks.find(&e);
  bool allowed = allowState(e, "hold");
  if (e.args.size() != 2 || at == marks.end()) {
    std::vector<Value> values;
    if (unit) elabArguments(e, 2, values);
    return Value();
  }
  ClockTerm *before = here;
  here = at->second.operand;
  std::vector<Value> values(2);
  values[0] = elab(*e.args[0], want);
  here = before;
  Ty hint = values[0].ty();
  values[1] = elab(*e.args[1], hint.isKnown() ? &hint : want);
  std::vector<const ast::Expr *> where{e.args[0].get(), e.args[1].get()};
  if (report.isQuiet()) return guessJoin(values[0], values[1], where, "hold");
  if (values[0].unknown() || values[1].unknown() || !allowed || !join(values, where, "hold")) return Value();
  for (Value &v : values) forceDefault(v, want);
  return holdValue(values[0], values[1], at->second.operand, e.span);
}

Value Body::holdValue(const Value &x, const Value &init, ClockTerm *clock, Span span) {
  if (x.kind == Ty::Kind::Tuple) {
    Value out = x;
    out.parts.clear();
    for (size_t i = 0; i < x.parts.size(); ++i) out.parts.push_back(holdValue(x.parts[i], init.parts[i], clock, span));
    return out;
  }
  std::vector<IndexId> free = freeIndices({x.expr, init.expr});
  Expr *held = comprehended.empty() ? x.expr : overIndices(x.expr, free);
  Expr *first = comprehended.empty() ? init.expr : overIndices(init.expr, free);
  if (held->kind == ExprKind::Const) {
    ClockTerm *before = here;
    here = clock;
    held = define(held, "held");
    here = before;
  } else {
    held = variableOn(held, clock, "held");
  }
  Expr *e = make(ExprKind::Hold, held->type, span, {held, first});
  Value out = plain(comprehended.empty() ? e : readLifted(define(e, "hold"), free, 0, span));
  out.nominal = x.nominal;
  return out;
}

} // namespace mlr::checking
