// Invariant work moves outwards: out of scans when it depends on nothing inside, and out of gens and
// reductions, as a tensor over the indices that it does depend on, when it contains a reduction. Costly
// functions of indices and constants alone leave too: they are evaluated at compile time and become tables. So do those of
// indices and of what is the same at all instants of the scan around: they are computed once, before it.
#include "mlr/Dataflow/Effects.h"
#include "mlr/Dataflow/Rewrite.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace mlr::dataflow {
namespace {

bool isInside(Value v, mlir::Region &region) { return region.isAncestor(v.getParentRegion()); }

/// Whether an operation of the scan's region, its own regions included, uses only what the scan captures.
bool isInvariant(Operation *op, ScanOp scan) {
  bool invariant = true;
  op->walk([&](Operation *inner) {
    for (Value v : inner->getOperands()) {
      bool own =
          op->isAncestor(v.getParentRegion()->getParentOp()) && v.getParentRegion() != op->getParentRegion();
      if (!own && isInside(v, scan.getBody())) invariant = false;
    }
  });
  return invariant;
}

bool mayLeave(Operation *op) {
  if (auto inner = dyn_cast<ScanOp>(op)) return !inner.getResume() && !hasEffects(op);
  return isInstantaneous(op);
}

/// Operations are in order, so a chain of invariant ones leaves in one go; inner scans come first.
bool hoistFromScans(NodeOp node) {
  SmallVector<ScanOp> scans;
  node.walk([&](ScanOp scan) { scans.push_back(scan); });
  bool changed = false;
  for (ScanOp scan : scans)
    for (Operation &op : llvm::make_early_inc_range(bodyOf(scan).without_terminator())) {
      if (!mayLeave(&op) || !isInvariant(&op, scan)) continue;
      op.moveBefore(scan);
      changed = true;
    }
  return changed;
}

// ---- out of gens and reductions
// ----------------------------------------------------------------------------------

/// A chain of this many operations on constants and indices is worth a table of at most so many elements.
constexpr int64_t costlyChain = 12;
constexpr int64_t maxTable = 1 << 14;

int64_t bytesOf(mlir::Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  mlir::Type element = tensor ? tensor.getElementType() : type;
  return (tensor ? tensor.getNumElements() : 1) * std::max<int64_t>(1, element.getIntOrFloatBitWidth() / 8);
}

class BodyHoister {
public:
  explicit BodyHoister(Operation *root) : root(root) {}

  bool run() {
    SmallVector<ReduceOp> reduces;
    root->walk([&](ReduceOp reduce) {
      if (reduce != root) reduces.push_back(reduce);
    });
    bool changed = false;
    // One that was moved along with another is dead in this body.
    for (ReduceOp reduce : reduces)
      if (!reduce->use_empty()) changed |= hoist(reduce, Kind::Invariant);
    for (auto [op, isCostly] : tables())
      if (!op->use_empty()) changed |= hoist(op, isCostly ? Kind::Table : Kind::Replacement);
    return changed;
  }

private:
  /// What leaves: a reduction; a costly chain; a short one, if its table takes no more memory than the constants that it alone reads.
  enum class Kind { Invariant, Table, Replacement };

  static int64_t weight(Operation *op) {
    if (isa<DivOp, RemOp, SqrtOp>(op)) return 4;
    return isa<ConstOp, ConvertOp, ReadOp>(op) ? 0 : 1;
  }

