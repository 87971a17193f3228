#include "mlr/Store/Access.h"
#include "mlr/Store/Timeline.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::store {

/// The operand that is an axis' whole index, or null.
static Value indexOf(ReadOp read, AffineExpr expr) {
  auto dim = dyn_cast<AffineDimExpr>(expr);
  return dim ? read.getIndices()[dim.getPosition()] : Value();
}

static ScanOp scanOfIndex(Value index) {
  auto convert = index ? index.getDefiningOp<ConvertOp>() : ConvertOp();
  auto arg = dyn_cast_or_null<BlockArgument>(convert ? convert.getValue() : index);
  return arg ? dyn_cast<ScanOp>(arg.getOwner()->getParentOp()) : ScanOp();
}

Access access(ReadOp read, Operation *at, Block *block) {
  SmallVector<ScanOp> around; // innermost first
  for (Operation *op = at; op && op->getBlock() != block; op = op->getParentOp())
    if (auto scan = dyn_cast_or_null<ScanOp>(op->getParentOp())) around.push_back(scan);
  std::reverse(around.begin(), around.end());
  Access result;
  ArrayRef<AffineExpr> axes = read.getMap().getResults();
  ArrayRef<int64_t> shape = shapeOf(read.getSource().getType());
  while (result.rows.size() < std::min(axes.size(), around.size()) &&
         scanOfIndex(indexOf(read, axes[result.rows.size()])) == around[result.rows.size()] &&
         shape[result.rows.size()] == static_cast<int64_t>(around[result.rows.size()].getLength()))
    result.rows.push_back(around[result.rows.size()]);
  auto gen = dyn_cast<GenOp>(at);
  size_t skip = result.rows.size();
  if (!gen || shape.drop_front(skip) != shapeOf(gen.getType())) return result;
  result.ownElement = true;
  for (auto [k, expr] : llvm::enumerate(axes.drop_front(skip))) {
    auto constant = dyn_cast<AffineConstantExpr>(expr);
    bool only = shape[skip + k] == 1 && constant && constant.getValue() == 0;
    result.ownElement &= only || indexOf(read, expr) == bodyOf(gen).getArgument(k);
  }
  return result;
}

} // namespace mlr::store
