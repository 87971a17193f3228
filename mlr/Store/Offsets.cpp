#include "mlr/Store/Offsets.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>

namespace mlr::store {

namespace {

int64_t alignUp(int64_t offset, int64_t alignment) {
  return (offset + alignment - 1) / alignment * alignment;
}

/// Intervals that are placed, found by intersection: a segment tree over the intervals in order of their
/// beginnings that knows the latest end of those placed.
class PlacedIntervals {
public:
  explicit PlacedIntervals(const std::vector<TimedBlock> &blocks) {
    for (size_t b = 0; b < blocks.size(); ++b)
      for (auto [begin, end] : blocks[b].times) intervals.push_back({begin, end, b});
    std::sort(intervals.begin(), intervals.end(), [](auto &x, auto &y) { return x.begin < y.begin; });
    while (leaves < intervals.size()) leaves *= 2;
    latest.assign(2 * leaves, std::numeric_limits<int64_t>::min());
    ofBlock.resize(blocks.size());
    for (size_t i = 0; i < intervals.size(); ++i) ofBlock[intervals[i].block].push_back(i);
  }

  void place(size_t block) {
    for (size_t i : ofBlock[block]) {
      size_t node = leaves + i;
      latest[node] = intervals[i].end;
      while (node /= 2) latest[node] = std::max(latest[2 * node], latest[2 * node + 1]);
    }
  }

  template <typename Visit> void visitIntersecting(int64_t begin, int64_t end, Visit visit) const {
    auto after = std::upper_bound(intervals.begin(), intervals.end(), end,
                                  [](int64_t time, const Interval &i) { return time < i.begin; });
    visitNode(1, 0, leaves, after - intervals.begin(), begin, visit);
  }

private:
  struct Interval {
    int64_t begin, end;
    size_t block;
  };
  template <typename Visit>
  void visitNode(size_t node, size_t from, size_t to, size_t limit, int64_t begin, Visit visit) const {
    if (from >= limit || latest[node] < begin) return;
    if (to - from == 1) return visit(intervals[from].block);
    size_t middle = (from + to) / 2;
    visitNode(2 * node, from, middle, limit, begin, visit);
    visitNode(2 * node + 1, middle, to, limit, begin, visit);
  }

