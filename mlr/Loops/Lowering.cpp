// A node's own time: state, inputs, outputs, and the operations in order.
#include "mlr/Loops/Lowering.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::loops {

static llvm::DenseMap<int64_t, ConstOp> romConstants(NodeOp node, const store::Plan &plan) {
  llvm::DenseMap<int64_t, ConstOp> out;
  node.walk([&](ConstOp op) {
    if (auto at = plan.locations.find(op.getResult()); at != plan.locations.end()) out.insert({at->second.buffer, op});
  });
  return out;
}

/// The memref of each space: step has all four, reset the state only.
static std::vector<Value> spaces(func::FuncOp function, bool isReset) {
  Block &entry = function.getBody().front();
  Value state = entry.getArgument(0);
  if (isReset) return {state, {}, {}, {}};
  return {state, entry.getArgument(1), entry.getArgument(2), entry.getArgument(3)};
}

Lowering::Lowering(NodeOp node, const store::Plan &plan, const Options &options, Globals &globals,
                   func::FuncOp function, bool isReset)
    : node(node), plan(plan), options(options), globals(globals),
      a(OpBuilder::atBlockEnd(&function.getBody().front()), node.getLoc(), &function.getBody().front()),
      memory(a, node, plan, globals, romConstants(node, plan), spaces(function, isReset)) {}

LogicalResult Lowering::fail(Operation *op, StringRef what) {
  return op->emitError("internal error: Loops cannot lower this: ") << what;
}

Value Lowering::scalar(Value v) {
  if (Value known = scalars.lookup(v)) return known;
  // Literals are not emitted where they stand, but where they are used.
  if (auto c = v.getDefiningOp<ConstOp>()) {
    TypedAttr value = c.getValue();
    if (auto f = dyn_cast<FloatAttr>(value); f && isHalf(f.getType()))
      return a.integer(f.getValue().bitcastToAPInt().getSExtValue(), a.b.getI16Type());
    if (auto i = dyn_cast<IntegerAttr>(value))
      return a.integer(i.getValue().getSExtValue(), registerType(i.getType()));
    return a.constant(value);
  }
  return {};
}

Value Lowering::indexOf(Value v) {
  if (Value known = indexValues.lookup(v)) return known;
  Value x = scalar(v);
  if (!x || x.getType().isIndex()) return x;
  x = saturateIndex(a, x, v.getType());
  return a.make<arith::IndexCastOp>(a.b.getIndexType(), x);
}

Value saturateIndex(Arith &a, Value x, Type scalar) {
  int64_t most = std::numeric_limits<int32_t>::max(), least = std::numeric_limits<int32_t>::min();
  unsigned width = scalar.getIntOrFloatBitWidth();
  Type i32 = a.b.getI32Type();
  if (scalar.isUnsignedInteger()) {
    if (width >= 32) x = a.make<arith::MinUIOp>(x, a.integer(most, x.getType()));
    return a.resize(x, i32, false);
  }
  if (width == 64) {
    x = a.make<arith::MinSIOp>(x, a.integer(most, x.getType()));
    x = a.make<arith::MaxSIOp>(x, a.integer(least, x.getType()));
  }
  return a.resize(x, i32, width != 1);
}

Place Lowering::at(const store::Location &location, Operation *op) {
  Place p{location.buffer, Linear(location.offset)};
  if (location.rows.empty()) return p;
  SmallVector<Operation *> scans;  // innermost first
  for (Operation *s = op; s; s = s->getParentOp())
    if (isa<ScanOp>(s)) scans.push_back(s);
  for (auto [depth, stride] : location.rows)
    if (depth < scans.size()) p.at.add(Linear::of(instants[scans[scans.size() - 1 - depth]].index), stride);
  return p;
}

Place Lowering::place(Value v) {
  Operation *op = v.getDefiningOp();
  return at(plan.locations.find(v)->second, op ? op->getParentOp() : node.getOperation());
}

// ---- loops -----------------------------------------------------------------------------------------------------

