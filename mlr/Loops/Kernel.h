// Register-tiled loops for one gen or reduce. The body is emitted once a tile of `rows` x `columns` elements: rows are
// neighbours along one axis, columns vectors of neighbours along another (the lane axis). With one row and one column
// of width 1 this is the plain scalar loop nest. Every element has its own accumulators, so the order of each chain is
// the defined one whatever the tile.
#pragma once

#include "mlr/Loops/Access.h"
#include "mlr/Loops/Lowering.h"

#include <set>

namespace mlr::loops {

/// Elements offset .. offset+active-1 of a tile, held in a register of `width` lanes.
struct Column {
  int64_t offset = 0, width = 1, active = 1;
};
/// Covers `count` elements by registers of at most `lanes` lanes.
llvm::SmallVector<Column> columnsOf(int64_t count, int64_t lanes, const Options &options);
/// Lanes of a full register of this element; 1 without vectors.
int64_t lanesFor(Type scalar, const Options &options);

/// An index at lane k: at + step * k + lanes[k]; lanes is an i32 vector or null.
struct IndexValue {
  Linear at;
  int64_t step = 0;
  Value lanes;
};

/// How a gen is tiled: chosen by Tiling.cpp from strides and operation counts.
struct Tiling {
  int lane = -1, row = -1;    ///< positions in the domain's axes; -1: none
  int64_t lanes = 1;          ///< width of a full register
  int64_t rows = 1;
  int64_t columns = 1;        ///< registers side by side
};
Tiling chooseTiling(Lowering &l, dataflow::GenOp gen, const Domain &domain);

/// Lanes for one reduction by itself, along its innermost axis; 1 where that does not pay or would change the order.
int64_t lanesOfReduce(Lowering &l, dataflow::ReduceOp op, const Domain &domain);

/// The parts of the lane axis: where reads may be clamped along it, and where none is.
struct Part {
  Range range;
  bool interior = false;
};
llvm::SmallVector<Part> partsOf(mlir::Region &body, const Domain &domain, const Axis &lane, int64_t lanes);

/// A constant copied at compile time in the order in which a tiled kernel reads it.
struct Packed {
  mlir::memref::GlobalOp global;
  llvm::SmallVector<std::pair<mlir::BlockArgument, int64_t>> outer;  ///< coefficients of the gen's other arguments, in elements
  llvm::SmallVector<std::pair<mlir::BlockArgument, int64_t>> inner;  ///< of the reductions' arguments, in tile rows
  int64_t depth = 1;                                                 ///< tile rows of a tile: product of the inner sizes
};
/// The arguments that a read's place depends on, with their sizes (joined axes as in Domain).
struct ReadArguments {
  llvm::SmallVector<Axis> outer, inner;
  bool onlyArguments = true;  ///< depends on nothing else
};
ReadArguments argumentsOf(dataflow::ReadOp read, const Domain &domain, mlir::Value lane);
/// Is the read packable for lanes along `lane`: a constant, read at affine places of the kernel's own arguments, in total not
/// much more often than it has elements?
bool isPackable(Lowering &l, dataflow::ReadOp read, const Domain &domain, const Axis &lane);

/// A read whose lanes are rows of memory and whose innermost reduction index walks along them, like W[i, k] with lanes along i
/// and a variable W: blocks of `step` indices are loaded as rows and transposed in registers. Square blocks (`step` as long
/// as the register, all of a row's cache line at once) where the index runs that far, else 128 bits of each row.
struct Transposable {
  int64_t step = 1;    ///< indices of a block, a power of 2, at most `width`
  int64_t stride = 0;  ///< between lanes, in elements
};
/// For registers of `width` lanes and blocks of at most `most` indices; none where even 128 bits do not fit.
std::optional<Transposable> transposable(dataflow::ReadOp read, Value lane, int64_t width, int64_t most);
/// The same for a read outside of reductions whose row axis walks along the rows of memory: `y = [x[j, i] for i, j]`.
std::optional<Transposable> transposableByRows(dataflow::ReadOp read, Value lane, Value row);

class Kernel {
public:
  explicit Kernel(Lowering &l, Kernel *parent = nullptr, int64_t parentRow = 0, int64_t parentColumn = 0)
      : l(l), a(l.a), parent(parent), parentRow(parentRow), parentColumn(parentColumn) {}

  LogicalResult emitGen(dataflow::GenOp op);
  /// A reduce of the node's or a scan's level: one element.
  Value emitSingle(dataflow::ReduceOp op);
  Value emitSingle(dataflow::ReadOp op);

private:
  // Kernel.cpp: loops over tiles.
  void emitLevel(size_t level);
  void emitAxis(const Axis &axis, bool isLane, bool isRow, size_t level);
  void emitPart(const Axis &axis, Range range, bool isLane, bool isRow, size_t level);
  void emitResult();
  void emitReady(mlir::Block &block);
  size_t openScope() const { return log.size(); }
  void closeScope(size_t mark);

  // Kernel.cpp: values.
  uint64_t computeDependence(mlir::Block &block);
  uint64_t dependence(Value v);
  unsigned copies(uint64_t dependence) const;
  unsigned copy(uint64_t dependence, unsigned r, unsigned c) const;
  bool isLaned(uint64_t dependence) const { return (dependence & laneBit) != 0; }
  /// The register of a body value for one element of the tile, as `width` lanes (1: scalar).
  Value get(Value v, unsigned r, unsigned c, int64_t width);
  /// As it is: a scalar where it does not depend on the lane.
  Value raw(Value v, unsigned r, unsigned c);
  void set(Value v, Values registers);
  bool isCaptured(Value v) const;  ///< from the node or a scan
  IndexValue indexOf(Value v, unsigned r, unsigned c);
  /// Calls emit(r, c, width) once for each distinct copy of a value with this dependence.
  Values forCopies(uint64_t dependence, llvm::function_ref<Value(unsigned r, unsigned c, int64_t width)> emit);
  void emitOperation(Operation *op);
  void emitConvert(dataflow::ConvertOp op);
  Value emitConvert(Value from, Value to, unsigned r, unsigned c, int64_t width);
  Value splat(Value scalar, int64_t width);

