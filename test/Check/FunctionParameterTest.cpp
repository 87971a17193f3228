// Nodes and funs as static parameters.
#include "Checked.h"

namespace mlr::test {
namespace {

const std::string twice = "fun twice<<f: (f32) -> f32>>(x: f32) -> (y: f32) { y = f(f(x)); }\n";

TEST(FunctionParameters, AreCalledInTheirPlace) {
  Checked c(twice + "fun half(x: f32) -> (y: f32) { y = x / 2; }\n"
                    "node main(x: f32) -> (y: f32) { y = twice<<half>>(x) + twice<<f = abs>>(x) + twice<<exp>>(x); }");
  expectContains(c.printed(), "= half(x)");
  expectContains(c.printed(), "y: f32 = abs(value#2)");
  expectContains(c.printed(), "y: f32 = exp_f32(value#2)");
}

TEST(FunctionParameters, KeepTheirOwnStaticParameters) {
  Checked c("struct Dense<<I, O: size>> { w: f32[O, I], b: f32[O] }\n"
            "fun scaled<<k: f32, S: shape>>(x: f32[S]) -> (y: f32[S]) { y = k * x; }\n"
            "fun dense<<I, O: size, act: (f32[O]) -> f32[O] = scaled<<1>>>>(p: Dense<<I, O>>, x: f32[I]) -> (y: f32[O]) {\n"
            "  y = act(p.w @ x + p.b);\n}\n"
            "node main(p: Dense<<2, 3>>, x: f32[2]) -> (y, z: f32[3]) {\n"
            "  y = dense<<act = scaled<<2>>>>(p, x); z = dense(p, x);\n}");
  expectContains(c.printed(), "scaled<<k = 2, S = [3]>>");
  expectContains(c.printed(), "scaled<<k = 1, S = [3]>>");
}

TEST(FunctionParameters, CanBeNodesAndGiveSeveralResults) {
  Checked c("node both(x: f32, s: f32) -> (y, t: f32) { t = s + x; y = t fby x; }\n"
            "node run<<N: size, f: (f32, f32) -> (f32, f32)>>(xs: f32[N]) -> (ys: f32[N]) {\n"
            "  scan t < N { (y, s) = f(xs[t], 0 fby s); ys[t] = y; }\n}\n"
            "node main(xs: f32[3]) -> (ys: f32[3]) { ys = run<<f = both>>(xs); }");
  ASSERT_NE(c.node("run"), nullptr) << c.rendered;
  EXPECT_FALSE(c.node("main")->hasState) << "the state lives within the scan";
}

TEST(FunctionParameters, BringTheirStateAlong) {
  expectErrors(twice + "node lag(x: f32) -> (y: f32) { y = 0 fby x; }\n"
                       "fun main(x: f32) -> (y: f32) { y = twice<<lag>>(x); }",
               {"state-in-fun: the fun `twice` calls `lag`, which has state"});
}

TEST(FunctionParameters, HideDeclarationsOfTheirName) {
  expectErrors("fun f<<g: (f32) -> f32>>(x: f32) -> (y: f32) { y = g(x); }\n"
               "fun g(x: f32) -> (y: f32) { y = f<<abs>>(x); }",
               {});
}

TEST(FunctionParameters, MistakesAreNamed) {
  expectErrors(twice + "fun two(x, y: f32) -> (z: f32) { z = x + y; }\nfun int(x: i32) -> (z: i32) { z = x; }\n"
                       "node main(x: f32) -> (y: f32) {\n"
                       "  a = twice<<two>>(x); b = twice<<3>>(x); c = twice<<nothing>>(x); d = twice(x); y = twice<<int>>(x);\n}",
               {"type-mismatch: the input `x` of `int` is i32, but this is f32",
                "type-mismatch: `two` takes 2 values and gives 1, which `f` does not",
                "type-mismatch: `f` must be the name of a node or fun",
                "unknown-name: no node or fun called `nothing` is declared",
                "cannot-infer: `f` of `twice` cannot be inferred from the arguments"});
}

} // namespace
} // namespace mlr::test