Values Lowering::loop(Value lower, Value upper, int64_t step, ValueRange init, LoopBody body) {
  auto op = scf::ForOp::create(a.b, a.loc, lower, upper, a.index(step), init);
  OpBuilder::InsertionGuard guard(a.b);
  Block *block = op.getBody();
  if (init.empty() && block->mightHaveTerminator()) block->getTerminator()->erase();
  a.b.setInsertionPointToEnd(block);
  Values next = body(op.getInductionVar(), op.getRegionIterArgs());
  a.b.setInsertionPointToEnd(block);
  scf::YieldOp::create(a.b, a.loc, next);
  return Values(op.getResults());
}

Values Lowering::loop(int64_t lower, int64_t upper, int64_t step, ValueRange init, LoopBody body) {
  if (lower >= upper) return Values(init);
  if (lower + step >= upper) return body(a.index(lower), init);
  return loop(a.index(lower), a.index(upper), step, init, body);
}

// ---- slots -----------------------------------------------------------------------------------------------------

LogicalResult Lowering::fillFrom(const Place &to, Value first, int64_t copies, Operation *op) {
  Type scalarType = getElementTypeOrSelf(first.getType());
  auto tensor = dyn_cast<RankedTensorType>(first.getType());
  if (!tensor) {
    Value v = scalar(first);
    if (!v) return fail(op, "first value is not known here");
    emitFill(*this, to, v, copies, scalarType);
    return success();
  }
  int64_t size = tensor.getNumElements();
  if (auto c = first.getDefiningOp<ConstOp>()) {
    auto dense = dyn_cast<DenseElementsAttr>(c.getValue());
    if (dense && dense.isSplat() && size > 0) {
      Attribute element = dense.getSplatValue<Attribute>();
      Value v;
      if (auto f = dyn_cast<FloatAttr>(element); f && !isHalf(scalarType)) {
        v = a.constant(f);
      } else {
        APInt bits = f ? f.getValue().bitcastToAPInt() : cast<IntegerAttr>(element).getValue();
        v = a.integer(bits.getSExtValue(), registerType(scalarType));
      }
      emitFill(*this, to, v, copies * size, scalarType);
      return success();
    }
  }
  if (!hasPlace(first)) return fail(op, "first value has no place");
  for (int64_t k = 0; k < copies; ++k) {
    Place row = to;
    row.at.add(Linear(k * size));
    emitCopy(*this, row, place(first), size, scalarType);
  }
  return success();
}

LogicalResult Lowering::initializeSlot(Operation *op, Value first) {
  a.loc = op->getLoc();
  Value slot = op->getResult(0);
  Place to = place(slot);
  if (!first) {  // of mlr.first
    memory.store(to, slot.getType(), a.truth(true, slot.getType()));
    return success();
  }
  auto window = dyn_cast<WindowOp>(op);
  int64_t copies = window ? cast<RankedTensorType>(slot.getType()).getDimSize(0) : 1;
  return fillFrom(to, first, copies, op);
}

LogicalResult Lowering::initializeSlots(Block &block) {
  for (Operation &op : block) {
    if (auto inner = dyn_cast<ScanOp>(op)) {
      if (inner.getResume() && failed(initializeSlots(inner.getBody().front()))) return failure();
      continue;
    }
    // The slot of an eby begins with its own scan, whether that resumes or not: Scans.cpp.
    if (!isa<FbyOp, WindowOp, RowsOp, FirstOp>(op) || !hasPlace(op.getResult(0))) continue;
    Value first;
    if (auto fby = dyn_cast<FbyOp>(op)) first = fby.getInit();
    if (auto window = dyn_cast<WindowOp>(op)) first = window.getInit();
    if (auto rows = dyn_cast<RowsOp>(op)) {
      if (failed(initializeRows(rows))) return failure();
      continue;
    }
    if (failed(initializeSlot(&op, first))) return failure();
  }
  return success();
}

/// Rows whose first value is computed are filled at the first instant.
LogicalResult Lowering::initializeRows(RowsOp op) {
  a.loc = op.getLoc();
  auto type = cast<RankedTensorType>(op.getResult().getType());
  Place to = place(op.getResult());
  if (op.getInit().getDefiningOp<ConstOp>()) return fillFrom(to, op.getInit(), type.getDimSize(0), op);
  Type stored = registerType(type.getElementType());
  emitFill(*this, to, a.constant(cast<TypedAttr>(a.b.getZeroAttr(stored))), type.getNumElements(), type.getElementType());
  return success();
}

