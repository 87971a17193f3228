#include "mlr/Schedule/Schedule.h"

#include "mlr/Schedule/Order.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::schedule {

namespace {

// Without an mlr.until the number of instants is known.
void replaceCounts(ScanOp scan) {
  Block &body = bodyOf(scan);
  for (Operation &op : body)
    if (isa<UntilOp>(op)) return;
  for (Operation &op : llvm::make_early_inc_range(body)) {
    if (!isa<CountOp>(op)) continue;
    Value count = scan.getUpto();
    if (!count) {
      OpBuilder builder(scan);
      count = ConstOp::create(builder, op.getLoc(), builder.getI32IntegerAttr(scan.getLength()));
    }
    op.getResult(0).replaceAllUsesWith(count);
    op.erase();
  }
}

// In a scan of one instant, a neighbour in time is the border value, and the value at either end is the
// value.
void replaceNeighbours(ScanOp scan) {
  if (scan.getLength() != 1) return;
  Operation *end = bodyOf(scan).getTerminator();
  for (auto [result, value] : llvm::zip(scan.getResults(), end->getOperands()))
    result.replaceUsesWithIf(value, [&](OpOperand &use) { return scan->isProperAncestor(use.getOwner()); });
  for (Operation &op : llvm::make_early_inc_range(bodyOf(scan))) {
    Value border;
    if (auto fby = dyn_cast<FbyOp>(op); fby && !scan.getResume()) border = fby.getInit();
    if (auto eby = dyn_cast<EbyOp>(op)) border = eby.getEnd();
    if (border && border != op.getResult(0)) {
      op.getResult(0).replaceAllUsesWith(border);
      op.erase();
    }
    if (isa<FinalOp, InitialOp>(op))
      op.getResult(0).replaceUsesWithIf(op.getOperand(0), [&](OpOperand &use) {
        return use.getOwner() != end && scan->isProperAncestor(use.getOwner());
      });
  }
}

} // namespace

LogicalResult scheduleNode(NodeOp node) {
  if (node.getScheduled()) return success();
  node.walk([](ScanOp scan) {
    replaceCounts(scan);
    replaceNeighbours(scan);
  });
  Graph graph(node);
  int why = 0;
  std::optional<Plan> plan = makePlan(graph, why);
  if (!plan) {
    Operation *op = graph.vertices[why].op;
    return (op ? op : node.getOperation())
        ->emitError(noSweeps);
  }
  Ranks ranks;
  Emitter(graph, *plan, ranks).run();
  Operation *culprit = nullptr;
  if (!orderOperations(node, ranks, culprit))
    return culprit->emitError("depends on itself within one instant");
  node.setScheduled(true);
  return success();
}

} // namespace mlr::schedule
