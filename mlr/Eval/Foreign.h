// Calls of C functions by libffi. The ABI: docs/reference.md, section 21.
#pragma once

#include "mlr/Eval/Machine.h"

namespace mlr::eval {

/// Calls a C function: scalars are passed by value, f16 and bf16 as their bits, tensors by pointer. `args` and `results` point to
/// elements, row by row; bool is a byte.
void callForeign(void *function, const std::vector<Type> &inputs, const std::vector<const std::byte *> &args,
                 const std::vector<Type> &outputs, const std::vector<std::byte *> &results);

/// Calls the C function of an extern with one value an input; gives one an output. Null `function`: not linked, which the caller has to have refused.
std::vector<Value> callForeign(const NodeInstance &callee, void *function, const std::vector<Value> &args);

} // namespace mlr::eval
