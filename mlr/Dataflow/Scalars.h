// The scalar operators of the dialect on bits, exactly as mlr/Check/Program.h defines them. All NaNs count as
// one value, so a NaN result has the bits of the quiet NaN.
#pragma once

#include "mlr/Dataflow/Constants.h"

namespace mlr::dataflow {

/// Up to three operands; unused ones are 0. Operands and result as in Constants.h: bits zero-extended to a
/// word.
using ScalarFunction = Bits (*)(Bits, Bits, Bits);

/// The function of a scalar operation (operators, select, bitcast, convert); null for others.
ScalarFunction scalarFunction(mlir::Operation *op);
/// One step of a chain: combine(accumulator, element) for sum, prod, max, min, all, any.
ScalarFunction combineFunction(ReduceKind kind, mlir::Type type);
ScalarFunction fmaFunction(mlir::Type type);
ScalarFunction mulFunction(mlir::Type type);
/// Whether the first is the better one: element, best so far. A NaN beats everything but another NaN.
ScalarFunction betterFunction(ReduceKind kind, mlir::Type type);
/// What a chain starts from: +0, 1, true, false.
Bits neutralBits(ReduceKind kind, mlir::Type type);

} // namespace mlr::dataflow
