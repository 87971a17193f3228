// How much memory plans take: against exhaustive search, and against the bytes that are live at one time.
#include "Fixture.h"

#include "RandomNode.h"
#include "mlr/Store/Check.h"
#include "mlr/Store/Coalesce.h"
#include "mlr/Store/Offsets.h"

#include "mlir/IR/Diagnostics.h"

#include <chrono>
#include <numeric>
#include <random>

using namespace mlir;
using namespace mlr::dataflow;
using namespace mlr::store;
using namespace mlr::store::test;

namespace {

double median(std::vector<double> ratios) {
  std::sort(ratios.begin(), ratios.end());
  return ratios[ratios.size() / 2];
}

std::vector<TimedBlock> randomBlocks(std::mt19937 &random, int count) {
  std::vector<TimedBlock> blocks;
  for (int i = 0; i < count; ++i) {
    int64_t begin = random() % 60, bytes = 64 * (1 + random() % 16);
    blocks.push_back({bytes, 64, {{begin, begin + 1 + static_cast<int64_t>(random() % 20)}}});
    if (random() % 4 == 0) {
      int64_t again = blocks.back().times[0].second + 2 + random() % 10;
      blocks.back().times.push_back({again, again + static_cast<int64_t>(random() % 5)});
    }
  }
  return blocks;
}

void expectApart(const std::vector<TimedBlock> &blocks, const Layout &layout) {
  for (size_t a = 0; a < blocks.size(); ++a)
    for (size_t b = 0; b < a; ++b) {
      bool together = false;
      for (auto [x, y] : blocks[a].times)
        for (auto [u, v] : blocks[b].times) together |= x <= v && u <= y;
      bool overlap = layout.offsets[a] < layout.offsets[b] + blocks[b].bytes &&
                     layout.offsets[b] < layout.offsets[a] + blocks[a].bytes;
      EXPECT_FALSE(together && overlap);
    }
}

/// A node of up to ten tensors of one size at two times, all of it read by a scalar output; what it needs is
/// scratch.
std::string smallNode(unsigned seed) {
  std::mt19937 random(seed);
  std::string out;
  std::vector<std::string> outer{"%x"}, inner;
  int count = 0;
  const std::string type = "tensor<4xf32>", map = "[affine_map<(d0) -> (d0)>]";
  auto gen = [&](std::vector<std::string> &visible, const std::vector<std::string> &also) {
    std::string name = "%g" + std::to_string(count++), e = name;
    out += name + " = mlr.gen (%i) {\n" + name + "c = mlr.const 1.0 : f32\n";
    std::string sum = name + "c";
    for (unsigned reads = 1 + random() % 2, r = 0; r < reads; ++r) {
      std::vector<std::string> all = visible;
      all.insert(all.end(), also.begin(), also.end());
      std::string v = all[all.size() - 1 - random() % std::min<size_t>(4, all.size())],
                  id = name + "r" + std::to_string(r);
      if (random() % 2) out += id + " = mlr.read " + v + map + "(%i) : " + type + " -> f32\n";
      else
        out += id + " = mlr.reduce sum (%k < 4) {\n" + id + "e = mlr.read " + v + map + "(%k) : " + type +
               " -> f32\nmlr.yield " + id + "e : f32\n} : f32\n";
      out += id + "s = mlr.add " + sum + ", " + id + " : f32\n";
      sum = id + "s";
    }
    out += "mlr.yield " + sum + " : f32\n} : " + type + "\n";
    visible.push_back(name);
  };
  for (unsigned n = 1 + random() % 3; n-- > 0;) gen(outer, {});
  std::string before = std::move(out);
  out.clear();
  std::vector<std::string> slots{"%s0"};
  if (random() % 2) slots.push_back("%s1");
  inner = slots;
  for (unsigned n = 2 + random() % 2; n-- > 0;) gen(inner, {outer.back()});
  std::string body;
  for (auto &slot : slots)
    body += slot + " = mlr.fby " + outer[random() % outer.size()] + ", " +
            inner[inner.size() - 1 - random() % 2] + " : " + type + "\n";
  body += out + "%last = mlr.final " + inner.back() + " : " + type + "\nmlr.yield %last : " + type + "\n";
  out = before + "%r = mlr.scan %t < 3 sweep up {\n" + body + "} : " + type + "\n";
  outer.push_back("%r");
  for (unsigned n = 1 + random() % 2; n-- > 0;) gen(outer, {});
  out += "%y = mlr.reduce sum (%k < 4) {\n%ye = mlr.read " + outer.back() + map + "(%k) : " + type +
         " -> f32\nmlr.yield %ye : f32\n} : f32\n";
  return "mlr.node @f(%x: " + type + ") -> (y: f32) attributes {scheduled} {\n" + out +
         "mlr.yield %y : f32\n}\n";
}

/// The least number of places of 16 bytes for which some assignment of the values is valid, below `most`.
int64_t leastPlaces(NodeOp node, Plan plan, int64_t most) {
  std::vector<Value> values;
  node->walk<WalkOrder::PreOrder>([&](Operation *op) {
    for (Value v : op->getResults())
      if (isa<RankedTensorType>(v.getType()) && !isa<ScanOp, ConstOp>(op)) values.push_back(v);
  });
  auto scan = *node.getOps<ScanOp>().begin();
  Value final = bodyOf(scan).getTerminator()->getOperand(0);
  int64_t first = plan.buffers.size();
  for (int64_t i = 0; i < most; ++i) {
    Buffer b;
    b.id = plan.buffers.size();
    b.element = Float32Type::get(node.getContext());
    b.shape = {4};
    b.offset = 16 * i;
    plan.buffers.push_back(b);
  }
  ScopedDiagnosticHandler silent(node.getContext(), [](Diagnostic &) { return success(); });
  for (int64_t places = 1; places < most; ++places) {
    plan.scratchBytes = 16 * most;
    std::vector<int64_t> at(values.size(), 0);
    // Assignments in which a new place is the next number: all others are renamings.
    std::function<bool(size_t, int64_t)> search = [&](size_t i, int64_t used) {
      if (i == values.size()) {
        for (size_t v = 0; v < values.size(); ++v) plan.locations[values[v]] = {first + at[v], 0, {}};
        plan.locations[scan.getResult(0)] = plan.locations[final];
        return succeeded(checkContents(node, plan));
      }
      for (at[i] = 0; at[i] < std::min(used + 1, places); ++at[i])
        if (search(i + 1, std::max(used, at[i] + 1))) return true;
      return false;
    };
    if (search(0, 0)) return places;
  }
  return most;
}

/// Most bytes of scratch that are live at one moment of the schedule, given which values share memory.
int64_t liveScratch(NodeOp node, const Plan &plan) {
  Timeline timeline(node);
  Storage storage(node, timeline);
  Lifetimes lifetimes(node, storage, timeline);
  Coalesced coalesced(node, storage, lifetimes);
  std::vector<TimedBlock> blocks;
  for (auto &c : coalesced.classes) {
    if (c.roots.empty() || bufferOf(plan, storage.roots[c.roots.front()].value).space != Space::Scratch)
      continue;
    TimedBlock b{c.elements * elementBytes(c.element), 1, {}};
    int64_t last = -2;
    for (auto &[begin, segment] : c.segments) {
      if (segment.end > last) b.times.push_back({std::max(begin, last + 1), segment.end});
      last = std::max(last, segment.end);
    }
    blocks.push_back(b);
  }
  return liveBytes(blocks);
}

} // namespace

