// What the planner knows of a read from its form alone: rows taken at the indices of scans, and its own
// element.
#pragma once

#include "mlr/Dataflow/Dialect.h"

namespace mlr::store {

struct Access {
  /// The leading axes that are the indices of these scans, the first one directly in `block` and each next
  /// one directly in the body of the one before, around the read.
  llvm::SmallVector<dataflow::ScanOp, 2> rows;
  /// The other axes are the indices of the gen around the read, all of them, in order: the element that it
  /// computes.
  bool ownElement = false;
};

/// `block`: where the source is visible as one tensor. `at`: the operation that executes the read.
Access access(dataflow::ReadOp read, mlir::Operation *at, mlir::Block *block);

} // namespace mlr::store
