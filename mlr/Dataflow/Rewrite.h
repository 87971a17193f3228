// Private to simplify: the single rewrites, and what they share. Each keeps every rounding and every order of
// summation, is linear in the node (but for what it inlines, which is bounded), and says whether it changed
// anything.
#pragma once

#include "mlr/Dataflow/AffineIndex.h"
#include "mlr/Dataflow/Constants.h"
#include "mlr/Dataflow/Evaluate.h"

namespace mlr::dataflow {

/// Scalar constants at the start of a node, one each.
class ConstantPool {
public:
  explicit ConstantPool(NodeOp node);
  mlir::Value get(mlir::TypedAttr value);

private:
  NodeOp node;
  llvm::DenseMap<mlir::Attribute, mlir::Value> known;
};

/// Operations with constant operands, exact identities, reads of constants, reshapes and concatenations.
/// With `unfused`, fused chains keep their form for the later stages.
bool foldOperations(NodeOp node, bool unfused);
/// Gens and reductions over constants that cost more than a few operations an element; with `all` the cheap
/// ones too.
bool foldConstantTensor(mlir::Operation *op, const EvaluationLimits &limits, bool all);
bool foldConstantTensors(NodeOp node, const EvaluationLimits &limits, bool all);
/// Reads of gens: the producer's body at the read's indices, where that repeats no work worth a buffer.
bool composeReads(NodeOp node);
/// Equal operations become one.
bool mergeEqual(NodeOp node);
/// Work that does not depend on the innermost loops moves out of gens, reductions and scans.
bool hoistInvariants(NodeOp node);
/// Operations, scan results and recurrences that no output needs.
bool dropDead(NodeOp node);

inline mlir::RankedTensorType tensorOf(GenOp gen) {
  return mlir::cast<mlir::RankedTensorType>(gen.getResult().getType());
}

/// Scalar operations an element of the body costs; a reduction counts as heavy.
int64_t bodyCost(mlir::Block &body);
constexpr int64_t heavyBody = 1000;
/// Recomputing up to this many operations is cheaper than a trip through memory.
constexpr int64_t cheapBody = 4;

/// How often an operation runs for one instant of `outer`'s time (saturating).
int64_t executions(mlir::Operation *op, mlir::Block *outer);
/// Bounds of an index value: a region argument, or the index of a scan.
Range rangeOfIndex(mlir::Value index);
/// A new read of `source` at `indices`, expressions in `operands`; unused operands are left out.
ReadOp createRead(mlir::OpBuilder &b, mlir::Location loc, mlir::Value source,
                  llvm::ArrayRef<mlir::AffineExpr> indices, mlir::ValueRange operands,
                  llvm::ArrayRef<bool> clamp = {});
/// The index expression as an i32 value, computed at the builder's place.
mlir::Value materializeIndex(mlir::OpBuilder &b, mlir::Location loc, mlir::AffineExpr e,
                             mlir::ValueRange operands, ConstantPool &constants);
/// Whether the operation is a function of its operands alone, at one instant, without effects.
bool isInstantaneous(mlir::Operation *op);

} // namespace mlr::dataflow
