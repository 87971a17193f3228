#include "mlr/Store/Check.h"
#include "mlr/Store/Timeline.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::store {

namespace {

class TableChecker {
public:
  TableChecker(NodeOp node, const Plan &plan) : node(node), plan(plan) {}
  LogicalResult run();

private:
  int64_t sizeOf(Space space) const;
  LogicalResult checkBuffers();
  LogicalResult checkMembers(Space space);
  LogicalResult checkInterface();
  LogicalResult checkLocation(Operation *at, Value value);
  LogicalResult checkOperation(Operation *op);

  NodeOp node;
  const Plan &plan;
};

int64_t TableChecker::sizeOf(Space space) const {
  switch (space) {
  case Space::State: return plan.stateBytes;
  case Space::Scratch: return plan.scratchBytes;
  case Space::In: return plan.inBytes;
  case Space::Out: return plan.outBytes;
  case Space::Rom: return std::numeric_limits<int64_t>::max();
  }
  return 0;
}

LogicalResult TableChecker::checkBuffers() {
  for (const Buffer &b : plan.buffers) {
    int64_t bytes = b.bytes();
    if (b.offset < 0 || b.offset > sizeOf(b.space) - bytes)
      return node.emitError("buffer plan: buffer ") << b.id << " reaches outside " << name(b.space);
    int64_t alignment = b.space == Space::Scratch && bytes >= 64 ? 64 : elementBytes(b.element);
    if (bytes && b.offset % alignment)
      return node.emitError("buffer plan: buffer ") << b.id << " is not aligned to " << alignment << " bytes";
  }
  return success();
}

/// Members of a struct do not overlap.
LogicalResult TableChecker::checkMembers(Space space) {
  std::vector<std::pair<int64_t, int64_t>> members;
  for (const Buffer &b : plan.buffers)
    if (b.space == space && b.bytes()) members.push_back({b.offset, b.id});
  llvm::sort(members);
  for (size_t i = 1; i < members.size(); ++i) {
    const Buffer &previous = plan.buffers[members[i - 1].second];
    if (previous.offset + previous.bytes() > members[i].first)
      return node.emitError("buffer plan: buffers ")
             << previous.id << " and " << members[i].second << " of " << name(space) << " overlap";
  }
  return success();
}

LogicalResult TableChecker::checkInterface() {
  auto whole = [&](const Location &l, Type type, Space space) {
    const Buffer &b = plan.buffers[l.buffer];
    return b.space == space && l.offset == 0 && l.rows.empty() && b.element == elementOf(type) &&
           ArrayRef<int64_t>(b.shape) == shapeOf(type);
  };
  for (BlockArgument arg : bodyOf(node).getArguments()) {
    auto it = plan.locations.find(arg);
    if (it == plan.locations.end() || !whole(it->second, arg.getType(), Space::In))
      return node.emitError("buffer plan: argument ") << arg.getArgNumber() << " is no member of in";
  }
  auto results = node.getFunctionType().getResults();
  if (plan.outputs.size() != results.size())
    return node.emitError("buffer plan: has no entry for each output");
  llvm::DenseSet<int64_t> taken;
  for (auto [i, output] : llvm::enumerate(plan.outputs))
    if (!whole(output, results[i], Space::Out) || !taken.insert(output.buffer).second)
      return node.emitError("buffer plan: output ") << i << " is no member of out of its own";
  return success();
}

LogicalResult TableChecker::checkLocation(Operation *at, Value value) {
  const Location &l = plan.locations.find(value)->second;
  const Buffer &b = plan.buffers[l.buffer];
  if (b.element != elementOf(value.getType()))
    return at->emitError("buffer plan: element type differs from the buffer's");
  SmallVector<int64_t> lengths; // of the scans around, innermost first
  for (Operation *p = at->getParentOp(); p && !isa<NodeOp>(p); p = p->getParentOp())
    if (auto scan = dyn_cast<ScanOp>(p)) lengths.push_back(scan.getLength());
  int64_t first = l.offset, last = l.offset + elementCount(value.getType()), depth = -1;
  for (const Location::Row &row : l.rows) {
    if (row.depth >= lengths.size() || static_cast<int64_t>(row.depth) <= depth)
      return at->emitError("buffer plan: a row of a scan that is not around the value");
    depth = row.depth;
    int64_t reach = row.stride * std::max<int64_t>(0, lengths[lengths.size() - 1 - depth] - 1);
    (reach < 0 ? first : last) += reach;
  }
  if (llvm::is_contained(lengths, 0)) return success(); // never executed
  if (elementCount(value.getType()) && (first < 0 || last > b.elements()))
    return at->emitError("buffer plan: a value reaches outside its buffer ") << l.buffer;
  return success();
}

/// The slots whose content must survive the step.
static bool keptBetweenSteps(Operation *op) {
  if (!isa<FbyOp, WindowOp, RowsOp, FirstOp>(op)) return false;
  for (Operation *p = op->getParentOp(); p && !isa<NodeOp>(p); p = p->getParentOp())
    if (auto scan = dyn_cast<ScanOp>(p); scan && !scan.getResume()) return false;
  return true;
}

LogicalResult TableChecker::checkOperation(Operation *op) {
  auto scan = dyn_cast<ScanOp>(op->getParentOp());
  bool slot = isa<FbyOp, WindowOp, RowsOp, FirstOp>(op) && (!scan || scan.getResume());
  for (Value result : op->getResults()) {
    bool tensor = isa<RankedTensorType>(result.getType());
    if (!plan.locations.contains(result)) {
      if (tensor || slot) return op->emitError("buffer plan: a value without a location");
      continue;
    }
    if (!tensor && !slot) return op->emitError("buffer plan: a scalar that is no slot has a location");
    if (failed(checkLocation(op, result))) return failure();
    Space space = plan.buffers[plan.locations.find(result)->second.buffer].space;
    if (keptBetweenSteps(op) && space != Space::State)
      return op->emitError("buffer plan: a slot in ") << name(space);
    if (isa<ConstOp>(op) != (space == Space::Rom) && !isa<ReshapeOp, ScanOp, FinalOp, InitialOp>(op))
      return op->emitError("buffer plan: a value in ") << name(space);
  }
  return success();
}

LogicalResult TableChecker::run() {
  if (failed(checkBuffers()) || failed(checkInterface())) return failure();
  for (Space space : {Space::State, Space::In, Space::Out, Space::Rom})
    if (failed(checkMembers(space))) return failure();
  WalkResult walked = node->walk([&](Operation *op) {
    return op != node && failed(checkOperation(op)) ? WalkResult::interrupt() : WalkResult::advance();
  });
  return failure(walked.wasInterrupted());
}

} // namespace

LogicalResult checkTables(NodeOp node, const Plan &plan) { return TableChecker(node, plan).run(); }

LogicalResult validate(NodeOp node) {
  FailureOr<Plan> plan = read(node);
  if (failed(plan) || failed(checkTables(node, *plan))) return failure();
  return checkContents(node, *plan);
}

} // namespace mlr::store
