#include "mlr/Check/Literals.h"

#include "support/Half.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>

namespace mlr::checking {

bool isDecimal(std::string_view text) {
  if (text.size() > 1 && (text[1] == 'x' || text[1] == 'X')) return false;
  return text.find_first_of(".eE") != text.npos;
}

// ---- elements --------------------------------------------------------------------------------------------

uint64_t bitsAt(const Array &array, int64_t i) {
  size_t width = byteSize(array.type().scalar);
  uint64_t bits = 0;
  std::memcpy(&bits, array.data() + static_cast<size_t>(i) * width, width);
  if (isSigned(array.type().scalar) && width < 8) {
    unsigned shift = static_cast<unsigned>(64 - 8 * width);
    bits = static_cast<uint64_t>(static_cast<int64_t>(bits << shift) >> shift);
  }
  return bits;
}

void setBitsAt(Array &array, int64_t i, uint64_t bits) {
  size_t width = byteSize(array.type().scalar);
  std::memcpy(array.mutate() + static_cast<size_t>(i) * width, &bits, width);
}

int64_t integerAt(const Array &array, int64_t i) { return static_cast<int64_t>(bitsAt(array, i)); }

double floatAt(const Array &array, int64_t i) {
  uint64_t bits = bitsAt(array, i);
  switch (array.type().scalar) {
  case Scalar::F16: return halfToFloat(static_cast<uint16_t>(bits));
  case Scalar::BF16: return bfloatToFloat(static_cast<uint16_t>(bits));
  case Scalar::F32: return std::bit_cast<float>(static_cast<uint32_t>(bits));
  default: return std::bit_cast<double>(bits);
  }
}

Array scalarArray(Scalar s, uint64_t bits) {
  Array out(Type{s, {}});
  setBitsAt(out, 0, bits);
  return out;
}

// ---- rounding to 16 bits ---------------------------------------------------------------------------------

/// `value` in f32 with the last bit set when it is inexact (round to odd), so that rounding it once more to
/// 16 bits is rounding once.
static float roundToOdd(double value) {
  float nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) == value || std::isnan(value)) return nearest;
  uint32_t bits = std::bit_cast<uint32_t>(nearest);
  if (std::fabs(static_cast<double>(nearest)) > std::fabs(value)) --bits; // toward zero
  return std::bit_cast<float>(bits | 1);
}

uint64_t roundFloat(double value, Scalar s) {
  switch (s) {
  case Scalar::F16: return floatToHalf(roundToOdd(value));
  case Scalar::BF16: return floatToBfloat(roundToOdd(value));
  case Scalar::F32: return std::bit_cast<uint32_t>(static_cast<float>(value));
  default: return std::bit_cast<uint64_t>(value);
  }
}

namespace {

/// 0.d1d2d3... * 10^exponent with d1 not 0; no digits for zero.
struct Decimal {
  std::string digits;
  int64_t exponent = 0;
};

Decimal toDecimal(std::string_view text) {
  Decimal d;
  bool point = false;
  size_t i = 0;
  for (; i < text.size() && text[i] != 'e' && text[i] != 'E'; ++i) {
    if (text[i] == '.') {
      point = true;
      continue;
    }
    if (d.digits.empty() && text[i] == '0') {
      d.exponent -= point;
      continue;
    }
    d.digits += text[i];
    d.exponent += !point;
  }
  int64_t written = 0;
  if (i + 1 < text.size()) {
    const char *first = text.data() + i + 1;
    if (*first == '+') ++first;
    auto [end, error] = std::from_chars(first, text.data() + text.size(), written);
    if (error == std::errc::result_out_of_range) written = *first == '-' ? -1000000000 : 1000000000;
  }
  d.exponent += written;
  while (!d.digits.empty() && d.digits.back() == '0') d.digits.pop_back();
  return d;
}

/// -1, 0, 1 as the decimal text is less than, equal to or greater than the finite `value` >= 0.
int compare(std::string_view text, double value) {
  char buffer[1200];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific, 1100).ptr;
  Decimal a = toDecimal(text), b = toDecimal({buffer, static_cast<size_t>(end - buffer)});
  if (a.digits.empty() || b.digits.empty()) return static_cast<int>(!a.digits.empty()) - !b.digits.empty();
  if (a.exponent != b.exponent) return a.exponent < b.exponent ? -1 : 1;
  int order = a.digits.compare(b.digits);
  return order < 0 ? -1 : order > 0;
}

