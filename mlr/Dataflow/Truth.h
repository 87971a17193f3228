// What conditions on the indices of gens and reductions say, found by evaluating them at all indices.
#pragma once

#include "mlr/Dataflow/Dialect.h"

#include "llvm/ADT/SetVector.h"

namespace mlr::dataflow {

/// Values of type i1, and what each of them has to be.
using Literals = llvm::ArrayRef<std::pair<mlir::Value, bool>>;

/// Whether all of some conditions hold, at each of the indices `arguments`, the last one fastest.
struct Truth {
  llvm::SmallSetVector<mlir::Value, 8> arguments;
  llvm::SmallVector<int64_t> sizes; ///< of the arguments
  std::vector<char> holds;

  /// Calls f(indices, holds) for all indices.
  void forEach(llvm::function_ref<void(llvm::ArrayRef<int64_t>, bool)> f) const;
};

/// The truth over the indices that the conditions need and those in `arguments`; the conditions stand in the region of `root`, a gen
/// or reduce. Nothing where one depends on anything but indices and constants, or where there are too many indices (4 million).
/// The IR is as it was; cost: evaluation at all indices.
std::optional<Truth> truthOf(mlir::Operation *root, Literals conditions, llvm::ArrayRef<mlir::Value> arguments);

/// The places that a read looks at on the axis, as an expression in the truth's arguments (dimension k is argument k). Null where the index is
/// computed from anything else.
mlir::AffineExpr indexOver(const Truth &truth, ReadOp read, unsigned axis);

} // namespace mlr::dataflow
