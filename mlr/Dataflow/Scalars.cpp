#include "mlr/Dataflow/Scalars.h"

#include "support/Half.h"

#include "llvm/ADT/TypeSwitch.h"
#include <bit>
#include <cmath>

using namespace mlir;

namespace mlr::dataflow {
namespace {

// ---- representations
// -------------------------------------------------------------------------------------------

/// 16-bit floats compute in f32, whose 24 bits make one rounding of + - * / sqrt innocuous (Figueroa 1995).
struct Half {
  using Wide = float;
  static const llvm::fltSemantics &semantics() { return APFloat::IEEEhalf(); }
  static float widen(Bits b) { return halfToFloat(static_cast<uint16_t>(b)); }
  static Bits narrow(float f) { return floatToHalf(f); }
};
struct Bfloat {
  using Wide = float;
  static const llvm::fltSemantics &semantics() { return APFloat::BFloat(); }
  static float widen(Bits b) { return bfloatToFloat(static_cast<uint16_t>(b)); }
  static Bits narrow(float f) { return floatToBfloat(f); }
};
struct Single {
  using Wide = float;
  static const llvm::fltSemantics &semantics() { return APFloat::IEEEsingle(); }
  static float widen(Bits b) { return std::bit_cast<float>(static_cast<uint32_t>(b)); }
  static Bits narrow(float f) { return f != f ? 0x7fc00000u : std::bit_cast<uint32_t>(f); }
};
struct Double {
  using Wide = double;
  static const llvm::fltSemantics &semantics() { return APFloat::IEEEdouble(); }
  static double widen(Bits b) { return std::bit_cast<double>(b); }
  static Bits narrow(double f) { return f != f ? 0x7ff8000000000000ull : std::bit_cast<uint64_t>(f); }
};
template <class T> struct Integer {
  using Wide = T;
  static T widen(Bits b) { return static_cast<T>(b); }
  static Bits narrow(T v) { return static_cast<Bits>(static_cast<std::make_unsigned_t<T>>(v)); }
};
template <> struct Integer<bool> {
  using Wide = bool;
  static bool widen(Bits b) { return b != 0; }
  static Bits narrow(bool v) { return v; }
};
template <class R> constexpr bool isFloatRep = std::is_floating_point_v<typename R::Wide>;
template <class R> constexpr bool isNarrowRep = std::is_same_v<R, Half> || std::is_same_v<R, Bfloat>;

// ---- operators
// -------------------------------------------------------------------------------------------------

enum class Code {
  Add,
  Sub,
  Mul,
  Div,
  Rem,
  Min,
  Max,
  Neg,
  Abs,
  Sqrt,
  Floor,
  Ceil,
  Trunc,
  RoundEven,
  Fma,
  Lt,
  Gt,
  Le,
  Ge,
  Eq,
  Ne,
  And,
  Or,
  Xor,
  Not,
  Shl,
  Shr,
  Better,
  Worse
};

template <Code code, class T> T floatOp(T a, T b, T c) {
  if constexpr (code == Code::Add) return a + b;
  else if constexpr (code == Code::Sub) return a - b;
  else if constexpr (code == Code::Mul) return a * b;
  else if constexpr (code == Code::Div) return a / b;
  else if constexpr (code == Code::Rem) return std::fmod(a, b);
  else if constexpr (code == Code::Min) return a < b || a != a ? a : b;
  else if constexpr (code == Code::Max) return a > b || a != a ? a : b;
  else if constexpr (code == Code::Neg) return -a;
  else if constexpr (code == Code::Abs) return std::fabs(a);
  else if constexpr (code == Code::Sqrt) return std::sqrt(a);
  else if constexpr (code == Code::Floor) return std::floor(a);
  else if constexpr (code == Code::Ceil) return std::ceil(a);
  else if constexpr (code == Code::Trunc) return std::trunc(a);
  else if constexpr (code == Code::RoundEven) return std::nearbyint(a);
  else return std::fma(a, b, c);
}

template <Code code, class T> T integerOp(T a, T b) {
  using U = std::make_unsigned_t<T>;
  using P = std::common_type_t<U, unsigned>; // no promotion to int, whose overflow is undefined
  P x = static_cast<U>(a), y = static_cast<U>(b);
  constexpr unsigned width = sizeof(T) * 8;
  if constexpr (code == Code::Add) return static_cast<T>(x + y);
  else if constexpr (code == Code::Sub) return static_cast<T>(x - y);
  else if constexpr (code == Code::Mul) return static_cast<T>(x * y);
  else if constexpr (code == Code::Div || code == Code::Rem) {
    if (b == 0) return 0;
    if (std::is_signed_v<T> && b == static_cast<T>(-1))
      return code == Code::Rem ? 0 : static_cast<T>(P(0) - x);
    return static_cast<T>(code == Code::Rem ? a % b : a / b);
  } else if constexpr (code == Code::Min) return a < b ? a : b;
  else if constexpr (code == Code::Max) return a > b ? a : b;
  else if constexpr (code == Code::Neg) return static_cast<T>(P(0) - x);
  else if constexpr (code == Code::Abs) return a < 0 ? static_cast<T>(P(0) - x) : a;
  else if constexpr (code == Code::And) return static_cast<T>(x & y);
  else if constexpr (code == Code::Or) return static_cast<T>(x | y);
  else if constexpr (code == Code::Xor) return static_cast<T>(x ^ y);
  else if constexpr (code == Code::Not) return static_cast<T>(~x);
  else if constexpr (code == Code::Shl) return static_cast<T>(x << (y & (width - 1)));
  else if constexpr (code == Code::Shr) return static_cast<T>(a >> (y & (width - 1)));
  else return a;
}

template <Code code>
constexpr bool isComparison =
    code == Code::Lt || code == Code::Gt || code == Code::Le || code == Code::Ge || code == Code::Eq ||
    code == Code::Ne || code == Code::Better || code == Code::Worse;

template <Code code, class T> bool compare(T a, T b) {
  if constexpr (code == Code::Lt) return a < b;
  else if constexpr (code == Code::Gt) return a > b;
  else if constexpr (code == Code::Le) return a <= b;
  else if constexpr (code == Code::Ge) return a >= b;
  else if constexpr (code == Code::Eq) return a == b;
  else if constexpr (code == Code::Ne) return a != b;
  else if constexpr (code == Code::Better) return b == b && (a != a || a > b);
  else return b == b && (a != a || a < b);
}

template <class R> Bits narrowFma(Bits a, Bits b, Bits c) {
  APFloat x(R::semantics(), APInt(16, a)), y(R::semantics(), APInt(16, b)), z(R::semantics(), APInt(16, c));
  x.fusedMultiplyAdd(y, z, APFloat::rmNearestTiesToEven);
  return R::narrow(x.convertToFloat());
}

template <Code code, class R> Bits apply(Bits a, Bits b, Bits c) {
  using T = typename R::Wide;
  if constexpr (isComparison<code>) return compare<code, T>(R::widen(a), R::widen(b));
  else if constexpr (isNarrowRep<R> && code == Code::Fma) return narrowFma<R>(a, b, c);
  else if constexpr (isFloatRep<R>) return R::narrow(floatOp<code, T>(R::widen(a), R::widen(b), R::widen(c)));
  else if constexpr (std::is_same_v<T, bool>) {
    if constexpr (code == Code::And || code == Code::Mul || code == Code::Min) return a & b;
    else if constexpr (code == Code::Or || code == Code::Max) return a | b;
    else if constexpr (code == Code::Xor) return a ^ b;
    else if constexpr (code == Code::Not) return a ^ 1;
    else return a;
  } else return R::narrow(integerOp<code, T>(R::widen(a), R::widen(b)));
}

/// The instance of `apply` for an element type. Float operators on integers and the reverse do not pass the
/// verifier or are never asked for; they give null.
template <Code code> ScalarFunction instance(mlir::Type type) {
  constexpr bool onFloats = code != Code::And && code != Code::Or && code != Code::Xor && code != Code::Not &&
                            code != Code::Shl && code != Code::Shr;
  constexpr bool onIntegers = code != Code::Sqrt && code != Code::Floor && code != Code::Ceil &&
                              code != Code::Trunc && code != Code::RoundEven && code != Code::Fma;
  if constexpr (onFloats) {
    if (type.isF16()) return apply<code, Half>;
    if (type.isBF16()) return apply<code, Bfloat>;
    if (type.isF32()) return apply<code, Single>;
    if (type.isF64()) return apply<code, Double>;
  }
  if constexpr (onIntegers) {
    if (type.isIndex()) return apply<code, Integer<int64_t>>;
    if (auto scalar = scalarOf(type)) switch (*scalar) {
      case Scalar::Bool: return apply<code, Integer<bool>>;
      case Scalar::I8: return apply<code, Integer<int8_t>>;
      case Scalar::I16: return apply<code, Integer<int16_t>>;
      case Scalar::I32: return apply<code, Integer<int32_t>>;
      case Scalar::I64: return apply<code, Integer<int64_t>>;
      case Scalar::U8: return apply<code, Integer<uint8_t>>;
      case Scalar::U16: return apply<code, Integer<uint16_t>>;
      case Scalar::U32: return apply<code, Integer<uint32_t>>;
      case Scalar::U64: return apply<code, Integer<uint64_t>>;
      default: break;
      }
  }
  return nullptr;
}

// ---- conversions
// -----------------------------------------------------------------------------------------------

/// Truncates, saturates; NaN is 0.
template <class T> T saturate(double d) {
  if (d != d) return 0;
  constexpr int width = sizeof(T) * 8 - std::is_signed_v<T>;
  double limit = std::ldexp(1.0, width);
  d = std::trunc(d);
  if (d >= limit) return std::numeric_limits<T>::max();
  if (d < (std::is_signed_v<T> ? -limit : 0.0)) return std::numeric_limits<T>::min();
  return static_cast<T>(d);
}

template <class From, class To> Bits convert(Bits a, Bits, Bits) {
  using F = typename From::Wide;
  using T = typename To::Wide;
  F value = From::widen(a);
  if constexpr (std::is_same_v<T, bool>) return value != F(0);
  else if constexpr (isFloatRep<From> && isFloatRep<To>) {
    if constexpr (isNarrowRep<To> && std::is_same_v<F, double>) {
      APFloat x(value);
      bool loses;
      x.convert(To::semantics(), APFloat::rmNearestTiesToEven, &loses);
      return To::narrow(x.convertToFloat());
    } else {
      return To::narrow(static_cast<T>(value));
    }
  } else if constexpr (isFloatRep<To>) {
    if constexpr (isNarrowRep<To>) {
      APFloat x(To::semantics());
      x.convertFromAPInt(APInt(64, static_cast<uint64_t>(value)), std::is_signed_v<F>,
                         APFloat::rmNearestTiesToEven);
      return To::narrow(x.convertToFloat());
    } else {
      return To::narrow(static_cast<T>(value));
    }
  } else if constexpr (isFloatRep<From>) {
    return To::narrow(saturate<T>(value));
  } else {
    return To::narrow(static_cast<T>(value));
  }
}

template <class From> ScalarFunction convertTo(mlir::Type to) {
  if (to.isF16()) return convert<From, Half>;
  if (to.isBF16()) return convert<From, Bfloat>;
  if (to.isF32()) return convert<From, Single>;
  if (to.isF64()) return convert<From, Double>;
  if (to.isIndex()) return convert<From, Integer<int64_t>>;
  auto scalar = scalarOf(to);
  if (!scalar) return nullptr;
  switch (*scalar) {
  case Scalar::Bool: return convert<From, Integer<bool>>;
  case Scalar::I8: return convert<From, Integer<int8_t>>;
  case Scalar::I16: return convert<From, Integer<int16_t>>;
  case Scalar::I32: return convert<From, Integer<int32_t>>;
  case Scalar::I64: return convert<From, Integer<int64_t>>;
  case Scalar::U8: return convert<From, Integer<uint8_t>>;
  case Scalar::U16: return convert<From, Integer<uint16_t>>;
  case Scalar::U32: return convert<From, Integer<uint32_t>>;
  case Scalar::U64: return convert<From, Integer<uint64_t>>;
  default: return nullptr;
  }
}

ScalarFunction conversion(mlir::Type from, mlir::Type to) {
  if (from.isF16()) return convertTo<Half>(to);
  if (from.isBF16()) return convertTo<Bfloat>(to);
  if (from.isF32()) return convertTo<Single>(to);
  if (from.isF64()) return convertTo<Double>(to);
  if (from.isIndex()) return convertTo<Integer<int64_t>>(to);
  auto scalar = scalarOf(from);
  if (!scalar) return nullptr;
  switch (*scalar) {
  case Scalar::Bool: return convertTo<Integer<bool>>(to);
  case Scalar::I8: return convertTo<Integer<int8_t>>(to);
  case Scalar::I16: return convertTo<Integer<int16_t>>(to);
  case Scalar::I32: return convertTo<Integer<int32_t>>(to);
  case Scalar::I64: return convertTo<Integer<int64_t>>(to);
  case Scalar::U8: return convertTo<Integer<uint8_t>>(to);
  case Scalar::U16: return convertTo<Integer<uint16_t>>(to);
  case Scalar::U32: return convertTo<Integer<uint32_t>>(to);
  case Scalar::U64: return convertTo<Integer<uint64_t>>(to);
  default: return nullptr;
  }
}

/// Bits as they are, but for NaNs, of which there is one.
template <class From> Bits canonical(Bits a, Bits, Bits) { return From::narrow(From::widen(a)); }
Bits same(Bits a, Bits, Bits) { return a; }
Bits choose(Bits condition, Bits yes, Bits no) { return condition ? yes : no; }

ScalarFunction bitcast(mlir::Type from) {
  if (from.isF16()) return canonical<Half>;
  if (from.isBF16()) return canonical<Bfloat>;
  if (from.isF32()) return canonical<Single>;
  if (from.isF64()) return canonical<Double>;
  return same;
}

} // namespace

ScalarFunction scalarFunction(Operation *op) {
  if (op->getNumOperands() == 0 || op->getNumResults() != 1 || op->getNumRegions()) return nullptr;
  mlir::Type type = op->getOperand(0).getType();
  return llvm::TypeSwitch<Operation *, ScalarFunction>(op)
      .Case<AddOp>([&](auto) { return instance<Code::Add>(type); })
      .Case<SubOp>([&](auto) { return instance<Code::Sub>(type); })
      .Case<MulOp>([&](auto) { return instance<Code::Mul>(type); })
      .Case<DivOp>([&](auto) { return instance<Code::Div>(type); })
      .Case<RemOp>([&](auto) { return instance<Code::Rem>(type); })
      .Case<MinOp>([&](auto) { return instance<Code::Min>(type); })
      .Case<MaxOp>([&](auto) { return instance<Code::Max>(type); })
      .Case<NegOp>([&](auto) { return instance<Code::Neg>(type); })
      .Case<AbsOp>([&](auto) { return instance<Code::Abs>(type); })
      .Case<SqrtOp>([&](auto) { return instance<Code::Sqrt>(type); })
      .Case<FloorOp>([&](auto) { return instance<Code::Floor>(type); })
      .Case<CeilOp>([&](auto) { return instance<Code::Ceil>(type); })
      .Case<TruncOp>([&](auto) { return instance<Code::Trunc>(type); })
      .Case<RoundEvenOp>([&](auto) { return instance<Code::RoundEven>(type); })
      .Case<FmaOp>([&](auto) { return instance<Code::Fma>(type); })
      .Case<LtOp>([&](auto) { return instance<Code::Lt>(type); })
      .Case<GtOp>([&](auto) { return instance<Code::Gt>(type); })
      .Case<LeOp>([&](auto) { return instance<Code::Le>(type); })
      .Case<GeOp>([&](auto) { return instance<Code::Ge>(type); })
      .Case<EqOp>([&](auto) { return instance<Code::Eq>(type); })
      .Case<NeOp>([&](auto) { return instance<Code::Ne>(type); })
      .Case<AndOp>([&](auto) { return instance<Code::And>(type); })
      .Case<OrOp>([&](auto) { return instance<Code::Or>(type); })
      .Case<XorOp>([&](auto) { return instance<Code::Xor>(type); })
      .Case<NotOp>([&](auto) { return instance<Code::Not>(type); })
      .Case<ShlOp>([&](auto) { return instance<Code::Shl>(type); })
      .Case<ShrOp>([&](auto) { return instance<Code::Shr>(type); })
      .Case<SelectOp>([](auto) { return ScalarFunction(choose); })
      .Case<BitcastOp>([&](auto) { return bitcast(type); })
      .Case<ConvertOp>([&](ConvertOp convert) { return conversion(type, convert.getType()); })
      .Default([](auto) { return ScalarFunction(nullptr); });
}

ScalarFunction combineFunction(ReduceKind kind, mlir::Type type) {
  switch (kind) {
  case ReduceKind::Sum: return instance<Code::Add>(type);
  case ReduceKind::Prod: return instance<Code::Mul>(type);
  case ReduceKind::Max: return instance<Code::Max>(type);
  case ReduceKind::Min: return instance<Code::Min>(type);
  case ReduceKind::All: return instance<Code::And>(type);
  case ReduceKind::Any: return instance<Code::Or>(type);
  default: return nullptr;
  }
}

ScalarFunction fmaFunction(mlir::Type type) { return instance<Code::Fma>(type); }
ScalarFunction mulFunction(mlir::Type type) { return instance<Code::Mul>(type); }

ScalarFunction betterFunction(ReduceKind kind, mlir::Type type) {
  return kind == ReduceKind::Argmax ? instance<Code::Better>(type) : instance<Code::Worse>(type);
}

Bits neutralBits(ReduceKind kind, mlir::Type type) {
  if (kind == ReduceKind::All) return 1;
  if (kind != ReduceKind::Prod) return 0;
  if (auto f = dyn_cast<FloatType>(type))
    return APFloat::getOne(f.getFloatSemantics()).bitcastToAPInt().getZExtValue();
  return 1;
}

} // namespace mlr::dataflow
