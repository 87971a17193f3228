#include "mlr/Check/Literals.h"

#include <bit>
#include <gtest/gtest.h>

namespace mlr::checking {
namespace {

uint64_t bitsOf(std::string_view text, Scalar s, bool negative = false) {
  Array out;
  EXPECT_EQ(parseLiteral({text, 0, negative}, s, out), LiteralError::None) << text;
  return out.data() ? bitsAt(out, 0) : 0;
}

LiteralError errorOf(std::string_view text, Scalar s, bool negative = false) {
  Array out;
  return parseLiteral({text, 0, negative}, s, out);
}

TEST(Literals, AreRoundedOnceToF16) {  // R4.8
  EXPECT_EQ(bitsOf("0.1", Scalar::F16), 0x2e66u);
  // Just above the midpoint of 1 and its successor: f64 would round to the midpoint, and that to even.
  EXPECT_EQ(bitsOf("1.00048828125", Scalar::F16), 0x3c00u);
  EXPECT_EQ(bitsOf("1.0004882812500000000000000000001", Scalar::F16), 0x3c01u);
  EXPECT_EQ(bitsOf("1.0014648437499999999999999999999", Scalar::F16), 0x3c01u);
  EXPECT_EQ(bitsOf("65519.9999999999999999999999999999", Scalar::F16), 0x7bffu);
}

TEST(Literals, AreRoundedOnceToBf16) {  // R4.8
  EXPECT_EQ(bitsOf("1.00390625", Scalar::BF16), 0x3f80u);
  EXPECT_EQ(bitsOf("1.003906250000000000000000000001", Scalar::BF16), 0x3f81u);
}

TEST(Literals, AreRoundedOnceToF32) {  // R4.8
  EXPECT_EQ(bitsOf("16777217", Scalar::F32), std::bit_cast<uint32_t>(16777216.0f));
  EXPECT_EQ(bitsOf("16777217.00000000000000000001", Scalar::F32), std::bit_cast<uint32_t>(16777218.0f));
  EXPECT_EQ(bitsOf("1e-45", Scalar::F32), 1u);
  EXPECT_EQ(bitsOf("1e-60", Scalar::F32), 0u);
  EXPECT_EQ(bitsOf("0.0", Scalar::F32, true), 0x80000000u);
}

TEST(Literals, RangesAreThoseOfTheType) {  // R4.8
  EXPECT_EQ(bitsOf("128", Scalar::I8, true), static_cast<uint64_t>(-128));
  EXPECT_EQ(errorOf("128", Scalar::I8), LiteralError::OutOfRange);
  EXPECT_EQ(errorOf("1", Scalar::U8, true), LiteralError::OutOfRange);
  EXPECT_EQ(bitsOf("18446744073709551615", Scalar::U64), ~uint64_t(0));
  EXPECT_EQ(errorOf("18446744073709551616", Scalar::U64), LiteralError::OutOfRange);
  EXPECT_EQ(errorOf("65520.0", Scalar::F16), LiteralError::OutOfRange);
  EXPECT_EQ(errorOf("1e400", Scalar::F64), LiteralError::OutOfRange);
  EXPECT_EQ(errorOf("1.5", Scalar::I32), LiteralError::NotInteger);
  EXPECT_EQ(bitsOf("0xff_ff", Scalar::U16), 0xffffu);
  EXPECT_EQ(bitsOf("1_000", Scalar::I32), 1000u);
}

} // namespace
} // namespace mlr::checking
