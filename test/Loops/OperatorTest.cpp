// Every scalar operator against the same operation written in C++, in scalar and vector code.
#include "Runner.h"

#include <limits>
#include <type_traits>

namespace mlr::loops::test {
namespace {

template <class T> const char *typeName() {
  if (std::is_same_v<T, int8_t>) return "i8";
  if (std::is_same_v<T, int16_t>) return "i16";
  if (std::is_same_v<T, int32_t>) return "i32";
  if (std::is_same_v<T, int64_t>) return "i64";
  if (std::is_same_v<T, uint8_t>) return "ui8";
  if (std::is_same_v<T, uint16_t>) return "ui16";
  if (std::is_same_v<T, uint32_t>) return "ui32";
  if (std::is_same_v<T, uint64_t>) return "ui64";
  return std::is_same_v<T, float> ? "f32" : "f64";
}

/// Special values, then arbitrary ones.
template <class T> std::vector<T> samples(uint64_t seed, size_t n = 256) {
  Random random(seed);
  std::vector<T> special;
  using L = std::numeric_limits<T>;
  if constexpr (std::is_floating_point_v<T>) {
    special = {0, T(-0.0), 1, -1, T(0.5), T(-2.5), T(1.5), L::infinity(), -L::infinity(), L::quiet_NaN(), L::max(), L::lowest(),
               L::min(), L::denorm_min(), -L::denorm_min(), T(2147483648.0), T(-2147483649.0), T(255.5), T(-0.75), T(4294967296.0),
               T(9.3e18), T(-9.3e18), T(1.9e19), T(127.5), T(-128.5), T(-129)};
  } else {
    special = {0, 1, L::max(), L::min(), T(L::max() - 1), T(L::min() + 1), T(-1), 2, 3, T(-2), 7};
  }
  std::vector<T> out;
  for (size_t k = 0; k < n; ++k) {
    if (k % 2 == 0 || k < special.size()) {
      out.push_back(special[random.bits() % special.size()]);
      continue;
    }
    uint64_t bits = random.bits();
    T v;
    std::memcpy(&v, &bits, sizeof v);
    if (std::is_floating_point_v<T> && random.bits() % 2) v = static_cast<T>(random.real() * 100);
    out.push_back(v);
  }
  return out;
}

/// y[k] = op of a[k], b[k], c[k], for the text of a gen body that computes %r.
std::string elementwise(const std::string &in, const std::string &out, const std::string &body, size_t n, int operands) {
  std::string text = "mlr.node @f(", reads;
  const char *names[] = {"a", "b", "c"};
  for (int k = 0; k < operands; ++k) {
    text += fmt::format("{}%{}: tensor<{}x{}>", k ? ", " : "", names[k], n, in);
    reads += fmt::format("    %v{0} = mlr.read %{0}[affine_map<(d0) -> (d0)>](%k) : tensor<{1}x{2}> -> {2}\n", names[k], n, in);
  }
  text += fmt::format(") -> (y: tensor<{0}x{1}>) attributes {{scheduled}} {{\n  %y = mlr.gen (%k) {{\n{2}    %r = {3}\n    mlr.yield %r : {1}\n"
                      "  }} : tensor<{0}x{1}>\n  mlr.yield %y : tensor<{0}x{1}>\n}}",
                      n, out, reads, body);
  return text;
}

template <class In, class Out, class F> void check(const std::string &body, const char *out, int operands, F want) {
  SCOPED_TRACE(body + " of " + typeName<In>());
  constexpr size_t n = 261;
  std::vector<In> a = samples<In>(1, n), b = samples<In>(2, n), c = samples<In>(3, n);
  if constexpr (std::is_floating_point_v<In>) {
    for (size_t k = 0; k < n; k += 7) b[k] = a[k];
    for (size_t k = 0; k < n; k += 11) c[k] = -a[k] * b[k];
  }
  std::vector<Out> expected;
  for (size_t k = 0; k < n; ++k) expected.push_back(static_cast<Out>(want(a[k], b[k], c[k])));
  inBoth([&](Options o) {
    Runner r(elementwise(typeName<In>(), out, body, n, operands), o);
    ASSERT_TRUE(r);
    const std::vector<In> *values[] = {&a, &b, &c};
    const char *names[] = {"a", "b", "c"};
    for (int k = 0; k < operands; ++k) r.in(names[k], *values[k]);
    r.step();
    expectSame(r.out<Out>("y"), expected);
  });
}

template <class T> void binary(const char *op, T (*want)(T, T)) {
  std::string t = typeName<T>();
  check<T, T>(fmt::format("mlr.{} %va, %vb : {}", op, t), typeName<T>(), 2, [&](T a, T b, T) { return want(a, b); });
}
template <class T> void compare(const char *op, bool (*want)(T, T)) {
  check<T, uint8_t>(fmt::format("mlr.{} %va, %vb : {}", op, typeName<T>()), "i1", 2, [&](T a, T b, T) { return want(a, b); });
}
template <class T> void unary(const char *op, T (*want)(T)) {
  check<T, T>(fmt::format("mlr.{} %va : {}", op, typeName<T>()), typeName<T>(), 1, [&](T a, T, T) { return want(a); });
}

template <class T> using U = std::make_unsigned_t<T>;

template <class T> void integers() {
  binary<T>("add", [](T a, T b) { return T(U<T>(a) + U<T>(b)); });
  binary<T>("mul", [](T a, T b) { return T(uint64_t(a) * uint64_t(b)); });
  binary<T>("div", [](T a, T b) { return b == 0 ? T(0) : b == T(-1) && std::is_signed_v<T> ? T(U<T>(0) - U<T>(a)) : T(a / b); });
  binary<T>("rem", [](T a, T b) { return b == 0 || (b == T(-1) && std::is_signed_v<T>) ? T(0) : T(a % b); });
  binary<T>("shl", [](T a, T b) { return T(uint64_t(a) << (uint64_t(b) % (8 * sizeof(T)))); });
  binary<T>("shr", [](T a, T b) { return T(a >> (uint64_t(b) % (8 * sizeof(T)))); });
  binary<T>("max", [](T a, T b) { return a > b ? a : b; });
  binary<T>("min", [](T a, T b) { return a < b ? a : b; });
  binary<T>("xor", [](T a, T b) { return T(a ^ b); });
  unary<T>("abs", [](T a) { return a < 0 ? T(U<T>(0) - U<T>(a)) : a; });
  unary<T>("neg", [](T a) { return T(U<T>(0) - U<T>(a)); });
  unary<T>("not", [](T a) { return T(~a); });
  compare<T>("lt", [](T a, T b) { return a < b; });
  compare<T>("ge", [](T a, T b) { return a >= b; });
  compare<T>("eq", [](T a, T b) { return a == b; });
}
TEST(Operators, SignedIntegersWrapAndDivideTotally) {
  integers<int8_t>();
  integers<int32_t>();
  integers<int64_t>();
}
TEST(Operators, UnsignedIntegers) {
  integers<uint8_t>();
  integers<uint16_t>();
  integers<uint32_t>();
  integers<uint64_t>();
}

template <class T> void floats() {
  binary<T>("add", [](T a, T b) { return a + b; });
  binary<T>("sub", [](T a, T b) { return a - b; });
  binary<T>("mul", [](T a, T b) { return a * b; });
  binary<T>("div", [](T a, T b) { return a / b; });
  binary<T>("rem", [](T a, T b) { return std::fmod(a, b); });
  binary<T>("max", [](T a, T b) { return a > b || a != a ? a : b; });
  binary<T>("min", [](T a, T b) { return a < b || a != a ? a : b; });
  unary<T>("neg", [](T a) { return -a; });
  unary<T>("abs", [](T a) { return std::fabs(a); });
  unary<T>("sqrt", [](T a) { return std::sqrt(a); });
  unary<T>("floor", [](T a) { return std::floor(a); });
  unary<T>("ceil", [](T a) { return std::ceil(a); });
  unary<T>("trunc", [](T a) { return std::trunc(a); });
  unary<T>("round_even", [](T a) { return std::nearbyint(a); });
  compare<T>("lt", [](T a, T b) { return a < b; });
  compare<T>("le", [](T a, T b) { return a <= b; });
  compare<T>("ne", [](T a, T b) { return a != b; });
  check<T, T>(fmt::format("mlr.fma %va, %vb, %vc : {}", typeName<T>()), typeName<T>(), 3,
              [](T a, T b, T c) { return std::fma(a, b, c); });
}
TEST(Operators, Floats) {
  floats<float>();
  floats<double>();
}

template <class From, class To> void converts() {
  check<From, To>(fmt::format("mlr.convert %va : {} to {}", typeName<From>(), typeName<To>()), typeName<To>(), 1, [](From a, From, From) {
    if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
      using L = std::numeric_limits<To>;
      if (a != a) return To(0);
      From top = std::ldexp(From(1), int(8 * sizeof(To)) - std::is_signed_v<To>);
      if (a >= top) return L::max();
      if (std::is_signed_v<To> ? a < -top : a <= 0) return L::min();
      return static_cast<To>(a);
    } else {
      return static_cast<To>(a);
    }
  });
}
template <class From> void convertsToAll() {
  converts<From, int8_t>();
  converts<From, uint8_t>();
  converts<From, int32_t>();
  converts<From, uint32_t>();
  converts<From, int64_t>();
  converts<From, uint64_t>();
  converts<From, float>();
  converts<From, double>();
}
TEST(Operators, ConversionsSaturateAndWrap) {
  convertsToAll<float>();
  convertsToAll<double>();
  convertsToAll<int8_t>();
  convertsToAll<uint32_t>();
  convertsToAll<int64_t>();
  convertsToAll<uint64_t>();
}

TEST(Operators, BitsOfNaNAreThoseOfTheQuietOne) {
  check<float, uint32_t>("mlr.bitcast %va : f32 to ui32", "ui32", 1,
                         [](float a, float, float) { return a != a ? 0x7fc00000u : std::bit_cast<uint32_t>(a); });
  check<uint64_t, double>("mlr.bitcast %va : ui64 to f64", "f64", 1,
                          [](uint64_t a, uint64_t, uint64_t) { return std::bit_cast<double>(a); });
}

TEST(Operators, SoftwareFmaIsExact) {
  auto run = [](auto zero, const char *name) {
    using T = decltype(zero);
    constexpr size_t n = 20000;
    using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
    Random random(7);
    std::vector<T> a = samples<T>(11, n), b = samples<T>(12, n), c = samples<T>(13, n), want;
    constexpr int bias = sizeof(T) == 4 ? 127 : 1023, digits = sizeof(T) == 4 ? 23 : 52;
    for (size_t k = 1000; k < n; ++k) {
      // Close calls: exponents such that product and addend overlap, cancel, or round in the subnormals.
      auto number = [&](int exponent) {
        Bits bits = static_cast<Bits>(random.bits());
        if (random.bits() % 3 == 0) bits &= ~Bits(0) << (digits - static_cast<int>(random.bits() % 5));
        bits = (bits & ((Bits(1) << digits) - 1)) | (Bits(std::clamp(exponent + bias, 0, 2 * bias)) << digits);
        return std::bit_cast<T>(static_cast<Bits>(bits | (Bits(random.bits() & 1) << (8 * sizeof(T) - 1))));
      };
      int ea = static_cast<int>(random.bits() % static_cast<unsigned>(bias)) - bias / 2;
      int eb = k % 4 == 0 ? -bias - ea + static_cast<int>(random.bits() % 8) : static_cast<int>(random.bits() % 40) - 20;
      a[k] = number(ea);
      b[k] = number(eb);
      c[k] = number(ea + eb + static_cast<int>(random.bits() % static_cast<unsigned>(4 * digits)) - 2 * digits);
      if (k % 7 == 0) c[k] = -a[k] * b[k];
    }
    for (size_t k = 0; k < n; ++k) want.push_back(std::fma(a[k], b[k], c[k]));
    inBoth([&](Options o) {
      o.hasFma = o.hasFma64 = false;
      Runner r(elementwise(name, name, fmt::format("mlr.fma %va, %vb, %vc : {}", name), n, 3), o);
      ASSERT_TRUE(r);
      r.in("a", a);
      r.in("b", b);
      r.in("c", c);
      r.step();
      expectSame(r.template out<T>("y"), want);
    });
  };
  run(0.0f, "f32");
  run(0.0, "f64");
}

/// Where a library adds f64 wrongly: operands whose exponents are 33 apart, more or less, of few and of many bits, and special ones.
TEST(Operators, SoftwareAdditionIsExact) {
  Random random{41};
  const size_t n = 4000;
  std::vector<double> a(n), b(n), sum(n), difference(n);
  const double special[] = {0.0, -0.0, 1.0, INFINITY, -INFINITY, NAN, DBL_MAX, -DBL_MAX, DBL_MIN, 5e-324, 0x1p-1022 - 5e-324, 0x1p-1041, -0x1p991};
  for (size_t k = 0; k < n; ++k) {
    auto mantissa = [&] { return k % 3 ? 1.0 + static_cast<double>(random.bits() >> 12) * 0x1p-52 : 1.0 + static_cast<double>(random.bits() % 8) / 8; };
    int e = k % 5 == 0 ? -1060 + static_cast<int>(random.bits() % 40) : static_cast<int>(random.bits() % 1800) - 950;
    int apart = k % 2 ? 33 : 30 + static_cast<int>(random.bits() % 8);
    a[k] = std::ldexp(random.bits() % 2 ? mantissa() : -mantissa(), e + apart);
    b[k] = std::ldexp(random.bits() % 2 ? mantissa() : -mantissa(), e);
    if (random.bits() % 2) std::swap(a[k], b[k]);
    if (k < std::size(special) * std::size(special)) a[k] = special[k / std::size(special)], b[k] = special[k % std::size(special)];
    sum[k] = a[k] + b[k];
    difference[k] = a[k] - b[k];
  }
  for (bool isSum : {true, false}) {
    Options o;
    o.hasAdd64 = false;
    Runner r(elementwise("f64", "f64", fmt::format("mlr.{} %va, %vb : f64", isSum ? "add" : "sub"), n, 2), o);
    ASSERT_TRUE(r);
    r.in("a", a);
    r.in("b", b);
    r.step();
    expectSame(r.out<double>("y"), isSum ? sum : difference);
  }
}

// ---- half precision ----------------------------------------------------------------------------------------------

/// Exact value of f16 or bf16 bits.
double halfValue(uint16_t h, bool bf16) {
  int mantissaBits = bf16 ? 7 : 10, bias = bf16 ? 127 : 15, exponent = (h & 0x7fff) >> mantissaBits;
  int mantissa = h & ((1 << mantissaBits) - 1);
  double sign = h & 0x8000 ? -1 : 1;
  if (exponent == (bf16 ? 255 : 31)) return mantissa ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissaBits);
  return sign * std::ldexp(mantissa + (1 << mantissaBits), exponent - bias - mantissaBits);
}

