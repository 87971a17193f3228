// Differentiation as a transformation of the mlr dialect into itself.
#pragma once

#include "mlr/Dataflow/Dialect.h"

namespace mlr::diff {

/// Replaces every mlr.vjp and mlr.jvp of a normalised module (see mlr/Dataflow/Passes.h) by the equations of the
/// derivative: the adjoint of fby is eby, that of a read is a sum over the elements that read it. Derivatives of
/// derivatives are taken from the inside out. Calls of functions with a derivative of their own are expanded afterwards, and
/// mlr.cut and mlr.stop are gone. A module without derivatives is left as it is.
///
/// The adjoint of a scan stands in the scan itself, so that Schedule decides what to store and what to compute
/// again. Cost: each derivative adds a number of operations linear in those between value and variable.
/// Source: reverse mode on a dataflow graph, Griewank and Walther, Evaluating Derivatives (2008); Radul et al.,
/// "You Only Linearize Once" (POPL 2023), whose double transposition gives jvp.
///
/// Emits an MLIR error at what has no derivative.
mlir::LogicalResult differentiate(mlir::ModuleOp module);

} // namespace mlr::diff
