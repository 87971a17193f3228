// Random nodes: the scheduled node, executed in order, computes what the equations define.
#include "test/Schedule/Generate.h"

namespace mlr::schedule::test {

static void check(uint64_t seed, int size) {
  Program program = generate(seed, size);
  Ir ir(program.text);
  ASSERT_TRUE(ir.module && succeeded(mlir::verify(*ir.module))) << program.text;
  auto expected = evaluateLazily(ir.node(), program.inputs);
  ASSERT_TRUE(expected) << "generated a cycle, seed " << seed << "\n" << program.text;
  if (program.both) {
    mlir::ScopedDiagnosticHandler handler(&ir.context, [&](mlir::Diagnostic &d) {
      EXPECT_NE(d.str().find("no sequence of sweeps"), std::string::npos)
          << d.str() << ", seed " << seed << "\n"
          << program.text;
    });
    if (failed(scheduleNode(ir.node()))) return;
  }
  ASSERT_TRUE(ir.schedule()) << "seed " << seed << " size " << size << "\n" << program.text << ir.print();
  EXPECT_EQ(execute(ir.node(), program.inputs), *expected) << "seed " << seed << " size " << size << "\n"
                                                           << program.text << ir.print();
}

TEST(Random, ScheduledNodeComputesWhatItsEquationsDefine) {
  int seeds = getenv("MLR_SEEDS") ? atoi(getenv("MLR_SEEDS")) : 300;
  uint64_t first = getenv("MLR_SEED") ? atoi(getenv("MLR_SEED")) : 1;
  for (uint64_t seed = first; seed < first + seeds && !testing::Test::HasFailure(); ++seed)
    for (int size : {12, 30, 80}) {
      if (testing::Test::HasFailure()) break;
      check(seed, size);
    }
}

} // namespace mlr::schedule::test
