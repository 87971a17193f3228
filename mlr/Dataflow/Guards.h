// Which conditions are true whenever a value is looked at.
#pragma once

#include "mlr/Dataflow/Dialect.h"

namespace mlr::dataflow {

/// For each window, in a node whose operations are in order.
llvm::DenseMap<mlir::Operation *, llvm::SmallVector<mlir::Value>> trueForWindows(NodeOp node);

} // namespace mlr::dataflow
