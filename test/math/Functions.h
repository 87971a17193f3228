// The elementary functions under test, with their references and the error bounds that their documentation
// states.
#pragma once

#include <mpfr.h>

#include <vector>

namespace mlr::test {

/// One argument. f32 is measured against the C library's f64 function (its error, below 1 ulp of f64, is 2e-9
/// ulp of f32), f64 against MPFR with 160 bits.
struct Unary {
  const char *name;
  double bound32, bound64; ///< ulp
  double (*reference)(double);
  void (*exact)(mpfr_ptr y, mpfr_srcptr x);
  double low, high; ///< where f64 is sampled densely
};

struct Binary {
  const char *name;
  double bound32, bound64;
  double (*reference)(double, double);
  void (*exact)(mpfr_ptr r, mpfr_srcptr x, mpfr_srcptr y);
};

const std::vector<Unary> &unaryFunctions();
const std::vector<Binary> &binaryFunctions();

} // namespace mlr::test
