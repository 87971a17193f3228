// Reads of tensors: addresses over the tile, and how a vector of elements is loaded.
#include "mlr/Loops/Kernel.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::loops {

/// All lanes as an i32 vector.
Value Kernel::laneVector(const IndexValue &x, int64_t width) {
  Type i32 = a.b.getI32Type();
  Value base = a.make<arith::IndexCastOp>(i32, materialize(a, x.at));
  Value v = a.splat(base, width);
  if (x.step != 0) v = a.add(v, a.mul(a.iota(width, i32), x.step));
  return x.lanes ? a.add(v, x.lanes) : v;
}

/// Loop indices with coefficients and constants that are not negative.
static bool isNatural(const Linear &x) {
  return x.constant >= 0 && llvm::all_of(x.terms, [](auto &t) { return t.second >= 0 && isa<BlockArgument>(t.first); });
}

IndexValue Kernel::divide(const IndexValue &x, int64_t by, AffineExprKind kind, int64_t width) {
  bool laned = x.step != 0 || x.lanes;
  bool natural = isNatural(x.at) && x.step >= 0 && !x.lanes;
  Value v = laned ? laneVector(x, width) : materialize(a, x.at);
  Value d = a.integer(by, v.getType());
  Value q;
  if (natural && kind != AffineExprKind::CeilDiv) {
    q = kind == AffineExprKind::FloorDiv ? a.make<arith::DivUIOp>(v, d) : a.make<arith::RemUIOp>(v, d);
  } else {
    // Division towards zero, corrected by the sign of its remainder (`by` is positive).
    Value r = a.make<arith::RemSIOp>(v, d);
    Value below = a.compare(arith::CmpIPredicate::slt, r, 0), above = a.compare(arith::CmpIPredicate::sgt, r, 0);
    q = a.make<arith::DivSIOp>(v, d);
    if (kind == AffineExprKind::FloorDiv) q = a.select(below, a.sub(q, 1), q);
    else if (kind == AffineExprKind::CeilDiv) q = a.select(above, a.add(q, 1), q);
    else q = a.select(below, a.add(r, by), r);
  }
  return laned ? IndexValue{Linear(0), 0, q} : IndexValue{Linear::of(q), 0, {}};
}

IndexValue Kernel::clampTo(const IndexValue &x, int64_t size, int64_t width) {
  bool laned = x.step != 0 || x.lanes;
  if (!laned && x.at.isConstant()) return {Linear(std::max<int64_t>(0, std::min(x.at.constant, size - 1))), 0, {}};
  Value v = laned ? laneVector(x, width) : materialize(a, x.at);
  v = a.make<arith::MinSIOp>(v, a.integer(size - 1, v.getType()));
  v = a.make<arith::MaxSIOp>(v, a.integer(0, v.getType()));
  return laned ? IndexValue{Linear(0), 0, v} : IndexValue{Linear::of(v), 0, {}};
}

static void addScaled(Arith &a, IndexValue &sum, const IndexValue &x, int64_t factor) {
  sum.at.add(x.at, factor);
  sum.step += x.step * factor;
  if (!x.lanes) return;
  Value scaled = factor == 1 ? x.lanes : a.mul(x.lanes, factor);
  sum.lanes = sum.lanes ? a.add(sum.lanes, scaled) : scaled;
}

IndexValue Kernel::evaluate(AffineExpr e, ArrayRef<IndexValue> dims, int64_t width) {
  if (auto c = dyn_cast<AffineConstantExpr>(e)) return {Linear(c.getValue()), 0, {}};
  if (auto d = dyn_cast<AffineDimExpr>(e)) return dims[d.getPosition()];
  auto binary = cast<AffineBinaryOpExpr>(e);
  AffineExpr lhs = binary.getLHS(), rhs = binary.getRHS();
  IndexValue sum;
  if (e.getKind() == AffineExprKind::Add) {
    addScaled(a, sum, evaluate(lhs, dims, width), 1);
    addScaled(a, sum, evaluate(rhs, dims, width), 1);
    return sum;
  }
  if (isa<AffineConstantExpr>(lhs)) std::swap(lhs, rhs);  // only of products
  int64_t by = cast<AffineConstantExpr>(rhs).getValue();
  IndexValue x = evaluate(lhs, dims, width);
  if (e.getKind() != AffineExprKind::Mul) return divide(x, by, e.getKind(), width);
  addScaled(a, sum, x, by);
  return sum;
}

