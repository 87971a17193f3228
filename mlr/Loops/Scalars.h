// The scalar operators of the mlr dialect as arith and math, exact to the bit (OpKind in mlr/Check/Program.h).
#pragma once

#include "mlr/Dataflow/Dialect.h"
#include "mlr/Loops/Arith.h"
#include "mlr/Loops/Loops.h"

namespace mlr::loops {

/// An element-wise operator of the dialect (add .. convert, not const, read, gen, reduce) on register values of one
/// shape. Conversions from and to index are the caller's. Null for any other operation.
Value emitScalar(Arith &a, mlir::Operation *op, llvm::ArrayRef<Value> operands, const Options &options);

/// x * y + z of an mlr scalar type, rounded once; integers wrap.
Value emitFma(Arith &a, Type scalar, Value x, Value y, Value z, const Options &options);
/// x + y and x * y of an mlr scalar type.
Value emitAdd(Arith &a, Type scalar, Value x, Value y, const Options &options);
Value emitMul(Arith &a, Type scalar, Value x, Value y);
/// x > y, false if either is NaN.
Value emitGreater(Arith &a, Type scalar, Value x, Value y);
/// x if x > y (or less, for min) or x is NaN, else y.
Value emitMaxMin(Arith &a, Type scalar, Value x, Value y, bool isMax);
/// Is it a NaN; false for integers.
Value emitIsNan(Arith &a, Type scalar, Value x);
/// Numeric conversion between mlr scalar types (no index).
Value emitConvert(Arith &a, Value x, Type from, Type to);

/// f16 or bf16 bits -> f32, exact.
Value widen(Arith &a, Value bits, Type half);
/// f32 -> bits of f16 or bf16, to nearest even; NaN becomes the quiet NaN.
Value roundToHalf(Arith &a, Value x, Type half);
/// f64 -> f32 rounding to odd: inexact results have an odd last bit, so that a second rounding to fewer than 23
/// bits is right (Boldo and Melquiond, Emulation of FMA and correctly rounded sums, 2008).
Value narrowToOdd(Arith &a, Value x);

/// fma for targets that have none: a call of a private function of the module, made when first needed.
Value softwareFma(Arith &a, Value x, Value y, Value z, const Options &options);
/// x + y of scalars of f64 where the compiler's library has no right one: a call as well.
Value softwareAdd(Arith &a, Value x, Value y);
/// x + y, x - y of f32 and f64 as the options say; the lanes of vectors are the machine's own.
Value addFloats(Arith &a, Value x, Value y, const Options &options);
Value subtractFloats(Arith &a, Value x, Value y, const Options &options);

} // namespace mlr::loops
