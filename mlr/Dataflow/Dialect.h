// The mlr dialect (mlr/Dataflow/IR/MlrOps.td) as C++.
#pragma once

#include "mlr/Dataflow/Precompiled.h"

#include "mlir/IR/RegionKindInterface.h"
#include "mlir/IR/SymbolTable.h"

#include "mlr/Dataflow/IR/MlrEnums.h.inc"

#include "mlr/Dataflow/IR/MlrDialect.h.inc"
#define GET_OP_CLASSES
#include "mlr/Dataflow/IR/MlrOps.h.inc"

namespace mlr::dataflow {

/// The region argument of a scan, gen or reduce is written `%t` or `(%i, %j)`; its types are implied.
inline mlir::Block &bodyOf(mlir::Operation *op) { return op->getRegion(0).front(); }

} // namespace mlr::dataflow
