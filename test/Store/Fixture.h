// Nodes from text, planned.
#pragma once

#include "mlr/Store/Plan.h"

#include "mlir/Parser/Parser.h"
#include <gtest/gtest.h>

namespace mlr::store::test {

struct Parsed {
  std::unique_ptr<mlir::MLIRContext> context = std::make_unique<mlir::MLIRContext>();
  mlir::OwningOpRef<mlir::ModuleOp> module;
  dataflow::NodeOp node;

  explicit Parsed(llvm::StringRef text) {
    context->loadDialect<dataflow::MlrDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(text, context.get());
    if (module) node = *module->getOps<dataflow::NodeOp>().begin();
  }
  /// The n-th operation of a kind in the text.
  template <typename Op> Op op(unsigned n = 0) {
    Op found;
    node->walk<mlir::WalkOrder::PreOrder>([&](Op o) {
      if (n-- == 0) found = o;
    });
    return found;
  }
};

inline const Buffer *bufferNamed(const Plan &plan, Space space, llvm::StringRef name) {
  for (const Buffer &b : plan.buffers)
    if (b.space == space && b.name == name) return &b;
  return nullptr;
}

inline const Buffer &bufferOf(const Plan &plan, mlir::Value value) {
  return plan.buffers[plan.locations.lookup(value).buffer];
}

} // namespace mlr::store::test
