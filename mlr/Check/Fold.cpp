#include "mlr/Check/Fold.h"

#include "mlr/Check/Literals.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace mlr::checking {

static constexpr int64_t maxElements = 1 << 20;

namespace {

/// An element while it is computed: integers and bool as 64 sign- or zero-extended bits, floats as f64.
struct Element {
  Scalar scalar;
  uint64_t bits = 0;
  double number = 0;
};

Element get(const Array &array, int64_t i) {
  Scalar s = array.type().scalar;
  if (isFloat(s)) return {s, 0, floatAt(array, i)};
  return {s, bitsAt(array, i), 0};
}

uint64_t toBits(const Element &e) { return isFloat(e.scalar) ? roundFloat(e.number, e.scalar) : e.bits; }

/// Wraps to the width of the type and extends again.
uint64_t wrap(uint64_t bits, Scalar s) {
  unsigned shift = 64 - (s == Scalar::Bool ? 1 : bitWidth(s));
  if (!isSigned(s)) return bits << shift >> shift;
  return static_cast<uint64_t>(static_cast<int64_t>(bits << shift) >> shift);
}

uint64_t divide(uint64_t a, uint64_t b, Scalar s, bool remainder) {
  if (b == 0) return 0;
  if (!isSigned(s)) return remainder ? a % b : a / b;
  auto x = static_cast<int64_t>(a), y = static_cast<int64_t>(b);
  if (y == -1) return remainder ? 0 : 0 - a;
  return static_cast<uint64_t>(remainder ? x % y : x / y);
}

bool less(const Element &a, const Element &b) {
  if (isFloat(a.scalar)) return a.number < b.number;
  if (isSigned(a.scalar)) return static_cast<int64_t>(a.bits) < static_cast<int64_t>(b.bits);
  return a.bits < b.bits;
}

bool equal(const Element &a, const Element &b) {
  return isFloat(a.scalar) ? a.number == b.number : a.bits == b.bits;
}

uint64_t saturate(double value, Scalar s) {
  if (std::isnan(value)) return 0;
  double t = std::trunc(value);
  if (isUnsigned(s)) {
    if (t <= 0) return 0;
    double limit = std::ldexp(1.0, static_cast<int>(bitWidth(s)));
    return t >= limit ? ~uint64_t(0) >> (64 - bitWidth(s)) : static_cast<uint64_t>(t);
  }
  double limit = std::ldexp(1.0, static_cast<int>(bitWidth(s)) - 1);
  auto least = static_cast<int64_t>(~uint64_t(0) << (bitWidth(s) - 1));
  if (t >= limit) return static_cast<uint64_t>(~least);
  return static_cast<uint64_t>(t < -limit ? least : static_cast<int64_t>(t));
}

/// An integer as f64, with the last bit set when it is inexact: one further rounding to 16 bits is then the
/// only one.
double fromInteger(uint64_t bits, bool isNegative) {
  uint64_t magnitude = isNegative ? 0 - bits : bits;
  uint64_t kept = magnitude >> 53 ? magnitude & ~uint64_t(4095) : magnitude;
  if (kept != magnitude) kept |= 4096; // 52 significant bits at most remain
  double value = static_cast<double>(kept);
  return isNegative ? -value : value;
}

Element convert(const Element &a, Scalar to) {
  Element r{to, 0, 0};
  bool fromFloat = isFloat(a.scalar);
  if (to == Scalar::Bool) {
    r.bits = fromFloat ? a.number != 0 : a.bits != 0;
  } else if (isFloat(to)) {
    bool isNegative = isSigned(a.scalar) && static_cast<int64_t>(a.bits) < 0;
    if (fromFloat) r.number = a.number;
    else if (to == Scalar::F64)
      r.number = isNegative ? static_cast<double>(static_cast<int64_t>(a.bits)) : static_cast<double>(a.bits);
    else if (to == Scalar::F32)
      r.number = isNegative ? static_cast<float>(static_cast<int64_t>(a.bits)) : static_cast<float>(a.bits);
    else r.number = fromInteger(a.bits, isNegative);
  } else {
    r.bits = wrap(fromFloat ? saturate(a.number, to) : a.bits, to);
  }
  return r;
}

/// +, -, *, /, sqrt in f64 and then rounded to 32 bits or less is correctly rounded; f64 itself is computed
/// as is.
std::optional<double> floatOp(OpKind op, const std::vector<Element> &a) {
  double x = a[0].number, y = a.size() > 1 ? a[1].number : 0;
  switch (op) {
  case OpKind::Add: return x + y;
  case OpKind::Sub: return x - y;
  case OpKind::Mul: return x * y;
  case OpKind::Div: return x / y;
  case OpKind::Rem: return std::fmod(x, y);
  case OpKind::Neg: return -x;
  case OpKind::Abs: return std::fabs(x);
  case OpKind::Min: return x < y || std::isnan(x) ? x : y;
  case OpKind::Max: return x > y || std::isnan(x) ? x : y;
  case OpKind::Sqrt: return std::sqrt(x);
  case OpKind::Floor: return std::floor(x);
  case OpKind::Ceil: return std::ceil(x);
  case OpKind::Trunc: return std::trunc(x);
  case OpKind::RoundEven: return std::nearbyint(x);
  case OpKind::Fma:
    if (a[0].scalar == Scalar::F64) return std::fma(x, y, a[2].number);
    if (a[0].scalar == Scalar::F32)
      return std::fmaf(static_cast<float>(x), static_cast<float>(y), static_cast<float>(a[2].number));
    return std::nullopt;
  default: return std::nullopt;
  }
}

std::optional<uint64_t> integerOp(OpKind op, const std::vector<Element> &a) {
  Scalar s = a[0].scalar;
  uint64_t x = a[0].bits, y = a.size() > 1 ? a[1].bits : 0;
  bool isNegative = isSigned(s) && static_cast<int64_t>(x) < 0;
  uint64_t count = y & (bitWidth(s) - 1);
  switch (op) {
  case OpKind::Add: return x + y;
  case OpKind::Sub: return x - y;
  case OpKind::Mul: return x * y;
  case OpKind::Div: return divide(x, y, s, false);
  case OpKind::Rem: return divide(x, y, s, true);
  case OpKind::Neg: return 0 - x;
  case OpKind::Abs: return isNegative ? 0 - x : x;
  case OpKind::Min: return less(a[0], a[1]) ? x : y;
  case OpKind::Max: return less(a[1], a[0]) ? x : y;
  case OpKind::And:
  case OpKind::BitAnd: return x & y;
  case OpKind::Or:
  case OpKind::BitOr: return x | y;
  case OpKind::BitXor: return x ^ y;
  case OpKind::BitNot: return ~x;
  case OpKind::Not: return x ^ 1;
  case OpKind::Shl: return x << count;
  case OpKind::Shr: return isSigned(s) ? static_cast<uint64_t>(static_cast<int64_t>(x) >> count) : x >> count;
  default: return std::nullopt;
  }
}

std::optional<Element> apply(OpKind op, Scalar to, const std::vector<Element> &a) {
  switch (op) {
  case OpKind::Lt: return Element{to, less(a[0], a[1]), 0};
  case OpKind::Gt: return Element{to, less(a[1], a[0]), 0};
  case OpKind::Le: return Element{to, less(a[0], a[1]) || equal(a[0], a[1]), 0};
  case OpKind::Ge: return Element{to, less(a[1], a[0]) || equal(a[0], a[1]), 0};
  case OpKind::Eq: return Element{to, equal(a[0], a[1]), 0};
  case OpKind::Ne: return Element{to, !equal(a[0], a[1]), 0};
  case OpKind::Select: return a[0].bits ? a[1] : a[2];
  case OpKind::Convert: return convert(a[0], to);
  case OpKind::Bitcast: {
    Array bits = scalarArray(to, toBits(a[0]));
    return get(bits, 0);
  }
  default: break;
  }
  if (isFloat(a[0].scalar)) {
    auto r = floatOp(op, a);
    if (!r) return std::nullopt;
    return Element{to, 0, *r};
  }
  auto r = integerOp(op, a);
  if (!r) return std::nullopt;
  return Element{to, wrap(*r, to), 0};
}

std::optional<Array> foldOp(const Expr &e) {
  std::vector<Array> args;
  for (const Expr *arg : e.args) {
    auto value = fold(*arg);
    if (!value) return std::nullopt;
    args.push_back(std::move(*value));
  }
  Array out(e.type);
  std::vector<Element> elements(args.size());
  for (int64_t i = 0; i < e.type.elements(); ++i) {
    for (size_t j = 0; j < args.size(); ++j) elements[j] = get(args[j], i);
    auto r = apply(e.op, e.type.scalar, elements);
    if (!r) return std::nullopt;
    setBitsAt(out, i, toBits(*r));
  }
  return out;
}

/// Element i of the result of shape `to` comes from this element of an operand of shape `from`.
int64_t broadcastPosition(int64_t i, const Shape &from, const Shape &to) {
  int64_t position = 0, stride = 1;
  size_t dropped = to.size() - from.size();
  for (size_t axis = to.size(); axis-- > 0;) {
    int64_t at = i % to[axis];
    i /= to[axis];
    if (axis < dropped) continue;
    if (from[axis - dropped] != 1) position += at * stride;
    stride *= from[axis - dropped];
  }
  return position;
}

std::optional<Array> foldBroadcast(const Expr &e) {
  auto from = fold(*e.args[0]);
  if (!from) return std::nullopt;
  Array out(e.type);
  for (int64_t i = 0; i < e.type.elements(); ++i)
    setBitsAt(out, i, bitsAt(*from, broadcastPosition(i, from->type().shape, e.type.shape)));
  return out;
}

} // namespace

std::optional<Array> fold(const Expr &e) {
  if (e.kind == ExprKind::Const)
    return e.constant.data() || e.type.elements() == 0 ? std::optional(e.constant) : std::nullopt;
  if (e.type.elements() > maxElements) return std::nullopt;
  switch (e.kind) {
  case ExprKind::Op: return foldOp(e);
  case ExprKind::Broadcast: return foldBroadcast(e);
  case ExprKind::Reshape: {
    auto from = fold(*e.args[0]);
    if (!from) return std::nullopt;
    return Array(e.type, std::vector<std::byte>(from->data(), from->data() + from->bytes()));
  }
  case ExprKind::Concat: {
    std::vector<std::byte> bytes;
    for (const Expr *arg : e.args) {
      auto part = fold(*arg);
      if (!part) return std::nullopt;
      bytes.insert(bytes.end(), part->data(), part->data() + part->bytes());
    }
    return Array(e.type, std::move(bytes));
  }
  default: return std::nullopt;
  }
}

} // namespace mlr::checking