TEST(Quality, ScratchIsWithinFivePercentOfTheLiveBytesOfTheSchedule) {
  std::vector<double> ratios;
  for (unsigned seed = 0; seed < 300; ++seed) {
    Parsed p(RandomNode(seed, 4 + seed % 12).text());
    Plan plan = mlr::store::plan(p.node);
    if (plan.scratchBytes < 256) continue; // alignment to 64 would dominate
    ratios.push_back(double(plan.scratchBytes) / liveScratch(p.node, plan));
  }
  EXPECT_LE(median(ratios), 1.05);
  RecordProperty("mean_per_mille",
                 static_cast<int>(1000 * std::accumulate(ratios.begin(), ratios.end(), 0.0) / ratios.size()));
  RecordProperty("worst_percent", static_cast<int>(100 * *std::max_element(ratios.begin(), ratios.end())));
}

TEST(Offsets, BlocksThatLiveTogetherAreApart) {
  std::mt19937 random(1);
  for (int n = 1; n < 60; ++n) {
    auto blocks = randomBlocks(random, n);
    Layout layout = assignOffsets(blocks);
    expectApart(blocks, layout);
    EXPECT_GE(layout.bytes, liveBytes(blocks));
  }
}

TEST(Offsets, SmallSetsAreWithinFivePercentOfTheLiveBytes) {
  std::mt19937 random(2);
  std::vector<double> ratios;
  for (int n = 0; n < 200; ++n) {
    auto blocks = randomBlocks(random, 3 + n % 8);
    ratios.push_back(double(assignOffsets(blocks).bytes) / liveBytes(blocks));
  }
  EXPECT_LE(median(ratios), 1.05);
  RecordProperty("mean_percent",
                 static_cast<int>(100 * std::accumulate(ratios.begin(), ratios.end(), 0.0) / ratios.size()));
}

