// A reduction over a whole tensor runs through its elements one after the other. Where each is a reduction itself, as in the sum of the squares of
// a convolution, they are computed side by side, as a tensor, before.
#include "mlr/Dataflow/Passes.h"
#include "mlr/Dataflow/Rewrite.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace mlr::dataflow {
namespace {

/// Terms of an inner reduction from which on storing its result costs little beside it.
constexpr int64_t fewTerms = 8;
/// Elements of the tensor, which should stay in a cache.
constexpr int64_t mostElements = 1 << 17;

int64_t product(ArrayRef<int64_t> sizes) {
  int64_t n = 1;
  for (int64_t size : sizes) n = std::min<int64_t>(n * size, INT32_MAX);
  return n;
}

bool isWorthwhile(ReduceOp outer, ReduceOp inner) {
  int64_t elements = product(outer.getSizes());
  if (elements < enoughLanes || elements > mostElements || product(inner.getSizes()) < fewTerms || inner.getInit()) return false;
  // What does not depend on all indices was hoisted where that pays.
  llvm::SmallPtrSet<Value, 8> used;
  inner->walk([&](Operation *op) { used.insert(op->operand_begin(), op->operand_end()); });
  return llvm::all_of(bodyOf(outer).getArguments(), [&](Value a) { return used.contains(a); });
}

/// Copies what the value needs of the body to the builder's place.
void copyNeeded(Operation *op, Block &body, OpBuilder &b, IRMapping &mapping) {
  if (mapping.contains(op->getResult(0))) return;
  op->walk([&](Operation *inner) {
    for (Value v : inner->getOperands())
      if (Operation *def = v.getDefiningOp(); def && def->getBlock() == &body) copyNeeded(def, body, b, mapping);
  });
  b.clone(*op, mapping);
}

void split(ReduceOp outer, ReduceOp inner) {
  OpBuilder b(outer);
  Location loc = inner.getLoc();
  auto gen = GenOp::create(b, loc, RankedTensorType::get(outer.getSizes(), inner.getType()));
  Block *body = b.createBlock(&gen.getBody());
  IRMapping mapping;
  for (Value a : bodyOf(outer).getArguments()) mapping.map(a, body->addArgument(b.getIndexType(), loc));
  copyNeeded(inner, bodyOf(outer), b, mapping);
  YieldOp::create(b, loc, mapping.lookup(inner.getResult()));
  b.setInsertionPoint(inner);
  SmallVector<AffineExpr> exprs;
  for (unsigned k = 0; k < outer.getSizes().size(); ++k) exprs.push_back(b.getAffineDimExpr(k));
  inner.getResult().replaceAllUsesWith(createRead(b, loc, gen.getResult(), exprs, bodyOf(outer).getArguments()).getResult());
}

} // namespace

LogicalResult splitReductions(ModuleOp module) {
  for (NodeOp node : module.getOps<NodeOp>()) {
    SmallVector<ReduceOp> outer;
    node.walk([&](ReduceOp reduce) {
      if (isa<NodeOp, ScanOp>(reduce->getParentOp())) outer.push_back(reduce);
    });
    bool changed = false;
    for (ReduceOp reduce : outer)
      for (auto inner : llvm::make_early_inc_range(bodyOf(reduce).getOps<ReduceOp>())) {
        if (inner->use_empty() || !isWorthwhile(reduce, inner)) continue;
        split(reduce, inner);
        changed = true;
      }
    if (changed) dropDead(node);
  }
  return success();
}

} // namespace mlr::dataflow
