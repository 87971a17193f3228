#include "Checked.h"

namespace mlr::test {
namespace {

const std::string modes = "enum Mode { Cruise, Follow, Brake }\nenum Gear { Low, High }\n";

TEST(Enums, ConstructorsAreNumbersInTheOrderOfTheDeclaration) {
  Checked c(modes + "node main(m: Mode) -> (n: Mode, b: bool) { n = Mode.Follow fby m; b = n != Mode.Brake; }");
  expectContains(c.printed(), "n: i32 = (1:i32 fby m)");
  expectContains(c.printed(), "b: bool = ne(n, 2:i32)");
}

TEST(Enums, VariablesKnowTheNamesOfTheirValues) {
  Checked c(modes + "node main(m: Mode, x: f32) -> (ns: Mode[2]) { ns = [m, Mode.Brake]; }");
  ASSERT_NE(c.node("main"), nullptr) << c.rendered;
  std::vector<std::string> names{"Cruise", "Follow", "Brake"};
  EXPECT_EQ(c.node("main")->vars[0].constructors, names);
  EXPECT_TRUE(c.node("main")->vars[1].constructors.empty());
  EXPECT_EQ(c.node("main")->vars[2].constructors, names);
}

TEST(Enums, StayEnumsThroughEverythingThatMovesValues) {
  expectErrors(modes + "const Start: Mode = Mode.Brake;\n"
                       "fun id<<T: type>>(x: T) -> (y: T) { y = x; }\n"
                       "node main<<d: Mode = Mode.Follow>>(m: Mode, c: bool, i: i32) -> (n: Mode[4]) {\n"
                       "  a = if c then m else d; w = window<<3>>(m, Start); l = [w[j] for j < 3];\n"
                       "  k = where(c, m, id(a)); v = concat(l, [k]); scan t < 4 { e = v[t] fby m; z = final e; n[t] = e; }\n"
                       "  q = n[i] == z or at(v, i, Start) != reshape<<[2, 2]>>(v)[1, 1];\n"
                       "}",
               {});
}

TEST(Enums, OfOneTypeAreComparedAndNothingElse) {
  expectErrors(modes + "node main(m: Mode, g: Gear) -> (c: i32) {\n"
                       "  c = m; a = m + m; b = m == g; d: Mode = 1; e = m < m; f = if true then m else 0; s = max([m]);\n"
                       "  k = [1, 2][m]; x = Mode; y = Mode.Brak; i = i32(m) + 1;\n}",
               {"type-mismatch: `c` is i32, but this is Mode",
                "type-mismatch: `+` does not take values of the enum `Mode`",
                "type-mismatch: the operands of `==` have types Mode and Gear",
                "type-mismatch: `d` is Mode, but this is i32",
                "type-mismatch: `<` does not take values of the enum `Mode`",
                "type-mismatch: the operands of `if` have types Mode and i32",
                "type-mismatch: `max` does not take values of the enum `Mode`",
                "type-mismatch: an index must be a scalar integer", "wrong-arguments: `Mode` is an enum, not a value",
                "unknown-name: the enum `Mode` has no constructor `Brak`"});
}


TEST(Enums, NamesAreDeclaredOnce) { // R18.1
  expectErrors("enum E { A, A }", {"duplicate-definition: the constructor `A` is declared twice"});
  expectErrors("struct S { a: f32, a: i32 }", {"duplicate-definition: the field `a` is declared twice"});
  expectErrors("enum f32 { A }", {"duplicate-definition: `f32` is a type of the language"});
}

TEST(Enums, SelectWithTheirOwnConstructorsOnly) { // R17.1, R17.2
  const std::string two = "enum K { A, B } enum J { Z, A }\n";
  expectErrors(two + "node main(k: K, x: i32) -> (y: i32) { y = hold(x when k == J.A, 0) + hold(x when k == K.B, 0); }",
               {"type-mismatch: `J.A` is no value of the enum `K`"});
  expectErrors(two + "node f(m: K, x: i32 when m == Nope) -> (y: i32) { y = 1; }", {"unknown-name: the enum `K` has no constructor `Nope`"});
  expectErrors("node f(m: i32, x: i32 when m) -> (y: i32) { y = hold(x, 1); }",
               {"type-mismatch: the condition of a clock must be one bool, but `m` is i32"});
  expectErrors("node f(m: i32, x: i32 when m == A) -> (y: i32) { y = hold(x, 1); }",
               {"type-mismatch: the condition of a clock must be an enum, but `m` is i32"});
}

} // namespace
} // namespace mlr::test
