// Values of constant expressions at compile time, to the bit what the program would compute.
#pragma once

#include "mlr/Check/Program.h"

#include <optional>

namespace mlr::checking {

/// The value of an expression of constants, element-wise operators, broadcasts, reshapes and concatenations;
/// nothing for anything else, for f16/bf16 fma, and beyond a million elements.
std::optional<Array> fold(const Expr &e);

} // namespace mlr::checking
