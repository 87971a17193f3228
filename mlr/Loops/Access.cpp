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

} // namespace mlr::loops
