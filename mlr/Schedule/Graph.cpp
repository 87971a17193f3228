// Vertices, edges and liveness of the dependence graph. Units: see Units.cpp.
#include "mlr/Schedule/Graph.h"

#include "mlr/Dataflow/Effects.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::schedule {

bool sameSweep(Access access, Direction direction) {
  bool up = direction == Direction::Up;
  switch (access) {
  case Access::Same:
  case Access::Upto:
  case Access::FbyAgain:
  case Access::EbyAgain:
  case Access::Order: return true;
  case Access::Fby:
  case Access::Initial:
  case Access::Window: return up;
  case Access::Eby:
  case Access::Final: return !up;
  case Access::Whole: return false;
  }
  return false;
}

int64_t elementsOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? tensor.getNumElements() : 1;
}

int64_t bytesOf(Type type) {
  Type element = getElementTypeOrSelf(type);
  int64_t bits = element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
  return elementsOf(type) * ((bits + 7) / 8);
}

bool Vertex::acts() const { return op && isa<ExternOp>(op) && !cast<ExternOp>(op).getPure(); }

int64_t work(Operation *op) {
  if (isa<ExternOp>(op)) return foreignWork;
  if (isa<ConstOp, YieldOp>(op)) return 0;
  if (isa<DivOp, RemOp, SqrtOp>(op)) return 4;
  if (!isa<GenOp, ReduceOp>(op)) return op->getNumResults() ? elementsOf(op->getResult(0).getType()) : 1;
  int64_t body = 0, times = isa<GenOp>(op) ? elementsOf(op->getResult(0).getType()) : 1;
  for (Operation &inner : bodyOf(op)) body += work(&inner);
  if (auto reduce = dyn_cast<ReduceOp>(op))
    for (int64_t size : reduce.getSizes()) times *= size;
  return std::min<int64_t>(std::max<int64_t>(body, 1), 1 << 20) * std::min<int64_t>(times, int64_t(1) << 40);
}

Graph::Graph(NodeOp node) : node(node) {
  addScan(node, -1);
  findLive();
  orderEffects();
  addUptoEdges();
  lookAhead();
  findRecomputable();
}

Operation *Graph::anchor(Operation *op) {
  while (!isa<NodeOp, ScanOp>(op->getParentOp())) op = op->getParentOp();
  return op;
}

int Graph::ancestor(int scan, int depth) const {
  if (scans[scan].depth < depth) return -1;
  while (scans[scan].depth > depth) scan = scans[scan].parent;
  return scan;
}

// Numbers the operations of a body in textual order, those of an inner scan where it stands. Recursion is
// over nesting only.
void Graph::addScan(Operation *op, int parent) {
  int id = scans.size();
  scanIds[op] = id;
  Scan &self = scans.emplace_back();
  self.parent = parent;
  if (parent >= 0) {
    self.op = cast<ScanOp>(op);
    self.depth = scans[parent].depth + 1;
    self.length = self.op.getLength();
    scans[parent].children.push_back(id);
  }
  for (Operation &inner : bodyOf(op)) {
    if (isa<ScanOp>(inner)) {
      addScan(&inner, id);
      continue;
    }
    if (isa<YieldOp>(inner)) continue;
    if (isa<CountOp>(inner) && scans[id].count >= 0) {
      vertexOf[&inner] = scans[id].count;
      continue;
    }
    int vertex = vertices.size();
    vertexOf[&inner] = vertex;
    Vertex &v = vertices.emplace_back();
    v.op = &inner;
    v.where = v.scan = id;
    if (isa<FinalOp, InitialOp, StackOp, CountOp>(inner)) v.scan = parent;
    if (isa<UntilOp>(inner)) scans[id].until = vertex;
    if (isa<CountOp>(inner)) {
      scans[id].count = vertex;
      v.op = nullptr;
    }
    for (Value result : inner.getResults()) v.bytes += bytesOf(result.getType());
  }
  if (scans[id].until < 0 || scans[id].count >= 0) return;
  scans[id].count = vertices.size();
  Vertex &count = vertices.emplace_back();
  count.where = id;
  count.scan = parent;
  count.bytes = 4;
}

Graph::Source Graph::resolve(Value value) const {
  while (auto scan = value.getDefiningOp<ScanOp>())
    value = bodyOf(scan).getTerminator()->getOperand(cast<OpResult>(value).getResultNumber());
  Operation *def = value.getDefiningOp();
  auto it = def ? vertexOf.find(def) : vertexOf.end();
  return {it == vertexOf.end() ? -1 : it->second, value};
}

