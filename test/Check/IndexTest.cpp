#include "Checked.h"

#include <functional>

namespace mlr::test {
namespace {

/// Whether every index of every read in node main is proved to be inside.
bool allProved(const std::string &text) {
  Checked c(text);
  EXPECT_TRUE(c.program) << c.rendered;
  bool proved = true;
  std::function<void(const Expr &)> visit = [&](const Expr &e) {
    for (const ReadIndex &axis : e.reads) proved &= axis.inBounds;
    for (const Expr *arg : e.args) visit(*arg);
  };
  if (const NodeInstance *node = c.node("main"))
    for (const Equation &equation : node->body.equations)
      if (equation.value) visit(*equation.value);
  return proved;
}

TEST(Index, AffineIndexIsProvedOverItsRange) {  // R6.5
  EXPECT_TRUE(allProved("node main(x: f32[7]) -> (y: f32[3]) { y = [x[2 * i + j * 0 + 1] + x[6 - i] for i < "
                        "3, j < 1][.., 0]; }"));
  EXPECT_TRUE(allProved("node main(x: f32[8]) -> (y: f32[2, 4]) { y = [x[4 * i + j] for i < 2, j < 4]; }"));
}

TEST(Index, OtherProofsAreByIntervals) {
  EXPECT_TRUE(allProved("node main(x: f32[4]) -> (y: f32[4]) { y = [x[(i + 1) % 4] + x[min(i + 1, 3)] + "
                        "x[max(i - 1, 0)] for i < 4]; }"));
  EXPECT_TRUE(allProved("node main(x: f32[256], k: u8) -> (y: f32) { y = x[k]; }"));
  EXPECT_TRUE(allProved("node main(x: f32[8], k: i32) -> (y: f32) { y = x[bitand(k, 7)]; }"));
}

TEST(Index, WhatIsNotProvedIsClamped) {  // R6.6
  EXPECT_FALSE(allProved("node main(x: f32[4], k: i32) -> (y: f32) { y = x[k]; }"));
  EXPECT_FALSE(allProved("node main(x: f32[4], k: i32) -> (y: f32) { y = x[k % 4]; }"));
  EXPECT_FALSE(allProved("node main(x: f32[255], k: u8) -> (y: f32) { y = x[k]; }"));
}

TEST(Index, AffineIndexOutsideIsAnError) {  // R6.5
  expectErrors("node main(x: f32[4]) -> (y: f32[4]) { y = [x[i + 1] for i < 4]; }",
               {"index-out-of-bounds: index `i + 1` leaves axis 0 of `x`"});
  expectErrors("node main(x: f32[4]) -> (y: f32) { scan t < 5 { z = x[t]; y = final z; } }",
               {"index-out-of-bounds: index `t` leaves axis 0 of `x`"});
  expectErrors("node main(x: f32[4]) -> (y: f32) { y = x[-1]; }",
               {"index-out-of-bounds: index `-1` leaves axis 0 of `x`"});
}

TEST(Index, EmptyRangeReadsNothing) {  // R6.7
  EXPECT_TRUE(allProved("node main(x: f32[0]) -> (y: f32[0]) { y = [x[i] + x[i + 7] for i < 0]; }"));
  EXPECT_TRUE(allProved("node main(x: f32[1]) -> (y: f32) { y = x[0] + sum(x[0..0]); }"));
}

TEST(Index, WrappingIndexIsNotTakenForAffine) {
  // 2000000000 * 2 wraps in i32: the index is -294967296, which nothing but a clamp makes valid.
  Checked c("node main(x: f32[4]) -> (y: f32[3]) { y = [x[i * 2000000000] for i < 3]; }");
  EXPECT_TRUE(c.program) << c.rendered;
}

TEST(Index, SlicesAreCheckedAndMovingOnesClamped) {  // R6.2, R6.3
  expectErrors("node main(x: f32[4]) -> (y: f32[3]) { y = x[2..5]; }",
               {"index-out-of-bounds: the slice 2..5 of `x` leaves its axis"});
  EXPECT_FALSE(allProved("node main(x: f32[4], k: i32) -> (y: f32[2]) { y = x[k ..+ 2]; }"));
  EXPECT_TRUE(allProved("node main(x: f32[4]) -> (y: f32[3, 2]) { y = [x[i ..+ 2] for i < 3]; }"));
}

} // namespace
} // namespace mlr::test