IndexValue Kernel::addressOf(ReadOp op, unsigned r, unsigned c, int64_t width) {
  auto type = cast<RankedTensorType>(op.getSource().getType());
  SmallVector<IndexValue> dims;
  // An operand that the map leaves out may not be known yet: the read is emitted as far out as it can.
  for (auto [k, v] : llvm::enumerate(op.getIndices()))
    dims.push_back(op.getMap().isFunctionOfDim(static_cast<unsigned>(k)) ? indexOf(v, r, c) : IndexValue());
  SmallVector<int64_t> strides = stridesOf(type.getShape());
  auto clamp = op.getClamp();
  IndexValue sum;
  for (auto [axis, expr] : llvm::enumerate(op.getMap().getResults())) {
    IndexValue x = evaluate(expr, dims, width);
    bool inside = interior && x.step != 0 && !x.lanes;
    if (clamp && (*clamp)[axis] && !inside) x = clampTo(x, type.getDimSize(static_cast<unsigned>(axis)), width);
    addScaled(a, sum, x, strides[axis]);
  }
  return sum;
}

Value Kernel::loadAt(Value memref, const IndexValue &at, Type scalar, int64_t width, int64_t active) {
  if (width == 1 || (at.step == 0 && !at.lanes)) return l.memory.load(memref, at.at, scalar);
  if (at.step == 1 && !at.lanes) return l.memory.load(memref, at.at, scalar, width, active);
  if (at.step == -1 && !at.lanes && active == width && !l.options.arrays) {
    Linear lowest = at.at;
    lowest.add(Linear(1 - width));
    Value v = l.memory.load(memref, lowest, scalar, width, active);
    SmallVector<int64_t> reversed;
    for (int64_t k = width; k-- > 0;) reversed.push_back(k);
    return vector::ShuffleOp::create(a.b, a.loc, v, v, reversed);
  }
  IndexValue offsets{Linear(0), at.step, at.lanes};
  return l.memory.gather(memref, at.at, laneVector(offsets, width), scalar, active);
}

Value Kernel::readElement(ReadOp op, unsigned r, unsigned c, int64_t width) {
  Type scalar = op.getResult().getType();
  int64_t active = width == 1 ? 1 : columns[c].active;
  if (auto at = width == 1 && tiling.lanes > 1 ? std::nullopt : packedAddress(op, r, c)) {
    Value memref = l.memory.globalView(packedOf(op)->global);
    return l.memory.load(memref, *at, scalar, width, width);  // padded, so never masked
  }
  if (width > 1 && !parent) {
    if (reduceBlock.group && !l.options.arrays && llvm::is_contained(reduceBlock.group->ops, op->getParentOp()))
      if (auto t = transposable(op, laneArg, width, reduceBlock.step))
        return readTransposed(op, r, c, *t, reduceBlock.position % t->step);
    auto rowed = l.options.arrays ? std::nullopt : transposableByRows(op, laneArg, rowArg);
    if (rowed && width >= rowed->step && rows == rowed->step) return readTransposed(op, 0, c, *rowed, r);
  }
  IndexValue at = addressOf(op, r, c, width);
  Place base = l.place(op.getSource());
  at.at.add(base.at);
  return loadAt(l.memory.view(base.buffer), at, scalar, width, active);
}

void Kernel::emitRead(ReadOp op) {
  a.loc = op.getLoc();
  if (!reduceBlock.group) transposed.clear();
  set(op.getResult(), forCopies(dependence(op.getResult()), [&](unsigned r, unsigned c, int64_t width) {
        return readElement(op, r, c, width);
      }));
}

} // namespace mlr::loops
