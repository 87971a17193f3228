// Two tiny evaluators of the dialect over i32, i1 and tensors of them: one lazy, by the definition of time,
// for nodes that are not scheduled; one that executes a scheduled node in textual order.
#pragma once

#include "test/Schedule/Parse.h"

#include <map>

namespace mlr::schedule::test {

using Data = std::vector<int64_t>;     ///< row-major elements
using Step = std::vector<Data>;        ///< inputs or outputs of one instant of the node
using Locals = std::map<void *, Data>; ///< region arguments of gen and reduce, and what hangs on them

/// `operand(value)` gives the operands of an operation without time.
using Operand = std::function<Data(mlir::Value, const Locals &)>;
Data compute(mlir::Operation *op, const Operand &operand, const Locals &locals);
Data zeros(mlir::Type type);

/// Outputs of every step, or nothing if a value depends on itself.
std::optional<std::vector<Step>> evaluateLazily(dataflow::NodeOp node, const std::vector<Step> &inputs);
/// Executes a scheduled node; an empty result with a failure recorded if an operation reads what is not there
/// yet. `again`: instants that sweeps execute again from checkpoints, in all steps.
std::vector<Step> execute(dataflow::NodeOp node, const std::vector<Step> &inputs, int64_t *again = nullptr);

} // namespace mlr::schedule::test