LogicalResult Lowering::emitRows(RowsOp op) {
  auto type = cast<RankedTensorType>(op.getResult().getType());
  int64_t rows = type.getDimSize(0), size = type.getNumElements() / rows;
  Value row = indexOf(op.getRow());
  LogicalResult done = success();
  Place all = place(op.getResult());
  auto write = [&] {
    if (op.getFill()) onlyIf(scalar(op.getFill()), [&] { done = fillFrom(all, op.getInit(), rows, op); });
    for (int64_t copy = 0; copy < (op.getMirror() ? 2 : 1); ++copy) {
      Place to = all;
      to.at.add(Linear::of(row, size));
      to.at.add(Linear(copy * (rows / 2) * size));
      if (!isa<RankedTensorType>(op.getValue().getType())) memory.store(to, type.getElementType(), scalar(op.getValue()));
      else emitCopy(*this, to, place(op.getValue()), size, type.getElementType());
    }
  };
  if (op.getWhen()) onlyIf(scalar(op.getWhen()), write);
  else write();
  return done;
}

void Lowering::emitPut(PutOp op) {
  Type type = op.getValue().getType();
  auto tensor = dyn_cast<RankedTensorType>(type);
  int64_t size = tensor ? tensor.getNumElements() : 1;
  onlyIf(scalar(op.getWhen()), [&] {
    Place to = place(op.getCell());
    to.at.add(Linear::of(indexOf(op.getRow()), size));
    if (!tensor) memory.store(to, type, scalar(op.getValue()));
    else emitCopy(*this, to, place(op.getValue()), size, getElementTypeOrSelf(type));
  });
}

void Lowering::shiftWindows(Block &block) {
  for (auto op : block.getOps<WindowOp>()) {
    auto type = cast<RankedTensorType>(op.getResult().getType());
    int64_t rows = type.getDimSize(0), size = type.getNumElements() / rows;
    a.loc = op.getLoc();
    Place to = place(op.getResult()), from = to;
    from.at.add(Linear(size));
    emitCopy(*this, to, from, (rows - 1) * size, type.getElementType());
  }
}

/// All slots of a block at once, after the last read of the instant. Scalars in registers are the scan's affair.
LogicalResult Lowering::finishInstant(Block &block, bool scalarsToo) {
  std::vector<Copy> copies;
  for (Operation &op : block) {
    if (!isa<FbyOp, EbyOp, FirstOp>(op) || !hasPlace(op.getResult(0))) continue;
    Value slot = op.getResult(0);
    a.loc = op.getLoc();
    Value value = isa<FirstOp>(op) ? Value() : op.getOperand(isa<FbyOp>(op) ? 1 : 0);
    auto type = dyn_cast<RankedTensorType>(slot.getType());
    if (type) {
      if (!hasPlace(value)) return fail(&op, "operand has no place");
      Place to = place(slot), from = place(value);
      if (!(to == from)) copies.push_back({to, from, type.getNumElements(), type.getElementType()});
    } else if (scalarsToo) {
      Value next = value ? scalar(value) : a.truth(false, slot.getType());
      if (!next) return fail(&op, "operand is not known");
      memory.store(place(slot), slot.getType(), next);
    }
  }
  return emitCopiesAtOnce(*this, std::move(copies));
}

// ---- the node --------------------------------------------------------------------------------------------------

LogicalResult Lowering::emitReset() {
  LogicalResult done = initializeSlots(node.getBody().front());
  func::ReturnOp::create(a.b, node.getLoc());
  return done;
}

