// Random causal nodes as IR text, over i32 and tensor<2xi32>.
#pragma once

#include "test/Schedule/Evaluate.h"

namespace mlr::schedule::test {

struct Program {
  std::string text;
  std::vector<Step> inputs; ///< of a few instants
  bool both =
      false; ///< some recurrence looks both ways: it may have no schedule if an inner scan is part of it
};

/// The same seed gives the same program. `size` is about the number of equations.
Program generate(uint64_t seed, int size);

} // namespace mlr::schedule::test
