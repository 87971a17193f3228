#include "mlr/Check/Instants.h"

#include <algorithm>

namespace mlr {
namespace {

/// One condition on the way from the base clock inwards; consecutive periodic ones are one where it fits 64 bits.
struct Condition {
  const Clock *when = nullptr;   ///< null: every `period` at `phase`
  const Clock *within = nullptr; ///< Every: the innermost reset around it, null outside of all
  int64_t period = 1, phase = 0;
};

std::vector<Condition> conditionsOf(const Clock *clock) {
  std::vector<const Clock *> chain;
  for (; clock; clock = clock->parent) chain.push_back(clock);
  std::reverse(chain.begin(), chain.end());
  std::vector<Condition> out;
  const Clock *within = nullptr;
  for (const Clock *c : chain) {
    if (c->kind == Clock::Kind::Reset) within = c;
    if (c->kind == Clock::Kind::When) out.push_back({c});
    if (c->kind != Clock::Kind::Every || c->period == 1) continue;
    Condition *last = out.empty() ? nullptr : &out.back();
    int64_t period, phase;
    bool composes = last && !last->when && last->within == within &&
                    !__builtin_mul_overflow(last->period, c->period, &period) &&
                    !__builtin_mul_overflow(last->period, c->phase, &phase);
    if (composes) last->period = period, last->phase += phase; // less than the product of the periods
    else out.push_back({nullptr, within, c->period, c->phase});
  }
  return out;
}

bool isWithin(const Condition &inner, const Condition &outer) {
  if (!inner.when != !outer.when) return false;
  if (inner.when) return inner.when->selector == outer.when->selector && inner.when->value == outer.when->value;
  return inner.within == outer.within && inner.period % outer.period == 0 && inner.phase % outer.period == outer.phase;
}

} // namespace

bool isWithin(const Clock *inner, const Clock *outer) {
  if (inner == outer || !outer) return true;
  std::vector<Condition> in = conditionsOf(inner), out = conditionsOf(outer);
  if (out.size() > in.size()) return false;
  for (size_t i = 0; i < out.size(); ++i) {
    // A longer period is one of fewer instants: what follows would count others.
    bool same = isWithin(in[i], out[i]) && (in[i].period == out[i].period || i + 1 == out.size());
    if (!same) return false;
  }
  return true;
}

bool sameInstants(const Clock *a, const Clock *b) { return isWithin(a, b) && isWithin(b, a); }

bool looksAround(ExprKind kind) {
  switch (kind) {
  case ExprKind::Fby:
  case ExprKind::Eby:
  case ExprKind::Pre:
  case ExprKind::Arrow:
  case ExprKind::Window:
  case ExprKind::Final:
  case ExprKind::Initial:
  case ExprKind::Count:
  case ExprKind::Hold: return true;
  default: return false;
  }
}

} // namespace mlr
