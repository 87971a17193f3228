#include "mlr/Dataflow/AffineIndex.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace mlr::dataflow {

Range rangeOf(AffineExpr expr, DimRanges dims) {
  switch (expr.getKind()) {
  case AffineExprKind::Constant: {
    int64_t c = cast<AffineConstantExpr>(expr).getValue();
    return {c, c};
  }
  case AffineExprKind::DimId: return dims[cast<AffineDimExpr>(expr).getPosition()];
  case AffineExprKind::SymbolId: return {INT32_MIN, INT32_MAX};
  default: break;
  }
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Range a = rangeOf(binary.getLHS(), dims), b = rangeOf(binary.getRHS(), dims);
  switch (expr.getKind()) {
  case AffineExprKind::Add: return {a.low + b.low, a.high + b.high};
  case AffineExprKind::Mul: {
    int64_t p[] = {a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high};
    return {*std::min_element(p, p + 4), *std::max_element(p, p + 4)};
  }
  case AffineExprKind::FloorDiv:
    if (b.low == b.high && b.low > 0)
      return {llvm::divideFloorSigned(a.low, b.low), llvm::divideFloorSigned(a.high, b.low)};
    return {INT32_MIN, INT32_MAX};
  case AffineExprKind::CeilDiv:
    if (b.low == b.high && b.low > 0)
      return {llvm::divideCeilSigned(a.low, b.low), llvm::divideCeilSigned(a.high, b.low)};
    return {INT32_MIN, INT32_MAX};
  case AffineExprKind::Mod:
    if (b.low == b.high && a.within(0, b.low - 1)) return a;
    return {0, std::max<int64_t>(b.high - 1, 0)};
  default: return {INT32_MIN, INT32_MAX};
  }
}

/// Splits a sum into terms that are multiples of `divisor` and the rest: expr = divisor * quotient + rest.
static void splitMultiples(AffineExpr expr, int64_t divisor, AffineExpr &quotient, AffineExpr &rest) {
  if (expr.getKind() == AffineExprKind::Add) {
    auto sum = cast<AffineBinaryOpExpr>(expr);
    splitMultiples(sum.getLHS(), divisor, quotient, rest);
    splitMultiples(sum.getRHS(), divisor, quotient, rest);
    return;
  }
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    int64_t q = llvm::divideFloorSigned(constant.getValue(), divisor);
    quotient = quotient + q;
    rest = rest + (constant.getValue() - q * divisor);
    return;
  }
  if (expr.getKind() == AffineExprKind::Mul) {
    auto product = cast<AffineBinaryOpExpr>(expr);
    if (auto factor = dyn_cast<AffineConstantExpr>(product.getRHS());
        factor && factor.getValue() % divisor == 0) {
      quotient = quotient + product.getLHS() * (factor.getValue() / divisor);
      return;
    }
  }
  rest = rest + expr;
}

static AffineExpr simplifyDivision(AffineExpr lhs, int64_t divisor, bool remainder, DimRanges dims) {
  AffineExpr zero = getAffineConstantExpr(0, lhs.getContext());
  AffineExpr quotient = zero, rest = zero;
  splitMultiples(lhs, divisor, quotient, rest);
  if (rangeOf(rest, dims).within(0, divisor - 1)) return remainder ? rest : quotient;
  return remainder ? rest % divisor : quotient + rest.floorDiv(divisor);
}

