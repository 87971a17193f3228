// Scalars of every type in one machine word, and the operators and chains on them, to the bit as in the
// language reference, "One result".
#pragma once

#include "mlr/Check/Program.h"

namespace mlr::eval {

/// A scalar: integers sign- or zero-extended to 64 bits, bool 0 or 1, floats their own bits in the low end.
using Bits = uint64_t;

Bits load(Scalar scalar, const std::byte *elements, int64_t i);
void store(Scalar scalar, std::byte *elements, int64_t i, Bits value);

/// result = op(a, b, c). `operand` is the type of the first operand (for Select: of the result).
Bits apply(OpKind op, Scalar operand, Scalar result, Bits a, Bits b = 0, Bits c = 0);

/// An integer as a place on an axis; u64 values beyond INT64_MAX become INT64_MAX.
int64_t asPlace(Scalar scalar, Bits value);
bool isNaN(Scalar scalar, Bits value);

/// A reduction in the making: an ascending chain. Sums start at +0, products at 1; f16 and bf16 run in f32
/// and are rounded once, by finish().
class Chain {
public:
  Chain(ReduceKind kind, Scalar scalar, bool unfused) : kind(kind), scalar(scalar), unfused(unfused) {
    wide.f64 = 0;
    if (kind == ReduceKind::Prod) startProduct();
    if (kind == ReduceKind::All) word = 1;
  }
  void add(Bits element);
  /// acc = fma(a, b, acc); with `unfused` acc = acc + a * b, each rounded. Sums and means of floats only.
  void addProduct(Bits a, Bits b);
  /// Adds the partial sum of another chain.
  void merge(const Chain &other);
  /// `count` elements in all: what a mean divides by. Max, min and their positions need at least one.
  Bits finish(int64_t count) const;

private:
  void startProduct();
  union Wide {
    float f32;
    double f64;
  };
  ReduceKind kind;
  Scalar scalar;
  bool unfused;
  Wide wide;     ///< accumulator of floats; f64 for f64, else f32
  Bits word = 0; ///< accumulator of integers, bools, maximum, minimum
  int64_t seen = 0, best = 0;
};

} // namespace mlr::eval
