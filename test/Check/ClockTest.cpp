// Clocks: what they become in the typed program, and what does not fit.
#include "test/Check/Checked.h"

namespace mlr::test {
namespace {

TEST(Clocks, WhatIsSampledIsReadInTheRegionOfItsClock) { // R17.1
  expectTyped("node main(x: f32, c: bool) -> (y: f32 when c) { y = x when c; }", "when c == 1 {\n    y: f32 = x;\n  }");
}

TEST(Clocks, StateIsSampledFromAVariableOfItsOwnClock) { // R17.4
  expectTyped("node main(x: f32, c: bool) -> (y: f32 when c) { y = (0 fby x) when c; }", ": f32 = (0.0:f32 fby x);\n  when c == 1");
}

TEST(Clocks, EqualConditionsAreOneRegion) { // R17.3
  Checked c("node main(a: f32, b: f32) -> (y: f32) { x = a when (a > b); z = b when (a > b); y = hold(x + z, 0); }");
  ASSERT_TRUE(c.program) << c.rendered;
  std::string text = c.printed();
  EXPECT_EQ(text.find("== 1 {"), text.rfind("== 1 {")) << text;
}

TEST(Clocks, PeriodicClocksCompareByValue) { // R17.3
  expectErrors("node main(x: f32) -> (y: f32 every 12 at 11) { y = (x when every 4) when every 3; }", {});
  expectErrors("node main(x: f32) -> (y: f32 every 12 at 9) { y = (x when every 4 at 1) when every 3; }", {});
  EXPECT_EQ(Checked("node main(x: f32) -> (y: f32 every 12 at 10) { y = (x when every 4) when every 3; }").errors.size(), 1u);
}

TEST(Clocks, EqualPeriodicClocksOfDifferentChainsHaveTheirOwnParents) { // R17.3, R17.6
  expectErrors("node main(x: f32) -> (h, g: f32, y: f32 every 6) {\n"
               "  s2 = x when every 2; s6 = s2 when every 3; d6 = x when every 6;\n"
               "  y = s6 + (0 fby d6); h = hold(hold(s6 + d6, 0), 1); g = hold(d6 + s6, 0);\n"
               "  when every 2 { k = d6 + s6; }\n"
               "}",
               {});
  EXPECT_EQ(Checked("node main(x: f32) -> (y: f32) { y = (x when every 2) + (x when every 3); }").errors.size(), 1u);
}

TEST(Clocks, EqualConditionsOfResetBlocksAreThoseOutside) { // R17.3
  const std::string frame = "node main(x: f32, b: bool) -> (h: f32) { y = x when (%c); reset { z = hold(%e, 1); n = z + (0 fby n); } every b; h = n; }";
  auto with = [&](std::string condition, const std::string &value) {
    std::string text = frame;
    text.replace(text.find("%e"), 2, value);
    for (size_t at; (at = text.find("%c")) != std::string::npos;) text.replace(at, 2, condition);
    return text;
  };
  expectErrors(with("x > 0.5", "y + (x when (%c))"), {});
  expectErrors(with("x > 0.5", "(x when (%c)) + y"), {});
  // State is another one there.
  expectErrors(with("x > (0 fby x)", "y + (x when (%c))"), {"clock-mismatch: the operands of `+` are present at different instants"});
}

TEST(Clocks, NotTurnsAConditionRound) { // R17.3
  expectErrors("node main(x: f32, b: bool) -> (y: f32) { c = not b; y = merge(not b, x when not b, x when not (not b)); }", {});
  expectErrors("node f(x: f32, c: bool) -> (y: f32 when c) { y = x when c; }\n"
               "node main(x: f32, b: bool) -> (y: f32 when b, z: f32 when not b) { y = f(x, b); z = f(x, not b); }",
               {});
}

TEST(Clocks, ConditionsOfResetCallsAreToldApart) { // R17.8
  std::string text = Checked("node acc(x: f32) -> (y: f32) { y = x + (0 fby y); }\n"
                             "node main(x: f32) -> (y, z: f32) { y = acc(x) every (x > 1); z = acc(x) every (x > 0); }").printed();
  expectContains(text, "gt(x, 1.0:f32)");
  expectContains(text, "gt(x, 0.0:f32)");
}

TEST(Clocks, ConditionsInSignaturesHaveClocksOfTheirOwn) { // R17.2
  expectErrors("node f(x: f32, c: bool, d: bool when c) -> (y: f32 when d, e: bool when d, z: f32 when e) {\n"
               "  y = (x when c) when d; e = y > 0; z = y when e;\n"
               "}\n"
               "node main(x: f32, b: bool) -> (o: f32, p: bool when b, q: f32 when p) {\n"
               "  p = (x > 0.5) when b; (y, e, z) = f(x, b, p); o = hold(hold(hold(z, 1) + y, 2), 3); q = y * 2;\n"
               "}",
               {});
  expectErrors("node f(a, b: f32, x: f32 when (a > b)) -> (y: f32) { y = a; }",
               {"clock-mismatch: the clock of `x` is no input or output"});
  expectErrors("node f(c: bool when d, d: bool when c) -> (y: f32) { y = 1; }",
               {"clock-mismatch: the clock of `c` is that of itself"});
}

TEST(Clocks, NodesAsParametersHaveNone) { // R3.8
  expectErrors("node half(x: f32) -> (y: f32 every 2) { y = x when every 2; }\n"
               "node twice<<f: (f32) -> f32>>(x: f32) -> (y: f32) { y = f(x) + x; }\n"
               "node main(x: f32) -> (y: f32) { y = twice<<half>>(x); }",
               {"type-mismatch: `y` of `half` is on a clock of its own, and `f` has none"});
}

TEST(Clocks, ParametersAreStartedAfreshAsNodesAre) { // R17.8
  expectTyped("node acc(x: f32) -> (y: f32) { y = x + (0 fby y); }\n"
              "node apply<<f: (f32) -> f32>>(x: f32, r: bool) -> (y: f32) { y = f(x) every r; }\n"
              "node main(x: f32, r: bool) -> (y: f32) { y = apply<<acc>>(x, r); }",
              "reset every r {");
  expectErrors("node main(x: f32, b: bool) -> (y: f32) { y = sqrt(x) every b; }",
               {"wrong-arguments: `sqrt` cannot be started afresh"});
}

TEST(Clocks, AFaultyOperandIsOneError) {
  expectErrors("node main(x: f32, b: bool) -> (y: f32) { y = hold((x when b) + x, 0) + hold(x when b, 1); }",
               {"clock-mismatch: the operands of `+` are present at different instants"});
}

TEST(Clocks, NoneDependsOnAComprehensionIndex) { // R17.1
  expectErrors("node main(x: f32[3], k: i32) -> (y: f32[3]) { y = [hold(x[i] when (i > k), 0) for i < 3]; }",
               {"clock-mismatch: a clock depends on the index of a comprehension"});
}

TEST(Clocks, AnnotationsHoldInBlocksToo) { // R17.2
  expectErrors("node main(c, d: bool, x: i32) -> (y, z: i32) {\n"
               "  reset { k: i32 every 2 = x when every 2; y = hold(k, 0); } every c;\n"
               "  last z = 2;\n"
               "  automaton { state A { j: i32 when not c = x when not c; z = hold(j, 0); until d then B; } state B { until true then A; } }\n"
               "}",
               {});
  expectErrors("struct P { c: bool } node main(p: P) -> (y: i32) { v: i32 when p.c = 6; y = hold(v, 1); }", {});
}

TEST(Arms, WhatNobodyReadsOutsideIsNotMerged) { // R17.10
  expectErrors("node main(x: i32, d: bool) -> (o: i32) {\n"
               "  o = x; automaton { state S { (xs, n, e) = pack<<2>>(x, until = d); } }\n"
               "  if d { a = x when every 2; } else { a = 1.5; }\n"
               "}",
               {});
}

TEST(Clocks, ConditionsMayReadWhatLaterBlocksDefine) { // R17.13
  expectErrors("node main(d, e: bool) -> (o: i32) {\n"
               "  reset { o = 0 fby o + 1; } every (not v);\n"
               "  reset { if e { v: bool = not e; } else { v: bool = d; } } every d;\n"
               "}",
               {});
}

TEST(Clocks, ResultsOfACallOfConstantsAreOnOne) { // R17.2
  const std::string g = "node g(x: i32) -> (y, z: i32) { y = x + (0 fby y); z = y; }\n";
  expectErrors(g + "node main() -> (o, p: i32 every 2) { (o, p) = g(7); }", {});
  EXPECT_EQ(Checked(g + "node main() -> (o: i32 every 2, p: i32) { (a, b) = g(7); o = a; p = b; }").errors.size(), 1u);
}

TEST(Clocks, MergeTakesTheArmsByTheValueOfItsSelector) { // R17.5
  expectTyped("node main(x: f32, c: bool) -> (y: f32) { y = merge(c, x when c, 0); }", "merge(c, 0.0:f32, arm#");
}

TEST(Clocks, MergeNeedsItsOperandsOnTheArms) { // R17.5
  expectErrors("node main(x: f32, c: bool) -> (y: f32) { y = merge(c, x when not c, 0); }",
               {"clock-mismatch: an operand of `merge` is not present when `c`"});
}

TEST(Clocks, HoldBringsAStreamOneClockUp) { // R17.6
  expectTyped("node main(x: f32, c: bool) -> (y: f32) { y = hold(x when c, 1); }", "y: f32 = hold(");
  expectErrors("node main(x: f32) -> (y: f32) { y = hold(x, 1); }",
               {"clock-mismatch: `hold` needs a stream that is absent at some instants"});
}

TEST(Clocks, HoldIsAboveTheBlockOfItsOperandWhateverElseReadsIt) { // R17.6
  expectErrors("node main(x: f32) -> (y: f32 every 3 at 1, z: f32 every 9 at 7) { z = w; y = v;\n"
               "  when every 3 at 1 { v = max(x fby v, hold(w, 0)); when every 3 { w = 0.5 * (x fby w); } } }",
               {});
  expectErrors("node main(x: f32) -> (y: f32, z: f32 every 9 at 7) { z = w; y = hold(hold(w, 0), 0);\n"
               "  w: f32 when every 3 = 0.5 * (x when every 3 at 1 when every 3); }",
               {});
}

TEST(Clocks, BlocksSampleTheEnclosingClock) { // R17.7
  expectTyped("node main(x: f32, c: bool) -> (y: f32 when c) { when c { y = x + (0 fby y); } }", "when c == 1 {\n    y: f32 = add(x, (0.0:f32 fby y));");
}

TEST(Clocks, ACallRunsOnTheClockOfItsArguments) { // R17.2
  expectTyped("node acc(x: f32) -> (y: f32) { y = x + (0 fby y); }\n"
              "node main(x: f32, c: bool) -> (y: f32 when c) { y = acc(x when c); }",
              "when c == 1 {\n    (y: f32) = acc(x);");
}

TEST(Clocks, ClocksOfACalleeAreThoseOfTheCallersVariables) { // R17.2
  expectErrors("node odd(x: f32) -> (c: bool, y: f32 when c) { c = false fby not c; y = x when c; }\n"
               "node main(x: f32) -> (z: f32) { (d, y) = odd(x); z = merge(d, y, 0); }",
               {});
  expectErrors("node third<<N: size>>(x: f32) -> (y: f32 every N) { y = x when every N; }\n"
               "node main(x: f32) -> (z: f32 every 3) { z = third<<3>>(x); }",
               {});
}

TEST(Clocks, AnInputOnAClockTakesAStreamOnIt) { // R17.2
  expectErrors("node f(c: bool, x: f32 when c, z: f32 every 2) -> (y: f32) { y = hold(x, 0) + hold(z, 0); }\n"
               "node main(x: f32, c: bool) -> (y: f32) { y = f(c, x when c, x when every 2); }", {});
}

TEST(Clocks, ABlockDefinesOnItsOwnClock) { // R17.7
  EXPECT_EQ(Checked("node main(x: f32, c: bool) -> (y: f32) { z = x when c; when not c { y2 = z; } y = hold(y2, 0); }").errors.size(), 1u);
}

TEST(Clocks, OneMismatchIsOneError) { // R17.3
  expectErrors("node main(x: f32, c: bool) -> (y: f32) { y = 1 + (x when c) + x; }",
               {"clock-mismatch: the operands of `+` are present at different instants"});
}

TEST(Clocks, AScanRunsOnTheClockOfWhatItReads) {
  expectTyped("node main(x: f32[4], c: bool) -> (y: f32 when c) {\n"
              "  xs = x when c;\n"
              "  scan t < 4 { s = xs[t] + (0 fby s); y = final s; }\n"
              "}",
              "when c == 1 {");
}

TEST(Clocks, AResetCallStandsInARegionOfItsOwn) { // R17.8
  expectTyped("node acc(x: f32) -> (y: f32) { y = x + (0 fby y); }\n"
              "node main(x: f32, r: bool) -> (y: f32) { y = acc(x) every r; }",
              "reset every r {");
}

TEST(Clocks, AContractIsAMonitorOnItsClock) { // R17.9
  expectTyped("node main(x: f32, c: bool) -> (y: f32) { assert x > 0; guarantee y > 0; y = x; when c { assume x < 1; } }", "assume");
}

TEST(Clocks, ArmsRunInTheirOwnTimeAndAreMerged) { // R17.10
  expectTyped("node main(x: f32, c: bool) -> (y: f32) { if c { n = 0 fby n + 1; y = x + f32(n); } else { y = 0; } }",
              "y: f32 = merge(c, y#1, y#0);");
}

TEST(Clocks, AnOutputNeedsADefinitionInEveryArm) { // R17.10
  expectErrors("node main(x: f32, c: bool) -> (y: f32) { if c { y = x; } }",
               {"missing-definition: `y` is an output, and the missing `else` does not define it"});
}

TEST(Clocks, MatchCoversAllConstructors) { // R17.11
  expectErrors("enum M { A, B } node main(x: f32, m: M) -> (y: f32) { match m { A: { y = x; } } }",
               {"incomplete-match: `match` has no arm for `B`"});
}

TEST(Clocks, AMemoryCompletesArms) { // R17.12
  expectTyped("node main(x: f32, c: bool) -> (y: f32) { last y = 3; if c { y = x; } }", "y#last: f32 = (3.0:f32 fby y);");
  expectErrors("node main(x: f32) -> (y: f32) { y = x + last x; }", {"unknown-name: `x` has no memory"});
}

TEST(Clocks, NothingSlowerLeavesAReset) { // R17.13
  expectErrors("node main(x: f32, r: bool) -> (y: f32) { reset { y = x + (0 fby y); } every r; }", {});
  EXPECT_EQ(Checked("node main(x: f32, r: bool) -> (y: f32 every 2) { reset { y = x when every 2; } every r; }").errors.size(), 1u);
}

TEST(Clocks, TransitionsNameStates) { // R17.14
  expectErrors("node main(x: f32) -> (y: f32) { automaton { state S { y = x; until x > 0 then T; } } }",
               {"unknown-name: the automaton has no state `T`"});
  expectErrors("node main(x: f32) -> (y: f32) { automaton { state S { y = x; until x > 0 then T; } state T { y = 0; unless x < 0 continue S; } } }", {});
}

TEST(Clocks, AConditionInFrontOfTheArmsUsesWhatTheyDefine) { // R17.10
  expectErrors("node main(x: f32) -> (y: f32) { y = x; if (0.5 fby u) > 1 { u = x; } else { u = x - 1; } }", {});
  expectErrors("node main(x: f32) -> (y: f32) { y = x; automaton { state S { z = x; unless (0.5 fby z) > 1 then T; }\n"
               "  state T { z = -x; until x > 0 then S; } } }",
               {});
}

TEST(Clocks, AResetMayDependOnWhatItsBlockDefines) { // R17.13
  expectErrors("node main() -> (o: i32) { reset { a = 0 -> pre a + 1; reset { b = 0 -> pre b + 1; } every true -> pre b == 4; }\n"
               "  every true -> pre a == 10; o = a + b; }",
               {});
}

TEST(Clocks, AParameterIsBelowTheClockOfItsCondition) { // R17.2
  expectErrors("node f(b: bool, c: bool when b, d: bool when c) -> (y: bool when d) { y = (d when d) or (b when b when c when d); }", {});
  expectErrors("node g(x: bool, c: bool, d: bool when c) -> (y: bool when d) { y = x when c when d; }\n"
               "node h(x: bool, c: bool) -> (y: bool) {\n"
               "  d = c when c; y = merge(c, merge(d, g(x, c, d), false), false);\n"
               "}\n"
               "node k(c: bool, x: bool when c, d: bool when c) -> (z: bool when c) { z = x and d; }\n"
               "node l(b: bool, c: bool when b, x: bool when c) -> (z: bool when c) { z = k(c, x, not x); }",
               {});
}

TEST(Clocks, TheClockOfAnInputIsKnownBeforeTheStep) { // R17.2
  expectErrors("node main(a: bool, b: bool when y) -> (y: bool) { y = a; }",
               {"clock-mismatch: the clock of the input `b` is an output"});
}

TEST(Clocks, NoClockNeedsItself) { // R17.2
  Checked c("node main(x: bool) -> (y: bool) { y = x; a: bool when b = true; b: bool when a = true; }");
  ASSERT_FALSE(c.errors.empty());
  EXPECT_EQ(c.errors[0], "clock-mismatch: the clock of `a` is that of itself") << c.rendered;
}

TEST(Clocks, UnpackUndoesPack) { // R17.15
  expectErrors("node main(x: f32) -> (y: f32) { y = unpack<<4>>(pack<<4>>(x), 0); }", {});
  EXPECT_EQ(Checked("node main(x: f32) -> (y: f32) { y = unpack<<3>>(pack<<4>>(x), 0); }").errors.size(), 1u);
}

TEST(Clocks, SegmentsEndEarly) { // R17.16
  expectErrors("node main(x: f32, d: bool) -> (xs: f32[4] when end, n: i32 when end, end: bool) { (xs, n, end) = pack<<4>>(x, until = d); }", {});
}

TEST(Clocks, SplitAndJoinReshape) { // R17.17
  expectErrors("node main(x: f32[6]) -> (y: f32[2, 3], z: f32[6]) { y = split<<3>>(x); z = join(y); }", {});
}

TEST(Clocks, PreIsUndefinedWhereItsClockBegins) { // R17.18
  EXPECT_EQ(Checked("node main(x: f32, c: bool) -> (y: f32) { y = 0 -> merge(c, pre (x when c), 0); }").errors.size(), 1u);
  EXPECT_EQ(Checked("node main(x: f32, r: bool) -> (y: f32) { reset { z = pre x; } every r; y = 0 -> z; }").errors.size(), 1u);
  expectErrors("node main(x: f32, c: bool) -> (y: f32) { y = merge(c, 0 -> pre (x when c), 0); }", {});
}

TEST(Clocks, DistancesAreThoseOfTheClock) { // R17.19
  std::string head = "node main(x: f32[8], c: bool[8]) -> (y: f32[8]) { scan t < 8 { ";
  expectErrors(head + "when every 2 { a = x[t] + (0 fby a); b = a + (b eby 0); } y[t] = hold(b, 0); } }", {});
  expectErrors(head + "if c[t] { q = x[t] + (q eby 10); } else { q = 0; } y[t] = q; } }", {});
  expectErrors(head + "reset { q = x[t] + (q eby 10); } every c[t]; y[t] = q; } }", {});
  EXPECT_EQ(Checked(head + "d = q > 0; if c[t] and (false fby d) { q = x[t] + (q eby 10); } else { q = 0; } y[t] = q; } }").errors.size(), 1u);
}

TEST(Clocks, HoldInABlockGoesToTheClockOfTheBlock) { // whatever number an output gives to the period
  std::string head = "node n(x: i32) -> (y: i32, z: bool) { y = x + (0 fby y); z = y > 3; }\nnode main(x: i32) -> (o: bool every 16, w: i32) { w = x; ";
  expectErrors(head + "when every 8 { when every 2 { (a, b) = n(x); } v = hold(b, true); o = b; } }", {});
  expectErrors(head + "when every 8 { when every 2 { (a, b) = n(x); } v = hold(b, true); } o = b; }", {});
}

TEST(Clocks, AnOutputsClockMayComeOutOfAResetBlock) { // R17.13
  expectErrors("node main(c: bool, x: i32) -> (v: bool, o: i32 when v) { reset { v = x > 0; } every c; o = x when v; }", {});
  expectErrors("node d(x: i32) -> (r: i32 when c, c: bool) { c = x > 0; r = x when c; }\n"
               "node main(x: i32, e: bool) -> (r: i32 when c, c: bool) { reset { (r, c) = d(x); } every e; }",
               {"clock-mismatch: a stream slower than the clock of a `reset` block leaves it"});
}

TEST(Clocks, ABlockOnAConstantInAScanSelectsAsItsMerges) {
  expectErrors("node main(x: f64) -> (y: f64) { y = 0; scan t < 3 { k: f64 = v + 1; if c { v: f64 = 1; } "
               "else { scan s < 2 {} v: f64 = 2; } c: bool = x > 0; } }", {});
}

TEST(Clocks, HoldLeavesABlockOfEveryInstant) { // R17.6
  expectErrors("node main(x: f32) -> (o: f32, w: bool every 2, v: f32 every 1) { when every 1 { u: bool every 2 = (a when every 2) < 0 or b; "
               "a: f32 = 2; b: bool every 2 = true; } o = hold(a, 0.5); w = b; v = a; }",
               {});
  EXPECT_EQ(Checked("node main(x: f32) -> (o: f32) { a = x; o = hold(a, 0); }").errors.size(), 1u);
}

TEST(Clocks, EqualMergesOfAStateAreOneSelector) {
  expectErrors("enum M { A, B }\nstruct P { m: M }\nnode f(p: P) -> (o: i32) { automaton { state S { "
               "v: f64[2] = merge p.m { A: 3, B: [f64(1.0) for q < 2] }; until (merge p.m { A: false, B: (not true) }) then S; } } o = 1; }",
               {});
}

TEST(Clocks, PeriodsOfCalleesFollowStaticParameters) {
  expectErrors("node seg<<T: size>>(x: f32) -> (a, b: f32 every T) { a = x when every T; b = a; }\n"
               "node main(x: f32) -> (o: f32) { (a, b) = seg<<64>>(x); when every 64 { first = a; } o = hold(first, 0); }",
               {});
}

TEST(Clocks, MessagesCallClocksWhatTheProgramCallsThem) {
  std::string head = "node main(x: i32, d: bool, c: bool) -> (z: i32 when d, e: bool) { e = d; automaton { ";
  Checked states(head + "state Slow { when d { z = 0 fby z + x; } until c then Fast; } state Fast { z = 7 when d; until c then Slow; } } }");
  expectContains(states.rendered, "in state Slow");
  EXPECT_EQ(states.rendered.find("== #"), std::string::npos) << states.rendered;
  Checked memory("node main(x: i32, c: bool) -> (z: i32, y: i32) { last z = 0; last y = z; "
                 "if c { (z, y) = (last y, last z + x); } else { y = z * 2; } }");
  EXPECT_EQ(memory.rendered.find('#'), std::string::npos) << memory.rendered;
  Checked unknown("node main(x: f32, c: bool) -> (o: f32) { automaton { state A { o = hold(v, -2); until c then B; } state B { o = x; until c then A; } } }");
  EXPECT_EQ(unknown.errors, std::vector<std::string>{"unknown-name: nothing called `v` is declared"});
  Checked comparison("node g(x: i32) -> (y: i32) { y = x + (0 fby y); }\nnode main(x: i32) -> (y: i32) { y = g(x) every x == 3; }");
  expectContains(comparison.rendered, "it ends before `==`: put the comparison in parentheses, `(x == ..)`");
  Checked field("struct S { b: f64, c: bool }\nnode main(s: S) -> (m: S) { m = 0 fby s; }");
  expectContains(field.rendered, "a field of `s` is bool");
}

TEST(Clocks, TransitionsAreConditionsLikeOthers) {
  std::string head = "node main(x: f32, k: i32, v: f32[3]) -> (y: f32) { automaton { state A { y = x; ";
  expectErrors(head + "until k > 0 then A | x then A; } } }", {"type-mismatch: the condition of `until` must be a bool, not f32"});
  expectErrors(head + "unless k then A; } } }", {"type-mismatch: the condition of `unless` must be a bool, not i32"});
  expectErrors(head + "until v > 0 then A; } } }", {"type-mismatch: the condition of `until` must be a bool, not bool[3]"});
  expectErrors(head + "until true then A; unless isnan(x) continue A; } } }", {});
}

TEST(Clocks, WhatAStateLeavesUndefinedHasItsNameInTheSource) {
  Checked c("node main(x: f32, k: i32) -> (y: f32) { automaton { state A { y = x; until k > 0 then B; } state B { y = pre x; } } }");
  EXPECT_EQ(c.errors, std::vector<std::string>{"uninitialised: `pre x` is read at the first instant, where it is undefined"});
  expectContains(c.rendered, "`y` leaves a state that may start at a later instant");
  EXPECT_EQ(c.rendered.find('#'), std::string::npos) << c.rendered;
}

TEST(Clocks, PartsOfAMemoryNeedNoParentheses) { // R5.1
  expectErrors("struct S { v: i32, w: i32[2] }\nnode main(x: i32) -> (m: S) { last m = S { v = 1, w = [2, 3] }; "
               "if x > 2 { m = { last m with v = last m.v + last m.w[1] }; } }", {});
}

} // namespace
} // namespace mlr::test
