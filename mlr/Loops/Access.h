// What the bodies of gen and reduce read: affine maps as linear forms of the iteration, and which axes may be joined.
#pragma once

#include "mlr/Dataflow/Dialect.h"

#include <functional>
#include <optional>

namespace mlr::loops {

/// Row-major strides of a shape, in elements.
llvm::SmallVector<int64_t> stridesOf(llvm::ArrayRef<int64_t> shape);

/// An axis of iteration: a region argument and its size.
struct Axis {
  mlir::BlockArgument arg;
  int64_t size = 0;
  int64_t stride = 0;  ///< row-major, over the axes as given
};

/// The flat element of a read as constant + sum of coefficient * operand, one coefficient for each operand. Empty where
/// the map divides, or an axis that depends on an operand is clamped.
struct LinearRead {
  llvm::SmallVector<int64_t> coefficients;
  int64_t constant = 0;
};
std::optional<LinearRead> linearRead(dataflow::ReadOp read);
/// The coefficient of a region argument in a linear read (0 if it is no operand).
int64_t coefficientOf(dataflow::ReadOp read, const LinearRead &linear, mlir::Value arg);

/// The axes of a gen or reduce. Neighbours that all reads walk as one are joined into the inner one, whose argument then
/// runs over the product while the outer argument (`zeros`) stays 0.
struct Domain {
  llvm::SmallVector<Axis> axes;
  llvm::SmallVector<mlir::BlockArgument> zeros;
};
Domain domainOf(mlir::Region &region, llvm::ArrayRef<int64_t> sizes, bool join);

/// Values lower .. upper-1.
struct Range {
  int64_t lower = 0, upper = 0;
  bool empty() const { return lower >= upper; }
};
/// Where, along `lane`, no clamped axis of any read of the body that depends on it leaves its tensor, whatever the other
/// indices are. Empty where that is unknown or nowhere; all of 0 .. size-1 where nothing is clamped along the lane.
Range interiorOf(mlir::Region &body, const Domain &domain, const Axis &lane);

} // namespace mlr::loops
