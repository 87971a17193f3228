#include "mlr/Eval/Numbers.h"
#include "support/Half.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace mlr::eval {
namespace {

template <class T> Bits pack(T value) {
  if constexpr (std::is_same_v<T, float>) return std::bit_cast<uint32_t>(value);
  else if constexpr (std::is_same_v<T, double>) return std::bit_cast<uint64_t>(value);
  else return static_cast<Bits>(static_cast<int64_t>(value)); // of unsigned types: zero-extended
}
float f32(Bits b) { return std::bit_cast<float>(static_cast<uint32_t>(b)); }
double f64(Bits b) { return std::bit_cast<double>(b); }

/// f64 -> f32 rounded to odd: further rounding to a narrower format is then as if done at once
/// (Boldo-Melquiond 2008).
float roundToOdd(double d) {
  float f = static_cast<float>(d);
  if (static_cast<double>(f) == d || d != d) return f;
  uint32_t bits = std::bit_cast<uint32_t>(f);
  if (std::fabs(static_cast<double>(f)) > std::fabs(d)) --bits;
  return std::bit_cast<float>(bits | 1);
}

Bits halfOf(double d) { return floatToHalf(roundToOdd(d)); }
Bits bfloatOf(double d) { return floatToBfloat(roundToOdd(d)); }

/// An integer as f64 rounded to odd, so that narrower floats are rounded once. Exact below 2^53.
double oddDouble(bool negative, uint64_t magnitude) {
  int shift = 0;
  uint64_t sticky = 0;
  for (; magnitude >> 53 != 0; ++shift) {
    sticky |= magnitude & 1;
    magnitude >>= 1;
  }
  double d = std::ldexp(static_cast<double>(magnitude | sticky), shift);
  return negative ? -d : d;
}

template <class T> T arithmetic(OpKind op, T a, T b, T c) {
  switch (op) {
  case OpKind::Add: return a + b;
  case OpKind::Sub: return a - b;
  case OpKind::Mul: return a * b;
  case OpKind::Div: return a / b;
  case OpKind::Rem: return std::fmod(a, b);
  case OpKind::Fma: return std::fma(a, b, c);
  case OpKind::Sqrt: return std::sqrt(a);
  case OpKind::Floor: return std::floor(a);
  case OpKind::Ceil: return std::ceil(a);
  case OpKind::Trunc: return std::trunc(a);
  case OpKind::RoundEven: return std::nearbyint(a);
  default: return a;
  }
}

template <class T> bool compare(OpKind op, T a, T b) {
  switch (op) {
  case OpKind::Lt: return a < b;
  case OpKind::Gt: return a > b;
  case OpKind::Le: return a <= b;
  case OpKind::Ge: return a >= b;
  case OpKind::Eq: return a == b;
  default: return a != b;
  }
}

double asDouble(Scalar scalar, Bits value) {
  switch (scalar) {
  case Scalar::F16: return halfToFloat(static_cast<uint16_t>(value));
  case Scalar::BF16: return bfloatToFloat(static_cast<uint16_t>(value));
  case Scalar::F32: return f32(value);
  default: return f64(value);
  }
}

unsigned signBit(Scalar scalar) { return bitWidth(scalar) - 1; }

/// Operators whose result is one of the operands, or its sign: exact bits, no rounding.
Bits floatPick(OpKind op, Scalar scalar, Bits a, Bits b) {
  switch (op) {
  case OpKind::Neg: return a ^ Bits(1) << signBit(scalar);
  case OpKind::Abs: return a & ~(Bits(1) << signBit(scalar));
  case OpKind::Max: return isNaN(scalar, a) || asDouble(scalar, a) > asDouble(scalar, b) ? a : b;
  default: return isNaN(scalar, a) || asDouble(scalar, a) < asDouble(scalar, b) ? a : b;
  }
}

/// x + y rounded to odd: where it is inexact, to the neighbour whose last bit is 1, which no tie of a narrower format is
/// (Boldo and Melquiond 2008).
static double sumToOdd(double x, double y) {
  double s = x + y;
  if (!std::isfinite(s)) return s;
  double back = s - x, error = (x - (s - back)) + (y - back); // Knuth's two-sum
  if (error == 0 || (std::bit_cast<uint64_t>(s) & 1)) return s;
  return std::nextafter(s, error > 0 ? HUGE_VAL : -HUGE_VAL);
}

Bits floatArithmetic(OpKind op, Scalar scalar, Bits a, Bits b, Bits c) {
  switch (scalar) {
  case Scalar::F32: return pack(arithmetic(op, f32(a), f32(b), f32(c)));
  case Scalar::F64: return pack(arithmetic(op, f64(a), f64(b), f64(c)));
  default: break;
  }
  // One operation in f32 and rounding is as good as one rounding for + - * / sqrt (Figueroa 1995). A fused
  // product goes through f64: the product is exact there, and the sum loses nothing that a 16-bit format could tell, if
  // it is rounded to odd.
  bool half = scalar == Scalar::F16;
  if (op == OpKind::Fma) {
    double d = sumToOdd(asDouble(scalar, a) * asDouble(scalar, b), asDouble(scalar, c));
    return half ? halfOf(d) : bfloatOf(d);
  }
  float r =
      arithmetic(op, static_cast<float>(asDouble(scalar, a)), static_cast<float>(asDouble(scalar, b)), 0.0f);
  return half ? floatToHalf(r) : floatToBfloat(r);
}

/// The value of an integer type in `word`, wrapped to its width.
Bits wrap(Scalar scalar, uint64_t word) {
  switch (scalar) {
  case Scalar::Bool: return word != 0;
  case Scalar::I8: return pack(static_cast<int8_t>(word));
  case Scalar::I16: return pack(static_cast<int16_t>(word));
  case Scalar::I32: return pack(static_cast<int32_t>(word));
  case Scalar::U8: return static_cast<uint8_t>(word);
  case Scalar::U16: return static_cast<uint16_t>(word);
  case Scalar::U32: return static_cast<uint32_t>(word);
  default: return word;
  }
}

Bits divide(OpKind op, Scalar scalar, Bits a, Bits b) {
  if (b == 0) return 0;
  bool remainder = op == OpKind::Rem;
  if (isUnsigned(scalar)) return remainder ? a % b : a / b;
  if (b == ~Bits(0)) return remainder ? 0 : wrap(scalar, 0 - a); // by -1: MIN / -1 wraps to MIN
  int64_t x = static_cast<int64_t>(a), y = static_cast<int64_t>(b);
  return static_cast<Bits>(remainder ? x % y : x / y);
}

Bits integerOp(OpKind op, Scalar scalar, Bits a, Bits b) {
  bool isSmaller = isUnsigned(scalar) ? a < b : static_cast<int64_t>(a) < static_cast<int64_t>(b);
  unsigned count = static_cast<unsigned>(b & (bitWidth(scalar) - 1));
  switch (op) {
  case OpKind::Add: return wrap(scalar, a + b);
  case OpKind::Sub: return wrap(scalar, a - b);
  case OpKind::Mul: return wrap(scalar, a * b);
  case OpKind::Div:
  case OpKind::Rem: return divide(op, scalar, a, b);
  case OpKind::Neg: return wrap(scalar, 0 - a);
  case OpKind::Abs: return isSigned(scalar) && static_cast<int64_t>(a) < 0 ? wrap(scalar, 0 - a) : a;
  case OpKind::Min: return isSmaller ? a : b;
  case OpKind::Max: return isSmaller || a == b ? b : a;
  case OpKind::BitAnd: return a & b;
  case OpKind::BitOr: return a | b;
  case OpKind::BitXor: return a ^ b;
  case OpKind::BitNot: return wrap(scalar, ~a);
  case OpKind::Shl: return wrap(scalar, a << count);
  case OpKind::Shr:
    return isSigned(scalar) ? static_cast<Bits>(static_cast<int64_t>(a) >> count) : a >> count;
  default: return a;
  }
}

Bits compareOp(OpKind op, Scalar scalar, Bits a, Bits b) {
  if (isFloat(scalar)) return compare(op, asDouble(scalar, a), asDouble(scalar, b));
  if (isSigned(scalar)) return compare(op, static_cast<int64_t>(a), static_cast<int64_t>(b));
  return compare(op, a, b);
}

/// Truncates, saturates, NaN is 0. Bounds are compared in f64, where 2^63 and 2^64 are exact.
Bits integerFrom(double d, Scalar to) {
  if (d != d) return 0;
  unsigned width = bitWidth(to);
  bool isSignedType = isSigned(to);
  double limit = std::ldexp(1.0, static_cast<int>(isSignedType ? width - 1 : width));
  uint64_t largest = isSignedType ? (uint64_t(1) << (width - 1)) - 1 : ~uint64_t(0) >> (64 - width);
  d = std::trunc(d);
  if (d >= limit) return largest;
  if (!isSignedType) return d <= 0 ? 0 : static_cast<uint64_t>(d);
  return d < -limit ? wrap(to, largest + 1) : pack(static_cast<int64_t>(d));
}

Bits floatFromInteger(Scalar from, Bits value, Scalar to) {
  bool negative = isSigned(from) && static_cast<int64_t>(value) < 0;
  uint64_t magnitude = negative ? 0 - value : value;
  switch (to) {
  case Scalar::F32: {
    float f = static_cast<float>(magnitude);
    return pack(negative ? -f : f);
  }
  case Scalar::F64: {
    double d = static_cast<double>(magnitude);
    return pack(negative ? -d : d);
  }
  case Scalar::F16: return halfOf(oddDouble(negative, magnitude));
  default: return bfloatOf(oddDouble(negative, magnitude));
  }
}

Bits convert(Scalar from, Bits value, Scalar to) {
  if (from == to) return value;
  if (to == Scalar::Bool) return isFloat(from) ? asDouble(from, value) != 0 : value != 0;
  if (!isFloat(from)) return isFloat(to) ? floatFromInteger(from, value, to) : wrap(to, value);
  double d = asDouble(from, value); // exact
  switch (to) {
  case Scalar::F16: return halfOf(d);
  case Scalar::BF16: return bfloatOf(d);
  case Scalar::F32: return pack(static_cast<float>(d));
  case Scalar::F64: return pack(d);
  default: return integerFrom(d, to);
  }
}

Bits quietNaN(Scalar scalar) {
  switch (scalar) {
  case Scalar::F16: return 0x7e00;
  case Scalar::BF16: return 0x7fc0;
  case Scalar::F32: return 0x7fc00000;
  default: return 0x7ff8000000000000;
  }
}

/// All NaNs count as one value, so their bits are those of the quiet NaN.
Bits bitcast(Scalar from, Bits value, Scalar to) {
  if (isFloat(from) && isNaN(from, value)) value = quietNaN(from);
  return isFloat(to) ? value & (~Bits(0) >> (64 - bitWidth(to))) : wrap(to, value);
}

} // namespace

