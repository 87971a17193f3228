// Functions with a derivative of their own: called until every derivative is taken, then expanded.
#include "mlr/Diff/Derivative.h"
#include "mlr/Dataflow/Passes.h"
#include "mlr/Diff/Diff.h"

#include "mlir/IR/IRMapping.h"

namespace mlr::diff {

/// Whether a body can hold its equations: only scalars can stand there.
static bool isOfScalars(NodeOp function) {
  return llvm::all_of(dataflow::bodyOf(function).without_terminator(), [](Operation &op) {
    auto isTensor = [](Type t) { return isa<RankedTensorType>(t); };
    return isa<ConstOp>(op) || (!isa<ScanOp, VjpOp, JvpOp>(op) && llvm::none_of(op.getResultTypes(), isTensor));
  });
}

/// A copy of the callee's equations in the place of the call.
static void expand(CallOp call, NodeOp callee, ConstantPool &constants) {
  OpBuilder b(call);
  IRMapping mapping;
  Block &body = dataflow::bodyOf(callee);
  for (auto [argument, operand] : llvm::zip(body.getArguments(), call.getInputs())) mapping.map(argument, operand);
  SmallVector<Operation *> copies;
  for (Operation &op : body.without_terminator()) {
    if (auto constant = dyn_cast<ConstOp>(op)) {
      mapping.map(constant.getResult(), constants.get(constant.getValue()));
      continue;
    }
    copies.push_back(b.clone(op, mapping));
  }
  for (Operation *copy : copies) // a graph region: operands may come later
    copy->walk([&](Operation *op) {
      for (OpOperand &operand : op->getOpOperands()) operand.set(mapping.lookupOrDefault(operand.get()));
    });
  for (auto [result, value] : llvm::zip(call.getResults(), body.getTerminator()->getOperands()))
    result.replaceAllUsesWith(mapping.lookupOrDefault(value));
  call.erase();
}

/// Expands calls in a node until none is left; with `ofRules`, only those of functions that have no derivative of their own.
static LogicalResult expandCalls(NodeOp node, SymbolTable &symbols, bool ofRules) {
  ConstantPool constants(node);
  int64_t total = 0;
  for (;;) {
    SmallVector<std::pair<CallOp, NodeOp>> calls;
    LogicalResult known = success();
    node.walk([&](CallOp call) {
      auto callee = symbols.lookup<NodeOp>(call.getCallee());
      if (!callee) known = call.emitError("calls an unknown node @") << call.getCallee();
      else if (!ofRules || !callee->hasAttr("derivative")) calls.push_back({call, callee});
    });
    if (failed(known) || calls.empty()) return known;
    for (auto [call, callee] : calls) {
      total += static_cast<int64_t>(dataflow::bodyOf(callee).getOperations().size());
      if (total > maxOperations) return call.emitError("the program expands to more than ") << maxOperations << " operations";
      if (isa<GenOp, ReduceOp>(call->getParentOp()) && !isOfScalars(callee)) takeOut(call);
      else expand(call, callee, constants);
    }
  }
}

LogicalResult expandRules(NodeOp node) {
  SymbolTable symbols(node->getParentOfType<ModuleOp>());
  return expandCalls(node, symbols, /*ofRules=*/true);
}

LogicalResult inlineRules(ModuleOp module) {
  SymbolTable symbols(module);
  for (NodeOp node : module.getOps<NodeOp>())
    if (node.getSymVisibility() != "private" && failed(expandCalls(node, symbols, /*ofRules=*/false))) return failure();
  for (NodeOp node : llvm::make_early_inc_range(module.getOps<NodeOp>()))
    if (node.getSymVisibility() == "private") node.erase();
  return success();
}

} // namespace mlr::diff