__extension__ typedef __float128 Wide;  // 113 digits: products and sums of halves are exact, or off by `error`

/// Nearest even by search over all halves. `error` is what x lacks of the exact value; it decides ties.
uint16_t halfBits(Wide x, bool bf16, bool negativeZero = false, Wide error = 0) {
  if (x != x) return bf16 ? 0x7fc0 : 0x7e00;
  uint16_t sign = x < 0 || (x == 0 && negativeZero) ? 0x8000 : 0;
  Wide m = x < 0 ? -x : x, rest = x < 0 ? -error : error;
  uint16_t infinity = bf16 ? 0x7f80 : 0x7c00;
  if (m > std::numeric_limits<double>::max()) return sign | infinity;
  uint16_t low = 0, high = infinity;
  while (high - low > 1) {
    auto mid = static_cast<uint16_t>((low + high) / 2);
    (static_cast<Wide>(halfValue(mid, bf16)) <= m ? low : high) = mid;
  }
  Wide a = halfValue(low, bf16), b = high == infinity ? std::ldexp(1.0, bf16 ? 128 : 16) : halfValue(high, bf16);
  Wide below = m - a, above = b - m;
  uint16_t chosen = below < above ? low : below > above ? high : rest > 0 ? high : rest < 0 ? low : (low & 1 ? high : low);
  return sign | chosen;
}

