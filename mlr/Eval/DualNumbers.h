// Coefficients of dual numbers with several tags. A number is a sum over sets of tags: its value, one coefficient for each tag
// (the derivative in that tag's direction), one for each pair (the derivative of a derivative), and so on; the square of a tag
// is 0. With k tags it has 2^k coefficients, numbered by the bits of the set; coefficient 0 is the value.
//
// All are f64, whatever the type of the program: derivatives are those of the exact operation at the rounded values.
#pragma once

#include "mlr/Eval/Numbers.h"

#include <vector>

namespace mlr::eval {

/// Nested derivatives at most: 2^6 coefficients of a number.
constexpr unsigned maxTags = 6;

/// A float as f64, exactly.
double toDouble(Scalar scalar, Bits bits);
Bits fromDouble(Scalar scalar, double value);
/// Of two float types the one with fewer bits of significand.
Scalar coarser(Scalar a, Scalar b);

/// Coefficient `full` (all tags) of op(a, b, c), of operands with 1 + full coefficients each. What has no part in the result
/// adds exactly 0, even where its factor is infinite. Not for Select.
double combine(OpKind op, unsigned full, const double *a, const double *b, const double *c);
/// Coefficient `set` of the product.
double product(unsigned set, const double *a, const double *b);

/// Coefficient `full` of a reduction over elements that come in ascending order. Of max and min the first of equals counts.
class DualChain {
public:
  DualChain(ReduceKind kind, unsigned full);
  /// Whether add() looks at more than the coefficient `full`.
  static bool needsAll(ReduceKind kind) { return kind != ReduceKind::Sum && kind != ReduceKind::Mean; }
  void add(const double *coefficients);
  double finish(int64_t count) const;

private:
  ReduceKind kind;
  unsigned full;
  bool isEmpty = true;
  std::vector<double> all; ///< Prod: all coefficients; Max, Min: of the best the value and the last
};

} // namespace mlr::eval
