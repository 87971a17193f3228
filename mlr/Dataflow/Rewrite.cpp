#include "mlr/Dataflow/Rewrite.h"

using namespace mlir;

namespace mlr::dataflow {

ConstantPool::ConstantPool(NodeOp node) : node(node) {
  for (auto op : node.getBody().front().getOps<ConstOp>()) known.try_emplace(op.getValue(), op.getResult());
}

Value ConstantPool::get(TypedAttr value) {
  Value &v = known[value];
  if (!v) {
    OpBuilder b(node.getContext());
    b.setInsertionPointToStart(&node.getBody().front());
    v = ConstOp::create(b, node.getLoc(), value);
  }
  return v;
}

int64_t bodyCost(Block &body) {
  int64_t cost = 0;
  for (Operation &op : body.without_terminator()) {
    if (isa<ReduceOp, GenOp>(op)) return heavyBody;
    if (isa<DivOp, RemOp, SqrtOp>(op)) cost += 4;
    else if (!isa<ReadOp, ConstOp, ConvertOp>(op)) cost += 1;
    else if (auto convert = dyn_cast<ConvertOp>(op))
      cost += !convert.getType().isIndex() && !convert.getValue().getType().isIndex();
  }
  return std::min(cost, heavyBody);
}

int64_t executions(Operation *op, Block *outer) {
  constexpr int64_t most = int64_t(1) << 40;
  int64_t n = 1;
  auto times = [&](int64_t size) {
    n = size == 0 ? 0 : std::min(most, n * std::min(size, most / std::max<int64_t>(n, 1) + 1));
  };
  for (Block *block = op->getBlock(); block && block != outer; block = block->getParentOp()->getBlock()) {
    Operation *parent = block->getParentOp();
    if (auto gen = dyn_cast<GenOp>(parent)) times(tensorOf(gen).getNumElements());
    else if (auto reduce = dyn_cast<ReduceOp>(parent))
      for (int64_t size : reduce.getSizes()) times(size);
    else if (auto scan = dyn_cast<ScanOp>(parent)) times(scan.getLength());
    else break;
  }
  return n;
}

Range rangeOfIndex(Value index) {
  if (auto argument = dyn_cast<BlockArgument>(index)) {
    Operation *owner = argument.getOwner()->getParentOp();
    int64_t size = INT32_MAX;
    if (auto gen = dyn_cast_or_null<GenOp>(owner)) size = tensorOf(gen).getDimSize(argument.getArgNumber());
    if (auto reduce = dyn_cast_or_null<ReduceOp>(owner)) size = reduce.getSizes()[argument.getArgNumber()];
    return {0, std::max<int64_t>(size - 1, 0)};
  }
  if (auto convert = index.getDefiningOp<ConvertOp>())
    if (auto argument = dyn_cast<BlockArgument>(convert.getValue()))
      if (auto scan = dyn_cast_or_null<ScanOp>(argument.getOwner()->getParentOp()))
        return {0, std::max<int64_t>(scan.getLength() - 1, 0)};
  return {INT32_MIN, INT32_MAX};
}

ReadOp createRead(OpBuilder &b, Location loc, Value source, ArrayRef<AffineExpr> indices, ValueRange operands,
                  ArrayRef<bool> clamp) {
  MLIRContext *context = b.getContext();
  SmallVector<Range> ranges;
  for (Value v : operands) ranges.push_back(rangeOfIndex(v));
  // Equal operands become one dimension, constant ones numbers, and only those that matter stay.
  SmallVector<AffineExpr> replacement;
  SmallVector<Value> kept;
  SmallVector<Range> keptRanges;
  SmallVector<AffineExpr> exprs;
  llvm::SmallSetVector<unsigned, 4> used;
  for (AffineExpr e : indices) {
    exprs.push_back(simplifyIndex(e, ranges));
    collectDims(exprs.back(), used);
  }
  DenseMap<Value, unsigned> numbers;
  for (auto [k, v] : llvm::enumerate(operands)) {
    replacement.push_back(getAffineConstantExpr(0, context));
    if (!used.contains(k)) continue;
    if (ranges[k].low == ranges[k].high) {
      replacement.back() = getAffineConstantExpr(ranges[k].low, context);
      continue;
    }
    auto [it, isNew] = numbers.try_emplace(v, kept.size());
    if (isNew) kept.push_back(v);
    replacement.back() = getAffineDimExpr(it->second, context);
  }
  for (AffineExpr &e : exprs) e = e.replaceDimsAndSymbols(replacement, {});
  auto map = AffineMap::get(kept.size(), 0, exprs, context);
  auto flags = llvm::is_contained(clamp, true) ? b.getDenseBoolArrayAttr(clamp) : DenseBoolArrayAttr();
  return ReadOp::create(b, loc, elementOf(source.getType()), source, AffineMapAttr::get(map), kept, flags);
}

Value materializeIndex(OpBuilder &b, Location loc, AffineExpr e, ValueRange operands,
                       ConstantPool &constants) {
  mlir::Type i32 = b.getI32Type();
  if (auto c = dyn_cast<AffineConstantExpr>(e))
    return constants.get(b.getI32IntegerAttr(static_cast<int32_t>(c.getValue())));
  if (auto d = dyn_cast<AffineDimExpr>(e)) {
    Value index = operands[d.getPosition()];
    auto convert = index.getDefiningOp<ConvertOp>();
    if (convert && convert.getValue().getType().isSignlessInteger(32)) return convert.getValue();
    return ConvertOp::create(b, loc, i32, index);
  }
  auto binary = cast<AffineBinaryOpExpr>(e);
  Value x = materializeIndex(b, loc, binary.getLHS(), operands, constants);
  Value y = materializeIndex(b, loc, binary.getRHS(), operands, constants);
  if (e.getKind() == AffineExprKind::Add) return AddOp::create(b, loc, i32, x, y);
  if (e.getKind() == AffineExprKind::Mul) return MulOp::create(b, loc, i32, x, y);
  SmallVector<Range> ranges;
  for (Value v : operands) ranges.push_back(rangeOfIndex(v));
  int64_t divisor = cast<AffineConstantExpr>(binary.getRHS()).getValue();
  int64_t shift = dividendShift(binary.getLHS(), divisor, ranges);
  auto add = [&](Value to, int64_t n) -> Value {
    return n ? AddOp::create(b, loc, i32, to, constants.get(b.getI32IntegerAttr(static_cast<int32_t>(n)))) : to;
  };
  if (e.getKind() == AffineExprKind::Mod) return RemOp::create(b, loc, i32, add(x, shift), y);
  return add(DivOp::create(b, loc, i32, add(x, shift), y), -shift / divisor);
}

bool isInstantaneous(Operation *op) {
  if (auto call = dyn_cast<ExternOp>(op)) return call.getPure();
  return !isa<FbyOp, EbyOp, PreOp, FirstOp, WindowOp, RowsOp, CellOp, PutOp, StackOp, FinalOp, InitialOp, CountOp, UntilOp, ScanOp,
              CallOp, YieldOp, NodeOp>(op);
}

} // namespace mlr::dataflow
