// "One result" of the language reference: scalars and chains, to the bit.
#include "mlr/Eval/Numbers.h"
#include "support/Half.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace mlr::eval {
namespace {

Bits i(int64_t v) { return static_cast<Bits>(v); }
Bits f(float v) { return std::bit_cast<uint32_t>(v); }
Bits d(double v) { return std::bit_cast<uint64_t>(v); }
Bits op(OpKind kind, Scalar s, Bits a, Bits b = 0, Bits c = 0) { return apply(kind, s, s, a, b, c); }
Bits to(Scalar from, Scalar result, Bits a) { return apply(OpKind::Convert, from, result, a); }

TEST(Numbers, IntegersWrap) { // R8.1
  EXPECT_EQ(op(OpKind::Add, Scalar::I8, i(127), i(1)), i(-128));
  EXPECT_EQ(op(OpKind::Mul, Scalar::I32, i(1 << 30), i(4)), i(0));
  EXPECT_EQ(op(OpKind::Sub, Scalar::U16, 0, 1), 65535u);
  EXPECT_EQ(op(OpKind::Neg, Scalar::I64, i(INT64_MIN)), i(INT64_MIN));
  EXPECT_EQ(op(OpKind::Abs, Scalar::I16, i(-32768)), i(-32768));
  EXPECT_EQ(op(OpKind::BitNot, Scalar::U8, 1), 254u);
}

TEST(Numbers, DivisionTruncatesAndIsTotal) { // R8.1
  EXPECT_EQ(op(OpKind::Div, Scalar::I32, i(-7), i(2)), i(-3));
  EXPECT_EQ(op(OpKind::Rem, Scalar::I32, i(-7), i(2)), i(-1));
  EXPECT_EQ(op(OpKind::Div, Scalar::I32, i(7), 0), 0u);
  EXPECT_EQ(op(OpKind::Rem, Scalar::U64, 7, 0), 0u);
  EXPECT_EQ(op(OpKind::Div, Scalar::I32, i(INT32_MIN), i(-1)), i(INT32_MIN));
  EXPECT_EQ(op(OpKind::Rem, Scalar::I64, i(INT64_MIN), i(-1)), 0u);
  EXPECT_EQ(op(OpKind::Div, Scalar::U64, ~Bits(0), ~Bits(0)), 1u);
  EXPECT_EQ(op(OpKind::Div, Scalar::U8, 200, 255), 0u);
}

TEST(Numbers, ShiftsTakeTheCountModuloTheWidth) { // R8.2
  EXPECT_EQ(op(OpKind::Shl, Scalar::I32, 1, 33), 2u);
  EXPECT_EQ(op(OpKind::Shr, Scalar::I8, i(-128), 9), i(-64));
  EXPECT_EQ(op(OpKind::Shr, Scalar::U8, 128, i(-1)), 1u);
}

TEST(Numbers, MaxTakesTheSecondOfEqualsAndTheFirstNaN) { // R8.5
  float nan = std::nanf("");
  EXPECT_EQ(op(OpKind::Max, Scalar::F32, f(0.0f), f(-0.0f)), f(-0.0f));
  EXPECT_EQ(op(OpKind::Min, Scalar::F32, f(-0.0f), f(0.0f)), f(0.0f));
  EXPECT_TRUE(isNaN(Scalar::F32, op(OpKind::Max, Scalar::F32, f(nan), f(1))));
  EXPECT_TRUE(isNaN(Scalar::F32, op(OpKind::Max, Scalar::F32, f(1), f(nan))));
}

TEST(Numbers, ComparisonsWithNaNAreFalseButNe) { // R8.4
  Bits nan = d(std::nan(""));
  for (OpKind k : {OpKind::Lt, OpKind::Gt, OpKind::Le, OpKind::Ge, OpKind::Eq})
    EXPECT_EQ(apply(k, Scalar::F64, Scalar::Bool, nan, nan), 0u);
  EXPECT_EQ(apply(OpKind::Ne, Scalar::F64, Scalar::Bool, nan, nan), 1u);
  EXPECT_EQ(apply(OpKind::Lt, Scalar::I32, Scalar::Bool, i(-1), i(1)), 1u);
  EXPECT_EQ(apply(OpKind::Lt, Scalar::U64, Scalar::Bool, i(-1), i(1)), 0u);
}

TEST(Numbers, FloatToIntegerSaturatesAndNaNIsZero) { // R8.7
  EXPECT_EQ(to(Scalar::F32, Scalar::I32, f(-2.9f)), i(-2));
  EXPECT_EQ(to(Scalar::F32, Scalar::I32, f(1e20f)), i(INT32_MAX));
  EXPECT_EQ(to(Scalar::F64, Scalar::I64, d(-1e300)), i(INT64_MIN));
  EXPECT_EQ(to(Scalar::F64, Scalar::I64, d(0x1p63)), i(INT64_MAX));
  EXPECT_EQ(to(Scalar::F64, Scalar::U64, d(0x1p64)), ~Bits(0));
  EXPECT_EQ(to(Scalar::F32, Scalar::U8, f(-3)), 0u);
  EXPECT_EQ(to(Scalar::F32, Scalar::I8, f(INFINITY)), i(127));
  EXPECT_EQ(to(Scalar::F64, Scalar::I16, d(std::nan(""))), 0u);
}

TEST(Numbers, OtherConversions) { // R8.7
  EXPECT_EQ(to(Scalar::I32, Scalar::U8, i(-1)), 255u);
  EXPECT_EQ(to(Scalar::U8, Scalar::I8, 200), i(-56));
  EXPECT_EQ(to(Scalar::Bool, Scalar::F32, 1), f(1));
  EXPECT_EQ(to(Scalar::F32, Scalar::Bool, f(std::nanf(""))), 1u);
  EXPECT_EQ(to(Scalar::F32, Scalar::Bool, f(-0.0f)), 0u);
  EXPECT_EQ(to(Scalar::I64, Scalar::F32, i(16777217)), f(16777216.0f));
  EXPECT_EQ(to(Scalar::U64, Scalar::F64, ~Bits(0)), d(0x1p64));
  EXPECT_EQ(to(Scalar::U64, Scalar::BF16, (Bits(1) << 63) + (Bits(1) << 55) + 1), floatToBfloat(0x1.02p63f));
}

TEST(Numbers, BitcastShowsOneNaN) { // R8.8
  EXPECT_EQ(apply(OpKind::Bitcast, Scalar::F32, Scalar::I32, 0xffc01234), 0x7fc00000u);
  EXPECT_EQ(apply(OpKind::Bitcast, Scalar::F32, Scalar::I32, f(-1.0f)), i(std::bit_cast<int32_t>(-1.0f)));
  EXPECT_EQ(apply(OpKind::Bitcast, Scalar::I16, Scalar::F16, i(-1)), 0xffffu);
}

TEST(Numbers, RoundEvenAndFmod) { // R5.7, R8.6
  EXPECT_EQ(op(OpKind::RoundEven, Scalar::F32, f(2.5f)), f(2));
  EXPECT_EQ(op(OpKind::RoundEven, Scalar::F32, f(-0.5f)), f(-0.0f));
  EXPECT_EQ(op(OpKind::Rem, Scalar::F64, d(-5.5), d(2)), d(-1.5));
  EXPECT_EQ(op(OpKind::Fma, Scalar::F32, f(1 + 0x1p-23f), f(1 + 0x1p-23f), f(-1)),
            f(std::fmaf(1 + 0x1p-23f, 1 + 0x1p-23f, -1)));
}

TEST(Numbers, EveryHalfSurvivesF32) {
  for (uint32_t h = 0; h < 65536; ++h) {
    uint16_t back = floatToHalf(halfToFloat(static_cast<uint16_t>(h)));
    if (isNaN(Scalar::F16, h)) EXPECT_TRUE(isNaN(Scalar::F16, back));
    else ASSERT_EQ(back, h);
  }
}

/// The finite value of a format nearest to x by exhaustive neighbours: checks rounding without using it.
template <class ToFloat> bool isNearest(long double x, uint16_t rounded, ToFloat value) {
  long double error = fabsl(static_cast<long double>(value(rounded)) - x);
  for (int step : {-1, 1}) {
    uint16_t neighbour = static_cast<uint16_t>(rounded + step);
    if ((neighbour ^ rounded) & 0x8000) continue;
    long double other = fabsl(static_cast<long double>(value(neighbour)) - x);
    if (other < error || (other == error && (rounded & 1))) return false;
  }
  return true;
}

TEST(Numbers, SixteenBitOperationsRoundOnce) { // R8.13
  std::mt19937 random(1);
  auto pick = [&] { return static_cast<uint16_t>(random()); };
  for (int n = 0; n < 200'000; ++n) {
    uint16_t a = pick(), b = pick(), c = pick();
    long double x = halfToFloat(a), y = halfToFloat(b), z = halfToFloat(c);
    if (!std::isfinite(static_cast<double>(x + y + z))) continue;
    // Products of 11-bit numbers plus one fit the 64-bit significand whenever the result is not tiny against
    // them.
    long double fused = x * y + z, sum = x + y, product = x * y;
    if (fabsl(fused) < 65504 && fabsl(z) < fabsl(product) * 0x1p20L)
      ASSERT_TRUE(
          isNearest(fused, static_cast<uint16_t>(op(OpKind::Fma, Scalar::F16, a, b, c)), halfToFloat));
    if (fabsl(sum) < 65504)
      ASSERT_TRUE(isNearest(sum, static_cast<uint16_t>(op(OpKind::Add, Scalar::F16, a, b)), halfToFloat));
    if (fabsl(product) < 65504)
      ASSERT_TRUE(isNearest(product, static_cast<uint16_t>(op(OpKind::Mul, Scalar::F16, a, b)), halfToFloat));
  }
}

TEST(Numbers, AFusedProductAtATieIsDecidedByTheLeastAddend) { // R8.13
  // 1.5 x (1 + 2^-7) = 1.51171875 is a tie of bf16; f64 cannot tell 2^-60 beside it.
  auto b = [](float x) { return floatToBfloat(x); };
  Bits odd = b(1 + 0x1p-7f);
  for (float scale : {1.0f, 0x1p80f, -0x1p-20f}) {
    Bits x = b(1.5f * scale);
    auto fused = [&](float addend) { return op(OpKind::Fma, Scalar::BF16, x, odd, b(addend * scale)); };
    EXPECT_EQ(fused(0), b(1.515625f * scale)) << "to even";
    EXPECT_EQ(fused(0x1p-60f), b(1.515625f * scale));
    EXPECT_EQ(fused(-0x1p-60f), b(1.5078125f * scale));
  }
}

TEST(Numbers, NarrowingFromF64RoundsOnce) { // R8.7
  // Just above the tie between two halves: rounding through f32 first would lose the excess and round down.
  double tie = 1 + 0x1p-11;
  EXPECT_EQ(to(Scalar::F64, Scalar::F16, d(tie)), 0x3c00u);
  EXPECT_EQ(to(Scalar::F64, Scalar::F16, d(tie + 0x1p-50)), 0x3c01u);
  EXPECT_EQ(to(Scalar::F64, Scalar::F16, d(-tie - 0x1p-50)), 0xbc01u);
  EXPECT_EQ(to(Scalar::F64, Scalar::BF16, d(1 + 0x1p-8 + 0x1p-50)), 0x3f81u);
  EXPECT_EQ(to(Scalar::F64, Scalar::F16, d(1e300)), 0x7c00u);
  EXPECT_EQ(to(Scalar::F64, Scalar::F16, d(0x1p-25 + 0x1p-70)), 1u);
}

TEST(Numbers, AChainOfProductsIsFused) { // R8.10
  float a = 1 + 0x1p-12f;
  Chain fused(ReduceKind::Sum, Scalar::F32, false), plain(ReduceKind::Sum, Scalar::F32, true);
  for (Chain *c : {&fused, &plain}) {
    c->addProduct(f(-1), f(1));
    c->addProduct(f(a), f(a));
  }
  EXPECT_EQ(fused.finish(2), f(std::fmaf(a, a, -1)));
  EXPECT_EQ(plain.finish(2), f(-1 + a * a));
  EXPECT_NE(fused.finish(2), plain.finish(2));
}

TEST(Numbers, HalfChainsRunInF32AndAreRoundedOnce) { // R8.13
  Chain sum(ReduceKind::Sum, Scalar::F16, false);
  sum.add(floatToHalf(2048));
  for (int n = 0; n < 4; ++n) sum.add(floatToHalf(1));
  EXPECT_EQ(sum.finish(5), floatToHalf(2052)); // in f16 each 2048 + 1 would be 2048
}

TEST(Numbers, EmptyChains) { // R7.5
  EXPECT_EQ(Chain(ReduceKind::Sum, Scalar::F32, false).finish(0), f(0));
  EXPECT_EQ(Chain(ReduceKind::Prod, Scalar::F64, false).finish(0), d(1));
  EXPECT_EQ(Chain(ReduceKind::Prod, Scalar::I8, false).finish(0), 1u);
  EXPECT_EQ(Chain(ReduceKind::All, Scalar::Bool, false).finish(0), 1u);
  EXPECT_EQ(Chain(ReduceKind::Any, Scalar::Bool, false).finish(0), 0u);
  EXPECT_TRUE(isNaN(Scalar::F32, Chain(ReduceKind::Mean, Scalar::F32, false).finish(0)));
}

TEST(Numbers, ArgmaxTakesTheFirstOfEqualsAndTheFirstNaN) { // R8.14
  auto argmax = [](std::vector<float> values) {
    Chain c(ReduceKind::Argmax, Scalar::F32, false);
    for (float v : values) c.add(f(v));
    return c.finish(static_cast<int64_t>(values.size()));
  };
  EXPECT_EQ(argmax({1, 3, 3, 2}), 1u);
  EXPECT_EQ(argmax({1, NAN, 3, NAN}), 1u);
  EXPECT_EQ(argmax({NAN, 5}), 0u);
}

} // namespace
} // namespace mlr::eval
