// Less memory for more work: a sweep keeps checkpoints of its state instead of all that the sweep back reads.
#pragma once

#include "mlr/Dataflow/Dialect.h"

#include <string>
#include <vector>

namespace mlr::schedule {

/// Two sweeps of opposite directions over the same instants, the second of which reads, at each instant, values that the
/// first has computed at the same instant or (in its order of execution) the one before.
struct Crossing {
  dataflow::ScanOp producer, consumer;
  llvm::SmallVector<unsigned> results;                ///< of the producer: arrays that only the consumer reads, row by row
  llvm::SmallVector<mlir::Operation *> slice;         ///< what computes them, in the order of the producer's body
  llvm::SmallVector<mlir::Operation *> states;        ///< its recurrences: the fby (eby in a down sweep) in the slice
  llvm::SmallVector<mlir::Value> before;              ///< values read one instant before that are no state yet
  int64_t length = 0;                                 ///< instants, at most
  int64_t storedBytes = 0;                            ///< of the arrays
  int64_t stateBytes = 0;                             ///< of one checkpoint
  int64_t tapeBytes = 0;                              ///< of what the consumer reads at one instant
};

/// An array between two sweeps that stays stored, whatever the budget, and why.
struct Kept {
  mlir::Location location; ///< of the value whose instants it holds
  int64_t bytes = 0;
  std::string why;
};

/// The crossings of a scheduled node that checkpoint() can serve, no sweep in more than one of them, those with most bytes
/// first. Cost: the size of the node. `kept`, if given: arrays of at least 64 bytes that it cannot serve.
std::vector<Crossing> findCrossings(dataflow::NodeOp node, std::vector<Kept> *kept = nullptr);

/// How a crossing runs: 0 slots leave it as it is.
struct Slots {
  int64_t slots = 0; ///< checkpoints
  int64_t block = 1; ///< instants between the places where there may be one, and that are advanced and read back together
};

/// Rewrites the crossings that have slots. The producer keeps its state in `slots` places, and the one that its last block
/// starts from in a further one. When the consumer comes to a block, the last checkpoint is advanced through that block,
/// leaving further checkpoints on the way in the places that have become free, as in Griewank and Walther's treeverse: with a
/// known number of blocks the number of blocks advanced is the least possible with so many checkpoints. What the consumer
/// reads of a block is stored for its instants. The same operations on the same values: the results are the same bits.
/// Textual order remains an order of execution.
void checkpoint(std::vector<Crossing> crossings, llvm::ArrayRef<Slots> slots);

/// The least number of instants that a forward sweep is advanced, in all, to have each of `length` states in turn from the last
/// to the first with `slots` checkpoints, the initial state being one of them: r * length - C(slots + r, r - 1), where
/// C(slots + r, r) is the first to reach `length`. Griewank and Walther 2000, Theorem 1. Saturates.
int64_t binomialAdvances(int64_t length, int64_t slots);

/// Instants that the producer executes beyond those of the plain program, for runs of full length: each once more for the
/// consumer, and those of the blocks advanced on the way. With blocks of one instant, binomialAdvances and one more, as the
/// producer computes the last instant for its own results.
int64_t recomputedInstants(int64_t length, Slots slots);

} // namespace mlr::schedule
