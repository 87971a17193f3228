// Dual numbers: arithmetic of coefficients, and derivatives of programs built by hand.
#include "mlr/Eval/DualNumbers.h"
#include "mlr/Eval/Interpreter.h"
#include "test/ProgramBuilder.h"

#include <cmath>
#include <gtest/gtest.h>

namespace mlr::eval {
namespace {

using namespace mlr::test;

// With two tags: value, d/ds, d/dt, d2/dsdt.
TEST(Dual, SecondDerivativesOfOperators) {
  double x = 1.5, a[] = {x, 1, 1, 0}, two[] = {2, 0, 0, 0};
  EXPECT_DOUBLE_EQ(combine(OpKind::Mul, 3, a, a, nullptr), 2);
  EXPECT_DOUBLE_EQ(combine(OpKind::Div, 3, two, a, nullptr), 4 / (x * x * x));
  EXPECT_DOUBLE_EQ(combine(OpKind::Sqrt, 3, a, nullptr, nullptr), -0.25 * std::pow(x, -1.5));
  EXPECT_DOUBLE_EQ(combine(OpKind::Fma, 3, a, a, a), 2);
}

TEST(Dual, WhatHasNoPartAddsNothing) { // R20.4
  double zero[] = {0, 0}, infinite[] = {INFINITY, 0};
  EXPECT_EQ(combine(OpKind::Mul, 1, zero, infinite, nullptr), 0);
  EXPECT_EQ(combine(OpKind::Sqrt, 1, zero, nullptr, nullptr), 0);
  EXPECT_EQ(combine(OpKind::Div, 1, zero, zero, nullptr), 0);
}

TEST(Dual, TiesGoToTheSecondOperandAndToTheFirstElement) { // R20.4
  double a[] = {2, 10}, b[] = {2, 20};
  EXPECT_EQ(combine(OpKind::Max, 1, a, b, nullptr), 20);
  EXPECT_EQ(combine(OpKind::Min, 1, a, b, nullptr), 20);
  DualChain chain(ReduceKind::Max, 1);
  chain.add(a);
  chain.add(b);
  EXPECT_EQ(chain.finish(2), 10);
}

TEST(Dual, ProductsOverElementsNeedNoDivision) {
  DualChain chain(ReduceKind::Prod, 1);
  double factors[][2] = {{3, 0}, {0, 1}, {5, 0}};
  for (auto &factor : factors) chain.add(factor);
  EXPECT_EQ(chain.finish(3), 15);
}

const Type F64{Scalar::F64, {}};

struct Programs {
  Program p;
  NodeBuilder b{p, "main"};
  Expr *number(double value) { return b.constant(arrayOf<double>(F64, {value})); }
  Expr *op(OpKind kind, const Expr *x, const Expr *y) {
    Expr *e = b.expr(ExprKind::Op, F64, {x, y});
    e->op = kind;
    return e;
  }
  Expr *mul(VarId x, VarId y) { return op(OpKind::Mul, b.get(x), b.get(y)); }
  Expr *add(const Expr *x, const Expr *y) { return op(OpKind::Add, x, y); }
  Expr *grad(VarId e, VarId v) {
    VarId one = b.var("one", F64);
    b.define(one, number(1));
    return b.expr(ExprKind::Vjp, F64, {b.get(e), b.get(one), b.get(v)});
  }
  std::vector<double> run(int steps, double x) {
    for (const std::string &broken : verify(p)) ADD_FAILURE() << broken << "\n" << print(p);
    Interpreter interpreter(*p.roots[0], {});
    std::vector<double> last;
    for (int i = 0; i < steps; ++i) {
      auto result = interpreter.step({arrayOf<double>(F64, {x})});
      if (auto *error = std::get_if<Error>(&result)) {
        ADD_FAILURE() << error->message;
        return {0};
      }
      last.clear();
      for (const Array &a : std::get<std::vector<Array>>(result)) last.push_back(*a.as<double>());
    }
    return last;
  }
};

// d/dx (x * d/dy (x + y)) is 1, not 2: the tags of the two derivatives are not one.
TEST(Dual, NestedDerivativesAreNotConfused) {
  Programs m;
  VarId x = m.b.input("x", F64), g = m.b.output("g", F64), y = m.b.var("y", F64), s = m.b.var("s", F64), d = m.b.var("d", F64),
        e = m.b.var("e", F64);
  m.b.define(y, m.number(1));
  m.b.define(s, m.add(m.b.get(x), m.b.get(y)));
  m.b.define(d, m.grad(s, y));
  m.b.define(e, m.mul(x, d));
  m.b.define(g, m.grad(e, x));
  EXPECT_EQ(m.run(1, 3), (std::vector<double>{1}));
}

TEST(Dual, TheValueOfAnotherInstantIsAConstant) { // R20.3
  Programs m;
  VarId x = m.b.input("x", F64), g = m.b.output("g", F64), e = m.b.var("e", F64);
  m.b.define(e, m.op(OpKind::Mul, m.b.get(x), m.b.expr(ExprKind::Fby, F64, {m.number(7), m.b.get(x)})));
  m.b.define(g, m.grad(e, x));
  EXPECT_EQ(m.run(1, 3), (std::vector<double>{7}));
  EXPECT_EQ(m.run(2, 3), (std::vector<double>{3}));
}

TEST(Dual, AnInnerScanIsCrossed) { // sum of x^k
  Programs m;
  VarId x = m.b.input("x", F64), g = m.b.output("g", F64), l = m.b.var("l", F64);
  ScanTime &scan = m.b.scan(3);
  VarId s = m.b.var("s", F64);
  m.b.define(s, m.op(OpKind::Mul, m.b.get(x), m.b.expr(ExprKind::Fby, F64, {m.b.get(x), m.b.get(s)})));
  m.b.close();
  m.b.result(scan, ScanResult::Kind::Final, l, m.b.get(s));
  m.b.define(g, m.grad(l, x));
  EXPECT_EQ(m.run(1, 2), (std::vector<double>{4 * 8}));
}

TEST(Dual, ALongScanNeedsNoNativeStack) {
  Programs m;
  VarId x = m.b.input("x", F64), g = m.b.output("g", F64), l = m.b.var("l", F64);
  ScanTime &scan = m.b.scan(100'000);
  VarId s = m.b.var("s", F64);
  m.b.define(s, m.add(m.b.get(x), m.b.expr(ExprKind::Fby, F64, {m.number(0), m.b.get(s)})));
  m.b.close();
  m.b.result(scan, ScanResult::Kind::Final, l, m.b.get(s));
  m.b.define(g, m.grad(l, x));
  EXPECT_EQ(m.run(1, 2), (std::vector<double>{100'000}));
}

// q = q - 0.1 d/dq (q q): 0.8 q an instant; the derivative at the end needs those of all instants.
TEST(Dual, AChainOfDerivativesNeedsNoNativeStack) {
  Programs m;
  VarId x = m.b.input("x", F64), g = m.b.output("g", F64), l = m.b.var("l", F64);
  ScanTime &scan = m.b.scan(10'000);
  VarId q = m.b.var("q", F64), e = m.b.var("e", F64), d = m.b.var("d", F64), n = m.b.var("n", F64);
  m.b.define(q, m.b.expr(ExprKind::Fby, F64, {m.b.get(x), m.b.get(n)}));
  m.b.define(e, m.mul(q, q));
  m.b.define(d, m.grad(e, q));
  m.b.define(n, m.op(OpKind::Sub, m.b.get(q), m.op(OpKind::Mul, m.number(0.0001), m.b.get(d))));
  m.b.close();
  m.b.result(scan, ScanResult::Kind::Final, l, m.b.get(n));
  m.b.define(g, m.grad(l, x));
  EXPECT_NEAR(m.run(1, 2)[0], std::pow(0.9998, 10'000), 1e-9);
}

// The derivative in a scan in a called node, twice side by side: 2 x t at the instants t of each.
struct Exposed : Programs {
  std::shared_ptr<DerivativeCheck> check = std::make_shared<DerivativeCheck>();

  Exposed() {
    NodeBuilder inner(p, "inner");
    b.node.name = b.node.display = "main";
    std::swap(p.nodes[0], p.nodes[1]); // callees stand before callers
    p.roots = {&b.node};
    VarId x = inner.input("x", F64), y = inner.output("y", F64), one = inner.var("one", F64);
    inner.define(one, inner.constant(arrayOf<double>(F64, {1})));
    ScanTime &scan = inner.scan(3);
    VarId e = inner.var("e", F64), n = inner.var("n", F64);
    inner.define(n, inner.fby(inner.constant(arrayOf<double>(F64, {0})), inner.add(inner.get(n), inner.get(one))));
    inner.define(e, inner.mul(inner.get(n), inner.mul(inner.get(x), inner.get(x))));
    Expr *value = inner.expr(ExprKind::Vjp, F64, {inner.get(e), inner.get(one), inner.get(x)});
    inner.close();
    inner.result(scan, ScanResult::Kind::Final, y, value);
    IndexId i = b.index("i", 2);
    VarId out = b.output("out", {Scalar::F64, {2}}), in = b.input("in", {Scalar::F64, {2}});
    b.call({out}, inner.node, {b.read(b.get(in), {b.at(i)}, true)}, {i});
    check->exposed = exposeDerivatives(p);
    for (const std::string &broken : verify(p)) ADD_FAILURE() << broken << "\n" << print(p);
  }
  /// What the differentiated program would say at x = {1, 10}, but for one number.
  DerivativeReport report(double changed) {
    Options options;
    options.derivatives = check;
    Interpreter interpreter(*p.roots[0], options);
    Array x = arrayOf<double>({Scalar::F64, {2}}, {1, 10});
    std::vector<Array> taken{arrayOf<double>({Scalar::F64, {2}}, {4, 40}), arrayOf<double>({Scalar::F64, {2, 3}}, {0, 2, 4, 0, 20, 40 + changed})};
    auto result = interpreter.step({x}, &taken);
    if (auto *error = std::get_if<Error>(&result)) ADD_FAILURE() << error->message;
    else EXPECT_EQ(std::get<std::vector<Array>>(result)[0].as<double>()[1], 40 + changed); // it is only compared
    EXPECT_EQ(interpreter.derivatives().size(), 1u);
    return interpreter.derivatives().at(0);
  }
};

TEST(Dual, WhatTheDifferentiatedProgramSaysIsComparedInstantByInstant) {
  DerivativeReport right = Exposed().report(0);
  EXPECT_EQ(right.compared, 6);
  EXPECT_EQ(right.worst, 0);
}

TEST(Dual, AWrongDerivativeIsNoticed) {
  Exposed wrong;
  DerivativeReport report = wrong.report(0.5);
  EXPECT_EQ(report.compared, 6);
  EXPECT_NEAR(report.worst, 0.5 / 40.5, 1e-12);
}

// e = f64(f32(x)) y: the derivative by x is as exact as f32, that by y as f64.
TEST(Dual, TheCoarsestTypeOnTheWayIsThatOfADerivative) { // R20.8
  Programs m;
  VarId x = m.b.input("x", F64), y = m.b.input("y", F64), gx = m.b.output("gx", F64), gy = m.b.output("gy", F64), e = m.b.var("e", F64);
  auto convert = [&](Scalar to, const Expr *operand) {
    Expr *c = m.b.expr(ExprKind::Op, {to, {}}, {operand});
    c->op = OpKind::Convert;
    return c;
  };
  m.b.define(e, m.op(OpKind::Mul, convert(Scalar::F64, convert(Scalar::F32, m.b.get(x))), m.b.get(y)));
  Expr *first = m.grad(e, x), *second = m.grad(e, y);
  first->span = {0, 1, 1}; // reports are by place
  second->span = {0, 2, 2};
  m.b.define(gx, first);
  m.b.define(gy, second);
  auto check = std::make_shared<DerivativeCheck>();
  check->exposed = exposeDerivatives(m.p);
  Options options;
  options.derivatives = check;
  Interpreter interpreter(*m.p.roots[0], options);
  Array two = arrayOf<double>(F64, {2}), three = arrayOf<double>(F64, {3});
  std::vector<Array> taken{three, two};
  for (size_t i = 2; i < m.p.roots[0]->outputs.size(); ++i) taken.push_back(i == 2 ? three : two);
  auto result = interpreter.step({two, three}, &taken);
  if (auto *error = std::get_if<Error>(&result)) FAIL() << error->message;
  std::vector<DerivativeReport> reports = interpreter.derivatives();
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_EQ(reports[0].scalar, Scalar::F32);
  EXPECT_EQ(reports[1].scalar, Scalar::F64);
}

} // namespace
} // namespace mlr::eval
