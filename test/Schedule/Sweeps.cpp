// The search for sweeps and the choice of what to store, against exhaustive search on small random problems.
#include "mlr/Schedule/Sweeps.h"
#include "mlr/Schedule/Placement.h"
#include "mlr/Schedule/Storage.h"

#include <gtest/gtest.h>
#include <random>

using mlr::dataflow::Direction;

namespace mlr::schedule::test {

namespace {

SweepProblem randomProblem(std::mt19937 &random, int items, int scans) {
  SweepProblem p;
  p.scans = scans;
  auto below = [&](int n) { return int(random() % n); };
  for (int i = 0; i < items; ++i) {
    SweepProblem::Item item{
        scans > 1 && below(4) == 0 ? -1 : below(scans), below(4) == 0, mayRunUp | mayRunDown, {}};
    if (item.scan < 0) item.cheap = false;
    else if (!item.cheap && below(3)) item.directions = below(2) ? mayRunUp : mayRunDown;
    for (int u = 0; u < i; ++u) {
      if (below(2)) continue;
      static const Access kinds[] = {Access::Same,  Access::Same,    Access::Fby,  Access::Eby,
                                     Access::Final, Access::Initial, Access::Whole};
      item.preds.push_back({u, kinds[below(7)]});
      bool isStream = p.items[u].scan == item.scan && item.scan >= 0 && !p.items[u].cheap;
      if (isStream && !item.cheap && below(8) == 0) // as Graph makes them: no window is cheap, nor what it reads
        item.preds.back().access = Access::Window;
    }
    p.items.push_back(item);
  }
  return p;
}

/// Whether item v can be executed in sweep `now` when items that are not cheap run in the sweeps `at`.
bool runs(const SweepProblem &p, const std::vector<Sweep> &sweeps, const std::vector<int> &at, int v,
          int now);

/// The sweep after which v is known.
int knownAfter(const SweepProblem &p, const std::vector<int> &at, int v) {
  const auto &item = p.items[v];
  if (item.scan >= 0 && !item.cheap) return at[v];
  int latest = 0;
  for (const auto &q : item.preds) latest = std::max(latest, knownAfter(p, at, q.item));
  return latest;
}

bool runs(const SweepProblem &p, const std::vector<Sweep> &sweeps, const std::vector<int> &at, int v,
          int now) {
  const auto &item = p.items[v];
  if (sweeps[now - 1].scan != item.scan) return false;
  for (const auto &q : item.preds) {
    const auto &source = p.items[q.item];
    int known = knownAfter(p, at, q.item);
    if (known < now) continue;
    if (known > now || source.scan != item.scan || !sameSweep(q.access, sweeps[now - 1].direction))
      return false;
    if (source.cheap && !runs(p, sweeps, at, q.item, now)) return false;
  }
  return true;
}

bool valid(const SweepProblem &p, const std::vector<Sweep> &sweeps, const std::vector<int> &at) {
  for (size_t v = 0; v < p.items.size(); ++v) {
    const auto &item = p.items[v];
    if (item.scan < 0 || item.cheap) continue;
    if (!(item.directions & bit(sweeps[at[v] - 1].direction)) || !runs(p, sweeps, at, v, at[v])) return false;
  }
  return true;
}

/// Whether a plan says of each item after which sweep it is known, and of which cheap ones they are executed in that sweep.
bool describes(const SweepProblem &p, const SweepPlan &plan) {
  for (size_t v = 0; v < p.items.size(); ++v) {
    const auto &item = p.items[v];
    if (plan.at[v] != knownAfter(p, plan.at, v)) return false;
    if (item.cheap && plan.inSweep[v] != (plan.at[v] > 0 && runs(p, plan.sweeps, plan.at, v, plan.at[v]))) return false;
  }
  return true;
}

/// Tries every sequence of n sweeps with every assignment.
bool feasible(const SweepProblem &p, int n) {
  std::vector<int> waiting;
  for (size_t v = 0; v < p.items.size(); ++v)
    if (p.items[v].scan >= 0 && !p.items[v].cheap) waiting.push_back(v);
  if (n == 0) return waiting.empty();
  int kinds = 2 * p.scans;
  int64_t sequences = 1, assignments = 1;
  for (int i = 0; i < n; ++i) sequences *= kinds;
  for (size_t i = 0; i < waiting.size(); ++i) assignments *= n;
  for (int64_t s = 0; s < sequences; ++s) {
    std::vector<Sweep> sweeps;
    for (int64_t i = 0, rest = s; i < n; ++i, rest /= kinds)
      sweeps.push_back({int(rest % kinds) / 2, rest % 2 ? Direction::Down : Direction::Up});
    for (int64_t a = 0; a < assignments; ++a) {
      std::vector<int> at(p.items.size());
      int64_t rest = a;
      for (int v : waiting) at[v] = 1 + rest % n, rest /= n;
      if (valid(p, sweeps, at)) return true;
    }
  }
  return false;
}

} // namespace

TEST(Sweeps, NumberIsMinimalOnSmallGraphs) {
  std::mt19937 random(7);
  int deep = 0;
  for (int round = 0; round < 3000; ++round) {
    SweepProblem p = randomProblem(random, 3 + round % 5, 1);
    auto plan = planSweeps(p);
    ASSERT_TRUE(plan);
    EXPECT_TRUE(valid(p, plan->sweeps, plan->at));
    EXPECT_TRUE(describes(p, *plan)) << "round " << round;
    if (!plan->sweeps.empty() && plan->sweeps.size() <= 5)
      EXPECT_FALSE(feasible(p, plan->sweeps.size() - 1)) << "round " << round;
    deep += plan->sweeps.size() > 3;
  }
  EXPECT_GT(deep, 100);
}

TEST(Sweeps, NumberIsMinimalForScansThatDependOnOneAnother) {
  std::mt19937 random(11);
  for (int round = 0; round < 200; ++round) {
    SweepProblem p = randomProblem(random, 2 + round % 5, 2);
    auto plan = planSweeps(p);
    ASSERT_TRUE(plan);
    EXPECT_TRUE(valid(p, plan->sweeps, plan->at));
    EXPECT_TRUE(describes(p, *plan)) << "round " << round;
    if (!plan->sweeps.empty() && plan->sweeps.size() <= 4)
      EXPECT_FALSE(feasible(p, plan->sweeps.size() - 1)) << "round " << round;
  }
}

TEST(Sweeps, PlacingLateKeepsThePlanValid) {
  std::mt19937 random(13);
  for (int round = 0; round < 2000; ++round) {
    SweepProblem p = randomProblem(random, 3 + round % 12, 1 + round % 2);
    auto plan = planSweeps(p);
    ASSERT_TRUE(plan);
    std::vector<int64_t> bytes;
    for (size_t i = 0; i < p.items.size(); ++i) bytes.push_back(1 + random() % 8);
    placeLate(p, bytes, *plan);
    EXPECT_TRUE(valid(p, plan->sweeps, plan->at)) << "round " << round;
    EXPECT_TRUE(describes(p, *plan)) << "round " << round;
  }
}

// Forward, backward, forward, ...: alternation is already the least.
TEST(Sweeps, ChainOfAlternatingRecurrencesTakesOneEach) {
  SweepProblem p;
  p.scans = 1;
  for (int i = 0; i < 12; ++i) {
    SweepProblem::Item item{0, false, i % 2 ? mayRunDown : mayRunUp, {}};
    if (i) item.preds.push_back({i - 1, Access::Same});
    p.items.push_back(item);
  }
  auto plan = planSweeps(p);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->sweeps.size(), 12u);
}

