// A call of a function for each element of a batch.
#pragma once

#include "mlr/Dataflow/Dialect.h"

namespace mlr::dataflow {

/// Calls `callee` once for each tuple of `sizes`, one after the other (a scan an axis). `inputs` and `results` are the function's own types; an
/// operand of its own type is the same for all, every other one and every result has the sizes in front. Without sizes it is one call.
llvm::SmallVector<mlir::Value> callEach(mlir::OpBuilder &b, mlir::Location loc, llvm::StringRef callee, llvm::ArrayRef<mlir::Value> operands,
                                        llvm::ArrayRef<mlir::Type> inputs, llvm::ArrayRef<mlir::Type> results,
                                        llvm::ArrayRef<int64_t> sizes);

} // namespace mlr::dataflow
