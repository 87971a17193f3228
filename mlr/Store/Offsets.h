// Offsets of blocks with known lifetimes in one piece of memory (dynamic storage allocation, the lifetimes
// fixed).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace mlr::store {

struct TimedBlock {
  int64_t bytes = 0, alignment = 1;
  std::vector<std::pair<int64_t, int64_t>> times; ///< closed intervals, ascending
};

struct Layout {
  std::vector<int64_t> offsets;
  int64_t bytes = 0;
};

/// Blocks whose times intersect do not overlap. Greedy by size, by size times duration, by duration and by
/// start, each block at the lowest gap among those placed (Pisarchyk and Lee 2020); the best of them, then
/// improved by placing those at the top earlier, a bounded number of times; exact for up to 10 blocks. Cost
/// O(n log n + pairs that intersect); where those would be more than 4e7, one pass in order of time.
Layout assignOffsets(const std::vector<TimedBlock> &blocks);

/// The lowest aligned offset for a block beside others that have been placed. Cost O(n log n) in their
/// number.
int64_t lowestOffset(const std::vector<std::pair<TimedBlock, int64_t>> &placed, const TimedBlock &block,
                     int64_t alignment);

/// The most bytes live at one time: no layout needs less.
int64_t liveBytes(const std::vector<TimedBlock> &blocks);

} // namespace mlr::store
