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

} // namespace
} // namespace mlr::test
