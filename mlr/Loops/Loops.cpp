// NAME_step and NAME_reset for each node.
#include "mlr/Loops/Branches.h"
#include "mlr/Loops/Loops.h"
#include "mlr/Loops/Lowering.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::loops {

/// Operations without effect whose results nobody uses, last first. Calls have none but for C functions that are kept.
static void eraseDead(func::FuncOp function) {
  SmallVector<Operation *> order;
  function.walk<WalkOrder::PreOrder>([&](Operation *op) { order.push_back(op); });
  for (Operation *op : llvm::reverse(order))
    if (op->getNumRegions() == 0 && (isOpTriviallyDead(op) || (isa<func::CallOp>(op) && op->use_empty() && !op->hasAttr("mlr.keep"))))
      op->erase();
}

static func::FuncOp declare(NodeOp node, StringRef suffix, ArrayRef<int64_t> sizes) {
  OpBuilder b(node);
  SmallVector<Type> types;
  for (int64_t size : sizes) types.push_back(MemRefType::get({size}, b.getI8Type()));
  std::string name = (node.getSymName() + suffix).str();
  auto f = func::FuncOp::create(b, node.getLoc(), name, b.getFunctionType(types, {}));
  f.addEntryBlock();
  return f;
}

LogicalResult lowerNode(NodeOp node, const store::Plan &plan, const Options &options, Globals &globals) {
  func::FuncOp step =
      declare(node, "_step", {plan.stateBytes, plan.scratchBytes, plan.inBytes, plan.outBytes});
  func::FuncOp reset = declare(node, "_reset", {plan.stateBytes});
  // What the back ends need to know of the node: names, types, the buffer table.
  for (NamedAttribute attr : node->getDiscardableAttrs())
    if (attr.getName().getValue().starts_with("mlr.")) step->setAttr(attr.getName(), attr.getValue());
  step->setAttr("mlr.arg_names", node.getArgNamesAttr());
  step->setAttr("mlr.result_names", node.getResultNamesAttr());
  if (node.getPresenceAttr()) step->setAttr("mlr.presence", node.getPresenceAttr());
  LogicalResult done = Lowering(node, plan, options, globals, step, false).emitStep();
  if (succeeded(done)) done = Lowering(node, plan, options, globals, reset, true).emitReset();
  if (succeeded(done)) {
    eraseDead(step);
    eraseDead(reset);
    makeBranches(step);
    storeInBranches(step);
    placeAccesses(step);
  }
  return done;
}

LogicalResult lowerToLoops(ModuleOp module, const Options &options) {
  module.getContext()
      ->loadDialect<func::FuncDialect, scf::SCFDialect, arith::ArithDialect, math::MathDialect, memref::MemRefDialect,
                    vector::VectorDialect>();
  Globals globals(module);
  for (NodeOp node : llvm::make_early_inc_range(module.getOps<NodeOp>())) {
    FailureOr<store::Plan> plan = store::read(node);
    if (failed(plan) || failed(lowerNode(node, *plan, options, globals))) return failure();
    node.erase();
  }
  return success();
}

} // namespace mlr::loops
