// Runs a node of the mlr dialect by its definition, one value at one instant at a time: what the reference interpreter is to the
// typed program. It runs programs with derivatives, which have no other meaning than the equations that they become, and
// compares each pass of the stage with the interpreter. Slow; recursive in time; remembers every value of every instant.
#pragma once

#include "mlr/Dataflow/Passes.h"
#include "mlr/Dataflow/Scalars.h"

#include <functional>
#include <map>

namespace mlr::dataflow {

using Bytes = std::vector<char>;

class Machine {
public:
  /// Whether chains of products multiply, then add, is said by the module (`mlr.unfused`), as to all later stages.
  /// `foreign` calls C functions, one value an input, one an output, of the function's own types; without it there are none.
  using Foreign = std::function<std::vector<Bytes>(dataflow::ExternOp call, const std::vector<Bytes> &arguments)>;
  explicit Machine(dataflow::NodeOp node, Foreign foreign = {})
      : node(node), unfused(node->getParentOfType<mlir::ModuleOp>()->hasAttr("mlr.unfused")), foreign(std::move(foreign)) {}
  /// The outputs of the next instant; inputs are row-major little-endian elements, bool a byte.
  std::vector<Bytes> step(std::vector<Bytes> inputs);
  /// What an operator of time remembers after the last instant: of fby the value for the next one, of window and rows all rows, of
  /// first whether the next instant is that. At the time of the node, or in a scan that resumes.
  Bytes remembered(mlir::Operation *op);
  /// What it remembers at the start, instead of its own; before the first step.
  void remember(mlir::Operation *op, Bytes state) { starts[op] = std::move(state); }

private:
  /// Instants of the enclosing times, the node's first.
  using Path = std::vector<int64_t>;
  /// An element of the flags of an operator of time.
  struct Lane {
    int64_t number = 0, count = 1;
  };
  using Locals = llvm::DenseMap<mlir::Value, dataflow::Bits>;

  const Bytes &value(mlir::Value v, Path path);
  Bytes compute(mlir::Value v, const Path &path);
  Bytes computeTime(mlir::Operation *op, const Path &path);
  Bytes callResult(dataflow::CallOp call, unsigned result, const Path &path);
  /// All results of a call of a C function at an instant; kept.
  void callForeign(dataflow::ExternOp call, const Path &path);
  /// Makes the calls with effects at an instant of the block, and those of the scans in it, in the order of their ranks.
  void act(mlir::Block &block, const Path &path);
  bool isLeftOut(mlir::Operation *op, const Path &path);
  Bytes tensor(dataflow::GenOp gen, const Path &path);
  Bytes scatter(dataflow::ScatterOp op, const Path &path);
  dataflow::Bits scalar(mlir::Value v, const Path &path, Locals &locals);
  dataflow::Bits reduce(dataflow::ReduceOp op, const Path &path, Locals &locals);
  void run(mlir::Block &block, const Path &path, Locals &locals);
  /// The instant before, in the time of the block; nothing at the first.
  std::optional<Path> previous(mlir::Block *block, const Path &path);
  /// A flag of an operator of time for one element of the tensor of flags.
  bool flag(mlir::Value v, const Path &path, Lane lane, bool otherwise);
  /// The active instant before in the same segment.
  std::optional<Path> previousActive(mlir::Operation *op, const Path &path, Lane lane);
  std::optional<Path> nextActive(mlir::Operation *op, const Path &path, Lane lane);
  Bytes onClock(mlir::Operation *op, const Path &path, Lane lane);
  int64_t lastInstant(dataflow::ScanOp scan, Path path);
  Bytes startOf(mlir::Operation *op);
  Bytes rows(dataflow::RowsOp op, const Path &path);
  /// The last instant so far of the block's time.
  std::optional<Path> lastOf(mlir::Block *block);

  dataflow::NodeOp node;
  bool unfused;
  Foreign foreign;
  std::vector<std::vector<Bytes>> inputs;
  std::map<std::pair<void *, Path>, Bytes> memo;
  std::map<std::pair<void *, Path>, int64_t> lasts;
  llvm::DenseMap<mlir::Operation *, Bytes> starts;
};

} // namespace mlr::dataflow
