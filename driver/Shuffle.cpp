#include "driver/Shuffle.h"

#include <utility>

namespace mlr::driver {

namespace {

uint32_t rotl(uint32_t x, unsigned n) { return x << n | x >> (32 - n); }

/// Threefry-2x32 with 20 rounds, as in std/random: block (c0, c1) of the key (k0, k1).
std::pair<uint32_t, uint32_t> threefry(uint32_t k0, uint32_t k1, uint32_t c0, uint32_t c1) {
  constexpr unsigned turns[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  uint32_t keys[3] = {k0, k1, k0 ^ k1 ^ 0x1bd11bda}, x = c0 + k0, y = c1 + k1;
  for (uint32_t block = 1; block <= 5; ++block) {
    for (unsigned turn : turns[(block - 1) % 2]) {
      x += y;
      y = rotl(y, turn) ^ x;
    }
    x += keys[block % 3];
    y += keys[(block + 1) % 3] + block;
  }
  return {x, y};
}

} // namespace

Shuffle::Shuffle(uint32_t seed, int64_t n) : seed(seed), n(static_cast<uint64_t>(n)), halfBits(1) {
  while (halfBits < 31 && uint64_t(1) << (2 * halfBits) < this->n) ++halfBits;
}

int64_t Shuffle::at(int64_t epoch, int64_t i) const {
  constexpr uint32_t rounds = 8;
  auto [k0, k1] = threefry(0, seed, 0, static_cast<uint32_t>(epoch));
  uint32_t mask = (uint32_t(1) << halfBits) - 1;
  uint64_t place = static_cast<uint64_t>(i);
  do {
    uint32_t high = static_cast<uint32_t>(place >> halfBits), low = static_cast<uint32_t>(place) & mask;
    for (uint32_t round = 0; round < rounds; ++round) {
      uint32_t mixed = (high ^ threefry(k0, k1, round, low).first) & mask;
      high = low;
      low = mixed;
    }
    place = uint64_t(high) << halfBits | low;
  } while (place >= n);
  return static_cast<int64_t>(place);
}

} // namespace mlr::driver
