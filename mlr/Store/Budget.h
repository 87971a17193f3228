// Fits a node into a memory budget by checkpoints between its sweeps.
#pragma once

#include "mlr/Schedule/Checkpoint.h"
#include "mlr/Store/Plan.h"

namespace mlr::store {

/// What one pair of sweeps became.
struct Checkpoints {
  mlir::Location location;
  int64_t length = 0;       ///< instants, at most
  schedule::Slots chosen;   ///< no slots: everything that crosses is stored
  int64_t storedBytes = 0;  ///< what crosses without checkpoints
  int64_t stateBytes = 0;   ///< of one checkpoint
  int64_t recomputed = 0;   ///< instants executed again in a run of full length
};

struct Budget {
  bool fits = false;
  int64_t plainBytes = 0;  ///< state and scratch without checkpoints
  int64_t bytes = 0;       ///< with them; the least possible if nothing fits
  std::vector<Checkpoints> sweeps;
  std::vector<schedule::Kept> kept;  ///< arrays for which there are no checkpoints, and why
};

/// Rewrites a scheduled node without a buffer plan so that state and scratch take at most `bytes`, with the checkpoints and
/// blocks that execute the fewest instants again; leaves it as it is if it fits anyway, or if nothing does. With several pairs
/// of sweeps: those that store most first, no more pairs than are needed, blocks of one instant, and the same number of
/// checkpoints each as far as possible. Cost: a few buffer plans, with several pairs about 2 log2(length).
Budget fitBudget(dataflow::NodeOp node, int64_t bytes);

/// What a budget has chosen, as lines for `mlrc report`.
std::string budgetText(const Budget &budget, int64_t limit);
/// The same as a JSON object.
std::string budgetJson(const Budget &budget, int64_t limit);

/// One point of the trade of memory for work.
struct Trade {
  schedule::Slots chosen;        ///< of the pair of sweeps that stores most
  int64_t bytes = 0;             ///< state and scratch
  int64_t recomputed = 0;        ///< instants executed again
  double factor = 1;             ///< instants of the forward sweeps, over those without checkpoints
};

/// What fitBudget makes of about ten budgets from the least to the one that stores everything; empty for a node without
/// sweeps that checkpoints can serve, and where they save nothing.
std::vector<Trade> trades(dataflow::NodeOp node);

/// Lines of text, one a reason: which values stay stored, by name and line of the source, equal ones together.
std::string keptText(llvm::ArrayRef<schedule::Kept> kept);

/// Lines of text: the trade, and what stays stored.
std::string tradeText(dataflow::NodeOp node);
/// The same as a JSON object; empty where tradeText is.
std::string tradeJson(dataflow::NodeOp node);

} // namespace mlr::store
