#include "runtime/Convert.h"

#include "support/Half.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

namespace mlr::data {

/// Stores `v` as T if T holds it exactly.
template <class T, class From> static bool storeInteger(From v, std::byte *out) {
  if constexpr (std::is_same_v<From, double>) {
    // Both bounds are powers of two or zero, so exact; max() itself would round up to the upper one.
    double above = std::ldexp(1.0, std::numeric_limits<T>::digits), least = std::is_signed_v<T> ? -above : 0;
    if (!(v >= least && v < above) || v != std::floor(v)) return false;
  } else if (!std::in_range<T>(v)) {
    return false;
  }
  T t = static_cast<T>(v);
  std::memcpy(out, &t, sizeof t);
  return true;
}

/// f32 by rounding to odd, from which rounding to a format of fewer digits is as from `v` itself.
static float roundToOdd(double v) {
  float f = static_cast<float>(v);
  if (std::isnan(v) || static_cast<double>(f) == v) return f;
  uint32_t bits = std::bit_cast<uint32_t>(f);
  if (std::abs(static_cast<double>(f)) > std::abs(v)) --bits;  // towards zero; from infinity to the largest
  return std::bit_cast<float>(bits | 1);
}

template <class From> static bool storeNumber(From v, Scalar type, std::byte *out) {
  auto bits16 = [&](uint16_t bits) { std::memcpy(out, &bits, 2); };
  double real = static_cast<double>(v);
  switch (type) {
  case Scalar::Bool: *out = static_cast<std::byte>(v != 0); return v == 0 || v == 1;
  case Scalar::I8: return storeInteger<int8_t>(v, out);
  case Scalar::I16: return storeInteger<int16_t>(v, out);
  case Scalar::I32: return storeInteger<int32_t>(v, out);
  case Scalar::I64: return storeInteger<int64_t>(v, out);
  case Scalar::U8: return storeInteger<uint8_t>(v, out);
  case Scalar::U16: return storeInteger<uint16_t>(v, out);
  case Scalar::U32: return storeInteger<uint32_t>(v, out);
  case Scalar::U64: return storeInteger<uint64_t>(v, out);
  // A finite number beyond the largest would become infinite.
  case Scalar::F16: {
    uint16_t half = floatToHalf(roundToOdd(real));
    bits16(half);
    return (half & 0x7FFF) != 0x7C00 || std::isinf(real);
  }
  case Scalar::BF16: {
    uint16_t half = floatToBfloat(roundToOdd(real));
    bits16(half);
    return (half & 0x7FFF) != 0x7F80 || std::isinf(real);
  }
  case Scalar::F32: {
    float f = static_cast<float>(real);
    std::memcpy(out, &f, 4);
    return std::isfinite(f) || !std::isfinite(real);
  }
  case Scalar::F64: std::memcpy(out, &real, 8); return true;
  }
  return false;
}

template <class From> static std::string textOf(From v) {
  char buffer[64];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, v).ptr};
}

template <class From>
static Result<Array> convertFrom(const Array &column, Scalar to, const std::string &what, int64_t rowsBefore) {
  Array out(Type{to, column.type().shape});
  const From *from = column.as<From>();
  std::byte *bytes = out.mutate();
  int64_t n = column.type().elements(), width = n ? n / column.type().shape[0] : 1;
  for (int64_t i = 0; i < n; ++i)
    if (!storeNumber(from[i], to, bytes + static_cast<size_t>(i) * byteSize(to)))
      return Error{what + ": line " + std::to_string(rowsBefore + i / width + 2) + " holds " + textOf(from[i]) +
                   ", which is not a value of " + name(to)};
  return out;
}

Result<Array> convertColumn(const Array &column, Scalar to, const std::string &what, int64_t rowsBefore) {
  if (column.type().scalar == to) return column;
  if (column.type().scalar == Scalar::I64) return convertFrom<int64_t>(column, to, what, rowsBefore);
  if (column.type().scalar == Scalar::U64) return convertFrom<uint64_t>(column, to, what, rowsBefore);
  return convertFrom<double>(column, to, what, rowsBefore);
}

Array asBfloat(const Array &a) {
  Type type{Scalar::BF16, a.type().shape};
  if (a.type().scalar == Scalar::U16) return Array(type, std::vector<std::byte>(a.data(), a.data() + a.bytes()));
  if (a.type().scalar != Scalar::F32) return a;
  Array out(type);
  const float *from = a.as<float>();
  uint16_t *to = out.mutateAs<uint16_t>();
  for (int64_t i = 0, n = type.elements(); i < n; ++i) {
    to[i] = floatToBfloat(from[i]);
    if (bfloatToFloat(to[i]) != from[i] && !std::isnan(from[i])) return a;
  }
  return out;
}

} // namespace mlr::data
