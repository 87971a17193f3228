#include "mlr/Check/ClockTerms.h"

#include <fmt/format.h>

namespace mlr::checking {

using Kind = ClockTerm::Kind;

ClockTerm *ClockSolver::unknown(Scope *fallback) {
  ClockTerm &t = terms.emplace_back();
  t.scope = fallback;
  return &t;
}

ClockTerm *ClockSolver::faulty(Scope *fallback) {
  ClockTerm *t = unknown(fallback);
  t->isFaulty = true;
  return t;
}

ClockTerm *ClockSolver::base(Scope *scope) {
  ClockTerm *t = unknown(scope);
  t->kind = Kind::Base;
  return t;
}

ClockTerm *ClockSolver::on(ClockTerm *parent, const ClockCondition *condition) {
  ClockTerm &t = terms.emplace_back();
  t.kind = Kind::On;
  t.parent = parent;
  t.condition = const_cast<ClockCondition *>(condition);
  return &t;
}

ClockTerm *ClockSolver::find(ClockTerm *t) {
  while (t->kind == Kind::Unknown && t->link) {
    if (t->link->kind == Kind::Unknown && t->link->link) t->link = t->link->link;
    t = t->link;
  }
  return t;
}

ClockTerm *ClockSolver::root(ClockTerm *t) {
  for (t = find(t); t->kind == Kind::On;) t = find(t->parent);
  return t;
}

bool ClockSolver::sameCondition(const ClockCondition &a, const ClockCondition &b) {
  if (a.kind != b.kind) return false;
  if (a.kind == Clock::Kind::Every) return a.period == b.period && a.phase == b.phase;
  if (a.kind == Clock::Kind::Reset) return &a == &b || (!a.key.empty() && a.key == b.key);
  return a.key == b.key && a.constructor == b.constructor && (!a.constructor.empty() || a.value == b.value);
}

bool ClockSolver::bind(ClockTerm *unknown, ClockTerm *to) {
  if (unknown == to) return true;
  if (root(to) == unknown) return unknown->isFaulty; // a clock below itself
  if (to->kind == Kind::Unknown) to->isFaulty |= unknown->isFaulty;
  unknown->link = to;
  return true;
}

namespace {

/// A clock as one periodic clock of what is not periodic: every `period` at `phase` of `of`.
struct Periodic {
  ClockTerm *of;
  int64_t period = 1, phase = 0;
  bool fits = true;
};

Periodic flatten(ClockTerm *t) {
  Periodic out{ClockSolver::find(t)};
  while (out.of->kind == Kind::On && out.of->condition->kind == Clock::Kind::Every) {
    const ClockCondition &c = *out.of->condition;
    int64_t scaled;
    // every period at phase of (every c.period at c.phase) = every period * c.period at c.phase + c.period * phase
    out.fits = out.fits && !__builtin_mul_overflow(out.period, c.period, &scaled);
    if (!out.fits) return out;
    out.phase = c.phase + c.period * out.phase;
    out.period = scaled;
    out.of = ClockSolver::find(out.of->parent);
  }
  return out;
}

bool isPeriodic(ClockTerm *t) { return t->kind == Kind::On && t->condition->kind == Clock::Kind::Every; }

/// `every 1` has all instants of the clock above.
bool isEveryInstant(ClockTerm *t) { return isPeriodic(t) && t->condition->period == 1; }

} // namespace

bool ClockSolver::unifyPeriodic(ClockTerm *a, ClockTerm *b) {
  Periodic x = flatten(a), y = flatten(b);
  if (!x.fits || !y.fits) return false;
  if (x.of->kind == Kind::Unknown && x.of != y.of && y.period % x.period == 0) {
    // y = every x.period at x.phase of (every q at r of y.of)
    int64_t q = y.period / x.period, r = y.phase - q * x.phase;
    if (r >= 0 && r < q) {
      if (q == 1) return bind(x.of, y.of);
      ClockCondition &between = newCondition();
      between.kind = Clock::Kind::Every;
      between.period = q, between.phase = r;
      between.shown = between.selectorShown =
          r == q - 1 ? fmt::format("every {}", q) : fmt::format("every {} at {}", q, r);
      return bind(x.of, on(y.of, &between));
    }
  }
  if (y.of->kind == Kind::Unknown && x.of != y.of && x.of->kind != Kind::Unknown) return unifyPeriodic(b, a);
  return x.period == y.period && x.phase == y.phase && unify(x.of, y.of);
}

bool ClockSolver::unify(ClockTerm *a, ClockTerm *b) {
  for (;;) {
    a = find(a), b = find(b);
    if (a == b) return true;
    if (a->kind == Kind::Unknown) return bind(a, b);
    if (b->kind == Kind::Unknown) return bind(b, a);
    if (isEveryInstant(a) != isEveryInstant(b)) {
      ClockTerm *&all = isEveryInstant(a) ? a : b;
      all = all->parent;
      continue;
    }
    if (a->kind == Kind::Base || b->kind == Kind::Base) return a->kind == b->kind && a->scope == b->scope;
    if (!sameCondition(*a->condition, *b->condition))
      return isPeriodic(a) && isPeriodic(b) && unifyPeriodic(a, b);
    a = a->parent, b = b->parent;
  }
}

std::string ClockSolver::conditionKey(const ClockCondition &c) {
  if (c.kind == Clock::Kind::Every) return fmt::format("e{}:{}/", c.period, c.phase);
  std::string value = c.constructor.empty() ? std::to_string(c.value) : c.constructor;
  std::string out = fmt::format("{}{}:{}={}/", c.kind == Clock::Kind::Reset ? 'r' : 'w', c.key.size(), c.key, value);
  if (c.kind == Clock::Kind::Reset && c.key.empty()) out += fmt::format("{}", static_cast<const void *>(&c));
  return out;
}

std::string ClockSolver::key(ClockTerm *t) {
  std::string out;
  for (;;) {
    Periodic p = flatten(t);
    if (p.period != 1 || p.phase != 0) out += fmt::format("e{}:{}/", p.period, p.phase);
    t = p.of;
    if (t->kind != Kind::On) return out + fmt::format("b{}", static_cast<const void *>(t->scope));
    out += conditionKey(*t->condition); // a periodic one: too long for one number
    t = find(t->parent);
  }
}

bool ClockSolver::equal(ClockTerm *a, ClockTerm *b) { return find(a) == find(b) || key(a) == key(b); }

bool ClockSolver::isAbove(ClockTerm *above, ClockTerm *t) {
  for (t = find(t);; t = find(t->parent)) {
    if (equal(above, t)) return true;
    if (t->kind != Kind::On) return false;
  }
}

bool ClockSolver::isWithin(ClockTerm *t, ClockTerm *above) {
  if (isAbove(above, t)) return true;
  Periodic outer = flatten(above);
  if (!isPeriodic(find(above)) || !outer.fits) return false;
  for (t = find(t); t->kind == Kind::On; t = find(t->parent)) {
    if (!isPeriodic(t)) continue;
    Periodic inner = flatten(t);
    if (inner.fits && inner.period % outer.period == 0 && inner.phase % outer.period == outer.phase &&
        equal(inner.of, outer.of))
      return true;
  }
  return false;
}

} // namespace mlr::checking
