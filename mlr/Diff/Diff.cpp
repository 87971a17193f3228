#include "mlr/Diff/Diff.h"

#include "mlr/Dataflow/Flags.h"
#include "mlr/Dataflow/Order.h"
#include "mlr/Dataflow/Passes.h"
#include "mlr/Diff/Derivative.h"

namespace mlr::diff {
namespace {

/// jvp by transposing twice: the cotangent of `value` is a variable of its own, in which the vector-Jacobian product is linear.
/// (Radul et al. 2023)
void expandJvp(JvpOp op) {
  OpBuilder b(op);
  Location loc = op.getLoc();
  Value value = op.getValue();
  NodeOp node = op->getParentOfType<NodeOp>();
  ConstantPool constants(node);
  auto dual = CutOp::create(b, loc, value.getType(), constants.get(cast<TypedAttr>(zeroAttr(value.getType()))));
  SmallVector<Type> types(op.getTangents().getTypes());
  auto back = VjpOp::create(b, loc, types, value, dual, op.getVariables(), op.getBatchAttr());
  Value sum;
  for (auto [product, tangent] : llvm::zip(back.getResults(), op.getTangents())) {
    Value part = VjpOp::create(b, loc, TypeRange{value.getType()}, product, tangent, ValueRange{dual}, b.getI64IntegerAttr(0))
                     .getResult(0);
    sum = !sum ? part : makeEach(b, loc, value.getType(), [&](ValueRange at) -> Value {
      Value x = readLeading(b, loc, sum, at), y = readLeading(b, loc, part, at);
      return AddOp::create(b, loc, x.getType(), x, y);
    });
  }
  op.getResult().replaceAllUsesWith(sum);
  op.erase();
}

/// Derivatives of one value with the same cotangent are one program, in which all of their variables are cut.
struct Group {
  SmallVector<VjpOp> ops;
  SmallVector<Value> variables;
};

/// Whether the derivatives with respect to `some` stay what they are when `others` are cut too, and the other way round: none that is
/// new there is defined by way of these.
bool areApart(Block *block, ArrayRef<Value> some, ArrayRef<Value> others) {
  auto leadsTo = [&](ArrayRef<Value> from, ArrayRef<Value> to) {
    Activity activity(block, from);
    return llvm::any_of(to, [&](Value v) { return !llvm::is_contained(from, v) && activity.isBehind(v); });
  };
  return !leadsTo(some, others) && !leadsTo(others, some);
}

SmallVector<Group> groups(NodeOp node) {
  SmallVector<Group> all;
  node.walk([&](VjpOp op) {
    SmallVector<Value> variables(op.getVariables());
    for (Group &g : all) {
      VjpOp first = g.ops[0];
      if (first.getValue() == op.getValue() && first.getCotangent() == op.getCotangent() &&
          first.getBatch() == op.getBatch() && first->getBlock() == op->getBlock() &&
          areApart(op->getBlock(), variables, g.variables)) {
        g.ops.push_back(op);
        for (Value v : variables)
          if (!llvm::is_contained(g.variables, v)) g.variables.push_back(v);
        return;
      }
    }
    all.push_back({{op}, variables});
  });
  return all;
}

LogicalResult take(NodeOp node, Group &group) {
  SmallVector<Value> &variables = group.variables, gradients;
  VjpOp first = group.ops[0];
  for (;;) {
    Activity activity(first->getBlock(), variables);
    if (!activity.run(first.getValue())) return activity.blocker->emitError("depends on itself");
    if (!closeOneTime(first->getBlock(), activity, variables)) break;
  }
  Derivative derivative(node, first->getBlock(), variables, static_cast<unsigned>(first.getBatch()));
  if (failed(derivative.run(first.getValue(), first.getCotangent(), gradients))) return failure();
  for (VjpOp op : group.ops) {
    for (auto [v, result] : llvm::zip(op.getVariables(), op.getResults()))
      result.replaceAllUsesWith(gradients[llvm::find(variables, v) - variables.begin()]);
    op.erase();
  }
  return expandRules(node);
}

/// Makes one value of conditions that are computed twice: guards are compared as values.
void mergeConditions(NodeOp node) {
  struct Same {
    static unsigned getHashValue(const Operation *op) {
      return OperationEquivalence::computeHash(const_cast<Operation *>(op), OperationEquivalence::directHashValue,
                                               OperationEquivalence::ignoreHashValue, OperationEquivalence::IgnoreLocations);
    }
    static bool isEqual(const Operation *a, const Operation *b) {
      if (a == b || !isKey(a) || !isKey(b)) return a == b;
      return OperationEquivalence::isEquivalentTo(const_cast<Operation *>(a), const_cast<Operation *>(b),
                                                  OperationEquivalence::IgnoreLocations);
    }
    static bool isKey(const Operation *op) { return op != getEmptyKey() && op != getTombstoneKey(); }
    static Operation *getEmptyKey() { return llvm::DenseMapInfo<Operation *>::getEmptyKey(); }
    static Operation *getTombstoneKey() { return llvm::DenseMapInfo<Operation *>::getTombstoneKey(); }
  };
  auto inBlock = [](Block &block) {
    llvm::DenseSet<Operation *, Same> known;
    for (Operation &op : llvm::make_early_inc_range(block)) {
      if (op.getNumResults() != 1 || op.getNumRegions() != 0 || !op.getResult(0).getType().isInteger(1) || !dataflow::isInstantaneous(&op)) continue;
      auto [first, isNew] = known.insert(&op);
      if (isNew) continue;
      op.getResult(0).replaceAllUsesWith((*first)->getResult(0));
      op.erase();
    }
  };
  node.walk([&](Operation *op) {
    for (auto &region : op->getRegions())
      for (Block &block : region) inBlock(block);
  });
}

LogicalResult differentiateNode(NodeOp node) {
  if (node.walk([](Operation *op) { return isa<JvpOp, VjpOp>(op) ? WalkResult::interrupt() : WalkResult::advance(); }).wasInterrupted())
    mergeConditions(node);
  SmallVector<JvpOp> forward;
  node.walk([&](JvpOp op) { forward.push_back(op); });
  for (JvpOp op : forward) expandJvp(op);
  for (;;) {
    SmallVector<Group> left = groups(node);
    if (left.empty()) return success();
    bool any = false;
    for (Group &g : left) {
      VjpOp first = g.ops[0];
      Derivative derivative(node, first->getBlock(), g.variables, 0);
      if (derivative.blocker(first.getValue())) continue;
      if (failed(take(node, g))) return failure();
      mergeConditions(node);
      any = true;
      break; // values of other groups may have been replaced
    }
    if (!any) return left[0].ops[0].emitError("this derivative needs its own result");
  }
}

/// mlr.cut and mlr.stop are identities from here on.
void dropMarkers(ModuleOp module) {
  SmallVector<Operation *> markers;
  module.walk([&](Operation *op) {
    if (isa<CutOp, StopOp>(op)) markers.push_back(op);
  });
  for (Operation *op : markers) {
    op->getResult(0).replaceAllUsesWith(op->getOperand(0));
    op->erase();
  }
}

} // namespace

LogicalResult differentiate(ModuleOp module) {
  SmallVector<NodeOp> nodes;
  for (NodeOp node : module.getOps<NodeOp>()) nodes.push_back(node);
  for (NodeOp node : nodes)
    if (failed(differentiateNode(node))) return failure();
  dropMarkers(module);
  if (failed(inlineRules(module))) return failure();
  for (NodeOp node : module.getOps<NodeOp>()) orderOperations(node);
  return success();
}

} // namespace mlr::diff