LogicalResult Lowering::emitStep() {
  Block &body = node.getBody().front();
  for (BlockArgument arg : body.getArguments())
    if (!isa<RankedTensorType>(arg.getType()) && !arg.use_empty() && hasPlace(arg))
      setScalar(arg, memory.load(place(arg), arg.getType()));
  for (Operation &op : body)
    if (isa<FbyOp, FirstOp>(op) && !isa<RankedTensorType>(op.getResult(0).getType()) && hasPlace(op.getResult(0))) {
      a.loc = op.getLoc();
      setScalar(op.getResult(0), memory.load(place(op.getResult(0)), op.getResult(0).getType()));
    }
  shiftWindows(body);
  if (failed(emitBlock(body))) return failure();
  auto yield = cast<YieldOp>(body.getTerminator());
  for (auto [k, v] : llvm::enumerate(yield.getOperands())) {
    a.loc = yield.getLoc();
    Place to = at(plan.outputs[k], node);
    if (auto type = dyn_cast<RankedTensorType>(v.getType())) {
      if (!hasPlace(v)) return fail(yield, "output has no place");
      copyUnlessShared(to, place(v), type);
    } else {
      Value x = scalar(v);
      if (!x) return fail(yield, "output is not known");
      memory.store(to, v.getType(), x);
    }
  }
  if (failed(finishInstant(body, /*scalarsToo=*/true))) return failure();
  func::ReturnOp::create(a.b, node.getLoc());
  return success();
}

LogicalResult Lowering::emitBlock(Block &block) {
  for (Operation &op : block.without_terminator()) {
    a.loc = op.getLoc();
    if (failed(emitOperation(&op))) return failure();
  }
  return success();
}

LogicalResult Lowering::emitConcat(ConcatOp op) {
  Place to = place(op.getResult());
  int64_t runs = op.runs();
  if (runs == 0) return success();
  int64_t whole = cast<RankedTensorType>(op.getResult().getType()).getNumElements() / runs;
  for (Value part : op.getSources()) {
    auto type = cast<RankedTensorType>(part.getType());
    int64_t length = type.getNumElements() / runs;
    if (runs == 1) copyUnlessShared(to, place(part), type);
    else
      loop(0, runs, 1, {}, [&](Value run, ValueRange) {
        Place target = to, source = place(part);
        target.at.add(Linear::of(run), whole);
        source.at.add(Linear::of(run), length);
        emitCopy(*this, target, source, length, type.getElementType());
        return Values();
      });
    to.at.add(Linear(length));
  }
  return success();
}

void Lowering::copyUnlessShared(const Place &to, const Place &from, RankedTensorType type) {
  if (!(to == from)) emitCopy(*this, to, from, type.getNumElements(), type.getElementType());
}

void Lowering::onlyIf(Value condition, llvm::function_ref<void()> body) {
  IntegerAttr known;
  if (matchPattern(condition, m_Constant(&known))) {
    if (!known.getValue().isZero()) body();
    return;
  }
  auto op = scf::IfOp::create(a.b, a.loc, condition);
  OpBuilder::InsertionGuard guard(a.b);
  a.b.setInsertionPointToStart(op.thenBlock());
  body();
}

Values Lowering::valuesIf(Value condition, ValueRange like, llvm::function_ref<Values()> body) {
  SmallVector<Type> types;
  for (Value v : like) types.push_back(registerType(v.getType()));
  auto op = scf::IfOp::create(a.b, a.loc, types, condition, /*addThenBlock=*/true, /*addElseBlock=*/!types.empty());
  OpBuilder::InsertionGuard guard(a.b);
  if (!types.empty()) {
    Values zeros;
    for (Type t : types) zeros.push_back(a.constant(cast<TypedAttr>(a.b.getZeroAttr(t))));
    a.b.setInsertionPointToEnd(op.elseBlock());
    scf::YieldOp::create(a.b, a.loc, zeros);
  }
  Block *then = op.thenBlock();
  if (then->mightHaveTerminator()) then->getTerminator()->erase();
  a.b.setInsertionPointToEnd(then);
  Values values = body();
  a.b.setInsertionPointToEnd(then);
  scf::YieldOp::create(a.b, a.loc, values);
  return Values(op.getResults());
}

/// The new value goes to the last row, unless it was computed there.
static void emitWindow(Lowering &l, WindowOp op) {
  auto type = cast<RankedTensorType>(op.getResult().getType());
  int64_t rows = type.getDimSize(0), size = type.getNumElements() / rows;
  Place to = l.place(op.getResult());
  to.at.add(Linear((rows - 1) * size));
  if (!isa<RankedTensorType>(op.getValue().getType())) {
    l.memory.store(to, type.getElementType(), l.scalar(op.getValue()));
    return;
  }
  l.copyUnlessShared(to, l.place(op.getValue()), cast<RankedTensorType>(op.getValue().getType()));
}