Bits load(Scalar scalar, const std::byte *elements, int64_t i) {
  auto element = [&](auto zero) {
    std::memcpy(&zero, elements + static_cast<size_t>(i) * sizeof zero, sizeof zero);
    return zero;
  };
  switch (scalar) {
  case Scalar::Bool:
  case Scalar::U8: return element(uint8_t());
  case Scalar::I8: return pack(element(int8_t()));
  case Scalar::I16: return pack(element(int16_t()));
  case Scalar::I32: return pack(element(int32_t()));
  case Scalar::U16:
  case Scalar::F16:
  case Scalar::BF16: return element(uint16_t());
  case Scalar::U32:
  case Scalar::F32: return element(uint32_t());
  case Scalar::I64:
  case Scalar::U64:
  case Scalar::F64: return element(uint64_t());
  }
  return 0;
}

void store(Scalar scalar, std::byte *elements, int64_t i, Bits value) {
  size_t width = byteSize(scalar);
  std::memcpy(elements + static_cast<size_t>(i) * width, &value, width); // little-endian, as Array
}

int64_t asPlace(Scalar scalar, Bits value) {
  if (scalar == Scalar::U64 && value > static_cast<Bits>(INT64_MAX)) return INT64_MAX;
  return static_cast<int64_t>(value);
}

