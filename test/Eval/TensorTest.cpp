// Comprehensions, reductions, reads and calls of funs, on programs built by hand.
#include "mlr/Eval/Interpreter.h"
#include "test/ProgramBuilder.h"

#include <cmath>
#include <gtest/gtest.h>

namespace mlr::eval {
namespace {

using namespace mlr::test;
using Floats = std::vector<float>;

std::vector<Array> once(const Program &program, std::vector<Array> inputs = {}, Options options = {}) {
  for (const std::string &broken : verify(program)) ADD_FAILURE() << broken << "\n" << print(program);
  Interpreter interpreter(*program.roots[0], options);
  auto result = interpreter.step(inputs);
  if (auto *error = std::get_if<Error>(&result)) {
    ADD_FAILURE() << error->message << "\n" << print(program);
    return {};
  }
  return std::get<std::vector<Array>>(result);
}

Floats floats(const Array &a) { return {a.as<float>(), a.as<float>() + a.type().elements()}; }
Array vec(Shape shape, Floats values) { return arrayOf<float>(f32s(std::move(shape)), values); }

TEST(Tensors, MatrixProductIsAFusedChain) { // R8.10
  for (bool unfused : {false, true}) {
    Program p;
    NodeBuilder b(p, "matmul");
    VarId x = b.input("x", f32s({2, 3})), y = b.input("y", f32s({3, 2})), z = b.output("z", f32s({2, 2}));
    IndexId i = b.index("i", 2), j = b.index("j", 2), k = b.index("k", 3);
    Expr *product =
        b.mul(b.read(b.get(x), {b.at(i), b.at(k)}, true), b.read(b.get(y), {b.at(k), b.at(j)}, true));
    b.define(z, b.build({i, j}, b.reduce(ReduceKind::Sum, {k}, product, true)));
    Floats xs{1 + 0x1p-12f, -1, 3, 0.1f, 0.2f, 0.3f}, ys{1 + 0x1p-12f, 2, 1, 4, 0, 6};
    Floats expected;
    for (int r = 0; r < 2; ++r)
      for (int c = 0; c < 2; ++c) {
        float acc = 0;
        for (int n = 0; n < 3; ++n) {
          float u = xs[static_cast<size_t>(r * 3 + n)], v = ys[static_cast<size_t>(n * 2 + c)];
          acc = unfused ? acc + u * v : std::fma(u, v, acc);
        }
        expected.push_back(acc);
      }
    EXPECT_EQ(floats(once(p, {vec({2, 3}, xs), vec({3, 2}, ys)}, {unfused})[0]), expected);
  }
}

TEST(Tensors, WholeSumsUseSixteenPartials) { // R8.11
  constexpr int N = 100;
  Program p;
  NodeBuilder b(p, "sums");
  VarId x = b.input("x", f32s({N})), s = b.output("s", F32), q = b.output("q", F32), m = b.output("m", F32);
  b.define(s, b.reduceAll(ReduceKind::Sum, b.get(x)));
  b.define(q, b.reduceAll(ReduceKind::Sum, b.mul(b.get(x), b.get(x)), true));
  b.define(m, b.reduceAll(ReduceKind::Mean, b.get(x)));
  Floats xs;
  for (int n = 0; n < N; ++n) xs.push_back(std::sin(static_cast<float>(n)) * 1000);
  float plain[16] = {}, fused[16] = {};
  for (int n = 0; n < N; ++n) {
    float v = xs[static_cast<size_t>(n)];
    plain[n % 16] += v;
    fused[n % 16] = std::fma(v, v, fused[n % 16]);
  }
  for (int half : {8, 4, 2, 1})
    for (int n = 0; n < half; ++n) {
      plain[n] += plain[n + half];
      fused[n] += fused[n + half];
    }
  auto r = once(p, {vec({N}, xs)});
  EXPECT_EQ(floats(r[0])[0], plain[0]);
  EXPECT_EQ(floats(r[1])[0], fused[0]);
  EXPECT_EQ(floats(r[2])[0], plain[0] / N);
}

TEST(Tensors, ReductionOfTensorsIsElementWise) { // R7.2
  Program p;
  NodeBuilder b(p, "rows");
  VarId x = b.input("x", f32s({3, 2})), s = b.output("s", f32s({2})), m = b.output("m", {Scalar::I32, {2}});
  IndexId i = b.index("i", 3), j = b.index("j", 3);
  auto row = [&](IndexId index) {
    Expr *e = b.expr(ExprKind::Read, f32s({2}), {b.get(x)});
    ReadIndex at, all;
    at.at = b.at(index);
    all.kind = ReadIndex::Kind::Range;
    all.count = 2;
    e->reads = {at, all};
    return e;
  };
  b.define(s, b.reduce(ReduceKind::Sum, {i}, row(i)));
  b.define(m, b.reduce(ReduceKind::Argmax, {j}, row(j)));
  auto r = once(p, {vec({3, 2}, {1, 9, 5, 2, 3, 4})});
  EXPECT_EQ(floats(r[0]), (Floats{9, 15}));
  EXPECT_EQ(r[1].as<int32_t>()[0], 1);
  EXPECT_EQ(r[1].as<int32_t>()[1], 0);
}

TEST(Tensors, IndicesThatAreNotProvedAreClamped) { // R6.6
  Program p;
  NodeBuilder b(p, "clamp");
  VarId x = b.input("x", f32s({3})), n = b.input("n", I32), y = b.output("y", F32),
        w = b.output("w", f32s({2})), o = b.output("o", F32);
  b.define(y, b.read(b.get(x), {b.get(n)}));
  Expr *slide = b.expr(ExprKind::Read, f32s({2}), {b.get(x)});
  ReadIndex at;
  at.kind = ReadIndex::Kind::Slide;
  at.at = b.get(n);
  at.count = 2;
  slide->reads = {at};
  b.define(w, slide);
  Expr *readOr = b.expr(ExprKind::ReadOr, F32, {b.get(x), b.c(-1)});
  ReadIndex plain;
  plain.at = b.get(n);
  readOr->reads = {plain};
  b.define(o, readOr);
  auto high = once(p, {vec({3}, {1, 2, 3}), i32(7)}), low = once(p, {vec({3}, {1, 2, 3}), i32(-7)}),
       in = once(p, {vec({3}, {1, 2, 3}), i32(1)});
  EXPECT_EQ(floats(high[0])[0], 3);
  EXPECT_EQ(floats(low[0])[0], 1);
  EXPECT_EQ(floats(high[1]), (Floats{2, 3}));
  EXPECT_EQ(floats(low[1]), (Floats{1, 2}));
  EXPECT_EQ(floats(high[2])[0], -1);
  EXPECT_EQ(floats(in[2])[0], 2);
}

TEST(Tensors, BroadcastFollowsNumpy) { // R4.6
  Program p;
  NodeBuilder b(p, "outer");
  VarId x = b.input("x", f32s({2, 1})), y = b.input("y", f32s({3})), z = b.output("z", f32s({2, 3}));
  b.define(z, b.add(b.expr(ExprKind::Broadcast, f32s({2, 3}), {b.get(x)}),
                    b.expr(ExprKind::Broadcast, f32s({2, 3}), {b.get(y)})));
  EXPECT_EQ(floats(once(p, {vec({2, 1}, {10, 20}), vec({3}, {1, 2, 3})})[0]),
            (Floats{11, 12, 13, 21, 22, 23}));
}

TEST(Tensors, ConcatAndReshape) { // R5.10
  Program p;
  NodeBuilder b(p, "joined");
  VarId x = b.input("x", f32s({2})), z = b.output("z", f32s({2, 2}));
  b.define(z, b.expr(ExprKind::Reshape, f32s({2, 2}),
                     {b.expr(ExprKind::Concat, f32s({4}), {b.get(x), b.get(x)})}));
  EXPECT_EQ(floats(once(p, {vec({2}, {1, 2})})[0]), (Floats{1, 2, 1, 2}));
}

TEST(Tensors, SelectIsElementWise) { // R5.4
  Program p;
  NodeBuilder b(p, "where");
  VarId x = b.input("x", f32s({3})), y = b.output("y", f32s({3}));
  Expr *zero = b.constant(vec({3}, {0, 0, 0}));
  b.define(
      y, b.op(OpKind::Select, {b.op(OpKind::Gt, {b.get(x), zero}), b.get(x), b.op(OpKind::Neg, {b.get(x)})}));
  EXPECT_EQ(floats(once(p, {vec({3}, {-1, 2, -3})})[0]), (Floats{1, 2, 3}));
}

TEST(Tensors, FunsAreCalledWithIndexedArguments) {
  Program p;
  NodeBuilder f(p, "square_plus", true);
  VarId a = f.input("a", F32), r = f.output("r", F32), h = f.var("h", F32);
  f.define(r, f.add(f.get(h), f.c(1)));
  f.define(h, f.mul(f.get(a), f.get(a)));
  NodeBuilder k(p, "seven", true);
  VarId seven = k.output("s", F32);
  k.define(seven, k.c(7));
  NodeBuilder b(p, "apply");
  VarId x = b.input("x", f32s({3})), y = b.output("y", f32s({3}));
  IndexId i = b.index("i", 3);
  b.define(
      y, b.build({i}, b.add(b.callFun(f.node, {b.read(b.get(x), {b.at(i)}, true)}), b.callFun(k.node, {}))));
  EXPECT_EQ(floats(once(p, {vec({3}, {1, 2, 3})})[0]), (Floats{9, 12, 17}));
}

TEST(Tensors, AFunMayScan) { // R2.4
  Program p;
  NodeBuilder f(p, "total", true);
  VarId a = f.input("a", f32s({3})), r = f.output("r", F32);
  ScanTime &s = f.scan(3);
  VarId acc = f.var("acc", F32);
  f.define(acc, f.add(f.fby(f.c(0), f.get(acc)), f.read(f.get(a), {f.get(s.index)})));
  f.close();
  f.result(s, ScanResult::Kind::Final, r, f.get(acc));
  NodeBuilder b(p, "apply");
  VarId x = b.input("x", f32s({3})), y = b.output("y", f32s({2}));
  IndexId i = b.index("i", 2);
  Expr *scale = b.expr(ExprKind::Broadcast, f32s({3}), {b.expr(ExprKind::Op, F32, {b.at(i)})});
  const_cast<Expr *>(scale->args[0])->op = OpKind::Convert;
  b.define(y, b.build({i}, b.callFun(f.node, {b.mul(b.get(x), scale)})));
  EXPECT_EQ(floats(once(p, {vec({3}, {1, 2, 3})})[0]), (Floats{0, 6}));
}

TEST(Tensors, WhatDoesNotDependOnAnIndexIsStillRightInsideAComprehension) {
  Program p;
  NodeBuilder b(p, "softsum");
  VarId x = b.input("x", f32s({3})), y = b.output("y", f32s({3}));
  IndexId i = b.index("i", 3), j = b.index("j", 3);
  Expr *total = b.reduce(ReduceKind::Sum, {j}, b.read(b.get(x), {b.at(j)}));
  b.define(y, b.build({i}, b.op(OpKind::Div, {b.read(b.get(x), {b.at(i)}), total})));
  EXPECT_EQ(floats(once(p, {vec({3}, {1, 1, 2})})[0]), (Floats{0.25f, 0.25f, 0.5f}));
}

TEST(Tensors, StateUnderAnIndexIsOneAnElement) { // R7.7
  Program p;
  NodeBuilder b(p, "delays");
  VarId x = b.input("x", f32s({2})), y = b.output("y", f32s({2}));
  IndexId i = b.index("i", 2);
  b.define(y, b.build({i}, b.fby(b.c(-1), b.read(b.get(x), {b.at(i)}))));
  Interpreter interpreter(*p.roots[0], {});
  interpreter.step({vec({2}, {1, 2})});
  EXPECT_EQ(floats(std::get<std::vector<Array>>(interpreter.step({vec({2}, {3, 4})}))[0]), (Floats{1, 2}));
}

TEST(Tensors, EmptyAxes) { // R7.5
  Program p;
  NodeBuilder b(p, "empty");
  VarId x = b.input("x", f32s({0})), y = b.output("y", f32s({0, 2})), s = b.output("s", F32);
  b.define(y, b.expr(ExprKind::Reshape, f32s({0, 2}), {b.get(x)}));
  b.define(s, b.reduceAll(ReduceKind::Sum, b.get(x)));
  auto r = once(p, {vec({0}, {})});
  EXPECT_EQ(r[0].type().elements(), 0);
  EXPECT_EQ(floats(r[1])[0], 0);
}

} // namespace
} // namespace mlr::eval
