// Scalars that a branch chooses are stored in its arms, and not at all in an arm that leaves them what they
// are. Adjacent stores behind all branches would be joined to vectors by compilers, which is slower than the
// stores.
#include "mlr/Loops/Branches.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace mlr::loops {
namespace {

/// Views that share no byte with another one: what else touches their memory goes through them.
std::vector<memref::ViewOp> separateViews(Block &block) {
  struct Span {
    memref::ViewOp view;
    unsigned space;
    int64_t begin, end;
  };
  std::vector<Span> spans;
  for (auto view : block.getOps<memref::ViewOp>()) {
    auto space = dyn_cast<BlockArgument>(view.getSource());
    IntegerAttr offset;
    if (!space || !matchPattern(view.getByteShift(), m_Constant(&offset))) return {};
    MemRefType type = view.getType();
    int64_t bytes = type.getNumElements() * ((type.getElementTypeBitWidth() + 7) / 8);
    spans.push_back({view, space.getArgNumber(), offset.getInt(), offset.getInt() + bytes});
  }
  llvm::stable_sort(spans, [](const Span &x, const Span &y) {
    return std::tie(x.space, x.begin) < std::tie(y.space, y.begin);
  });
  std::vector<memref::ViewOp> out;
  int64_t end = -1;
  for (size_t k = 0; k < spans.size(); ++k) {
    bool isNew = k == 0 || spans[k].space != spans[k - 1].space;
    bool isFree = isNew || spans[k].begin >= end;
    end = isNew ? spans[k].end : std::max(end, spans[k].end);
    bool isLast = k + 1 == spans.size() || spans[k + 1].space != spans[k].space;
    if (isFree && (isLast || spans[k + 1].begin >= spans[k].end)) out.push_back(spans[k].view);
  }
  return out;
}

/// The one store to a view of one element, if it is in the block and all other uses load.
memref::StoreOp onlyStore(memref::ViewOp view, Block &block) {
  memref::StoreOp found;
  if (view.getType().getNumElements() != 1) return {};
  for (Operation *user : view.getResult().getUsers()) {
    if (isa<memref::LoadOp>(user)) continue;
    auto store = dyn_cast<memref::StoreOp>(user);
    if (!store || found || store.getMemRef() != view.getResult() || store->getBlock() != &block) return {};
    found = store;
  }
  return found;
}

bool isLoadOf(Value v, Value view) {
  // A bool is what its byte in memory differs from 0 by.
  if (auto differs = v.getDefiningOp<arith::CmpIOp>(); differs &&
                                                       differs.getPredicate() == arith::CmpIPredicate::ne &&
                                                       matchPattern(differs.getRhs(), m_Zero()))
    v = differs.getLhs();
  auto load = v.getDefiningOp<memref::LoadOp>();
  return load && load.getMemRef() == view;
}

class Sinking {
public:
  explicit Sinking(memref::StoreOp store) : store(store), view(store.getMemRef()) {
    value = store.getValueToStore();
    if (auto bit = value.getDefiningOp<arith::ExtUIOp>(); bit && bit.getIn().getType().isInteger(1))
      value = bit.getIn();
  }

  void run() {
    scf::IfOp branch = branchOf(value, *store->getBlock());
    if (!branch) return;
    sink(branch, value);
    Operation *widened = store.getValueToStore().getDefiningOp();
    store.erase();
    if (isa_and_nonnull<arith::ExtUIOp>(widened) && widened->use_empty()) widened->erase();
  }

private:
  /// The branch of the block that gives the value, if nothing behind it in the block loads what is stored.
  scf::IfOp branchOf(Value v, Block &block) const {
    auto branch = v.getDefiningOp<scf::IfOp>();
    if (!branch || branch->getBlock() != &block) return {};
    for (Operation *user : view.getUsers()) {
      Operation *at = block.findAncestorOpInBlock(*user);
      if (at && isa<memref::LoadOp>(user) && branch->isBeforeInBlock(at)) return {};
    }
    return branch;
  }

  void sink(scf::IfOp branch, Value v) {
    unsigned number = cast<OpResult>(v).getResultNumber();
    for (Block *arm : {branch.thenBlock(), branch.elseBlock()}) {
      Value here = arm->getTerminator()->getOperand(number);
      if (isLoadOf(here, view)) continue;
      if (scf::IfOp inner = branchOf(here, *arm)) {
        sink(inner, here);
        continue;
      }
      OpBuilder b(arm->getTerminator());
      if (here.getType() != store.getValueToStore().getType())
        here = arith::ExtUIOp::create(b, store.getLoc(), store.getValueToStore().getType(), here);
      memref::StoreOp::create(b, store.getLoc(), here, view, store.getIndices());
    }
  }