bool isNaN(Scalar scalar, Bits value) {
  switch (scalar) {
  case Scalar::F16: return (value & 0x7fff) > 0x7c00;
  case Scalar::BF16: return (value & 0x7fff) > 0x7f80;
  case Scalar::F32: return (value & 0x7fffffff) > 0x7f800000;
  case Scalar::F64: return (value & 0x7fffffffffffffff) > 0x7ff0000000000000;
  default: return false;
  }
}

Bits apply(OpKind op, Scalar operand, Scalar result, Bits a, Bits b, Bits c) {
  switch (op) {
  case OpKind::Lt:
  case OpKind::Gt:
  case OpKind::Le:
  case OpKind::Ge:
  case OpKind::Eq:
  case OpKind::Ne: return compareOp(op, operand, a, b);
  case OpKind::And: return a & b;
  case OpKind::Or: return a | b;
  case OpKind::Not: return a ^ 1;
  case OpKind::Select: return a ? b : c;
  case OpKind::Bitcast: return bitcast(operand, a, result);
  case OpKind::Convert: return convert(operand, a, result);
  case OpKind::Neg:
  case OpKind::Abs:
  case OpKind::Max:
  case OpKind::Min: return isFloat(operand) ? floatPick(op, operand, a, b) : integerOp(op, operand, a, b);
  default: return isFloat(operand) ? floatArithmetic(op, operand, a, b, c) : integerOp(op, operand, a, b);
  }
}

