// What --check-gradients says of each derivative of a program.
#pragma once

#include "driver/Pipeline.h"
#include "mlr/Eval/Interpreter.h"

namespace mlr::driver {

/// Largest relative difference from dual numbers that is taken for rounding.
double derivativeTolerance(Scalar scalar);

/// A line for each derivative, by position: how often it was compared, the largest difference. One above the tolerance is an
/// error. `isGood`: whether there was none.
std::string renderDerivatives(const Compilation &c, const std::vector<eval::DerivativeReport> &reports, bool &isGood);

} // namespace mlr::driver
