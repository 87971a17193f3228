// Private to Diff: the adjoint of a scalar body.
#pragma once

#include "mlr/Diff/Adjoint.h"

namespace mlr::diff {

/// Conditions on the way from the result of a body to its values: those of the selections that it runs through. Each value
/// has what all of its uses have in common; a use with more is masked.
class BodyConditions {
public:
  explicit BodyConditions(const Body &body, llvm::function_ref<bool(Value)> isActive);
  ArrayRef<Guard> of(Value v) const;
  /// Of operand `k` of an operation inside.
  Guards ofUse(Operation *op, unsigned k) const;
  bool isActive(Value v) const { return active.contains(v); }
  /// Uses of a value that all stand under conditions, of which none may hold; empty: one always does.
  ArrayRef<std::pair<Operation *, unsigned>> partialUses(Value v) const;

private:
  using Use = std::pair<Operation *, unsigned>;
  DenseMap<Value, SmallVector<Use, 2>> partial;
  DenseSet<Value> active;
  DenseMap<Value, Guards> guards;
};

/// A copy of a body at other indices, and the cotangents of what it reads.
class BodyAdjoint {
public:
  /// `positions` are the body's arguments as functions of `operands`, indices at the builder's place.
  BodyAdjoint(const Body &body, const BodyConditions &conditions, ConstantPool &constants, OpBuilder &b,
              ArrayRef<AffineExpr> positions, ValueRange operands);
  /// The value that stands for one of the body.
  Value at(Value v) const { return mapping.lookup(v) ? mapping.lookup(v) : v; }
  /// An element of a tensor at the positions of the first arguments, clamped where they may lie outside, behind `lead`.
  Value readAtOuter(Value tensor, ValueRange lead, unsigned axes);
  void add(Value v, Value cotangent);
  /// Takes conditions of the body as true at the positions, or where they are not as told of by masks of the caller.
  void assume(ArrayRef<Guard> conditions);
  /// From the yields, which have been given cotangents, to the leaves.
  LogicalResult run();
  Value cotangentOf(Value leaf) const { return cotangents.lookup(leaf); }
  /// select(guard, v, 0), or what it comes to if the guard is assumed.
  Value masked(Value v, const Guard &guard);
  Value integerAt(AffineExpr e); ///< i32
  /// The index (i32, before clamping) at which a read of the body looks at an axis.
  Value indexOf(ReadOp read, unsigned axis);
  ArrayRef<AffineExpr> positionsOf() const { return positions; }
  ArrayRef<Value> operandsOf() const { return operands; }
  OpBuilder &builder() { return b; }

private:
  void copy(Operation *op);
  SmallVector<AffineExpr> indicesOf(ReadOp read, SmallVectorImpl<Value> &all);
  LogicalResult reverse(Operation *op, Value y, Value g);
  void give(Operation *op, unsigned k, Value g);
  /// Whether somebody looks at the value; null: always.
  Value wanted(Value v);
  Value number(Type type, double value);
  template <class Op> Value emit(Value x, Value y) { return Op::create(b, loc, x.getType(), x, y); }

  const Body &body;
  const BodyConditions &conditions;
  ConstantPool &constants;
  OpBuilder &b;
  Location loc;
  SmallVector<AffineExpr> positions;
  SmallVector<Value> operands;
  DenseMap<Value, Value> mapping, cotangents, wantedOf;
  Guards assumed; ///< of values of the copy
};

/// Removes operations of a block that nobody needs; `keep` has no use yet.
void dropUnused(Block &block, Value keep = {});

} // namespace mlr::diff
