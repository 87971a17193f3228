// What a memory may hold between two instants, as far as the program says.
#pragma once

#include "mlr/Dataflow/Dialect.h"

namespace mlr::store {

/// Of a memory that counts, walks through a ring or names a state: n if it only ever holds 0 .. n-1; 0: not known. A restored
/// state is held to it, for positions in buffers are made of such memories. Cost: linear in the equations of the memory.
int64_t limitOf(dataflow::FbyOp memory);

} // namespace mlr::store