  std::vector<Interval> intervals;
  std::vector<std::vector<size_t>> ofBlock;
  std::vector<int64_t> latest;
  size_t leaves = 1;
};

/// Do the times of two blocks have a moment in common?
bool intersect(const TimedBlock &a, const TimedBlock &b) {
  auto x = a.times.begin(), y = b.times.begin();
  while (x != a.times.end() && y != b.times.end()) {
    if (x->first <= y->second && y->first <= x->second) return true;
    (x->second < y->second ? x : y)++;
  }
  return false;
}

using Taken = std::vector<std::pair<int64_t, int64_t>>;

/// The lowest aligned offset at which `bytes` fit between ranges, sorted by offset.
int64_t lowestGap(const Taken &taken, int64_t bytes, int64_t alignment) {
  int64_t offset = 0;
  for (auto [begin, end] : taken) {
    if (offset + bytes <= begin) return offset;
    offset = std::max(offset, alignUp(end, alignment));
  }
  return offset;
}

Layout placeInOrder(const std::vector<TimedBlock> &blocks, const std::vector<size_t> &order) {
  Layout layout{std::vector<int64_t>(blocks.size(), 0), 0};
  PlacedIntervals placed(blocks);
  std::vector<size_t> seenFor(blocks.size(), SIZE_MAX);
  Taken taken;
  for (size_t b : order) {
    if (blocks[b].bytes == 0) continue;
    taken.clear();
    for (auto [begin, end] : blocks[b].times)
      placed.visitIntersecting(begin, end, [&](size_t other) {
        if (std::exchange(seenFor[other], b) == b) return;
        taken.push_back({layout.offsets[other], layout.offsets[other] + blocks[other].bytes});
      });
    std::sort(taken.begin(), taken.end());
    layout.offsets[b] = lowestGap(taken, blocks[b].bytes, blocks[b].alignment);
    layout.bytes = std::max(layout.bytes, layout.offsets[b] + blocks[b].bytes);
    placed.place(b);
  }
  return layout;
}

/// Blocks in order of their first beginning, each in the smallest free range that holds it, for its whole
/// time.
Layout placeInTime(const std::vector<TimedBlock> &blocks) {
  Layout layout{std::vector<int64_t>(blocks.size(), 0), 0};
  std::vector<size_t> order;
  for (size_t b = 0; b < blocks.size(); ++b)
    if (blocks[b].bytes) order.push_back(b);
  std::stable_sort(order.begin(), order.end(), [&](size_t x, size_t y) {
    return blocks[x].times.front().first < blocks[y].times.front().first;
  });
  std::map<int64_t, int64_t> free;                            // begin -> end
  std::multimap<int64_t, std::pair<int64_t, int64_t>> ending; // last moment -> range
  auto release = [&](int64_t begin, int64_t end) {
    auto next = free.lower_bound(begin);
    if (next != free.end() && next->first == end) end = next->second, next = free.erase(next);
    if (next != free.begin() && std::prev(next)->second == begin) begin = std::prev(next)->first;
    free[begin] = end;
  };
  for (size_t b : order) {
    while (!ending.empty() && ending.begin()->first < blocks[b].times.front().first) {
      release(ending.begin()->second.first, ending.begin()->second.second);
      ending.erase(ending.begin());
    }
    auto best = free.end();
    int tries = 64;
    for (auto it = free.begin(); it != free.end() && tries--; ++it)
      if (alignUp(it->first, blocks[b].alignment) + blocks[b].bytes <= it->second &&
          (best == free.end() || it->second - it->first < best->second - best->first))
        best = it;
    int64_t begin = best == free.end() ? layout.bytes : best->first,
            end = best == free.end() ? 0 : best->second;
    int64_t offset = alignUp(begin, blocks[b].alignment), last = offset + blocks[b].bytes;
    if (best != free.end()) free.erase(best);
    else end = last;
    if (begin < offset) free[begin] = offset;
    if (last < end) free[last] = end;
    layout.offsets[b] = offset;
    layout.bytes = std::max(layout.bytes, last);
    ending.insert({blocks[b].times.back().second, {offset, last}});
  }
  return layout;
}

/// Branch and bound. An optimal layout can be pushed down until, in order of offsets, each block is at the
/// lowest place that the ones below it leave; so blocks are placed in ascending order of offset.
class ExactSearch {
public:
  ExactSearch(const std::vector<TimedBlock> &blocks, Layout best, int64_t bound)
      : blocks(blocks), best(std::move(best)), bound(bound) {
    current.offsets.assign(blocks.size(), 0);
    done.assign(blocks.size(), false);
    intersects.assign(blocks.size(), std::vector<bool>(blocks.size(), false));
    for (size_t a = 0; a < blocks.size(); ++a)
      for (size_t b = 0; b < blocks.size(); ++b) intersects[a][b] = intersect(blocks[a], blocks[b]);
  }
  Layout run() {
    search(0, 0, 0);
    return std::move(best);
  }

private:
  void search(size_t placed, int64_t floor, int64_t height) {
    if (best.bytes <= bound || steps++ > 300000) return;
    if (placed == blocks.size()) {
      best = current;
      best.bytes = height;
      return;
    }
    for (size_t b = 0; b < blocks.size(); ++b) {
      if (done[b]) continue;
      int64_t offset = 0;
      for (size_t other = 0; other < blocks.size(); ++other)
        if (done[other] && intersects[b][other])
          offset =
              std::max(offset, alignUp(current.offsets[other] + blocks[other].bytes, blocks[b].alignment));
      int64_t top = std::max(height, offset + blocks[b].bytes);
      if (offset < floor || top >= best.bytes) continue;
      done[b] = true;
      current.offsets[b] = offset;
      search(placed + 1, offset, top);
      done[b] = false;
    }
  }

