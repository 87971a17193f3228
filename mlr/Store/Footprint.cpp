#include "mlr/Store/Footprint.h"
#include "mlr/Store/Timeline.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::store {

namespace {

struct Interval {
  int64_t lo, hi;
};

/// The index of an enclosing scan, as an operand of a read.
std::optional<unsigned> scanOfIndex(Value index) {
  auto convert = index.getDefiningOp<ConvertOp>();
  auto arg = dyn_cast<BlockArgument>(convert ? convert.getValue() : index);
  if (!arg) return std::nullopt;
  auto scan = dyn_cast<ScanOp>(arg.getOwner()->getParentOp());
  if (!scan) return std::nullopt;
  return scanDepth(scan);
}

/// Range of an index operand, or nothing for a computed one.
std::optional<Interval> rangeOf(Value index, ArrayRef<int64_t> instants) {
  if (auto depth = scanOfIndex(index); depth && *depth < instants.size())
    return Interval{instants[*depth], instants[*depth]};
  auto arg = dyn_cast<BlockArgument>(index);
  if (!arg) return std::nullopt;
  Operation *owner = arg.getOwner()->getParentOp();
  if (auto gen = dyn_cast<GenOp>(owner)) return Interval{0, shapeOf(gen.getType())[arg.getArgNumber()] - 1};
  if (auto reduce = dyn_cast<ReduceOp>(owner)) return Interval{0, reduce.getSizes()[arg.getArgNumber()] - 1};
  return std::nullopt;
}

std::optional<Interval> evaluate(AffineExpr expr, ArrayRef<std::optional<Interval>> dims) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return Interval{constant.getValue(), constant.getValue()};
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) return dims[dim.getPosition()];
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary) return std::nullopt;
  auto a = evaluate(binary.getLHS(), dims), b = evaluate(binary.getRHS(), dims);
  if (!a || !b) return std::nullopt;
  if (expr.getKind() == AffineExprKind::Add) return Interval{a->lo + b->lo, a->hi + b->hi};
  if (b->lo != b->hi) return std::nullopt;
  int64_t c = b->lo;
  switch (expr.getKind()) {
  case AffineExprKind::Mul: return c >= 0 ? Interval{a->lo * c, a->hi * c} : Interval{a->hi * c, a->lo * c};
  case AffineExprKind::Mod:
    if (c <= 0) return std::nullopt;
    return a->lo >= 0 && a->hi < c ? *a : Interval{0, c - 1};
  case AffineExprKind::FloorDiv:
    if (c <= 0) return std::nullopt;
    return Interval{llvm::divideFloorSigned(a->lo, c), llvm::divideFloorSigned(a->hi, c)};
  case AffineExprKind::CeilDiv:
    if (c <= 0) return std::nullopt;
    return Interval{llvm::divideCeilSigned(a->lo, c), llvm::divideCeilSigned(a->hi, c)};
  default: return std::nullopt;
  }
}

SmallVector<std::optional<Interval>> operandRanges(ReadOp read, ArrayRef<int64_t> instants) {
  SmallVector<std::optional<Interval>> ranges;
  for (Value index : read.getIndices()) ranges.push_back(rangeOf(index, instants));
  return ranges;
}

/// Adds `factor * expr` to the coefficients of the operands, the last entry the constant; false if it is not
/// linear.
bool addLinear(AffineExpr expr, int64_t factor, SmallVectorImpl<int64_t> &sum) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return sum.back() += factor * constant.getValue(), true;
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) return sum[dim.getPosition()] += factor, true;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary) return false;
  if (expr.getKind() == AffineExprKind::Add)
    return addLinear(binary.getLHS(), factor, sum) && addLinear(binary.getRHS(), factor, sum);
  auto scale = dyn_cast<AffineConstantExpr>(binary.getRHS());
  return expr.getKind() == AffineExprKind::Mul && scale &&
         addLinear(binary.getLHS(), factor * scale.getValue(), sum);
}

} // namespace

Footprint footprint(ReadOp read, ArrayRef<int64_t> instants) {
  auto ranges = operandRanges(read, instants);
  Footprint f{0, 0};
  for (auto [expr, size] : llvm::zip(read.getMap().getResults(), shapeOf(read.getSource().getType()))) {
    if (size == 0) return {};
    Interval axis = evaluate(expr, ranges).value_or(Interval{0, size - 1});
    f.first = f.first * size + std::clamp<int64_t>(axis.lo, 0, size - 1);
    f.last = f.last * size + std::clamp<int64_t>(axis.hi, 0, size - 1);
  }
  return f;
}

std::optional<int64_t> elementShift(ReadOp read, GenOp gen, ArrayRef<int64_t> instants) {
  auto ranges = operandRanges(read, instants);
  ArrayRef<int64_t> shape = shapeOf(read.getSource().getType());
  SmallVector<int64_t> sum(ranges.size() + 1, 0);
  int64_t stride = elementCount(read.getSource().getType());
  for (auto [axis, expr] : llvm::enumerate(read.getMap().getResults())) {
    if (shape[axis] == 0) return std::nullopt;
    stride /= shape[axis];
    auto range = evaluate(expr, ranges);
    bool inside = range && range->lo >= 0 && range->hi < shape[axis];
    bool clamped = read.getClamp() && (*read.getClamp())[axis];
    if ((clamped && !inside) || !addLinear(expr, stride, sum)) return std::nullopt;
  }
  // The coefficient of each of the gen's indices, and what is fixed at this instant.
  Block &body = bodyOf(gen);
  SmallVector<int64_t> perIndex(body.getNumArguments(), 0);
  int64_t shift = sum.back();
  for (auto [i, index] : llvm::enumerate(read.getIndices())) {
    if (sum[i] == 0) continue;
    auto arg = dyn_cast<BlockArgument>(index);
    if (arg && arg.getOwner() == &body) perIndex[arg.getArgNumber()] += sum[i];
    else if (ranges[i] && ranges[i]->lo == ranges[i]->hi) shift += sum[i] * ranges[i]->lo;
    else return std::nullopt;
  }
  int64_t own = 1;
  for (unsigned k = body.getNumArguments(); k-- > 0;) {
    int64_t size = shapeOf(gen.getType())[k];
    if (size > 1 && perIndex[k] != own) return std::nullopt;
    own *= size;
  }
  return shift;
}

} // namespace mlr::store
