#include "support/Array.h"

#include <gtest/gtest.h>

using namespace mlr;

TEST(Array, ElementCountRefusesWhatDoesNotFit) {
  EXPECT_EQ(elementCount({}), 1);
  EXPECT_EQ(elementCount({3, 4}), 12);
  EXPECT_EQ(elementCount({int64_t(1) << 40, int64_t(1) << 40, 0}), 0);
  EXPECT_EQ(elementCount({int64_t(1) << 31, int64_t(1) << 31}), int64_t(1) << 62);
  EXPECT_EQ(elementCount({int64_t(1) << 32, int64_t(1) << 31}), std::nullopt);
  EXPECT_EQ(elementCount({-1}), std::nullopt);
}

TEST(Array, NamesAreThoseOfTheLanguage) {
  for (int i = 0; i < 13; ++i) EXPECT_EQ(scalarNamed(name(static_cast<Scalar>(i))), static_cast<Scalar>(i));
  EXPECT_EQ(scalarNamed("float"), std::nullopt);
  EXPECT_EQ(toString(Type{Scalar::BF16, {16, 8}}), "bf16[16, 8]");
  EXPECT_EQ(toString(Type{Scalar::Bool, {}}), "bool");
}

TEST(Array, CopiesShareUntilOneIsWritten) {
  Array a(Type{Scalar::F32, {2}});
  Array b = a;
  EXPECT_EQ(a.data(), b.data());
  b.mutateAs<float>()[1] = 3;
  EXPECT_EQ(a.as<float>()[1], 0);
  EXPECT_EQ(b.as<float>()[1], 3);
}

TEST(Array, AnArrayHasTheBytesOfItsType) {
  EXPECT_EQ(Array(Type{Scalar::F64, {0, 5}}).bytes(), 0u);
  EXPECT_EQ(Array(Type{Scalar::I16, {3}}, std::vector<std::byte>(1)).bytes(), 6u);
}
