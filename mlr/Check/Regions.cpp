// The regions of the clocks of a body: clocks of equal chains of conditions are one. Equal periodic clocks of different
// chains have a region each, so that every clock has its own parent; what is on one is present on the other.
#include "mlr/Check/Body.h"

#include <algorithm>
#include <fmt/format.h>

namespace mlr::checking {

void Body::setClock(VarId var, ClockTerm *clock) {
  if (varClocks.size() <= var) varClocks.resize(var + 1, nullptr);
  varClocks[var] = clock;
}

/// The clock's object in the program; null for a base clock. Its region is entered in that of the clock above.
Clock *Body::clockObject(ClockTerm *t) {
  settleClock(t);
  t = ClockSolver::find(t);
  if (t->kind != ClockTerm::Kind::On) return nullptr;
  Clock *parent = clockObject(t->parent);
  Scope *time = ClockSolver::root(t)->scope;
  std::string key = fmt::format("{} {} {}", static_cast<const void *>(parent), static_cast<const void *>(time),
                                ClockSolver::conditionKey(*t->condition));
  if (auto at = clockObjects.find(key); at != clockObjects.end()) return at->second;
  auto clock = std::make_unique<Clock>();
  ClockCondition &c = *t->condition;
  if (c.selector == UINT32_MAX && c.isSymbol && symbols[c.symbol].leaves.size() == 1)
    c.selector = symbols[c.symbol].leaves[0];
  if (c.selector == UINT32_MAX && c.expr && c.expr->kind == ast::ExprKind::Name) {
    scope = c.scope;
    if (const SymbolId *id = lookup(c.expr->text); id && symbols[*id].leaves.size() == 1)
      c.selector = symbols[*id].leaves[0];
  }
  if (c.selector < instance.vars.size() && !c.constructor.empty()) { // a signature says it before anything is elaborated
    const std::vector<std::string> &names = instance.vars[c.selector].constructors;
    auto number = std::find(names.begin(), names.end(), c.constructor);
    if (number != names.end()) c.value = number - names.begin();
  }
  clock->kind = c.kind;
  clock->selector = c.kind == Clock::Kind::Every ? 0 : c.selector;
  clock->value = c.value;
  clock->period = c.period;
  clock->phase = c.phase;
  clock->parent = parent;
  clock->time = time->time;
  clock->span = c.span;
  Clock *object = clock.get();
  clockObjects[key] = object;
  Equation &equation = (parent ? parent->body : *time->region).equations.emplace_back();
  equation.kind = Equation::Kind::Clock;
  equation.span = c.span;
  equation.clock = std::move(clock);
  return object;
}

ClockTerm *Body::clockOfEquation(const Unit &u, const Equation &equation) {
  if (equation.kind == Equation::Kind::Scan && u.kind == Unit::Kind::Scan) return u.block->outer;
  if (equation.kind == Equation::Kind::Monitor) return u.clock;
  if (equation.targets.empty()) return nullptr;
  if (auto at = callClocks.find(equation.targets[0]); at != callClocks.end() && equation.kind == Equation::Kind::Call)
    return at->second;
  return equation.targets[0] < varClocks.size() ? varClocks[equation.targets[0]] : nullptr;
}

/// One selector for each condition on a clock. When expressions were elaborated some clocks were still open, so that equal
/// conditions got several: the one that stands outermost is kept, the others are no longer read.
void Body::unifySelectors() {
  std::unordered_map<std::string, VarId> kept; // looked up only
  std::unordered_map<VarId, VarId> by;
  for (bool outermost : {true, false})
    for (auto [condition, parent] : selected) {
      settleClock(parent);
      scope = condition->scope;
      ClockTerm *outside = outsideResets(*condition, parent, scope);
      VarId selector = condition->selector;
      if (outermost && !ClockSolver::equal(varClocks[selector], outside)) continue;
      std::string key = fmt::format("{} {}", ClockSolver::key(outside), condition->key.empty() ? canonical(*condition->expr) : condition->key);
      by[selector] = kept.try_emplace(std::move(key), selector).first->second;
    }
  for (auto [condition, parent] : selected) condition->selector = by[condition->selector];
  for (Expr *read : selectorReads)
    if (auto at = by.find(read->var); at != by.end()) read->var = at->second;
}

/// Equations go to the regions of their clocks in textual order, those that expressions needed before the
/// equation itself.
void Body::assemble() {
  for (const Symbol &symbol : symbols)
    for (VarId leaf : symbol.leaves) setClock(leaf, symbol.clock);
  unifySelectors();
  for (Unit &u : units)
    for (Equation &equation : u.equations) {
      ClockTerm *t = clockOfEquation(u, equation);
      Clock *clock = t ? clockObject(t) : nullptr;
      if (equation.scan) equation.scan->clock = clock;
      Region &region = clock ? clock->body : *u.scope->ofTime().region;
      region.equations.push_back(std::move(equation));
    }
  for (VarId v = 0; v < instance.vars.size() && v < varClocks.size(); ++v)
    if (varClocks[v]) instance.vars[v].clock = clockObject(varClocks[v]);
}

} // namespace mlr::checking
