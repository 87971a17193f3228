// Selections by a condition that is the same for every element: instead of computing both sides of each element, a branch
// between two kernels. What a clock's memory keeps (select(on, new, old), placed on the old value) is then no work at all.
#include "mlr/Loops/Lowering.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::loops {
namespace {

/// Conditions of one kernel that become branches; each doubles its code at most.
constexpr int mostChoices = 4;

/// Whether computing the value takes a reduction within the body.
bool isCostly(Value v, Region &body, int depth = 0) {
  Operation *def = v.getDefiningOp();
  if (!def || !body.isAncestor(def->getParentRegion()) || depth > 32) return false;
  if (isa<ReduceOp>(def)) return true;
  return llvm::any_of(def->getOperands(), [&](Value operand) { return isCostly(operand, body, depth + 1); });
}

/// The selection that is worth a branch: what the whole element is chosen by, one within a reduction, or one that saves one.
SelectOp choiceIn(Operation *op) {
  Region &body = op->getRegion(0);
  Value element = body.front().getTerminator()->getOperand(0);
  bool isGen = isa<GenOp>(op);
  SelectOp found;
  body.walk([&](SelectOp select) {
    Value condition = select.getCondition();
    if (body.isAncestor(condition.getParentRegion()) || condition.getDefiningOp<ConstOp>()) return WalkResult::advance();
    bool isWhole = isGen && select.getResult() == element;
    bool isRepeated = !isGen || select->getParentRegion() != &body;
    if (!isWhole && !isRepeated && !isCostly(select.getYes(), body) && !isCostly(select.getNo(), body))
      return WalkResult::advance();
    found = select;
    return WalkResult::interrupt();
  });
  return found;
}

/// Replaces the selections by `condition` in the body by one of their sides, and drops what only the other one needs.
void choose(Region &body, Value condition, bool side) {
  SmallVector<SelectOp> selects;
  body.walk([&](SelectOp select) {
    if (select.getCondition() == condition) selects.push_back(select);
  });
  for (SelectOp select : selects) {
    select.getResult().replaceAllUsesWith(side ? select.getYes() : select.getNo());
    select.erase();
  }
  SmallVector<Operation *> order;
  body.walk<WalkOrder::PreOrder>([&](Operation *inner) { order.push_back(inner); });
  for (Operation *inner : llvm::reverse(order))
    if (!isa<YieldOp>(inner) && inner->use_empty()) inner->erase();
}

LogicalResult emitKernel(Lowering &l, Operation *op) {
  if (auto gen = dyn_cast<GenOp>(op)) return emitGen(l, gen);
  return emitReduce(l, cast<ReduceOp>(op));
}

LogicalResult emitWithChoices(Lowering &l, Operation *op, int choices) {
  SelectOp select = choices > 0 ? choiceIn(op) : SelectOp();
  Value condition = select ? l.scalar(select.getCondition()) : Value();
  if (!condition) return emitKernel(l, op);
  Value asked = select.getCondition();
  Region &body = op->getRegion(0);
  Region original;
  original.takeBody(body);
  LogicalResult done = success();
  bool isReduce = isa<ReduceOp>(op);
  auto emitSide = [&](bool side) {
    IRMapping mapping;
    original.cloneInto(&body, mapping);
    choose(body, asked, side);
    if (failed(emitWithChoices(l, op, choices - 1))) done = failure();
    body.getBlocks().clear();
    Values out;
    if (isReduce && succeeded(done)) out.push_back(l.scalar(op->getResult(0)));
    return out;
  };
  SmallVector<Type> types;
  if (isReduce) types.push_back(registerType(op->getResult(0).getType()));
  auto branch = scf::IfOp::create(l.a.b, l.a.loc, types, condition, /*addThenBlock=*/true, /*addElseBlock=*/true);
  for (bool side : {true, false}) {
    OpBuilder::InsertionGuard guard(l.a.b);
    Block *block = side ? branch.thenBlock() : branch.elseBlock();
    if (block->mightHaveTerminator()) block->getTerminator()->erase();
    l.a.b.setInsertionPointToEnd(block);
    Values out = emitSide(side);
    l.a.b.setInsertionPointToEnd(block);
    scf::YieldOp::create(l.a.b, l.a.loc, out);
  }
  body.takeBody(original);
  if (isReduce && succeeded(done)) l.setScalar(op->getResult(0), branch.getResult(0));
  return done;
}

} // namespace

LogicalResult emitChosen(Lowering &l, Operation *op) { return emitWithChoices(l, op, mostChoices); }

} // namespace mlr::loops
