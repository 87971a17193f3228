// The order of rows with --shuffle.
#pragma once

#include <cstdint>

namespace mlr::driver {

/// A permutation of 0 .. n - 1 for each epoch, computed where it is asked for: a balanced Feistel network on the smallest even number
/// of bits that n fits, walked until it is below n, at most four steps on average (Black and Rogaway 2002). Its rounds are
/// the words of std/random's Threefry: R14.13 of the manual states it to the bit.
class Shuffle {
public:
  Shuffle(uint32_t seed, int64_t n);
  /// 0 <= i < n.
  int64_t at(int64_t epoch, int64_t i) const;

private:
  uint32_t seed;
  uint64_t n;
  unsigned halfBits;
};

} // namespace mlr::driver
