#include "Functions.h"

#include <cmath>

namespace mlr::test {

template <int (*F)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t)> static void exact(mpfr_ptr y, mpfr_srcptr x) {
  F(y, x, MPFR_RNDN);
}

template <int (*F)(mpfr_ptr, mpfr_srcptr, mpfr_srcptr, mpfr_rnd_t)>
static void exact2(mpfr_ptr r, mpfr_srcptr x, mpfr_srcptr y) {
  F(r, x, y, MPFR_RNDN);
}

static double sigmoid(double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }

static double softplus(double x) {
  return std::log1p(std::exp(-std::fabs(x))) + (x > 0 ? x : x < 0 ? 0 : x * 0);
}

static void exactSigmoid(mpfr_ptr y, mpfr_srcptr x) {
  mpfr_neg(y, x, MPFR_RNDN);
  mpfr_exp(y, y, MPFR_RNDN);
  mpfr_add_ui(y, y, 1, MPFR_RNDN);
  mpfr_ui_div(y, 1, y, MPFR_RNDN);
}

static void exactSoftplus(mpfr_ptr y, mpfr_srcptr x) {
  if (mpfr_cmp_ui(x, 200) > 0) {
    mpfr_set(y, x, MPFR_RNDN); // e^-200 is far below 160 bits
    return;
  }
  mpfr_exp(y, x, MPFR_RNDN);
  mpfr_log1p(y, y, MPFR_RNDN);
}

const std::vector<Unary> &unaryFunctions() {
  static const std::vector<Unary> all = {
      {"exp", 0.91, 0.9, std::exp, exact<mpfr_exp>, -746, 711},
      {"exp2", 0.95, 0.95, std::exp2, exact<mpfr_exp2>, -1076, 1025},
      {"expm1", 1.6, 1.9, std::expm1, exact<mpfr_expm1>, -40, 711},
      {"log", 0.95, 0.9, std::log, exact<mpfr_log>, 0, 4},
      {"log2", 1.05, 1.0, std::log2, exact<mpfr_log2>, 0, 4},
      {"log10", 1.0, 1.0, std::log10, exact<mpfr_log10>, 0, 4},
      {"log1p", 1.5, 1.5, std::log1p, exact<mpfr_log1p>, -1, 4},
      {"sin", 1.65, 0.85, std::sin, exact<mpfr_sin>, -100, 100},
      {"cos", 1.66, 0.85, std::cos, exact<mpfr_cos>, -100, 100},
      {"tan", 0.51, 0.95, std::tan, exact<mpfr_tan>, -100, 100},
      {"asin", 1.6, 1.6, std::asin, exact<mpfr_asin>, -1, 1},
      {"acos", 1.15, 1.2, std::acos, exact<mpfr_acos>, -1, 1},
      {"atan", 1.62, 1.9, std::atan, exact<mpfr_atan>, -8, 8},
      {"sinh", 1.65, 1.6, std::sinh, exact<mpfr_sinh>, -711, 711},
      {"cosh", 1.4, 1.4, std::cosh, exact<mpfr_cosh>, -711, 711},
      {"tanh", 1.5, 1.6, std::tanh, exact<mpfr_tanh>, -20, 20},
      {"sigmoid", 2.0, 2.0, sigmoid, exactSigmoid, -746, 40},
      {"softplus", 1.9, 1.8, softplus, exactSoftplus, -746, 40},
      {"erf", 1.13, 1.1, std::erf, exact<mpfr_erf>, -6.5, 6.5},
      {"erfc", 0.6, 2.6, std::erfc, exact<mpfr_erfc>, -6.5, 27.5},
      {"cbrt", 0.501, 0.501, std::cbrt, exact<mpfr_cbrt>, -8, 8},
  };
  return all;
}

const std::vector<Binary> &binaryFunctions() {
  static const std::vector<Binary> all = {
      {"pow", 0.51, 1.2, std::pow, exact2<mpfr_pow>},
      {"atan2", 0.501, 1.9, std::atan2, exact2<mpfr_atan2>},
      {"hypot", 0.501, 0.76, std::hypot, exact2<mpfr_hypot>},
  };
  return all;
}

} // namespace mlr::test
