// Which values a scan stores for its later sweeps. Internal to Schedule.
#pragma once

#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <vector>

namespace mlr::schedule {

/// Values of one scan with the sweep that first computes them. A later sweep that needs a value reads it from
/// an array if it is stored, or else computes it again from its operands, which it then needs.
struct StorageProblem {
  struct Value {
    int sweep = 0; ///< 1-based; 0: known from the start, never stored
    bool recomputable = false;
    bool storable = true; ///< false: cannot be executed in `sweep` itself
    int64_t bytes = 0;    ///< what storing it adds; 0 if it is stored anyway
    llvm::SmallVector<int, 3>
        operands; ///< of recomputable values; smaller indices not required, but no cycles
  };
  struct Need {
    int value;
    int sweep;
  };
  std::vector<Value> values;
  std::vector<Need> needs; ///< by what every sweep must execute; sweep > the value's, or it is ignored
};

/// Minimum bytes, among equals fewest recomputations: all subsets when fewer than 16 values have a choice,
/// otherwise one minimum cut for each sweep, earlier sweeps first (what one stores is free for the next).
std::vector<bool> chooseStored(const StorageProblem &problem);

/// Bytes of a choice: closes `stored` under what must be stored (values that cannot be computed again). Adds
/// to `recomputed` the number of executions beyond the first.
int64_t closeStored(const StorageProblem &problem, std::vector<bool> &stored, int64_t *recomputed = nullptr);

} // namespace mlr::schedule
