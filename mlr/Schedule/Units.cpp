// Strongly connected components of every scan, innermost first, and what may be executed again.
#include "mlr/Schedule/Graph.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::schedule {

std::vector<int> stronglyConnected(const std::vector<SmallVector<int, 4>> &preds) {
  int n = preds.size(), time = 0, components = 0;
  std::vector<int> component(n, -1), index(n, -1), low(n, 0);
  std::vector<int> open;                      // Tarjan's stack
  std::vector<std::pair<int, size_t>> frames; // the depth-first search's
  for (int root = 0; root < n; ++root) {
    if (index[root] >= 0) continue;
    frames.push_back({root, 0});
    while (!frames.empty()) {
      auto &[v, next] = frames.back();
      if (next == 0) {
        index[v] = low[v] = time++;
        open.push_back(v);
      }
      if (next < preds[v].size()) {
        int u = preds[v][next++];
        if (index[u] < 0) frames.push_back({u, 0});
        else if (component[u] < 0) low[v] = std::min(low[v], index[u]);
        continue;
      }
      int done = v;
      frames.pop_back();
      if (!frames.empty()) low[frames.back().first] = std::min(low[frames.back().first], low[done]);
      if (low[done] != index[done]) continue;
      int member;
      do {
        member = open.back();
        open.pop_back();
        component[member] = components;
      } while (member != done);
      ++components;
    }
  }
  return component;
}

void Graph::findUnits() {
  int deepest = 0;
  for (const Scan &s : scans) deepest = std::max(deepest, s.depth);
  units.clear();
  unitAt.assign(deepest + 1, std::vector<int>(vertices.size(), -1));
  auto members = membersOfScans();
  for (int s = scans.size() - 1; s > 0; --s) findUnitsOf(s, members);
  // State that survives a scan's run is a recurrence of the enclosing time too, and further out while that
  // resumes as well.
  for (Vertex &v : vertices) {
    if (v.live && v.acts()) v.upFrom = 0; // time runs up for the world, in every scan around
    if (!v.live || v.scan == 0 || !v.op || !isa<FbyOp, FirstOp, WindowOp>(v.op)) continue;
    v.upFrom = INT_MAX;
    int s = v.scan;
    while (s > 0 && scans[s].op.getResume()) v.upFrom = scans[s].depth - 1, s = scans[s].parent;
  }
  for (int s = scans.size() - 1; s > 0; --s) setDirections(s, members[s]);
}

// Vertices of one unit of an inner scan stay together here; at the scan's own level all that its condition
// needs does, too.
void Graph::findUnitsOf(int scan, const std::vector<std::vector<int>> &members) {
  const std::vector<int> &inside = members[scan];
  int depth = scans[scan].depth;
  DenseMap<int, int> unitNode;
  std::vector<int> nodeOf(inside.size());
  DenseMap<int, int> local;
  std::vector<SmallVector<int, 4>> preds;
  for (size_t i = 0; i < inside.size(); ++i) {
    int v = inside[i];
    int inner = vertices[v].where == scan ? -1 : unitAt[depth + 1][v];
    int fresh = preds.size();
    nodeOf[i] = inner < 0 ? fresh : unitNode.try_emplace(inner, fresh).first->second;
    if (nodeOf[i] == fresh) preds.emplace_back();
    local[v] = nodeOf[i];
  }
  std::vector<bool> cone;
  if (scans[scan].until >= 0 && !inside.empty()) {
    cone.resize(vertices.size());
    markUntilCone(scan, inside, cone);
  }
  for (size_t i = 0; i < inside.size(); ++i) {
    int v = inside[i];
    for (const Edge &e : vertices[v].preds)
      if (auto it = local.find(e.from); it != local.end() && it->second != nodeOf[i])
        preds[nodeOf[i]].push_back(it->second);
    if (!cone.empty() && cone[v] && v != scans[scan].until)
      preds[nodeOf[i]].push_back(local[scans[scan].until]);
  }
  std::vector<int> component = stronglyConnected(preds);
  int base = units.size();
  if (!component.empty()) units.resize(base + 1 + *std::max_element(component.begin(), component.end()));
  for (size_t i = 0; i < inside.size(); ++i) {
    int unit = base + component[nodeOf[i]];
    unitAt[depth][inside[i]] = unit;
    ++units[unit].size;
  }
}

void Graph::setDirections(int scan, const std::vector<int> &members) {
  int depth = scans[scan].depth;
  const std::vector<int> &unit = unitAt[depth];
  for (int v : members) {
    uint8_t &directions = units[unit[v]].directions;
    const Vertex &vertex = vertices[v];
    if (vertex.upFrom <= depth || v == scans[scan].until) directions &= mayRunUp;
    bool windowOfStream = false;
    for (const Edge &e : vertex.preds) {
      windowOfStream |= e.access == Access::Window && within(vertices[e.from].where, e.time);
      if (e.time != scan || !within(vertices[e.from].where, scan)) continue;
      if (unit[e.from] != unit[v]) continue;
      if (!sameSweep(e.access, Direction::Up)) directions &= uint8_t(~mayRunUp);
      if (!sameSweep(e.access, Direction::Down)) directions &= uint8_t(~mayRunDown);
    }
    if (vertex.op && isa<WindowOp>(vertex.op) && vertex.scan == scan && !windowOfStream)
      directions &= mayRunUp;
  }
}

bool isIndex(Operation *op) { return op && op->getNumResults() && op->getResult(0).getType().isIndex(); }

// A value is recomputable if it takes few operations from values that are not. In a recurrence, what reaches
// another instant (the value operands of its fby and eby) is not: so there is no cycle among recomputable
// values.
void Graph::findRecomputable() {
  for (Vertex &v : vertices)
    v.recomputable = v.live && v.op && v.scan > 0 && !v.exit() && v.upFrom == INT_MAX &&
                     !isa<UntilOp, WindowOp, FirstOp, ExternOp>(v.op);
  for (int v = 0, n = vertices.size(); v < n; ++v)
    for (const Edge &e : vertices[v].preds) {
      bool across = e.access == Access::Fby || e.access == Access::Eby || e.access == Access::FbyAgain ||
                    e.access == Access::EbyAgain;
      if (e.time == 0 || !within(vertices[e.from].where, e.time)) continue;
      int depth = scans[e.time].depth;
      if ((across && unitOf(v, depth) == unitOf(e.from, depth)) || e.access == Access::Window)
        vertices[e.from].recomputable = false;
    }
  std::vector<int64_t> total(vertices.size(), -1);
  std::vector<std::pair<int, bool>> stack;
  for (int root = 0, n = vertices.size(); root < n; ++root) {
    stack.push_back({root, false});
    while (!stack.empty()) {
      auto [v, left] = stack.back();
      stack.pop_back();
      Vertex &vertex = vertices[v];
      if (total[v] >= 0 || !vertex.recomputable) continue;
      if (!left) {
        stack.push_back({v, true});
        for (const Edge &e : vertex.preds)
          if (e.access != Access::Order) stack.push_back({e.from, false});
        continue;
      }
      total[v] = work(vertex.op);
      for (const Edge &e : vertex.preds)
        if (vertices[e.from].recomputable && e.access != Access::Order)
          total[v] = std::min<int64_t>(total[v] + total[e.from], int64_t(1) << 50);
      // An index is no element of an array: the number that it is made of is stored.
      vertex.recomputable =
          isIndex(vertex.op) || total[v] <= cheapWork * std::max<int64_t>(1, elementsOf(vertex.op->getResult(0).getType()));
    }
  }
}

} // namespace mlr::schedule
