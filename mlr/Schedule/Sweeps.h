// The least number of single-direction sweeps that compute a dependence graph. Internal to Schedule.
#pragma once

#include "mlr/Schedule/Graph.h"

#include <optional>

namespace mlr::schedule {

/// The components of one or more scans that stand in one body, and the body's own operations between them.
struct SweepProblem {
  struct Pred {
    int item;
    Access access; ///< in the time of the scan that both belong to; ignored otherwise
  };
  struct Item {
    int scan;                         ///< 0 .. scans-1; -1: an operation of the body, executed between sweeps
    bool cheap;                       ///< may be executed again in any later sweep
    uint8_t directions;               ///< of the sweep that it may stand in
    llvm::SmallVector<Pred, 3> preds; ///< of smaller index
  };
  int scans = 0;
  std::vector<Item> items; ///< sources first
};

struct Sweep {
  int scan;
  dataflow::Direction direction;
};

struct SweepPlan {
  std::vector<Sweep> sweeps;
  /// 1-based sweep of each item that is not cheap; for cheap items and operations of the body the sweep after
  /// (or in) which all their operands are known, 0 if from the start.
  std::vector<int> at;
  /// Cheap items: can be executed in sweep `at` itself, not only after it.
  std::vector<bool> inSweep;
};

/// Fewest sweeps. Every sweep takes all that is ready, so a plan is a sequence of (scan, direction):
/// alternation from both starts and the greedy choice give an upper bound, iterative deepening the least
/// number up to 12 sweeps as long as it takes under about 20 million steps. Nothing if some item can never
/// run (a recurrence against both directions). Sources: Jazayeri-Walter 1975, Engelfriet-Filè 1982
/// (alternating passes).
std::optional<SweepPlan> planSweeps(const SweepProblem &problem);

/// The plan in which each of the given sweeps takes all that is ready; nothing if items are left over.
std::optional<SweepPlan> runSweeps(const SweepProblem &problem, llvm::ArrayRef<Sweep> sweeps);

} // namespace mlr::schedule
