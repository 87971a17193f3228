// Scheduled, planned nodes -> loops on planned memory: func, scf, arith, math, memref, vector.
#pragma once

#include "mlr/Store/Plan.h"

namespace mlr::loops {

struct Options {
  /// Bits of a vector register for kernels; 0: scalar code only (what the C back end takes).
  unsigned vectorBits = 0;
  bool hasFma = true;      ///< of f32; otherwise fma and fused chains call an exact software fma, a private function of the module
  bool hasFma64 = true;    ///< of f64
  bool unfused = false;    ///< --unfused
  bool checks = false;     ///< report clamped indices at run time
};

/// Adds two functions for each node NAME, and drops the node:
///   func.func @NAME_step(%state: memref<Sxi8>, %scratch: memref<Cxi8>, %in: memref<Ixi8>, %out: memref<Oxi8>)
///   func.func @NAME_reset(%state: memref<Sxi8>)
/// Buffers are `memref.view`s of the arguments at constant byte offsets (attribute `mlr.buffer`: id), constants `memref.global`.
/// The buffer table stays on the function as `mlr.buffers`. The result uses: func, scf.for / scf.if (/ scf.while for until), arith on
/// signless integers and f32/f64 (f16, bf16 are i16 in memory, converted by integer arithmetic, so that no engine needs a run-time library),
/// math.{fma,sqrt,floor,ceil,trunc,roundeven,absf}, memref.{view,load,store,get_global,copy-free}, and vector.{load,store,broadcast,fma,..} when
/// vectorBits > 0. bool is i8 in memory, i1 in registers. No allocation, no unbounded loop.
mlir::LogicalResult lowerToLoops(mlir::ModuleOp module, const Options &options);

} // namespace mlr::loops
