#include "mlr/Dataflow/Effects.h"

using namespace mlir;

namespace mlr::dataflow {

bool hasEffects(Operation *op) { return effectRank(op).has_value(); }

std::optional<SmallVector<int64_t>> effectRank(Operation *op) {
  std::optional<SmallVector<int64_t>> least;
  if (!isa<ExternOp, ScanOp, NodeOp>(op)) return least;
  op->walk([&](ExternOp call) {
    if (call.getPure()) return;
    SmallVector<int64_t> rank(call.getRank());
    if (!least || rank < *least) least = rank;
  });
  return least;
}

SmallVector<ExternOp> effectsOf(NodeOp node) {
  SmallVector<ExternOp> calls;
  node.walk([&](ExternOp call) {
    if (!call.getPure()) calls.push_back(call);
  });
  llvm::stable_sort(calls, [](ExternOp a, ExternOp b) { return SmallVector<int64_t>(a.getRank()) < SmallVector<int64_t>(b.getRank()); });
  return calls;
}

} // namespace mlr::dataflow