std::vector<uint16_t> halfSamples(uint64_t seed, size_t n) {
  Random random(seed);
  const uint16_t special[] = {0, 0x8000, 1, 0x8001, 0x3ff, 0x400, 0x7bff, 0x7c00, 0xfc00, 0x7e00, 0x3c00, 0x7f80, 0xff80, 0x7fc0, 0x7f, 0x80, 0x3f80};
  std::vector<uint16_t> out;
  for (size_t k = 0; k < n; ++k)
    out.push_back(random.bits() % 4 == 0 ? special[random.bits() % std::size(special)] : static_cast<uint16_t>(random.bits()));
  return out;
}

void expectHalves(const std::vector<uint16_t> &got, const std::vector<uint16_t> &want, bool bf16) {
  ASSERT_EQ(got.size(), want.size());
  uint16_t infinity = bf16 ? 0x7f80 : 0x7c00;
  for (size_t k = 0; k < got.size(); ++k) {
    if ((got[k] & 0x7fff) > infinity && (want[k] & 0x7fff) > infinity) continue;
    ASSERT_EQ(got[k], want[k]) << "element " << k;
  }
}

template <class F> void checkHalves(const char *op, int operands, F want) {
  for (bool bf16 : {false, true}) {
    const char *t = bf16 ? "bf16" : "f16";
    SCOPED_TRACE(std::string(op) + " of " + t);
    constexpr size_t n = 4096;
    std::vector<uint16_t> a = halfSamples(1, n), b = halfSamples(2, n), c = halfSamples(3, n), expected;
    for (size_t k = 0; k < n; ++k)
      expected.push_back(want(halfValue(a[k], bf16), halfValue(b[k], bf16), halfValue(c[k], bf16), bf16));
    std::string body = fmt::format("mlr.{} %va{}{} : {}", op, operands > 1 ? ", %vb" : "", operands > 2 ? ", %vc" : "", t);
    inBoth([&](Options o) {
      Runner r(elementwise(t, t, body, n, operands), o);
      ASSERT_TRUE(r);
      r.in("a", a);
      if (operands > 1) r.in("b", b);
      if (operands > 2) r.in("c", c);
      r.step();
      expectHalves(r.out<uint16_t>("y"), expected, bf16);
    });
  }
}

