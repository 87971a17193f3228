// One reduction with lanes along its own innermost axis: where the order does not matter (integers, logic, extremes with their
// positions), each lane reduces its share and the lanes are combined at the end. A chain of floats keeps its order; only the
// elements are computed in lanes.
#include "mlr/Loops/Kernel.h"

using namespace mlir;
using namespace mlr::dataflow;
using arith::CmpFPredicate;
using arith::CmpIPredicate;

namespace mlr::loops {

static Type elementType(ReduceOp op) { return bodyOf(op).getTerminator()->getOperand(0).getType(); }
static bool isPosition(ReduceOp op) { return op.getKind() == ReduceKind::Argmax || op.getKind() == ReduceKind::Argmin; }
static bool isMost(ReduceOp op) { return op.getKind() == ReduceKind::Max || op.getKind() == ReduceKind::Argmax; }

/// A float sum or product: its links cannot change places.
static bool isChain(ReduceOp op) {
  return isa<FloatType>(elementType(op)) && (op.getKind() == ReduceKind::Sum || op.getKind() == ReduceKind::Prod);
}

/// Extremes of floats need the position too: of equal zeros the last one gives the sign.
static bool carriesPosition(ReduceOp op) {
  bool extreme = op.getKind() == ReduceKind::Max || op.getKind() == ReduceKind::Min;
  return isPosition(op) || (extreme && isa<FloatType>(elementType(op)));
}

/// Does the pair (y, q) take the place of (x, p)? argmax: greater, NaN greatest, then the lower position; max: greater or
/// NaN, then the higher position.
static Value takesPlace(Arith &a, ReduceOp op, Value x, Value p, Value y, Value q) {
  Type scalar = elementType(op);
  Value better = isMost(op) ? emitGreater(a, scalar, y, x) : emitGreater(a, scalar, x, y);
  auto order = isPosition(op) ? CmpIPredicate::slt : CmpIPredicate::sgt;
  Value later = a.compare(order, q, p);
  if (!isa<FloatType>(scalar)) return a.or_(better, a.and_(a.compare(CmpIPredicate::eq, x, y), later));
  Value xNan = a.isNan(x), yNan = a.isNan(y);
  Value equal = a.or_(a.compare(CmpFPredicate::OEQ, x, y), a.and_(xNan, yNan));
  return a.or_(a.or_(better, a.and_(yNan, a.not_(xNan))), a.and_(equal, later));
}

static Value half(Arith &a, Value v, int64_t from) {
  SmallVector<int64_t> mask;
  for (int64_t k = 0; k < lanesOf(v.getType()) / 2; ++k) mask.push_back(from + k);
  return vector::ShuffleOp::create(a.b, a.loc, v, v, mask);
}

/// One instant of the loop over the innermost axis; `flat` is the first element's position.
Values Kernel::laneStep(ReduceOp op, int64_t lanes, int64_t active, const Linear &flat, ValueRange carried) {
  size_t scope = openScope();
  columns.assign(1, Column{0, lanes, active});
  emitReady(bodyOf(op));
  a.loc = op.getLoc();
  Operation *yield = bodyOf(op).getTerminator();
  Value x = get(yield->getOperand(0), 0, 0, lanes);
  Value y = yield->getNumOperands() > 1 ? get(yield->getOperand(1), 0, 0, lanes) : Value();
  closeScope(scope);
  if (isChain(op)) {
    Value acc = carried[0];
    for (int64_t k = 0; k < active; ++k) {
      Value xk = vector::ExtractOp::create(a.b, a.loc, x, k);
      acc = accumulate(op, acc, xk, y ? vector::ExtractOp::create(a.b, a.loc, y, k) : Value());
    }
    return {acc};
  }
  Values next;
  if (carriesPosition(op)) {
    Value position = laneVector({flat, 1, {}}, lanes);
    Value take = takesPlace(a, op, carried[0], carried[1], x, position);
    next = {a.select(take, x, carried[0]), a.select(take, position, carried[1])};
  } else {
    next = {accumulate(op, carried[0], x, y)};
  }
  if (active < lanes)
    for (auto [n, before] : llvm::zip(next, carried)) n = a.select(a.mask(active, lanes), n, before);
  return next;
}

Value Kernel::emitLanes(ReduceOp op, const Domain &d, int64_t lanes) {
  laneBit = 1;
  nextBit = 2;
  for (BlockArgument arg : d.zeros) indices[arg] = Linear(0);
  for (const Axis &axis : d.axes) dependences[axis.arg] = 2;
  laneArg = d.axes.back().arg;
  dependences[laneArg] = laneBit;
  computeDependence(bodyOf(op));
  emitReady(bodyOf(op));  // what depends on no index
  opened = laneBit | 2;
  tileWidth = lanes;
  Values init = neutral(op, isChain(op) ? 1 : lanes);
  if (carriesPosition(op)) {
    // Lanes that see no element must not win: every element has a position before (argmax) or behind (max) theirs.
    init.resize(1);
    auto i32 = VectorType::get({lanes}, a.b.getI32Type());
    init.push_back(a.integer(isPosition(op) ? std::numeric_limits<int32_t>::max() : -1, i32));
  }
  std::function<Values(size_t, const Linear &, ValueRange)> nest = [&](size_t k, const Linear &flat, ValueRange carried) {
    const Axis &axis = d.axes[k];
    bool last = k + 1 == d.axes.size();
    int64_t step = last ? lanes : 1, whole = axis.size / step * step;
    auto inside = [&](const Linear &i, int64_t active, ValueRange inner) {
      Linear here = flat;
      here.add(i, axis.stride);
      indices[axis.arg] = i;
      return last ? laneStep(op, lanes, active, here, inner) : nest(k + 1, here, inner);
    };
    Values next = l.loop(0, whole, step, carried,
                         [&](Value i, ValueRange inner) { return inside(Linear::of(i), lanes, inner); });
    return whole < axis.size ? inside(Linear(whole), axis.size - whole, next) : next;
  };
  Values result = nest(0, Linear(0), init);
  if (isChain(op)) return result[0];
  for (int64_t n = lanes; n > 1; n /= 2) {
    Values low, high;
    for (Value v : result) {
      low.push_back(half(a, v, 0));
      high.push_back(half(a, v, n / 2));
    }
    if (carriesPosition(op)) {
      Value take = takesPlace(a, op, low[0], low[1], high[0], high[1]);
      result = {a.select(take, high[0], low[0]), a.select(take, high[1], low[1])};
    } else {
      result = {op.getKind() == ReduceKind::Sum ? a.add(low[0], high[0]) : accumulate(op, low[0], high[0], Value())};
    }
  }
  return vector::ExtractOp::create(a.b, a.loc, result[isPosition(op) ? 1 : 0], int64_t(0));
}

/// Emits a reduction that is the same for all lanes of its kernel by lanes of its own, if that pays.
bool Kernel::emitByLanes(ReduceOp op) {
  uint64_t dep = dependence(op.getResult());
  if (isLaned(dep) || op.getInit()) return false;
  Domain d = domainOf(op.getBody(), op.getSizes(), true);
  int64_t lanes = lanesOfReduce(l, op, d);
  if (lanes <= 1) return false;
  set(op.getResult(), forCopies(dep, [&](unsigned r, unsigned c, int64_t) { return Kernel(l, this, r, c).emitLanes(op, d, lanes); }));
  return true;
}

} // namespace mlr::loops
