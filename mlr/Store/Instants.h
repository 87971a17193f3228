// What a step of a node costs from instant to instant: work on slower clocks is done at their instants only.
#pragma once

#include "mlr/Store/Counts.h"

#include <array>

namespace mlr::store {

/// Operations of the steps of a node. Conditions of periodic clocks are followed exactly through their common
/// period; of all others, at each instant, the values that cost most are taken.
struct StepCounts {
  OperationCounts worst;
  std::array<double, 7> average{}; ///< in the order of the members of OperationCounts
  int64_t period = 1;              ///< instants until the periodic clocks coincide again
  bool isWhole = true;             ///< false: the period is longer than what was followed
};

StepCounts countSteps(dataflow::NodeOp node, const Plan &plan);

} // namespace mlr::store
