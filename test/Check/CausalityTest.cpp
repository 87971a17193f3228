// Causality by distance intervals, on programs built by hand.
#include "mlr/Check/Analyses.h"
#include "test/ProgramBuilder.h"

#include <gtest/gtest.h>

namespace mlr {
namespace {

using namespace mlr::test;

/// Kind and title of each error with its notes, "" if there is none.
std::string errorsOf(const Program &program) {
  for (const std::string &broken : verify(program)) ADD_FAILURE() << broken << "\n" << print(program);
  SourceMap sources;
  sources.add("test.mlr", std::string(10'000, ' '));
  Diagnostics diagnostics(sources);
  bool good = checkCausality(program, diagnostics);
  EXPECT_EQ(good, !diagnostics.hasErrors());
  std::string all;
  for (const Diagnostic *d : diagnostics.sorted()) {
    all += std::string(d->kind->name) + ": " + d->title + "\n";
    for (const std::string &note : d->notes) all += "  " + note + "\n";
  }
  return all;
}

/// A scan of T with variables x, y, z; equations are added by the test.
struct Scan {
  Program p;
  NodeBuilder b{p, "n"};
  ScanTime &s;
  VarId x, y, z;
  explicit Scan(int64_t T = 5, bool resume = false)
      : s(b.scan(T, resume)), x(b.var("x", F32)), y(b.var("y", F32)), z(b.var("z", F32)) {}
  Expr *X() { return b.get(x); }
  Expr *Y() { return b.get(y); }
  Expr *Z() { return b.get(z); }
  Expr *zero() { return b.c(0); }
  void define(const Expr *vx, const Expr *vy, const Expr *vz) {
    b.define(x, vx);
    b.define(y, vy);
    b.define(z, vz);
  }
  std::string errors() {
    b.close();
    return errorsOf(p);
  }
};

TEST(Causality, AForwardRecurrencePasses) { // R12.2
  Scan s;
  s.define(s.b.add(s.b.fby(s.zero(), s.X()), s.b.c(1)), s.X(), s.Y());
  EXPECT_EQ(s.errors(), "");
}

TEST(Causality, ABackwardRecurrencePasses) { // R12.2
  Scan s;
  s.define(s.b.add(s.b.eby(s.Y(), s.zero()), s.b.c(1)), s.X(), s.b.fby(s.zero(), s.Y()));
  EXPECT_EQ(s.errors(), "");
}

TEST(Causality, AnInstantaneousCycleIsPrintedShortest) {
  Scan s;
  s.define(s.b.add(s.Y(), s.Z()), s.X(), s.Y());
  EXPECT_EQ(s.errors(), "causality-cycle: `x` needs its own value of the same instant\n"
                        "  each needs the next: x -> y -> x\n");
}

TEST(Causality, AVariableThatNeedsItselfIsACycle) { // R12.2
  Scan s;                                           // the first side of fby is read at the first instant
  s.define(s.b.add(s.X(), s.b.c(1)), s.zero(), s.b.fby(s.Z(), s.zero()));
  EXPECT_EQ(s.errors(), "causality-cycle: `x` needs its own value of the same instant\n"
                        "  each needs the next: x -> x\n"
                        "causality-cycle: `z` needs its own value of the same instant\n"
                        "  each needs the next: z -> z\n");
}

TEST(Causality, ForthAndBackIsACycle) { // R12.2
  Scan s;
  s.define(s.b.fby(s.zero(), s.Y()), s.b.eby(s.X(), s.zero()), s.zero());
  EXPECT_NE(s.errors().find("causality-cycle: `x` needs its own value of the same instant"),
            std::string::npos);
}

TEST(Causality, TwoBackOneForthIsAForwardRecurrence) { // R12.2
  Scan s;
  s.define(s.b.fby(s.zero(), s.b.fby(s.zero(), s.Y())), s.b.eby(s.X(), s.zero()), s.zero());
  EXPECT_EQ(s.errors(), "");
}

TEST(Causality, ARecurrenceBothWaysAtOnceIsRefused) { // R12.2
  Scan s;
  s.define(s.b.add(s.b.fby(s.zero(), s.X()), s.b.eby(s.X(), s.zero())), s.zero(), s.zero());
  EXPECT_NE(
      s.errors().find("causality-cycle: the recurrence of `x` runs forwards and backwards in time at once"),
      std::string::npos);
}

TEST(Causality, EndValuesOfAnotherRecurrencePass) { // R12.3
  Scan s;
  s.define(s.b.add(s.b.fby(s.zero(), s.X()), s.b.c(1)), s.b.op(OpKind::Div, {s.X(), s.b.final(s.X())}),
           s.b.add(s.b.fby(s.zero(), s.Z()), s.b.add(s.Y(), s.b.initial(s.Y()))));
  EXPECT_EQ(s.errors(), "");
}

TEST(Causality, AnEndValueOfItsOwnRecurrenceIsRefused) { // R12.1
  Scan s;
  s.define(s.b.fby(s.zero(), s.Y()), s.b.add(s.X(), s.b.final(s.X())), s.zero());
  EXPECT_NE(s.errors().find("causality-cycle"), std::string::npos);
}

TEST(Causality, AWindowReachesTheSameInstant) { // R12.1
  Scan s;
  auto sum = [&](Expr *of) { return s.b.reduceAll(ReduceKind::Sum, s.b.window(3, of, s.zero())); };
  s.define(sum(s.X()), s.b.fby(s.zero(), sum(s.Y())), s.zero());
  EXPECT_EQ(s.errors(), "causality-cycle: `x` may need its own value of the same instant\n"
                        "  each needs the next: x -> x\n");
}

/// An outer forward loop around an inner forward-and-backward net, which is what training is.
std::string training(bool delayed) {
  Program p;
  NodeBuilder b(p, "train");
  VarId w = b.var("w", F32), g = b.var("g", F32);
  ScanTime &s = b.scan(4);
  VarId f = b.var("f", F32), r = b.var("r", F32);
  b.define(f, b.add(b.fby(b.c(0), b.get(f)), b.get(w)));
  b.define(r, b.add(b.eby(b.get(r), b.c(0)), b.get(f)));
  b.close();
  b.result(s, ScanResult::Kind::Initial, g, b.get(r));
  b.define(w, delayed ? b.fby(b.c(0), b.add(b.get(w), b.get(g))) : b.add(b.c(0), b.get(g)));
  return errorsOf(p);
}

TEST(Causality, AnOuterLoopAroundInnerSweepsPasses) { EXPECT_EQ(training(true), ""); }

TEST(Causality, ACycleThroughAScanIsPrintedThroughIt) { // R12.4
  EXPECT_EQ(training(false), "causality-cycle: `w` needs its own value of the same instant\n"
                             "  each needs the next: w -> g -> r -> f -> w\n");
}

/// A node that hands its input through, with or without delay.
NodeInstance &identity(Program &p, bool delayed) {
  NodeBuilder b(p, delayed ? "delay" : "wire");
  VarId x = b.input("x", F32), y = b.output("y", F32);
  b.define(y, delayed ? b.fby(b.c(0), b.get(x)) : b.add(b.get(x), b.c(1)));
  b.node.hasState = delayed;
  return b.node;
}

TEST(Causality, CallsAreLookedThrough) { // R12.4
  for (bool delayed : {false, true}) {
    Program p;
    NodeInstance &callee = identity(p, delayed);
    NodeBuilder b(p, "loop");
    VarId y = b.output("y", F32), z = b.output("z", F32);
    b.call({y}, callee, {b.add(b.get(z), b.c(1))});
    b.define(z, b.get(y));
    std::string errors = errorsOf(p);
    if (delayed) EXPECT_EQ(errors, "");
    else EXPECT_NE(errors.find("y -> z -> y"), std::string::npos) << errors;
  }
}

TEST(Causality, AnArgumentThatAResultDoesNotNeedMakesNoCycle) {
  Program p;
  NodeBuilder c(p, "pair");
  VarId a = c.input("a", F32), d = c.input("d", F32), u = c.output("u", F32), v = c.output("v", F32);
  c.define(u, c.get(a));
  c.define(v, c.get(d));
  NodeBuilder b(p, "loop");
  VarId x = b.output("x", F32), y = b.output("y", F32);
  b.call({x, y}, c.node, {b.c(1), b.get(x)});
  EXPECT_EQ(errorsOf(p), "");
}

TEST(Causality, ABackwardRecurrenceInsideACalleeSpoilsAForwardLoop) {
  Program p;
  NodeBuilder c(p, "back");
  VarId a = c.input("a", F32), u = c.output("u", F32);
  c.define(u, c.add(c.get(a), c.eby(c.get(u), c.c(0))));
  c.node.usesEnd = true;
  NodeBuilder b(p, "loop");
  b.scan(4);
  VarId x = b.var("x", F32);
  b.call({x}, c.node, {b.fby(b.c(0), b.get(x))});
  b.close();
  EXPECT_NE(errorsOf(p).find("causality-cycle"), std::string::npos);
}

TEST(Causality, StateOfAResumingScanCountsInTheEnclosingTime) { // R12.5
  // A resuming inner scan with state, inside a backward loop of the outer scan.
  for (bool resume : {false, true}) {
    Program p;
    NodeBuilder b(p, "n");
    b.scan(4);
    VarId g = b.var("g", F32), h = b.var("h", F32);
    b.define(h, b.eby(b.get(g), b.c(0)));
    ScanTime &inner = b.scan(3, resume);
    VarId a = b.var("a", F32);
    b.define(a, b.add(b.fby(b.c(0), b.get(a)), b.get(h)));
    b.close();
    b.result(inner, ScanResult::Kind::Final, g, b.get(a));
    b.close();
    EXPECT_EQ(errorsOf(p).empty(), !resume) << resume;
  }
}

TEST(Causality, AConditionOfUntilMayNotLookAhead) { // R12.6
  Scan s;
  s.define(s.b.add(s.b.eby(s.X(), s.zero()), s.b.c(1)), s.b.fby(s.zero(), s.X()), s.zero());
  s.s.until = s.b.op(OpKind::Gt, {s.Y(), s.b.c(3)});
  EXPECT_EQ(s.errors().substr(0, 16), "until-needs-end:");
}

TEST(Causality, AForwardConditionOfUntilPassesBesideABackwardRecurrence) { // R12.6
  Scan s;
  s.define(s.b.add(s.b.eby(s.X(), s.zero()), s.Y()), s.b.add(s.b.fby(s.zero(), s.Y()), s.b.c(1)),
           s.b.final(s.Y()));
  s.s.until = s.b.op(OpKind::Gt, {s.Y(), s.b.c(3)});
  EXPECT_EQ(s.errors(), "");
}

TEST(Causality, AHundredThousandEquationsTakeNoNativeStack) {
  Program p;
  NodeBuilder b(p, "long");
  constexpr uint32_t N = 100'000;
  std::vector<VarId> v;
  for (uint32_t i = 0; i < N; ++i) v.push_back(b.var("v", F32));
  for (uint32_t i = 0; i < N; ++i) b.define(v[i], i + 1 < N ? b.get(v[i + 1]) : b.fby(b.c(0), b.get(v[0])));
  SourceMap sources;
  sources.add("test.mlr", "");
  Diagnostics diagnostics(sources);
  EXPECT_TRUE(checkCausality(p, diagnostics));
}

} // namespace
} // namespace mlr
