// Linear forms of reads, joined axes.
#include "mlr/Loops/Access.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::loops {

SmallVector<int64_t> stridesOf(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> out(shape.size(), 1);
  for (size_t k = shape.size(); k-- > 1;) out[k - 1] = out[k] * shape[k];
  return out;
}

/// Adds factor * e; false where e is not linear.
static bool addLinear(AffineExpr e, int64_t factor, LinearRead &out) {
  if (auto c = dyn_cast<AffineConstantExpr>(e)) {
    out.constant += factor * c.getValue();
    return true;
  }
  if (auto d = dyn_cast<AffineDimExpr>(e)) {
    out.coefficients[d.getPosition()] += factor;
    return true;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(e);
  if (!binary) return false;
  if (e.getKind() == AffineExprKind::Add)
    return addLinear(binary.getLHS(), factor, out) && addLinear(binary.getRHS(), factor, out);
  if (e.getKind() != AffineExprKind::Mul) return false;
  if (auto c = dyn_cast<AffineConstantExpr>(binary.getRHS())) return addLinear(binary.getLHS(), factor * c.getValue(), out);
  if (auto c = dyn_cast<AffineConstantExpr>(binary.getLHS())) return addLinear(binary.getRHS(), factor * c.getValue(), out);
  return false;
}

std::optional<LinearRead> linearRead(ReadOp read) {
  auto type = cast<RankedTensorType>(read.getSource().getType());
  SmallVector<int64_t> strides = stridesOf(type.getShape());
  LinearRead out;
  out.coefficients.assign(read.getIndices().size(), 0);
  auto clamp = read.getClamp();
  for (auto [axis, expr] : llvm::enumerate(read.getMap().getResults())) {
    if (clamp && (*clamp)[axis] && !isa<AffineConstantExpr>(expr)) return std::nullopt;
    if (!addLinear(expr, strides[axis], out)) return std::nullopt;
  }
  return out;
}

int64_t coefficientOf(ReadOp read, const LinearRead &linear, Value arg) {
  int64_t sum = 0;
  for (auto [k, v] : llvm::enumerate(read.getIndices()))
    if (v == arg) sum += linear.coefficients[k];
  return sum;
}

/// Do all uses of two neighbouring arguments walk them as one of the given inner size?
static bool canJoin(BlockArgument outer, BlockArgument inner, int64_t innerSize) {
  for (BlockArgument arg : {outer, inner})
    for (Operation *user : arg.getUsers()) {
      auto read = dyn_cast<ReadOp>(user);
      if (!read) return false;
      auto linear = linearRead(read);
      if (!linear || coefficientOf(read, *linear, outer) != innerSize * coefficientOf(read, *linear, inner)) return false;
    }
  return true;
}

Domain domainOf(Region &region, ArrayRef<int64_t> sizes, bool join) {
  Domain out;
  SmallVector<int64_t> strides = stridesOf(sizes);
  for (auto [k, size] : llvm::enumerate(sizes)) {
    BlockArgument arg = region.getArgument(static_cast<unsigned>(k));
    if (join && !out.axes.empty() && canJoin(out.axes.back().arg, arg, size)) {
      out.zeros.push_back(out.axes.back().arg);
      out.axes.back() = {arg, out.axes.back().size * size, strides[k]};
    } else {
      out.axes.push_back({arg, size, strides[k]});
    }
  }
  return out;
}

/// Largest value of an index of the kernel, if it is a region argument; joined axes have their product.
static std::optional<int64_t> largestOf(Value v, const Domain &domain) {
  auto arg = dyn_cast<BlockArgument>(v);
  if (!arg) return std::nullopt;
  auto in = [&](const Domain &d) -> std::optional<int64_t> {
    if (llvm::is_contained(d.zeros, arg)) return 0;
    for (const Axis &axis : d.axes)
      if (axis.arg == arg) return axis.size - 1;
    return std::nullopt;
  };
  if (auto own = in(domain)) return own;
  auto reduce = dyn_cast<ReduceOp>(arg.getOwner()->getParentOp());
  return reduce ? in(domainOf(reduce.getBody(), reduce.getSizes(), true)) : std::nullopt;
}

/// Narrows `range` to where expr of a clamped axis of the given size stays inside; false if that cannot be told.
static bool narrow(ReadOp read, AffineExpr expr, int64_t size, const Domain &domain, const Axis &lane, Range &range) {
  LinearRead axis;
  axis.coefficients.assign(read.getIndices().size(), 0);
  if (!addLinear(expr, 1, axis)) return false;
  int64_t step = 0, least = axis.constant, most = axis.constant;
  for (auto [k, v] : llvm::enumerate(read.getIndices())) {
    int64_t c = axis.coefficients[k];
    if (c == 0) continue;
    if (v == lane.arg) {
      step += c;
      continue;
    }
    auto largest = largestOf(v, domain);
    if (!largest) return false;
    (c > 0 ? most : least) += c * *largest;
  }
  if (step == 0) return true;
  // 0 <= step * x + least and step * x + most <= size - 1
  int64_t a = -least, b = size - 1 - most;
  if (step > 0) {
    range.lower = std::max(range.lower, llvm::divideCeilSigned(a, step));
    range.upper = std::min(range.upper, llvm::divideFloorSigned(b, step) + 1);
  } else {
    range.lower = std::max(range.lower, llvm::divideCeilSigned(-b, -step));
    range.upper = std::min(range.upper, llvm::divideFloorSigned(-a, -step) + 1);
  }
  return true;
}

Range interiorOf(Region &body, const Domain &domain, const Axis &lane) {
  Range range{0, lane.size};
  body.walk([&](ReadOp read) {
    auto clamp = read.getClamp();
    if (!clamp || !llvm::is_contained(read.getIndices(), lane.arg)) return;
    auto type = cast<RankedTensorType>(read.getSource().getType());
    for (auto [axis, expr] : llvm::enumerate(read.getMap().getResults())) {
      bool uses = false;
      for (auto [k, v] : llvm::enumerate(read.getIndices()))
        uses |= v == lane.arg && expr.isFunctionOfDim(static_cast<unsigned>(k));
      if ((*clamp)[axis] && uses && !narrow(read, expr, type.getDimSize(static_cast<unsigned>(axis)), domain, lane, range))
        range = {0, 0};
    }
  });
  return range;
}

} // namespace mlr::loops
