// Splits every scan into the least number of sweeps, each in one direction, and orders all operations.
#pragma once

#include "mlr/Dataflow/Dialect.h"

namespace mlr::schedule {

/// The message for a causal recurrence that this stage cannot sweep: it looks ahead through an inner scan of its own cycle.
inline constexpr const char *noSweeps = "is part of a recurrence that no sequence of sweeps computes";

/// In: a node without calls, normalised (see mlr/Dataflow/Passes.h). Out: the same node with `scheduled` set:
///  - every mlr.scan has `sweep` up or down, and its body has only recurrences of that direction; values that
///  cross
///    from one sweep to a later one leave through mlr.stack (or final/initial) and are read back as rows;
///  - textual order is an order of execution: every operand of an operation is defined before it, except the
///  `value`
///    operand of fby (in an up sweep, or outside scans) and eby (in a down sweep), which is the value of the
///    instant executed before;
///  - nested scans are split and distributed over the sweeps of the enclosing scans, then fused where they
///  share one.
mlir::LogicalResult scheduleNode(dataflow::NodeOp node);

/// Re-checks a scheduled node from first principles. Emits an MLIR error on violation.
mlir::LogicalResult validate(dataflow::NodeOp node);

/// Registers `mlr-schedule` (every node of a module, then validate) and `mlr-validate-schedule`.
void registerPasses();

} // namespace mlr::schedule
