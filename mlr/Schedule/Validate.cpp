// Re-checks a scheduled node. Shares nothing with the planner: reads only the dialect's definition of time.
#include "mlr/Schedule/Schedule.h"

#include "mlr/Dataflow/Effects.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::schedule {

namespace {

class Validator {
public:
  explicit Validator(NodeOp node) : node(node) {}

  LogicalResult run() {
    if (!node.getScheduled()) return node.emitOpError("is not scheduled");
    if (failed(body(node))) return failure();
    bool ok = succeeded(effects());
    node.walk([&](ScanOp scan) { ok &= succeeded(this->scan(scan)) && succeeded(body(scan)); });
    return success(ok);
  }

private:
  NodeOp node;

  // Each call with effects stands once, in upward sweeps, in the order of ranks.
  LogicalResult effects() {
    LogicalResult result = success();
    std::optional<SmallVector<int64_t>> last;
    node.walk<WalkOrder::PreOrder>([&](ExternOp call) {
      if (call.getPure() || failed(result)) return;
      SmallVector<int64_t> rank(call.getRank());
      if (last && !(*last < rank)) result = call.emitOpError("is called twice, or out of order");
      last = rank;
      for (Operation *p = call->getParentOp(); p != node.getOperation(); p = p->getParentOp())
        if (auto scan = dyn_cast<ScanOp>(p); scan && scan.getSweep() == Direction::Down)
          result = call.emitOpError("is called in a down sweep");
    });
    return result;
  }

  // Whether the operand is the value of the instant executed before.
  static bool fromBefore(Operation *op, unsigned operand, bool up) {
    return (isa<FbyOp>(op) && up && operand == 1) || (isa<EbyOp>(op) && !up && operand == 0);
  }

  LogicalResult body(Operation *owner) {
    auto scan = dyn_cast<ScanOp>(owner);
    bool up = !scan || scan.getSweep() == Direction::Up;
    DenseMap<Operation *, unsigned> place;
    unsigned number = 0;
    for (Operation &op : bodyOf(owner)) place[&op] = number++;
    for (Operation &op : bodyOf(owner)) {
      if (failed(operation(&op, scan, up))) return failure();
      LogicalResult result = success();
      op.walk([&](Operation *inner) {
        for (OpOperand &operand : inner->getOpOperands())
          if (failed(use(operand, &op, up, place))) result = failure();
      });
      if (failed(result)) return failure();
    }
    return success();
  }

  // An operand of `op`, or of something inside it, that is defined in the same body.
  LogicalResult use(OpOperand &operand, Operation *op, bool up,
                    const DenseMap<Operation *, unsigned> &place) {
    Operation *def = operand.get().getDefiningOp(), *user = operand.getOwner();
    auto it = def ? place.find(def) : place.end();
    if (it == place.end()) return success();
    bool isEnd = isa<FinalOp, InitialOp, StackOp, CountOp>(def);
    if (isEnd && !isa<YieldOp>(op))
      return user->emitOpError("reads an end value inside the sweep that computes it");
    if (user == op && fromBefore(op, operand.getOperandNumber(), up)) return success();
    if (it->second >= place.lookup(op))
      return user->emitOpError("reads a value that is computed later in the instant");
    return success();
  }

  LogicalResult operation(Operation *op, ScanOp scan, bool up) {
    if (isa<PreOp, CallOp>(op)) return op->emitOpError("does not stand in a scheduled node");
    if (isa<FbyOp, WindowOp, UntilOp>(op) && !up) return op->emitOpError("stands in a down sweep");
    if (isa<EbyOp>(op) && up) return op->emitOpError("stands in an up sweep");
    if (isa<FirstOp>(op) && scan && !scan.getResume())
      return op->emitOpError("stands in a scan that does not resume");
    if (isa<YieldOp>(op) && scan)
      for (Value v : op->getOperands())
        if (Operation *def = v.getDefiningOp();
            def && def->getBlock() == op->getBlock() && !isa<FinalOp, InitialOp, StackOp, CountOp>(def))
          return op->emitOpError("hands out a value that changes from instant to instant");
    return success();
  }

  LogicalResult scan(ScanOp scan) {
    if (!scan.getSweep()) return scan.emitOpError("has no direction");
    bool until = llvm::any_of(bodyOf(scan), [](Operation &op) { return isa<UntilOp>(op); });
    if (until && scan.getUpto()) return scan.emitOpError("both finds its number of instants and is given it");
    if (scan.getResume() && scan.getSweep() == Direction::Down)
      return scan.emitOpError("keeps state in a down sweep");
    if (scan.getUpto() && failed(bound(scan, scan.getUpto()))) return failure();
    return carriesState(scan) ? parentResumes(scan) : success();
  }

  // A bound that is visibly a constant or the count of a scan (perhaps kept for a later sweep of the time
  // around) must fit.
  LogicalResult bound(ScanOp scan, Value upto) {
    int64_t length = scan.getLength();
    while (Operation *def = upto.getDefiningOp()) {
      if (auto constant = dyn_cast<ConstOp>(def)) {
        auto n = dyn_cast<IntegerAttr>(constant.getValue());
        bool fits = n && n.getInt() >= 1 && n.getInt() <= length;
        return fits ? success() : LogicalResult(scan.emitOpError("runs up to an instant outside its length"));
      }
      if (auto counted = dyn_cast<CountOp>(def)) {
        bool same = static_cast<int64_t>(cast<ScanOp>(counted->getParentOp()).getLength()) == length;
        return same ? success()
                    : LogicalResult(scan.emitOpError("runs up to the count of a scan of another length"));
      }
      if (auto read = dyn_cast<ReadOp>(def)) upto = read.getSource();
      else if (auto stack = dyn_cast<StackOp>(def)) upto = stack.getValue();
      else if (auto part = dyn_cast<ScanOp>(def))
        upto = bodyOf(part).getTerminator()->getOperand(cast<OpResult>(upto).getResultNumber());
      else break;
    }
    return success();
  }

  static bool carriesState(ScanOp scan) {
    return scan.getResume() &&
           llvm::any_of(bodyOf(scan), [](Operation &op) { return isa<FbyOp, FirstOp, WindowOp>(op); });
  }

  // State that survives a run of the scan is a forward recurrence of the time around it.
  LogicalResult parentResumes(ScanOp scan) {
    for (auto outer = dyn_cast<ScanOp>(scan->getParentOp()); outer;
         outer = dyn_cast<ScanOp>(outer->getParentOp())) {
      if (outer.getSweep() == Direction::Down) return scan.emitOpError("carries state through a down sweep");
      if (!outer.getResume()) break;
    }
    return success();
  }
};

} // namespace

LogicalResult validate(NodeOp node) { return Validator(node).run(); }

} // namespace mlr::schedule
