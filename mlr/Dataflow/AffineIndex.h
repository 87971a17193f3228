// Index expressions over bounded dimensions: ranges, simplification of division and remainder, row-major
// reshapes.
#pragma once

#include "mlr/Dataflow/Dialect.h"

#include "llvm/ADT/SetVector.h"

namespace mlr::dataflow {

/// Inclusive bounds.
struct Range {
  int64_t low = 0, high = 0;
  bool within(int64_t a, int64_t b) const { return low >= a && high <= b; }
};

/// Ranges of the dimensions d0, d1, ... of the expressions at hand.
using DimRanges = llvm::ArrayRef<Range>;

/// Bounds of an expression; intermediate results must fit in 64 bits, which sizes below 2^31 and small
/// factors ensure.
Range rangeOf(mlir::AffineExpr expr, DimRanges dims);
/// The same function on the ranges, with `floordiv` and `mod` dropped where terms are multiples or stay below
/// the divisor.
mlir::AffineExpr simplifyIndex(mlir::AffineExpr expr, DimRanges dims);
/// A multiple of `divisor` that makes the dividend non-negative: affine divisions round down, those of integers towards zero. 0 where
/// nothing is known of the dividend, as of computed indices, which are not negative.
int64_t dividendShift(mlir::AffineExpr dividend, int64_t divisor, DimRanges dims);
/// Indices of the element of an array of shape `from` that row-major order puts at `indices` of shape `to`.
/// Axes that correspond one to one pass unchanged.
llvm::SmallVector<mlir::AffineExpr> reshapeIndices(llvm::ArrayRef<mlir::AffineExpr> indices,
                                                   llvm::ArrayRef<int64_t> to, llvm::ArrayRef<int64_t> from,
                                                   DimRanges dims, mlir::MLIRContext *context);
/// The value of an expression at a point.
int64_t valueAt(mlir::AffineExpr expr, llvm::ArrayRef<int64_t> point);
/// The dimensions that an expression mentions.
void collectDims(mlir::AffineExpr expr, llvm::SmallSetVector<unsigned, 4> &dims);

} // namespace mlr::dataflow
