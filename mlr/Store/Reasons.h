// Why a value has memory, in the words of the source, for reports.
#pragma once

#include "mlr/Store/Storage.h"

namespace mlr::store {

class Reasons {
public:
  explicit Reasons(dataflow::NodeOp node);
  /// "state of `0 fby h`", "crosses from sweep 1 (up) to 2 (down)", "stacked result `ys`", "value `w`".
  std::string describe(mlir::Value value) const;
  /// Source name of a value, or of what it is stored for; "" if none is known.
  std::string name(mlir::Value value) const;

private:
  std::string sweep(dataflow::ScanOp scan) const;
  llvm::DenseMap<mlir::Operation *, unsigned> ordinal; ///< of a scan in its block, from 1
};

/// "state of `0 fby h`": what a slot is for.
std::string describeSlot(mlir::Operation *slot);

} // namespace mlr::store