/// from_chars refuses what rounds to 0, and may refuse subnormals: both are decided by strtod.
template <class T> T nearZero(const std::string &text) {
  if constexpr (sizeof(T) == 4) return std::strtof(text.c_str(), nullptr);
  else return std::strtod(text.c_str(), nullptr);
}

/// The nearest float, ties to even; 0 or infinity outside the range.
template <class T> T toFloat(const std::string &text) {
  T value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc::result_out_of_range) return value;
  return toDecimal(text).exponent > 0 ? std::numeric_limits<T>::infinity() : nearZero<T>(text);
}

/// To f16 or bf16. The f64 nearest to the text lies on the text's side of every boundary between 16-bit
/// values, unless it is that boundary: then the text decides.
uint64_t toHalfWidth(const std::string &text, Scalar s) {
  double nearest = toFloat<double>(text);
  if (!std::isfinite(nearest)) return roundFloat(nearest, s);
  int side = compare(text, nearest);
  if (side < 0) nearest = std::nextafter(nearest, 0.0);
  if (side > 0) nearest = std::nextafter(nearest, HUGE_VAL);
  return roundFloat(nearest, s);
}

LiteralError parseFloat(const std::string &digits, bool negative, Scalar s, Array &out) {
  uint64_t bits = 0;
  if (s == Scalar::F64) bits = std::bit_cast<uint64_t>(toFloat<double>(digits));
  else if (s == Scalar::F32) bits = std::bit_cast<uint32_t>(toFloat<float>(digits));
  else bits = toHalfWidth(digits, s);
  if (negative) bits |= uint64_t(1) << (bitWidth(s) - 1);
  out = scalarArray(s, bits);
  return std::isfinite(floatAt(out, 0)) ? LiteralError::None : LiteralError::OutOfRange;
}

LiteralError fitInteger(uint64_t magnitude, bool negative, Scalar s, Array &out) {
  uint64_t limit = isSigned(s) ? uint64_t(1) << (bitWidth(s) - 1) : 0; // of the negative side
  uint64_t greatest = isSigned(s) ? limit - 1 : ~uint64_t(0) >> (64 - bitWidth(s));
  if (magnitude > (negative ? limit : greatest)) return LiteralError::OutOfRange;
  out = scalarArray(s, negative ? 0 - magnitude : magnitude);
  return LiteralError::None;
}

/// Digits without underscores; a hexadecimal number in decimal.
std::string plainDigits(std::string_view text, bool &tooLarge) {
  std::string digits;
  for (char c : text)
    if (c != '_') digits += c;
  tooLarge = false;
  if (digits.size() < 2 || (digits[1] != 'x' && digits[1] != 'X')) return digits;
  uint64_t value = 0;
  auto [end, error] = std::from_chars(digits.data() + 2, digits.data() + digits.size(), value, 16);
  tooLarge = error != std::errc();
  return std::to_string(value);
}

} // namespace

LiteralError parseLiteral(const Literal &literal, Scalar s, Array &out) {
  if (s == Scalar::Bool) return LiteralError::NotNumber;
  bool negative = literal.negative, tooLarge = false;
  std::string digits;
  if (literal.text.empty()) {
    uint64_t magnitude =
        literal.value < 0 ? 0 - static_cast<uint64_t>(literal.value) : static_cast<uint64_t>(literal.value);
    negative ^= literal.value < 0;
    digits = std::to_string(magnitude);
  } else {
    digits = plainDigits(literal.text, tooLarge);
  }
  if (tooLarge) return LiteralError::OutOfRange;
  if (isFloat(s)) return parseFloat(digits, negative, s, out);
  if (isDecimal(digits)) return LiteralError::NotInteger;
  uint64_t magnitude = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude);
  if (error != std::errc()) return LiteralError::OutOfRange;
  return fitInteger(magnitude, negative, s, out);
}

std::optional<int64_t> parseSize(std::string_view text) {
  Array out;
  if (parseLiteral({text, 0, false}, Scalar::I64, out) != LiteralError::None) return std::nullopt;
  return integerAt(out, 0);
}

} // namespace mlr::checking
