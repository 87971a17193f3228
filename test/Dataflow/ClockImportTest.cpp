// Import of clocks: programs built by hand against the reference interpreter, after the import and after each
// pass.
#include "Machine.h"

#include "../ProgramBuilder.h"
#include "mlr/Eval/Interpreter.h"

#include "mlir/IR/Verifier.h"
#include <gtest/gtest.h>
#include <random>

namespace mlr::test {
namespace {

Array randomInput(const Type &type, std::mt19937 &random) {
  Array a(type);
  std::byte *bytes = a.mutate();
  for (int64_t i = 0; i < type.elements(); ++i) {
    if (type.scalar == Scalar::Bool) bytes[i] = static_cast<std::byte>(random() % 2);
    if (type.scalar == Scalar::I32)
      reinterpret_cast<int32_t *>(bytes)[i] = static_cast<int32_t>(random() % 3);
    if (type.scalar == Scalar::F32)
      reinterpret_cast<float *>(bytes)[i] = static_cast<float>(random() % 64) / 8;
  }
  return a;
}

Bytes bytesOf(const Array &a) {
  const char *data = reinterpret_cast<const char *>(a.data());
  return Bytes(data, data + a.bytes());
}

/// Outputs of the node, the presence flags between them, against the interpreter's; absent values are not
/// compared.
void compareNode(const NodeInstance &node, mlir::ModuleOp module, const char *stage) {
  auto op = mlir::SymbolTable(module).lookup<dataflow::NodeOp>(node.name);
  eval::Interpreter reference(node, {});
  Machine machine(op);
  std::mt19937 random(5);
  for (int n = 0; n < 24; ++n) {
    std::vector<Array> inputs;
    std::vector<Bytes> bytes;
    for (VarId v : node.inputs) {
      inputs.push_back(randomInput(node.vars[v].type, random));
      bytes.push_back(bytesOf(inputs.back()));
    }
    auto expected = reference.step(inputs);
    ASSERT_TRUE(std::holds_alternative<std::vector<Array>>(expected))
        << std::get<eval::Error>(expected).message;
    auto actual = machine.step(bytes);
    size_t result = 0;
    for (size_t k = 0; k < node.outputs.size(); ++k) {
      std::string where =
          node.vars[node.outputs[k]].name + " after " + stage + ", instant " + std::to_string(n);
      size_t place = result++;
      bool hasFlag = op.getPresence() && result < actual.size() &&
                     (*op.getPresence())[result] == static_cast<int64_t>(place);
      if (hasFlag) EXPECT_EQ(actual[result++][0], reference.present()[k]) << where;
      if (reference.present()[k]) EXPECT_EQ(actual[place], bytesOf(std::get<0>(expected)[k])) << where;
    }
    if (testing::Test::HasFailure()) return;
  }
}

void compare(const Program &program) {
  for (const std::string &broken : verify(program)) ADD_FAILURE() << broken;
  mlir::MLIRContext context;
  SourceMap sources;
  sources.add("test.mlr", std::string(10000, '\n'));
  sources.add("test2.mlr", std::string(10000, '\n'));
  auto module = dataflow::importProgram(program, sources, context);
  ASSERT_TRUE(module);
  ASSERT_TRUE(mlir::succeeded(mlir::verify(*module)));
  const NodeInstance &node = *program.roots[0];
  compareNode(node, *module, "import");
  ASSERT_TRUE(mlir::succeeded(dataflow::inlineCalls(*module)));
  compareNode(node, *module, "inlineCalls");
  ASSERT_TRUE(mlir::succeeded(dataflow::normalizeTime(*module)));
  ASSERT_TRUE(mlir::succeeded(mlir::verify(*module)));
  compareNode(node, *module, "normalizeTime");
  ASSERT_TRUE(mlir::succeeded(dataflow::simplify(*module)));
  ASSERT_TRUE(mlir::succeeded(dataflow::verifyNormalized(*module)));
  compareNode(node, *module, "simplify");
  ASSERT_TRUE(mlir::succeeded(dataflow::guardWork(*module)));
  ASSERT_TRUE(mlir::succeeded(dataflow::verifyNormalized(*module)));
  compareNode(node, *module, "guardWork");
  if (testing::Test::HasFailure()) module->dump();
}

/// n = from, from + 1, .. in the region at hand.
VarId counter(NodeBuilder &b, std::string name, float from = 1, Var::Kind kind = Var::Kind::Local) {
  VarId n = kind == Var::Kind::Output ? b.output(std::move(name), F32) : b.var(std::move(name), F32);
  b.define(n, b.fby(b.c(from), b.add(b.get(n), b.c(1))));
  return n;
}

TEST(ClockImport, ArmsMergeAndHold) {
  Program p;
  NodeBuilder b(p, "m");
  VarId c = b.input("c", BOOL), x = b.input("x", F32);
  VarId y = b.output("y", F32), h = b.output("h", F32), g = b.output("g", F32);
  b.when(c, 1);
  VarId up = counter(b, "up");
  VarId s = b.output("s", F32);
  b.define(s, b.add(b.arrow(b.get(x), b.pre(b.get(s))), b.get(x)));
  VarId w = b.output("w", f32s({3}));
  b.define(w, b.window(3, b.get(x), b.get(x)));
  b.close();
  b.when(c, 0);
  VarId down = counter(b, "down", 100);
  b.close();
  b.define(y, b.merge(c, {b.get(down), b.get(up)}));
  b.define(h, b.hold(up, b.c(-1)));
  b.define(g, b.hold(s, b.get(x)));
  compare(p);
}

TEST(ClockImport, EnumsAndNestedClocks) {
  Program p;
  NodeBuilder b(p, "m");
  VarId m = b.input("m", I32), c = b.input("c", BOOL), x = b.input("x", F32), y = b.output("y", F32);
  VarId a[3];
  for (int k = 0; k < 3; ++k) {
    b.when(m, k);
    a[k] = counter(b, "a" + std::to_string(k), static_cast<float>(10 * k));
    if (k == 1) {
      VarId inner = b.var("inner", BOOL);
      b.define(inner, b.get(c));
      b.when(inner);
      VarId z = b.output("z", F32);
      b.define(z, b.fby(b.get(x), b.add(b.get(z), b.get(x))));
      b.close();
      VarId h = b.output("h", F32);
      b.define(h, b.hold(z, b.c(7)));
    }
    b.close();
  }
  b.define(y, b.merge(m, {b.get(a[0]), b.get(a[1]), b.get(a[2])}));
  compare(p);
}

TEST(ClockImport, PeriodsWithinPeriodsAndResets) {
  Program p;
  NodeBuilder b(p, "m");
  VarId r = b.input("r", BOOL), c = b.input("c", BOOL), x = b.input("x", F32);
  b.every(3, 1);
  counter(b, "a", 1, Var::Kind::Output);
  b.every(2, 0);
  VarId d = counter(b, "d", 5, Var::Kind::Output);
  b.close();
  VarId dh = b.output("dh", F32);
  b.define(dh, b.hold(d, b.c(0)));
  b.close();
  VarId rr = b.var("rr", BOOL), q = b.var("q", BOOL);
  b.define(rr, b.op(OpKind::And, {b.get(r), b.fby(b.constant(boolean(false)), b.get(c))}));
  b.define(q, b.op(OpKind::And, {b.get(rr), b.get(c)}));
  b.resetEvery(rr);
  VarId n = counter(b, "n", 1, Var::Kind::Output);
  b.every(2, 1);
  VarId e = b.var("e", F32);
  b.define(e, b.fby(b.get(x), b.add(b.get(e), b.c(2))));
  b.close();
  VarId eh = b.output("eh", F32);
  b.define(eh, b.hold(e, b.get(n)));
  b.when(c);
  VarId f = b.var("f", F32);
  b.define(f, b.arrow(b.get(x), b.add(b.pre(b.get(f)), b.c(1))));
  VarId w = b.var("w", f32s({3})), ws = b.var("ws", F32);
  b.define(w, b.window(3, b.get(n), b.c(-4)));
  b.define(ws, b.reduceAll(ReduceKind::Sum, b.get(w)));
  b.resetEvery(q);
  VarId g = counter(b, "g", 50);
  b.close();
  b.close();
  VarId fh = b.output("fh", F32), gh = b.output("gh", F32), wh = b.output("wh", F32),
        v = b.output("v", f32s({4}));
  b.define(fh, b.hold(f, b.c(0)));
  b.define(gh, b.hold(g, b.c(0)));
  b.define(wh, b.hold(ws, b.c(0)));
  b.define(v, b.window(4, b.get(n), b.get(x)));
  b.close();
  compare(p);
}

TEST(ClockImport, BothDirectionsOnClocksInScans) {
  Program p;
  NodeBuilder b(p, "m");
  VarId x = b.input("x", f32s({7})), cs = b.input("cs", {Scalar::Bool, {7}}),
        rs = b.input("rs", {Scalar::Bool, {7}});
  VarId y = b.output("y", f32s({7})), z = b.output("z", f32s({7})), k = b.output("k", f32s({7}));
  ScanTime &scan = b.scan(7);
  VarId c = b.var("c", BOOL), r = b.var("r", BOOL), v = b.var("v", F32);
  b.define(c, b.read(b.get(cs), {b.get(scan.index)}, true));
  b.define(r, b.read(b.get(rs), {b.get(scan.index)}, true));
  b.define(v, b.read(b.get(x), {b.get(scan.index)}, true));
  b.resetEvery(r);
  b.when(c);
  VarId f = b.var("f", F32), e = b.var("e", F32), d = b.var("d", F32);
  b.define(f, b.add(b.get(v), b.fby(b.c(0), b.get(f))));
  b.define(e, b.add(b.get(v), b.eby(b.get(e), b.c(1))));
  b.define(d, b.eby(b.get(f), b.get(v)));
  b.close();
  VarId fh = b.var("fh", F32), eh = b.var("eh", F32), u = b.var("u", F32);
  b.define(fh, b.hold(f, b.c(0)));
  b.define(eh, b.add(b.hold(e, b.c(-3)), b.hold(d, b.c(-5))));
  b.define(u, b.add(b.get(v), b.eby(b.get(u), b.get(v))));
  b.close();
  b.every(3, 2);
  VarId t = counter(b, "t3");
  b.close();
  VarId th = b.var("th", F32);
  b.define(th, b.add(b.hold(t, b.c(0)), b.get(u)));
  b.close();
  b.result(scan, ScanResult::Kind::Stack, y, b.get(fh));
  b.result(scan, ScanResult::Kind::Stack, z, b.get(eh));
  b.result(scan, ScanResult::Kind::Stack, k, b.get(th));
  compare(p);
}

TEST(ClockImport, ScansThatResumeOnClocksAndInSegments) {
  Program p;
  NodeBuilder b(p, "m");
  VarId c = b.input("c", BOOL), r = b.input("r", BOOL), x = b.input("x", f32s({3}));
  b.resetEvery(r);
  b.when(c);
  VarId y = b.output("y", f32s({3}));
  ScanTime &scan = b.scan(3, /*resume=*/true);
  VarId v = b.var("v", F32), s = b.var("s", F32), even = b.var("even", BOOL);
  b.define(v, b.read(b.get(x), {b.get(scan.index)}, true));
  b.define(s, b.add(b.get(v), b.fby(b.c(100), b.get(s))));
  b.define(even, b.op(OpKind::Gt, {b.get(v), b.c(4)}));
  b.when(even);
  VarId n = counter(b, "n");
  b.close();
  VarId h = b.var("h", F32), first = b.var("first", F32);
  b.define(h, b.add(b.get(s), b.hold(n, b.c(0))));
  b.define(first, b.add(b.get(h), b.arrow(b.c(1000), b.c(0))));
  b.close();
  b.result(scan, ScanResult::Kind::Stack, y, b.get(first));
  b.close();
  b.close();
  compare(p);
}

TEST(ClockImport, InstancesOnClocks) {
  Program p;
  NodeBuilder cell(p, "cell");
  VarId x = cell.input("x", F32), c = cell.input("c", BOOL);
  VarId s = cell.output("s", F32), h = cell.output("h", F32);
  cell.define(s, cell.add(cell.get(x), cell.fby(cell.c(0), cell.get(s))));
  cell.when(c);
  cell.every(2, 1);
  VarId n = counter(cell, "n");
  cell.close();
  VarId slow = cell.var("slow", F32);
  cell.define(slow, cell.hold(n, cell.c(-1)));
  cell.close();
  cell.define(h, cell.hold(slow, cell.get(x)));
  NodeBuilder b(p, "m");
  VarId d = b.input("d", BOOL), r = b.input("r", BOOL), y = b.input("y", F32), e = b.input("e", BOOL);
  b.resetEvery(r);
  b.when(d);
  VarId out = b.output("out", F32), held = b.output("held", F32);
  b.call({out, held}, cell.node, {b.get(y), b.get(e)});
  b.close();
  b.close();
  compare(p);
}

TEST(ClockImport, ArmsOfEachElementWithStateInScans) {
  // fun f(x: f32[5]) -> (y: f32[5]) { scan t < 5 { c = x[t] > 4; when c { n = 1 fby n + 1; e = n + (e eby
  // x[t]) } ... } } y = [f(x[i]) for i < 3]
  Program p;
  NodeBuilder f(p, "f", true);
  VarId x = f.input("x", f32s({5})), y = f.output("y", f32s({5}));
  ScanTime &scan = f.scan(5);
  VarId v = f.var("v", F32), c = f.var("c", BOOL), r = f.var("r", BOOL);
  f.define(v, f.read(f.get(x), {f.get(scan.index)}, true));
  f.define(c, f.op(OpKind::Gt, {f.get(v), f.c(3)}));
  f.define(r, f.op(OpKind::Lt, {f.get(v), f.c(1)}));
  f.resetEvery(r);
  f.when(c);
  VarId n = counter(f, "n"), e = f.var("e", F32);
  f.define(e, f.add(f.get(n), f.eby(f.get(e), f.get(v))));
  VarId first = f.var("first", F32), w = f.var("w", f32s({2})), ws = f.var("ws", F32);
  f.define(first, f.arrow(f.c(50), f.c(0)));
  f.define(w, f.window(2, f.get(n), f.c(0.5)));
  f.define(ws, f.reduceAll(ReduceKind::Sum, f.get(w)));
  f.every(2, 1);
  VarId q = counter(f, "q");
  f.close();
  VarId qh = f.var("qh", F32);
  f.define(qh, f.hold(q, f.c(0)));
  f.close();
  f.when(c, 0);
  VarId z = counter(f, "z", -5);
  f.close();
  VarId m = f.var("m", F32);
  f.define(m, f.add(f.merge(c, {f.get(z), f.get(e)}),
                    f.add(f.hold(first, f.c(0)), f.add(f.hold(qh, f.c(9)), f.hold(ws, f.c(0))))));
  f.close();
  f.close();
  f.result(scan, ScanResult::Kind::Stack, y, f.get(m));
  NodeBuilder b(p, "m");
  VarId in = b.input("in", f32s({3, 5})), out = b.output("out", f32s({3, 5}));
  IndexId i = b.index("i", 3);
  Expr *row = b.expr(ExprKind::Read, f32s({5}), {b.get(in)});
  ReadIndex at, all;
  at.at = b.at(i), at.inBounds = true;
  all.kind = ReadIndex::Kind::Range, all.count = 5;
  row->reads = {at, all};
  b.define(out, b.build({i}, b.callFun(f.node, {row})));
  compare(p);
}

} // namespace
} // namespace mlr::test
