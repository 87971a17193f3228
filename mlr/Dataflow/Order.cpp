#include "mlr/Dataflow/Order.h"

using namespace mlir;

namespace mlr::dataflow {

static void forEachOwnOperand(Operation *op, llvm::function_ref<void(Value)> f) {
  // Whether an instant is active decides what the next one sees; a reset is seen at once.
  auto seen = [&](Value v, Value reset) {
    f(v);
    if (reset) f(reset);
  };
  if (auto fby = dyn_cast<FbyOp>(op)) return seen(fby.getInit(), fby.getReset());
  if (auto eby = dyn_cast<EbyOp>(op)) return f(eby.getEnd());
  if (isa<PreOp>(op)) return;
  if (auto first = dyn_cast<FirstOp>(op)) return first.getReset() ? f(first.getReset()) : void();
  for (Value v : op->getOperands()) f(v);
}

void forEachInstantOperand(Operation *op, llvm::function_ref<void(Value)> f) {
  if (op->getNumRegions() == 0) return forEachOwnOperand(op, f);
  op->walk([&](Operation *inner) {
    forEachOwnOperand(inner, f);
    // What a scan captures is a constant of its time: a delay in it reads that at this instant too.
    if (inner != op && isa<FbyOp, EbyOp, PreOp>(inner))
      for (Value v : inner->getOperands())
        if (Operation *def = v.getDefiningOp(); def && !op->isAncestor(def)) f(v);
  });
}

/// The operation of `block` that contains or is the definition of the value; null when it is defined
/// elsewhere.
static Operation *definitionIn(Block *block, Value v) {
  Operation *def = v.getDefiningOp();
  return def ? block->findAncestorOpInBlock(*def) : nullptr;
}

static void orderBlock(Block &block) {
  struct Entry {
    Operation *op;
    SmallVector<Operation *, 4> sources;
    size_t next = 0;
  };
  DenseSet<Operation *> seen;
  SmallVector<Operation *> all, order;
  for (Operation &op : block) all.push_back(&op);
  std::vector<Entry> stack;
  auto push = [&](Operation *op) {
    if (!seen.insert(op).second) return;
    Entry e{op, {}, 0};
    forEachInstantOperand(op, [&](Value v) {
      Operation *source = definitionIn(&block, v);
      if (source && source != op && !seen.contains(source)) e.sources.push_back(source);
    });
    stack.push_back(std::move(e));
  };
  for (Operation *root : all) {
    push(root);
    while (!stack.empty()) {
      Entry &e = stack.back();
      if (e.next < e.sources.size()) {
        push(e.sources[e.next++]);
        continue;
      }
      order.push_back(e.op);
      stack.pop_back();
    }
  }
  Operation *terminator = block.mightHaveTerminator() ? block.getTerminator() : nullptr;
  for (Operation *op : order)
    if (op != terminator) op->moveBefore(&block, block.end());
  if (terminator) terminator->moveBefore(&block, block.end());
}

void orderOperations(NodeOp node) {
  SmallVector<Block *> blocks{&node.getBody().front()};
  node.walk([&](ScanOp scan) { blocks.push_back(&scan.getBody().front()); });
  for (Block *block : blocks) orderBlock(*block);
}

} // namespace mlr::dataflow