TEST(Offsets, LargeSetsAreWithinFivePercentOfTheLiveBytes) {
  std::mt19937 random(3);
  std::vector<double> ratios;
  for (int n = 0; n < 60; ++n) {
    auto blocks = randomBlocks(random, 20 + 3 * n);
    ratios.push_back(double(assignOffsets(blocks).bytes) / liveBytes(blocks));
  }
  EXPECT_LE(median(ratios), 1.05);
  RecordProperty("mean_percent",
                 static_cast<int>(100 * std::accumulate(ratios.begin(), ratios.end(), 0.0) / ratios.size()));
}

TEST(Offsets, ManyBlocksTakeNoQuadraticTime) {
  std::mt19937 random(4);
  std::vector<TimedBlock> chain, crowd;
  for (int64_t i = 0; i < 100000; ++i) {
    chain.push_back(
        {64 * static_cast<int64_t>(1 + random() % 9), 64, {{i, i + static_cast<int64_t>(random() % 20)}}});
    crowd.push_back({64 * static_cast<int64_t>(1 + random() % 9), 64, {{i, 100000 + i}}});
  }
  EXPECT_LE(assignOffsets(chain).bytes, 2 * liveBytes(chain));
  EXPECT_EQ(assignOffsets(crowd).bytes, liveBytes(crowd));
}

// So many live at the same time that blocks are placed in the order of their beginnings; their places are free again after their ends.
TEST(Offsets, WhatFollowsACrowdLiesInItsPlaces) {
  std::vector<TimedBlock> blocks;
  for (int64_t i = 0; i < 10000; ++i) blocks.push_back({64, 64, {{i, 10000 + i}}});
  int64_t crowd = liveBytes(blocks);
  for (int64_t i = 0; i < 1000; ++i) blocks.push_back({128, 64, {{20000 + i, 20010 + i}}});
  EXPECT_EQ(assignOffsets(blocks).bytes, crowd);
}

TEST(Quality, ScratchIsWithinFivePercentOfExhaustiveSearch) {
  std::vector<double> ratios;
  for (unsigned seed = 0; seed < 8; ++seed) {
    Parsed p(smallNode(seed));
    ASSERT_TRUE(p.node) << smallNode(seed);
    Plan plan = mlr::store::plan(p.node);
    ASSERT_TRUE(succeeded(checkContents(p.node, plan)));
    int64_t places = plan.scratchBytes / 16;
    int64_t least = leastPlaces(p.node, plan, places);
    ratios.push_back(double(places) / least);
    if (places != least && std::getenv("MLR_STORE_SHOW"))
      llvm::errs() << "seed " << seed << ": " << places << " against " << least << "\n" << smallNode(seed);
  }
  EXPECT_LE(median(ratios), 1.05);
  RecordProperty("mean_percent",
                 static_cast<int>(100 * std::accumulate(ratios.begin(), ratios.end(), 0.0) / ratios.size()));
}

TEST(Quality, ALargeNodeIsPlannedInTimeNearlyLinear) {
  // Tensors of small sizes, each read by the next few; some live to the end.
  std::string text = "mlr.node @f(%x: tensor<4xi32>) -> (y: tensor<4xi32>) attributes {scheduled} {\n";
  std::string previous = "%x", kept = "%x";
  for (int i = 0; i < 30000; ++i) {
    std::string v = "%v" + std::to_string(i);
    std::string other = i % 3 ? previous : kept;
    text += v + " = mlr.gen (%i) {\n%a = mlr.read " + previous + "[affine_map<(d0) -> (3 - d0)>](%i) : tensor<4xi32> -> i32\n" +
            "%b = mlr.read " + other + "[affine_map<(d0) -> (d0)>](%i) : tensor<4xi32> -> i32\n%c = mlr.add %a, %b : i32\n" +
            "mlr.yield %c : i32\n} : tensor<4xi32>\n";
    if (i % 100 == 0) kept = v;
    previous = v;
  }
  Parsed p(text + "mlr.yield " + previous + " : tensor<4xi32>\n}\n");
  auto start = std::chrono::steady_clock::now();
  Plan plan = mlr::store::plan(p.node);
  attach(p.node, plan);
  EXPECT_TRUE(succeeded(validate(p.node)));
  auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_LE(plan.scratchBytes, 64);
  EXPECT_LT(seconds, 20); // about half a second on an idle machine; quadratic time would be minutes
  RecordProperty("milliseconds", static_cast<int>(1000 * seconds));
}
