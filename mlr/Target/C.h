// Loops -> C99.
#pragma once

#include "mlr/Store/Plan.h"

#include <map>

namespace mlr::target {

/// File name -> contents: NAME.h, NAME.c, NAME.json (the layout of the structs, for foreign callers), and for constants above
/// 64 KB NAME_rom.bin with NAME_rom.S that includes it.
using Files = std::map<std::string, std::string>;

/// Prints a module of loops (mlr/Loops/Loops.h with vectorBits = 0 or `arrays`) that holds one node as C99. It compiles without
/// warnings under the flags of rule R15.4 with gcc and clang, allocates nothing, and gives the bits of every
/// other engine: contraction is off, fused products are explicit, and where the target has no fma instruction the exact
/// software one of the module is used. Errors: an operation outside of the documented subset (a bug in Loops).
mlir::FailureOr<Files> emitC(mlir::ModuleOp module);

/// NAME.h and NAME.json alone: what goes with an object file or shared library of the same module.
mlir::FailureOr<Files> emitInterface(mlir::ModuleOp module);

/// NODE_state.h and NODE_state.c: the table of what NODE_state holds, by source path, and functions that write and read
/// .safetensors files in the caller's memory. C99 without warnings and allocation, as above.
mlir::FailureOr<Files> emitState(mlir::ModuleOp module);

} // namespace mlr::target
