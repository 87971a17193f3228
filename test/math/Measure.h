// Errors of computed values in ulp, and the inputs at which functions are measured.
#pragma once

#include "Binding.h"
#include "Functions.h"

#include <cstdint>
#include <string>

namespace mlr::test {

/// The worst case found. `wrong` counts values that no bound excuses: a NaN or infinity where there is none
/// (or the other way round; the edge of overflow is measured in ulp instead), a zero with the wrong sign.
struct Worst {
  double ulp = 0;
  double x = 0, z = 0;
  uint64_t wrong = 0;
  double wrongX = 0, wrongZ = 0;
  uint64_t inputs = 0;

  void add(double error, double atX, double atZ = 0); ///< error: ulp, infinity where wrong
  void merge(const Worst &other);
};

/// |y - r| in units of the spacing of f32 at r. `r` is the reference in f64.
double error32(double r, float y);
/// |y - r| in units of the spacing of f64 at r.
double error64(mpfr_srcptr r, double y);

/// Every `stride`-th of the 2^32 inputs (1: all of them), on all cores.
Worst measure32(const Function &function, const Unary &reference, uint64_t stride);
/// `count` pairs: all pairs of special values, random bits, ranges where the result is ordinary, and near 1.
Worst measure32(const Function &function, const Binary &reference, uint64_t count);
/// `count` values: special ones, random bits, the dense range, and around 1 in both signs.
Worst measure64(const Function &function, const Unary &reference, uint64_t count);
Worst measure64(const Function &function, const Binary &reference, uint64_t count);

} // namespace mlr::test
