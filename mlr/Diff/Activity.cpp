#include "mlr/Diff/Adjoint.h"

#include "mlir/IR/IRMapping.h"

namespace mlr::diff {

bool isFloat(Value v) { return isa<FloatType>(elementOf(v.getType())); }

ScanOp scanOf(Operation *op) { return dyn_cast<ScanOp>(op->getBlock()->getParentOp()); }

bool isEnd(Value v) {
  return v.getDefiningOp<FinalOp>() || v.getDefiningOp<InitialOp>() || v.getDefiningOp<StackOp>() ||
         v.getDefiningOp<CountOp>();
}

Block *levelOf(Value v) {
  Block *block = v.getParentBlock();
  return isEnd(v) ? block->getParentOp()->getBlock() : block;
}

bool Activity::isOfTimeAround(Operation *op) const {
  ScanOp scan = scanOf(op);
  return !scan || scan->isAncestor(block->getParentOp());
}

/// What the value needs at the same instant, or at other instants of a scan that the derivative runs through.
template <class F> void Activity::forEachSource(Value v, F f) {
  Operation *op = v.getDefiningOp();
  if (!op || variables.contains(v) || isa<StopOp, ConstOp>(op)) return;
  if (isa<FbyOp, EbyOp, WindowOp, FinalOp, InitialOp, StackOp>(op) && isOfTimeAround(op)) return;
  if (auto scan = dyn_cast<ScanOp>(op)) {
    if (!scan->isAncestor(block->getParentOp()))
      f(dataflow::bodyOf(scan).getTerminator()->getOperand(cast<OpResult>(v).getResultNumber()));
    return;
  }
  if (isa<VjpOp, JvpOp>(op)) {
    blocker = op;
    return;
  }
  for (Value operand : op->getOperands()) f(operand);
  if (!isa<GenOp, ReduceOp>(op)) return;
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      if (!op->isAncestor(operand.getParentBlock()->getParentOp())) f(operand);
  });
}

bool Activity::isBehind(Value v) {
  llvm::SetVector<Value> needed;
  needed.insert(v);
  for (size_t next = 0; next < needed.size(); ++next) {
    if (variables.contains(needed[next])) return true;
    forEachSource(needed[next], [&](Value source) {
      if (isFloat(source)) needed.insert(source);
    });
    if (blocker) return true;
  }
  return false;
}

bool Activity::run(Value value) {
  llvm::SetVector<Value> needed;
  DenseMap<Value, SmallVector<Value, 2>> users;
  needed.insert(value);
  for (size_t next = 0; next < needed.size(); ++next) {
    Value v = needed[next];
    forEachSource(v, [&](Value source) {
      if (!isFloat(source)) return;
      users[source].push_back(v);
      needed.insert(source);
    });
    if (blocker) return false;
  }
  llvm::SetVector<Value> reached;
  for (Value v : variables)
    if (needed.contains(v)) reached.insert(v);
  for (size_t next = 0; next < reached.size(); ++next)
    for (Value user : users.lookup(reached[next])) reached.insert(user);
  for (Value v : needed)
    if (reached.contains(v)) active.insert(v);
  return true;
}

FailureOr<Value> bringInside(Block *block, const Activity &activity, Value value, ArrayRef<Value> variables) {
  llvm::SetVector<Operation *> outside;
  for (Value v : activity.values()) {
    if (llvm::is_contained(variables, v)) continue;
    Operation *op = v.getDefiningOp();
    if (block->getParentOp()->isAncestor(op->getBlock()->getParentOp())) continue; // in it, or in a scan of it
    while (!op->getBlock()->getParentOp()->isAncestor(block->getParentOp())) op = op->getParentOp();
    if (auto scan = dyn_cast<ScanOp>(op); scan && scan.getResume()) {
      scan.emitError("a derivative inside a scan cannot run through a scan of the time around it that resumes");
      return failure();
    }
    outside.insert(op);
  }
  IRMapping mapping;
  SmallVector<Operation *> copies;
  OpBuilder b(block, block->begin());
  for (Operation *op : outside) copies.push_back(b.clone(*op, mapping));
  for (Operation *copy : copies)
    copy->walk([&](Operation *op) {
      for (OpOperand &operand : op->getOpOperands()) operand.set(mapping.lookupOrDefault(operand.get()));
    });
  return mapping.lookupOrDefault(value);
}

} // namespace mlr::diff
