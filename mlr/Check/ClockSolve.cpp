// What clock inference puts off: reads in blocks and `hold` of streams whose clock is not known yet.
#include "mlr/Check/Body.h"

#include <fmt/format.h>

namespace mlr::checking {

/// Nothing decides it: the clock of the scope that it stands in.
void Body::settleClock(ClockTerm *t) {
  ClockTerm *root = ClockSolver::root(t);
  if (root->kind != ClockTerm::Kind::Unknown) return;
  if (!clocks.unify(root, root->scope->base)) clocks.unify(root, root->scope->ofTime().base);
}

/// A clock on `above`, with its boolean conditions, as one on `base`, which has the same instants: a reset block hides
/// its own clock. Null for a periodic one, whose instants a reset moves.
ClockTerm *Body::rebased(ClockSolver &clocks, ClockTerm *t, ClockTerm *above, ClockTerm *base) {
  if (ClockSolver::equal(t, above)) return base;
  t = ClockSolver::find(t);
  if (t->kind != ClockTerm::Kind::On || t->condition->kind == Clock::Kind::Every) return nullptr;
  ClockTerm *parent = rebased(clocks, t->parent, above, base);
  return parent ? clocks.on(parent, t->condition) : nullptr;
}

/// The clock of an outer variable inside a block: the block's own if it is that of the enclosing clock.
ClockTerm *Body::enter(ClockTerm *t, Scope &block, const ast::Expr *at) {
  Later entry{Later::Kind::Enter, t, nullptr, &block, at};
  if (tryLater(entry)) return entry.result;
  entry.result = clocks.unknown(&block);
  later.push_back(entry);
  return entry.result;
}

/// The clock of a variable as the annotation or the block of its definition has it, if the operand of this `hold` is one; else null.
ClockTerm *Body::writtenClock(const Later &hold) {
  Scope *before = scope;
  scope = hold.block;
  const SymbolId *id = variableRead(*hold.at->args[0]);
  scope = before;
  if (!id || symbols[*id].isParameter) return nullptr;
  const Symbol &symbol = symbols[*id];
  if (symbol.declaredTerm) return symbol.declaredTerm;
  Unit *definition = symbol.definition;
  return definition && definition->scope->kind == Scope::Kind::When ? baseOf(*definition->scope) : nullptr;
}

bool Body::tryLater(Later &l) {
  ClockTerm *t = ClockSolver::find(l.clock);
  ClockTerm *result = nullptr;
  if (l.kind == Later::Kind::Enter) {
    ClockTerm *above = ClockSolver::find(l.block->outer), *base = ClockSolver::find(baseOf(*l.block));
    if (t == above) result = base;
    else if (t == base) result = t;
    else if (!ClockSolver::isGround(t) || !ClockSolver::isGround(above)) return false;
    else if (ClockSolver::equal(t, above)) result = base;
    else if (l.block->kind == Scope::Kind::Reset) result = rebased(clocks, t, above, base);
    if (!result) result = t;
  } else {
    if (t->isFaulty) { // one cause, one error
      clocks.unify(l.result, t);
      return l.done = true;
    }
    if (t->kind == ClockTerm::Kind::Unknown) return false;
    // Of equal periodic clocks that of the definition says what is above, not one that was unified with it: `every 1` of
    // a clock is equal to the clock itself.
    bool isBase = t->kind == ClockTerm::Kind::Base;
    ClockTerm *written = isBase || t->condition->kind == Clock::Kind::Every ? writtenClock(l) : nullptr;
    if (written && !ClockSolver::isGround(written)) return false;
    bool isSame = written && ClockSolver::isGround(t) && ClockSolver::equal(written, t);
    if (isSame && ClockSolver::find(written)->kind == ClockTerm::Kind::On) {
      result = ClockSolver::find(written)->parent;
    } else if (isBase || t->condition->kind == Clock::Kind::Reset) {
      reportHold(*l.at, t);
      result = l.result;
    } else {
      result = t->parent;
    }
  }
  l.done = true;
  if (!l.result) l.result = result;
  else if (!clocks.unify(l.result, result)) reportLater(*l.at, result, l.result);
  return true;
}

void Body::solveLater() {
  for (bool open = true; open;) {
    open = false;
    bool moved = false;
    Later *stuck = nullptr;
    for (Later &l : later) {
      if (l.done) continue;
      inferring = nullptr;
      if (tryLater(l)) {
        moved = true;
        continue;
      }
      open = true;
      // Where a block or scan stands before what is read in it; `hold` last.
      if (!stuck || (stuck->kind == Later::Kind::Hold && l.kind == Later::Kind::Enter)) stuck = &l;
    }
    if (moved || !open) continue;
    bool position = stuck->kind == Later::Kind::Enter && !ClockSolver::isGround(stuck->block->outer);
    bool known = ClockSolver::isGround(stuck->clock) && stuck->kind == Later::Kind::Hold; // but not where it was written
    settleClock(position ? stuck->block->outer : known ? writtenClock(*stuck) : stuck->clock);
  }
}

/// What a block defines is on its clock, or slower.
void Body::checkBlockClocks() {
  for (Unit &u : units) {
    if (u.scope->kind == Scope::Kind::Time || !u.clock || !u.expr || u.kind != Unit::Kind::Equation) continue;
    settleClock(u.clock);
    settleClock(u.scope->base);
    inferring = &u;
    if (!ClockSolver::isWithin(u.clock, u.scope->base))
      reportPosition(*u.expr, u.clock, u.scope->base, "an equation in a block is on another clock than the block",
                     "the block's clock is needed");
  }
}

} // namespace mlr::checking
