// Streams and scans, on programs built by hand.
#include "mlr/Eval/Interpreter.h"
#include "test/ProgramBuilder.h"

#include <gtest/gtest.h>

namespace mlr::eval {
namespace {

using namespace mlr::test;

/// Runs `steps` instants; inputs[i] is the inputs of instant i (reused cyclically, none if empty).
std::vector<std::vector<Array>> run(const Program &program, int steps,
                                    std::vector<std::vector<Array>> inputs = {}) {
  for (const std::string &broken : verify(program)) ADD_FAILURE() << broken << "\n" << print(program);
  Interpreter interpreter(*program.roots[0], {});
  std::vector<std::vector<Array>> results;
  for (int i = 0; i < steps; ++i) {
    auto result = interpreter.step(inputs.empty() ? std::vector<Array>{}
                                                  : inputs[static_cast<size_t>(i) % inputs.size()]);
    if (auto *error = std::get_if<Error>(&result)) {
      ADD_FAILURE() << "instant " << i << ": " << error->message << "\n" << print(program);
      return results;
    }
    results.push_back(std::get<std::vector<Array>>(result));
  }
  return results;
}

std::string errorOf(const Program &program) {
  Interpreter interpreter(*program.roots[0], {});
  for (int i = 0; i < 3; ++i) {
    auto result = interpreter.step({});
    if (auto *error = std::get_if<Error>(&result)) return error->message;
  }
  return "";
}

float scalarOf(const Array &a) { return a.as<float>()[0]; }
std::vector<float> floats(const Array &a) { return {a.as<float>(), a.as<float>() + a.type().elements()}; }
std::vector<float> column(const std::vector<std::vector<Array>> &results, size_t output = 0) {
  std::vector<float> values;
  for (auto &r : results) values.push_back(scalarOf(r[output]));
  return values;
}
using Floats = std::vector<float>;

TEST(Interpreter, FbyCountsInstants) { // R9.3
  Program p;
  NodeBuilder b(p, "counter");
  VarId n = b.output("n", F32);
  b.define(n, b.fby(b.c(0), b.add(b.get(n), b.c(1))));
  EXPECT_EQ(column(run(p, 4)), (Floats{0, 1, 2, 3}));
}

TEST(Interpreter, NestedFbyReachesSeveralInstantsBack) {
  Program p;
  NodeBuilder b(p, "delay3");
  VarId x = b.input("x", F32), y = b.output("y", F32);
  b.define(y, b.fby(b.c(-1), b.fby(b.c(-2), b.fby(b.c(-3), b.get(x)))));
  EXPECT_EQ(column(run(p, 5, {{f32(1)}, {f32(2)}, {f32(3)}, {f32(4)}, {f32(5)}})),
            (Floats{-1, -2, -3, 1, 2}));
}

TEST(Interpreter, ArrowGuardsPre) { // R9.5, R11.1
  Program p;
  NodeBuilder b(p, "ema");
  VarId x = b.input("x", F32), y = b.output("y", F32);
  b.define(y, b.arrow(b.get(x), b.add(b.get(x), b.mul(b.c(0.5f), b.pre(b.get(y))))));
  EXPECT_EQ(column(run(p, 3, {{f32(1)}})), (Floats{1, 1.5f, 1.75f}));
}

TEST(Interpreter, UnguardedPreIsAnError) { // R11.2
  Program p;
  NodeBuilder b(p, "bad");
  VarId y = b.output("y", F32);
  b.define(y, b.pre(b.c(1)));
  EXPECT_NE(errorOf(p).find("undefined"), std::string::npos);
}

TEST(Interpreter, AnUndefinedValueInAStateIsAnError) { // R11.2
  Program p;
  NodeBuilder b(p, "bad");
  VarId y = b.output("y", F32), z = b.var("z", F32);
  b.define(z, b.pre(b.c(1)));
  b.define(y, b.fby(b.c(0), b.get(z)));
  EXPECT_NE(errorOf(p).find("undefined"), std::string::npos);
}

TEST(Interpreter, AnUndefinedArmThatIsNotSelectedDoesNotMatter) {
  Program p;
  NodeBuilder b(p, "guarded");
  VarId y = b.output("y", F32);
  Expr *first = b.fby(b.constant(arrayOf<uint8_t>(BOOL, {1})), b.constant(arrayOf<uint8_t>(BOOL, {0})));
  b.define(y, b.op(OpKind::Select, {first, b.c(7), b.pre(b.c(1))}));
  EXPECT_EQ(column(run(p, 2)), (Floats{7, 1}));
}

TEST(Interpreter, ACycleIsAnError) { // R12.2
  Program p;
  NodeBuilder b(p, "bad");
  VarId x = b.output("x", F32), y = b.var("y", F32);
  b.define(x, b.add(b.get(y), b.c(1)));
  b.define(y, b.add(b.get(x), b.c(1)));
  EXPECT_NE(errorOf(p).find("a cycle: bad.x"), std::string::npos) << errorOf(p);
}

TEST(Interpreter, WindowShowsTheLastValuesOldestFirst) { // R9.7
  Program p;
  NodeBuilder b(p, "w");
  VarId x = b.input("x", F32), w = b.output("w", f32s({3}));
  b.define(w, b.window(3, b.add(b.get(x), b.c(0)), b.c(-1)));
  auto r = run(p, 4, {{f32(1)}, {f32(2)}, {f32(3)}, {f32(4)}});
  EXPECT_EQ(floats(r[0][0]), (Floats{-1, -1, 1}));
  EXPECT_EQ(floats(r[1][0]), (Floats{-1, 1, 2}));
  EXPECT_EQ(floats(r[3][0]), (Floats{2, 3, 4}));
}

TEST(Interpreter, WindowTakesItsInitFromTheFirstInstant) { // R9.7
  Program p;
  NodeBuilder b(p, "w");
  VarId x = b.input("x", F32), w = b.output("w", f32s({3}));
  b.define(w, b.window(3, b.get(x), b.get(x)));
  auto r = run(p, 2, {{f32(1)}, {f32(2)}});
  EXPECT_EQ(floats(r[1][0]), (Floats{1, 1, 2}));
}

/// y[t] = the running sum of x, z[t] = the sum from t to the end.
struct BothWays {
  Program p;
  NodeBuilder b{p, "both"};
  VarId x, y, z, f;
  BothWays(int64_t T, bool resume = false) {
    x = b.input("x", f32s({T}));
    y = b.output("y", f32s({T}));
    z = b.output("z", f32s({T}));
    f = b.output("f", F32);
    ScanTime &s = b.scan(T, resume);
    VarId a = b.var("a", F32), c = b.var("c", F32);
    auto xt = [&] { return b.read(b.get(x), {b.get(s.index)}, true); };
    b.define(a, b.add(b.fby(b.c(0), b.get(a)), xt()));
    b.define(c, b.add(b.eby(b.get(c), b.c(0)), xt()));
    b.close();
    b.result(s, ScanResult::Kind::Stack, y, b.get(a));
    b.result(s, ScanResult::Kind::Stack, z, b.get(c));
    b.result(s, ScanResult::Kind::Final, f, b.get(a));
  }
};

TEST(Interpreter, ScanRunsBothWays) { // R10.6
  BothWays w(3);
  auto r = run(w.p, 2, {{arrayOf<float>(f32s({3}), {1, 2, 4})}});
  for (auto &instant : r) { // fresh at every outer instant
    EXPECT_EQ(floats(instant[0]), (Floats{1, 3, 7}));
    EXPECT_EQ(floats(instant[1]), (Floats{7, 6, 4}));
    EXPECT_EQ(scalarOf(instant[2]), 7);
  }
}

TEST(Interpreter, ResumeKeepsStateAndEndsEbyAtEachBlock) { // R10.8
  BothWays w(3, true);
  auto r = run(w.p, 4, {{arrayOf<float>(f32s({3}), {1, 2, 4})}});
  EXPECT_EQ(floats(r[1][0]), (Floats{8, 10, 14}));
  EXPECT_EQ(floats(r[1][1]), (Floats{7, 6, 4}));
  EXPECT_EQ(scalarOf(r[3][2]), 28);
}

TEST(Interpreter, AHundredThousandInstantsNeedNoNativeStack) {
  constexpr int64_t T = 100'000;
  BothWays w(T);
  auto r = run(w.p, 1, {{arrayOf<float>(f32s({T}), Floats(T, 1.0f))}});
  EXPECT_EQ(floats(r[0][0])[T - 1], T);
  EXPECT_EQ(floats(r[0][1])[0], T);
}

TEST(Interpreter, EndValuesMayBeUsedInsideTheSameScan) { // R10.5
  Program p;
  NodeBuilder b(p, "normalise");
  VarId x = b.input("x", f32s({4})), y = b.output("y", f32s({4}));
  ScanTime &s = b.scan(4);
  VarId acc = b.var("acc", F32), v = b.var("v", F32);
  b.define(acc, b.add(b.fby(b.c(0), b.get(acc)), b.read(b.get(x), {b.get(s.index)})));
  b.define(v, b.add(b.op(OpKind::Div, {b.read(b.get(x), {b.get(s.index)}), b.final(b.get(acc))}),
                    b.initial(b.get(acc))));
  b.close();
  b.result(s, ScanResult::Kind::Stack, y, b.get(v));
  EXPECT_EQ(floats(run(p, 1, {{arrayOf<float>(f32s({4}), {1, 1, 2, 4})}})[0][0]),
            (Floats{1.125f, 1.125f, 1.25f, 1.5f}));
}

TEST(Interpreter, UntilStopsAfterTheFirstTrueInstant) { // R10.9
  Program p;
  NodeBuilder b(p, "until");
  VarId limit = b.input("limit", I32), y = b.output("y", f32s({5})), n = b.output("n", I32),
        e = b.output("e", F32);
  ScanTime &s = b.scan(5);
  VarId back = b.var("back", F32);
  b.define(back, b.add(b.eby(b.get(back), b.c(10)), b.c(1)));
  s.until = b.op(OpKind::Ge, {b.get(s.index), b.get(limit)});
  b.close();
  b.result(s, ScanResult::Kind::Stack, y, b.get(back));
  b.result(s, ScanResult::Kind::Count, n, nullptr);
  b.result(s, ScanResult::Kind::Final, e, b.get(back));
  auto r = run(p, 3, {{i32(2)}, {i32(-1)}, {i32(9)}});
  EXPECT_EQ(floats(r[0][0]), (Floats{13, 12, 11, 0, 0}));
  EXPECT_EQ(r[0][1].as<int32_t>()[0], 3);
  EXPECT_EQ(scalarOf(r[0][2]), 11);
  EXPECT_EQ(floats(r[1][0]), (Floats{11, 0, 0, 0, 0}));
  EXPECT_EQ(r[2][1].as<int32_t>()[0], 5);
}

TEST(Interpreter, AResumingUntilScanGoesOnAfterItsLastExecutedInstant) { // R10.9
  Program p;
  NodeBuilder b(p, "blocks");
  VarId limit = b.input("limit", I32), e = b.output("e", F32);
  ScanTime &s = b.scan(10, true);
  VarId n = b.var("n", F32);
  b.define(n, b.fby(b.c(0), b.add(b.get(n), b.c(1))));
  s.until = b.op(OpKind::Eq, {b.get(s.index), b.get(limit)});
  b.close();
  b.result(s, ScanResult::Kind::Final, e, b.get(n));
  EXPECT_EQ(column(run(p, 4, {{i32(2)}, {i32(0)}, {i32(4)}, {i32(0)}})), (Floats{2, 3, 8, 9}));
}

/// node cumulate(x) -> (y) { y = x + (0 fby y); }
NodeInstance &cumulate(Program &p) {
  NodeBuilder b(p, "cumulate");
  VarId x = b.input("x", F32), y = b.output("y", F32);
  b.define(y, b.add(b.get(x), b.fby(b.c(0), b.get(y))));
  b.node.hasState = true;
  return b.node;
}

TEST(Interpreter, EachCallHasStateOfItsOwn) { // R2.8
  Program p;
  NodeInstance &callee = cumulate(p);
  NodeBuilder b(p, "two");
  VarId y = b.output("y", F32), z = b.output("z", F32);
  b.call({y}, callee, {b.c(1)});
  b.call({z}, callee, {b.get(y)});
  auto r = run(p, 3);
  EXPECT_EQ(column(r, 0), (Floats{1, 2, 3}));
  EXPECT_EQ(column(r, 1), (Floats{1, 3, 6}));
}

/// Calls cumulate in a scan of 3 (resuming or not) and returns its last value.
std::vector<float> callInScan(bool resume) {
  Program p;
  NodeInstance &callee = cumulate(p);
  NodeBuilder b(p, "outer");
  VarId e = b.output("e", F32);
  ScanTime &s = b.scan(3, resume);
  VarId y = b.var("y", F32);
  b.call({y}, callee, {b.c(1)});
  b.close();
  b.result(s, ScanResult::Kind::Final, e, b.get(y));
  return column(run(p, 3));
}

TEST(Interpreter, ANodeCalledInAScanStartsFreshAtEveryOuterInstant) {
  EXPECT_EQ(callInScan(false), (Floats{3, 3, 3}));
}
TEST(Interpreter, ANodeCalledInAResumingScanGoesOn) { EXPECT_EQ(callInScan(true), (Floats{3, 6, 9})); }

TEST(Interpreter, ANodeMayUseTheEndOfItsCallersTime) { // R10.7
  Program p;
  NodeBuilder c(p, "back");
  VarId x = c.input("x", F32), y = c.output("y", F32);
  c.define(y, c.add(c.get(x), c.eby(c.get(y), c.c(0))));
  c.node.usesEnd = true;
  NodeBuilder b(p, "outer");
  VarId out = b.output("out", f32s({3}));
  ScanTime &s = b.scan(3);
  VarId v = b.var("v", F32);
  b.call({v}, c.node, {b.c(1)});
  b.close();
  b.result(s, ScanResult::Kind::Stack, out, b.get(v));
  EXPECT_EQ(floats(run(p, 1)[0][0]), (Floats{3, 2, 1}));
}

/// An inner scan of 2 that counts its instants, inside a scan of 2; the last count at each base instant.
std::vector<float> nested(bool outerResumes, bool innerResumes) {
  Program p;
  NodeBuilder b(p, "nested");
  VarId e = b.output("e", F32);
  ScanTime &outer = b.scan(2, outerResumes);
  VarId m = b.var("m", F32);
  ScanTime &inner = b.scan(2, innerResumes);
  VarId n = b.var("n", F32);
  b.define(n, b.add(b.fby(b.c(0), b.get(n)), b.c(1)));
  b.close();
  b.result(inner, ScanResult::Kind::Final, m, b.get(n));
  b.close();
  b.result(outer, ScanResult::Kind::Final, e, b.get(m));
  return column(run(p, 3));
}

TEST(Interpreter, NestedScansResumeInTheirOwnEnclosingTime) { // R10.10
  EXPECT_EQ(nested(false, false), (Floats{2, 2, 2}));
  EXPECT_EQ(nested(false, true), (Floats{4, 4, 4})); // fresh with each run of the outer scan
  EXPECT_EQ(nested(true, false), (Floats{2, 2, 2}));
  EXPECT_EQ(nested(true, true), (Floats{4, 8, 12}));
}

TEST(Interpreter, AResumingBlockReadsOuterVariablesOfItsOwnInstant) { // R10.2
  Program p;
  NodeBuilder b(p, "blocks");
  VarId x = b.input("x", F32), e = b.output("e", f32s({2}));
  ScanTime &s = b.scan(2, true);
  VarId v = b.var("v", F32);
  b.define(v, b.fby(b.c(-1), b.get(x)));
  b.close();
  b.result(s, ScanResult::Kind::Stack, e, b.get(v));
  auto r = run(p, 3, {{f32(1)}, {f32(2)}, {f32(3)}});
  EXPECT_EQ(floats(r[0][0]), (Floats{-1, 1}));
  EXPECT_EQ(floats(r[1][0]), (Floats{1, 2}));
  EXPECT_EQ(floats(r[2][0]), (Floats{2, 3}));
}

TEST(Interpreter, AScanIsNotABlackBoxToTheEnclosingTime) { // R12.4
  // u = final a; the same scan stacks b, which needs u.
  Program p;
  NodeBuilder b(p, "open");
  VarId u = b.var("u", F32), w = b.var("w", F32), y = b.output("y", f32s({2}));
  ScanTime &s = b.scan(2);
  VarId a = b.var("a", F32), c = b.var("c", F32);
  b.define(a, b.add(b.fby(b.c(0), b.get(a)), b.c(1)));
  b.define(c, b.add(b.get(a), b.get(w)));
  b.close();
  b.result(s, ScanResult::Kind::Final, u, b.get(a));
  b.result(s, ScanResult::Kind::Stack, y, b.get(c));
  b.define(w, b.mul(b.get(u), b.c(10)));
  EXPECT_EQ(floats(run(p, 2)[1][0]), (Floats{21, 22}));
}

TEST(Interpreter, ResetForgetsEverything) {
  Program p;
  NodeBuilder b(p, "counter");
  VarId n = b.output("n", F32);
  b.define(n, b.fby(b.c(0), b.add(b.get(n), b.c(1))));
  Interpreter interpreter(*p.roots[0], {});
  interpreter.step({});
  interpreter.step({});
  interpreter.reset();
  EXPECT_EQ(scalarOf(std::get<std::vector<Array>>(interpreter.step({}))[0]), 0);
}

TEST(Interpreter, LazilyUnneededStateStillAdvances) {
  Program p;
  NodeBuilder b(p, "rare");
  VarId x = b.input("x", I32), y = b.output("y", F32), n = b.var("n", F32);
  b.define(n, b.fby(b.c(0), b.add(b.get(n), b.c(1))));
  b.define(y, b.op(OpKind::Select, {b.op(OpKind::Gt, {b.get(x), b.n(0)}), b.get(n), b.c(-1)}));
  EXPECT_EQ(column(run(p, 4, {{i32(0)}, {i32(0)}, {i32(0)}, {i32(1)}})), (Floats{-1, -1, -1, 3}));
}

TEST(Interpreter, WrongInputsAreRefused) {
  Program p;
  NodeBuilder b(p, "id");
  VarId x = b.input("x", F32), y = b.output("y", F32);
  b.define(y, b.get(x));
  Interpreter interpreter(*p.roots[0], {});
  EXPECT_TRUE(std::holds_alternative<Error>(interpreter.step({})));
  EXPECT_TRUE(std::holds_alternative<Error>(interpreter.step({i32(1)})));
}

} // namespace
} // namespace mlr::eval
