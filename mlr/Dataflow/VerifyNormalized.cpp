// What the verifiers of single operations cannot see: the normal form of time, and that no value needs
// itself.
#include "mlr/Dataflow/Flags.h"
#include "mlr/Dataflow/Passes.h"

using namespace mlir;

namespace mlr::dataflow {
namespace {

bool startsOnce(Block *block) {
  auto scan = dyn_cast<ScanOp>(block->getParentOp());
  return !scan || scan.getResume();
}

/// A value that is known before the first instant of the block's time.
bool isConstantOf(Value v, Block *block) {
  if (v.getDefiningOp<ConstOp>()) return true;
  return !startsOnce(block) && v.getParentBlock() != block;
}

LogicalResult verifyForm(Operation *op) {
  bool isCall = isa<CallOp>(op);
  if (auto call = dyn_cast<CallOp>(op)) { // functions with a derivative are called until Diff
    auto callee = SymbolTable::lookupNearestSymbolFrom<NodeOp>(op, call.getCalleeAttr());
    isCall = !callee || !(callee->hasAttr("derivative") || callee->hasAttr("mlr.rule"));
  }
  if (isCall || isa<PreOp>(op)) return op->emitOpError("is not part of the normal form");
  Flags flags = flagsOf(op);
  Block *block = op->getBlock();
  bool isRing = isa<WindowOp>(op) && startsOnce(block);
  for (Value flag : {flags.when, flags.reset})
    if (isRing && flag && !flag.getType().isInteger(1)) isRing = false;
  if (!isRing && (flags.reset || (flags.when && !isa<ScanOp>(op))))
    return op->emitOpError("has flags: normalise time first");
  if (auto fby = dyn_cast<FbyOp>(op)) {
    if (!isConstantOf(fby.getInit(), block))
      return op->emitOpError("starts from a value that is computed in its own time");
  } else if (auto eby = dyn_cast<EbyOp>(op)) {
    if (!isa<ScanOp>(block->getParentOp()))
      return op->emitOpError("stands outside of any scan: its time has no end");
    bool known = eby.getEnd().getDefiningOp<ConstOp>() || eby.getEnd().getParentBlock() != block;
    if (!known) return op->emitOpError("ends with a value that is computed in its own time");
  } else if (isa<FirstOp>(op)) {
    if (!startsOnce(block)) return op->emitOpError("stands in a scan that starts afresh: there it is t == 0");
  }
  if (isa<FbyOp, EbyOp, FirstOp, WindowOp>(op) && !isa<NodeOp, ScanOp>(block->getParentOp()))
    return op->emitOpError("stands in the body of a gen or reduce, which has no time");
  return success();
}

/// Looks for a cycle of operands that passes neither the value of an fby nor that of an eby. (Cycles through
/// both are judged by Schedule, which knows distances.) A gen counts with everything that its body captures;
/// a result of a scan leads to the operand of its yield.
class CycleFinder {
public:
  LogicalResult run(NodeOp node) {
    LogicalResult result = success();
    node.walk([&](Operation *op) {
      if (succeeded(result) && op != node.getOperation()) result = visit(op);
    });
    return result;
  }

private:
  static bool isBody(Operation *op) { return isa<GenOp, ReduceOp>(op); }

  /// The operation that computes on behalf of `op`: the outermost gen or reduce around it.
  static Operation *unitOf(Operation *op) {
    Operation *unit = op;
    for (Operation *p = op->getParentOp(); p && isBody(p); p = p->getParentOp()) unit = p;
    return unit;
  }

  static void addSource(Value v, Operation *unit, SmallVectorImpl<Operation *> &out) {
    auto result = dyn_cast<OpResult>(v);
    if (!result) return;
    if (auto scan = dyn_cast<ScanOp>(result.getOwner())) {
      Value inner = bodyOf(scan).getTerminator()->getOperand(result.getResultNumber());
      return addSource(inner, unit, out);
    }
    Operation *source = unitOf(result.getOwner());
    if (source != unit) out.push_back(source);
  }

  static SmallVector<Operation *> sources(Operation *unit) {
    SmallVector<Operation *> out;
    if (auto fby = dyn_cast<FbyOp>(unit)) addSource(fby.getInit(), unit, out);
    else if (auto eby = dyn_cast<EbyOp>(unit)) addSource(eby.getEnd(), unit, out);
    else if (isa<ScanOp>(unit)) return out;
    else
      unit->walk([&](Operation *op) {
        for (Value v : op->getOperands()) addSource(v, unit, out);
      });
    return out;
  }

  LogicalResult visit(Operation *start) {
    start = unitOf(start);
    struct Entry {
      Operation *op;
      SmallVector<Operation *> sources;
      size_t next = 0;
    };
    if (mark.lookup(start)) return success();
    std::vector<Entry> stack;
    auto push = [&](Operation *op) {
      mark[op] = 1;
      stack.push_back({op, sources(op), 0});
    };
    push(start);
    while (!stack.empty()) {
      Entry &e = stack.back();
      if (e.next == e.sources.size()) {
        mark[e.op] = 2;
        stack.pop_back();
        continue;
      }
      Operation *source = e.sources[e.next++];
      int m = mark.lookup(source);
      if (m == 1) return source->emitOpError("needs its own result at the same instant");
      if (m == 0) push(source);
    }
    return success();
  }

  DenseMap<Operation *, int> mark; // 0 new, 1 on the stack, 2 done
};

} // namespace

LogicalResult verifyNormalized(ModuleOp module) {
  for (NodeOp node : module.getOps<NodeOp>()) {
    WalkResult forms = node.walk([](Operation *op) {
      return failed(verifyForm(op)) ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (forms.wasInterrupted() || failed(CycleFinder().run(node))) return failure();
  }
  return success();
}

} // namespace mlr::dataflow
