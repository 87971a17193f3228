// IR from text, for the tests of Schedule.
#pragma once

#include "mlr/Schedule/Schedule.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

namespace mlr::schedule::test {

struct Ir {
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;

  explicit Ir(llvm::StringRef text) {
    context.loadDialect<dataflow::MlrDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    EXPECT_TRUE(module);
  }
  dataflow::NodeOp node() { return *module->getOps<dataflow::NodeOp>().begin(); }
  std::string print() {
    std::string text;
    llvm::raw_string_ostream os(text);
    module->print(os);
    return text;
  }
  /// Directions of the parts at the node's own level, in order: "ud".
  std::string sweeps(mlir::Operation *of = nullptr) {
    std::string result;
    for (auto scan : (of ? of->getRegion(0) : node().getBody()).getOps<dataflow::ScanOp>())
      result += scan.getSweep() == dataflow::Direction::Up ? 'u' : 'd';
    return result;
  }
  bool schedule() {
    return succeeded(scheduleNode(node())) && succeeded(mlir::verify(*module)) && succeeded(validate(node()));
  }
};

} // namespace mlr::schedule::test
