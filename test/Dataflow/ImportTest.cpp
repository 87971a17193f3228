// What no source can say yet: programs built by hand.
#include "Machine.h"

#include "../ProgramBuilder.h"

#include "mlir/IR/Verifier.h"
#include <gtest/gtest.h>

namespace mlr::test {
namespace {

TEST(Import, ScanInAComprehensionRunsOnceWithRowsAsState) {
  // fun running(x: f32[4]) -> (y: f32[4]) { scan t < 4 { s = x[t] + (0.0 fby s); y[t] = s; } }
  // node main(x: f32[3, 4]) -> (y: f32[3, 4]) { y = [running(x[b]) for b < 3]; }
  Program program;
  auto add = [&](const char *name, bool isFun) {
    auto node = std::make_unique<NodeInstance>();
    node->name = node->display = name;
    node->isFun = isFun;
    program.nodes.push_back(std::move(node));
    return program.nodes.back().get();
  };
  auto expr = [](NodeInstance &n, ExprKind kind, Type type, std::vector<const Expr *> args = {}) -> Expr * {
    n.arena.emplace_back();
    Expr &e = n.arena.back();
    e.kind = kind;
    e.type = std::move(type);
    e.args = std::move(args);
    return &e;
  };
  auto var = [&](NodeInstance &n, VarId v) {
    Expr *e = expr(n, ExprKind::Var, n.vars[v].type);
    e->var = v;
    return e;
  };
  auto read = [&](NodeInstance &n, const Expr *source, const Expr *at, Type type) {
    Expr *e = expr(n, ExprKind::Read, std::move(type), {source});
    ReadIndex r;
    r.at = at;
    r.inBounds = true;
    e->reads = {r};
    while (e->reads.size() < source->type.shape.size()) {
      ReadIndex all;
      all.kind = ReadIndex::Kind::Range;
      all.count = source->type.shape[e->reads.size()];
      e->reads.push_back(all);
    }
    return e;
  };

  NodeInstance &f = *add("running", true);
  f.vars.resize(4);
  f.vars[0] = {Var::Kind::Input, "x", f32s({4}), {}, nullptr};
  f.vars[1] = {Var::Kind::Output, "y", f32s({4}), {}, nullptr};
  f.inputs = {0}, f.outputs = {1};
  Equation scanEq;
  scanEq.kind = Equation::Kind::Scan;
  scanEq.scan = std::make_unique<ScanTime>();
  ScanTime &scan = *scanEq.scan;
  scan.index = 2, scan.length = 4;
  f.vars[2] = {Var::Kind::ScanIndex, "t", I32, {}, &scan};
  f.vars[3] = {Var::Kind::Local, "s", F32, {}, &scan};
  Expr *zero = expr(f, ExprKind::Const, F32);
  zero->constant = f32(0);
  Expr *sum = expr(f, ExprKind::Op, F32,
                   {read(f, var(f, 0), var(f, 2), F32), expr(f, ExprKind::Fby, F32, {zero, var(f, 3)})});
  Equation define;
  define.targets = {3};
  define.value = sum;
  scan.body.equations.push_back(std::move(define));
  scan.results.push_back({ScanResult::Kind::Stack, 1, var(f, 3), {}});
  f.body.equations.push_back(std::move(scanEq));

  NodeInstance &m = *add("main", false);
  m.vars = {{Var::Kind::Input, "x", f32s({3, 4}), {}, nullptr},
            {Var::Kind::Output, "y", f32s({3, 4}), {}, nullptr}};
  m.inputs = {0}, m.outputs = {1};
  m.indices = {{"b", 3, {}}};
  Expr *row = read(m, var(m, 0), expr(m, ExprKind::Index, I32), f32s({4}));
  Expr *call = expr(m, ExprKind::Call, f32s({4}), {row});
  call->callee = &f;
  Expr *build = expr(m, ExprKind::Build, f32s({3, 4}), {call});
  build->indices = {0};
  Equation top;
  top.targets = {1};
  top.value = build;
  m.body.equations.push_back(std::move(top));
  program.roots = {&m};

  mlir::MLIRContext context;
  SourceMap sources;
  auto module = dataflow::importProgram(program, sources, context);
  ASSERT_TRUE(module);
  ASSERT_TRUE(mlir::succeeded(mlir::verify(*module)));
  int scans = 0;
  module->walk([&](dataflow::ScanOp op) { ++scans; });
  module->walk([&](dataflow::FbyOp op) {
    EXPECT_EQ(dataflow::shapeOf(op.getType()), llvm::ArrayRef<int64_t>({3}));
    EXPECT_EQ(op.getName().value_or(""), "running.s");
  });
  EXPECT_EQ(scans, 1);
  for (int round = 0; round < 2; ++round) {
    Machine machine(mlir::SymbolTable(*module).lookup<dataflow::NodeOp>("main"));
    std::vector<float> x(12), y(12);
    for (int i = 0; i < 12; ++i) x[i] = static_cast<float>(i + 1);
    Bytes in(48);
    std::memcpy(in.data(), x.data(), 48);
    Bytes out = machine.step({in}).at(0);
    std::memcpy(y.data(), out.data(), 48);
    for (int b = 0; b < 3; ++b)
      for (int t = 0, s = 0; t < 4; ++t) {
        s += b * 4 + t + 1;
        EXPECT_EQ(y[b * 4 + t], static_cast<float>(s));
      }
    ASSERT_TRUE(mlir::succeeded(dataflow::normalizeTime(*module)));
    ASSERT_TRUE(mlir::succeeded(dataflow::simplify(*module)));
    ASSERT_TRUE(mlir::succeeded(dataflow::verifyNormalized(*module)));
  }
}

} // namespace
} // namespace mlr::test
