// Rewrites a node by a plan. Internal to Schedule.
#pragma once

#include "mlr/Schedule/Plan.h"

namespace mlr::schedule {

/// Rank of an operation in the source, for a stable order: see Order.h.
using Ranks = llvm::DenseMap<mlir::Operation *, int>;

/// Builds the parts and removes the scans that they come from. Operations of the node's own time stay the
/// same operations. Values that cross parts go through mlr.stack and are read back row by row. Textual order
/// is arbitrary afterwards.
class Emitter {
public:
  Emitter(const Graph &graph, const Plan &plan, Ranks &ranks);
  void run();

private:
  using Source = Graph::Source;
  struct Body {
    dataflow::ScanOp op; ///< without results until finish()
    mlir::Block *block = nullptr;
    llvm::SmallVector<std::pair<mlir::Value, mlir::Operation *>>
        outs; ///< constant of the scan, what stands for it outside
  };
  /// Where a part finds a value.
  struct Found {
    enum Kind { Node, Here, Result, Row, Again } kind;
    int producer = -1; ///< Result: part inside; Row: earlier part of the same scan
  };

  // Emit.cpp
  mlir::Value get(Source source, int part, int shift);
  mlir::Value getVertex(int vertex, int part, int shift, unsigned result = 0);
  Found find(int vertex, int part, int shift) const;
  mlir::Value execute(int vertex, int part, int shift);
  void connect(mlir::Operation *op, int part, int shift);
  mlir::Value out(int part, mlir::Operation *end, mlir::Value value, mlir::Type type);
  mlir::Value outOf(int exit, int part);
  Body &body(int part);
  void finish(int part);
  void eraseSource();
  template <typename Op, typename... Args> Op create(int part, int rank, mlir::Location loc, Args &&...args) {
    builder.setInsertionPoint(body(part).block->getTerminator());
    Op op = Op::create(builder, loc, std::forward<Args>(args)...);
    ranks[op] = rank;
    return op;
  }

  // EmitTime.cpp
  mlir::Value readRow(int vertex, int producer, int part, int shift, unsigned result);
  mlir::Value arrayOf(int vertex, int producer, unsigned result = 0);
  mlir::Value neighbour(int vertex, int part, int shift);
  mlir::Value slideOver(int vertex, int part);
  mlir::Value hold(int exit, int part);
  mlir::Value choose(int part, int rank, mlir::Value condition, mlir::Value yes, mlir::Value no,
                     mlir::Location loc);
  mlir::Value isAt(int part, int rank, bool last, int shift, mlir::Location loc);
  mlir::Value constant(int part, int64_t value);
  mlir::Value index(int part, int shift);
  mlir::Value position(int part, int shift);
  bool streamHere(Source source, int part) const;

  const Graph &graph;
  const Plan &plan;
  Ranks &ranks;
  mlir::OpBuilder builder;
  std::vector<Body> bodies;
  llvm::DenseMap<std::tuple<int, int, int, unsigned>, mlir::Value> values; ///< (vertex, part, shift, result)
  llvm::DenseMap<std::tuple<int, int, unsigned>, mlir::Value> arrays;
  llvm::DenseMap<std::pair<int, int>, mlir::Value> held, indices, positions, outsOfExits;
  llvm::DenseMap<std::pair<int, int64_t>, mlir::Value> constants;
  llvm::DenseMap<std::pair<mlir::Value, int>, mlir::Value> stacks;
  std::vector<std::tuple<mlir::Operation *, int, int>>
      toConnect; ///< operation, its part, shift of its instant
  std::vector<bool> nodeOpSeen;
};

} // namespace mlr::schedule
