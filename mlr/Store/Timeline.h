// Positions in the order of execution, and the shape of time around an operation.
#pragma once

#include "mlr/Dataflow/Dialect.h"

namespace mlr::store {

/// Number of scans around an operation.
unsigned scanDepth(mlir::Operation *op);
/// The operation itself, or the gen or reduce in whose region it stands: the one that executes at a moment of
/// the block.
mlir::Operation *executedBy(mlir::Operation *op);
/// The scan in whose region the operation stands, through gens and reduces; null at the node's own time.
dataflow::ScanOp enclosingScan(mlir::Operation *op);

/// Elements and bytes of a scalar or tensor type; a bool takes one byte.
int64_t elementCount(mlir::Type type);
mlir::Type elementOf(mlir::Type type);
int64_t elementBytes(mlir::Type scalar);
llvm::ArrayRef<int64_t> shapeOf(mlir::Type type);

/// Source name of an operation's value from its location, or "".
llvm::StringRef sourceName(mlir::Operation *op);
llvm::StringRef sourceName(mlir::Location location);

/// How long the slot of an fby, eby, window or first keeps its memory.
struct SlotHome {
  bool needed = false;   ///< a scalar of a scan that does not resume is a register
  bool state = false;    ///< kept from one step of the node to the next
  dataflow::ScanOp scan; ///< otherwise: initialised at the start of this scan, dead at its end
};
SlotHome slotHome(mlir::Operation *op);

/// Calls `visit` for each operation of the node's and its scans' bodies in order of execution, a scan before
/// its body; `leave` after it. Gen and reduce regions are not entered.
void walkInTime(
    mlir::Block &block, llvm::function_ref<void(mlir::Operation *)> visit,
    llvm::function_ref<void(dataflow::ScanOp)> leave = [](dataflow::ScanOp) {});

/// Doubled positions: an operation with position p reads at 2p and writes at 2p + 1. A scan has one where it
/// starts and one where it ends; an instant ends at the latter as well.
class Timeline {
public:
  explicit Timeline(dataflow::NodeOp node);
  int64_t begin(mlir::Operation *op) const { return span.lookup(op).first; }
  int64_t end(mlir::Operation *op) const { return span.lookup(op).second; }
  /// End of the step.
  int64_t last() const { return count; }

private:
  llvm::DenseMap<mlir::Operation *, std::pair<int64_t, int64_t>> span;
  int64_t count = 0;
};

} // namespace mlr::store
