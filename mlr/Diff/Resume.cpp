// Scans that resume, where a derivative follows their state from one outer instant to the next, or takes them along into another
// scan: the time around carries the state, and each run is a scan of its own.
#include "mlr/Dataflow/Flags.h"
#include "mlr/Diff/Adjoint.h"

namespace mlr::diff {
namespace {

/// An equal scan that does not resume, with more results.
ScanOp replaceScan(ScanOp scan, ArrayRef<Value> more) {
  auto yield = cast<YieldOp>(dataflow::bodyOf(scan).getTerminator());
  SmallVector<Value> yields(yield.getOperands());
  SmallVector<Type> types(scan.getResultTypes());
  for (Value v : more) {
    yields.push_back(v);
    types.push_back(v.getType());
  }
  yield.getValuesMutable().assign(yields);
  OpBuilder b(scan);
  auto made = ScanOp::create(b, scan.getLoc(), types, scan.getUpto(), scan.getWhen(), scan.getReset(), scan.getLength(),
                             /*resume=*/false, scan.getSweepAttr(), scan.getIndexNameAttr());
  made.getBody().takeBody(scan.getBody());
  scan->replaceAllUsesWith(made->getResults().take_front(scan.getNumResults()));
  scan.erase();
  return made;
}

void closeScan(ScanOp scan) {
  Block &body = dataflow::bodyOf(scan);
  SmallVector<ScanOp> inner;
  SmallVector<WindowOp> windows;
  for (Operation &op : body) {
    if (auto s = dyn_cast<ScanOp>(op); s && s.getResume()) inner.push_back(s);
    if (auto window = dyn_cast<WindowOp>(op)) windows.push_back(window);
  }
  for (ScanOp s : inner) closeScan(s); // its state is one of this time then
  for (WindowOp window : windows) makeMemory(window);

  SmallVector<FbyOp> memories;
  SmallVector<FirstOp> firsts;
  for (Operation &op : body) {
    if (auto fby = dyn_cast<FbyOp>(op); fby && scan.getLength() > 0) memories.push_back(fby);
    if (auto first = dyn_cast<FirstOp>(op)) firsts.push_back(first);
  }
  Location loc = scan.getLoc();
  OpBuilder b(scan), in(&body, std::prev(body.end()));
  Type i1 = b.getI1Type();
  Value when = scan.getWhen();
  // What a state begins with: in the first run its own start, then what the last run left.
  auto carry = [&](Value start, StringAttr name) { return FbyOp::create(b, loc, start.getType(), start, start, name); };
  SmallVector<FbyOp> carried;
  SmallVector<Value> left;
  for (FbyOp fby : memories) {
    Operation *start = b.clone(*fby.getInit().getDefiningOp()); // a constant, as normalised time has it
    carried.push_back(carry(start->getResult(0), fby.getNameAttr()));
    left.push_back(FinalOp::create(in, loc, fby.getType(), fby.getValue()));
    fby.getInitMutable().assign(carried.back().getResult());
  }
  if (!firsts.empty()) {
    Value yes = ConstOp::create(b, loc, b.getBoolAttr(true)), no = ConstOp::create(b, loc, b.getBoolAttr(false));
    FbyOp isFirst = carry(yes, b.getStringAttr("first"));
    isFirst.getValueMutable().assign(when ? selectValue(b, loc, when, no, isFirst) : no);
    for (FirstOp first : firsts) {
      OpBuilder here(first);
      Value start = EqOp::create(here, loc, i1, body.getArgument(0), ConstOp::create(here, loc, b.getI32IntegerAttr(0)));
      first.getResult().replaceAllUsesWith(AndOp::create(here, loc, i1, start, isFirst));
      first.erase();
    }
  }
  size_t n = scan.getNumResults();
  ScanOp made = replaceScan(scan, left);
  b.setInsertionPointAfter(made);
  for (auto [k, fby] : llvm::enumerate(carried)) {
    Value next = made.getResult(n + k);
    fby.getValueMutable().assign(when ? selectValue(b, loc, when, next, fby) : next);
  }
}

/// The outermost scan that resumes which holds the operation, or is it, among those below `block` that `wanted` says.
ScanOp outermost(Operation *op, llvm::function_ref<bool(ScanOp)> wanted) {
  ScanOp found;
  for (; op && !isa<NodeOp>(op); op = op->getParentOp())
    if (auto scan = dyn_cast<ScanOp>(op); scan && scan.getResume() && wanted(scan)) found = scan;
  return found;
}

} // namespace

bool closeOneTime(Block *block, const Activity &activity, ArrayRef<Value> variables) {
  Operation *own = block->getParentOp();
  for (Value v : activity.values()) {
    Operation *op = v.getDefiningOp();
    if (!op || llvm::is_contained(variables, v)) continue;
    ScanOp scan;
    if (!own->isAncestor(op)) { // it comes along into the scan of the derivative
      scan = outermost(op, [&](ScanOp s) { return !s->isAncestor(own); });
    } else if (isa<FbyOp, WindowOp>(op)) { // its earlier runs are part of the derivative
      scan = outermost(op, [&](ScanOp s) { return own->isProperAncestor(s) && s->getBlock() != block; });
      auto window = dyn_cast<WindowOp>(op);
      if (!scan && window && (window.getWhen() || window.getReset())) return makeMemory(window), true;
      bool isAround = window && (!scanOf(op) || scanOf(op)->isAncestor(own));
      if (!scan && isAround && activity.isActive(window.getInit())) return makeMemory(window), true; // a select says which instant is the first
    }
    if (!scan) continue;
    closeScan(scan);
    return true;
  }
  return false;
}

} // namespace mlr::diff
