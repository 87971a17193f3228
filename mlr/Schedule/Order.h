// Textual order of operations. Internal to Schedule.
#pragma once

#include "mlr/Schedule/Emit.h"

namespace mlr::schedule {

/// Orders every body of a node whose scans have their directions: operands first, except those that fby and
/// eby take over from the instant executed before. Each value is defined just before its first user; sinks
/// stand in the order of `ranks` (source order). Readers of a tensor's old value (fby in an up sweep, eby in
/// a down sweep) come before the new value where dependencies permit, so that the new one can take its place.
/// Fails on an instantaneous cycle, with `culprit` in it.
bool orderOperations(dataflow::NodeOp node, const Ranks &ranks, mlir::Operation *&culprit);

} // namespace mlr::schedule
