// Scheduled, planned nodes -> loops on planned memory: func, scf, arith, math, memref, vector.
#pragma once

#include "mlr/Store/Plan.h"

namespace mlr::loops {

struct Options {
  /// Bits of a vector register for kernels; 0: scalar code only (what the C back end takes).
  unsigned vectorBits = 0;
  /// Vectors become loops over small arrays, the form of C99 (`vectorBits` is the size of an array): of any length, no
  /// masks, and only for reductions inside gens, since compilers vectorise plain loops themselves.
  bool arrays = false;
  bool hasFma = true;      ///< of f32; otherwise fma and fused chains call an exact software fma, a private function of the module
  bool hasFma64 = true;    ///< of f64
  bool hasAdd64 = true;    ///< scalars of f64 are added rightly; otherwise by a private function of the module
  bool unfused = false;    ///< --unfused
};

/// Adds two functions for each node NAME, and drops the node:
///   func.func @NAME_step(%state: memref<Sxi8>, %scratch: memref<Cxi8>, %in: memref<Ixi8>, %out: memref<Oxi8>)
///   func.func @NAME_reset(%state: memref<Sxi8>)
/// The attributes of the plan (`mlr.buffers`, `mlr.bytes`, ..), `mlr.arg_names` and `mlr.result_names` move to NAME_step.
///
/// The subset of MLIR in the result; nothing else occurs:
///  - func: func, call (of private functions of the module only: the software fma, attribute `mlr.software_fma`, and addition), return;
///    each function has one block;
///  - scf.for (lower 0 or constant, step > 0, index), scf.if, scf.while whose `before` region holds the whole
///    body and whose `after` region only passes its arguments on (a do-while; for until);
///  - memref.view of an argument at a constant byte offset to memref<N x element> (flat, N the buffer's elements; attribute
///    `mlr.buffer`: id), memref.get_global of a private constant memref.global (flat, DenseElementsAttr), memref.load and
///    memref.store with one index;
///  - element types of memory: i8 (bool too: 0 or 1), i16 (f16 and bf16 too: their bits), i32, i64, f32, f64;
///  - registers: i1, signless i8..i64, index, f32, f64. Half precision is converted by integer arithmetic, so that no engine
///    needs a run-time library for it;
///  - arith: constant, addi subi muli divsi divui remsi remui andi ori xori shli shrsi shrui cmpi minsi maxsi minui select,
///    addf subf mulf divf remf negf cmpf, trunci extsi extui truncf extf fptosi fptoui sitofp uitofp bitcast index_cast.
///    Divisors are never 0 (nor -1 with MIN), shift counts are below the width, fptosi and fptoui see only values that fit,
///    f32 <-> f64 conversions round to nearest; no fast-math flag. overflow<nsw> stands on offsets only;
///  - math: fma sqrt floor ceil trunc roundeven absf;
///  - with vectorBits > 0 also one-dimensional vectors of the above: vector.load, store, maskedload, maskedstore (constant
///    masks), gather (i32 offsets), broadcast of a scalar, shuffle, extract of one lane, and dense constants;
///  - with `arrays` too: vectors of any length, vector.scatter with all lanes, math.fma of vectors (the module then has
///    the scalar software fma), and no shuffle but of neighbouring lanes.
///  - for C functions: private declarations with `mlr.extern` (Extern.cpp), their calls, memref.subview of contiguous elements
///    and memref.alloca of one, as operands of these.
/// No allocation, no recursion, no unbounded loop.
mlir::LogicalResult lowerToLoops(mlir::ModuleOp module, const Options &options);

} // namespace mlr::loops
