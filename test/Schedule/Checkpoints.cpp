// Sweeps with checkpoints compute what the equations define, with the fewest instants executed again.
#include "mlr/Schedule/Checkpoint.h"
#include "test/Schedule/Generate.h"

namespace mlr::schedule::test {

/// The optimum by its recurrence: `slots` checkpoints, the state before the first of `length` instants in one of them.
static int64_t optimum(int64_t length, int64_t slots, std::map<std::pair<int64_t, int64_t>, int64_t> &known) {
  if (length <= 1) return 0;
  if (slots == 1) return length * (length - 1) / 2;
  auto it = known.find({length, slots});
  if (it != known.end()) return it->second;
  int64_t least = INT64_MAX;
  for (int64_t m = 1; m < length; ++m)
    least = std::min(least, m + optimum(length - m, slots - 1, known) + optimum(m, slots, known));
  return known[{length, slots}] = least;
}

TEST(Checkpoints, FormulaIsTheOptimum) {
  std::map<std::pair<int64_t, int64_t>, int64_t> known;
  for (int64_t length = 1; length <= 60; ++length)
    for (int64_t slots = 1; slots <= 9; ++slots)
      ASSERT_EQ(binomialAdvances(length, slots), optimum(length, slots, known)) << length << " " << slots;
  EXPECT_EQ(binomialAdvances(1 << 30, 1), (int64_t(1) << 29) * ((1 << 30) - 1));
  EXPECT_EQ(binomialAdvances(10000, 10000), 9999);
}

/// Up then down, or down then up; `a` is not cheap, so it crosses.
static std::string twoSweeps(int length, bool up) {
  std::string forward = up ? "mlr.fby %one, %a : i32" : "mlr.eby %a, %one : i32";
  std::string back = up ? "mlr.eby %b, %one : i32" : "mlr.fby %one, %b : i32";
  return fmt::format(R"(
    mlr.node @f(%x: tensor<{0}xi32>) -> (y: tensor<{0}xi32>) {{
      %one = mlr.const 1 : i32
      %y = mlr.scan %t < {0} {{
        %i = mlr.convert %t : i32 to index
        %e = mlr.read %x[affine_map<(d0) -> (d0)>](%i) : tensor<{0}xi32> -> i32
        %p = {1}
        %m = mlr.mul %p, %e : i32
        %a = mlr.add %m, %t : i32
        %n = {2}
        %k = mlr.mul %n, %a : i32
        %b = mlr.add %k, %p : i32
        %s = mlr.stack %b : i32 -> tensor<{0}xi32>
        mlr.yield %s : tensor<{0}xi32>
      }} : tensor<{0}xi32>
      mlr.yield %y : tensor<{0}xi32>
    }})",
                     length, forward, back);
}

static Data numbers(int64_t n) {
  Data data;
  for (int64_t i = 0; i < n; ++i) data.push_back((i * 7919 + 13) % 101 - 50);
  return data;
}

TEST(Checkpoints, ExecuteTheFewestInstantsAgain) {
  for (bool up : {true, false})
    for (int length : {2, 3, 5, 8, 21, 40})
      for (int64_t slots : {1, 2, 3, 4, 7, 40}) {
        Ir ir(twoSweeps(length, up));
        ASSERT_TRUE(ir.module);
        std::vector<Step> inputs{{numbers(length)}};
        auto expected = evaluateLazily(ir.node(), inputs);
        ASSERT_TRUE(expected && ir.schedule());
        auto crossings = findCrossings(ir.node());
        ASSERT_EQ(crossings.size(), 1u) << ir.print();
        int64_t again = 0;
        checkpoint(crossings, Slots{slots, 1});
        ASSERT_TRUE(succeeded(mlir::verify(*ir.module)) && succeeded(validate(ir.node()))) << ir.print();
        EXPECT_EQ(execute(ir.node(), inputs, &again), *expected) << ir.print();
        EXPECT_EQ(again, recomputedInstants(length, {slots, 1})) << length << " instants, " << slots << " checkpoints";
        EXPECT_EQ(again, binomialAdvances(length, slots) + 1);
        EXPECT_TRUE(findCrossings(ir.node()).empty());
      }
}

TEST(Checkpoints, AdvanceTheFewestBlocks) {
  for (bool up : {true, false})
    for (int length : {2, 5, 8, 21, 40})
      for (int64_t slots : {1, 2, 3, 7})
        for (int64_t block : {2, 3, 4, 9, 40}) {
          Ir ir(twoSweeps(length, up));
          std::vector<Step> inputs{{numbers(length)}};
          auto expected = evaluateLazily(ir.node(), inputs);
          ASSERT_TRUE(expected && ir.schedule());
          int64_t again = 0;
          checkpoint(findCrossings(ir.node()), Slots{slots, block});
          ASSERT_TRUE(succeeded(mlir::verify(*ir.module)) && succeeded(validate(ir.node()))) << ir.print();
          ASSERT_EQ(execute(ir.node(), inputs, &again), *expected) << length << " " << block << ir.print();
          EXPECT_EQ(again, recomputedInstants(length, {slots, block})) << length << " " << slots << " " << block;
        }
}

TEST(Checkpoints, OfRandomNodesComputeWhatTheirEquationsDefine) {
  int seeds = getenv("MLR_SEEDS") ? atoi(getenv("MLR_SEEDS")) : 150, rewritten = 0;
  for (int seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed)
    for (int size : {12, 30, 80}) {
      Program program = generate(seed, size);
      if (program.both) continue; // may have no sweeps
      Ir ir(program.text);
      auto expected = evaluateLazily(ir.node(), program.inputs);
      ASSERT_TRUE(ir.schedule());
      auto crossings = findCrossings(ir.node());
      if (crossings.empty()) continue;
      std::vector<Slots> slots;
      for (size_t i = 0; i < crossings.size(); ++i) slots.push_back({int64_t(1 + (seed + i) % 3), int64_t(1 + seed % 4)});
      std::string before = ir.print();
      checkpoint(crossings, slots);
      ASSERT_TRUE(succeeded(mlir::verify(*ir.module)) && succeeded(validate(ir.node()))) << before << ir.print();
      ASSERT_EQ(execute(ir.node(), program.inputs), *expected) << "seed " << seed << " size " << size << before << ir.print();
      ++rewritten;
    }
  EXPECT_GT(rewritten, 0);
}

} // namespace mlr::schedule::test
