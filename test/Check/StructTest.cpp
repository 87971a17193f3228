#include "Checked.h"

namespace mlr::test {
namespace {

const std::string dense = "struct Dense<<I, O: size>> { w: f32[O, I], b: f32[O] }\n";

TEST(Structs, AreOneVariableALeaf) {
  Checked c(dense + "struct Net { fc: Dense<<3, 4>>, k: i32 }\n"
                    "node main(p: Net) -> (q: Net) { q = p fby { p with k = 2 }; }");
  EXPECT_EQ(c.typeOf("main", "p.fc.w"), "f32[4, 3]") << c.rendered;
  EXPECT_EQ(c.typeOf("main", "q.fc.b"), "f32[4]");
  expectContains(c.printed(), "q.k: i32 = (p.k fby 2:i32)");
}

TEST(Structs, SizesFollowFromArgumentsAndFields) {
  Checked c(dense + "fun f<<N, O: size>>(p: Dense<<2 * N, O>>) -> (q: Dense<<N, O>>) {\n"
                    "  q = Dense { w = p.w[.., 0..N], b = p.b };\n}\n"
                    "node main(p: Dense<<4, 3>>) -> (y: f32[3, 2]) { y = f(p).w; }");
  EXPECT_EQ(c.typeOf("f", "q.w"), "f32[3, 2]") << c.rendered;
}

TEST(Structs, AreStackedAndReadLeafByLeaf) {
  Checked c(dense + "node main(p: Dense<<2, 1>>, i: i32) -> (ps: Dense<<2, 1>>[5], y: f32, z: f32[5]) {\n"
                    "  scan t < 5 { d = p fby d; ps[t] = d; e = final d; }\n"
                    "  y = ps[i].b[0] + ps[1 ..+ 2].w[0, 0, 1] + e.b[0]; z = ps.b[.., 0];\n"
                    "  c = [ps[k] for k < 3]; l = [e, c[2]]; x = l[0].w;\n}");
  EXPECT_EQ(c.typeOf("main", "ps.w"), "f32[5, 1, 2]") << c.rendered;
  EXPECT_EQ(c.typeOf("main", "c.w"), "f32[3, 1, 2]");
  EXPECT_EQ(c.typeOf("main", "l.b"), "f32[2, 1]");
  EXPECT_EQ(c.typeOf("main", "x"), "f32[1, 2]");
}

TEST(Structs, OfFloatsTakeOperatorsAndElementWiseFuns) {
  Checked c("struct P { w: f32[2], b: f64 }\nstruct Q { p: P, r: P }\n"
            "fun relu<<S: shape, T: float>>(x: T[S]) -> (y: T[S]) { y = max(x, 0); }\n"
            "node main(p, g: Q) -> (q: Q) { q = relu(p - 0.5 * g) / 2 + exp(-g) fby 0; }");
  expectContains(c.printed(), "q.r.w: f32[2] = ");
  expectContains(c.printed(), "relu<<S = [], T = f64>>");
}

TEST(Structs, EveryLeafHasTheLiteralAsItIsWritten) {
  Checked c("struct P { w: f32[2], k: f64, b: f32 }\nstruct Q { p: P, r: P }\n"
            "node main(p: Q) -> (q: Q, n: i32) { n = 7 fby n; q = p fby q - 0.25 * (p * 0.5); }");
  std::string text = c.printed();
  EXPECT_EQ(text.find(", 7:f"), std::string::npos) << text;
  for (const char *name : {"p.w", "p.k", "p.b", "r.w", "r.k", "r.b"}) {
    const char *scalar = std::string(name).ends_with("k") ? "f64" : "f32";
    bool isVector = std::string(name).ends_with("w");
    std::string half = isVector ? "broadcast<<[2]>>(0.5:f32)" : std::string("0.5:") + scalar;
    expectContains(text, "mul(p." + std::string(name) + ", " + half + ")");
  }
  for (const char *quarter : {"0.25:f32", "0.25:f64"}) expectContains(text, quarter);
}

TEST(Structs, LiteralsFillEveryLeaf) {
  expectTyped("struct P { w: f32[2], k: i8 }\nnode main(p: P) -> (q: P) { q = 1 fby p; }", "q.k: i8 = (1:i8 fby p.k)");
}

TEST(Structs, MapAndReduceRunOverTheLeavesInOrder) {
  Checked c("struct P { w: f32[2], b: f32 }\n"
            "fun twice<<S: shape>>(x: f32[S]) -> (y: f32[S]) { y = x + x; }\n"
            "fun add<<S: shape>>(a: f32, x: f32[S]) -> (y: f32) { y = a + sum(x); }\n"
            "node main(p: P) -> (q: P, n: f32, r: P) { q = map(twice, p); n = reduce(add, 0, p); r = map(max, p, 0.5); }");
  expectContains(c.printed(), "f32 = add_1(value#7, p.b)");
  expectContains(c.printed(), "r.b: f32 = max(p.b, 0.5:f32)");
}

TEST(Structs, ConstantsAreFoldedOrComputed) {
  Checked c(dense + "const A: Dense<<2, 1>> = Dense { w = [[1, 2]], b = 3 };\n"
                    "const B: Dense<<2, 1>> = Dense { w = A.w, b = [sum(A.w[0])] };\n"
                    "node main() -> (y: f32) { y = A.b[0] + B.b[0]; }");
  EXPECT_TRUE(c.program.has_value()) << c.rendered;
}

TEST(Structs, AsTypeArguments) {
  Checked c(dense + "fun keep<<T: type>>(x: T, y: T) -> (z: T) { z = if true then x else y; }\n"
                    "struct Pair<<T: type>> { a, b: T }\n"
                    "node main(p: Dense<<2, 1>>) -> (q: Pair<<Dense<<2, 1>>>>, r: Pair<<f32[3]>>) {\n"
                    "  q = Pair { a = p, b = keep(p, p) }; r = Pair { a = 1, b = 2 };\n}");
  EXPECT_EQ(c.typeOf("main", "q.a.w"), "f32[1, 2]") << c.rendered;
  EXPECT_EQ(c.typeOf("main", "r.b"), "f32[3]");
}

TEST(Structs, ANumberTimesWhatIsNotKnownYetMayBeOne) { // R18.7
  expectErrors("struct P { a: f64, b: f64 }\n"
               "node main(c: bool, p: P) -> (y: P) {\n"
               "  if c { u = (last u fby u) - f64(0.5) * last u; } else { u = p; }\n"
               "  last u = P { a = 0, b = 0 }; y = u;\n"
               "}",
               {});
}

TEST(Structs, MistakesAreNamed) {
  expectErrors(dense + "struct P { x, y: f32, k: i32 }\nstruct E { }\n"
                       "node main(p: P, d: Dense<<2, 3>>) -> (y: f32) {\n"
                       "  a = { p with z = 1 }; b = p + p; c = Dense { w = d.w }; e = d.b.x; g = d[0];\n"
                       "  h = if p.x > 0 then p else d; i: Dense<<2>> = d; j = p == p; (k, l) = d; m: Dense<<2, 2>> = d;\n"
                       "  n = P; o = R { x = 2 }; q = d * [1, 2]; y = p.w;\n}",
               {"missing-definition: the struct `E` has no fields", "unknown-name: `P` has no field `z`",
                "type-mismatch: `+` goes through structs of floats only", "wrong-arguments: this `Dense` has no value for `b`",
                "type-mismatch: `d.b` has no fields",
                "shape-mismatch: `d` is a struct with 0 axes in front of its fields, and 1 index is given",
                "type-mismatch: the operands of `if` have types P and Dense<<2, 3>>",
                "cannot-infer: `O` of `Dense` has no value", "type-mismatch: `==` does not take structs",
                "wrong-arguments: 2 variables are defined by 1 value",
                "type-mismatch: `m` is Dense<<2, 2>>, but this is Dense<<2, 3>>",
                "wrong-arguments: `P` is a struct, not a value", "unknown-name: there is no struct `R`",
                "type-mismatch: `*` takes structs of one type and scalars here, not Dense<<2, 3>> and literals of shape [2]",
                "unknown-name: `P` has no field `w`"});
}

TEST(Structs, CannotContainThemselves) {
  expectErrors("struct A { b: B }\nstruct B { a: A[2] }\nnode main(x: A) -> (y: f32) { y = 1; }",
               {"recursive-instantiation: `A` contains itself"});
}

TEST(Structs, ParametersFollowThroughNestedOnes) { // R18.2
  expectErrors("struct Dense<<I, O: size>> { w: f32[O, I], b: f32[O] }\n"
               "struct Net<<D, H: size>> { l1: Dense<<D, H>>, l2: Dense<<H, 1>> }\n"
               "struct Opt<<T: type>> { p: T, k: i32 }\n"
               "fun width<<D, H: size>>(o: Opt<<Net<<D, H>>>>) -> (y: f32[H]) { y = o.p.l1.b; }\n"
               "fun first<<N: size, T: float>>(o: Opt<<T[2, N]>>) -> (y: T[N]) { y = o.p[0]; }\n"
               "node main(n: Net<<3, 2>>) -> (y: f32[2], z: f32[3]) {\n"
               "  y = width(Opt { p = n, k = 1 }); z = first(Opt { p = n.l1.w, k = 1 });\n"
               "}",
               {});
}

} // namespace
} // namespace mlr::test
