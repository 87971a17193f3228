// Calls of C functions with effects: in which order they happen at an instant, and that they only look back.
#pragma once

#include "mlr/Check/DistanceGraph.h"
#include "support/Diagnostics.h"

namespace mlr::causality {

/// Numbers the calls of nodes with effects and the scans that hold some, of each time of its own: in textual order, what one
/// of them needs at the same instant before it. False (reported) where a call needs a value that lies ahead, or calls need
/// one another. `graph` is that of the node. Linear in its dependencies for each call.
bool orderEffects(NodeInstance &node, const Graph &graph, Diagnostics &diagnostics);

} // namespace mlr::causality
