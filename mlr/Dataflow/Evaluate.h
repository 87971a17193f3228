// Evaluation at compile time of gens and reductions over constants.
#pragma once

#include "mlr/Dataflow/Dialect.h"

namespace mlr::dataflow {

/// What one evaluation may cost: scalar operations, and bytes of the result.
struct EvaluationLimits {
  int64_t operations = 50'000'000;
  int64_t bytes = 64 << 20;
  bool unfused = false; ///< chains of products multiply, then add
};

/// The value of a gen or reduce whose region captures constants only; null when it captures anything else or
/// exceeds the limits.
mlir::TypedAttr evaluateConstant(mlir::Operation *genOrReduce, const EvaluationLimits &limits);

} // namespace mlr::dataflow