TEST(Halves, EachOperationRoundsOnce) {
  auto sign = [](double x) { return std::signbit(x); };
  checkHalves("add", 2, [&](double a, double b, double, bool bf) {
    Wide s = static_cast<Wide>(a) + b, t = s - a, error = (a - (s - t)) + (b - t);
    return halfBits(s, bf, sign(a + b), error == error ? error : 0);
  });
  checkHalves("mul", 2, [&](double a, double b, double, bool bf) { return halfBits(static_cast<Wide>(a) * b, bf, sign(a * b)); });
  checkHalves("div", 2, [&](double a, double b, double, bool bf) { return halfBits(static_cast<Wide>(a) / b, bf, sign(a / b)); });
  checkHalves("sqrt", 1, [&](double a, double, double, bool bf) { return halfBits(sqrtl(a), bf, sign(a)); });
  checkHalves("max", 2, [&](double a, double b, double, bool bf) {
    double m = a > b || a != a ? a : b;
    return halfBits(m, bf, sign(m));
  });
  checkHalves("neg", 1, [&](double a, double, double, bool bf) { return halfBits(-a, bf, sign(-a)); });
  checkHalves("floor", 1, [&](double a, double, double, bool bf) { return halfBits(std::floor(a), bf, sign(a)); });
}

TEST(Halves, FmaRoundsOnce) {
  checkHalves("fma", 3, [](double a, double b, double c, bool bf) {
    Wide p = static_cast<Wide>(a) * b, w = c, s = p + w, t = s - p, error = (p - (s - t)) + (w - t);
    return halfBits(s, bf, std::signbit(std::fma(a, b, c)), error == error ? error : 0);
  });
}