AffineExpr simplifyIndex(AffineExpr expr, DimRanges dims) {
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary) return expr;
  AffineExpr a = simplifyIndex(binary.getLHS(), dims), b = simplifyIndex(binary.getRHS(), dims);
  auto divisor = dyn_cast<AffineConstantExpr>(b);
  switch (expr.getKind()) {
  case AffineExprKind::Add: return a + b;
  case AffineExprKind::Mul:
    // Distributed, so that divisions see the single terms.
    if (divisor && a.getKind() == AffineExprKind::Add) {
      auto sum = cast<AffineBinaryOpExpr>(a);
      return simplifyIndex(sum.getLHS() * b, dims) + simplifyIndex(sum.getRHS() * b, dims);
    }
    return a * b;
  case AffineExprKind::FloorDiv:
    if (divisor && divisor.getValue() > 0) return simplifyDivision(a, divisor.getValue(), false, dims);
    return a.floorDiv(b);
  case AffineExprKind::Mod:
    if (divisor && divisor.getValue() > 0) return simplifyDivision(a, divisor.getValue(), true, dims);
    return a % b;
  case AffineExprKind::CeilDiv: return a.ceilDiv(b);
  default: return expr;
  }
}

int64_t dividendShift(AffineExpr dividend, int64_t divisor, DimRanges dims) {
  int64_t low = rangeOf(dividend, dims).low;
  if (low >= 0 || low < INT32_MIN / 2 || divisor <= 0) return 0;
  return llvm::divideCeilSigned(-low, divisor) * divisor;
}

SmallVector<AffineExpr> reshapeIndices(ArrayRef<AffineExpr> indices, ArrayRef<int64_t> to,
                                       ArrayRef<int64_t> from, DimRanges dims, MLIRContext *context) {
  AffineExpr zero = getAffineConstantExpr(0, context);
  SmallVector<AffineExpr> out;
  size_t i = 0, j = 0;
  // Groups of axes with equal products, smallest first; within a group: linearise, then split.
  while (i < to.size() || j < from.size()) {
    int64_t a = 1, b = 1;
    size_t i0 = i, j0 = j;
    if (i < to.size()) a *= to[i++];
    if (j < from.size()) b *= from[j++];
    while (a != b) {
      if (a < b && i < to.size()) a *= to[i++];
      else if (j < from.size()) b *= from[j++];
      else if (i < to.size()) a *= to[i++];
      else break;
    }
    // Trailing axes of size 1 belong to the last group.
    if (j == from.size())
      while (i < to.size()) a *= to[i++];
    if (i == to.size())
      while (j < from.size()) b *= from[j++];
    if (i - i0 == 1 && j - j0 == 1) {
      out.push_back(indices[i0]);
      continue;
    }
    AffineExpr linear = zero;
    for (size_t k = i0; k < i; ++k)
      if (to[k] != 1) linear = linear * to[k] + indices[k];
    int64_t stride = 1;
    for (size_t k = j0; k < j; ++k) stride *= std::max<int64_t>(from[k], 1);
    for (size_t k = j0; k < j; ++k) {
      stride /= std::max<int64_t>(from[k], 1);
      AffineExpr e = from[k] == 1 ? zero : linear.floorDiv(stride);
      if (k > j0 && from[k] != 1) e = e % from[k];
      out.push_back(simplifyIndex(e, dims));
    }
  }
  return out;
}

void collectDims(AffineExpr expr, llvm::SmallSetVector<unsigned, 4> &dims) {
  expr.walk([&](AffineExpr e) {
    if (auto d = dyn_cast<AffineDimExpr>(e)) dims.insert(d.getPosition());
  });
}

int64_t valueAt(AffineExpr e, ArrayRef<int64_t> point) {
  if (auto c = dyn_cast<AffineConstantExpr>(e)) return c.getValue();
  if (auto d = dyn_cast<AffineDimExpr>(e)) return point[d.getPosition()];
  auto binary = cast<AffineBinaryOpExpr>(e);
  int64_t x = valueAt(binary.getLHS(), point), y = valueAt(binary.getRHS(), point);
  switch (e.getKind()) {
  case AffineExprKind::Add: return x + y;
  case AffineExprKind::Mul: return x * y;
  case AffineExprKind::FloorDiv: return llvm::divideFloorSigned(x, y);
  case AffineExprKind::CeilDiv: return llvm::divideCeilSigned(x, y);
  default: return llvm::mod(x, y);
  }
}

} // namespace mlr::dataflow
