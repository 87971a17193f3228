#include "mlr/Dataflow/Effects.h"
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
  if (auto window = dyn_cast<WindowOp>(op); window && isOfTimeAround(op)) { // of this instant: its newest element, at first the older ones
    f(window.getValue());
    return f(window.getInit());
  }
  if (isa<FbyOp, EbyOp, FinalOp, InitialOp, StackOp>(op) && isOfTimeAround(op)) return;
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

/// The operation at the level of `block` that holds `op`; null: it stands outside.
static Operation *holderIn(Block *block, Operation *op) {
  while (op && op->getBlock() != block) op = op->getParentOp();
  return op;
}

/// Whether the operation, or one inside it, uses a result of one of them.
static bool usesResultOf(const llvm::SetVector<Operation *> &sources, Operation *user) {
  return user->walk([&](Operation *op) {
    bool uses = llvm::any_of(op->getOperands(), [&](Value v) { return sources.contains(v.getDefiningOp()); });
    return uses ? WalkResult::interrupt() : WalkResult::advance();
  }).wasInterrupted();
}

FailureOr<Value> bringInside(Block *block, const Activity &activity, Value value, ArrayRef<Value> variables) {
  llvm::SetVector<Operation *> copied, inside;
  Operation *own = block->getParentOp();
  for (Value v : activity.values()) {
    if (llvm::is_contained(variables, v)) continue;
    Operation *op = v.getDefiningOp();
    if (Operation *holder = holderIn(block, op)) {
      inside.insert(holder);
      continue;
    }
    while (!op->getBlock()->getParentOp()->isAncestor(own)) op = op->getParentOp();
    copied.insert(op);
  }
  // What needs a copy is copied in turn: other derivatives mean the originals.
  for (bool any = !copied.empty(); any;) {
    any = false;
    for (Operation *op : inside)
      if (!copied.contains(op) && usesResultOf(copied, op)) any = copied.insert(op);
  }
  IRMapping mapping;
  SmallVector<Operation *> copies;
  OpBuilder b(block, block->begin());
  for (Operation *op : copied) {
    if (hasEffects(op)) {
      op->emitError("a derivative inside a scan cannot run through a scan of the time around it that calls C functions with effects");
      return failure();
    }
    copies.push_back(b.clone(*op, mapping));
  }
  for (Operation *copy : copies)
    copy->walk([&](Operation *op) {
      for (OpOperand &operand : op->getOpOperands()) operand.set(mapping.lookupOrDefault(operand.get()));
    });
  return mapping.lookupOrDefault(value);
}

} // namespace mlr::diff
