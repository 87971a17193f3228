// Initialisation analysis, on programs built by hand.
#include "mlr/Check/Analyses.h"
#include "test/ProgramBuilder.h"

#include <gtest/gtest.h>

namespace mlr {
namespace {

using namespace mlr::test;

size_t errorsOf(const Program &program) {
  for (const std::string &broken : verify(program)) ADD_FAILURE() << broken << "\n" << print(program);
  SourceMap sources;
  sources.add("test.mlr", std::string(10'000, ' '));
  Diagnostics diagnostics(sources);
  EXPECT_EQ(checkInitialisation(program, diagnostics), !diagnostics.hasErrors());
  return diagnostics.errorCount();
}

struct Node {
  Program p;
  NodeBuilder b{p, "n"};
  VarId x = b.input("x", F32), y = b.output("y", F32);
  Expr *preX() { return b.pre(b.get(x)); }
};

TEST(Initialisation, AGuardedPrePasses) { // R11.1
  Node n;
  n.b.define(n.y, n.b.arrow(n.b.c(0), n.b.add(n.b.pre(n.b.get(n.y)), n.b.c(1))));
  EXPECT_EQ(errorsOf(n.p), 0u);
}

TEST(Initialisation, AGuardFartherDownstreamIsEnough) {
  Node n;
  VarId v = n.b.var("v", F32);
  n.b.define(v, n.b.add(n.preX(), n.b.c(1)));
  n.b.define(n.y, n.b.arrow(n.b.c(0), n.b.get(v)));
  EXPECT_EQ(errorsOf(n.p), 0u);
}

TEST(Initialisation, AnUndefinedOutputIsAnError) { // R11.2
  Node n;
  VarId v = n.b.var("v", F32);
  n.b.define(v, n.b.add(n.preX(), n.b.c(1)));
  n.b.define(n.y, n.b.get(v));
  EXPECT_EQ(errorsOf(n.p), 1u);
}

TEST(Initialisation, AnUndefinedStateIsAnErrorEvenBehindAnArrow) { // R11.2
  Node n;
  n.b.define(n.y, n.b.arrow(n.b.c(0), n.b.fby(n.b.c(0), n.preX())));
  EXPECT_EQ(errorsOf(n.p), 1u);
}

TEST(Initialisation, PreOfPreIsAnError) { // R11.2
  Node n;
  n.b.define(n.y, n.b.arrow(n.b.c(0), n.b.pre(n.preX())));
  EXPECT_EQ(errorsOf(n.p), 1u);
}

TEST(Initialisation, OneCauseIsReportedOnce) {
  Node n;
  VarId z = n.b.output("z", F32), v = n.b.var("v", F32);
  n.b.define(v, n.preX());
  n.b.define(n.y, n.b.get(v));
  n.b.define(z, n.b.fby(n.b.c(0), n.b.get(v)));
  EXPECT_EQ(errorsOf(n.p), 1u);
}

TEST(Initialisation, AnUndefinedConditionOfASelectIsAnUndefinedResult) {
  for (bool guarded : {false, true}) {
    Node n;
    Expr *zero = n.b.c(0);
    Expr *e = n.b.op(OpKind::Select, {n.b.op(OpKind::Gt, {n.preX(), zero}), n.b.c(1), n.b.c(2)});
    n.b.define(n.y, guarded ? n.b.arrow(n.b.c(0), e) : e);
    EXPECT_EQ(errorsOf(n.p), guarded ? 0u : 1u);
  }
}

TEST(Initialisation, AScanReadsOnlyDefinedOuterValues) { // R11.2
  Node n;
  VarId v = n.b.var("v", F32);
  n.b.define(v, n.preX());
  ScanTime &s = n.b.scan(3);
  VarId a = n.b.var("a", F32);
  n.b.define(
      a, n.b.arrow(n.b.c(0), n.b.get(v))); // the inner arrow does not help: v is undefined for the whole run
  n.b.close();
  n.b.result(s, ScanResult::Kind::Final, n.y, n.b.get(a));
  EXPECT_EQ(errorsOf(n.p), 1u);
}

TEST(Initialisation, ResultsAndConditionsOfScansMustBeDefined) { // R11.2
  for (int what = 0; what < 3; ++what) {
    Node n;
    ScanTime &s = n.b.scan(3);
    VarId a = n.b.var("a", F32);
    n.b.define(a, n.b.pre(n.b.c(1)));
    if (what == 1) s.until = n.b.op(OpKind::Gt, {n.b.get(a), n.b.c(0)});
    n.b.close();
    n.b.result(s, ScanResult::Kind::Final, n.y, what == 2 ? n.b.get(a) : n.b.c(1));
    EXPECT_EQ(errorsOf(n.p), what == 0 ? 0u : 1u);
  }
}

TEST(Initialisation, CallsArePolymorphicUnlessTheCalleeKeepsItsInput) { // R11.3
  for (bool state : {false, true}) {
    Program p;
    NodeBuilder c(p, "callee");
    VarId a = c.input("a", F32), u = c.output("u", F32);
    c.define(u, c.add(c.get(a), state ? c.fby(c.c(0), c.get(a)) : c.c(1)));
    c.node.hasState = state;
    NodeBuilder b(p, "n");
    VarId x = b.input("x", F32), v = b.var("v", F32), y = b.output("y", F32);
    b.call({v}, c.node, {b.pre(b.get(x))});
    b.define(y, b.arrow(b.c(0), b.get(v)));
    EXPECT_EQ(errorsOf(p), state ? 1u : 0u);
  }
}

} // namespace
} // namespace mlr
