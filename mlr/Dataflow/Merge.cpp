// Equal operations become one. A table of the operations seen, one a block, looked up from the innermost
// block outwards.
#include "mlr/Dataflow/Effects.h"
#include "mlr/Dataflow/Order.h"
#include "mlr/Dataflow/Rewrite.h"

using namespace mlir;

namespace mlr::dataflow {
namespace {

/// Ops whose `name` says only what their state is called.
bool hasStateName(Operation *op) { return isa<FbyOp, EbyOp, PreOp, FirstOp, WindowOp>(op); }

/// Structural hash: captured values by identity, values of the operation's own regions by position.
class Hasher {
public:
  llvm::hash_code hash(Operation *op) {
    llvm::hash_code h = llvm::hash_value(op->getName().getAsOpaquePointer());
    if (!hasStateName(op)) h = llvm::hash_combine(h, op->hashProperties());
    for (mlir::Type t : op->getResultTypes()) h = llvm::hash_combine(h, t.getAsOpaquePointer());
    for (Value v : op->getOperands()) {
      auto own = numbers.find(v);
      h = own == numbers.end() ? llvm::hash_combine(h, v.getAsOpaquePointer())
                               : llvm::hash_combine(h, own->second);
    }
    for (mlir::Region &region : op->getRegions())
      for (Block &block : region) {
        for (BlockArgument a : block.getArguments()) numbers[a] = ++next;
        for (Operation &inner : block) {
          h = llvm::hash_combine(h, hash(&inner));
          for (Value r : inner.getResults()) numbers[r] = ++next;
        }
      }
    return h;
  }

private:
  DenseMap<Value, unsigned> numbers;
  unsigned next = 0;
};

bool isEqual(Operation *a, Operation *b) {
  if (!hasStateName(a))
    return OperationEquivalence::isEquivalentTo(a, b, OperationEquivalence::Flags::IgnoreLocations);
  auto flags = [](Operation *op) { return op->getAttrOfType<DenseI32ArrayAttr>("operandSegmentSizes"); };
  return a->getName() == b->getName() && a->getResultTypes() == b->getResultTypes() &&
         a->getOperands() == b->getOperands() && flags(a) == flags(b);
}

using Table = std::unordered_multimap<size_t, Operation *>;

class Merger {
public:
  explicit Merger(NodeOp node) : node(node) {}

  bool run() {
    visit(node.getBody().front());
    for (Operation *op : dead) op->erase();
    return !dead.empty();
  }

private:
  void visit(Block &block) {
    tables.emplace_back();
    bool inBody = !isa<NodeOp, ScanOp>(block.getParentOp());
    for (Operation &op : llvm::make_early_inc_range(block)) {
      for (mlir::Region &region : op.getRegions())
        for (Block &inner : region) visit(inner);
      if (op.getNumResults() == 0 || isa<ScanOp, CallOp>(op) || hasEffects(&op)) continue;
      // What has a time is equal only within its own.
      size_t first = inBody || isInstantaneous(&op) ? 0 : tables.size() - 1;
      size_t h = Hasher().hash(&op);
      if (Operation *equal = find(&op, h, first)) {
        op.replaceAllUsesWith(equal);
        dead.push_back(&op);
      } else {
        tables.back().emplace(h, &op);
      }
    }
    tables.pop_back();
  }

  Operation *find(Operation *op, size_t hash, size_t first) {
    for (size_t t = tables.size(); t-- > first;) {
      auto [begin, end] = tables[t].equal_range(hash);
      for (auto it = begin; it != end; ++it)
        if (isEqual(it->second, op)) return it->second;
    }
    return nullptr;
  }

  NodeOp node;
  std::vector<Table> tables;
  std::vector<Operation *> dead;
};

} // namespace

bool mergeEqual(NodeOp node) {
  orderOperations(node);
  return Merger(node).run();
}

} // namespace mlr::dataflow
