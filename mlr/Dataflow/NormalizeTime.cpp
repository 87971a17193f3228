// Rewrites the operators of time to the few forms that the later stages know (see Passes.h).
#include "mlr/Dataflow/Constants.h"
#include "mlr/Dataflow/Passes.h"
#include "mlr/Dataflow/Rewrite.h"

using namespace mlir;

namespace mlr::dataflow {
namespace {

bool isConstant(Value v) { return v.getDefiningOp<ConstOp>() != nullptr; }

/// Node body, or a scan whose state survives: the time starts once.
bool startsOnce(Block *block) {
  auto scan = dyn_cast<ScanOp>(block->getParentOp());
  return !scan || scan.getResume();
}

bool isCaptured(Value v, Block *block) { return v.getParentBlock() != block; }

/// select(condition, yes, no) element by element.
Value selectValue(OpBuilder &b, Location loc, Value condition, Value yes, Value no) {
  auto tensor = dyn_cast<RankedTensorType>(yes.getType());
  if (!tensor) return SelectOp::create(b, loc, yes.getType(), condition, yes, no);
  auto gen = GenOp::create(b, loc, tensor);
  Block *body = b.createBlock(&gen.getBody());
  for (int64_t i = 0; i < tensor.getRank(); ++i) body->addArgument(b.getIndexType(), loc);
  auto map = AffineMap::getMultiDimIdentityMap(tensor.getRank(), b.getContext());
  auto read = [&](Value v) -> Value {
    return ReadOp::create(b, loc, tensor.getElementType(), v, AffineMapAttr::get(map), body->getArguments(),
                          nullptr);
  };
  Value a = read(yes), c = read(no);
  Value s = SelectOp::create(b, loc, tensor.getElementType(), condition, a, c);
  YieldOp::create(b, loc, s);
  b.setInsertionPointAfter(gen);
  return gen.getResult();
}

Value constant(OpBuilder &b, Location loc, TypedAttr value) { return ConstOp::create(b, loc, value); }

/// t == 0 or `first` where the time starts once.
Value firstInstant(OpBuilder &b, Location loc, Block *block) {
  if (startsOnce(block)) return FirstOp::create(b, loc, b.getI1Type(), nullptr);
  Value t = block->getArgument(0);
  return EqOp::create(b, loc, b.getI1Type(), t, constant(b, loc, b.getI32IntegerAttr(0)));
}

Value lastInstant(OpBuilder &b, Location loc, Block *block) {
  auto scan = cast<ScanOp>(block->getParentOp());
  Value t = block->getArgument(0), last;
  bool hasUntil = llvm::any_of(*block, [](Operation &op) { return isa<UntilOp>(op); });
  if (hasUntil) {
    Value count = CountOp::create(b, loc, b.getI32Type());
    last = SubOp::create(b, loc, b.getI32Type(), count, constant(b, loc, b.getI32IntegerAttr(1)));
  } else {
    last = constant(b, loc, b.getI32IntegerAttr(static_cast<int32_t>(scan.getLength() - 1)));
  }
  return EqOp::create(b, loc, b.getI1Type(), t, last);
}

/// Starting values that are tensors of constants, such as [0.0 for i < N], become constants.
void evaluateStarts(NodeOp node) {
  bool any = false;
  auto startOf = [](Operation *op) -> Value {
    if (auto fby = dyn_cast<FbyOp>(op)) return fby.getInit();
    if (auto eby = dyn_cast<EbyOp>(op)) return eby.getEnd();
    if (auto window = dyn_cast<WindowOp>(op)) return window.getInit();
    return {};
  };
  node.walk([&](Operation *op) {
    Value start = startOf(op);
    any = any ||
          (start && start.getDefiningOp() && isInstantaneous(start.getDefiningOp()) && !isConstant(start));
  });
  if (!any) return;
  foldOperations(node, /*unfused=*/true); // leaves every chain as it is
  SmallVector<Operation *> starts;
  node.walk([&](Operation *op) {
    if (Value start = startOf(op))
      if (Operation *def = start.getDefiningOp(); def && isa<GenOp, ReduceOp>(def)) starts.push_back(def);
  });
  for (Operation *def : starts) foldConstantTensor(def, EvaluationLimits(), /*all=*/true);
}

void normalize(PreOp op) {
  OpBuilder b(op);
  Value zero = constant(b, op.getLoc(), zeroAttr(op.getType()));
  auto fby = FbyOp::create(b, op.getLoc(), op.getType(), zero, op.getValue(), op.getNameAttr());
  op.replaceAllUsesWith(fby.getResult());
  op.erase();
}

void normalize(FbyOp op) {
  Block *block = op->getBlock();
  Value init = op.getInit();
  if (isConstant(init) || (!startsOnce(block) && isCaptured(init, block))) return;
  OpBuilder b(op);
  Value zero = constant(b, op.getLoc(), zeroAttr(op.getType()));
  auto fby = FbyOp::create(b, op.getLoc(), op.getType(), zero, op.getValue(), op.getNameAttr());
  Value first = firstInstant(b, op.getLoc(), block);
  op.replaceAllUsesWith(selectValue(b, op.getLoc(), first, init, fby));
  op.erase();
}

LogicalResult normalize(EbyOp op) {
  Block *block = op->getBlock();
  if (!isa<ScanOp>(block->getParentOp()))
    return op.emitOpError("stands outside of any scan: its time has no end");
  if (isConstant(op.getEnd()) || isCaptured(op.getEnd(), block)) return success();
  OpBuilder b(op);
  Value zero = constant(b, op.getLoc(), zeroAttr(op.getType()));
  auto eby = EbyOp::create(b, op.getLoc(), op.getType(), op.getValue(), zero, op.getNameAttr());
  Value last = lastInstant(b, op.getLoc(), block);
  op.replaceAllUsesWith(selectValue(b, op.getLoc(), last, op.getEnd(), eby));
  op.erase();
  return success();
}

/// Instants executed before this one, counted up to `most`.
Value instantsBefore(OpBuilder &b, Location loc, Block *block, int32_t most) {
  if (!startsOnce(block)) return block->getArgument(0);
  mlir::Type i32 = b.getI32Type();
  Value zero = constant(b, loc, b.getI32IntegerAttr(0)), one = constant(b, loc, b.getI32IntegerAttr(1));
  auto count = FbyOp::create(b, loc, i32, zero, zero, StringAttr());
  Value next = AddOp::create(b, loc, i32, count, one);
  count->setOperand(1, MinOp::create(b, loc, i32, next, constant(b, loc, b.getI32IntegerAttr(most))));
  return count;
}

/// The value that `v` has at the first instant, at every instant.
Value latched(OpBuilder &b, Location loc, Block *block, Value v) {
  Value zero = constant(b, loc, zeroAttr(v.getType()));
  auto before = FbyOp::create(b, loc, v.getType(), zero, zero, StringAttr());
  Value held = selectValue(b, loc, firstInstant(b, loc, block), v, before);
  before->setOperand(1, held);
  return held;
}

/// Elements from before time began are the first value of a varying `init`: a select on the number of instants so far.
void normalize(WindowOp op) {
  Block *block = op->getBlock();
  Value init = op.getInit();
  if (isConstant(init) || (!startsOnce(block) && isCaptured(init, block))) return;
  OpBuilder b(op);
  Location loc = op.getLoc();
  auto type = cast<RankedTensorType>(op.getResult().getType());
  auto size = static_cast<int32_t>(type.getDimSize(0));
  Value held = latched(b, loc, block, init), before = instantsBefore(b, loc, block, size);
  Value zero = constant(b, loc, zeroAttr(init.getType()));
  Value window = WindowOp::create(b, loc, type, op.getValue(), zero, op.getNameAttr());
  auto gen = GenOp::create(b, loc, type);
  Block *body = b.createBlock(&gen.getBody());
  for (int64_t i = 0; i < type.getRank(); ++i) body->addArgument(b.getIndexType(), loc);
  mlir::Type i32 = b.getI32Type(), element = type.getElementType();
  Value row = AddOp::create(b, loc, i32, before, ConvertOp::create(b, loc, i32, body->getArgument(0)));
  Value early = LtOp::create(b, loc, b.getI1Type(), row, constant(b, loc, b.getI32IntegerAttr(size - 1)));
  auto read = [&](Value from, ValueRange at) -> Value {
    if (!isa<RankedTensorType>(from.getType())) return from;
    auto map = AffineMap::getMultiDimIdentityMap(static_cast<unsigned>(at.size()), b.getContext());
    return ReadOp::create(b, loc, element, from, AffineMapAttr::get(map), at, nullptr);
  };
  Value start = read(held, body->getArguments().drop_front()), value = read(window, body->getArguments());
  YieldOp::create(b, loc, SelectOp::create(b, loc, element, early, start, value).getResult());
  op.replaceAllUsesWith(gen.getResult());
  op.erase();
}

void normalize(FirstOp op) {
  if (startsOnce(op->getBlock())) return;
  OpBuilder b(op);
  op.replaceAllUsesWith(firstInstant(b, op.getLoc(), op->getBlock()));
  op.erase();
}

} // namespace

LogicalResult normalizeTime(ModuleOp module) {
  for (NodeOp node : module.getOps<NodeOp>()) evaluateStarts(node);
  SmallVector<Operation *> work;
  module.walk([&](Operation *op) {
    if (isa<PreOp, FbyOp, EbyOp, WindowOp, FirstOp, CallOp>(op)) work.push_back(op);
  });
  for (Operation *op : work) {
    if (auto pre = dyn_cast<PreOp>(op)) normalize(pre);
    else if (auto fby = dyn_cast<FbyOp>(op)) normalize(fby);
    else if (auto window = dyn_cast<WindowOp>(op)) normalize(window);
    else if (auto first = dyn_cast<FirstOp>(op)) normalize(first);
    else if (auto eby = dyn_cast<EbyOp>(op)) {
      if (failed(normalize(eby))) return failure();
    } else return op->emitOpError("is still there: inline calls first");
  }
  return success();
}

} // namespace mlr::dataflow
