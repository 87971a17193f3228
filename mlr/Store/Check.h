// The two halves of validate(). Neither shares anything with the planner but the plan and the types' sizes.
#pragma once

#include "mlr/Store/Plan.h"

namespace mlr::store {

/// The tables by themselves: alignment, bounds, no overlap of struct members, every value that needs a
/// location has one, in a space where it may be.
mlir::LogicalResult checkTables(dataflow::NodeOp node, const Plan &plan);
/// Runs two steps of the node on a memory of write numbers: a few instants of each scan, the first, one in
/// the middle and the last; the rows of the others as one block. Every read must find what its value's
/// definition wrote. Cost: at most 4 instants a scan (2 from the third level on) times the operations.
mlir::LogicalResult checkContents(dataflow::NodeOp node, const Plan &plan);

} // namespace mlr::store
