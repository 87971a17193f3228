// Work that only one side of a condition needs, done only there.
#pragma once

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlr::loops {

/// Turns selections of scalars by one condition into a branch, where that saves work: what only the value of
/// one side needs moves there. In the instant's own block and in the branches made, not in the loops of
/// kernels, which are vectorised. Changes no value, executes no operation more often. Time and space linear
/// in the operations, but for a scan between the first and the last selection of each branch.
void makeBranches(mlir::func::FuncOp function);

/// Moves stores of what branches give into their arms, and drops those that would store what is there
/// already. Results of branches that nobody uses go.
void storeInBranches(mlir::func::FuncOp function);

/// Moves the loads of scalar state in the instant's own block to their first use, and the stores to where both are known: the new
/// value, and the old one to those who need it.
void placeAccesses(mlir::func::FuncOp function);

} // namespace mlr::loops
