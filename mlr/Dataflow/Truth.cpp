#include "mlr/Dataflow/Truth.h"

#include "mlr/Dataflow/Constants.h"
#include "mlr/Dataflow/Evaluate.h"
#include "mlr/Dataflow/Rewrite.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace mlr::dataflow {

/// Indices that a condition is evaluated at.
constexpr int64_t mostIndices = 4'000'000;

void Truth::forEach(llvm::function_ref<void(ArrayRef<int64_t>, bool)> f) const {
  SmallVector<int64_t> at(sizes.size(), 0);
  for (char h : holds) {
    f(at, h != 0);
    for (size_t k = at.size(); k-- > 0;) {
      if (++at[k] < sizes[k]) break;
      at[k] = 0;
    }
  }
}

namespace {

/// The operations of `root`'s region behind a value, in order, and the indices that they need.
struct Slice {
  Operation *root;
  llvm::SmallSetVector<Operation *, 16> ops;
  llvm::SmallSetVector<Value, 8> &arguments;

  bool add(Value v) {
    if (auto argument = dyn_cast<BlockArgument>(v)) {
      Operation *owner = argument.getOwner()->getParentOp();
      if (!root->isAncestor(owner) || !isa<GenOp, ReduceOp>(owner)) return false;
      arguments.insert(v);
      return true;
    }
    Operation *op = v.getDefiningOp();
    if (!op || isa<ConstOp>(op)) return op;
    if (!root->isProperAncestor(op) || op->getNumRegions() || !isInstantaneous(op)) return false;
    if (ops.contains(op)) return true;
    for (Value operand : op->getOperands())
      if (!add(operand)) return false;
    ops.insert(op);
    return true;
  }
};

} // namespace

std::optional<Truth> truthOf(Operation *root, Literals conditions, ArrayRef<Value> arguments) {
  Truth t;
  t.arguments.insert(arguments.begin(), arguments.end());
  Slice slice{root, {}, t.arguments};
  for (auto [v, is] : conditions)
    if (!slice.add(v)) return {};
  int64_t count = 1;
  for (Value v : t.arguments) {
    t.sizes.push_back(rangeOfIndex(v).high + 1);
    if (t.sizes.back() > mostIndices / count) return {};
    count *= t.sizes.back();
  }
  if (conditions.empty()) {
    t.holds.assign(count, 1);
    return t;
  }
  OpBuilder b(root);
  Location loc = root->getLoc();
  mlir::Type i1 = b.getI1Type();
  auto gen = GenOp::create(b, loc, RankedTensorType::get(t.sizes, i1));
  Block *body = b.createBlock(&gen.getBody());
  IRMapping mapping;
  for (Value v : t.arguments) mapping.map(v, body->addArgument(b.getIndexType(), loc));
  for (Operation *op : slice.ops) b.clone(*op, mapping);
  Value all;
  for (auto [v, is] : conditions) {
    Value c = mapping.lookupOrDefault(v);
    if (!is) c = NotOp::create(b, loc, i1, c);
    all = all ? AndOp::create(b, loc, i1, all, c).getResult() : c;
  }
  YieldOp::create(b, loc, all);
  TypedAttr value = evaluateConstant(gen, {});
  gen.erase();
  auto bytes = value ? arrayBytes(value) : std::nullopt;
  if (!bytes || static_cast<int64_t>(bytes->size()) != count) return {};
  t.holds = std::move(*bytes);
  return t;
}

AffineExpr indexOver(const Truth &truth, ReadOp read, unsigned axis) {
  AffineExpr e = read.getMap().getResult(axis);
  SmallVector<AffineExpr> dims;
  for (auto [k, v] : llvm::enumerate(read.getIndices())) {
    auto at = llvm::find(truth.arguments, v);
    bool isKnown = at != truth.arguments.end();
    if (!isKnown && e.isFunctionOfDim(static_cast<unsigned>(k))) return {};
    dims.push_back(getAffineDimExpr(isKnown ? static_cast<unsigned>(at - truth.arguments.begin()) : 0, read.getContext()));
  }
  return e.replaceDims(dims);
}

} // namespace mlr::dataflow
