// Sizes that must neither crash nor hang.
#include "Checked.h"

#include <fmt/format.h>

namespace mlr::test {
namespace {

std::string repeat(const std::string &text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

TEST(Limits, LongChainsOfEquationsInAnyOrder) {
  std::string text = "node main(x: f32) -> (y: f32) {\n  y = v0;\n";
  for (int i = 0; i < 5000; ++i) text += fmt::format("  v{} = v{} * 0.5 + (0 fby v0);\n", i, i + 1);
  EXPECT_TRUE(Checked(text + "  v5000 = x;\n}").program);
}

TEST(Limits, LongChainsOfConstantsAndCalls) {
  std::string text = "const c0: i32 = 1;\nfun f0(x: f32) -> (y: f32) { y = x; }\n";
  for (int i = 1; i < 3000; ++i)
    text += fmt::format("const c{0}: i32 = c{1} + 1;\nfun f{0}(x: f32) -> (y: f32) {{ y = f{1}(x); }}\n", i,
                        i - 1);
  EXPECT_TRUE(Checked(text).program);
}

TEST(Limits, DeepExpressions) {  // R1.9
  EXPECT_TRUE(Checked("fun main(x: f32) -> (y: f32) { y = " + repeat("if x > 0 then ", 900) + "x" +
                      repeat(" else x", 900) + "; }")
                  .program);
  EXPECT_TRUE(
      Checked("fun main(x: f32) -> (y: f32) { y = " + repeat("-(", 900) + "x" + repeat(")", 900) + "; }")
          .program);
  EXPECT_TRUE(Checked("fun main(x: f32) -> (y: f32) { y = x" + repeat(" + x", 1900) + "; }").program);
  EXPECT_TRUE(Checked("fun main(x: f32) -> (y: i32) { y = " + repeat("i32(i64(", 400) + "1" +
                      repeat("))", 400) + "; }")
                  .program);
}

TEST(Limits, ExponentialInstantiationStops) {  // R3.6
  std::string text = "fun f0<<N: size>>(x: f32) -> (y: f32) { y = x; }\n";
  for (int i = 1; i < 40; ++i)
    text += fmt::format("fun f{0}<<N: size>>(x: f32) -> (y: f32) {{ y = f{1}<<2 * N % 1000003>>(x) + "
                        "f{1}<<(2 * N + 1) % 1000003>>(x); }}\n",
                        i, i - 1);
  Checked c(text + "node main(x: f32) -> (y: f32) { y = f39<<1>>(x); }");
  ASSERT_EQ(c.errors.size(), 1u) << c.rendered;
  EXPECT_EQ(c.errors[0], "too-many-instances: more than 16384 instances of generic nodes are needed");
}

TEST(Limits, HugeSizesAreErrors) {  // R4.5
  expectErrors("node main(x: f32[99999999999]) -> (y: f32) { y = 0; }",
               {"invalid-size: a size is too large"});
  expectErrors("node main(x: f32) -> (y: f32) { a = [x for i < 100000, j < 100000]; y = x; }",
               {"invalid-size: a comprehension has too many elements"});
  expectErrors("node main(x: f32) -> (y: f32) { scan t < 2000000000 { a[t] = [x, x, x]; } y = x; }",
               {"invalid-size: a tensor of shape [2000000000, 3] is too large"});
}

TEST(Limits, MemoryBeyondPositionsIsAnError) {  // R4.5
  expectErrors("node main() -> (a: f64[2147483647]) { a = 1; }",
               {"invalid-size: the outputs of `main` have more than 2147483647 bytes"});
  expectErrors("node main(x: f32[400000000], z: f32[400000000]) -> (y: f32) { y = x[0] + z[0]; }",
               {"invalid-size: the inputs of `main` have more than 2147483647 bytes"});
  expectErrors("node main(x: f32) -> (y: f32) { a = 0 fby [x for i < 50000, j < 40000]; y = a[1, 2]; }",
               {"invalid-size: `fby` keeps more than 2147483647 bytes"});
  Checked fused("node main(x: f32) -> (y: f32) { a = [x for i < 50000, j < 40000]; y = a[1, 2]; }");
  EXPECT_TRUE(fused.program) << fused.rendered;
}

} // namespace
} // namespace mlr::test
