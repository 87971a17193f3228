// The 16-bit float formats: IEEE 754 binary16 and bfloat16, to and from f32. Both directions are exact or
// round to nearest, ties to even; NaNs become the quiet NaN.
#pragma once

#include <bit>
#include <cstdint>

namespace mlr {

inline float halfToFloat(uint16_t h) {
  uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16, exponent = (h >> 10) & 31, fraction = h & 1023;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000 | (fraction ? 0x400000 : 0));
  if (exponent == 0) { // zero or subnormal: fraction * 2^-24, exact in f32
    float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

inline uint16_t floatToHalf(float f) {
  uint32_t bits = std::bit_cast<uint32_t>(f), magnitude = bits & 0x7fffffff;
  uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  if (magnitude > 0x7f800000) return 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // from 65520 on, the tie included, rounds to infinity
  if (magnitude < 0x38800000) {
    // Subnormal result: adding 0.5 leaves a quotient by 2^-24, rounded by the hardware, in the last bits.
    float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(0.5f)));
  }
  uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1) - (uint32_t(112) << 23);
  return static_cast<uint16_t>(sign | rounded >> 13);
}

inline float bfloatToFloat(uint16_t b) { return std::bit_cast<float>(static_cast<uint32_t>(b) << 16); }

inline uint16_t floatToBfloat(float f) {
  uint32_t bits = std::bit_cast<uint32_t>(f);
  if ((bits & 0x7fffffff) > 0x7f800000) return 0x7fc0;
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

} // namespace mlr
