// The scalar operators: total, exact to the bit.
#include "mlr/Loops/Scalars.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlr::dataflow;
using arith::CmpFPredicate;
using arith::CmpIPredicate;

namespace mlr::loops {

/// Everything that is compared and divided without a sign: ui8..ui64 and bool.
static bool isUnsignedType(Type t) { return t.isUnsignedInteger() || t.isInteger(1); }
static bool isFloatType(Type t) { return isa<FloatType>(t); }

/// Computes on f32 what is stored as f16 or bf16, and on the type itself otherwise. One f32 operation rounded again is
/// the operation rounded once: f32 has more than twice the digits of both, plus two.
template <class F>
static Value throughF32(Arith &a, Type scalar, ArrayRef<Value> x, F compute) {
  if (!isHalf(scalar)) return compute(x);
  SmallVector<Value> wide;
  for (Value v : x) wide.push_back(widen(a, v, scalar));
  return roundToHalf(a, compute(wide), scalar);
}

Value addFloats(Arith &a, Value x, Value y, const Options &options) {
  return x.getType().isF64() && !options.hasAdd64 ? softwareAdd(a, x, y) : a.addf(x, y);
}

Value subtractFloats(Arith &a, Value x, Value y, const Options &options) {
  if (!x.getType().isF64() || options.hasAdd64) return a.subf(x, y);
  return softwareAdd(a, x, a.make<arith::NegFOp>(y));
}

Value emitAdd(Arith &a, Type scalar, Value x, Value y, const Options &options) {
  if (!isFloatType(scalar)) return a.add(x, y);
  return throughF32(a, scalar, {x, y}, [&](ArrayRef<Value> v) { return addFloats(a, v[0], v[1], options); });
}

Value emitMul(Arith &a, Type scalar, Value x, Value y) {
  if (!isFloatType(scalar)) return a.mul(x, y);
  return throughF32(a, scalar, {x, y}, [&](ArrayRef<Value> v) { return a.mulf(v[0], v[1]); });
}

/// Product exact in f64, sum rounded to odd (two-sum gives the error's sign), then to f32 rounded to odd, then once.
static Value emitHalfFma(Arith &a, Type half, Value x, Value y, Value z, const Options &options) {
  Type f64 = a.b.getF64Type(), i64 = a.b.getI64Type();
  auto wide = [&](Value v) { return a.castTo<arith::ExtFOp>(widen(a, v, half), f64); };
  Value p = a.mulf(wide(x), wide(y)), c = wide(z);
  auto add = [&](Value v, Value w) { return addFloats(a, v, w, options); };
  auto sub = [&](Value v, Value w) { return subtractFloats(a, v, w, options); };
  Value s = add(p, c), t = sub(s, p);
  Value error = add(sub(p, sub(s, t)), sub(c, t));
  Value u = a.bits(s, i64), zero = a.real(0.0, s.getType());
  Value change = a.and_(a.compare(CmpFPredicate::ONE, error, zero), a.equal(a.and_(u, 1), 0));
  Value grows = a.compare(CmpIPredicate::eq, a.compare(CmpFPredicate::OGT, error, zero),
                          a.compare(CmpFPredicate::OGT, s, zero));
  Value odd = a.select(change, a.select(grows, a.add(u, 1), a.sub(u, 1)), u);
  return roundToHalf(a, narrowToOdd(a, a.bits(odd, f64)), half);
}

Value emitFma(Arith &a, Type scalar, Value x, Value y, Value z, const Options &options) {
  if (!isFloatType(scalar)) return a.add(a.mul(x, y), z);
  if (isHalf(scalar)) return emitHalfFma(a, scalar, x, y, z, options);
  if (scalar.isF32() ? !options.hasFma : !options.hasFma64) return softwareFma(a, x, y, z, options);
  return a.make<math::FmaOp>(x, y, z);
}

Value emitIsNan(Arith &a, Type scalar, Value x) {
  if (!isFloatType(scalar)) return a.truth(false, x.getType());
  if (!isHalf(scalar)) return a.isNan(x);
  return a.compare(CmpIPredicate::ugt, a.and_(x, 0x7fff), scalar.isBF16() ? 0x7f80 : 0x7c00);
}

static Value emitCompare(Arith &a, Type scalar, CmpFPredicate f, CmpIPredicate s, CmpIPredicate u, Value x, Value y) {
  if (isHalf(scalar)) return a.compare(f, widen(a, x, scalar), widen(a, y, scalar));
  if (isFloatType(scalar)) return a.compare(f, x, y);
  return a.compare(isUnsignedType(scalar) ? u : s, x, y);
}

Value emitGreater(Arith &a, Type scalar, Value x, Value y) {
  return emitCompare(a, scalar, CmpFPredicate::OGT, CmpIPredicate::sgt, CmpIPredicate::ugt, x, y);
}

static bool isNumber(Value v) {
  FloatAttr f;
  if (matchPattern(v, m_Constant(&f))) return !f.getValue().isNaN();
  DenseElementsAttr d;
  return matchPattern(v, m_Constant(&d)) && d.isSplat() && isa<FloatType>(d.getElementType()) &&
         !d.getSplatValue<llvm::APFloat>().isNaN();
}

Value emitMaxMin(Arith &a, Type scalar, Value x, Value y, bool isMax) {
  if (isFloatType(scalar) && !isHalf(scalar)) {
    // With a constant beside it, one comparison sees both the order and the NaN.
    if (isNumber(x)) return a.select(a.compare(isMax ? CmpFPredicate::OGT : CmpFPredicate::OLT, x, y), x, y);
    if (isNumber(y)) return a.select(a.compare(isMax ? CmpFPredicate::UGT : CmpFPredicate::ULT, x, y), x, y);
  }
  Value first = isMax ? emitGreater(a, scalar, x, y)
                      : emitCompare(a, scalar, CmpFPredicate::OLT, CmpIPredicate::slt, CmpIPredicate::ult, x, y);
  if (isFloatType(scalar)) first = a.or_(first, emitIsNan(a, scalar, x));
  return a.select(first, x, y);
}

// ---- integers --------------------------------------------------------------------------------------------------

/// x / 0 = x % 0 = 0, MIN / -1 = MIN, MIN % -1 = 0. The machine sees a divisor that is neither.
static Value emitIntDiv(Arith &a, Type scalar, Value x, Value y, bool remainder) {
  Type t = x.getType();
  Value zero = a.integer(0, t), one = a.integer(1, t);
  Value byZero = a.equal(y, 0);
  if (isUnsignedType(scalar)) {
    Value d = a.select(byZero, one, y);
    Value q = remainder ? a.make<arith::RemUIOp>(x, d) : a.make<arith::DivUIOp>(x, d);
    return a.select(byZero, zero, q);
  }
  Value byMinus = a.equal(y, -1);
  Value d = a.select(a.or_(byZero, byMinus), one, y);
  if (remainder) {
    // x % 1 = 0 is what both special cases want.
    return a.make<arith::RemSIOp>(x, d);
  }
  Value q = a.make<arith::DivSIOp>(x, d);
  return a.select(byZero, zero, a.select(byMinus, a.sub(zero, x), q));
}

static Value emitShift(Arith &a, Type scalar, Value x, Value count, bool left) {
  Value n = a.and_(count, static_cast<int64_t>(scalar.getIntOrFloatBitWidth()) - 1);
  if (left) return a.shl(x, n);
  return isUnsignedType(scalar) ? a.shr(x, n) : a.make<arith::ShRSIOp>(x, n);
}

// ---- conversions -----------------------------------------------------------------------------------------------

/// Truncates and saturates; NaN gives 0. The machine's conversion sees only values that fit.
static Value emitFloatToInt(Arith &a, Value x, Type to) {
  unsigned width = to.getIntOrFloatBitWidth();
  bool isUnsigned = to.isUnsignedInteger();
  Type ft = x.getType(), it = withElement(ft, registerType(to));
  llvm::APFloat limit(llvm::APFloat::IEEEdouble(), 1);
  limit = scalbn(limit, static_cast<int>(isUnsigned ? width : width - 1), llvm::APFloat::rmNearestTiesToEven);
  Value over = a.compare(CmpFPredicate::OGE, x, a.real(limit, ft));
  APInt most = isUnsigned ? APInt::getMaxValue(width) : APInt::getSignedMaxValue(width);
  Value top = a.integer(most.getSExtValue(), it);
  Value zero = a.real(0.0, ft);
  // Narrow integers convert through 32 bits, which every machine has.
  Type through = a.b.getIntegerType(std::max(width, 32u));
  if (isUnsigned) {
    Value inside = a.and_(a.compare(CmpFPredicate::OGT, x, zero), a.not_(over));
    Value q = a.castTo<arith::FPToUIOp>(a.select(inside, x, zero), through);
    return a.select(over, top, a.resize(q, registerType(to), false));
  }
  limit.changeSign();
  // Down to MIN - 1, exclusive, truncation gives MIN; where the type has no MIN - 1, MIN itself is the only such value.
  Value under = a.compare(CmpFPredicate::OLE, x, a.real(limit, ft));
  Value ordered = a.compare(CmpFPredicate::ORD, x, x);
  Value inside = a.and_(ordered, a.not_(a.or_(over, under)));
  Value q = a.resize(a.castTo<arith::FPToSIOp>(a.select(inside, x, zero), through), registerType(to), true);
  q = a.select(over, top, q);
  return a.select(under, a.integer(APInt::getSignedMinValue(width).getSExtValue(), it), q);
}

/// A 64-bit integer with the bits below its 53 leading ones jammed into the last, so that f64 holds it.
static Value jamTo53(Arith &a, Value x, bool isUnsigned) {
  Value lost = a.differs(a.and_(x, 0x7ff), 0);
  Value kept = a.and_(x, ~int64_t(0x7ff));
  Value jammed = a.or_(kept, a.shl(a.castTo<arith::ExtUIOp>(lost, a.b.getI64Type()), 11));
  Value big = isUnsigned ? a.differs(a.shr(x, 53), 0)
                         : a.compare(CmpIPredicate::ugt, a.add(x, int64_t(1) << 53), int64_t(1) << 54);
  return a.select(big, jammed, x);
}

static Value emitIntToFloat(Arith &a, Value x, Type from, Type to) {
  bool isUnsigned = isUnsignedType(from);
  auto convert = [&](Value v, Type f) {
    return isUnsigned ? a.castTo<arith::UIToFPOp>(v, f) : a.castTo<arith::SIToFPOp>(v, f);
  };
  if (!isHalf(to)) return convert(x, to);
  unsigned width = from.getIntOrFloatBitWidth();
  if (width <= 16) return roundToHalf(a, convert(x, a.b.getF32Type()), to);
  if (width == 64) x = jamTo53(a, x, isUnsigned);
  return roundToHalf(a, narrowToOdd(a, convert(x, a.b.getF64Type())), to);
}

static Value emitFloatToFloat(Arith &a, Value x, Type from, Type to) {
  if (from == to) return x;
  if (isHalf(from)) return emitFloatToFloat(a, widen(a, x, from), a.b.getF32Type(), to);
  if (isHalf(to)) return roundToHalf(a, from.isF64() ? narrowToOdd(a, x) : x, to);
  return from.isF32() ? a.castTo<arith::ExtFOp>(x, to) : a.castTo<arith::TruncFOp>(x, to);
}

Value emitConvert(Arith &a, Value x, Type from, Type to) {
  if (from == to) return x;
  if (isFloatType(from) && isFloatType(to)) return emitFloatToFloat(a, x, from, to);
  if (isHalf(from)) {
    x = widen(a, x, from);
    from = a.b.getF32Type();
  }
  if (to.isInteger(1)) {
    if (isFloatType(from)) return a.compare(CmpFPredicate::UNE, x, a.real(0.0, x.getType()));
    return a.differs(x, 0);
  }
  if (isFloatType(from)) return emitFloatToInt(a, x, to);
  if (isFloatType(to)) return emitIntToFloat(a, x, from, to);
  return a.resize(x, registerType(to), !isUnsignedType(from));
}

/// Between types of one width. All NaNs count as one value, so a NaN has the bits of the positive quiet one.
static Value emitBitcast(Arith &a, Value x, Type from, Type to) {
  if (isFloatType(from)) {
    Type bitsType = a.b.getIntegerType(from.getIntOrFloatBitWidth());
    Value nan = emitIsNan(a, from, x);
    auto quiet = llvm::APFloat::getQNaN(cast<FloatType>(from).getFloatSemantics()).bitcastToAPInt();
    Value bits = a.bits(x, bitsType);
    x = a.select(nan, a.integer(quiet.getSExtValue(), bits.getType()), bits);
  }
  return a.bits(x, registerType(to));
}

// ---- dispatch --------------------------------------------------------------------------------------------------

static Value emitCompareOp(Arith &a, Operation *op, Type t, Value x, Value y) {
  auto emit = [&](CmpFPredicate f, CmpIPredicate s, CmpIPredicate u) { return emitCompare(a, t, f, s, u, x, y); };
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](LtOp) { return emit(CmpFPredicate::OLT, CmpIPredicate::slt, CmpIPredicate::ult); })
      .Case([&](GtOp) { return emit(CmpFPredicate::OGT, CmpIPredicate::sgt, CmpIPredicate::ugt); })
      .Case([&](LeOp) { return emit(CmpFPredicate::OLE, CmpIPredicate::sle, CmpIPredicate::ule); })
      .Case([&](GeOp) { return emit(CmpFPredicate::OGE, CmpIPredicate::sge, CmpIPredicate::uge); })
      .Case([&](EqOp) { return emit(CmpFPredicate::OEQ, CmpIPredicate::eq, CmpIPredicate::eq); })
      .Case([&](NeOp) { return emit(CmpFPredicate::UNE, CmpIPredicate::ne, CmpIPredicate::ne); })
      .Default([](Operation *) { return Value(); });
}

