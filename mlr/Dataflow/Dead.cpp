// Removal of what no output needs: by marking from the outputs, because recurrences use themselves.
#include "mlr/Dataflow/Effects.h"
#include "mlr/Dataflow/Rewrite.h"

using namespace mlir;

namespace mlr::dataflow {
namespace {

class Marker {
public:
  explicit Marker(NodeOp node) : node(node) {}

  bool run() {
    for (Value v : node.getBody().front().getTerminator()->getOperands()) need(v);
    for (ExternOp call : effectsOf(node))
      if (live.insert(call).second) work.push_back(call);
    while (!work.empty()) visit(work.pop_back_val());
    SmallVector<Operation *> dead;
    SmallVector<ScanOp> scans;
    node.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (op == node.getOperation() || isa<YieldOp>(op)) return WalkResult::advance();
      if (!live.contains(op)) {
        dead.push_back(op);
        return WalkResult::skip();
      }
      if (auto scan = dyn_cast<ScanOp>(op)) scans.push_back(scan);
      return WalkResult::advance();
    });
    bool changed = !dead.empty();
    for (ScanOp scan : llvm::reverse(scans)) changed |= dropResults(scan);
    for (Operation *op : dead) op->dropAllUses();
    for (Operation *op : dead) op->erase();
    return changed;
  }

private:
  void need(Value v) {
    auto result = dyn_cast<OpResult>(v);
    if (!result) return;
    Operation *op = result.getOwner();
    if (auto scan = dyn_cast<ScanOp>(op)) {
      if (!liveResults.insert(v).second) return;
      work.push_back(op);
      need(bodyOf(scan).getTerminator()->getOperand(result.getResultNumber()));
      return;
    }
    if (live.insert(op).second) work.push_back(op);
  }

  void visit(Operation *op) {
    live.insert(op);
    // A live operation keeps what is around it, and what ends its scan.
    Operation *parent = op->getParentOp();
    if (parent && parent != node.getOperation() && live.insert(parent).second) work.push_back(parent);
    for (Value v : op->getOperands()) need(v);
    if (auto scan = dyn_cast<ScanOp>(op)) {
      for (auto until : bodyOf(scan).getOps<UntilOp>())
        if (live.insert(until).second) work.push_back(until);
    } else if (isa<GenOp, ReduceOp>(op)) {
      for (Value v : bodyOf(op).getTerminator()->getOperands()) need(v);
    }
  }

  /// The scan without the results that nobody reads.
  bool dropResults(ScanOp scan) {
    auto yield = cast<YieldOp>(bodyOf(scan).getTerminator());
    SmallVector<unsigned> kept;
    for (OpResult r : scan->getResults())
      if (liveResults.contains(r)) kept.push_back(r.getResultNumber());
    if (kept.size() == scan->getNumResults()) return false;
    SmallVector<mlir::Type> types;
    SmallVector<Value> yields;
    for (unsigned k : kept) {
      types.push_back(scan->getResult(k).getType());
      yields.push_back(yield->getOperand(k));
    }
    OpBuilder b(scan);
    auto slim = ScanOp::create(b, scan.getLoc(), types, scan.getUpto(), scan.getWhen(), scan.getReset(),
                               scan.getLength(), scan.getResume(), scan.getSweepAttr(), scan.getIndexNameAttr());
    slim->setDiscardableAttrs(scan->getDiscardableAttrDictionary());
    slim.getBody().takeBody(scan.getBody());
    bodyOf(slim).getTerminator()->setOperands(yields);
    for (auto [n, k] : llvm::enumerate(kept)) scan->getResult(k).replaceAllUsesWith(slim->getResult(n));
    scan->dropAllUses();
    scan.erase();
    return true;
  }

  NodeOp node;
  DenseSet<Operation *> live;
  DenseSet<Value> liveResults;
  SmallVector<Operation *> work;
};

} // namespace

bool dropDead(NodeOp node) { return Marker(node).run(); }

} // namespace mlr::dataflow
