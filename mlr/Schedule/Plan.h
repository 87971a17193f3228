// Which part of which scan executes each operation, and what is stored between parts. Internal to Schedule.
#pragma once

#include "mlr/Schedule/Graph.h"

#include <optional>

namespace mlr::schedule {

/// One sweep of one scan within one part of the enclosing time. Part 0 is the node's body.
struct Part {
  int scan = 0;
  int parent = -1;
  int depth = 0;
  int number = 0; ///< counts the sweeps of the scan within `parent`, from 1
  dataflow::Direction direction = dataflow::Direction::Up;
  std::vector<int> members; ///< vertices executed here or in parts within this part
};

struct Plan {
  std::vector<Part> parts; ///< parents before children
  /// (vertex, part) -> the part directly inside it that executes the vertex. A recomputable vertex has an
  /// entry only where it is stored or belongs to a larger unit; elsewhere it is executed wherever it is
  /// needed.
  llvm::DenseMap<std::pair<int, int>, int> executes;
  /// (vertex, part): the part executing the vertex within this part hands it to later ones of the same scan,
  /// as an array.
  llvm::DenseSet<std::pair<int, int>> stored;

  /// Part within `part` that executes the vertex, -1 if none.
  int within(int vertex, int part) const {
    auto it = executes.find({vertex, part});
    return it == executes.end() ? -1 : it->second;
  }
  int ancestor(int part, int depth) const {
    while (parts[part].depth > depth) part = parts[part].parent;
    return part;
  }
};

/// Nothing if the node has no schedule: a recurrence that goes both ways at once or an instantaneous cycle.
/// `why` then holds a vertex that is part of it.
std::optional<Plan> makePlan(const Graph &graph, int &why);

} // namespace mlr::schedule
