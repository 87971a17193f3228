// The prelude's functions over whole tensors, interpreted.
#include "mlr/Ast/Parser.h"
#include "mlr/Check/Check.h"
#include "mlr/Eval/Interpreter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace mlr::test {

/// The outputs' elements, one after the other, of a node without inputs that is called `probe`; all f32.
static std::vector<float> run(const std::string &text) {
  SourceMap sources;
  Diagnostics diagnostics(sources);
  const ast::File file = ast::parse(sources.add("probe.mlr", text), diagnostics);
  CheckOptions options;
  options.root = "probe";
  options.stdPath = MLR_SOURCE_DIR "/std";
  std::optional<Program> program = check(file, sources, options, diagnostics);
  for (const Diagnostic *d : diagnostics.sorted()) ADD_FAILURE() << render(*d, sources, false);
  std::vector<float> all;
  if (!program) return all;
  auto result = eval::Interpreter(*program->roots.front(), {}).step({});
  if (auto *outputs = std::get_if<std::vector<Array>>(&result)) {
    for (const Array &array : *outputs)
      all.insert(all.end(), array.as<float>(), array.as<float>() + array.type().elements());
  }
  return all;
}

using Values = std::vector<float>;

TEST(Helpers, ReluKeepsPositiveValuesAndNaN) {
  Values y = run("const X: f32[3] = [-1.5, 0.0, 2.5]; node probe() -> (y: f32[3], n: f32) {"
                 " y = relu(X); n = relu(from_bits<<f32>>(0x7fc00000)); }");
  ASSERT_EQ(y.size(), 4u);
  EXPECT_EQ(Values(y.begin(), y.begin() + 3), Values({0, 0, 2.5f}));
  EXPECT_TRUE(std::isnan(y[3]));
}

TEST(Helpers, ClampLimitsBothSides) {
  EXPECT_EQ(run("const X: f32[4] = [-3.0, -1.0, 0.5, 9.0]; node probe() -> (y: f32[4]) { y = clamp(X, -1.0, "
                "1.0); }"),
            Values({-1, -1, 0.5f, 1}));
}

TEST(Helpers, SignKeepsTheZero) {
  Values y = run("const X: f32[4] = [-3.0, -0.0, 0.0, 9.0]; node probe() -> (y: f32[4]) { y = sign(X); }");
  EXPECT_EQ(y, Values({-1, 0, 0, 1}));
  EXPECT_TRUE(std::signbit(y.at(1)));
  EXPECT_FALSE(std::signbit(y.at(2)));
}

TEST(Helpers, SquareAppliesToIntegers) {
  EXPECT_EQ(
      run("const X: i32[2, 2] = [[1, -2], [3, 100]]; node probe() -> (y: f32[2, 2]) { y = f32(square(X)); }"),
      Values({1, 4, 9, 10000}));
}

TEST(Helpers, TransposeSwapsTheAxes) {
  EXPECT_EQ(run("const X: f32[2, 3] = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]; node probe() -> (y: f32[3, 2]) { y "
                "= transpose(X); }"),
            Values({1, 4, 2, 5, 3, 6}));
}

TEST(Helpers, SoftmaxOfLargeValuesDoesNotOverflow) {
  Values y =
      run("const X: f32[3] = [1000.0, 1001.0, -1000.0]; node probe() -> (y: f32[3]) { y = softmax(X); }");
  ASSERT_EQ(y.size(), 3u);
  EXPECT_NEAR(y[0], 1 / (1 + std::exp(1.0)), 1e-7);
  EXPECT_NEAR(y[1], 1 / (1 + std::exp(-1.0)), 1e-7);
  EXPECT_EQ(y[2], 0);
}

TEST(Helpers, ProgramsHideThePrelude) {
  EXPECT_EQ(run("fun relu(x: f32) -> (y: f32) { y = x + 1.0; } node probe() -> (y: f32) { y = relu(-5.0); }"),
            Values({-4}));
}

TEST(Helpers, HalfPrecisionGoesThroughF32) {
  EXPECT_EQ(run("node probe() -> (y: f32) { x: f16 = 1.0; y = f32(exp(x)); }"), Values({2.71875f}));
}

} // namespace mlr::test
