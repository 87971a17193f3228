// Which elements of a tensor a read touches at a given instant, by interval arithmetic on its affine map.
#pragma once

#include "mlr/Dataflow/Dialect.h"

namespace mlr::store {

/// First and last element, inclusive, in row-major order; an over-approximation. Empty: first > last.
struct Footprint {
  int64_t first = 0, last = -1;
};

/// `instants`: index of each enclosing scan, outermost first.
Footprint footprint(dataflow::ReadOp read, llvm::ArrayRef<int64_t> instants);

/// For a read in the body of a gen whose flat element is `shift` + (the flat element that the gen computes):
/// that shift. Empty for any other access (also one that may be clamped).
std::optional<int64_t> elementShift(dataflow::ReadOp read, dataflow::GenOp gen,
                                    llvm::ArrayRef<int64_t> instants);

} // namespace mlr::store
