// The stage's functions as MLIR passes.
#include "mlr/Store/Plan.h"

#include "mlir/Pass/PassRegistry.h"

using namespace mlir;

namespace mlr::store {
namespace {

struct NodePass : PassWrapper<NodePass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(NodePass)
  using Function = LogicalResult (*)(dataflow::NodeOp);
  NodePass(StringRef argument, StringRef description, Function run)
      : argument(argument), description(description), run(run) {}
  StringRef getArgument() const override { return argument; }
  StringRef getDescription() const override { return description; }
  StringRef getName() const override { return argument; }
  void runOnOperation() override {
    for (auto node : getOperation().getOps<dataflow::NodeOp>())
      if (failed(run(node))) return signalPassFailure();
  }
  StringRef argument, description;
  Function run;
};

void add(StringRef argument, StringRef description, NodePass::Function run) {
  registerPass(
      [=]() -> std::unique_ptr<Pass> { return std::make_unique<NodePass>(argument, description, run); });
}

} // namespace

void registerPasses() {
  add("mlr-store", "decide where every value of a scheduled node lives, and re-check the result",
      [](dataflow::NodeOp node) {
        attach(node, plan(node));
        return validate(node);
      });
  add("mlr-validate-store", "re-check the buffer plan of a node", validate);
}

} // namespace mlr::store
