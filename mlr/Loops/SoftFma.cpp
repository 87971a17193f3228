// fma in software, exact for all inputs: f32 through f64 rounded to odd, f64 by 128-bit integers. Straight-line code,
// so that it works on vectors too.
#include "mlr/Loops/Scalars.h"

using namespace mlir;
using arith::CmpFPredicate;
using arith::CmpIPredicate;

namespace mlr::loops {

/// x * y is exact in f64; the sum is rounded to odd, then to f32 (Boldo and Melquiond 2008).
static Value fma32(Arith &a, Value x, Value y, Value z, const Options &options) {
  Type f64 = a.b.getF64Type(), i64 = a.b.getI64Type();
  Value p = a.mulf(a.castTo<arith::ExtFOp>(x, f64), a.castTo<arith::ExtFOp>(y, f64));
  Value c = a.castTo<arith::ExtFOp>(z, f64);
  auto add = [&](Value v, Value w) { return addFloats(a, v, w, options); };
  auto sub = [&](Value v, Value w) { return subtractFloats(a, v, w, options); };
  Value s = add(p, c);
  Value t = sub(s, p);  // Knuth's two-sum: s + error = p + c
  Value error = add(sub(p, sub(s, t)), sub(c, t));
  Value u = a.bits(s, i64);
  Value zero = a.real(0.0, s.getType());
  Value inexact = a.compare(CmpFPredicate::ONE, error, zero);  // false where infinite or NaN
  Value change = a.and_(inexact, a.equal(a.and_(u, 1), 0));
  Value sameSign = a.make<arith::CmpIOp>(CmpIPredicate::eq, a.compare(CmpFPredicate::OGT, error, zero),
                                         a.compare(CmpFPredicate::OGT, s, zero));
  Value odd = a.select(change, a.select(sameSign, a.add(u, 1), a.sub(u, 1)), u);
  return a.castTo<arith::TruncFOp>(a.bits(odd, f64), a.b.getF32Type());
}

namespace {
/// An unsigned 128-bit integer.
struct Wide {
  Value hi, lo;
};
/// A finite nonzero double as mantissa * 2^(exponent - 1075), mantissa in [2^52, 2^53).
struct Parts {
  Value mantissa, exponent, negative;
};
} // namespace

static Parts takeApart(Arith &a, Value x) {
  Type i64 = a.b.getI64Type();
  Value scaled = a.mulf(x, a.real(0x1p54, x.getType()));
  Value raw = a.bits(x, i64);
  Value subnormal = a.equal(a.and_(a.shr(raw, 52), 0x7ff), 0);
  Value u = a.select(subnormal, a.bits(scaled, i64), raw);
  Value e = a.and_(a.shr(u, 52), 0x7ff);
  Value mantissa = a.or_(a.and_(u, (int64_t(1) << 52) - 1), int64_t(1) << 52);
  return {mantissa, a.select(subnormal, a.sub(e, 54), e), a.compare(CmpIPredicate::slt, raw, 0)};
}

/// v >> n with the bits shifted out collected in bit 0; n may be anything from 0 up.
static Value shiftRightJam(Arith &a, Value v, Value n) {
  Value big = a.compare(CmpIPredicate::ugt, n, 63);
  Value k = a.select(big, a.integer(63, n.getType()), n);
  Value kept = a.shr(v, k);
  Value lost = a.differs(a.xor_(a.shl(kept, k), v), 0);
  Value one = a.castTo<arith::ExtUIOp>(lost, a.b.getI64Type());
  Value some = a.castTo<arith::ExtUIOp>(a.differs(v, 0), a.b.getI64Type());
  return a.select(big, some, a.or_(kept, one));
}

static Value shiftLeft64(Arith &a, Value v, Value n) {  // 0 for n >= 64
  Value in = a.compare(CmpIPredicate::ult, n, 64);
  return a.select(in, a.shl(v, a.and_(n, 63)), a.integer(0, v.getType()));
}

static Value shiftRight64(Arith &a, Value v, Value n) {
  Value in = a.compare(CmpIPredicate::ult, n, 64);
  return a.select(in, a.shr(v, a.and_(n, 63)), a.integer(0, v.getType()));
}

static Wide shiftLeft(Arith &a, Wide v, Value n) {  // n < 128
  Value rest = a.sub(a.integer(64, n.getType()), n);  // negative (huge) beyond 64, where the other term is used
  Value far = a.compare(CmpIPredicate::uge, n, 64);
  Value near = a.or_(shiftLeft64(a, v.hi, n), shiftRight64(a, v.lo, rest));
  return {a.select(far, shiftLeft64(a, v.lo, a.sub(n, 64)), near), shiftLeft64(a, v.lo, n)};
}

static Wide shiftRightJam(Arith &a, Wide v, Value n) {
  Value far = a.compare(CmpIPredicate::uge, n, 64);
  Value rest = a.sub(a.integer(64, n.getType()), n);
  Value lost = a.differs(shiftLeft64(a, v.lo, rest), 0);
  Value near = a.or_(shiftRight64(a, v.lo, n), shiftLeft64(a, v.hi, rest));
  near = a.or_(near, a.castTo<arith::ExtUIOp>(lost, a.b.getI64Type()));
  Value someLow = a.castTo<arith::ExtUIOp>(a.differs(v.lo, 0), a.b.getI64Type());
  Value beyond = a.or_(shiftRightJam(a, v.hi, a.sub(n, 64)), someLow);
  return {a.select(far, a.integer(0, n.getType()), shiftRight64(a, v.hi, n)), a.select(far, beyond, near)};
}

static Wide multiply(Arith &a, Value x, Value y) {
  Value x0 = a.and_(x, 0xffffffff), x1 = a.shr(x, 32), y0 = a.and_(y, 0xffffffff), y1 = a.shr(y, 32);
  Value low = a.mul(x0, y0), cross = a.add(a.mul(x1, y0), a.shr(low, 32));
  Value cross2 = a.add(a.mul(x0, y1), a.and_(cross, 0xffffffff));
  Value hi = a.add(a.add(a.mul(x1, y1), a.shr(cross, 32)), a.shr(cross2, 32));
  return {hi, a.or_(a.shl(cross2, 32), a.and_(low, 0xffffffff))};
}

static Wide add(Arith &a, Wide x, Wide y) {
  Value lo = a.add(x.lo, y.lo);
  Value carry = a.castTo<arith::ExtUIOp>(a.compare(CmpIPredicate::ult, lo, x.lo), a.b.getI64Type());
  return {a.add(a.add(x.hi, y.hi), carry), lo};
}

static Wide negate(Arith &a, Wide x) {
  Wide inverted{a.not_(x.hi), a.not_(x.lo)};
  return add(a, inverted, {a.integer(0, x.hi.getType()), a.integer(1, x.hi.getType())});
}

/// Leading zeros of a nonzero 64-bit value, by halving.
static Value leadingZeros(Arith &a, Value v) {
  Value n = a.integer(0, v.getType());
  for (int64_t k = 32; k >= 1; k /= 2) {
    Value empty = a.equal(a.shr(v, 64 - k), 0);
    n = a.select(empty, a.add(n, k), n);
    v = a.select(empty, a.shl(v, k), v);
  }
  return n;
}

/// sum * 2^scale, rounded to nearest even, with the sign; sum is not 0 and its bit 0 may be a jam.
static Value toDouble(Arith &a, Wide sum, Value scale, Value negative) {
  Type i64 = a.b.getI64Type();
  Value hiEmpty = a.equal(sum.hi, 0);
  Value zeros = leadingZeros(a, a.select(hiEmpty, sum.lo, sum.hi));
  zeros = a.select(hiEmpty, a.add(zeros, 64), zeros);
  Wide top = shiftLeft(a, sum, zeros);
  Value m = a.or_(top.hi, a.castTo<arith::ExtUIOp>(a.differs(top.lo, 0), i64));  // leading bit 63
  Value biased = a.add(a.sub(scale, zeros), 127 + 1023);
  Value tiny = a.compare(CmpIPredicate::slt, biased, 1);
  Value down = a.select(tiny, a.sub(a.integer(1, biased.getType()), biased), a.integer(0, biased.getType()));
  m = shiftRightJam(a, m, down);
  Value q = a.shr(m, 11), rest = a.and_(m, 0x7ff);
  Value above = a.compare(CmpIPredicate::ugt, a.add(rest, a.and_(q, 1)), 0x400);  // ties go to the even q
  q = a.add(q, a.castTo<arith::ExtUIOp>(above, i64));
  // q carries its own leading bit, which adds 1 to the exponent field; a carry out of it is right as well.
  Value bits = a.add(a.select(tiny, a.integer(0, q.getType()), a.shl(a.sub(biased, 1), 52)), q);
  int64_t infinity = int64_t(0x7ff) << 52;
  bits = a.select(a.compare(CmpIPredicate::sge, biased, 2047), a.integer(infinity, bits.getType()), bits);
  Value sign = a.shl(a.castTo<arith::ExtUIOp>(negative, i64), 63);
  return a.bits(a.or_(bits, sign), a.b.getF64Type());
}

/// Product and addend as 128-bit integers of one scale. The product stays at bit 0 unless the addend is so large
/// that its place (at most 70 bits up) forces the product down; what falls out below is jammed into bit 0, far
/// below the rounding position in both cases.
static Value fma64(Arith &a, Value x, Value y, Value z, const Options &) {
  Parts px = takeApart(a, x), py = takeApart(a, y), pz = takeApart(a, z);
  Type t = px.exponent.getType();
  Value zero = a.integer(0, t);
  Value scale = a.sub(a.add(px.exponent, py.exponent), 2150);
  Value d = a.sub(a.sub(pz.exponent, 1075), scale);
  auto positive = [&](Value v) { return a.select(a.compare(CmpIPredicate::sgt, v, 0), v, zero); };
  Value down = positive(a.sub(d, 70));
  Value up = a.sub(positive(d), down);
  Wide product = shiftRightJam(a, multiply(a, px.mantissa, py.mantissa), down);
  Value addend = shiftRightJam(a, pz.mantissa, positive(a.sub(zero, d)));
  Wide shifted = shiftLeft(a, {zero, addend}, up);
  Value negative = a.xor_(px.negative, py.negative);
  Value opposite = a.xor_(negative, pz.negative);
  Wide minus = negate(a, shifted);
  Wide sum = add(a, product, {a.select(opposite, minus.hi, shifted.hi), a.select(opposite, minus.lo, shifted.lo)});
  Value below = a.compare(CmpIPredicate::slt, sum.hi, 0);
  Wide turned = negate(a, sum);
  sum = {a.select(below, turned.hi, sum.hi), a.select(below, turned.lo, sum.lo)};
  Value exact = toDouble(a, sum, a.add(scale, down), a.xor_(negative, below));
  Value none = a.equal(a.or_(sum.hi, sum.lo), 0);
  exact = a.select(none, a.real(0.0, x.getType()), exact);
  // Zeros, infinities and NaNs: the plain operations round nothing there (z = 0: the product's own rounding), but the
  // product of finite factors must not overflow against an infinite z.
  auto finite = [&](Value v) {
    return a.compare(CmpFPredicate::OLT, a.make<math::AbsFOp>(v),
                     a.real(llvm::APFloat::getInf(llvm::APFloat::IEEEdouble()), v.getType()));
  };
  auto isZero = [&](Value v) { return a.compare(CmpFPredicate::OEQ, v, a.real(0.0, v.getType())); };
  Value plainProduct = a.mulf(x, y);
  Value factors = a.and_(finite(x), finite(y));
  Value plain = a.or_(a.not_(factors), a.or_(isZero(x), isZero(y)));
  exact = a.select(isZero(z), plainProduct, exact);
  exact = a.select(finite(z), exact, z);
  return a.select(plain, a.addf(plainProduct, z), exact);
}

/// The function of the module for this type, made once.
static std::string softwareFmaOf(Arith &a, Type type, const Options &options) {
  Type element = elementOf(type);
  std::string name = element.isF32() ? "mlr_fma_f32" : "mlr_fma_f64";
  if (int64_t lanes = lanesOf(type); lanes > 1) name += "x" + std::to_string(lanes);
  auto module = a.b.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  if (!module.lookupSymbol(name)) {
    OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
    auto f = func::FuncOp::create(b, a.loc, name, b.getFunctionType({type, type, type}, {type}));
    f.setPrivate();
    f->setAttr("mlr.software_fma", b.getUnitAttr());
    Block *entry = f.addEntryBlock();
    b.setInsertionPointToEnd(entry);
    Arith inner(b, a.loc, entry);
    auto fma = element.isF32() ? fma32 : fma64;
    Value result = fma(inner, entry->getArgument(0), entry->getArgument(1), entry->getArgument(2), options);
    func::ReturnOp::create(inner.b, a.loc, result);
    if (Operation *addition = module.lookupSymbol("mlr_add_f64"))  // C declares what it calls first
      addition->moveBefore(&module.getBody()->front());
  }
  return name;
}

Value softwareFma(Arith &a, Value x, Value y, Value z, const Options &options) {
  Type type = x.getType();
  if (options.arrays && isa<VectorType>(type)) {  // called for each element
    softwareFmaOf(a, elementOf(type), options);
    return a.make<math::FmaOp>(x, y, z);
  }
  std::string name = softwareFmaOf(a, type, options);
  return func::CallOp::create(a.b, a.loc, name, TypeRange{type}, ValueRange{x, y, z}).getResult(0);
}

} // namespace mlr::loops
