// The buffer plan: where each value of a scheduled node lives. Computed by Store, attached to the IR as
// attributes (so that it prints and reads back), re-checked by a validator that knows nothing of the planner,
// and obeyed by Loops.
#pragma once

#include "mlr/Dataflow/Dialect.h"

namespace mlr::store {

/// Who owns the memory. State, Scratch, In, Out are the caller's structs; Rom is constants.
enum class Space : uint8_t { State, Scratch, In, Out, Rom };
const char *name(Space space);

/// A piece of one space. Buffers of State, In, Out never overlap and become named struct fields (those of Out, and slots
/// of State, may hold other values of their element type for a time); buffers of Scratch overlap where lifetimes allow.
struct Buffer {
  int64_t id = 0;
  Space space = Space::Scratch;
  int64_t offset = 0;      ///< bytes from the start of its space; aligned to the element (scratch tensors: to 64)
  mlir::Type element;      ///< scalar type; i1 is stored as one byte, 0 or 1
  llvm::SmallVector<int64_t> shape;
  std::string name;        ///< source path: "lstm_cell.h"
  std::string reason;      ///< for the report: "state of `0 fby h`", "stacked result `ys`", "crosses from sweep 1 (up) to 2 (down)"
  int64_t limit = 0;       ///< of a state: between two instants it holds 0 .. limit-1; 0: not known
  int64_t elements() const;
  int64_t bytes() const;
};

/// Where a value is: element `offset + sum(stride[k] * index of the enclosing scan at depth[k])` of a buffer on,
/// row-major contiguous with the value's own shape. Depth 0 is the outermost scan around the value's definition.
struct Location {
  int64_t buffer = 0;
  int64_t offset = 0;  ///< elements
  struct Row {
    unsigned depth;
    int64_t stride;
    bool operator==(const Row &) const = default;
  };
  llvm::SmallVector<Row, 2> rows;
  bool operator==(const Location &) const = default;
};

/// What has a location: every tensor value; node arguments, scalars too (In); node results, scalars too (Out); state: slots of
/// fby, first, window at the node's own time or in resume scans, scalars too; tensor slots of fby, eby, window in other
/// scans; stacks. Other scalars are SSA values: a scalar fby or eby in a scan that does not resume is a loop-carried register.
///  - fby/eby: the location is the slot that holds the value from one instant to the next. When the operand
///    `value` has the same location, it is computed in place and nothing is copied; otherwise the slot is written
///    at the end of the instant, after the last read.
///  - window: n rows; at the start of the instant rows 1.. move to 0.. and the new value goes to row n-1 (in place
///    when the operand's location is that row).
///  - stack: T rows; the operand is stored into row t, in place when its location is that row.
///  - concat: operands are in place where their locations are its parts, otherwise copied.
///  - reshape, final/initial of a value that stays put: alias, same location as the operand.
/// Scalar operands of a node's yield have only their entry of `outputs`.
///
/// When memory is written (Loops emits this order, the validator simulates it, the planner relies on it):
///  - start of a scan: the slots of its fby, eby and window take their init or end, in the order of the text (nothing to
///    do where both have the same location). In a resume scan, those of fby, first
///    and window in space State take it at reset, those in Scratch at the start of the innermost enclosing scan that
///    does not resume; eby always at the start of its own scan;
///  - start of an instant: windows shift;
///  - at their place in the text: gen, concat, scatter, reshape that is no alias, stack (row t), final and initial (at least at the
///    instant that they name). A gen may have the location of a tensor that it reads only at the very element
///    that it writes, reading before writing, and a scatter that of what it adds to; a gen computed in row t of a stack likewise that of row t of another stack;
///  - end of an instant: first the node's outputs, then all slots and `first` at once: `value` of one slot may be another
///    slot (a chain, an exchange `a = 1 fby b; b = 2 fby a`), and every operand is read before any slot is written.
///    Two slots, and a slot and its operand, have equal or disjoint memory, so an exchange needs no more than registers:
///    one loop over the elements that loads all of an instant's copies before it stores any;
///  - end of a scan that an until or upto ended early: the remaining rows of its stacks are zeroed, no sooner.
struct Plan {
  std::vector<Buffer> buffers;  ///< ids are positions
  llvm::DenseMap<mlir::Value, Location> locations;
  /// Location of the output for each operand of the node's yield (space Out); copied there at the end of the step
  /// unless equal to the operand's own location.
  std::vector<Location> outputs;
  int64_t stateBytes = 0, scratchBytes = 0, inBytes = 0, outBytes = 0;
};

/// Plans a scheduled node. Never fails on verified input.
Plan plan(dataflow::NodeOp node);
/// Plan <-> attributes: `mlr.buffers` and sizes on the node, `mlr.at` on operations (one entry a result) and arguments.
void attach(dataflow::NodeOp node, const Plan &plan);
mlir::FailureOr<Plan> read(dataflow::NodeOp node);
/// The table `mlr.buffers` alone, which Loops leaves on the functions.
mlir::FailureOr<std::vector<Buffer>> buffersOf(mlir::Operation *op);
/// Re-checks an attached plan from first principles: no read sees a slot overwritten since its definition, offsets
/// inside their space and aligned, no two live values overlap. Emits an MLIR error on violation.
mlir::LogicalResult validate(dataflow::NodeOp node);
/// mlr-store (plan, attach, validate) and mlr-validate-store as passes of mlr-opt.
void registerPasses();

} // namespace mlr::store
