// Types and constants: MLR's scalars and arrays as MLIR types and attributes, and back.
#pragma once

#include "mlr/Dataflow/Dialect.h"
#include "support/Array.h"

namespace mlr::dataflow {

mlir::Type scalarType(Scalar scalar, mlir::MLIRContext *context);
/// A ranked tensor, or the scalar itself for rank 0.
mlir::Type valueType(const Type &type, mlir::MLIRContext *context);
mlir::Type valueType(llvm::ArrayRef<int64_t> shape, mlir::Type element);
/// The scalar behind an MLIR type of the dialect; nullopt for index and foreign types.
std::optional<Scalar> scalarOf(mlir::Type type);
/// Type of the elements: of a tensor its element type, otherwise the type itself.
mlir::Type elementOf(mlir::Type type);
/// Sizes of a tensor; none for a scalar.
llvm::ArrayRef<int64_t> shapeOf(mlir::Type type);
/// Bytes of an element in memory (i1: 1, index: 8).
size_t elementBytes(mlir::Type scalar);

/// The bits of one element in the low bits of a word; i1 is 0 or 1.
using Bits = uint64_t;
/// A scalar constant of the bits.
mlir::TypedAttr scalarAttr(mlir::Type type, Bits bits);
/// The bits of a scalar constant.
std::optional<Bits> scalarBits(mlir::Attribute attribute);
/// All elements (row-major, little-endian, i1 a byte) as an attribute: a splat where all are equal, a
/// resource when there are many, dense otherwise. `type` may be a scalar.
mlir::TypedAttr arrayAttr(mlir::Type type, llvm::ArrayRef<char> bytes);
/// The elements in that layout. Nothing for attributes that the dialect does not produce. Copies, so cost is
/// the size.
std::optional<std::vector<char>> arrayBytes(mlir::Attribute attribute);
/// The bits of element `position` (row-major).
std::optional<Bits> elementBits(mlir::Attribute attribute, int64_t position);
mlir::TypedAttr zeroAttr(mlir::Type type);

} // namespace mlr::dataflow
