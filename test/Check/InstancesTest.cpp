// Calls of nodes with state in comprehensions: one instance for each value of the indices that the arguments mention.
#include "Checked.h"

namespace mlr::test {
namespace {

const char *const sums = "node f(x: f32, w: f32) -> (y: f32) { y = w * x + (0 fby y); }\n"
                         "node slow(x: f32, c: bool) -> (y: f32 when c, z: f32 every 2) { y = x when c; z = x when every 2; }\n"
                         "node own(x: f32) -> (c: bool, y: f32 when c) { c = x > 0; y = x when c; }\n"
                         "node onClock(c: bool, x: f32 when c) -> (y: f32) { y = hold(x, 0); }\n";

const Equation *call(const Checked &c, const Region &region) {
  for (const Equation &e : region.equations) {
    if (e.kind == Equation::Kind::Call) return &e;
    const Equation *inside = e.clock ? call(c, e.clock->body) : nullptr;
    if (inside) return inside;
  }
  return nullptr;
}

/// The sizes of the indices of the first call in main.
std::vector<int64_t> instances(const std::string &main) {
  Checked c(sums + main);
  if (!c.node("main")) return ADD_FAILURE() << c.rendered, std::vector<int64_t>();
  EXPECT_TRUE(verify(*c.program).empty());
  const Equation *equation = call(c, c.node("main")->body);
  std::vector<int64_t> sizes;
  if (equation)
    for (IndexId i : equation->each) sizes.push_back(c.node("main")->indices[i].size);
  return sizes;
}

TEST(Instances, OneForEachValueOfTheIndicesThatAreMentioned) {
  using Sizes = std::vector<int64_t>;
  EXPECT_EQ(instances("node main(x: f32[4], w: f32) -> (y: f32[4]) { y = [f(x[b], w) for b < 4]; }"), Sizes{4});
  EXPECT_EQ(instances("node main(x: f32[4]) -> (y: f32[2, 4]) { y = [f(x[b], 1) for a < 2, b < 4]; }"), Sizes{4});
  EXPECT_EQ(instances("node main(x: f32) -> (y: f32[4]) { y = [f(x, 1) for b < 4]; }"), Sizes{});
  EXPECT_EQ(instances("node main(x: f32[4]) -> (y: f32[2, 4]) { y = [[f(x[b], f32(a)) for b < 4] for a < 2]; }"),
            (Sizes{2, 4}));
  EXPECT_EQ(instances("node main(x: f32[4]) -> (y: f32) { y = sum(f(x[b], 1) for b < 4); }"), Sizes{4});
  EXPECT_EQ(instances("node main(x: f32[0]) -> (y: f32[0]) { y = [f(x[b], 1) for b < 0]; }"), Sizes{0});
  EXPECT_EQ(instances("node main(x: f32[4], r: bool) -> (y: f32[4]) { y = [f(x[b], 1) every r for b < 4]; }"),
            Sizes{4});
}

TEST(Instances, HaveTheirClocksTogether) {
  EXPECT_EQ(instances("node main(x: f32[4], c: bool) -> (y: f32[4] when c, z: f32[4] every 2) {\n"
                      "  (y, z) = [slow(x[b], c) for b < 4];\n}"),
            std::vector<int64_t>{4});
  EXPECT_EQ(instances("node main(x: f32[4], c: bool) -> (y: f32[4]) { z = x when c; y = [onClock(c, z[b]) for b < 4]; }"),
            std::vector<int64_t>{4});
  Checked own(std::string(sums) + "node main(x: f32[4]) -> (y: f32[4]) { y = [g(x[b]) for b < 4]; }\n"
                                  "node g(x: f32) -> (y: f32) { (c, z) = own(x); y = hold(z, 0); }\n"
                                  "node bad(x: f32[4]) -> (c: bool[4]) { (c, y) = [own(x[b]) for b < 4]; }");
  ASSERT_EQ(own.errors.size(), 1u) << own.rendered;
  EXPECT_EQ(own.errors[0], "clock-mismatch: an output of `own` is on a clock that each instance has for itself");
  Checked other(std::string(sums) + "node main(x: f32[4], c: bool[4]) -> (z: f32[4] every 2) {\n"
                                    "  (y, z) = [slow(x[b], c[b]) for b < 4];\n}");
  EXPECT_FALSE(other.node("main"));
}

TEST(Instances, ThatNeedMuchMemoryRunOneAfterTheOther) {
  auto kindOf = [](const std::string &size) {
    Checked c("fun g(x: f32) -> (y: f32) { scan t < 10000 { a = x + (0 fby a); z[t] = a / final a; } y = max(z); }\n"
              "node main(x: f32[" + size + ", 2]) -> (y: f32) { y = sum(g(x[b, k]) for b < " + size + ", k < 2); }");
    EXPECT_TRUE(c.node("main")) << c.rendered;
    return c.node("main") ? c.node("main")->body.equations[0].kind : Equation::Kind::Define;
  };
  EXPECT_EQ(kindOf("100"), Equation::Kind::Call);
  EXPECT_EQ(kindOf("10000"), Equation::Kind::Scan);
}

TEST(Instances, KeepStateWithinLimits) {
  Checked c("node g(x: f32) -> (y: f32) { y = sum(window<<1000>>(x, 0)); }\n"
            "node main(x: f32[1000000]) -> (y: f32) { y = sum(g(x[b]) for b < 1000000); }");
  ASSERT_EQ(c.errors.size(), 1u) << c.rendered;
  EXPECT_EQ(c.errors[0], "invalid-size: `window` keeps more than 2147483647 bytes");
  expectContains(c.rendered, "1000000 instances of `g` stand side by side");
}

TEST(Instances, AreNoConstants) {
  Checked c(std::string(sums) + "const A: f32[3] = [f(f32(b), 1) for b < 3];\nnode main() -> (y: f32[3]) { y = A; }");
  EXPECT_FALSE(c.node("main"));
}

TEST(Instances, MayDependOnTheirOwnPast) {
  Checked forward("node f(x: f32) -> (y: f32) { y = x + (0 fby y); }\n"
                  "node main() -> (y: f32[4]) { p = [0.0 for b < 4] fby y; y = [f(p[b]) for b < 4]; }");
  EXPECT_TRUE(forward.node("main")) << forward.rendered;
  Checked cycle("node f(x: f32) -> (y: f32) { y = x + (0 fby y); }\n"
                "node main() -> (y: f32[4]) { y = [f(at(y, b - 1, 0)) for b < 4]; }");
  EXPECT_FALSE(cycle.node("main"));
}

} // namespace
} // namespace mlr::test
