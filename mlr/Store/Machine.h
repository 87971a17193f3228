// The machine on which the validator runs a planned node: memory that remembers which write filled each byte,
// and for each value the writes that defined it. An operation that reads a value fails if one of them has
// been overwritten.
#pragma once

#include "mlr/Store/Memory.h"
#include "mlr/Store/Timeline.h"

namespace mlr::store {

/// Bytes of a space.
struct Range {
  Space space;
  int64_t begin, end;
  bool operator==(const Range &) const = default;
  bool overlaps(const Range &o) const { return space == o.space && begin < o.end && o.begin < end; }
};

using Contents = llvm::SmallVector<Piece, 1>;

class Machine {
public:
  Machine(dataflow::NodeOp node, const Plan &plan) : node(node), plan(plan) {}
  mlir::LogicalResult run();

private:
  // Addresses.
  Range address(const Location &l, int64_t elements) const;
  Range address(mlir::Value value) const { return address(at(value), elementCount(value.getType())); }
  const Location &at(mlir::Value value) const { return plan.locations.find(value)->second; }
  bool located(mlir::Value value) const { return plan.locations.contains(value); }
  bool tensor(mlir::Value value) const { return llvm::isa<mlir::RankedTensorType>(value.getType()); }
  Range rowOf(mlir::Value stack, int64_t from, int64_t to) const;

  // Memory.
  Contents write(const Range &range) {
    return {{range.space, range.begin, range.end, memory.write(range.space, range.begin, range.end)}};
  }
  mlir::LogicalResult intact(mlir::Operation *by, mlir::Value value, Range part);
  mlir::LogicalResult intact(mlir::Operation *by, mlir::Value value) {
    return tensor(value) || located(value) ? intact(by, value, address(value)) : mlir::success();
  }
  mlir::LogicalResult define(mlir::Operation *op, mlir::Value result);
  mlir::LogicalResult copyOrShare(mlir::Operation *op, mlir::Value from, const Range &to, Contents &contents);
  mlir::LogicalResult rename(mlir::Operation *op);

  // Execution.
  mlir::LogicalResult begin();
  mlir::LogicalResult instant(mlir::Block &block, bool firstExecuted);
  mlir::LogicalResult execute(mlir::Operation *op, bool firstExecuted);
  mlir::LogicalResult reads(mlir::Operation *op);
  mlir::LogicalResult foreign(mlir::Operation *call);
  mlir::LogicalResult concat(dataflow::ConcatOp op);
  mlir::LogicalResult scatter(dataflow::ScatterOp op);
  mlir::LogicalResult stack(dataflow::StackOp op);
  mlir::LogicalResult end(mlir::Operation *op, bool firstExecuted);
  mlir::LogicalResult shift(dataflow::WindowOp op);
  mlir::LogicalResult window(dataflow::WindowOp op);
  mlir::LogicalResult rows(dataflow::RowsOp op);
  mlir::LogicalResult put(dataflow::PutOp op);
  mlir::LogicalResult scan(dataflow::ScanOp op);
  mlir::LogicalResult outputs();
  mlir::LogicalResult slots(mlir::Block &block);
  mlir::LogicalResult initialise(llvm::ArrayRef<mlir::Operation *> slots);
  mlir::LogicalResult captures(dataflow::ScanOp op, bool atEnd);
  llvm::SmallVector<int64_t> executedInstants(dataflow::ScanOp op) const;
  llvm::SmallVector<std::pair<int64_t, int64_t>> otherRows(dataflow::ScanOp op,
                                                           llvm::ArrayRef<int64_t> executed) const;
  mlir::LogicalResult enterStacks(dataflow::ScanOp op, llvm::ArrayRef<std::pair<int64_t, int64_t>> others);

  dataflow::NodeOp node;
  const Plan &plan;
  Memory memory;
  llvm::DenseMap<mlir::Value, Contents> contents;
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<mlir::Operation *>>
      slotsOf; ///< initialised at the start of a scan (or at reset)
  llvm::SmallVector<int64_t> instants;
};

} // namespace mlr::store