TEST(Halves, ConversionsRoundOnce) {
  for (bool bf16 : {false, true}) {
    const char *t = bf16 ? "bf16" : "f16";
    constexpr size_t n = 4001;
    SCOPED_TRACE(t);
    inBoth([&](Options o) {
      auto run = [&](auto zero, const char *from) {
        using T = decltype(zero);
        std::vector<T> x = samples<T>(5, n);
        Random random(9);
        for (size_t k = 0; k < n; k += 2) {
          // Around midpoints between halves.
          double h = halfValue(static_cast<uint16_t>(random.bits() % (bf16 ? 0x5f00 : 0x7c00)), bf16);
          double mid = h * (1 + std::ldexp(1.0, bf16 ? -8 : -11));
          if constexpr (std::is_floating_point_v<T>) x[k] = std::nextafter(static_cast<T>(mid), static_cast<T>(k % 3 == 0 ? 0 : k % 3 == 1 ? mid : INFINITY));
          else if (mid < 9e18) x[k] = static_cast<T>(static_cast<int64_t>(mid) + static_cast<int64_t>(k % 3) - 1);
        }
        std::vector<uint16_t> want;
        for (T v : x) want.push_back(halfBits(static_cast<Wide>(v), bf16, std::is_floating_point_v<T> && std::signbit(static_cast<double>(v))));
        Runner r(elementwise(from, t, fmt::format("mlr.convert %va : {} to {}", from, t), n, 1), o);
        ASSERT_TRUE(r);
        r.in("a", x);
        r.step();
        expectHalves(r.template out<uint16_t>("y"), want, bf16);
      };
      run(0.0f, "f32");
      run(0.0, "f64");
      run(int64_t(0), "i64");
      run(uint64_t(0), "ui64");
      run(int32_t(0), "i32");
    });
    std::vector<uint16_t> all;
    std::vector<float> want;
    for (int h = 0; h < 0x10000; ++h) {
      all.push_back(static_cast<uint16_t>(h));
      want.push_back(static_cast<float>(halfValue(static_cast<uint16_t>(h), bf16)));
    }
    inBoth([&](Options o) {
      Runner r(elementwise(t, "f32", fmt::format("mlr.convert %va : {} to f32", t), all.size(), 1), o);
      ASSERT_TRUE(r);
      r.in("a", all);
      r.step();
      expectSame(r.out<float>("y"), want);
    });
  }
}

} // namespace
} // namespace mlr::loops::test
