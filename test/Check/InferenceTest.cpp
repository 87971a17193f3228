#include "Checked.h"

namespace mlr::test {
namespace {

TEST(Inference, LiteralsTakeTheTypeOfTheirContext) { // R4.7
  Checked c("node main(x: f64, k: u8[2]) -> (y: f64) {\n"
            "  a = 2 * x + 1; b = k + 255; n = 3; r = 0.5; y = a; l = [1, 2.5]; m: f16[2] = [1, 2];\n}");
  EXPECT_EQ(c.typeOf("main", "a"), "f64");
  EXPECT_EQ(c.typeOf("main", "b"), "u8[2]");
  EXPECT_EQ(c.typeOf("main", "n"), "i32");
  EXPECT_EQ(c.typeOf("main", "r"), "f32");
  EXPECT_EQ(c.typeOf("main", "l"), "f32[2]");
  EXPECT_EQ(c.typeOf("main", "m"), "f16[2]");
}

TEST(Inference, VariableThatDependsOnItselfTakesTheTypeOfTheRest) {
  Checked c("node main(x: f32[3], w: f32[2, 3]) -> (y: f32) {\n"
            "  s = (0 fby s) + x; n = 0 fby n + 1; r = 0.0 fby r; y = s[0];\n"
            "  a = (0 fby b) + 1; b = a + w;\n}");
  EXPECT_EQ(c.typeOf("main", "s"), "f32[3]");
  EXPECT_EQ(c.typeOf("main", "n"), "i32");
  EXPECT_EQ(c.typeOf("main", "r"), "f32");
  EXPECT_EQ(c.typeOf("main", "a"), "f32[2, 3]");
}

TEST(Inference, UnknownOperandsDecideNeitherShapesNorParameters) { // R4.7
  Checked c("fun clamp<<T: num>>(x: T, lo: T, hi: T) -> (y: T) { y = min(max(x, lo), hi); }\n"
            "fun softmax<<N: size, T: float>>(x: T[N]) -> (y: T[N]) { y = x; }\n"
            "node main() -> (y: f64[3]) {\n"
            "  a: f64[3] = [1.0, 2.0, 3.0]; k: f64 = 2.0; w: f64[3, 3] = 0; y = p;\n"
            "  p = a fby k * p; q = a fby q @ w * k; r = a fby k * abs(r); s = a fby k + softmax(s);\n"
            "  t = a -> k * u; u = k * (0 fby t); v = a fby exp(2 * v); x = if true then k * (0 fby x) else a;\n"
            "  n = i64(5) fby clamp(n + 1, 0, 9); m = clamp((0 fby m) + 1, 0, 9); z = k * (0 fby z) + 1;\n}");
  for (const char *name : {"p", "q", "r", "s", "t", "u", "v", "x"})
    EXPECT_EQ(c.typeOf("main", name), "f64[3]") << name << c.rendered;
  EXPECT_EQ(c.typeOf("main", "n"), "i64") << c.rendered;
  EXPECT_EQ(c.typeOf("main", "m"), "i32");
  EXPECT_EQ(c.typeOf("main", "z"), "f64");
}

TEST(Inference, ElementOrDefaultTakesTheTypeOfItsContext) { // R4.7
  Checked c("node main(p: f64) -> (y: f64) {\n"
            "  before = [1, 0, 0] fby a; a = [p + at(before, s - 1, 0) for s < 3];\n"
            "  b = [at(0 fby b, s - 1, p) for s < 3]; k: u8 = at([1, 200], 1, 0); z = at([1, 2], 7, p);\n"
            "  n = at([1, 2], 7, 0); y = a[0];\n}");
  EXPECT_EQ(c.typeOf("main", "a"), "f64[3]") << c.rendered;
  EXPECT_EQ(c.typeOf("main", "b"), "f64[3]");
  EXPECT_EQ(c.typeOf("main", "k"), "u8");
  EXPECT_EQ(c.typeOf("main", "z"), "f64");
  EXPECT_EQ(c.typeOf("main", "n"), "i32");
}

TEST(Inference, TupleRecurrencesAreInferredComponentByComponent) { // R4.3
  Checked c("node main(a, b: i64, z: f64, c: bool) -> (g: i64) {\n"
            "  scan k < 40 until y == 0 { (x, y) = (a, b) fby (y, x % y); g = final x; }\n"
            "  (p, q) = (0, z) -> (pre (q, p));\n"
            "  (u, v) = if c then (0.5 fby v, z) else (u0, 1 fby u); u0 = 1.5 fby v;\n"
            "  scan t < 3 { (m, n) = (n, m + 1) eby (z, 0); w = final n; }\n}");
  EXPECT_EQ(c.typeOf("main", "x"), "i64") << c.rendered;
  EXPECT_EQ(c.typeOf("main", "p"), "f64");
  EXPECT_EQ(c.typeOf("main", "u"), "f64");
  EXPECT_EQ(c.typeOf("main", "m"), "f64");
}

TEST(Inference, ProductsAndWindowsOfLiteralsTakeTheTypeOfTheirContext) { // R4.7
  Checked c("node main(x: f64) -> (y: f32) {\n"
            "  d: f32 = [1, 2] @ [3, 4]; z: f32[2, 3] = zeros<<[2, 0]>>() @ zeros<<[0, 3]>>();\n"
            "  w: u8[2] = window<<2>>(0, 200); m = x * ([[1, 2], [3, 4]] @ [5, 6]);\n"
            "  f: u8[2, 2] = [window<<2>>(i0, 200) for i < 2]; i0: u8 = 7;\n"
            "  e: f64[2, 2] = [window<<2>>(0, 0.1) for i < 2]; n = [1, 2] @ [3, 4]; y = d;\n}");
  EXPECT_EQ(c.typeOf("main", "m"), "f64[2]") << c.rendered;
  EXPECT_EQ(c.typeOf("main", "n"), "i32");
}

TEST(Inference, ScanResultIsKnownOutsideFromItsElement) {
  Checked c("node main(x: f32[5, 2]) -> (y: f32) {\n"
            "  scan t < 5 { s = (0 fby s) + x[t]; ys[t] = s; e = final s; n = count(t); }\n"
            "  y = ys[4, 0] + e[1] + f32(n);\n}");
  EXPECT_EQ(c.typeOf("main", "ys"), "f32[5, 2]");
  EXPECT_EQ(c.typeOf("main", "e"), "f32[2]");
  EXPECT_EQ(c.typeOf("main", "n"), "i32");
}

TEST(Inference, TuplesAreSplitIntoLeaves) { // R4.3
  Checked c("node main(x: f32, c: bool) -> (y: f32) {\n"
            "  p = (0, x) fby (k + 1, x); (k, v) = p; (a, b) = if c then p else (2, v); y = b;\n}");
  EXPECT_EQ(c.typeOf("main", "p.0"), "i32");
  EXPECT_EQ(c.typeOf("main", "p.1"), "f32");
  EXPECT_EQ(c.typeOf("main", "a"), "i32");
}

TEST(Inference, StaticParametersComeFromArguments) { // R3.3, R3.4
  Checked c(
      "fun f<<N, M: size, T: float>>(a: T[2 * N + 1], b: T[M, N]) -> (y: T[M]) { y = [a[0] for i < M]; }\n"
      "node main(a: f64[7], b: f64[4, 3]) -> (y: f64[4]) { y = f(a, b); }");
  ASSERT_TRUE(c.node("f")) << c.rendered;
  EXPECT_EQ(c.node("f")->display, "f<<N = 3, M = 4, T = f64>>");
}

TEST(Inference, TypeParameterHasTheAxesBehindTheStatedOnes) { // R3.4, R4.2
  Checked c("fun f<<N: size, T: type>>(x: T[N]) -> (y: T) { y = x[0]; }\n"
            "fun g<<N, M: size, T: type>>(x: T[N, M], y: T) -> (z: T) { z = y; }\n"
            "node main(a: f64[7, 3], b: f64[5]) -> (y: f64[3], z: f64, w: f64[3]) {\n"
            "  y = f(a); z = f(b); w = g([a, a], f(a));\n}");
  ASSERT_TRUE(c.node("f")) << c.rendered;
  EXPECT_EQ(c.typeOf("main", "y"), "f64[3]");
  EXPECT_EQ(c.node("g")->display, "g<<N = 2, M = 7, T = f64[3]>>");
}

TEST(Inference, StaticParametersComeFromTheExpectedResultThenFromDefaults) { // R3.3
  Checked c("fun fill<<N: size, M: size = 2 * N, T: num = f32>>(x: f32) -> (y: T[N, M]) { y = [T(x) for i < "
            "N, j < M]; }\n"
            "node main(x: f32) -> (y: f32[2, 5], z: f32) { y = fill(x); z = fill<<3>>(x)[2, 5]; }");
  ASSERT_TRUE(c.node("fill_1")) << c.rendered;
  EXPECT_EQ(c.node("fill")->display, "fill<<N = 2, M = 5, T = f32>>");
  EXPECT_EQ(c.node("fill_1")->display, "fill<<N = 3, M = 6, T = f32>>");
}

TEST(Inference, ShapeParameterStandsForSeveralAxes) { // R3.4
  Checked c("fun f<<S: shape, T: num>>(x: T[S, 2]) -> (y: T[S]) { y = reshape<<S>>(x[.., 0]); }\n"
            "node main(x: i8[3, 2]) -> (y: i8[3]) { y = f(x); }");
  ASSERT_TRUE(c.node("f")) << c.rendered;
  EXPECT_EQ(c.node("f")->display, "f<<S = [3], T = i8>>");
}

TEST(Inference, ValueParametersMakeInstances) { // R3.6
  Checked c("fun scale<<a: f32, n: i32 = 2>>(x: f32) -> (y: f32[n]) { y = [a * x for i < n]; }\n"
            "node main(x: f32) -> (y: f32) { y = scale<<0.5>>(x)[1] + scale<<a = 1 / 2.0, n = 2>>(x)[0] + "
            "scale<<2, 3>>(x)[0]; }");
  ASSERT_TRUE(c.node("scale_1")) << c.rendered;
  EXPECT_FALSE(c.node("scale_2"));
}

TEST(Inference, RootParametersComeFromTheCommandLine) { // R14.2
  CheckOptions options;
  options.root = "main";
  options.params = {{"N", "2 * K"}, {"T", "f64"}, {"S", "[2, 3]"}, {"a", "0.5"}};
  Checked c(
      "const K: i32 = 4;\n"
      "node main<<N: size, T: float, S: shape, a: T>>(x: T[N]) -> (y: T[S]) { y = [a for i < 2, j < 3]; }",
      options);
  ASSERT_TRUE(c.program) << c.rendered;
  EXPECT_EQ(c.program->roots[0]->display, "main<<N = 8, T = f64, S = [2, 3], a = 0.5>>");
}

TEST(Inference, UnknownCommandLineParameterIsAnError) {
  CheckOptions options;
  options.root = "main";
  options.params = {{"M", "3"}};
  Checked c("node main<<N: size = 2>>(x: f32[N]) -> (y: f32) { y = x[0]; }", options);
  EXPECT_EQ(c.errors, std::vector<std::string>{"wrong-arguments: `main` has no static parameter `M`"});
}

TEST(Inference, ConstantsFoldOrBecomeFunctions) {
  Checked c("const N: i32 = 7 % 4;\nconst W: f32[2, 2] = [[1, 2], [3, 4]];\n"
            "const V: f32[N] = [sqrt(f32(i)) for i < N];\n"
            "node main(x: f32[N]) -> (y: f32) { y = x[N - 1] * W[1, 1] + V[0] + f32(N); }");
  ASSERT_TRUE(c.node("V")) << c.rendered;
  EXPECT_FALSE(c.node("W"));
  EXPECT_EQ(c.typeOf("main", "x"), "f32[3]");
}

TEST(Inference, TrueAndFalseFillLikeOtherLiterals) {  // R4.9
  const char *uses[] = {"y = false fby a;", "y = true;", "y = if p then a else false;", "y = f(false, a);",
                        "y = window<<2>>(a, false)[1];", "y = if p then not true else a;",
                        "y = false fby (a or y);", "y = a or (true and false);"};
  for (const char *use : uses) {
    Checked c(std::string("fun f<<S: shape>>(x, y: bool[S]) -> (z: bool[S]) { z = x or y; }\n"
                          "node main(a: bool[3], p: bool) -> (y: bool[3]) { ") + use +
              " }");
    EXPECT_TRUE(c.program) << use << "\n" << c.rendered;
  }
  expectErrors("node main(a: bool[3], p: bool) -> (y: bool[3]) { y = p fby a; }",
               {"shape-mismatch: the operands of `fby` have shapes [3] and []"});
  expectErrors("node main() -> (y: f32[3]) { y = true; }", {"type-mismatch: `y` is f32[3], but this is bool"});
}

TEST(Inference, OpenZerosTakeTheShapeOfTheOtherOperands) {  // R5.10
  for (const char *use : {"x + zeros()", "zeros() * x", "max(zeros(), x)", "where(x > 0, ones(), x)", "f(x, zeros())",
                          "g(x, ones())", "fma(x, ones(), zeros())", "if true then zeros() else x",
                          "[zeros(), x][1]", "zeros() fby x"}) {
    Checked c(std::string("fun f<<N: size>>(a, b: f64[N]) -> (y: f64[N]) { y = a + b; }\n"
                          "fun g<<T: type>>(a, b: T) -> (y: T) { y = a + b; }\n"
                          "node main(x: f64[3]) -> (y: f64[3]) { z = ") +
              use + "; y = z; }");
    EXPECT_EQ(c.typeOf("main", "z"), "f64[3]") << use << "\n" << c.rendered;
  }
  for (const char *use : {"zeros() + zeros()", "concat(x, zeros())", "if true then (x, x) else zeros()"})
    expectErrors(std::string("node main(x: f64[3]) -> (y: f64[3]) { z = ") + use + "; y = x; }",
                 std::string(use).starts_with("zeros()")
                     ? std::vector<std::string>(2, "wrong-arguments: `zeros` needs a shape")
                     : std::vector<std::string>{"wrong-arguments: `zeros` needs a shape"});
}

TEST(Inference, TensorTypesAreTypeArguments) {  // R3.1
  std::string p = "fun p<<T: type>>(a: T) -> (y: T) { y = a; }\n";
  EXPECT_TRUE(Checked(p + "node main(x: f32[3]) -> (y: f32[3]) { y = p<<f32[3]>>(x); }").program);
  EXPECT_TRUE(Checked(p + "node main(x: f32[2, 3]) -> (y: f32[2, 3]) { y = p<<T = f32[2, 1 + 2]>>(x); }").program);
  Checked nested(p + "fun q<<N: size, T: type>>(a: T[N]) -> (y: T[N]) { y = p<<T[N]>>(a); }\n"
                     "node main(x: f32[2, 3]) -> (y: f32[2, 3]) { y = q<<2, f32[3]>>(x); }");
  EXPECT_TRUE(nested.program) << nested.rendered;
  expectErrors(p + "node main(x: f32) -> (y: f32) { y = p<<(i32, f32)>>(x); }",
               {"type-mismatch: `T` must be a scalar or tensor type, not a tuple"});
  expectErrors("fun p<<T: float>>(a: T) -> (y: T) { y = a; }\nnode main(x: f32[3]) -> (y: f32[3]) { "
               "y = p<<f32[3]>>(x); }",
               {"type-mismatch: `T` must be a scalar type, not f32[3]"});
  expectErrors(p + "node main(x: f32[3], n: i32) -> (y: f32[3]) { y = p<<f32[n]>>(x); }",
               {"not-constant: `n` is an input, and a size must be known at compile time"});
  expectContains(Checked(p + "node main(a, b: f32) -> (y: f32) { (y, z) = p((a, b)); }").rendered,
                 "a type parameter is a scalar or tensor type, and the argument is a tuple");
}

TEST(Inference, FloatThatNothingGivesIsTheTypeOfTheLeaves) { // R3.3
  std::string p = "struct D { w: f64[2], b: f64 }\nstruct M { a: f32, b: f64 }\n"
                  "fun sgd<<P: type, T: float, R: float>>(p, g: P, rate: R) -> (y: P, t: T, r: R) {\n"
                  "  y = p - T(rate) * g; t = 1; r = rate;\n}\n";
  Checked c(p + "node main(d: D, x: f32[3], z: f64) -> (a: D, b: f32[3], c, e: f64) {\n"
                "  (a, ta, ra) = sgd(d, d, 0.1); (b, tb, rb) = sgd(x, x, 0.1);\n"
                "  (c, tc, rc) = sgd(z, z, z); (e, te, re) = sgd(z, 1, f32(z));\n}");
  ASSERT_TRUE(c.program) << c.rendered;
  for (const char *name : {"ta", "ra", "tc", "rc", "te"}) EXPECT_EQ(c.typeOf("main", name), "f64") << name;
  for (const char *name : {"tb", "rb", "re"}) EXPECT_EQ(c.typeOf("main", name), "f32") << name;
  expectErrors(p + "node main(m: M) -> (a: M) { (a, t, r) = sgd(m, m, 0.1); }",
               {"cannot-infer: `T` of `sgd` cannot be inferred from the arguments"});
  // What the results must have, and defaults, come before.
  Checked order("fun f<<P: type, T: float>>(p: P, x: T) -> (y: T) { y = x; }\n"
                "fun g<<P: type, T: float = f32>>(p: P, x: T) -> (y: T) { y = x; }\n"
                "node main(z: f64) -> (a: f32) { a = f(z, 0.5); b = g(z, 0.5); }");
  ASSERT_TRUE(order.program) << order.rendered;
  EXPECT_EQ(order.typeOf("main", "b"), "f32");
}

TEST(Inference, ElementsOfAShapeAreASize) { // R4.5
  Checked c("fun flat<<S: shape, T: num>>(x: T[S]) -> (y: T[elements(S)]) { y = reshape<<[elements(S)]>>(x); }\n"
            "node main(x: f32[2, 3], z: f64) -> (y: f32[6], w: f64[1]) { y = flat(x); w = flat(z); }");
  EXPECT_TRUE(c.program) << c.rendered;
}

TEST(Inference, ADefaultWaitsForTheParametersItIsMadeOf) {
  std::string f = "fun f<<O, I: size, S: shape, n: size = O * elements(S)>>(k: i32) -> (w: i32[O, I, S]) { w = zeros<<[O, I, S]>>() + k + n; }\n";
  expectErrors(f + "node main(k: i32) -> (w: i32[4, 3]) { w = f<<4, 3>>(k); }", {});
  expectErrors(f + "node main(k: i32) -> (w: i32) { w = sum(f<<4, 3, []>>(k)); }", {});
  expectErrors(f + "node main(k: i32) -> (w: i32) { w = sum(f<<4, 3>>(k)); }",
               {"cannot-infer: `S` of `f` cannot be inferred from the arguments"});
  expectErrors(f + "node main(k: i32) -> (w: i32) { w = sum(f(k)); }",
               {"cannot-infer: `O` of `f` cannot be inferred from the arguments"});
}

TEST(Inference, ADecimalLiteralAmongArgumentsDecides) { // R3.3
  expectErrors("fun f<<T: num>>(a, b: T) -> (y: T) { y = a + b; }\n"
               "node main(x: i32) -> (y, z: f32) { k = clamp(1, 0.5, 2); y = f32(x) * k; j = f(1, 0.5); z = f32(x) * j; }",
               {});
}

TEST(Inference, LiteralsInMergeAndHoldHaveTheTypeOfTheOtherOperand) { // R4.7
  expectErrors("node main(x: f64) -> (y, z, u: f64) { y = x * merge(x > 0, 1, 0.5); z = hold(1 when every 2, 0.5) - x; "
               "u = merge(x > 0, 1, 2) + merge(x > 1, 0.5, 2) * x; }",
               {});
}

TEST(Inference, ARecurrenceThroughACallWithAShapeToInfer) {
  for (const char *step : {"clamp(i + x, -1, 1)", "relu(i + x)", "h(i + x)", "k(i + x)"})
    expectErrors("fun h<<S: shape>>(a: f32[S]) -> (y: f32[S]) { y = 2 * a; }\n"
                 "fun k<<S: shape, T: num>>(a: T[S]) -> (y, z: T[S]) { y = a; z = a; }\n"
                 "node main(x: f32) -> (y: f32) { " + std::string(step[0] == 'k' ? "(i, j) = (0, 0) fby " : "i = 0 fby ") + step + "; y = i; }",
                 {});
  expectErrors("node main(x: f32[4]) -> (y: f32[4]) { i = 0 fby clamp(i + x, -1, 1); y = i; }", {});
  expectErrors("node main(x: f64) -> (y: f64) { i = 0.0 fby relu(i + x); j = 0 -> relu(pre j + x); last k = 0; k = relu(last k + x); y = i + j + k; }", {});
}

TEST(Inference, AnIntegerBesideACallOfDecimalsIsAFloat) { // R4.7
  Checked c("fun clamp<<T: num>>(x: T, lo: T, hi: T) -> (y: T) { y = min(max(x, lo), hi); }\n"
            "node main() -> (y: f32) { g = 1 fby clamp(g * 0.9, 0.01, 100); n = 1 fby clamp(n * 2, 0, 100); y = g; }");
  EXPECT_EQ(c.typeOf("main", "g"), "f32") << c.rendered;
  EXPECT_EQ(c.typeOf("main", "n"), "i32") << c.rendered;
}

TEST(Inference, ACallWithoutArgumentsTakesTheTypeOfTheOtherOperands) { // R3.3
  Checked c("fun eye<<N: size, T: num>>() -> (i: T[N, N]) { i = [if r == c then 1 else 0 for r < N, c < N]; }\n"
            "node main(q: f64, p: f64[3, 3]) -> (y: f64[3, 3], z: f64[1, 1]) {\n"
            "  y = p + q * eye<<3>>(); a = p @ eye<<3>>(); b = if q > 0 then p else eye<<3>>(); w = 2 * eye<<3>>() fby w + p;\n"
            "  k = q + eye<<2>>(); z = 2 * (3 * eye<<1>>()); }");
  for (const char *name : {"y", "a", "b", "w"}) EXPECT_EQ(c.typeOf("main", name), "f64[3, 3]") << name << c.rendered;
  EXPECT_EQ(c.typeOf("main", "k"), "f64[2, 2]") << c.rendered;
}

TEST(Inference, TheHelpRepeatsTheStaticArgumentsThatWereGiven) {
  Checked c("fun eye<<N: size, T: num>>(s: i32) -> (i: T[N, N]) { i = [if r == c then 1 else 0 for r < N, c < N]; }\n"
            "node main(q: f64) -> (y: f64) { y = q * sum(eye<<3>>(1)); }");
  EXPECT_NE(c.rendered.find("give it: `eye<<3, T = f64>>(..)`"), std::string::npos) << c.rendered;
}

TEST(Inference, ARecurrenceThatBeginsWithALiteralIsToBlame) {
  for (const char *begin : {"zeros<<[4]>>()", "0"}) {
    Checked c(std::string("node step<<P: type, T: float>>(p, g: P, r: T) -> (q: P) { q = p - r * g; }\n"
                          "node main(x: f64[4], y: f64) -> (v: f64[4], l: f64) {\n"
                          "  w = ") + begin + " fby step(w, g, 0.02); v = w; l = (w @ x - y) * (w @ x - y); g = grad(l, w);\n}");
    EXPECT_NE(c.rendered.find(std::string("state its type, such as `w: f64")), std::string::npos) << c.rendered;
    EXPECT_EQ(c.rendered.find("error["), c.rendered.rfind("error[")) << c.rendered;
  }
}

TEST(Inference, TheConditionOfWhereHasATypeOfItsOwn) {
  Checked c("fun id<<S: shape, T: type>>(x: T[S]) -> (y: T[S]) { y = x; }\n"
            "node main(c: bool, x, u: f32[2, 2]) -> (y: f32[2, 2]) {\n"
            "  y = where(merge(c, id([false for i < 2, j < 2]), [true for i < 2, j < 2]), x, u);\n}");
  EXPECT_EQ(c.rendered, "");
}

} // namespace
} // namespace mlr::test