LogicalResult Lowering::emitConversion(ConvertOp op) {
  Type from = op.getValue().getType(), to = op.getResult().getType();
  Value x = scalar(op.getValue());
  if (to.isIndex()) {
    if (isa<FloatType>(from)) return fail(op, "a float as an index");
    setScalar(op.getResult(), indexOf(op.getValue()));
  } else if (from.isIndex()) {
    Value wide = a.make<arith::IndexCastOp>(a.b.getI64Type(), x);
    setScalar(op.getResult(), emitConvert(a, wide, a.b.getI64Type(), to));
  } else {
    setScalar(op.getResult(), emitConvert(a, x, from, to));
  }
  return success();
}

/// Work that nobody looks at while its condition is false.
LogicalResult Lowering::emitOperation(Operation *op) {
  Value when;
  if (auto gen = dyn_cast<GenOp>(op)) when = gen.getWhen();
  if (auto reduce = dyn_cast<ReduceOp>(op)) when = reduce.getWhen();
  if (auto scan = dyn_cast<ScanOp>(op)) when = scan.getWhen();
  if (auto call = dyn_cast<ExternOp>(op); call && call.getWhen() && !isa<RankedTensorType>(call.getWhen().getType()))
    when = call.getWhen();
  if (!when) return emitPlain(op);
  if (!scalar(when)) return fail(op, "its condition is not known yet");
  Values results;
  for (Value v : op->getResults())
    if (!isa<RankedTensorType>(v.getType())) results.push_back(v);
  LogicalResult done = success();
  Values values = valuesIf(scalar(when), results, [&] {
    Values out;
    done = emitPlain(op);
    for (Value v : results) out.push_back(succeeded(done) ? scalar(v) : a.constant(cast<TypedAttr>(a.b.getZeroAttr(registerType(v.getType())))));
    return out;
  });
  for (auto [result, value] : llvm::zip(results, values)) setScalar(result, value);
  return done;
}

LogicalResult Lowering::emitPlain(Operation *op) {
  for (Value v : op->getOperands()) {
    // A slot's new value may stand further down.
    if (isa<FbyOp, EbyOp>(op)) break;
    if (!isa<RankedTensorType>(v.getType()) ? !scalar(v) : !hasPlace(v)) return fail(op, "an operand is not known yet");
  }
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<ConstOp, FbyOp, EbyOp, FirstOp, UntilOp, CountOp, CellOp>([](auto) { return success(); })  // nothing at their place
      .Case<FinalOp, InitialOp, StackOp>([&](auto end) { return emitEnd(*this, end); })
      .Case([&](ScanOp s) { return emitScan(*this, s); })
      .Case<GenOp, ReduceOp>([&](auto kernel) { return emitChosen(*this, kernel); })
      .Case([&](ReadOp r) { return emitRead(*this, r); })
      .Case([&](ExternOp e) { return emitExtern(*this, e); })
      .Case([&](ConcatOp c) { return emitConcat(c); })
      .Case([&](ScatterOp s) { return emitScatter(*this, s); })
      .Case([&](ReshapeOp r) {
        return copyUnlessShared(place(r.getResult()), place(r.getSource()), cast<RankedTensorType>(r.getSource().getType())),
               success();
      })
      .Case([&](RowsOp r) { return emitRows(r); })
      .Case([&](PutOp p) { return emitPut(p), success(); })
      .Case([&](WindowOp w) { return emitWindow(*this, w), success(); })
      .Case([&](ConvertOp c) { return emitConversion(c); })
      .Default([&](Operation *) -> LogicalResult {
        Values operands;
        for (Value v : op->getOperands()) operands.push_back(scalar(v));
        Value result = emitScalar(a, op, operands, options);
        if (!result) return fail(op, "unknown operation");
        setScalar(op->getResult(0), result);
        return success();
      });
}

} // namespace mlr::loops