  const std::vector<TimedBlock> &blocks;
  Layout best, current;
  int64_t bound, steps = 0;
  std::vector<bool> done;
  std::vector<std::vector<bool>> intersects;
};

int64_t duration(const TimedBlock &b) {
  int64_t sum = 0;
  for (auto [begin, end] : b.times) sum += end - begin + 1;
  return sum;
}

/// Pairs of intervals that intersect, at most `limit`.
int64_t intersectingPairs(const std::vector<TimedBlock> &blocks, int64_t limit) {
  std::vector<std::pair<int64_t, int>> events; // at equal times beginnings come first
  for (const TimedBlock &b : blocks)
    for (auto [begin, end] : b.times) events.push_back({2 * begin, +1}), events.push_back({2 * end + 1, -1});
  std::sort(events.begin(), events.end());
  int64_t live = 0, pairs = 0;
  for (auto [time, change] : events) {
    if (change > 0) pairs += live;
    live += change;
    if (pairs > limit) return limit;
  }
  return pairs;
}

} // namespace

int64_t lowestOffset(const std::vector<std::pair<TimedBlock, int64_t>> &placed, const TimedBlock &block,
                     int64_t alignment) {
  Taken taken;
  for (auto &[other, offset] : placed)
    if (intersect(block, other)) taken.push_back({offset, offset + other.bytes});
  std::sort(taken.begin(), taken.end());
  return lowestGap(taken, block.bytes, alignment);
}

int64_t liveBytes(const std::vector<TimedBlock> &blocks) {
  std::vector<std::pair<int64_t, int64_t>> events;
  for (const TimedBlock &b : blocks)
    for (auto [begin, end] : b.times)
      events.push_back({2 * begin, -b.bytes}), events.push_back({2 * end + 1, b.bytes});
  std::sort(events.begin(), events.end());
  int64_t live = 0, most = 0;
  for (auto [time, change] : events) most = std::max(most, live -= change);
  return most;
}

Layout assignOffsets(const std::vector<TimedBlock> &blocks) {
  constexpr int64_t mostPairs = 40'000'000;
  int64_t pairs = intersectingPairs(blocks, mostPairs);
  if (pairs >= mostPairs) return placeInTime(blocks);
  int64_t bound = liveBytes(blocks);
  std::vector<size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), 0);
  Layout best;
  best.bytes = std::numeric_limits<int64_t>::max();
  std::vector<size_t> bestOrder;
  auto attempt = [&] {
    if (best.bytes <= bound) return;
    Layout layout = placeInOrder(blocks, order);
    if (layout.bytes <= best.bytes) best = std::move(layout), bestOrder = order;
  };
  auto attemptBy = [&](auto key) {
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return key(blocks[a]) > key(blocks[b]); });
    attempt();
  };
  attemptBy([](const TimedBlock &b) { return std::pair(b.bytes, duration(b)); });
  attemptBy([](const TimedBlock &b) { return std::pair(b.bytes * duration(b), b.bytes); });
  if (blocks.size() < 10000) {
    attemptBy([](const TimedBlock &b) { return std::pair(duration(b), b.bytes); });
    attemptBy(
        [](const TimedBlock &b) { return std::pair(b.times.empty() ? 0 : -b.times.front().first, b.bytes); });
  }
  if (best.bytes > bound && blocks.size() <= 10) return ExactSearch(blocks, std::move(best), bound).run();
  // Blocks that stick out at the top are placed earlier, as long as time allows.
  uint64_t random = 1;
  for (int64_t round = std::min<int64_t>(400, 800'000 / (pairs + 1));
       round-- > 0 && best.bytes > bound + bound / 50;) {
    order = bestOrder;
    for (size_t i = 1; i < order.size(); ++i) {
      if (best.offsets[order[i]] + blocks[order[i]].bytes < best.bytes) continue;
      random = random * 6364136223846793005u + 1442695040888963407u;
      std::rotate(order.begin() + (random >> 33) % i, order.begin() + i, order.begin() + i + 1);
    }
    attempt();
  }
  return best;
}

} // namespace mlr::store
