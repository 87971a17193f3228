// Blocks that run on a clock of their own, and contracts.
#include "mlr/Check/Body.h"

#include <fmt/format.h>

namespace mlr::checking {

/// A scope within the time of `at` on a clock below its own, or on that of the condition if that is slower.
Scope &Body::openBlock(Scope::Kind kind, const ast::Stmt &stmt, const ast::ClockExpr &clock, Scope &at) {
  Scope &block = scopes.emplace_back();
  block.kind = kind;
  block.parent = &at;
  block.time = at.time;
  block.index = at.index;
  block.span = stmt.span;
  block.outer = clocks.unknown(&at);
  blocks.push_back({&block, &clock});
  if (!clock.condition) return block;
  Unit &condition = units.emplace_back();
  condition.kind = Unit::Kind::Condition;
  condition.stmt = &stmt;
  condition.expr = clock.condition.get();
  condition.scope = &at;
  condition.block = &block;
  condition.coversArms = !stmt.arms.empty() && clock.constructor.span == stmt.arms[0].name.span;
  return block;
}

void Body::collectWhen(const ast::Stmt &stmt, Scope &at) {
  if (!stmt.clock) return;
  if (stmt.clock->period && instance.isFun && !at.time)
    error(kinds::stateInFun, stmt.clock->span,
          fmt::format("the fun `{}` cannot keep state", signature.decl->name.text), "`every` counts instants");
  collectBlock(stmt.body, openBlock(Scope::Kind::When, stmt, *stmt.clock, at));
}

void Body::collectMonitor(const ast::Stmt &stmt, Scope &at) {
  Unit &unit = units.emplace_back();
  unit.stmt = &stmt;
  unit.expr = stmt.condition.get();
  unit.scope = &at;
}

} // namespace mlr::checking
