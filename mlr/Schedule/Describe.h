// What became of each scan, for `mlrc report`.
#pragma once

#include "mlr/Dataflow/Dialect.h"

namespace mlr::schedule {

/// One paragraph for each scan of a scheduled node: its sweeps in order, their directions, and the equations
/// that each executes (names of variables, from the locations of the operations; an equation that is executed
/// again in a later sweep shows in both):
///
///   scan t < 10 at smooth.mlr:3:3: 3 sweeps
///     1 up: a, acc
///     2 down: w
///     3 up: q, z
///
/// Scans inside a sweep follow it, indented. Empty for a node without scans.
std::string describe(dataflow::NodeOp node);

} // namespace mlr::schedule