  memref::StoreOp store;
  Value view, value;
};

/// Drops results that nobody uses; the outermost branch first, since its arms may be what used those of
/// others.
void dropResults(scf::IfOp branch) {
  SmallVector<unsigned> kept;
  SmallVector<Type> types;
  for (OpResult r : branch.getResults())
    if (!r.use_empty()) {
      kept.push_back(r.getResultNumber());
      types.push_back(r.getType());
    }
  if (kept.size() == branch.getNumResults()) return;
  OpBuilder b(branch);
  auto with = scf::IfOp::create(b, branch.getLoc(), types, branch.getCondition(), /*addThenBlock=*/false,
                                /*addElseBlock=*/false);
  for (unsigned k : {0, 1}) {
    with->getRegion(k).takeBody(branch->getRegion(k));
    Operation *yield = with->getRegion(k).front().getTerminator();
    SmallVector<Value> values;
    for (unsigned n : kept) values.push_back(yield->getOperand(n));
    yield->setOperands(values);
  }
  for (auto [n, result] : llvm::zip(kept, with.getResults())) branch.getResult(n).replaceAllUsesWith(result);
  branch.erase();
}

/// Brings the loads of scalars of an instant to their first use, and the stores to where the value is known and the old one was
/// loaded: what lives from the first operation of an instant to the last one costs registers.
class Placing {
public:
  explicit Placing(Block &block) : block(block) {
    for (auto [k, op] : llvm::enumerate(block)) {
      operations.push_back(&op);
      keys[&op] = {k, 1};
    }
  }

  void run() {
    for (memref::ViewOp view : separateViews(block))
      if (memref::StoreOp store = onlyStore(view, block); store && isBehindLoads(store)) stores.insert(store);
    for (Operation *store : stores)
      for (Operation *user : store->getOperand(1).getUsers())
        if (user != store && user->getBlock() == &block) delay(user);
    for (Operation *store : stores) place(cast<memref::StoreOp>(store));
    llvm::stable_sort(operations, [&](Operation *x, Operation *y) { return keys.lookup(x) < keys.lookup(y); });
    for (Operation *op : operations) {
      op->remove();
      block.push_back(op);
    }
  }

private:
  using Key = std::pair<size_t, int>; ///< the place of an operation, and before it, itself or behind it

  size_t placeOf(Operation *user) const { return keys.lookup(block.findAncestorOpInBlock(*user)).first; }

  /// Whether all loads of what is stored are of the old value.
  bool isBehindLoads(memref::StoreOp store) const {
    return llvm::all_of(store.getMemRef().getUsers(),
                        [&](Operation *user) { return user == store || placeOf(user) < placeOf(store); });
  }

  void delay(Operation *load) {
    size_t first = SIZE_MAX;
    for (Operation *user : load->getUsers())
      if (!stores.contains(user)) first = std::min(first, placeOf(user));
    if (first != SIZE_MAX && first > keys[load].first) keys[load] = {first, 0};
  }

  /// Behind the value and the loads of the old one: mostly to an earlier place, a later one where these were delayed.
  void place(memref::StoreOp store) {
    Operation *widened = store.getValueToStore().getDefiningOp<arith::ExtUIOp>();
    if (widened && (!widened->hasOneUse() || widened->getBlock() != &block)) widened = nullptr;
    Value value = widened ? widened->getOperand(0) : store.getValueToStore();
    size_t after = keys.lookup(store.getMemRef().getDefiningOp()).first;
    auto isBehind = [&](Operation *op) {
      if (op && op->getBlock() == &block) after = std::max(after, keys.lookup(op).first);
    };
    isBehind(value.getDefiningOp());
    for (Value index : store.getIndices()) isBehind(index.getDefiningOp());
    for (Operation *user : store.getMemRef().getUsers())
      if (user != store) isBehind(block.findAncestorOpInBlock(*user));
    if (widened) keys[widened] = {after, 2};
    keys[store] = {after, 2};
  }

  Block &block;
  llvm::SmallSetVector<Operation *, 16> stores; ///< those that move; behind the loads that they take
  std::vector<Operation *> operations;
  DenseMap<Operation *, Key> keys;
};

} // namespace

void placeAccesses(func::FuncOp function) { Placing(function.getBody().front()).run(); }

void storeInBranches(func::FuncOp function) {
  Block &block = function.getBody().front();
  for (memref::ViewOp view : separateViews(block))
    if (memref::StoreOp store = onlyStore(view, block)) Sinking(store).run();
  SmallVector<scf::IfOp> branches;
  function.walk<WalkOrder::PreOrder>([&](scf::IfOp branch) {
    if (branch.getNumResults()) branches.push_back(branch);
  });
  for (scf::IfOp branch : branches) dropResults(branch);
}

} // namespace mlr::loops
