// Operations of a step, counted from domains and lengths: exact but for `until`, which counts as never ending
// a scan.
#pragma once

#include "mlr/Store/Plan.h"

namespace mlr::store {

struct OperationCounts {
  int64_t flops = 0;       ///< float + - * / % neg abs sqrt and roundings; sums and products of reductions
  int64_t fmas = 0;        ///< fused multiply-adds, one each, not in flops
  int64_t integer = 0;     ///< integer arithmetic, logic, shifts, select
  int64_t comparisons = 0; ///< comparisons, min, max, and those of max, min, argmax, argmin
  int64_t conversions = 0; ///< between number types; indices are not counted
  int64_t loads = 0;       ///< elements read from planned memory or constants
  int64_t stores = 0;      ///< elements written

  OperationCounts &operator+=(const OperationCounts &other);
  OperationCounts operator*(int64_t times) const;
};

/// One execution of an operation, with all that it contains; copies are those that the plan does not avoid.
OperationCounts count(mlir::Operation *op, const Plan &plan);
/// Whether a flag, under which work is done, is true.
using Condition = llvm::function_ref<bool(mlir::Value)>;
/// One step of the node that does everything; one in which work under a flag that does not hold is left out.
OperationCounts count(dataflow::NodeOp node, const Plan &plan);
OperationCounts count(dataflow::NodeOp node, const Plan &plan, Condition holds);

} // namespace mlr::store
