#include "mlr/Dataflow/Flags.h"
#include "mlr/Dataflow/Constants.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace mlr::dataflow {

Value readLeading(OpBuilder &b, Location loc, Value v, ValueRange indices) {
  auto tensor = dyn_cast<RankedTensorType>(v.getType());
  if (!tensor) return v;
  auto rank = static_cast<unsigned>(tensor.getRank());
  auto map = AffineMapAttr::get(AffineMap::getMultiDimIdentityMap(rank, b.getContext()));
  return ReadOp::create(b, loc, tensor.getElementType(), v, map, indices.take_front(rank), nullptr);
}

Value makeEach(OpBuilder &b, Location loc, mlir::Type type, llvm::function_ref<Value(ValueRange)> element) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor) return element({});
  auto gen = GenOp::create(b, loc, tensor);
  Block *body = b.createBlock(&gen.getBody());
  for (int64_t i = 0; i < tensor.getRank(); ++i) body->addArgument(b.getIndexType(), loc);
  YieldOp::create(b, loc, element(body->getArguments()));
  b.setInsertionPointAfter(gen);
  return gen.getResult();
}

Value selectValue(OpBuilder &b, Location loc, Value flag, Value yes, Value no) {
  mlir::Type element = elementOf(yes.getType());
  return makeEach(b, loc, yes.getType(), [&](ValueRange at) -> Value {
    Value c = readLeading(b, loc, flag, at), x = readLeading(b, loc, yes, at),
          y = readLeading(b, loc, no, at);
    return SelectOp::create(b, loc, element, c, x, y);
  });
}

template <class Op> static Value combine(OpBuilder &b, Location loc, Value x, Value y) {
  mlir::Type type = shapeOf(x.getType()).size() < shapeOf(y.getType()).size() ? y.getType() : x.getType();
  return makeEach(b, loc, type, [&](ValueRange at) -> Value {
    Value u = readLeading(b, loc, x, at), v = readLeading(b, loc, y, at);
    return Op::create(b, loc, b.getI1Type(), u, v);
  });
}

Value andFlags(OpBuilder &b, Location loc, Value x, Value y) { return combine<AndOp>(b, loc, x, y); }
Value orFlags(OpBuilder &b, Location loc, Value x, Value y) { return combine<OrOp>(b, loc, x, y); }
Value notFlag(OpBuilder &b, Location loc, Value x) {
  return makeEach(b, loc, x.getType(), [&](ValueRange at) -> Value {
    Value u = readLeading(b, loc, x, at);
    return NotOp::create(b, loc, b.getI1Type(), u);
  });
}

Value bothActive(OpBuilder &b, Location loc, Value x, Value y) {
  if (!x || !y) return x ? x : y;
  return x == y ? x : andFlags(b, loc, x, y);
}

Flags flagsOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, Flags>(op)
      .Case<FbyOp, EbyOp, PreOp, FirstOp, WindowOp, ScanOp, CallOp>(
          [](auto o) { return Flags{o.getWhen(), o.getReset()}; })
      .Default([](Operation *) { return Flags(); });
}

void setFlags(Operation *op, Flags flags) {
  llvm::TypeSwitch<Operation *>(op).Case<FbyOp, EbyOp, PreOp, FirstOp, WindowOp, ScanOp, CallOp>(
      [&](auto o) {
        o.getWhenMutable().clear();
        o.getResetMutable().clear();
        if (flags.when) o.getWhenMutable().assign(flags.when);
        if (flags.reset) o.getResetMutable().assign(flags.reset);
      });
}

Value FlagCombiner::when(Value own) {
  Value &known = whens[own];
  if (!known) known = bothActive(b, loc, around.when, own);
  return known;
}

Value FlagCombiner::reset(Value own) {
  Value &known = resets[own];
  if (known || (!own && !around.reset)) return known;
  Value active = own ? bothActive(b, loc, around.when, own) : Value();
  if (!active || !around.reset) return known = active ? active : around.reset;
  return known = orFlags(b, loc, around.reset, active);
}

void FlagCombiner::run(Block &block) {
  if (!around.when && !around.reset) return;
  SmallVector<Operation *> work;
  for (Operation &op : block) {
    if (isa<FbyOp, EbyOp, PreOp, FirstOp, WindowOp, ScanOp>(op)) work.push_back(&op);
  }
  for (Operation *op : work) {
    Flags own = flagsOf(op);
    auto scan = dyn_cast<ScanOp>(op);
    if (!scan || scan.getResume()) {
      setFlags(op, {when(own.when), reset(own.reset)});
    } else if (!around.when || around.when.getType().isInteger(1)) {
      setFlags(op, {when(own.when), Value()}); // only where it may be left out
    }
  }
  if (!around.when) return;
  block.walk([&](ExternOp call) { // in inner scans too
    OpBuilder at(call);
    call.getWhenMutable().assign(bothActive(at, call.getLoc(), around.when, call.getWhen()));
  });
}

} // namespace mlr::dataflow
