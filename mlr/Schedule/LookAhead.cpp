// A bounded look-ahead without a further sweep: in an up sweep the value that a forward component will have
// at t + 1 follows from its values at t, so the sweep computes it again, one instant early; mirrored for fby
// in a down sweep. Done where it takes few operations, and wherever a recurrence itself looks ahead (its
// cycles reach back further than ahead, so the expansion ends).
#include "mlr/Schedule/Graph.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::schedule {

namespace {

constexpr int nearNodes = 64;        ///< of a look-ahead that a further sweep could replace
constexpr int recurrentNodes = 4096; ///< of one that nothing else can

} // namespace

// Collects what `vertex` at t + shift is computed from at t. False if part of it cannot be executed twice or
// it is too much.
bool Graph::expand(int vertex, int time, int shift, int nodes, int64_t limit, Expansion &expansion) const {
  llvm::DenseSet<std::pair<int, int>> seen{{vertex, shift}};
  std::vector<std::pair<int, int>> work{{vertex, shift}};
  while (!work.empty()) {
    auto [v, at] = work.back();
    work.pop_back();
    const Vertex &self = vertices[v];
    if (self.exit() || !self.op || isa<WindowOp, UntilOp, FirstOp, ExternOp>(self.op)) return false;
    if (at < 0 && isa<FbyOp>(self.op) && scans[time].op.getResume()) return false;
    expansion.work += schedule::work(self.op);
    if (--nodes < 0 || expansion.work > limit) return false;
    for (const Edge &e : self.preds) {
      if (vertices[e.from].scan != time || e.access == Access::Order) continue; // a constant of this time
      bool back = e.access == Access::Fby || e.access == Access::FbyAgain,
           ahead = e.access == Access::Eby || e.access == Access::EbyAgain;
      int then = at - (e.time == time && back) + (e.time == time && ahead);
      if (then == 0) {
        if (!llvm::is_contained(expansion.starts, e.from)) expansion.starts.push_back(e.from);
      } else if (seen.insert({e.from, then}).second) {
        work.push_back({e.from, then});
      }
    }
  }
  return true;
}

// Lets `user` see that operand in a sweep against its direction.
bool Graph::computeAgain(int user, size_t pred, int nodes, int64_t limit) {
  Edge e = vertices[user].preds[pred];
  if (vertices[e.from].scan != e.time || (e.access != Access::Fby && e.access != Access::Eby)) return true;
  bool up = e.access == Access::Eby;
  if (!up && scans[e.time].op.getResume()) return false;
  Expansion expansion;
  if (!expand(e.from, e.time, up ? 1 : -1, nodes, limit, expansion)) return false;
  vertices[user].preds[pred].access = up ? Access::EbyAgain : Access::FbyAgain;
  for (int start : expansion.starts) vertices[user].preds.push_back({start, Access::Order, e.time});
  return true;
}

void Graph::lookAhead() {
  for (int v = 0, n = vertices.size(); v < n; ++v) {
    if (!vertices[v].live || !vertices[v].op || vertices[v].scan == 0 || !isa<FbyOp, EbyOp>(vertices[v].op))
      continue;
    int64_t limit = cheapWork * std::max<int64_t>(1, elementsOf(vertices[v].op->getResult(0).getType()));
    for (size_t p = 0, preds = vertices[v].preds.size(); p < preds; ++p) computeAgain(v, p, nearNodes, limit);
  }
  findUnits();
  auto members = membersOfScans();
  bool changed = false;
  for (int s = scans.size() - 1; s > 0; --s) {
    bool both =
        llvm::any_of(members[s], [&](int v) { return units[unitOf(v, scans[s].depth)].directions == 0; });
    if (both) changed |= lookAheadWithin(s, members[s], true) || lookAheadWithin(s, members[s], false);
  }
  if (changed) findUnits();
}

// Recurrences of the scan that look both ways: makes them run up (or down). False if some cannot.
bool Graph::lookAheadWithin(int scan, const std::vector<int> &members, bool up) {
  int depth = scans[scan].depth;
  std::vector<std::pair<int, size_t>> against;
  for (int v : members) {
    if (units[unitOf(v, depth)].directions != 0) continue;
    for (size_t p = 0; p < vertices[v].preds.size(); ++p) {
      const Edge &e = vertices[v].preds[p];
      if (e.time != scan || e.access != (up ? Access::Eby : Access::Fby) ||
          !within(vertices[e.from].where, scan))
        continue;
      if (unitOf(e.from, depth) == unitOf(v, depth)) against.push_back({v, p});
    }
  }
  bool all = !against.empty();
  for (auto [v, p] : against) all &= computeAgain(v, p, recurrentNodes, INT64_MAX);
  return all;
}

} // namespace mlr::schedule
