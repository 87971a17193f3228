// Graphs whose edges carry intervals of distances: components, and whether a component is a recurrence.
#pragma once

#include "mlr/Check/DistanceGraph.h"

namespace mlr::causality {

struct Edge {
  uint32_t from = 0, to = 0; ///< `to` needs `from`
  Interval interval;
  uint32_t dependency = 0; ///< behind it
};

/// Strongly connected components, sources first: no edge leads from a later one to an earlier one. Linear,
/// without recursion (Tarjan 1972). Vertices within a component are in ascending order.
std::vector<std::vector<uint32_t>> components(uint32_t vertices, const std::vector<Edge> &edges);

enum class Direction : uint8_t { Forward, Backward, Neither };

/// Forward if on every cycle the lower ends add up to more than 0, backward if on every cycle the upper ends
/// add up to less than 0. `edges` are those inside one component of `vertices` vertices. Linear where all
/// lower ends are at least 0 or all upper ends at most 0; otherwise Bellman-Ford on lo * (vertices + 1) - 1,
/// O(V*E) at worst.
Direction direction(uint32_t vertices, const std::vector<Edge> &edges);

/// Cycles that show why direction() is Neither, as edge numbers in order along the cycle: a single one, the
/// shortest found, that is bad both ways; or one that is not forward and one that is not backward.
std::vector<std::vector<uint32_t>> offendingCycles(uint32_t vertices, const std::vector<Edge> &edges);

} // namespace mlr::causality
