// Causality errors in the user's words.
#pragma once

#include "mlr/Check/DistanceGraph.h"
#include "support/Diagnostics.h"

namespace mlr::causality {

/// One dependency along a cycle.
struct CycleStep {
  const Dependency *dependency = nullptr;
  bool inTime = true; ///< its distance counts in the time of the cycle; false: it is inside an inner scan
};

/// One error for a component that is no recurrence: one cycle, or one for each direction that it spoils.
/// Steps lead from what is needed to what needs it.
void reportCycles(const Graph &graph, const std::vector<std::vector<CycleStep>> &cycles,
                  Diagnostics &diagnostics);

/// The condition of `until` needs something that lies ahead: `ahead` is the dependency that does.
void reportCondition(const Graph &graph, const ScanTime &scan, const Dependency &ahead,
                     Diagnostics &diagnostics);

} // namespace mlr::causality
