// The driver of the rewrites of Rewrite.h: rounds until nothing changes. Graph regions have cycles, so each
// rewrite walks the node itself, with a bound, instead of trusting a greedy driver.
#include "mlr/Dataflow/Order.h"
#include "mlr/Dataflow/Passes.h"
#include "mlr/Dataflow/Rewrite.h"

using namespace mlir;

namespace mlr::dataflow {

/// Rounds are few: each one composes whole chains. The bound is for rewrites that would feed one another.
constexpr int maxRounds = 16;

static bool round(NodeOp node, const EvaluationLimits &limits, bool all) {
  bool changed = mergeEqual(node);
  changed |= foldOperations(node, limits.unfused);
  dropDead(node);
  changed |= hoistInvariants(node);
  changed |= foldConstantTensors(node, limits, all);
  dropDead(node);
  changed |= composeReads(node);
  dropDead(node);
  return changed;
}

LogicalResult simplify(ModuleOp module, const SimplifyOptions &options) {
  EvaluationLimits limits;
  limits.unfused = options.unfused;
  for (NodeOp node : module.getOps<NodeOp>()) {
    // Cheap tensors of constants are inlined where they are read; what is left of them in the end becomes
    // ROM.
    bool all = false;
    for (int i = 0; i < maxRounds; ++i) {
      if (round(node, limits, all)) continue;
      if (all) break;
      all = true;
    }
    orderOperations(node);
  }
  return success();
}

} // namespace mlr::dataflow
