#include "Checked.h"

namespace mlr::test {
namespace {

TEST(Elaboration, BroadcastingIsExplicit) { // R4.6
  expectTyped("node main(x: f32[3], w: f32[2, 3], s: f32) -> (y: f32[2, 3]) { y = x * w + s; }",
              "add(mul(broadcast<<[2, 3]>>(x), w), broadcast<<[2, 3]>>(s))");
}

TEST(Elaboration, MatrixProductIsAFusedComprehension) {
  expectTyped("node main(a: f32[2, 3], b: f32[3, 4]) -> (y: f32[2, 4]) { y = a @ b; }",
              "[sum<<fused>>(mul(a[i, k], b[k, j]) for k < 3) for i < 2, j < 4]");
  expectTyped("node main(a: f32[3], b: f32[3]) -> (y: f32) { y = a @ b; }", "sum<<fused>>(mul(a, b))");
  expectTyped("node main(a: i32[3], b: i32[3, 2]) -> (y: i32[2]) { y = a @ b; }",
              "[sum(mul(a[k], b[k, j]) for k < 3) for j < 2]");
  expectTyped("node main(a: f32[5, 2, 3], b: f32[3]) -> (y: f32[5, 2]) { y = a @ b; }",
              "[sum<<fused>>(mul(a[b, i, k], b[k]) for k < 3) for b < 5, i < 2]");
}

TEST(Elaboration, ReductionIsFusedExactlyWhenTheBodyIsWrittenAsAProduct) { // R8.10
  expectTyped("node main(a: f32[3]) -> (y: f32) { y = sum((a[i] * 2) for i < 3); }", "sum<<fused>>(");
  expectTyped("node main(a: f32[3]) -> (y: f32) { y = mean(a * a); }", "mean<<fused>>(mul(a, a))");
  expectTyped("fun p(x: f32) -> (y: f32) { y = x * x; }\nnode main(a: f32[3]) -> (y: f32) { y = sum(p(a[i]) "
              "for i < 3); }",
              "sum(p(a[i]) for i < 3)");
  expectTyped("node main(a: f32[3]) -> (y: f32) { y = sum(-(a[i] * 2) for i < 3); }", "sum(neg(");
  expectTyped("node main(a: i32[3]) -> (y: i32) { y = sum(a[i] * 2 for i < 3); }",
              "sum(mul(a[i], 2:i32) for i < 3)");
}

TEST(Elaboration, ElementaryFunctionsAreCallsOfThePrelude) { // R8.15
  expectTyped("node main(x: f64) -> (y: f64) { y = exp(x); }", "y: f64 = exp_f64(x)");
  expectTyped("node main(x: f32[2]) -> (y: f32[2]) { y = exp(2 * x[0..2]); }",
              "y: f32[2] = [exp_f32(mul(2.0:f32, x[i])) for i < 2]");
  expectTyped("node main(x: f16) -> (y: f16) { y = exp(x); }", "convert<<f16>>(exp_f32(convert<<f32>>(x)))");
  expectTyped("node main(x: f32[3], c: f32) -> (y: f32[3]) { y = atan2(x, c); }",
              "[atan2_f32(x[i], c) for i < 3]");
  expectTyped("fun exp(x: f32) -> (y: f32) { y = x; }\nnode main(x: f32) -> (y: f32) { y = exp(x); }",
              "y: f32 = exp(x)");
}

TEST(Elaboration, TimeInAComprehensionIsLifted) { // R7.7
  std::string text =
      Checked("node main(x: f32[2]) -> (y: f32[2]) { y = [(0 fby y[i]) + x[i] for i < 2]; }").printed();
  expectContains(text, ": f32[2] = (broadcast<<[2]>>(0.0:f32) fby y)");
  text = Checked("node main(x: f32[2]) -> (y: f32[2]) { y = [sum(window<<3>>(x[i] * 2, 0)) for i < 2]; }")
             .printed();
  expectContains(text,
                 ": f32[3, 2] = window<<3>>([mul(x[i], 2.0:f32) for i < 2], broadcast<<[2]>>(0.0:f32))");
}

TEST(Elaboration, NodesInExpressionsBecomeEquations) {
  Checked c("node acc(x: f32) -> (y: f32) { y = (0 fby y) + x; }\n"
            "node main(x: f32) -> (y: f32) { y = 2 * acc(acc(x)); }");
  ASSERT_TRUE(c.node("main")) << c.rendered;
  EXPECT_EQ(c.node("main")->body.equations.size(), 3u);
  EXPECT_TRUE(c.node("main")->hasState);
}

TEST(Elaboration, FunsOfSeveralResultsAreCalledInComprehensions) { // R5.12
  expectTyped("fun two(x: f32) -> (a, b: f32) { a = x; b = -x; }\n"
              "node main(x: f32[3]) -> (p, q: f32[3]) { (p, q) = [two(x[i]) for i < 3]; }",
              "q: f32[3] = [two(x[i]).1 for i < 3]");
}

TEST(Elaboration, CountOfAnOuterScanIsAVariableThere) {
  Checked c("node main(x: f32) -> (y: i32) {\n"
            "  scan t < 4 until x > f32(t) { scan s < 2 { k = count(t) + count(s); r[s] = k; } y = final "
            "r[1]; }\n}");
  expectContains(c.printed(), "= count()");
}

TEST(Elaboration, PartsThatDependOnFewerIndicesAreComputedOnce) {
  std::string text = Checked("node main(x: f32[4, 5]) -> (y: f32[4, 5]) {\n"
                             "  y = [x[i, j] / sum(x[i, k] for k < 5) for i < 4, j < 5]; }")
                         .printed();
  expectContains(text, ": f32[4] = [sum(x[i, k] for k < 5) for i < 4]");
  text = Checked("node main(x: f32[4]) -> (y: f32[4]) { y = [softmax(x)[i] for i < 4]; }").printed();
  expectContains(text, ": f32[4] = softmax(x)");
}

TEST(Elaboration, CallsWithScansInAComprehensionAreInstancesSideBySide) {
  Checked c(
      "fun g(x: f32, k: i32) -> (y: f32, n: i32) { scan t < 5 { s = (0 fby s) + x; y = final s; } n = k; }\n"
      "node main(x: f32[3, 2]) -> (y: f32[3, 2], n: i32[3, 2]) { (y, n) = [g(x[i, j] * 2, i + j) for i < 3, "
      "j < 2]; }");
  ASSERT_TRUE(c.node("main")) << c.rendered;
  const Equation &call = c.node("main")->body.equations[0];
  ASSERT_EQ(call.kind, Equation::Kind::Call);
  ASSERT_EQ(call.each.size(), 2u);
  EXPECT_EQ(c.node("main")->indices[call.each[0]].size, 3);
  EXPECT_EQ(c.node("main")->vars[call.targets[1]].type, (Type{Scalar::I32, {3, 2}}));
}

TEST(Elaboration, IndexingTwiceIsIndexingOnce) {
  expectTyped("node main(x: f32[4, 5]) -> (y: f32[3]) { y = [x[i][1..4][i] for i < 3]; }",
              "[x[i, add(i, 1:i32)] for i < 3]");
}

TEST(Elaboration, ListsOfNumbersAreOneConstant) {
  expectTyped("node main(x: f32[2, 2]) -> (y: f32[2, 2]) { y = x * [[1, 2], [3, -4.5]]; }",
              "const<<f32[2, 2]>>(1.0, 2.0, 3.0, -4.5)");
}

} // namespace
} // namespace mlr::test