void Chain::startProduct() {
  word = 1;
  if (scalar == Scalar::F64) wide.f64 = 1;
  else wide.f32 = 1;
}

void Chain::add(Bits element) {
  int64_t position = seen++;
  switch (kind) {
  case ReduceKind::Sum:
  case ReduceKind::Mean:
    if (scalar == Scalar::F64) wide.f64 += f64(element);
    else if (isFloat(scalar)) wide.f32 += static_cast<float>(asDouble(scalar, element));
    else word += element;
    return;
  case ReduceKind::Prod:
    if (scalar == Scalar::F64) wide.f64 *= f64(element);
    else if (isFloat(scalar)) wide.f32 *= static_cast<float>(asDouble(scalar, element));
    else word *= element;
    return;
  case ReduceKind::Max:
  case ReduceKind::Min: {
    OpKind op = kind == ReduceKind::Max ? OpKind::Max : OpKind::Min;
    word = position == 0 ? element : apply(op, scalar, scalar, word, element);
    return;
  }
  case ReduceKind::All: word &= element; return;
  case ReduceKind::Any: word |= element; return;
  case ReduceKind::Argmax:
  case ReduceKind::Argmin: {
    OpKind better = kind == ReduceKind::Argmax ? OpKind::Gt : OpKind::Lt;
    if (position != 0 &&
        (isNaN(scalar, word) || !(isNaN(scalar, element) || compareOp(better, scalar, element, word))))
      return;
    word = element;
    best = position;
    return;
  }
  }
}

void Chain::addProduct(Bits a, Bits b) {
  ++seen;
  if (scalar == Scalar::F64) {
    wide.f64 = unfused ? wide.f64 + f64(a) * f64(b) : std::fma(f64(a), f64(b), wide.f64);
    return;
  }
  float x = static_cast<float>(asDouble(scalar, a)), y = static_cast<float>(asDouble(scalar, b));
  wide.f32 = unfused ? wide.f32 + x * y : std::fma(x, y, wide.f32);
}

void Chain::merge(const Chain &other) {
  seen += other.seen;
  if (scalar == Scalar::F64) wide.f64 += other.wide.f64;
  else wide.f32 += other.wide.f32;
}

Bits Chain::finish(int64_t count) const {
  if (kind == ReduceKind::Argmax || kind == ReduceKind::Argmin) return static_cast<Bits>(best);
  bool sum = kind == ReduceKind::Sum || kind == ReduceKind::Mean || kind == ReduceKind::Prod;
  if (!sum) return word;
  if (!isFloat(scalar)) return wrap(scalar, word);
  if (scalar == Scalar::F64)
    return pack(kind == ReduceKind::Mean ? wide.f64 / static_cast<double>(count) : wide.f64);
  float r = kind == ReduceKind::Mean ? wide.f32 / static_cast<float>(count) : wide.f32;
  if (scalar == Scalar::F16) return floatToHalf(r);
  return scalar == Scalar::BF16 ? floatToBfloat(r) : pack(r);
}

} // namespace mlr::eval
