// Clocks `every T` as they stand in a normalised node: a counter and a comparison.
#pragma once

#include "mlr/Dataflow/Dialect.h"

#include <optional>

namespace mlr::dataflow {

/// now = 0, 1, .. length - 1, 0, ..: it advances where `active`, and is 0 where `reset`.
struct Counter {
  mlir::Value now;
  mlir::Value active, reset; ///< null: always; never
  mlir::Value last;          ///< active, and now == phase
  int64_t length = 0, phase = 0;
};

/// The counter behind the flag of a periodic clock; nothing if it is no such flag.
std::optional<Counter> periodicClock(mlir::Value flag);

} // namespace mlr::dataflow
