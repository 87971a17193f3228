// f16 and bf16 as their 16 bits: conversions by integer arithmetic, so that every target gives the same bits without a
// run-time library.
#include "mlr/Loops/Scalars.h"

using namespace mlir;
using arith::CmpFPredicate;
using arith::CmpIPredicate;

namespace mlr::loops {

Value widen(Arith &a, Value bits, Type half) {
  Type i32 = a.b.getI32Type(), f32 = a.b.getF32Type();
  Value wide = a.castTo<arith::ExtUIOp>(bits, i32);
  if (half.isBF16()) return a.bits(a.shl(wide, 16), f32);
  // Exponent and mantissa in f32's place are off by the difference of the biases: a product by 2^112 mends that,
  // and normalises subnormals. Infinities and NaNs get the largest exponent back.
  Value magnitude = a.shl(a.and_(wide, 0x7fff), 13);
  Value scaled = a.bits(a.mulf(a.bits(magnitude, f32), a.real(0x1p112, withElement(magnitude.getType(), f32))), i32);
  Value special = a.compare(CmpIPredicate::uge, magnitude, 0x7c00 << 13);
  scaled = a.select(special, a.or_(magnitude, 0x7f800000), scaled);
  return a.bits(a.or_(scaled, a.shl(a.and_(wide, 0x8000), 16)), f32);
}

static Value roundToBf16(Arith &a, Value u) {
  Value odd = a.and_(a.shr(u, 16), 1);
  Value rounded = a.shr(a.add(a.add(u, 0x7fff), odd), 16);
  Value nan = a.compare(CmpIPredicate::ugt, a.and_(u, 0x7fffffff), 0x7f800000);
  return a.select(nan, a.integer(0x7fc0, u.getType()), rounded);
}

static Value roundToF16(Arith &a, Value u) {
  Type f32 = a.b.getF32Type(), i32 = a.b.getI32Type();
  Value sign = a.and_(a.shr(u, 16), 0x8000);
  Value m = a.and_(u, 0x7fffffff);
  // Normal: rebias, then round at bit 13; a carry may reach infinity, as it should.
  Value odd = a.and_(a.shr(m, 13), 1);
  Value normal = a.shr(a.add(a.add(a.sub(m, 112 << 23), 0xfff), odd), 13);
  // Subnormal: the last place of x + 0.5 in f32 is that of f16's subnormals, 2^-24; the addition rounds.
  Value half = a.real(0.5, withElement(u.getType(), f32));
  Value subnormal = a.sub(a.bits(a.addf(a.bits(m, f32), half), i32), 0x3f000000);
  Value r = a.select(a.compare(CmpIPredicate::ult, m, 113 << 23), subnormal, normal);
  r = a.select(a.compare(CmpIPredicate::uge, m, (127 + 16) << 23), a.integer(0x7c00, u.getType()), r);
  r = a.select(a.compare(CmpIPredicate::ugt, m, 0x7f800000), a.integer(0x7e00, u.getType()), r);
  return a.or_(r, sign);
}

Value roundToHalf(Arith &a, Value x, Type half) {
  Value u = a.bits(x, a.b.getI32Type());
  Value r = half.isBF16() ? roundToBf16(a, u) : roundToF16(a, u);
  return a.castTo<arith::TruncIOp>(r, a.b.getI16Type());
}

Value narrowToOdd(Arith &a, Value x) {
  Type i32 = a.b.getI32Type(), f32 = a.b.getF32Type(), f64 = a.b.getF64Type();
  Value near = a.castTo<arith::TruncFOp>(x, f32);
  Value back = a.castTo<arith::ExtFOp>(near, f64);
  Value u = a.bits(near, i32);
  // An even inexact neighbour gives way to the one on the other side of x, which is odd.
  Value inexact = a.compare(CmpFPredicate::ONE, back, x);
  Value change = a.and_(inexact, a.equal(a.and_(u, 1), 0));
  Value beyond = a.compare(CmpFPredicate::OGT, a.make<math::AbsFOp>(back), a.make<math::AbsFOp>(x));
  Value other = a.select(beyond, a.sub(u, 1), a.add(u, 1));
  return a.bits(a.select(change, other, u), f32);
}

} // namespace mlr::loops
