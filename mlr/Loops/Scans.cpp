// Scans as loops: scalars that cross instants are carried in registers, ends and stacks leave them.
#include "mlr/Loops/Lowering.h"

using namespace mlir;
using namespace mlr::dataflow;
using arith::CmpIPredicate;

namespace mlr::loops {

static bool isTensor(Value v) { return isa<RankedTensorType>(v.getType()); }

namespace {

class ScanLowering {
public:
  ScanLowering(Lowering &l, ScanOp op) : l(l), a(l.a), op(op), body(op.getBody().front()) {}
  LogicalResult emit();

private:
  LogicalResult begin();
  Values emitInstant(Value t, ValueRange carried);
  LogicalResult emitLoop();
  Value emitUntilLoop(ValueRange init, Values &results);
  void finish();

  Lowering &l;
  Arith &a;
  ScanOp op;
  Block &body;
  SmallVector<Operation *> carriers;  ///< scalar fby, eby, first, final, initial: one carried value each
  UntilOp until;
  Values init;
  Value count;                        ///< executed instants, an index; null until known
  Value stop;                         ///< condition of the until at the current instant
  LogicalResult state = success();
};

} // namespace

/// Collects what is carried, with its value before the first executed instant.
LogicalResult ScanLowering::begin() {
  if (!op.getResume() && failed(l.initializeSlots(body))) return failure();
  for (Operation &inner : body) {
    a.loc = inner.getLoc();
    if (auto u = dyn_cast<UntilOp>(inner)) until = u;
    if (!isa<FbyOp, EbyOp, FirstOp, FinalOp, InitialOp>(inner)) continue;
    Value result = inner.getResult(0);
    auto eby = dyn_cast<EbyOp>(inner);
    if (isTensor(result)) {
      if (eby && failed(l.initializeSlot(eby, eby.getEnd()))) return failure();
      continue;
    }
    if (isa<FirstOp>(inner) && !l.hasPlace(result)) continue;  // t == 0
    Value first;
    if (isa<FinalOp, InitialOp>(inner)) {
      Type t = registerType(result.getType());
      first = a.constant(cast<TypedAttr>(a.b.getZeroAttr(t)));
    } else if (!eby && l.hasPlace(result)) {
      first = l.memory.load(l.place(result), result.getType());
    } else if (auto fby = dyn_cast<FbyOp>(inner)) {
      first = l.scalar(fby.getInit());
    } else if (eby) {
      first = l.scalar(eby.getEnd());
    }
    if (!first) return l.fail(&inner, "first value is not known before the scan");
    carriers.push_back(&inner);
    init.push_back(first);
  }
  return success();
}

/// One instant: given t and what is carried in, what is carried out.
Values ScanLowering::emitInstant(Value t, ValueRange carried) {
  a.loc = op.getLoc();
  Lowering::Instant &now = l.instants[op];
  now.index = t;
  now.down = op.getSweep() == Direction::Down;
  now.last = count ? a.sub(count, 1) : Value();
  BlockArgument index = body.getArgument(0);
  l.setIndex(index, t);
  l.setScalar(index, a.make<arith::IndexCastOp>(a.b.getI32Type(), t));
  for (auto [carrier, value] : llvm::zip(carriers, carried)) {
    if (isa<FinalOp, InitialOp>(carrier)) {
      now.ends[carrier->getResult(0)] = value;
    } else {
      l.setScalar(carrier->getResult(0), value);
    }
  }
  for (auto first : body.getOps<FirstOp>())
    if (!l.hasPlace(first.getResult())) l.setScalar(first.getResult(), a.equal(t, 0));
  for (auto c : body.getOps<CountOp>())
    if (count) l.setScalar(c.getResult(), a.make<arith::IndexCastOp>(a.b.getI32Type(), count));
  l.shiftWindows(body);
  if (failed(l.emitBlock(body)) || failed(l.finishInstant(body, /*scalarsToo=*/false))) state = failure();
  Values next;
  for (auto [carrier, value] : llvm::zip(carriers, carried)) {
    Value v;
    if (auto fby = dyn_cast<FbyOp>(carrier)) v = l.scalar(fby.getValue());
    else if (auto eby = dyn_cast<EbyOp>(carrier)) v = l.scalar(eby.getValue());
    else if (isa<FirstOp>(carrier)) v = a.truth(false, a.b.getI1Type());
    else v = l.scalar(carrier->getResult(0));
    if (!v) state = l.fail(carrier, "value is not known at the end of the instant");
    next.push_back(v ? v : value);
  }
  if (until) stop = l.scalar(until.getCondition());
  return next;
}

/// do { instant } while (!stop && t + 1 < T): at least one instant, at most T.
Value ScanLowering::emitUntilLoop(ValueRange init, Values &results) {
  Values operands{a.index(0)};
  llvm::append_range(operands, init);
  SmallVector<Type> types(ValueRange(operands).getTypes());
  auto loop = scf::WhileOp::create(a.b, op.getLoc(), types, operands);
  SmallVector<Location> locations(types.size(), op.getLoc());
  Block *before = a.b.createBlock(&loop.getBefore(), {}, types, locations);
  Block *after = a.b.createBlock(&loop.getAfter(), {}, types, locations);
  a.b.setInsertionPointToEnd(before);
  Values next = emitInstant(before->getArgument(0), before->getArguments().drop_front());
  a.loc = op.getLoc();
  if (stop) {
    Value done = a.add(before->getArgument(0), 1);
    Value more = a.compare(CmpIPredicate::slt, done, static_cast<int64_t>(op.getLength()));
    next.insert(next.begin(), done);
    scf::ConditionOp::create(a.b, a.loc, a.and_(more, a.not_(stop)), next);
  }
  a.b.setInsertionPointToEnd(after);
  scf::YieldOp::create(a.b, op.getLoc(), after->getArguments());
  a.b.setInsertionPointAfter(loop);
  results.assign(loop.getResults().begin() + 1, loop.getResults().end());
  return loop.getResult(0);
}

LogicalResult ScanLowering::emitLoop() {
  auto length = static_cast<int64_t>(op.getLength());
  Values results = init;
  if (until && length > 0) {
    if (op.getSweep() == Direction::Down) return l.fail(op, "an until in a downward sweep");
    count = emitUntilLoop(init, results);
    if (failed(state)) return failure();
  } else if (length > 0) {
    count = op.getUpto() ? l.indexOf(op.getUpto()) : a.index(length);
    bool down = op.getSweep() == Direction::Down;
    auto instant = [&](Value k, ValueRange carried) {
      return emitInstant(down ? a.sub(a.sub(count, 1), k) : k, carried);
    };
    results = op.getUpto() ? l.loop(a.index(0), count, 1, init, instant) : l.loop(0, length, 1, init, instant);
  } else {
    count = a.index(0);
  }
  init = results;
  return state;
}

/// Persistent scalars back to their slots, ends and counts to the names outside, rows that were not executed to zero.
void ScanLowering::finish() {
  a.loc = op.getLoc();
  for (auto [carrier, value] : llvm::zip(carriers, init)) {
    Value result = carrier->getResult(0);
    if (isa<FbyOp, FirstOp>(carrier) && l.hasPlace(result)) l.memory.store(l.place(result), result.getType(), value);
    if (isa<FinalOp, InitialOp>(carrier)) l.setScalar(result, value);
  }
  for (auto c : body.getOps<CountOp>())
    l.setScalar(c.getResult(), a.make<arith::IndexCastOp>(a.b.getI32Type(), count));
  if (!until && !op.getUpto()) return;
  for (auto stack : body.getOps<StackOp>()) {
    auto type = cast<RankedTensorType>(stack.getResult().getType());
    int64_t rows = type.getDimSize(0);
    if (rows > 0 && type.getNumElements() > 0)
      emitZeroRows(l, l.place(stack.getResult()), count, rows, type.getNumElements() / rows, type.getElementType());
  }
}

LogicalResult ScanLowering::emit() {
  if (failed(begin()) || failed(emitLoop())) return failure();
  finish();
  auto yield = cast<YieldOp>(body.getTerminator());
  for (auto [result, value] : llvm::zip(op.getResults(), yield.getOperands())) {
    if (isTensor(value)) {
      if (!l.hasPlace(value) || !l.hasPlace(result)) return l.fail(op, "a tensor result has no place");
      l.copyUnlessShared(l.place(result), l.place(value), cast<RankedTensorType>(value.getType()));
    } else {
      Value x = l.scalar(value);
      if (!x) return l.fail(op, "a result is not known");
      l.setScalar(result, x);
    }
  }
  return success();
}

LogicalResult emitScan(Lowering &l, ScanOp op) { return ScanLowering(l, op).emit(); }

static void emitStack(Lowering &l, StackOp op, const Lowering::Instant &now) {
  auto type = cast<RankedTensorType>(op.getResult().getType());
  int64_t size = type.getNumElements() / type.getDimSize(0);
  Place row = l.place(op.getResult());
  row.at.add(Linear::of(now.index, size));
  if (!isTensor(op.getValue())) {
    l.memory.store(row, type.getElementType(), l.scalar(op.getValue()));
  } else {
    l.copyUnlessShared(row, l.place(op.getValue()), cast<RankedTensorType>(op.getValue().getType()));
  }
}

LogicalResult emitEnd(Lowering &l, Operation *op) {
  Lowering::Instant &now = l.instants[op->getParentOp()];
  if (auto stack = dyn_cast<StackOp>(op)) return emitStack(l, stack, now), success();
  Value value = op->getOperand(0), result = op->getResult(0);
  bool isFinal = isa<FinalOp>(op);
  // The instant that is executed last needs no test: what it leaves, stays.
  bool executedLast = isFinal != now.down;
  Value wanted;
  if (!isFinal) wanted = l.a.equal(now.index, 0);
  else if (now.last) wanted = l.a.compare(CmpIPredicate::eq, now.index, now.last);
  else wanted = l.a.truth(true, l.a.b.getI1Type());
  if (!isTensor(value)) {
    Value x = l.scalar(value);
    l.setScalar(result, executedLast ? x : l.a.select(wanted, x, now.ends[result]));
    return success();
  }
  Place to = l.place(result), from = l.place(value);
  if (to == from) return success();
  l.onlyIf(wanted, [&] { l.copyUnlessShared(to, from, cast<RankedTensorType>(value.getType())); });
  return success();
}

} // namespace mlr::loops
