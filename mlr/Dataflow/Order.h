// Textual order in graph regions.
#pragma once

#include "mlr/Dataflow/Dialect.h"

namespace mlr::dataflow {

/// Operands of an operation that are needed at the same instant: all but the previous value of fby and pre
/// and the next value of eby. Calls f(Value) for the operand itself and, for operations with regions, for
/// what the regions capture.
void forEachInstantOperand(mlir::Operation *op, llvm::function_ref<void(mlir::Value)> f);

/// Reorders each block of time so that instantaneous operands stand before their uses, otherwise keeping the
/// order. Operations on an instantaneous cycle stay in some order. Linear.
void orderOperations(NodeOp node);

} // namespace mlr::dataflow
