#include "Checked.h"

namespace mlr::test {
namespace {

TEST(Errors, AllOfAFileAreReportedInOneRun) {  // R1.10
  expectErrors("node main(x: f32, n: i32) -> (y, z: f32) {\n  y = x * n;\n  a = q + 1;\n  a = 2;\n}\n"
               "fun f(x: f32) -> (y: f32) { y = 0 fby x; }",
               {"missing-definition: the output `z` has no equation",
                "type-mismatch: the operands of `*` have types f32 and i32",
                "unknown-name: nothing called `q` is declared", "duplicate-definition: `a` is defined twice",
                "state-in-fun: the fun `f` cannot keep state"});
}

TEST(Errors, AnErrorInOneDeclarationDoesNotHideTheAnalysesOfOthers) {  // R1.10
  expectErrors("node main(x: f32) -> (y: f32) { y = x + y; }\nfun s(x: f32) -> (y: f32) { y = 0 fby x; }\n"
               "node late(x: f32) -> (y: f32) { y = pre x; }\nnode user(x: f32) -> (y: f32) { y = s(x); }",
               {"causality-cycle: `y` needs its own value of the same instant",
                "state-in-fun: the fun `s` cannot keep state",
                "uninitialised: `pre x` is read at the first instant, where it is undefined"});
}

TEST(Errors, ANodeThatIsNotCalledIsNoRecursion) {  // R2.7
  expectErrors("node main(x: f32) -> (y: f32) { m = main; y = q; }",
               {"wrong-arguments: `main` is a node, not a value", "unknown-name: nothing called `q` is declared"});
}

TEST(Errors, OneCauseIsOneError) {
  expectErrors("node main(x: f32) -> (y: f32) { a = q; b = a + 1; c = b * 2; y = c; }",
               {"unknown-name: nothing called `q` is declared"});
  expectErrors("node main(x: f32) -> (y: f32) { a = b + q; b = (0 fby a) * 2; y = b; }",
               {"unknown-name: nothing called `q` is declared"});
}

TEST(Errors, ContradictionInARecurrenceIsTheErrorNotTheMissingType) {  // R4.4
  Checked c("node main(r: f64[7], d: bool[7]) -> (y: f64[7]) {\n  scan t < 7 {\n"
            "    m = if d[t] then 0.0 else 1.0;\n    a = r[t] + 0.5 * m * (a eby 0);\n"
            "    s = a + (0 fby s);\n    mu = final s / f64(7);\n    y[t] = a - mu;\n  }\n}");
  EXPECT_EQ(c.errors, std::vector<std::string>{"type-mismatch: the operands of `+` have types f64 and f32"})
      << c.rendered;
  expectContains(c.rendered, "help: state its type: `m: f64 = if d[t] then 0.0 else 1.0;`");
}

TEST(Errors, WhatReadsAFailedVariableIsNotGuessed) {
  expectErrors("node main(x: f64, k: f32) -> (y: f64) { m = x + k; s = m + (0 fby s); y = s / x; }",
               {"type-mismatch: the operands of `+` have types f64 and f32"});
}

TEST(Errors, ConversionIsOfferedTowardsTheWiderType) {  // R4.4
  expectContains(Checked("node main(x: f64, k: f32) -> (y: f64) { y = x + k; }").rendered, "`f64(k)`");
  expectContains(Checked("node main(x: f64, k: f32) -> (y: f64) { y = k + x; }").rendered, "`f64(k)`");
}

TEST(Errors, MissingTypeIsOfferedAsTheOperandsHaveIt) {
  expectContains(Checked("node main(x: f64) -> (y: f64) { a = concat(a, [x]); y = x; }").rendered,
                 "for example `a: f64 = ..;`");
  expectContains(Checked("node main(x: f64) -> (y: f64) { a = pre a; y = x; }").rendered,
                 "help: state its type where it is defined\n");
}

TEST(Errors, FailedConstantKeepsItsDeclaredType) {
  expectErrors("const T: u32[4] = [f(u32(i)) for i < 4];\nnode f(n: u32) -> (c: u32) { scan k < 8 { x = n fby x; "
               "c = final x; } }\nnode main(b: u8) -> (y: u32) { p = 0xffffffff fby n; n = bitxor(T[b], p); y = n; }",
               {"not-constant: the node `f` cannot be called in a constant"});
}

TEST(Errors, ATwiceDefinedNameHidesWhatItsClocksSay) {
  expectErrors("node main(x: f32, b: bool) -> (g, h: f32) {\n"
               "  p = x when every 2; h = hold(p, 0);\n"
               "  if b { p = x when every 2; q = p when every 2; g = hold(hold(q, 0), 1); } else { g = 0; }\n"
               "}",
               {"duplicate-definition: `p` is defined twice"});
}

TEST(Errors, FinalOfAQuotientIsOffered) {  // R5.1
  expectContains(Checked("node main<<T: size = 4>>(r: f64[T]) -> (m: f64) { scan t < T { s = r[t] + (0 fby s); "
                         "m = final s / f64(T); } }")
                     .rendered,
                 "`final` binds tighter: `m = final (s / f64(T));`");
}

TEST(Errors, MovingSliceIsOfferedWithItsLength) {  // R6.2
  expectContains(Checked("node main(x: f32[9], n: i32) -> (y: f32[2]) { y = x[n .. n + 2]; }").rendered,
                 "`x[n ..+ 2]`");
}

TEST(Errors, AxisThatNoSizeGives) {  // R3.4
  Checked c("fun f<<N: size>>(x: f32[2 * N]) -> (y: f32[N]) { y = [x[i] for i < N]; }\n"
            "node main(x: f32[3]) -> (y: f32) { y = sum(f(x)); }");
  EXPECT_EQ(c.errors, std::vector<std::string>{"shape-mismatch: the input `x` of `f` has `2 * N` elements along "
                                               "axis 0, and 3 is `2 * N` for no N"});
  expectContains(c.rendered, "declared `f32[2 * N]`");
}

TEST(Errors, LookingAheadIsShownWhereItStands) {  // R10.7
  Checked c("node inner(x: f32) -> (y: f32) { y = x eby 0; }\nnode mid(x: f32) -> (y: f32) { y = inner(x); }\n"
            "node main(x: f32) -> (y: f32) { y = mid(x); }",
            [] { CheckOptions o; o.root = "main"; return o; }());
  expectContains(c.rendered, "which calls this");
  expectContains(c.rendered, "which looks ahead here");
}

TEST(Errors, OfAnOptionNameTheOption) {
  CheckOptions options;
  options.root = "main";
  options.params["N"] = "x";
  Checked c("node main<<N: size>>(x: f32[N]) -> (y: f32) { y = sum(x); }", options);
  EXPECT_EQ(c.errors, std::vector<std::string>{"unknown-name: `--param N=x`: nothing called `x` is declared"});
  options.params["N"] = "2 +";
  EXPECT_EQ(Checked("node main<<N: size>>(x: f32[N]) -> (y: f32) { y = sum(x); }", options).errors,
            std::vector<std::string>{"wrong-arguments: `--param N=2 +`: it is not one expression"});
}

TEST(Errors, InAnInstanceNameTheUse) {  // R3.6
  Checked c("fun cell<<D: size>>(x: f32[D]) -> (y: f32[D]) { y = x + [1.0, 2.0]; }\n"
            "node main(x: f32[3]) -> (y: f32[3]) { y = cell(x); }");
  expectContains(c.rendered, "in this instance: cell<<D = 3>>");
  expectContains(c.rendered, "declared `f32[D]`, D = 3");
}

TEST(Errors, UnknownNamesAreGuessed) {
  expectContains(Checked("node main(speed: f32) -> (y: f32) { y = sped; }").rendered,
                 "did you mean `speed`?");
  expectContains(Checked("node main(x: f32) -> (y: f32) { y = sigmiod(x); }").rendered,
                 "did you mean `sigmoid`?");
  expectContains(Checked("node main(x: f23) -> (y: f32) { y = x; }").rendered, "did you mean `f32`?");
}

TEST(Errors, RecursionShowsTheChain) {  // R2.9
  Checked c("node a(x: f32) -> (y: f32) { y = b(x); }\nnode b(x: f32) -> (y: f32) { y = a(x); }");
  EXPECT_EQ(c.errors, std::vector<std::string>{"recursive-instantiation: `a` instantiates itself"});
  expectContains(c.rendered, "the chain: a -> b -> a");
}

TEST(Errors, LocalNameIsNoUseOfAConstant) {  // R2.7
  EXPECT_TRUE(Checked("const x: f32 = f(1.0);\nfun f(x: f32) -> (y: f32) { y = 2 * x; }\n"
                      "node main(z: f32) -> (y: f32) { y = x; }")
                  .program);
}

TEST(Errors, EndOfTimeIsNeeded) {  // R10.7
  expectErrors("node main(x: f32) -> (y: f32) { y = x eby 0; }",
               {"eby-unbounded: `main` looks ahead with `eby`, but its time never ends"});
  Checked helper("node look(x: f32) -> (y: f32) { y = x eby 0; }\n"
                 "node main(x: f32[3]) -> (y: f32[3]) { scan t < 3 { y[t] = look(x[t]); } }");
  ASSERT_TRUE(helper.program) << helper.rendered;
  EXPECT_EQ(helper.program->roots.size(), 1u);
}

TEST(Errors, EmptyReductionsAndEnds) {  // R7.5, R10.11
  expectErrors("node main(x: f32[0]) -> (y: f32) { y = sum(x) + max(x); }",
               {"empty-reduction: `max` of no elements has no value"});
  expectErrors("node main(x: f32) -> (y: f32) { scan t < 0 { y = final x; } }",
               {"empty-reduction: the scan has no instants, so `final x` has no value"});
}

TEST(Errors, ScanStreamsStayInside) {  // R10.3
  Checked c("node main(x: f32) -> (y: f32) { scan t < 3 { h = (0 fby h) + x; } y = h; }");
  EXPECT_EQ(c.errors, std::vector<std::string>{"unknown-name: nothing called `h` is declared"});
  expectContains(c.rendered, "visible inside only");
  expectErrors("node main(x: f32) -> (y: f32) { scan t < 3 { y = x; } }",
               {"outside-scan: `y` is an output of the node, but this defines a stream of the scan"});
}

TEST(Errors, NamesMayNotHideOthersOfTheNode) {  // R2.7
  expectErrors("node main(i: f32[3]) -> (y: f32[3]) { y = [1.0 for i < 3]; }",
               {"duplicate-definition: `i` is already an input"});
  expectErrors("node main(x: f32) -> (y: f32) { h = x; scan t < 3 { h = x; y = final h; } }",
               {"duplicate-definition: `h` is defined twice"});
  EXPECT_TRUE(Checked("node main(x: f32) -> (y, z: f32) { scan t < 3 { h = x; y = final h; } scan t < 3 { h "
                      "= x; z = final h; } }")
                  .program);
}

TEST(Errors, LaterPartsOfTheLanguageAreNamed) {
  expectErrors("node main(x: f32, c: bool) -> (y: f32) { y = hold(x when c, 0); @spread z = x; }",
               {
                "unsupported: annotations (`@spread`) are not part of this version of MLR"});
}

TEST(Errors, NamesOfStatesAndConstructorsAreExplained) {
  Checked state("node main(x: f32) -> (y: f32) { automaton { state A { z = x > 0; y = x; unless z then B; } state B { y = 1; } } }");
  expectContains(state.rendered, "decide after it, with `until`, or define `z` around the automaton");
  Checked twice("node main(x: f32) -> (y: f32) { automaton { state A { y = x; } state A { y = 1; } } }");
  EXPECT_EQ(twice.errors, std::vector<std::string>{"duplicate-definition: the state `A` is defined twice"});
  std::string head = "enum K { A, B }\n";
  expectErrors(head + "node main(k: K) -> (y: f32) { match k { A: { y = 1; } B: { y = 2; } C: { y = 3; } } }",
               {"unknown-name: the enum `K` has no constructor `C`"});
  expectContains(Checked(head + "node main(k: K) -> (y: K) { y = A fby k; }").rendered, "write it with its enum:  K.A");
  expectContains(Checked(head + "node main(k: K) -> (y: K) { y = 0 fby k; }").rendered, "a value of the enum `K`:  K.A");
  expectErrors("node g<<f: (f32) -> f32>>(x: f32) -> (y: f32) { y = f; }\nnode main(x: f32) -> (y: f32) { y = g<<sin>>(x); }",
               {"type-mismatch: `f` is a node or fun, not a value"});
  expectContains(Checked("node main(x: f32, c: bool) -> (y: f32) { when c { y = x; } }").rendered, "y1 = x;  ..  y = hold(y1, 0.0);");
}

TEST(Errors, StaticParametersOfSeveralValuesAreRefused) { // R3.1
  std::string head = "struct S { a: f32 }\nconst D: S = S { a = 2 };\n";
  expectErrors(head + "node g<<p: S>>(x: f32) -> (y: f32) { y = p.a * x; }\nnode main(x: f32) -> (c: f32) { c = g<<D>>(x); }",
               {"type-mismatch: the static parameter `p` cannot be a struct"});
  expectErrors(head + "node main<<p: S = D>>(x: f32) -> (c: f32) { c = p.a * x; }", {"type-mismatch: the static parameter `p` cannot be a struct"});
  expectErrors("node g<<p: (f32, f32)>>(x: f32) -> (y: f32) { (a, b) = p; y = a * x; }\nnode main(x: f32) -> (c: f32) { c = g<<(1, 2)>>(x); }",
               {"type-mismatch: the static parameter `p` cannot be a tuple"});
}

} // namespace
} // namespace mlr::test
