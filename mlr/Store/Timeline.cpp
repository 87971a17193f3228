#include "mlr/Store/Timeline.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::store {

unsigned scanDepth(Operation *op) {
  unsigned depth = 0;
  for (Operation *p = op->getParentOp(); p && !isa<NodeOp>(p); p = p->getParentOp()) depth += isa<ScanOp>(p);
  return depth;
}

Operation *executedBy(Operation *op) {
  while (op->getParentOp() && !isa<NodeOp, ScanOp>(op->getParentOp())) op = op->getParentOp();
  return op;
}

ScanOp enclosingScan(Operation *op) { return dyn_cast_or_null<ScanOp>(executedBy(op)->getParentOp()); }

int64_t elementCount(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? tensor.getNumElements() : 1;
}

Type elementOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? tensor.getElementType() : type;
}

int64_t elementBytes(Type scalar) {
  if (!scalar.isIntOrFloat()) return 8; // an index is never stored
  return (scalar.getIntOrFloatBitWidth() + 7) / 8;
}

ArrayRef<int64_t> shapeOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? tensor.getShape() : ArrayRef<int64_t>();
}

StringRef sourceName(Operation *op) { return sourceName(op->getLoc()); }

StringRef sourceName(Location loc) {
  while (auto call = dyn_cast<CallSiteLoc>(loc)) loc = call.getCallee();
  auto name = dyn_cast<NameLoc>(loc);
  return name ? name.getName().getValue() : StringRef();
}

SlotHome slotHome(Operation *op) {
  SlotHome home;
  bool tensor = op->getNumResults() && isa<RankedTensorType>(op->getResult(0).getType());
  ScanOp scan = enclosingScan(op);
  if (isa<EbyOp>(op) || (scan && !scan.getResume())) {
    home.needed = tensor;
    home.scan = scan;
    return home;
  }
  home.needed = true;
  while (scan && scan.getResume()) scan = enclosingScan(scan);
  home.state = !scan;
  home.scan = scan;
  return home;
}

void walkInTime(Block &block, llvm::function_ref<void(Operation *)> visit,
                llvm::function_ref<void(ScanOp)> leave) {
  for (Operation &op : block) {
    visit(&op);
    if (auto scan = dyn_cast<ScanOp>(op)) {
      walkInTime(bodyOf(scan), visit, leave);
      leave(scan);
    }
  }
}

Timeline::Timeline(NodeOp node) {
  walkInTime(
      bodyOf(node), [&](Operation *op) { span[op] = {count, count}, ++count; },
      [&](ScanOp scan) { span[scan].second = count++; });
}

} // namespace mlr::store
