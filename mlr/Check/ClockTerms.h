// Clocks while they are inferred, by unification as in Colaço and Pouzet, "Clocks as first class abstract
// types" (EMSOFT 2003): the base clock of a time, a clock under a condition, or one still unknown.
#pragma once

#include "mlr/Ast/Ast.h"
#include "mlr/Check/Program.h"

#include <deque>
#include <string>

namespace mlr::checking {

struct Scope;

/// What selects the instants of a clock among those of the clock above it.
struct ClockCondition {
  Clock::Kind kind = Clock::Kind::When;
  std::string key;         ///< of the selector: the same variable, or the same expression of the same ones
  std::string constructor; ///< When on an enum; "#3": number 3 of a selector of the checker's own
  std::string written;     ///< the constructor with its enum, `Mode.Brake`, where that was given
  int64_t value = 1;       ///< When on a bool; on an enum once `selector` is known
  int64_t period = 1, phase = 0;
  std::string shown;         ///< "voiced", "not voiced", "every 4": what follows `when`
  std::string selectorShown; ///< "voiced"
  const ast::Expr *expr = nullptr; ///< the selector's expression, read in `scope`
  Scope *scope = nullptr;
  int output = -1;        ///< of a call: the callee's output that selects
  bool isSymbol = false;  ///< the selector is the variable `symbol` of the body
  uint32_t symbol = 0;
  VarId selector = UINT32_MAX; ///< once elaborated; of the clock above
  Span span;
};

struct ClockTerm {
  enum class Kind : uint8_t { Unknown, Base, On } kind = Kind::Unknown;
  ClockTerm *link = nullptr;  ///< Unknown: the term that it turned out to be
  Scope *scope = nullptr;     ///< Base: whose time; Unknown: where nothing decides, that scope's clock
  ClockTerm *parent = nullptr; ///< On
  ClockCondition *condition = nullptr;
  bool isFaulty = false;       ///< Unknown: of an expression with an error, which was reported
};

class ClockSolver {
public:
  ClockTerm *unknown(Scope *fallback);
  /// An unknown clock that is the reason of no further error.
  ClockTerm *faulty(Scope *fallback);
  ClockTerm *base(Scope *scope);
  ClockTerm *on(ClockTerm *parent, const ClockCondition *condition);
  ClockCondition &newCondition() { return conditions.emplace_back(); }

  /// Makes both the same clock; false where they cannot be. Periodic clocks compare by value: every a at p of
  /// every b at q is every a*b at q + b*p.
  bool unify(ClockTerm *a, ClockTerm *b);
  static ClockTerm *find(ClockTerm *t);
  /// The term at the end of the chain of conditions: a base clock, or unknown.
  static ClockTerm *root(ClockTerm *t);
  static bool isGround(ClockTerm *t) { return root(t)->kind == ClockTerm::Kind::Base; }
  /// Of ground terms.
  static bool equal(ClockTerm *a, ClockTerm *b);
  /// Equal ground terms have equal texts.
  static std::string key(ClockTerm *t);
  /// Equal conditions have equal texts.
  static std::string conditionKey(const ClockCondition &c);
  static bool sameCondition(const ClockCondition &a, const ClockCondition &b);
  /// Whether `above` is `t` or one of the clocks above it; ground.
  static bool isAbove(ClockTerm *above, ClockTerm *t);
  /// Whether every instant of `t` is one of `above`: isAbove, or periodic clocks by value; ground.
  static bool isWithin(ClockTerm *t, ClockTerm *above);

private:
  bool bind(ClockTerm *unknown, ClockTerm *to);
  bool unifyPeriodic(ClockTerm *a, ClockTerm *b);
  std::deque<ClockTerm> terms;
  std::deque<ClockCondition> conditions;
};

} // namespace mlr::checking
