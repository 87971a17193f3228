// What has no derivative, and what does not depend on its variable (rules R20.3, R20.7).
#include "Checked.h"

namespace mlr::test {
namespace {

const std::string halved = "fun halved(x: f32) -> (y: f32) { y = from_bits<<f32>>(bits(x) - 0x00800000); }\n";

TEST(Derivatives, BitsThatBecomeAFloatAgainAreRefused) {
  Checked c(halved + "node main(x: f32) -> (g: f32) { a = 2 * x; b = halved(a); g = grad(b * b, x); }");
  EXPECT_EQ(c.errors, std::vector<std::string>{"no-derivative: `bits` has no derivative, and `b * b` depends on `x` through it"});
  expectContains(c.rendered, "from variable to value: x -> a -> bits(..) -> halved(..) -> b");
  expectErrors("node main(x: f32) -> (g: f32) { g = grad(f32(bitand(bits(x), 255)), x); }",
               {"no-derivative: `bits` has no derivative, and `f32(bitand(bits(x), 255))` depends on `x` through it"});
}

TEST(Derivatives, BitsThatStayIntegersOrConstantsAreNone) {
  expectErrors("node main(x: f32) -> (g: f32) { odd = bitand(bits(x), 1) == 1; g = grad(if odd then x else 2 * x, x); }", {});
  expectErrors(halved + "node main(x: f32) -> (g: f32) { g = grad(stop_gradient(halved(x)) * x, x); }", {});
  expectErrors(halved + "node main(x, z: f32) -> (g: f32) { g = grad(halved(z) * x, x); }", {});
}

TEST(Derivatives, AStatedDerivativeHidesTheBits) {
  expectErrors("fun h(x: f32) -> (y: f32) derivative d { y = from_bits<<f32>>(bits(x) - 8388608); }\n"
               "fun d(x, y, c: f32) -> (b: f32) { b = c / 2; }\n"
               "node main(x: f32) -> (g: f32) { g = grad(h(x), x); }", {});
  expectErrors("node main(x: f32, y: f64) -> (g: f32, h: f64) { g = grad(tanh(exp(x)) * pow(x, x), x); h = grad(sin(y) + erf(y), y); }", {});
}

TEST(Derivatives, CFunctionsAreRefused) {
  std::string head = "extern fun f(x: f32, n: i32) -> (y: f32);\nextern node cam(x: f32) -> (y: f32);\n";
  expectErrors(head + "node main(x: f32) -> (g: f32) { g = grad(x * f(x, 3), x); }",
               {"no-derivative: the C function `f` has no derivative, and `x * f(x, 3)` depends on `x` through it"});
  expectErrors(head + "node main(x: f32) -> (g: f32) { y = cam(x); g = grad(y, x); }",
               {"no-derivative: the C function `cam` has no derivative, and `y` depends on `x` through it"});
  expectErrors(head + "node main(x: f32) -> (g: f32) { g = grad(x * f(2, i32(x)), x); }", {});
}

TEST(Derivatives, InsideAScanTheWayLeadsThroughTime) {
  expectErrors(halved + "node main(x: f32) -> (g: f32) { scan t < 4 { m = x fby halved(m); y = final m; } g = grad(y, x); }",
               {"no-derivative: `bits` has no derivative, and `y` depends on `x` through it"});
  expectErrors(halved + "node main(x: f32) -> (g: f32) { m = 0 fby halved(x); g = grad(m + x, x); }", {});
}

void expectZero(const std::string &body, const std::string &because) {
  Checked c("node main(x: f32, z: f32[4]) -> (g: f32) { " + body + " }");
  ASSERT_EQ(c.errors.size(), 1u) << c.rendered;
  EXPECT_EQ(c.errors[0].substr(0, 16), "zero-derivative:");
  EXPECT_TRUE(c.program.has_value());
  expectContains(c.rendered, because);
}

TEST(Derivatives, AValueThatDoesNotDependOnItsVariableDrawsAWarning) {
  expectZero("y = z[0]; g = grad(y, x);", "`y` does not depend on `x`: its derivative is 0");
  expectZero("g = grad(floor(x), x);", "the derivative of `floor` is 0");
  expectZero("g = grad(f32(x > 2), x);", "the derivative of `comparison` is 0");
  expectZero("g = grad(f32(i32(x)), x);", "the derivative of `i32` is 0");
  expectZero("g = grad(f32(argmax(z * x)), x);", "the derivative of `argmax` is 0");
  expectZero("g = grad(if x > 2 then 1.0 else 2.0, x);", "a condition only chooses");
  expectZero("g = grad(z[i32(x)], x);", "an index only chooses");
  expectZero("g = grad(stop_gradient(x), x);", "`stop_gradient` makes it a constant");
  expectZero("m = 0 fby m + x; g = grad(m, x);", "a constant: `fby` gives the value of another instant");
  expectZero("g = jvp(floor(x), x, 1);", "the derivative of `floor` is 0");
}

TEST(Derivatives, WhatOperatorsOfTimeGiveOfThisInstantCounts) {
  auto derive = [](const std::string &value) { return "node main(x, z: f32) -> (g: f32) { g = grad(" + value + ", x); }"; };
  for (const char *value : {"x fby z", "window<<3>>(x * 2, 0)[2]", "x -> pre z", "hold(z when every 2, x)", "sum(window<<2>>(x, z))"})
    expectErrors(derive(value), {});
  expectErrors("node main(x: f32) -> (g: f32[3]) { scan t < 3 { a = x * f32(t); h = 0 eby a; g[t] = grad(h, a); } }", {});
  for (const char *value : {"z fby x", "z -> pre x", "z fby z fby x", "z fby x fby z"})
    EXPECT_EQ(Checked(derive(value)).errors.size(), 1u) << value;
  EXPECT_EQ(Checked("node main(x: f32) -> (g: f32[3]) { scan t < 3 { a = x * f32(t); h = a eby 0; g[t] = grad(h, a); } }").errors.size(), 1u);
}

TEST(Derivatives, AStatedOneThatNeedsItselfIsRefused) {
  std::string f = "fun f(x: f32) -> (y: f32) derivative d { y = x; }\n", main = "node main(x: f32) -> (g: f32) { g = grad(f(x), x); }";
  expectErrors(f + "fun d(x, y, c: f32) -> (r: f32) { r = grad(f(x), x) * c; }\n" + main,
               {"recursive-instantiation: the derivative of `f` needs the derivative of `f`"});
  expectErrors(f + "fun k(x: f32) -> (y: f32) { y = grad(exp(x), x); }\nfun d(x, y, c: f32) -> (r: f32) { r = k(x) * f(c); }\n" + main, {});
}

TEST(Derivatives, VariablesAndValuesAreFloatsOnOneClock) {
  expectErrors("node main(x: f32[4]) -> (g: f32[4]) { g = [grad(x[0], i) for i < 4]; }",
               {"type-mismatch: only floats have derivatives, and this is an index"});
  expectErrors("enum E { A, B }\nnode main(x: f32, e: E) -> (g: f32) { g = grad(x, e); }",
               {"type-mismatch: only floats have derivatives, and this is E"});
  Checked c("struct P { a: f32, n: i32 }\nnode main(p: P) -> (g: P) { g = grad(p.a, p); }");
  expectContains(c.rendered, "`p.n` is i32");
  Checked clocks("node main(x: f32, c: bool) -> (g: f32) { y = x when c; g = grad(y * y, x); }");
  expectContains(clocks.rendered, "name what is sampled, and use that:  v = x when c;");
  expectErrors("node main(x: f32, c: bool) -> (g: f32) { v = x when c; y = v; g = hold(grad(y * y, v), 0); }", {});
}

TEST(Derivatives, OneInfluenceIsEnough) {
  std::string s = "struct P { a: f32, b: f32[2] }\n";
  expectErrors(s + "node main(p: P) -> (g: P) { g = grad(p.a, p); }", {});
  expectErrors("node f<<N: size>>(x: f32[N], k: f32) -> (g: f32) { g = grad(if N > 2 then k else 0.0, k); }\n"
               "node main(k: f32) -> (a, b: f32) { a = f([k], k); b = f([k, k, k], k); }", {});
  Checked c("node main(x, y: f32) -> (a, b: f32) { (a, b) = grad(x * x, (x, y)); }");
  EXPECT_EQ(c.errors, std::vector<std::string>{"zero-derivative: `x * x` does not depend on `y`: its derivative is 0"});
}

TEST(Derivatives, OtherInstantsOfAnInnerScanCount) {
  expectErrors("node main(x: f32) -> (g: f32) { scan t < 4 { m = 0 fby m + x; y = final m; } g = grad(y, x); }", {});
  expectErrors("node acc(x: f32) -> (y: f32) { y = 0 fby y + x; }\n"
               "node main(x: f32) -> (g: f32) { scan t < 4 { y = final acc(x); } g = grad(y, x); }", {});
}

TEST(Derivatives, NeitherNamedNorStaticArguments) {
  auto error = [](const std::string &value, const std::string &message) {
    expectErrors("node main(x: f32) -> (g: f32) { g = " + value + "; }", {"wrong-arguments: " + message});
  };
  error("grad(x * x, v = x)", "`grad` does not name its arguments");
  error("grad(loss = x * x, v = x)", "`grad` does not name its arguments");
  error("jvp(x * x, x, tangent = 1)", "`jvp` does not name its arguments");
  error("grad<<2>>(x * x, x)", "`grad` has no static parameters");
  error("vjp<<2>>(x * x, x, 1)", "`vjp` has no static parameters");
}

TEST(Derivatives, OfConstantsAndOfStructsInTheUsersWords) {
  Checked literal("node main(x: f32) -> (g: f32) { g = grad(x * x, 2); }"), size("node main<<K: size = 3>>(x: f32) -> (g: f32) { g = grad(x * K, K); }");
  for (const Checked *c : {&literal, &size}) {
    EXPECT_EQ(c->errors, std::vector<std::string>{"wrong-arguments: a derivative is taken with respect to a variable"});
    expectContains(c->rendered, "this is a constant");
    EXPECT_EQ(c->rendered.find("name it"), std::string::npos) << c->rendered;
  }
  Checked named("const C: f32 = 3;\nnode main(x: f32) -> (g: f32) { g = grad(x * C, C); }");
  expectContains(named.rendered, "this is a constant");
  expectContains(named.rendered, "name it: `v = C;`");
  Checked record("struct P { a, b: f32 }\nnode main(p: P) -> (g: P) { g = grad(p, p); }");
  EXPECT_EQ(record.errors, std::vector<std::string>{"type-mismatch: `grad` differentiates a scalar float, not a struct"});
  expectContains(record.rendered, "`vjp(p, p, cotangent)`");
}

} // namespace
} // namespace mlr::test
