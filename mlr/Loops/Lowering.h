// One function of a node under construction: what scalars are in which SSA value, at which instant each scan is.
#pragma once

#include "mlr/Loops/Loops.h"
#include "mlr/Loops/Memory.h"
#include "mlr/Loops/Scalars.h"

namespace mlr::loops {

using mlir::LogicalResult;
using mlir::Operation;
using mlir::ValueRange;
using Values = llvm::SmallVector<Value, 4>;

/// The body of a loop: given the induction variable and the carried values, the next carried values.
using LoopBody = llvm::function_ref<Values(Value index, ValueRange carried)>;

class Lowering {
public:
  Lowering(dataflow::NodeOp node, const store::Plan &plan, const Options &options, Globals &globals,
           mlir::func::FuncOp function, bool isReset);

  /// The body of NAME_step, of NAME_reset.
  LogicalResult emitStep();
  LogicalResult emitReset();

  dataflow::NodeOp node;
  const store::Plan &plan;
  const Options &options;
  Globals &globals;
  Arith a;
  Memory memory;

  /// The SSA value of an mlr scalar of a time (not of a gen or reduce).
  Value scalar(Value v);
  void setScalar(Value v, Value emitted) { scalars[v] = emitted; }
  /// A scalar of integer type as an index. Scan indices are known without conversion.
  Value indexOf(Value v);
  /// Where a tensor (or a scalar that the plan places) is, at the current instants.
  Place place(Value v);
  bool hasPlace(Value v) const { return plan.locations.count(v); }

  /// for index = lower .. upper-1 step: constant bounds; without a loop for no or one trip.
  Values loop(int64_t lower, int64_t upper, int64_t step, ValueRange init, LoopBody body);
  Values loop(Value lower, Value upper, int64_t step, ValueRange init, LoopBody body);

  /// Emits `body` under a condition, or plainly where it is known.
  void onlyIf(Value condition, llvm::function_ref<void()> body);

  /// Scalars that `body` gives under a condition, else zeros. They have the types of `like` in registers.
  Values valuesIf(Value condition, ValueRange like, llvm::function_ref<Values()> body);

  LogicalResult emitBlock(mlir::Block &block);
  LogicalResult fail(Operation *op, llvm::StringRef what);
  /// Copies a tensor to the place of another unless they share it.
  void copyUnlessShared(const Place &to, const Place &from, mlir::RankedTensorType type);

  // What happens at the borders of an instant (mlr/Store/Plan.h).
  /// Slots of fby, first and window take their first value: those of `block`, and of resume scans directly below it.
  LogicalResult initializeSlots(mlir::Block &block);
  LogicalResult initializeSlot(Operation *op, Value first);
  void shiftWindows(mlir::Block &block);
  mlir::LogicalResult initializeRows(dataflow::RowsOp op);
  mlir::LogicalResult emitRows(dataflow::RowsOp op);
  void emitPut(dataflow::PutOp op);
  /// All slots of a block at once. Scalars only if `scalarsToo`: those of scans are in registers.
  LogicalResult finishInstant(mlir::Block &block, bool scalarsToo);

  /// The instant of a scan being executed, and the values that its ends have so far.
  struct Instant {
    Value index;             ///< t
    Value last;              ///< index of the last instant, null while an until decides it
    bool down = false;
    llvm::DenseMap<Value, Value> ends;  ///< scalar final and initial: the value carried in
  };
  llvm::DenseMap<Operation *, Instant> instants;
  void setIndex(Value v, Value index) { indexValues[v] = index; }

  /// `copies` times the tensor or scalar `first`, one after the other.
  LogicalResult fillFrom(const Place &to, Value first, int64_t copies, Operation *op);

private:
  LogicalResult emitOperation(Operation *op);
  LogicalResult emitPlain(Operation *op);
  LogicalResult emitConversion(dataflow::ConvertOp op);
  LogicalResult emitConcat(dataflow::ConcatOp op);
  /// Element `offset` of the location of a value defined under `op`.
  Place at(const store::Location &location, Operation *op);

  llvm::DenseMap<Value, Value> scalars;
  llvm::DenseMap<Value, Value> indexValues;
};

/// An integer as a number that clamping to an axis treats alike: 64-bit and unsigned values saturate to 32 bits.
Value saturateIndex(Arith &a, Value x, Type scalar);

/// Both functions of one node, beside it; the node stays.
LogicalResult lowerNode(dataflow::NodeOp node, const store::Plan &plan, const Options &options, Globals &globals);

// ---- Tensors.cpp -------------------------------------------------------------------------------------------------

/// Contiguous elements, first to last; `from` may lie above `to` in the same buffer.
void emitCopy(Lowering &l, const Place &to, const Place &from, int64_t count, Type scalar);
void emitFill(Lowering &l, const Place &to, Value value, int64_t count, Type scalar);
/// Zeroes `rows` of `size` elements each, from row `first` (an index value) up to `rows`.
void emitZeroRows(Lowering &l, const Place &to, Value first, int64_t rows, int64_t size, Type scalar);
/// Copies that happen at once: every source is read before any place is written.
struct Copy {
  Place to, from;
  int64_t count;
  Type scalar;
};
LogicalResult emitCopiesAtOnce(Lowering &l, std::vector<Copy> copies);

// ---- Scatter.cpp -------------------------------------------------------------------------------------------------

/// Starts from a copy of what it adds to unless both share their memory.
LogicalResult emitScatter(Lowering &l, dataflow::ScatterOp op);

// ---- Kernels -----------------------------------------------------------------------------------------------------

LogicalResult emitGen(Lowering &l, dataflow::GenOp op);
LogicalResult emitReduce(Lowering &l, dataflow::ReduceOp op);
/// A gen or reduce. Where a condition that is the same for all elements selects costly work, one kernel for each side.
LogicalResult emitChosen(Lowering &l, Operation *op);
/// A read at the node's or a scan's own level.
LogicalResult emitRead(Lowering &l, dataflow::ReadOp op);

// ---- Extern.cpp --------------------------------------------------------------------------------------------------

LogicalResult emitExtern(Lowering &l, dataflow::ExternOp op);

// ---- Scans.cpp ---------------------------------------------------------------------------------------------------

LogicalResult emitScan(Lowering &l, dataflow::ScanOp op);
/// stack, final, initial at their place in the text.
LogicalResult emitEnd(Lowering &l, Operation *op);

} // namespace mlr::loops