void Graph::addEdges(int vertex) {
  Vertex &v = vertices[vertex];
  auto add = [&](Edge e) {
    for (const Edge &other : v.preds)
      if (other.from == e.from && other.access == e.access && other.time == e.time) return;
    v.preds.push_back(e);
  };
  auto addOperand = [&](Value operand, Access access) {
    Source source = resolve(operand);
    if (source.vertex < 0) return;
    const Vertex &u = vertices[source.vertex];
    int time = v.scan;
    if (u.exit() && within(v.where, u.where)) { // a constant, at whatever instant it is looked at
      time = u.where;
      access = !u.op                  ? Access::Whole
               : isa<FinalOp>(u.op)   ? Access::Final
               : isa<InitialOp>(u.op) ? Access::Initial
                                      : Access::Whole;
    }
    add({source.vertex, access, time});
  };
  if (!v.op) {
    add({scans[v.where].until, Access::Same, v.where});
    return;
  }
  Value ahead;
  Access access = Access::Same;
  if (auto fby = dyn_cast<FbyOp>(v.op)) ahead = fby.getValue(), access = Access::Fby;
  if (auto eby = dyn_cast<EbyOp>(v.op)) ahead = eby.getValue(), access = Access::Eby;
  if (auto window = dyn_cast<WindowOp>(v.op)) ahead = window.getValue(), access = Access::Window;
  if (ahead) {
    addOperand(ahead, access);
    unsigned own = access == Access::Fby ? 1 : 0;
    for (OpOperand &operand : v.op->getOpOperands())
      if (operand.getOperandNumber() != own) addOperand(operand.get(), Access::Same);
    return;
  }
  v.op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      if (Operation *parent = operand.getParentRegion()->getParentOp();
          parent != v.op && !v.op->isProperAncestor(parent))
        addOperand(operand, Access::Same);
  });
}

// Backwards from the node's outputs and from what has effects. What runs in a scan needs the scan's condition and bound.
void Graph::findLive() {
  std::vector<int> stack;
  std::vector<bool> scanLive(scans.size());
  auto visit = [&](int vertex) {
    if (vertex < 0 || vertices[vertex].live) return;
    vertices[vertex].live = true;
    stack.push_back(vertex);
  };
  for (Value output : bodyOf(node).getTerminator()->getOperands()) visit(resolve(output).vertex);
  for (int v = 0, n = vertices.size(); v < n; ++v)
    if (vertices[v].acts()) visit(v);
  while (!stack.empty()) {
    int vertex = stack.back();
    stack.pop_back();
    addEdges(vertex);
    for (const Edge &e : vertices[vertex].preds) visit(e.from);
    for (int s = vertices[vertex].where; s > 0 && !scanLive[s]; s = scans[s].parent) {
      scanLive[s] = true;
      visit(scans[s].until);
      if (scans[s].until >= 0) visit(scans[s].count);
      if (scans[s].op.getUpto()) visit(resolve(scans[s].op.getUpto()).vertex);
      if (scans[s].op.getWhen()) visit(resolve(scans[s].op.getWhen()).vertex);
    }
  }
}

// Calls with effects happen in the order of their ranks, and instant by instant: those in one scan form a recurrence of it, so
// that they stay in one sweep, upwards.
void Graph::orderEffects() {
  SmallVector<int> calls;
  for (ExternOp call : effectsOf(node)) calls.push_back(vertexOf.lookup(call));
  for (size_t k = 1; k < calls.size(); ++k) {
    int before = calls[k - 1], after = calls[k], time = vertices[after].where;
    while (!within(vertices[before].where, time)) time = scans[time].parent;
    vertices[after].preds.push_back({before, Access::Same, time});
  }
  llvm::DenseMap<int, std::pair<int, int>> ends; // first and last call in each scan
  for (int call : calls)
    for (int s = vertices[call].where; s > 0; s = scans[s].parent) ends.try_emplace(s, call, call).first->second.second = call;
  for (int s = 1, n = scans.size(); s < n; ++s)
    if (auto it = ends.find(s); it != ends.end()) {
      auto [first, last] = it->second;
      if (first != last) vertices[first].preds.push_back({last, Access::Fby, s});
    }
}

std::vector<std::vector<int>> Graph::membersOfScans() const {
  std::vector<std::vector<int>> members(scans.size());
  for (int v = 0, n = vertices.size(); v < n; ++v)
    if (vertices[v].live)
      for (int s = vertices[v].where; s >= 0; s = scans[s].parent) members[s].push_back(v);
  return members;
}

// All that the condition, and what has effects, needs within the scan. Members of one scan, any depth.
void Graph::markUntilCone(int scan, const std::vector<int> &members, std::vector<bool> &cone) const {
  std::vector<int> stack{scans[scan].until};
  cone[scans[scan].until] = true;
  for (int v : members)
    if (vertices[v].acts() && !cone[v]) cone[v] = true, stack.push_back(v);
  while (!stack.empty()) {
    int v = stack.back();
    stack.pop_back();
    for (const Edge &e : vertices[v].preds)
      if (!cone[e.from] && within(vertices[e.from].where, scan)) {
        cone[e.from] = true;
        stack.push_back(e.from);
      }
  }
}

// Innermost scans first: what the condition of an outer one needs includes the counts of inner ones.
void Graph::addUptoEdges() {
  auto members = membersOfScans();
  for (int s = scans.size() - 1; s > 0; --s) {
    Source upto = scans[s].op.getUpto() ? resolve(scans[s].op.getUpto()) : Source{};
    Source when = scans[s].op.getWhen() ? resolve(scans[s].op.getWhen()) : Source{};
    for (const Source &needed : {upto, when})
      if (needed.vertex >= 0)
        for (int v : members[s]) vertices[v].preds.push_back({needed.vertex, Access::Same, s});
    if (scans[s].until < 0 || members[s].empty()) continue;
    std::vector<bool> cone(vertices.size());
    markUntilCone(s, members[s], cone);
    for (int v : members[s])
      if (!cone[v] && v != scans[s].count) {
        bool end =
            vertices[v].scan == s && isa_and_nonnull<EbyOp>(vertices[v].op); // must know where the end is
        vertices[v].preds.push_back({scans[s].count, end ? Access::Whole : Access::Upto, s});
      }
  }
}

} // namespace mlr::schedule
