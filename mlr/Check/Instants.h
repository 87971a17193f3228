// Which instants clocks of the typed program have, by value: periodic clocks compose, resets keep all instants.
#pragma once

#include "mlr/Check/Program.h"

namespace mlr {

/// Whether every instant of `inner` is one of `outer`: the conditions of `outer` are those of `inner` or their first
/// ones, where every a at p of every b at q is every a*b at q + b*p. Both clocks are of one time; null is its base
/// clock. Resets take no instants away, but periodic clocks inside one count from its segments: they are compared
/// with those of the same reset only. Linear in the depth of the clocks.
bool isWithin(const Clock *inner, const Clock *outer);

/// The same instants: each within the other.
bool sameInstants(const Clock *a, const Clock *b);

/// Whether the value of such an expression depends on more of its clock than the instant at hand: on which instant
/// that is, or on others.
bool looksAround(ExprKind kind);

} // namespace mlr