TEST(Storage, CutStoresAsLittleAsTheBestSubset) {
  std::mt19937 random(5);
  for (int round = 0; round < 6; ++round) {
    StorageProblem p;
    int anchors = 6, choices = 16;
    for (int i = 0; i < anchors; ++i) p.values.push_back({1, false, true, 1 + int64_t(random() % 8), {}});
    for (int i = 0; i < choices; ++i) {
      StorageProblem::Value v{1, true, true, 1 + int64_t(random() % 8), {}};
      for (int k = 0; k < 2; ++k) v.operands.push_back(random() % p.values.size());
      p.values.push_back(v);
    }
    for (int i = 0; i < 4; ++i) p.needs.push_back({int(p.values.size()) - 1 - i, 2});
    std::vector<bool> chosen = chooseStored(p);
    int64_t bytes = closeStored(p, chosen), least = INT64_MAX;
    for (uint32_t subset = 0; subset < 1u << choices; ++subset) {
      std::vector<bool> stored(p.values.size());
      for (int i = 0; i < choices; ++i) stored[anchors + i] = subset >> i & 1;
      least = std::min(least, closeStored(p, stored));
    }
    EXPECT_EQ(bytes, least) << "round " << round;
  }
}

// Two inputs of a sum cost more than the sum.
TEST(Storage, PrefersTheSumToItsOperands) {
  StorageProblem p;
  p.values = {{1, false, true, 4, {}}, {1, false, true, 4, {}}, {1, true, true, 4, {0, 1}}};
  p.needs = {{2, 2}};
  EXPECT_EQ(chooseStored(p), (std::vector<bool>{false, false, true}));
}

// Once both operands are there anyway, the sum is not worth its bytes.
TEST(Storage, RecomputesWhatStoredValuesGive) {
  StorageProblem p;
  p.values = {{1, false, true, 4, {}}, {1, false, true, 4, {}}, {1, true, true, 4, {0, 1}}};
  p.needs = {{2, 2}, {0, 2}, {1, 2}};
  EXPECT_EQ(chooseStored(p), (std::vector<bool>{true, true, false}));
}

} // namespace mlr::schedule::test
