// Calls of C functions by libffi. The ABI: docs/reference.md, section 21.
#pragma once

#include "mlr/Eval/Machine.h"

namespace mlr::eval {

/// Calls the C function of an extern with one value an input; gives one an output. Scalars are passed by value, f16 and bf16
/// as their bits; tensors by pointer. Null `function`: not linked, which the caller has to have refused.
std::vector<Value> callForeign(const NodeInstance &callee, void *function, const std::vector<Value> &args);

} // namespace mlr::eval
