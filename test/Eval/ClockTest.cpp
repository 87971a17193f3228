// Clocks, resets, merge and hold, on programs built by hand; expected values are worked out from the language
// reference.
#include "mlr/Eval/Interpreter.h"
#include "test/ProgramBuilder.h"

#include <cmath>
#include <gtest/gtest.h>
#include <sys/resource.h>

namespace mlr::eval {
namespace {

using namespace mlr::test;
using Floats = std::vector<float>;
constexpr float none = -99; // an absent value

struct Trace {
  std::vector<std::vector<Array>> values; ///< by instant
  std::vector<std::vector<bool>> present;
  std::string error;
};

Trace run(const Program &program, size_t steps, std::vector<std::vector<Array>> inputs = {}) {
  for (const std::string &broken : verify(program)) ADD_FAILURE() << broken << "\n" << print(program);
  Interpreter interpreter(*program.roots[0], {});
  Trace result;
  for (size_t i = 0; i < steps; ++i) {
    auto values = interpreter.step(inputs.empty() ? std::vector<Array>{} : inputs[i % inputs.size()]);
    if (auto *error = std::get_if<Error>(&values)) {
      result.error = error->message;
      ADD_FAILURE() << "instant " << i << ": " << error->message << "\n" << print(program);
      return result;
    }
    result.values.push_back(std::get<std::vector<Array>>(values));
    result.present.push_back(interpreter.present());
  }
  return result;
}

Floats column(const Trace &run, size_t output = 0) {
  Floats values;
  for (size_t i = 0; i < run.values.size(); ++i)
    values.push_back(run.present[i][output] ? run.values[i][output].as<float>()[0] : none);
  return values;
}
Floats floats(const Array &a) { return {a.as<float>(), a.as<float>() + a.type().elements()}; }

/// One bool input an instant from a text of 0 and 1.
std::vector<std::vector<Array>> bools(const std::string &text) {
  std::vector<std::vector<Array>> rows;
  for (char c : text) rows.push_back({boolean(c == '1')});
  return rows;
}

/// n = 1, 2, 3, .. in the region at hand.
VarId counter(NodeBuilder &b, std::string name = "n") {
  VarId n = b.var(std::move(name), F32);
  b.define(n, b.fby(b.c(1), b.add(b.get(n), b.c(1))));
  return n;
}
/// The same as an output.
VarId outputCounter(NodeBuilder &b, std::string name = "n") {
  VarId n = b.output(std::move(name), F32);
  b.define(n, b.fby(b.c(1), b.add(b.get(n), b.c(1))));
  return n;
}

TEST(Clock, WhenCountsItsOwnInstantsAndIsAbsentAtOthers) {
  Program p;
  NodeBuilder b(p, "m");
  VarId c = b.input("c", BOOL);
  b.when(c);
  outputCounter(b);
  b.close();
  EXPECT_EQ(column(run(p, 6, bools("010110"))), (Floats{none, 1, none, 2, 3, none}));
}

TEST(Clock, APreviousValueOfAnOuterVariableIsThatOfThePreviousActiveInstant) {
  Program p; // base: n = 1, 2, 3, ..; when c { y = 0 fby n; }
  NodeBuilder b(p, "m");
  VarId c = b.input("c", BOOL), n = counter(b);
  b.when(c);
  VarId y = b.output("y", F32);
  b.define(y, b.fby(b.c(0), b.get(n)));
  b.close();
  EXPECT_EQ(column(run(p, 7, bools("0100101"))), (Floats{none, 0, none, none, 2, none, 5}));
}

TEST(Clock, AComprehensionReadsOuterElementsAtThePreviousActiveInstant) {
  Program p; // when c { y = [0 fby x[i] for i < 2]; }
  NodeBuilder b(p, "m");
  VarId c = b.input("c", BOOL), n = counter(b), x = b.var("x", f32s({2}));
  IndexId i = b.index("i", 2), j = b.index("j", 2);
  Expr *scaled = b.mul(b.get(n), b.expr(ExprKind::Op, F32, {b.at(j)}));
  const_cast<Expr *>(scaled->args[1])->op = OpKind::Convert;
  b.define(x, b.build({j}, b.add(scaled, b.get(n))));
  b.when(c);
  VarId y = b.output("y", f32s({2}));
  b.define(y, b.build({i}, b.fby(b.c(0), b.read(b.get(x), {b.at(i)}, true))));
  b.close();
  Trace r = run(p, 5, bools("01001"));
  EXPECT_EQ(floats(r.values[1][0]), (Floats{0, 0}));
  EXPECT_EQ(floats(r.values[4][0]), (Floats{2, 4}));
}

TEST(Clock, MergeTakesWhatIsPresent) {
  Program p; // a counts where c, d = -1 counts where not c
  NodeBuilder b(p, "m");
  VarId c = b.input("c", BOOL), y = b.output("y", F32);
  b.when(c, 1);
  VarId a = counter(b, "a");
  b.close();
  b.when(c, 0);
  VarId d = b.var("d", F32);
  b.define(d, b.fby(b.c(-1), b.add(b.get(d), b.c(-1))));
  b.close();
  b.define(y, b.merge(c, {b.get(d), b.get(a)}));
  EXPECT_EQ(column(run(p, 6, bools("110010"))), (Floats{1, 2, -1, -2, 3, -3}));
}

TEST(Clock, AnOperandOfMergeMayBeAConstantAndTheSelectorAnEnum) {
  Program p;
  NodeBuilder b(p, "m");
  VarId m = b.input("m", I32), y = b.output("y", F32);
  b.when(m, 2);
  VarId a = counter(b, "a");
  b.close();
  b.define(y, b.merge(m, {b.c(10), b.c(20), b.get(a)}));
  EXPECT_EQ(column(run(p, 5, {{i32(2)}, {i32(0)}, {i32(1)}, {i32(2)}, {i32(2)}})), (Floats{1, 10, 20, 2, 3}));
}

TEST(Clock, HoldShowsTheLastValueAndFirstTheInit) {
  Program p;
  NodeBuilder b(p, "m");
  VarId c = b.input("c", BOOL), y = b.output("y", F32);
  b.when(c);
  VarId a = counter(b, "a");
  b.close();
  b.define(y, b.hold(a, b.c(-5)));
  EXPECT_EQ(column(run(p, 7, bools("0010010"))), (Floats{-5, -5, 1, 1, 1, 2, 2}));
}

TEST(Clock, EveryIsAtItsPhase) {
  for (int64_t phase : {0, 1, 2}) {
    Program p;
    NodeBuilder b(p, "m");
    b.every(3, phase);
    outputCounter(b);
    b.close();
    Floats values = column(run(p, 7));
    for (int64_t t = 0; t < 7; ++t)
      EXPECT_EQ(values[static_cast<size_t>(t)], t % 3 == phase ? static_cast<float>(t / 3 + 1) : none) << t;
  }
}

TEST(Clock, PeriodsNest) { // every 2 at 1 of every 3 at 0: instants 3, 9, 15
  Program p;
  NodeBuilder b(p, "m");
  b.every(3, 0);
  b.every(2, 1);
  outputCounter(b);
  b.close();
  b.close();
  Floats values = column(run(p, 16));
  for (size_t t = 0; t < 16; ++t)
    EXPECT_EQ(values[t], t % 6 == 3 ? static_cast<float>(t / 6 + 1) : none) << t;
}

TEST(Clock, AResetStartsAfresh) { // n counts from 1 again, also at two resets in a row
  Program p;
  NodeBuilder b(p, "m");
  VarId r = b.input("r", BOOL);
  b.resetEvery(r);
  outputCounter(b);
  b.close();
  EXPECT_EQ(column(run(p, 8, bools("00100110"))), (Floats{1, 2, 1, 2, 3, 1, 1, 2}));
}

TEST(Clock, AResetRestartsWindowsPeriodsAndCalls) {
  Program p;
  NodeBuilder callee(p, "count");
  VarId k = callee.output("k", F32);
  callee.define(k, callee.fby(callee.c(1), callee.add(callee.get(k), callee.c(1))));
  callee.node.hasState = true;
  NodeBuilder b(p, "m");
  VarId r = b.input("r", BOOL), n = counter(b);
  b.resetEvery(r);
  VarId w = b.output("w", f32s({2})), called = b.output("called", F32);
  b.define(w, b.window(2, b.get(n), b.c(0)));
  b.call({called}, callee.node, {});
  b.every(2, 1);
  outputCounter(b, "e");
  b.close();
  b.close();
  Trace result = run(p, 6, bools("000100"));
  EXPECT_EQ(column(result, 1), (Floats{1, 2, 3, 1, 2, 3}));
  EXPECT_EQ(column(result, 2), (Floats{none, 1, none, none, 1, none}));
  EXPECT_EQ(floats(result.values[3][0]), (Floats{0, 4}));
  EXPECT_EQ(floats(result.values[4][0]), (Floats{4, 5}));
}

TEST(Clock, AClockInAResetRestartsAtItsFirstActiveInstantAtOrAfterIt) {
  Program p;
  NodeBuilder b(p, "m");
  VarId r = b.input("r", BOOL), c = b.input("c", BOOL);
  b.resetEvery(r);
  b.when(c);
  outputCounter(b);
  b.close();
  b.close();
  std::vector<std::vector<Array>> rows;
  for (std::string row : {"01", "01", "10", "00", "01", "11", "01"})
    rows.push_back({boolean(row[0] == '1'), boolean(row[1] == '1')});
  EXPECT_EQ(column(run(p, 7, rows)), (Floats{1, 2, none, none, 1, 1, 2}));
}

TEST(Clock, AResetInAClockIsReadOnTheClock) { // r is a variable of the clock: its third instant resets
  Program p;
  NodeBuilder b(p, "m");
  VarId c = b.input("c", BOOL);
  b.when(c);
  VarId k = counter(b, "k"), r = b.var("r", BOOL);
  b.define(r, b.op(OpKind::Eq, {b.get(k), b.c(3)}));
  b.resetEvery(r);
  outputCounter(b);
  b.close();
  b.close();
  EXPECT_EQ(column(run(p, 7, bools("1011011"))), (Floats{1, none, 2, 1, none, 2, 3}));
}

TEST(Clock, AVariableOfAResetIsReadOutsideAndSoIsItsPast) {
  Program p; // reset { n counts } every r; y = 0 fby n; when c { z = n + 0 fby n }
  NodeBuilder b(p, "m");
  VarId r = b.input("r", BOOL), y = b.output("y", F32);
  b.resetEvery(r);
  VarId n = counter(b);
  b.close();
  b.define(y, b.fby(b.c(0), b.get(n)));
  b.when(r);
  VarId z = b.output("z", F32);
  b.define(z, b.add(b.mul(b.get(n), b.c(100)), b.fby(b.c(0), b.get(y))));
  b.close();
  Trace result = run(p, 6, bools("001001"));
  EXPECT_EQ(column(result, 0), (Floats{0, 1, 2, 1, 2, 3}));
  EXPECT_EQ(column(result, 1), (Floats{none, none, 100, none, none, 102}));
}

TEST(Clock, EqualConditionsAreOneClockThroughAReset) {
  Program p; // reset { when c { n counts } } every r; when c { y = 10 * n }
  NodeBuilder b(p, "m");
  VarId r = b.input("r", BOOL), c = b.input("c", BOOL);
  b.resetEvery(r);
  b.when(c);
  VarId n = counter(b);
  b.close();
  b.close();
  b.when(c);
  VarId y = b.output("y", F32);
  b.define(y, b.add(b.mul(b.get(n), b.c(10)), b.fby(b.c(0), b.get(n))));
  b.close();
  std::vector<std::vector<Array>> rows;
  for (std::string row : {"01", "01", "10", "00", "01", "11", "01"})
    rows.push_back({boolean(row[0] == '1'), boolean(row[1] == '1')});
  EXPECT_EQ(column(run(p, 7, rows)), (Floats{10, 21, none, none, 12, 11, 21}));
}

TEST(Clock, HoldInAResetForgets) {
  Program p; // when c { n counts } reset { y = hold(n, -1) } every r
  NodeBuilder b(p, "m");
  VarId r = b.input("r", BOOL), c = b.input("c", BOOL);
  b.when(c);
  VarId n = counter(b);
  b.close();
  b.resetEvery(r);
  VarId y = b.output("y", F32);
  b.define(y, b.hold(n, b.c(-1)));
  b.close();
  std::vector<std::vector<Array>> rows;
  for (std::string row : {"00", "01", "00", "10", "00", "01", "11"})
    rows.push_back({boolean(row[0] == '1'), boolean(row[1] == '1')});
  EXPECT_EQ(column(run(p, 7, rows)), (Floats{-1, 1, 1, -1, -1, 2, 3}));
}

TEST(Clock, ACallInAClockLivesInItsTime) {
  Program p;
  NodeBuilder callee(p, "sum");
  VarId x = callee.input("x", F32), s = callee.output("s", F32);
  callee.define(s, callee.add(callee.get(x), callee.fby(callee.c(0), callee.get(s))));
  callee.node.hasState = true;
  NodeBuilder b(p, "m");
  VarId c = b.input("c", BOOL), n = counter(b);
  b.when(c);
  VarId y = b.output("y", F32);
  b.call({y}, callee.node, {b.get(n)});
  b.close();
  EXPECT_EQ(column(run(p, 5, bools("01011"))), (Floats{none, 2, none, 6, 11}));
}

TEST(Clock, AScanInAClockRunsOnlyThereAndResumesThere) {
  Program p;
  NodeBuilder b(p, "m");
  VarId c = b.input("c", BOOL);
  b.when(c);
  VarId e = b.output("e", F32);
  ScanTime &s = b.scan(3, true);
  VarId n = counter(b);
  b.close();
  b.result(s, ScanResult::Kind::Final, e, b.get(n));
  b.close();
  EXPECT_EQ(column(run(p, 5, bools("10011"))), (Floats{3, none, none, 6, 9}));
}

/// scan t < T { c = bits[t]; .. } with a stacked result.
struct InScan {
  Program p;
  NodeBuilder b{p, "m"};
  VarId bits, y, c;
  ScanTime *s;
  InScan(const std::string &text, bool resume = false) {
    Type type{Scalar::Bool, {static_cast<int64_t>(text.size())}};
    std::vector<uint8_t> values;
    for (char d : text) values.push_back(d == '1');
    bits = b.var("bits", type);
    b.define(bits, b.constant(arrayOf<uint8_t>(type, values)));
    y = b.output("y", f32s(type.shape));
    s = &b.scan(type.shape[0], resume);
    c = b.var("c", BOOL);
    b.define(c, b.read(b.get(bits), {b.get(s->index)}, true));
  }
  /// Ends the scan, which stacks the merge of v where c and -1 elsewhere; the stacks of all instants.
  Floats stack(VarId v, size_t steps = 1) { return stackExpr(b.merge(c, {b.c(-1), b.get(v)}), steps); }
  Floats stackExpr(const Expr *e, size_t steps = 1) {
    b.close();
    b.result(*s, ScanResult::Kind::Stack, y, e);
    Trace r = run(p, steps);
    Floats all;
    for (auto &instant : r.values)
      for (float f : floats(instant[0])) all.push_back(f);
    return all;
  }
};

TEST(Clock, EbyOnAClockInAScanGoesToItsNextInstant) {
  InScan w("0101101"); // when c { back = (back eby 0) + 1 }: what is left of the clock
  w.b.when(w.c);
  VarId back = w.b.var("back", F32);
  w.b.define(back, w.b.add(w.b.eby(w.b.get(back), w.b.c(0)), w.b.c(1)));
  w.b.close();
  EXPECT_EQ(w.stack(back), (Floats{-1, 4, -1, 3, 2, -1, 1}));
}

TEST(Clock, FbyOnAClockInAScan) {
  InScan w("0101101");
  w.b.when(w.c);
  VarId n = counter(w.b);
  w.b.close();
  EXPECT_EQ(w.stack(n), (Floats{-1, 1, -1, 2, 3, -1, 4}));
}

TEST(Clock, EbyReadsOuterVariablesAtTheNextActiveInstant) {
  InScan w("1001010"); // y = t eby -7
  w.b.when(w.c);
  VarId v = w.b.var("v", F32);
  Expr *t = w.b.expr(ExprKind::Op, F32, {w.b.get(w.s->index)});
  t->op = OpKind::Convert;
  w.b.define(v, w.b.eby(t, w.b.c(-7)));
  w.b.close();
  EXPECT_EQ(w.stack(v), (Floats{3, -1, -1, 5, -1, -7, -1}));
}

TEST(Clock, EbyEndsWithTheSegment) { // resets at 2, 5: back counts down to the end of each segment
  InScan w("0010010");
  w.b.resetEvery(w.c);
  VarId back = w.b.var("back", F32);
  w.b.define(back, w.b.add(w.b.eby(w.b.get(back), w.b.c(0)), w.b.c(1)));
  w.b.close();
  EXPECT_EQ(w.stackExpr(w.b.get(back)), (Floats{2, 1, 3, 2, 1, 2, 1}));
}

TEST(Clock, EbyEndsWithTheSegmentOnAPeriodicClockInIt) { // segments 0..2, 3..7; every 2 at 0: 0, 2; 3, 5, 7
  InScan w("00010000");
  w.b.resetEvery(w.c);
  w.b.every(2, 0);
  VarId back = w.b.var("back", F32);
  w.b.define(back, w.b.add(w.b.eby(w.b.get(back), w.b.c(0)), w.b.c(1)));
  w.b.close();
  VarId held = w.b.var("held", F32);
  w.b.define(held, w.b.hold(back, w.b.c(0)));
  w.b.close();
  EXPECT_EQ(w.stackExpr(w.b.get(held)), (Floats{2, 2, 1, 3, 3, 2, 2, 1}));
}

TEST(Clock, ABackwardSelectorIsAllowed) { // c2 = something from the end: true at the last 3 instants
  InScan w("000000");
  VarId left = w.b.var("left", F32), c = w.b.var("c2", BOOL);
  w.b.define(left, w.b.add(w.b.eby(w.b.get(left), w.b.c(0)), w.b.c(1)));
  w.b.define(c, w.b.op(OpKind::Le, {w.b.get(left), w.b.c(3)}));
  w.b.when(c);
  VarId n = counter(w.b);
  w.b.close();
  EXPECT_EQ(w.stackExpr(w.b.merge(c, {w.b.c(0), w.b.get(n)})), (Floats{0, 0, 0, 1, 2, 3}));
}

TEST(Clock, UntilEndsTheClocksInItsScan) {
  InScan w("0110111"); // until t == 4: c at 1, 2, 4
  w.s->until = w.b.op(OpKind::Eq, {w.b.get(w.s->index), w.b.n(4)});
  w.b.when(w.c);
  VarId back = w.b.var("back", F32);
  w.b.define(back, w.b.add(w.b.eby(w.b.get(back), w.b.c(0)), w.b.c(1)));
  w.b.close();
  EXPECT_EQ(w.stack(back), (Floats{-1, 3, 2, -1, 1, 0, 0}));
}

TEST(Clock, AClockInAResumingScanGoesOnOverBlocksWithoutIt) {
  Program p; // each block of 2: c at both instants where `on`
  NodeBuilder b(p, "m");
  VarId on = b.input("on", BOOL), y = b.output("y", f32s({2}));
  ScanTime &s = b.scan(2, true);
  VarId c = b.var("c", BOOL), held = b.var("held", F32);
  b.define(c, b.op(OpKind::And, {b.get(on), b.get(on)}));
  b.when(c);
  VarId n = counter(b);
  b.close();
  b.define(held, b.hold(n, b.c(0)));
  b.close();
  b.result(s, ScanResult::Kind::Stack, y, b.get(held));
  Trace r = run(p, 6, bools("010001"));
  EXPECT_EQ(floats(r.values[0][0]), (Floats{0, 0}));
  EXPECT_EQ(floats(r.values[1][0]), (Floats{1, 2}));
  EXPECT_EQ(floats(r.values[4][0]), (Floats{2, 2}));
  EXPECT_EQ(floats(r.values[5][0]), (Floats{3, 4}));
}

TEST(Clock, PeriodsAndSegmentsGoOnInAResumingScan) {
  Program p; // blocks of 4: every 3 at 0 of the uninterrupted stream; a segment over the ends of blocks
  NodeBuilder b(p, "m");
  VarId r = b.input("r", BOOL), y = b.output("y", f32s({4})), z = b.output("z", f32s({4}));
  ScanTime &s = b.scan(4, true);
  VarId c = b.var("c", BOOL), held = b.var("held", F32);
  b.define(c, b.op(OpKind::And, {b.get(r), b.op(OpKind::Eq, {b.get(s.index), b.n(2)})}));
  b.every(3, 0);
  VarId n = counter(b);
  b.close();
  b.define(held, b.hold(n, b.c(0)));
  b.resetEvery(c);
  VarId k = counter(b, "k");
  b.close();
  b.close();
  b.result(s, ScanResult::Kind::Stack, y, b.get(held));
  b.result(s, ScanResult::Kind::Stack, z, b.get(k));
  Trace result = run(p, 3, bools("010"));
  EXPECT_EQ(floats(result.values[0][0]), (Floats{1, 1, 1, 2}));
  EXPECT_EQ(floats(result.values[1][0]), (Floats{2, 2, 3, 3}));
  EXPECT_EQ(floats(result.values[2][0]), (Floats{3, 4, 4, 4}));
  EXPECT_EQ(floats(result.values[0][1]), (Floats{1, 2, 3, 4}));
  EXPECT_EQ(floats(result.values[1][1]), (Floats{5, 6, 1, 2}));
  EXPECT_EQ(floats(result.values[2][1]), (Floats{3, 4, 5, 6}));
}

/// node back(x) -> (y) { y = (y eby 0) + x; }
NodeInstance &backwards(Program &p) {
  NodeBuilder c(p, "back");
  VarId x = c.input("x", F32), y = c.output("y", F32);
  c.define(y, c.add(c.get(x), c.eby(c.get(y), c.c(0))));
  c.node.usesEnd = true;
  return c.node;
}

TEST(Clock, ANodeWithAnEndCalledOnAClockInAScan) {
  InScan w("1011");
  NodeInstance &callee = backwards(w.p);
  std::rotate(w.p.nodes.begin(), w.p.nodes.end() - 1, w.p.nodes.end());
  w.p.roots = {&w.b.node};
  w.b.when(w.c);
  VarId v = w.b.var("v", F32);
  w.b.call({v}, callee, {w.b.c(2)});
  w.b.close();
  EXPECT_EQ(w.stack(v), (Floats{6, -1, 4, 2}));
}

TEST(Clock, EndValuesOnAClockAreThoseOfTheScan) { // when c { v = n / final n }, n of the scan
  InScan w("0101");
  VarId n = counter(w.b);
  w.b.when(w.c);
  VarId v = w.b.var("v", F32);
  w.b.define(v, w.b.op(OpKind::Div, {w.b.get(n), w.b.final(w.b.get(n))}));
  w.b.close();
  EXPECT_EQ(w.stack(v), (Floats{-1, 0.5f, -1, 1}));
}

TEST(Clock, AnAutomatonIsMergesAndResets) {
  // state A { u = counter; until u >= 3 then B } state B { u = -counter; until u <= -2 then A }
  Program p;
  NodeBuilder b(p, "m");
  VarId s = b.var("s", I32), restart = b.var("restart", BOOL), u = b.output("u", F32);
  VarId next = b.var("next", I32), go = b.var("go", BOOL);
  b.define(s, b.fby(b.n(0), b.get(next)));
  b.define(restart, b.fby(b.constant(boolean(false)), b.get(go)));
  VarId value[2], leave[2];
  for (int32_t state = 0; state < 2; ++state) {
    b.when(s, state);
    VarId again = b.var("again", BOOL);
    b.define(again, b.get(restart));
    b.resetEvery(again);
    VarId n = counter(b, "n" + std::to_string(state));
    value[state] = b.var("u" + std::to_string(state), F32);
    leave[state] = b.var("leave" + std::to_string(state), BOOL);
    b.define(value[state], b.mul(b.get(n), b.c(state ? -1 : 1)));
    b.define(leave[state], b.op(OpKind::Ge, {b.get(n), b.c(state ? 2 : 3)}));
    b.close();
    b.close();
  }
  b.define(u, b.merge(s, {b.get(value[0]), b.get(value[1])}));
  b.define(go, b.merge(s, {b.get(leave[0]), b.get(leave[1])}));
  b.define(next, b.op(OpKind::Select, {b.get(go), b.op(OpKind::Sub, {b.n(1), b.get(s)}), b.get(s)}));
  EXPECT_EQ(column(run(p, 9)), (Floats{1, 2, 3, -1, -2, 1, 2, 3, -1}));
}

TEST(Clock, InstancesSideBySideHaveStatesOfTheirOwn) {
  Program p;
  NodeBuilder callee(p, "sum");
  VarId x = callee.input("x", F32), s = callee.output("s", F32);
  callee.define(s, callee.add(callee.get(x), callee.fby(callee.c(0), callee.get(s))));
  callee.node.hasState = true;
  NodeBuilder b(p, "m");
  VarId xs = b.input("xs", f32s({2, 3})), y = b.output("y", f32s({2, 3}));
  IndexId i = b.index("i", 2), j = b.index("j", 3);
  b.call({y}, callee.node, {b.read(b.get(xs), {b.at(i), b.at(j)}, true)}, {i, j});
  Trace r = run(p, 2, {{arrayOf<float>(f32s({2, 3}), {1, 2, 3, 4, 5, 6})}});
  EXPECT_EQ(floats(r.values[1][0]), (Floats{2, 4, 6, 8, 10, 12}));
}

TEST(Clock, AnInputOnAClockIsLookedAtAtItsInstantsOnly) {
  Program p;
  NodeBuilder b(p, "m");
  VarId c = b.input("c", BOOL);
  b.when(c);
  VarId x = b.input("x", F32), y = b.output("y", F32);
  b.define(y, b.add(b.get(x), b.fby(b.c(0), b.get(x))));
  b.close();
  EXPECT_EQ(column(run(p, 4,
                       {{boolean(true), f32(1)},
                        {boolean(false), Array()},
                        {boolean(false), f32(9)},
                        {boolean(true), f32(5)}})),
            (Floats{1, none, none, 6}));
}

TEST(Clock, ReadingAnAbsentValueIsAnError) {
  Program p;
  NodeBuilder b(p, "m");
  VarId c = b.input("c", BOOL), y = b.output("y", F32);
  b.when(c);
  VarId n = counter(b);
  b.close();
  b.define(y, b.merge(c, {b.get(n), b.c(0)})); // n belongs to the other operand
  Interpreter interpreter(*p.roots[0], {});
  auto result = interpreter.step({boolean(false)});
  ASSERT_TRUE(std::holds_alternative<Error>(result));
  EXPECT_EQ(std::get<Error>(result).message, "'n' is read where it is absent");
}

TEST(Clock, AHundredThousandInstantsOfAClockInAScanBothWays) {
  std::string text;
  for (size_t t = 0; t < 100'000; ++t) text += t % 3 ? '1' : '0';
  InScan w(text);
  w.b.when(w.c);
  VarId back = w.b.var("back", F32), n = counter(w.b), sum = w.b.var("sum", F32);
  w.b.define(back, w.b.add(w.b.eby(w.b.get(back), w.b.c(0)), w.b.c(1)));
  w.b.define(sum, w.b.add(w.b.get(back), w.b.get(n)));
  w.b.close();
  Floats y = w.stack(sum);
  EXPECT_EQ(y[1], 66667);
  EXPECT_EQ(y[99'998], 66667);
}

/// Peak memory of the process in KiB.
long peakMemory() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST(Clock, MemoryDoesNotGrowOverAMillionInstants) {
  Program p;
  NodeBuilder b(p, "m");
  VarId r = b.input("r", BOOL), c = b.input("c", BOOL), y = b.output("y", F32), n = counter(b);
  b.resetEvery(r);
  b.when(c);
  VarId w = b.var("w", f32s({3})), e = b.var("e", F32), v = b.var("v", F32);
  b.define(w, b.window(3, b.get(n), b.c(0)));
  ScanTime &s = b.scan(2, true);
  VarId inner = b.var("inner", BOOL);
  b.define(inner, b.op(OpKind::Eq, {b.get(s.index), b.n(1)}));
  b.when(inner);
  VarId k = counter(b, "k");
  b.close();
  VarId held = b.var("held", F32);
  b.define(held, b.hold(k, b.c(0)));
  b.close();
  b.result(s, ScanResult::Kind::Final, e, b.get(held));
  b.define(v, b.add(b.get(e), b.read(b.get(w), {b.n(0)})));
  b.close();
  VarId h = b.var("h", F32);
  b.define(h, b.hold(v, b.c(0)));
  b.close();
  b.define(y, b.get(h));
  Interpreter interpreter(*p.roots[0], {});
  long before = 0;
  for (int64_t t = 0; t < 1'000'000; ++t) {
    bool resets = t % 100'000 == 0, active = t % 1000 < 3;
    auto result = interpreter.step({boolean(resets), boolean(active)});
    ASSERT_TRUE(std::holds_alternative<std::vector<Array>>(result)) << t;
    if (t == 10'000) before = peakMemory();
  }
  EXPECT_LT(peakMemory() - before, 4096);
}

} // namespace
} // namespace mlr::eval