  // Reads.cpp
  void emitRead(dataflow::ReadOp op);
  Value readElement(dataflow::ReadOp op, unsigned r, unsigned c, int64_t width);
  IndexValue addressOf(dataflow::ReadOp op, unsigned r, unsigned c, int64_t width);
  IndexValue evaluate(mlir::AffineExpr e, llvm::ArrayRef<IndexValue> dims, int64_t width);
  IndexValue divide(const IndexValue &x, int64_t by, mlir::AffineExprKind kind, int64_t width);
  IndexValue clampTo(const IndexValue &x, int64_t size, int64_t width);
  Value laneVector(const IndexValue &x, int64_t width);
  Value loadAt(Value memref, const IndexValue &at, Type scalar, int64_t width, int64_t active);
  Value readTransposed(dataflow::ReadOp op, unsigned r, unsigned c, const Transposable &t, int64_t position);
  std::optional<Linear> packedAddress(dataflow::ReadOp op, unsigned r, unsigned c);
  const Packed *packedOf(dataflow::ReadOp op);

  // Reductions.cpp
  void emitReduces(dataflow::ReduceOp first);
  struct Group {
    llvm::SmallVector<dataflow::ReduceOp> ops;
    llvm::SmallVector<Domain> domains;  ///< of equal sizes
  };
  Group groupOf(dataflow::ReduceOp first);
  Values emitReduceLoops(const Group &group, size_t axis, ValueRange accumulators);
  Values emitReduceBlocks(const Group &group, size_t axis, Range range, int64_t step, ValueRange accumulators);
  int64_t transposedStep(const Group &group, int64_t most);
  Values emitReduceStep(const Group &group, ValueRange accumulators);
  Values neutral(dataflow::ReduceOp op, int64_t width);
  Values combine(dataflow::ReduceOp op, unsigned r, unsigned c, int64_t width, ValueRange accumulators, Value position);
  Value accumulate(dataflow::ReduceOp op, Value acc, unsigned r, unsigned c, int64_t width);
  Value accumulate(dataflow::ReduceOp op, Value acc, Value x, Value y);

  // LaneReductions.cpp
  bool emitByLanes(dataflow::ReduceOp op);
  Value emitLanes(dataflow::ReduceOp op, const Domain &domain, int64_t lanes);
  Values laneStep(dataflow::ReduceOp op, int64_t lanes, int64_t active, const Linear &flat, ValueRange carried);
  /// Runs step(p) for the elements p, p + 16, .. of a block of 16, and carries values through the blocks.
  using TreeStep = llvm::function_ref<Values(const Linear &flat, int64_t active, ValueRange carried)>;
  Values emitTreeBlocks(const Domain &domain, ValueRange init, TreeStep step);
  void emitTree(dataflow::ReduceOp op);
  Value emitTreeLanes(dataflow::ReduceOp op);
  Values emitTreeSerial(dataflow::ReduceOp op);
  Value treeTotal(Type scalar, Values partials);
  void bindFlat(const Domain &domain, const Linear &flat, int64_t lanes);

  struct Copies {
    Values registers;
    uint64_t dependence = 0;
  };

  Lowering &l;
  Arith &a;
  Kernel *parent;
  int64_t parentRow, parentColumn;

  // The gen being emitted.
  dataflow::GenOp gen;
  Domain domain;
  Tiling tiling;
  llvm::SmallVector<size_t> order;   ///< axes, outermost loop first
  uint64_t laneBit = 0, rowBit = 0, opened = 0;
  llvm::DenseMap<Value, uint64_t> dependences;  ///< bit k: on axis k of the domain; higher bits: on a reduction's indices
  llvm::DenseMap<mlir::Block *, uint64_t> reduceBits;
  unsigned nextBit = 0;

  // The current tile.
  mlir::BlockArgument laneArg, rowArg;
  unsigned rows = 1;
  llvm::SmallVector<Column> columns{Column{}};
  int64_t tileWidth = 1;             ///< lanes of all columns together, padding included
  int64_t padding = 0;               ///< lanes of padding in the tiles before
  bool interior = false;             ///< nothing is clamped along the lane axis
  llvm::DenseMap<Value, Linear> indices;   ///< region arguments that run now
  llvm::DenseMap<Value, Copies> values;
  llvm::SmallVector<Value> log;      ///< keys of `values` in order of insertion, for closeScope
  llvm::DenseMap<Value, Value> laneVectors;  ///< region arguments that are different at each lane, as i32 vectors
  std::map<Operation *, std::optional<Packed>> packed;  // looked up only, never iterated
  /// A block of the innermost indices of a group of reductions, whose steps are emitted one after the other.
  struct ReduceBlock {
    const Group *group = nullptr;  ///< null: in no block
    int64_t step = 1, position = 0;
  };
  ReduceBlock reduceBlock;
  std::map<std::tuple<Operation *, unsigned, unsigned>, Values> transposed;  ///< of the current block, by read, row, column
};

} // namespace mlr::loops
