// From the text of a number to the bits of a scalar type, rounded once.
#pragma once

#include "support/Array.h"

#include <optional>
#include <string_view>

namespace mlr::checking {

/// A number as written, or the value of a size parameter.
struct Literal {
  std::string_view text; ///< "1_000", "0xff", "1.5e-3"; empty: `value` is meant
  int64_t value = 0;
  bool negative = false; ///< a minus sign stands before it
};

/// Written with a point or an exponent.
bool isDecimal(std::string_view text);

enum class LiteralError { None, OutOfRange, NotInteger, NotNumber };

/// The scalar array of type `s` nearest to the literal (ties to even, from the decimal text at once, so that
/// f16 and bf16 are not rounded twice). OutOfRange: an integer that does not fit or a float beyond the
/// largest; NotInteger: a decimal literal for an integer type; NotNumber: for bool.
LiteralError parseLiteral(const Literal &literal, Scalar s, Array &out);

/// The value as a size, if it is an integer that fits.
std::optional<int64_t> parseSize(std::string_view text);

/// The bits of the scalar at position i of an array: integers sign- or zero-extended.
uint64_t bitsAt(const Array &array, int64_t i);
void setBitsAt(Array &array, int64_t i, uint64_t bits);
/// An integer or bool element as a number (u64 above 2^63 wraps).
int64_t integerAt(const Array &array, int64_t i);
/// A float element, exactly.
double floatAt(const Array &array, int64_t i);
/// Rounds to a float type, ties to even. The f64 must be exact or already sticky enough for one rounding.
uint64_t roundFloat(double value, Scalar s);
Array scalarArray(Scalar s, uint64_t bits);

} // namespace mlr::checking
