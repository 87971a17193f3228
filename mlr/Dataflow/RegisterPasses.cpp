// The stage's functions as MLIR passes.
#include "mlr/Dataflow/Passes.h"

#include "mlir/Pass/PassRegistry.h"

using namespace mlir;

namespace mlr::dataflow {
namespace {

struct FunctionPass : PassWrapper<FunctionPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FunctionPass)
  using Function = LogicalResult (*)(ModuleOp);
  FunctionPass(StringRef argument, StringRef description, Function run)
      : argument(argument), description(description), run(run) {}
  StringRef getArgument() const override { return argument; }
  StringRef getDescription() const override { return description; }
  StringRef getName() const override { return argument; }
  void runOnOperation() override {
    if (failed(run(getOperation()))) signalPassFailure();
  }
  StringRef argument, description;
  Function run;
};

void add(StringRef argument, StringRef description, FunctionPass::Function run) {
  registerPass(
      [=]() -> std::unique_ptr<Pass> { return std::make_unique<FunctionPass>(argument, description, run); });
}

} // namespace

void registerPasses() {
  add("mlr-inline-calls", "inline every mlr.call into the root nodes", inlineCalls);
  add("mlr-normalize-time", "rewrite pre, first and computed initial values to the normal form",
      normalizeTime);
  add("mlr-simplify", "fold, compose, merge and drop operations; keeps every rounding",
      [](ModuleOp module) { return simplify(module); });
  add("mlr-guard-work", "say under which condition somebody looks at a tensor, reduction or scan", guardWork);
  add("mlr-pad-reads", "read elements beyond the ends of a tensor of a copy that has them", padReads);
  add("mlr-transpose-reused", "copy kernels of convolutions, their results last", transposeReused);
  add("mlr-split-reductions", "store what a reduction reduces, where that are reductions", splitReductions);
  add("mlr-transpose-invariants", "copy matrices that a scan multiplies with, transposed, before it", transposeInvariants);
  add("mlr-defer-updates", "bring sums of products over a scan up to date once in a block of instants", deferUpdates);
  add("mlr-verify-normalized", "check times, normal form and causality", verifyNormalized);
}

} // namespace mlr::dataflow
