// Prints the body of a function of the loops module as C99 statements.
#pragma once

#include "mlr/Target/CWriter.h"

namespace mlr::target {

/// Each SSA value is a const local, loop-carried values are variables. A vector is an array, or a local of
/// the loop over its lanes: consecutive operations on vectors share one loop, whose index is `l`, and `names`
/// has the text of one lane.
class Writer {
public:
  Writer(mlir::func::FuncOp function, const Layout &layout, std::string &out)
      : function(function), layout(layout), out(out) {}

  mlir::LogicalResult run();

private:
  // ---- text ----
  void line(const std::string &text) {
    out.append(2 * static_cast<size_t>(depth), ' ').append(text).append("\n");
  }
  std::string fresh() { return fmt::format("v{}", next++); }
  std::string operator[](mlir::Value v) const;
  void define(mlir::Value v, const std::string &expression);
  void traceLocation(mlir::Operation *op);

  // ---- operations ----
  mlir::LogicalResult block(mlir::Block &b, llvm::ArrayRef<std::string> carried = {});
  mlir::LogicalResult operation(mlir::Operation *op);
  mlir::LogicalResult forLoop(mlir::scf::ForOp op);
  mlir::LogicalResult ifElse(mlir::scf::IfOp op);
  mlir::LogicalResult whileLoop(mlir::scf::WhileOp op);
  void assign(mlir::ValueRange values, llvm::ArrayRef<std::string> targets);
  void markUnused(mlir::ValueRange results, llvm::ArrayRef<std::string> variables);
  std::vector<std::string> declare(mlir::ValueRange results);
  mlir::LogicalResult arithmetic(mlir::Operation *op);
  std::string constant(mlir::TypedAttr value);
  std::string compare(mlir::arith::CmpIOp op);
  std::string compare(mlir::arith::CmpFOp op);
  std::string convert(mlir::Operation *op);
  std::string arguments(mlir::func::CallOp call);
  std::string place(mlir::Value memref, mlir::ValueRange indices);
  std::string element(mlir::Value memref, const std::string &at);
  const store::Buffer *bufferOf(mlir::Value memref) const;
  std::string stored(mlir::Value memref, mlir::Value value) const;

  // ---- CLanes.cpp: vectors as loops over arrays ----
  bool conflicts(mlir::Operation *op) const;
  void flush(mlir::Block &b, mlir::Operation *next, llvm::ArrayRef<std::string> carried);
  mlir::LogicalResult laneOperation(mlir::Operation *op);
  std::string target(mlir::Value v, mlir::Block &b, mlir::Operation *next,
                     llvm::ArrayRef<std::string> carried) const;
  std::string constantLanes(mlir::arith::ConstantOp op);
  std::string lane(mlir::Value v, int64_t k);
  void openLanes(int64_t lanes);
  void closeLanes();
  std::string declareOne(mlir::Type type, const std::string &name);
  bool mayOverlap(mlir::Value memref, mlir::Value other) const;

  mlir::func::FuncOp function;
  const Layout &layout;
  std::string &out;
  int depth = 0;
  unsigned next = 0;
  llvm::DenseMap<mlir::Value, std::string> names;
  std::string lastLocation;
  llvm::SmallVector<mlir::Operation *> pending; ///< operations on vectors of one length, for one loop
  bool failedLanes = false;
};

/// Is it, or does it work on, a vector, element by element?
bool isLaneOperation(mlir::Operation *op);

} // namespace mlr::target
