// When each piece of memory holds something that is still needed.
//
// Moments are doubled positions of the schedule (Timeline): an operation at p reads at 2p and writes at 2p
// + 1. A tensor that a gen reads only at the element that it writes is needed until 2p, anything else that an
// operation reads until 2p + 1. A captured value is needed until the end of the scan that captures it; a
// value that is defined in a scan's body, within one instant. So an interval of moments in the text covers
// all instants of the loops around it.
#pragma once

#include "mlr/Store/Storage.h"

namespace mlr::store {

/// For memory whose rows are handed over instant by instant: the moment within the body of `scan` at which
/// row t of instant t is first written (where a segment begins) or last read (where it ends); `stride`
/// elements from row to row.
struct RowMoment {
  mlir::Operation *scan;
  int64_t stride;
  int64_t moment;
};

/// Moments begin .. end, both included. The rows refine the two ends, from the outermost scan inwards.
struct Segment {
  int64_t begin = 0, end = 0;
  llvm::SmallVector<RowMoment, 1> beginRows, endRows;
};

/// May the two have the same memory, at the same offset? True if they are apart, or if one ends in the scan
/// in which the other begins, row by row, each row read before it is written.
bool compatible(const Segment &a, const Segment &b);

inline constexpr int64_t kBeforeStep = -1, kAfterStep = std::numeric_limits<int64_t>::max() / 4;

class Lifetimes {
public:
  Lifetimes(dataflow::NodeOp node, const Storage &storage, const Timeline &timeline);

  /// Of each root. A slot of fby or eby has two: of the old value, from the start of the time that keeps it
  /// to the last read, and of the new one, from the end of the instant on. Arguments and constants have none.
  std::vector<llvm::SmallVector<Segment, 2>> segments;
  /// Roots that a gen reads only at its own element, at the end of their lives.
  struct OwnElement {
    unsigned from, to;
  };
  std::vector<OwnElement> ownElements;
  /// When the node's outputs are copied.
  int64_t outputMoment() const;
  /// Roots that end row by row in a scan.
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<unsigned>> endingIn;

private:
  void addParts();
  void addWrites(mlir::Value owner);
  void describeRows(unsigned root);
  int64_t firstWrite(mlir::Value owner, mlir::Block &body, bool atRowStart) const;
  void addSlot(unsigned root);
  void addUses(mlir::Operation *op);
  void addReads(mlir::Operation *op);
  void addScatter(dataflow::ScatterOp op);
  void addInit(mlir::Operation *slot, mlir::Value init);
  void need(mlir::Value value, mlir::Operation *at, int64_t moment);
  void needUntil(unsigned root, int64_t end, llvm::ArrayRef<RowMoment> rows);
  void findHandovers();
  int64_t instantEnd(mlir::Operation *op) const;
  bool hasSegments(const Place *place) const;

  dataflow::NodeOp node;
  const Storage &storage;
  const Timeline &timeline;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value, 2>> parts; ///< owners computed inside an owner
  struct Candidate {
    OwnElement roots;
    int64_t moment;
  };
  std::vector<Candidate> candidates;
};

} // namespace mlr::store
