// Calls of C functions with effects: which operations hold some, and in which order they happen.
#pragma once

#include "mlr/Dataflow/Dialect.h"

namespace mlr::dataflow {

/// Whether the operation is a call of a C function with effects, or a scan that holds one.
bool hasEffects(mlir::Operation *op);
/// The least rank of the calls with effects in the operation; null if it has none.
std::optional<llvm::SmallVector<int64_t>> effectRank(mlir::Operation *op);
/// All such calls of a node, in the order of their ranks.
llvm::SmallVector<ExternOp> effectsOf(NodeOp node);

} // namespace mlr::dataflow
