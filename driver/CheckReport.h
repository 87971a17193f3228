// What run-time checks found in a run, as warnings.
#pragma once

#include "driver/Pipeline.h"

namespace mlr::driver {

/// A check that did not hold at every instant. Without a valid span (a run of IR) path, line and column say where it stands.
struct CheckFailure {
  Span span;
  dataflow::CheckNote note;
  int64_t first = 0;    ///< instant
  int64_t instants = 0; ///< how many
};

/// One warning each, in order of position. `instants`: that were run; `before`: those of a run that goes on, not among them.
std::string renderFailures(const Compilation &compilation, const std::vector<CheckFailure> &failures, int64_t instants, int64_t before);

} // namespace mlr::driver
