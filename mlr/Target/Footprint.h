// What a node takes on a machine, read from the code that LLVM made for it.
#pragma once

#include "mlr/Target/Llvm.h"

namespace mlr::target {

struct Footprint {
  int64_t codeBytes = 0;     ///< of the object's sections of code
  int64_t constantBytes = 0; ///< of its sections of read-only data: constants as the kernels read them, literals, tables
  /// The deepest chain of calls of NODE_step or NODE_reset: the sum of the frames, as LLVM reports them. A frame holds what the
  /// function keeps on the stack, saved registers included, not the return address that a call pushes on x86.
  int64_t stackBytes = 0;
  std::vector<std::string> outside; ///< functions of the C library that the code calls; their stack is not counted
};

/// Generates the object in memory. Fails where LLVM cannot write objects for the machine, on a frame of dynamic size, and on
/// recursion: internal errors, since generated code has neither.
Result<Footprint> footprint(Code &code, const Machine &machine);

} // namespace mlr::target
