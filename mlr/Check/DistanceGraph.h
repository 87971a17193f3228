// Dependencies of one node with their distances in time, for the causality analysis.
#pragma once

#include "mlr/Check/Program.h"

#include <map>
#include <vector>

namespace mlr::causality {

inline constexpr int64_t unbounded = INT64_MAX; ///< end of an interval; its negation is the other infinity

/// Distances in instants of one time: the value at t needs another one of instants t - hi .. t - lo.
struct Interval {
  int64_t lo = 0, hi = 0;
  Interval operator+(Interval other) const;
};

using Vertex = uint32_t;

/// `to` needs `from`. The interval counts in the time `time`; in enclosing times the distance is 0, and for
/// what state carries from one run of a resuming scan to the next also 1 .. carried.
struct Dependency {
  Vertex from = 0, to = 0;
  const ScanTime *time = nullptr;
  Interval interval;
  int64_t carried = 0;                   ///< 0: nothing
  bool usesEnd = false;                  ///< reads a later instant or the end of the scan
  Span span;                             ///< of the use
  const NodeInstance *through = nullptr; ///< callee, for a dependency of a call's result on its argument
};

/// What a caller needs to know of a node: for each pair of output and input the extreme distances over all
/// paths inside.
struct Path {
  bool exists = false;
  Interval interval;
  int64_t carried = 0;
  bool usesEnd = false;
};
struct Summary {
  std::vector<std::vector<Path>> paths; ///< by output, then input; of a node with effects a last row: to these
};

struct Graph {
  /// Variables first, then values of scan results, arguments of calls and conditions of `until`.
  struct VertexInfo {
    std::string name;
    Span span;
    const ScanTime *time = nullptr;
    bool isHidden = false; ///< nothing that the source names: argument of a call, value of a scan's result
  };
  std::vector<VertexInfo> vertices;
  std::vector<Dependency> dependencies;
  std::map<const ScanTime *, Vertex> conditions; ///< vertex of each `until`; looked up only
  /// What the C functions with effects need that an equation calls: a call, or a scan with calls. Looked up only.
  std::map<const Equation *, Vertex> effects;
  Vertex allEffects = 0; ///< of a node with effects: all of them
};

/// `summaries` has every callee, by name.
Graph buildGraph(const NodeInstance &node, const std::map<std::string, Summary> &summaries);

} // namespace mlr::causality