  /// The last operations of chains on nothing but indices and constants, and whether they are costly; none if the whole body is one.
  SmallVector<std::pair<Operation *, bool>> tables() {
    DenseMap<Operation *, int64_t>
        chain; // operations on constants, indices and what is outside the scan, with the length of the chain behind
    auto scan = dyn_cast<ScanOp>(root->getParentOp());
    auto isOutside = [&](Value v) {
      return scan && scan.getLength() > 1 && !scan.getBody().isAncestor(v.getParentRegion());
    };
    SmallVector<Operation *> order;
    root->walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (op == root || op->getNumRegions() || op->getNumResults() != 1) return;
      int64_t length = weight(op);
      for (Value v : op->getOperands()) {
        Operation *def = v.getDefiningOp();
        bool isIndex = !def && isa<GenOp, ReduceOp>(v.getParentBlock()->getParentOp());
        if (isIndex || (def && isa<ConstOp>(def)) || isOutside(v)) continue;
        auto known = def ? chain.find(def) : chain.end();
        if (known == chain.end()) return;
        length += known->second;
      }
      chain[op] = std::min(length, heavyBody);
      order.push_back(op);
    });
    SmallVector<std::pair<Operation *, bool>> out;
    Operation *yield = bodyOf(root).getTerminator();
    bool isWhole = llvm::all_of(yield->getOperands(), [&](Value v) {
      return v.getDefiningOp() && chain.contains(v.getDefiningOp());
    });
    if (isWhole) return out;
    for (Operation *op : order) {
      bool isLast = llvm::any_of(op->getUsers(), [&](Operation *user) { return !chain.contains(user); });
      if (isLast && chain[op] >= 1 && !op->getResult(0).getType().isIndex()) out.push_back({op, chain[op] >= costlyChain});
    }
    return out;
  }

  /// The loop indices around `op` that it depends on, through whatever the bodies around compute.
  void collect(Operation *op, llvm::SmallSetVector<BlockArgument, 4> &loops, DenseSet<Operation *> &slice) {
    if (!slice.insert(op).second) return;
    op->walk([&](Operation *inner) {
      for (Value v : inner->getOperands()) {
        if (op->isAncestor(v.getParentRegion()->getParentOp()) &&
            v.getParentRegion() != op->getParentRegion())
          continue;
        if (!root->isAncestor(v.getParentRegion()->getParentOp()) ||
            v.getParentRegion() == root->getParentRegion())
          continue;
        if (auto argument = dyn_cast<BlockArgument>(v)) loops.insert(argument);
        else collect(v.getDefiningOp(), loops, slice);
      }
    });
  }

  /// Bytes of the constants that only these operations read.
  static int64_t bytesOfOwnConstants(const DenseSet<Operation *> &slice) {
    int64_t bytes = 0;
    for (Operation *op : slice) {
      auto read = dyn_cast<ReadOp>(op);
      auto constant = read ? read.getSource().getDefiningOp<ConstOp>() : ConstOp();
      if (constant && constant->hasOneUse()) bytes += bytesOf(constant.getResult().getType());
    }
    return bytes;
  }

  /// In front of the scan around, with the constants that the operations need.
  Operation *beforeScan(ArrayRef<Operation *> ops) {
    auto scan = dyn_cast<ScanOp>(root->getParentOp());
    if (!scan || scan.getLength() < 2) return root;
    for (Operation *op : ops)
      for (Value v : op->getOperands())
        if (auto constant = v.getDefiningOp<ConstOp>(); constant && constant->getBlock() == &bodyOf(scan))
          constant->moveBefore(scan);
    return scan;
  }

  bool hoist(Operation *target, Kind kind) {
    llvm::SmallSetVector<BlockArgument, 4> loops;
    DenseSet<Operation *> slice;
    collect(target, loops, slice);
    int64_t needed = 1;
    SmallVector<BlockArgument> axes(loops.begin(), loops.end());
    // Outer indices first, as the bodies nest.
    llvm::stable_sort(axes, [&](BlockArgument a, BlockArgument b) {
      Block *x = a.getOwner(), *y = b.getOwner();
      if (x == y) return a.getArgNumber() < b.getArgNumber();
      return x->getParentOp()->isProperAncestor(y->getParentOp());
    });
    SmallVector<int64_t> sizes;
    for (BlockArgument a : axes) {
      sizes.push_back(rangeOfIndex(a).high + 1);
      needed *= sizes.back();
    }
    if (kind != Kind::Invariant ? needed > maxTable : executions(target, root->getBlock()) <= needed) return false;
    if (kind == Kind::Replacement && needed * bytesOf(target->getResult(0).getType()) > bytesOfOwnConstants(slice)) return false;

    SmallVector<Operation *> ops; // of the slice, in order
    root->walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (slice.contains(op)) ops.push_back(op);
    });
    Operation *place = kind == Kind::Table ? beforeScan(ops) : root;
    OpBuilder b(place);
    IRMapping mapping;
    Location loc = target->getLoc();
    Value result = target->getResult(0);
    if (axes.empty()) {
      for (Operation *op : ops) b.clone(*op, mapping);
      result.replaceAllUsesWith(mapping.lookup(result));
      return true;
    }
    auto gen = GenOp::create(b, loc, RankedTensorType::get(sizes, result.getType()));
    Block *body = b.createBlock(&gen.getBody());
    for (BlockArgument a : axes) mapping.map(a, body->addArgument(b.getIndexType(), loc));
    for (Operation *op : ops) b.clone(*op, mapping);
    YieldOp::create(b, loc, mapping.lookup(result));
    b.setInsertionPoint(target);
    SmallVector<AffineExpr> indices;
    SmallVector<Value> operands(axes.begin(), axes.end());
    for (size_t k = 0; k < axes.size(); ++k) indices.push_back(b.getAffineDimExpr(k));
    result.replaceAllUsesWith(createRead(b, loc, gen.getResult(), indices, operands).getResult());
    return true;
  }

  Operation *root;
};

} // namespace

bool hoistInvariants(NodeOp node) {
  bool changed = hoistFromScans(node);
  SmallVector<Operation *> roots;
  node.walk([&](Operation *op) {
    if (isa<GenOp, ReduceOp>(op) && isa<NodeOp, ScanOp>(op->getParentOp())) roots.push_back(op);
  });
  for (Operation *root : roots) changed |= BodyHoister(root).run();
  return changed;
}

} // namespace mlr::dataflow
