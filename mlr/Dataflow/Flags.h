// Private to the passes on time: the flags of clocks (IR/MlrOps.td, "time"). A flag is an i1 or a tensor of
// them that has the leading axes of what it speaks for; operands of one operation agree as far as both go. A
// null flag of `when` is true everywhere, one of `reset` is false everywhere.
#pragma once

#include "mlr/Dataflow/Dialect.h"

namespace mlr::dataflow {

/// Elements of tensors at the leading indices of a body; scalars are themselves.
mlir::Value readLeading(mlir::OpBuilder &b, mlir::Location loc, mlir::Value v, mlir::ValueRange indices);

/// A tensor of `type`, or a scalar of it: `element` computes one element from the indices, at the builder's
/// place.
mlir::Value makeEach(mlir::OpBuilder &b, mlir::Location loc, mlir::Type type,
                     llvm::function_ref<mlir::Value(mlir::ValueRange)> element);

/// select(flag, yes, no) element by element.
mlir::Value selectValue(mlir::OpBuilder &b, mlir::Location loc, mlir::Value flag, mlir::Value yes,
                        mlir::Value no);
mlir::Value andFlags(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x,
                     mlir::Value y); ///< of two that are there
mlir::Value orFlags(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x, mlir::Value y);
mlir::Value notFlag(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x);
/// Active when both are; null: always.
mlir::Value bothActive(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x, mlir::Value y);

/// The flags of an operator of time, a scan or a call; null where there is none.
struct Flags {
  mlir::Value when, reset;
};
Flags flagsOf(mlir::Operation *op);
void setFlags(mlir::Operation *op, Flags flags);

/// Puts the operators of a block on a clock around theirs: the state of an instance advances on the clock of
/// its call only, that of a scan with the scan only. `around.reset` begins a segment; an operator's own reset
/// is computed on the clock around and says nothing off it.
class FlagCombiner {
public:
  /// The builder's place is that of the combined flags.
  FlagCombiner(mlir::OpBuilder &b, mlir::Location loc, Flags around) : b(b), loc(loc), around(around) {}
  void run(mlir::Block &block);

private:
  mlir::Value when(mlir::Value own);
  mlir::Value reset(mlir::Value own);

  mlir::OpBuilder &b;
  mlir::Location loc;
  Flags around;
  llvm::DenseMap<mlir::Value, mlir::Value> whens, resets; ///< of the operators' own flags
};

/// Writes a window, with its flags, as a memory of its rows that moves up at active instants.
void makeMemory(WindowOp window);

} // namespace mlr::dataflow