static Value emitNeg(Arith &a, Type t, Value x) {
  if (isHalf(t)) return a.xor_(x, 0x8000);
  if (isFloatType(t)) return a.make<arith::NegFOp>(x);
  return a.sub(a.integer(0, x.getType()), x);
}

static Value emitAbs(Arith &a, Type t, Value x) {
  if (isHalf(t)) return a.and_(x, 0x7fff);
  if (isFloatType(t)) return a.make<math::AbsFOp>(x);
  if (isUnsignedType(t)) return x;
  return a.select(a.compare(CmpIPredicate::slt, x, 0), a.sub(a.integer(0, x.getType()), x), x);
}

template <class Math> static Value emitMath(Arith &a, Type t, Value x) {
  if (!isFloatType(t)) return x;  // rounding an integer
  return throughF32(a, t, {x}, [&](ArrayRef<Value> v) { return a.make<Math>(v[0]); });
}

Value emitScalar(Arith &a, Operation *op, ArrayRef<Value> x, const Options &options) {
  if (op->getNumResults() != 1 || x.empty()) return {};
  Type t = op->getOperand(0).getType();
  auto floats = [&](auto compute) {
    return throughF32(a, t, x, [&](ArrayRef<Value> v) { return compute(v[0], v[1]); });
  };
  if (Value compared = x.size() == 2 ? emitCompareOp(a, op, t, x[0], x[1]) : Value()) return compared;
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](AddOp) { return emitAdd(a, t, x[0], x[1], options); })
      .Case([&](MulOp) { return emitMul(a, t, x[0], x[1]); })
      .Case([&](SubOp) {
        return isFloatType(t) ? floats([&](Value p, Value q) { return subtractFloats(a, p, q, options); })
                              : a.sub(x[0], x[1]);
      })
      .Case([&](DivOp) {
        return isFloatType(t) ? floats([&](Value p, Value q) { return a.make<arith::DivFOp>(p, q); })
                              : emitIntDiv(a, t, x[0], x[1], false);
      })
      .Case([&](RemOp) {
        return isFloatType(t) ? floats([&](Value p, Value q) { return a.make<arith::RemFOp>(p, q); })
                              : emitIntDiv(a, t, x[0], x[1], true);
      })
      .Case([&](MaxOp) { return emitMaxMin(a, t, x[0], x[1], true); })
      .Case([&](MinOp) { return emitMaxMin(a, t, x[0], x[1], false); })
      .Case([&](NegOp) { return emitNeg(a, t, x[0]); })
      .Case([&](AbsOp) { return emitAbs(a, t, x[0]); })
      .Case([&](SqrtOp) { return emitMath<math::SqrtOp>(a, t, x[0]); })
      .Case([&](FloorOp) { return emitMath<math::FloorOp>(a, t, x[0]); })
      .Case([&](CeilOp) { return emitMath<math::CeilOp>(a, t, x[0]); })
      .Case([&](TruncOp) { return emitMath<math::TruncOp>(a, t, x[0]); })
      .Case([&](RoundEvenOp) { return emitMath<math::RoundEvenOp>(a, t, x[0]); })
      .Case([&](FmaOp) { return emitFma(a, t, x[0], x[1], x[2], options); })
      .Case([&](AndOp) { return a.and_(x[0], x[1]); })
      .Case([&](OrOp) { return a.or_(x[0], x[1]); })
      .Case([&](XorOp) { return a.xor_(x[0], x[1]); })
      .Case([&](NotOp) { return a.not_(x[0]); })
      .Case([&](ShlOp) { return emitShift(a, t, x[0], x[1], true); })
      .Case([&](ShrOp) { return emitShift(a, t, x[0], x[1], false); })
      .Case([&](SelectOp) { return a.select(x[0], x[1], x[2]); })
      .Case([&](BitcastOp c) { return emitBitcast(a, x[0], t, c.getResult().getType()); })
      .Case([&](ConvertOp c) { return emitConvert(a, x[0], t, c.getResult().getType()); })
      .Default([](Operation *) { return Value(); });
}

} // namespace mlr::loops
