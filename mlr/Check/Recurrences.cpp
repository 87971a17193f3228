#include "mlr/Check/Recurrences.h"

#include <algorithm>
#include <functional>

namespace mlr::causality {

namespace {

using Wide = __int128; ///< a sum of up to 2^32 weights of up to 2^96

/// Outgoing edges of each vertex, as edge numbers.
struct Adjacency {
  Adjacency(uint32_t vertices, const std::vector<Edge> &edges, const std::function<bool(const Edge &)> &use)
      : start(vertices + 1, 0) {
    for (const Edge &e : edges)
      if (use(e)) ++start[e.from + 1];
    for (uint32_t v = 0; v < vertices; ++v) start[v + 1] += start[v];
    list.resize(start[vertices]);
    std::vector<uint32_t> fill(start.begin(), start.end() - 1);
    for (uint32_t i = 0; i < edges.size(); ++i)
      if (use(edges[i])) list[fill[edges[i].from]++] = i;
  }
  std::vector<uint32_t> start, list;
};

bool any(const Edge &) { return true; }

/// Whether a weight per edge (lower end, or negated upper end) makes some cycle add up to 0 or less.
class CycleSearch {
public:
  CycleSearch(uint32_t vertices, const std::vector<Edge> &edges, bool forward)
      : vertices(vertices), edges(edges), forward(forward) {}

  bool isGood() {
    bool nonNegative = true;
    for (const Edge &e : edges) {
      if (weight(e) == -unbounded) return false; // every edge of a component lies on a cycle
      nonNegative &= weight(e) >= 0;
    }
    if (nonNegative) return !hasZeroCycle();
    std::vector<uint32_t> ignored;
    return !negativeCycle(ignored);
  }

  /// A cycle whose weights add up to 0 or less; the component must have one.
  std::vector<uint32_t> badCycle() {
    std::vector<uint32_t> cycle;
    for (uint32_t i = 0; i < edges.size(); ++i)
      if (weight(edges[i]) == -unbounded) return cycleThrough(i);
    negativeCycle(cycle);
    return cycle;
  }

private:
  int64_t weight(const Edge &e) const { return forward ? e.interval.lo : -e.interval.hi; }

  bool hasZeroCycle() const {
    Adjacency zero(vertices, edges, [&](const Edge &e) { return weight(e) == 0; });
    std::vector<uint32_t> missing(vertices, 0), ready;
    for (uint32_t i : zero.list) ++missing[edges[i].to];
    for (uint32_t v = 0; v < vertices; ++v)
      if (missing[v] == 0) ready.push_back(v);
    for (size_t k = 0; k < ready.size(); ++k)
      for (uint32_t i = zero.start[ready[k]]; i < zero.start[ready[k] + 1]; ++i)
        if (--missing[edges[zero.list[i]].to] == 0) ready.push_back(edges[zero.list[i]].to);
    return ready.size() < vertices;
  }

  /// Bellman-Ford from a virtual source; after each pass a cycle among the parents is a negative cycle
  /// (Cherkassky and Goldberg 1999), so that a bad component is found out long before V passes.
  bool negativeCycle(std::vector<uint32_t> &cycle) const {
    std::vector<Wide> distance(vertices, 0);
    std::vector<uint32_t> parent(vertices, UINT32_MAX);
    for (bool changed = true; changed;) {
      changed = false;
      for (uint32_t i = 0; i < edges.size(); ++i) {
        const Edge &e = edges[i];
        Wide next = distance[e.from] + Wide(weight(e)) * (Wide(vertices) + 1) - 1;
        if (next >= distance[e.to]) continue;
        distance[e.to] = next;
        parent[e.to] = i;
        changed = true;
      }
      if (changed && parentCycle(parent, cycle)) return true;
    }
    return false;
  }

  bool parentCycle(const std::vector<uint32_t> &parent, std::vector<uint32_t> &cycle) const {
    std::vector<uint32_t> seen(vertices, UINT32_MAX);
    for (uint32_t start = 0; start < vertices; ++start) {
      uint32_t v = start;
      while (seen[v] == UINT32_MAX && parent[v] != UINT32_MAX) {
        seen[v] = start;
        v = edges[parent[v]].from;
      }
      if (seen[v] != start || parent[v] == UINT32_MAX) continue;
      cycle.clear();
      uint32_t u = v;
      do {
        cycle.push_back(parent[u]);
        u = edges[parent[u]].from;
      } while (u != v);
      std::reverse(cycle.begin(), cycle.end());
      return true;
    }
    return false;
  }

  std::vector<uint32_t> cycleThrough(uint32_t edge) const;

  uint32_t vertices;
  const std::vector<Edge> &edges;
  bool forward;
};

/// The path with the fewest edges, as edge numbers; empty if there is none or start == goal. `work` counts
/// down.
std::vector<uint32_t> shortestPath(const Adjacency &out, const std::vector<Edge> &edges, uint32_t start,
                                   uint32_t goal, int64_t &work) {
  std::vector<uint32_t> via(out.start.size() - 1, UINT32_MAX), queue{start};
  std::vector<bool> seen(out.start.size() - 1, false);
  seen[start] = true;
  for (size_t k = 0; k < queue.size() && !seen[goal] && work > 0; ++k)
    for (uint32_t i = out.start[queue[k]]; i < out.start[queue[k] + 1]; ++i, --work) {
      uint32_t to = edges[out.list[i]].to;
      if (seen[to]) continue;
      seen[to] = true;
      via[to] = out.list[i];
      queue.push_back(to);
    }
  std::vector<uint32_t> path;
  for (uint32_t v = goal; v != start && via[v] != UINT32_MAX; v = edges[via[v]].from) path.push_back(via[v]);
  std::reverse(path.begin(), path.end());
  return path;
}

std::vector<uint32_t> CycleSearch::cycleThrough(uint32_t edge) const {
  int64_t work = INT64_MAX;
  auto cycle = shortestPath(Adjacency(vertices, edges, any), edges, edges[edge].to, edges[edge].from, work);
  cycle.insert(cycle.begin(), edge);
  return cycle;
}

Interval sum(const std::vector<Edge> &edges, const std::vector<uint32_t> &cycle) {
  Interval total;
  for (uint32_t i : cycle) total = total + edges[i].interval;
  return total;
}

} // namespace

std::vector<std::vector<uint32_t>> components(uint32_t vertices, const std::vector<Edge> &edges) {
  Adjacency out(vertices, edges, any);
  constexpr uint32_t unseen = UINT32_MAX;
  std::vector<uint32_t> order(vertices, unseen), low(vertices, 0),
      next(out.start.begin(), out.start.end() - 1);
  std::vector<uint32_t> open, path;
  std::vector<bool> isOpen(vertices, false);
  std::vector<std::vector<uint32_t>> result;
  uint32_t count = 0;
  auto enter = [&](uint32_t v) {
    order[v] = low[v] = count++;
    open.push_back(v);
    isOpen[v] = true;
    path.push_back(v);
  };
  for (uint32_t root = 0; root < vertices; ++root) {
    if (order[root] == unseen) enter(root);
    while (!path.empty()) {
      uint32_t v = path.back();
      if (next[v] < out.start[v + 1]) {
        uint32_t to = edges[out.list[next[v]++]].to;
        if (order[to] == unseen) enter(to);
        else if (isOpen[to]) low[v] = std::min(low[v], order[to]);
        continue;
      }
      path.pop_back();
      if (!path.empty()) low[path.back()] = std::min(low[path.back()], low[v]);
      if (low[v] != order[v]) continue;
      std::vector<uint32_t> &component = result.emplace_back();
      while (isOpen[v]) {
        component.push_back(open.back());
        isOpen[open.back()] = false;
        open.pop_back();
      }
      std::sort(component.begin(), component.end());
    }
  }
  std::reverse(result.begin(), result.end());
  return result;
}

Direction direction(uint32_t vertices, const std::vector<Edge> &edges) {
  if (CycleSearch(vertices, edges, true).isGood()) return Direction::Forward;
  return CycleSearch(vertices, edges, false).isGood() ? Direction::Backward : Direction::Neither;
}

std::vector<std::vector<uint32_t>> offendingCycles(uint32_t vertices, const std::vector<Edge> &edges) {
  // A cycle of edges that all hold 0 is bad both ways; the shortest of them explains best.
  auto holdsZero = [](const Edge &e) { return e.interval.lo <= 0 && e.interval.hi >= 0; };
  Adjacency out(vertices, edges, holdsZero);
  std::vector<uint32_t> best;
  int64_t work = 5'000'000; // a bound on the search for the shortest, not on finding one
  for (uint32_t i = 0; i < edges.size() && (best.empty() || (best.size() > 1 && work > 0)); ++i) {
    if (!holdsZero(edges[i])) continue;
    std::vector<uint32_t> cycle{i};
    if (edges[i].from != edges[i].to) {
      auto rest = shortestPath(out, edges, edges[i].to, edges[i].from, work);
      if (rest.empty()) continue;
      cycle.insert(cycle.end(), rest.begin(), rest.end());
    }
    if (best.empty() || cycle.size() < best.size()) best = cycle;
  }
  if (!best.empty()) return {best};
  auto notForward = CycleSearch(vertices, edges, true).badCycle();
  auto notBackward = CycleSearch(vertices, edges, false).badCycle();
  if (sum(edges, notForward).hi >= 0) return {notForward};
  if (sum(edges, notBackward).lo <= 0) return {notBackward};
  return {notForward, notBackward};
}

} // namespace mlr::causality
