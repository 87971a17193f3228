// The loops over tiles, and which register holds which body value for which element of the tile.
#include "mlr/Loops/Kernel.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::loops {

// ---- dependence ------------------------------------------------------------------------------------------------

static constexpr unsigned kLastBit = 63;  ///< shared by all reductions beyond the first sixty or so

uint64_t Kernel::dependence(Value v) { return dependences.lookup(v); }

/// What each value of the block depends on; the union is the result.
uint64_t Kernel::computeDependence(Block &block) {
  uint64_t all = 0;
  for (Operation &op : block) {
    uint64_t d = 0;
    if (auto read = dyn_cast<ReadOp>(op)) {
      for (auto [k, v] : llvm::enumerate(read.getIndices()))
        if (read.getMap().isFunctionOfDim(static_cast<unsigned>(k))) d |= dependence(v);
    } else if (auto reduce = dyn_cast<ReduceOp>(op)) {
      Block &inner = bodyOf(reduce);
      uint64_t bit = uint64_t(1) << std::min(nextBit++, kLastBit);
      reduceBits[&inner] = bit;
      for (BlockArgument arg : inner.getArguments()) dependences[arg] = bit;
      d = computeDependence(inner);
      // The reduction's own indices do not leave it.
      d &= ~bit;
      if (reduce.getInit()) d |= dependence(reduce.getInit());
    } else {
      for (Value v : op.getOperands()) d |= dependence(v);
    }
    for (Value v : op.getResults()) dependences[v] = d;
    all |= d;
  }
  return all;
}

unsigned Kernel::copies(uint64_t d) const {
  return ((d & rowBit) ? rows : 1) * ((d & laneBit) ? static_cast<unsigned>(columns.size()) : 1);
}

unsigned Kernel::copy(uint64_t d, unsigned r, unsigned c) const {
  unsigned perRow = (d & laneBit) ? static_cast<unsigned>(columns.size()) : 1;
  return ((d & rowBit) ? r * perRow : 0) + ((d & laneBit) ? c : 0);
}

Values Kernel::forCopies(uint64_t d, llvm::function_ref<Value(unsigned, unsigned, int64_t)> emit) {
  Values out;
  unsigned rowCopies = (d & rowBit) ? rows : 1;
  unsigned columnCopies = (d & laneBit) ? static_cast<unsigned>(columns.size()) : 1;
  for (unsigned r = 0; r < rowCopies; ++r)
    for (unsigned c = 0; c < columnCopies; ++c) out.push_back(emit(r, c, (d & laneBit) ? columns[c].width : 1));
  return out;
}

// ---- values ----------------------------------------------------------------------------------------------------

void Kernel::set(Value v, Values registers) {
  values[v] = {std::move(registers), dependence(v)};
  log.push_back(v);
}

void Kernel::closeScope(size_t mark) {
  while (log.size() > mark) values.erase(log.pop_back_val());
}

Value Kernel::raw(Value v, unsigned r, unsigned c) {
  if (auto known = values.find(v); known != values.end())
    return known->second.registers[copy(known->second.dependence, r, c)];
  if (parent) return parent->raw(v, static_cast<unsigned>(parentRow), static_cast<unsigned>(parentColumn));
  return l.scalar(v);
}

bool Kernel::isCaptured(Value v) const {
  return !values.count(v) && !indices.count(v) && !laneVectors.count(v) && (!parent || parent->isCaptured(v));
}

/// The broadcast stands right after the scalar, so that it is outside the loops that the scalar is outside of.
Value Kernel::splat(Value scalar, int64_t width) {
  if (width == 1 || isa<VectorType>(scalar.getType())) return scalar;
  OpBuilder::InsertionGuard guard(a.b);
  if (Operation *op = scalar.getDefiningOp()) a.b.setInsertionPointAfter(op);
  else a.b.setInsertionPointToStart(cast<BlockArgument>(scalar).getOwner());
  return a.splat(scalar, width);
}

Value Kernel::get(Value v, unsigned r, unsigned c, int64_t width) {
  if (v.getType().isIndex()) {
    IndexValue x = indexOf(v, r, c);
    return width == 1 ? materialize(a, x.at) : laneVector(x, width);
  }
  return splat(raw(v, r, c), width);
}

IndexValue Kernel::indexOf(Value v, unsigned r, unsigned c) {
  IndexValue x;
  if (Value lanes = laneVectors.lookup(v)) {
    x.lanes = lanes;
  } else if (auto known = indices.find(v); known != indices.end()) {
    x.at = known->second;
    if (v == laneArg) {
      x.at.add(Linear(columns[c].offset));
      x.step = columns[c].width > 1 ? 1 : 0;
    }
    if (v == rowArg) x.at.add(Linear(r));
  } else if (values.count(v)) {
    Value computed = raw(v, r, c);
    if (isa<VectorType>(computed.getType())) x.lanes = computed;
    else x.at = Linear::of(computed);
  } else if (!isCaptured(v)) {
    return parent->indexOf(v, static_cast<unsigned>(parentRow), static_cast<unsigned>(parentColumn));
  } else {
    x.at = Linear::of(l.indexOf(v));
  }
  return x;
}

void Kernel::emitConvert(ConvertOp op) {
  Value from = op.getValue();
  Type to = op.getResult().getType();
  uint64_t d = dependence(op.getResult());
  set(op.getResult(), forCopies(d, [&](unsigned r, unsigned c, int64_t width) -> Value {
        if (to.isIndex()) {
          // A round trip of an index through an integer type changes nothing: indices fit.
          auto inner = from.getDefiningOp<ConvertOp>();
          if (inner && inner.getValue().getType().isIndex()) return get(inner.getValue(), r, c, width);
          if (isCaptured(from)) return l.indexOf(from);
          Value x = saturateIndex(a, get(from, r, c, width), from.getType());
          return width == 1 ? a.make<arith::IndexCastOp>(a.b.getIndexType(), x) : x;
        }
        if (!from.getType().isIndex()) return emitConvert(from, op.getResult(), r, c, width);
        Type i32 = a.b.getI32Type();
        Value x = get(from, r, c, width);
        if (width == 1) x = a.make<arith::IndexCastOp>(i32, x);
        return loops::emitConvert(a, x, i32, to);
      }));
}

Value Kernel::emitConvert(Value from, Value to, unsigned r, unsigned c, int64_t width) {
  return loops::emitConvert(a, get(from, r, c, width), from.getType(), to.getType());
}

void Kernel::emitOperation(Operation *op) {
  a.loc = op->getLoc();
  if (isa<ConstOp>(op)) return;  // emitted where it is used
  if (auto read = dyn_cast<ReadOp>(op)) return emitRead(read);
  if (auto reduce = dyn_cast<ReduceOp>(op)) return emitReduces(reduce);
  if (auto convert = dyn_cast<ConvertOp>(op)) return emitConvert(convert);
  Value result = op->getResult(0);
  set(result, forCopies(dependence(result), [&](unsigned r, unsigned c, int64_t width) {
        Values operands;
        for (Value v : op->getOperands()) operands.push_back(get(v, r, c, width));
        return emitScalar(a, op, operands, l.options);
      }));
}

/// Emits the operations whose axes are all open and that no outer level has emitted.
void Kernel::emitReady(Block &block) {
  for (Operation &op : block.without_terminator()) {
    Value result = op.getResult(0);
    if (!values.count(result) && (dependence(result) & ~opened) == 0) emitOperation(&op);
  }
}

// ---- loops -----------------------------------------------------------------------------------------------------

void Kernel::emitPart(const Axis &axis, Range range, bool isLane, bool isRow, size_t level) {
  uint64_t bit = dependence(axis.arg);
  auto inside = [&](Value i, ValueRange) {
    size_t scope = openScope();
    indices[axis.arg] = Linear::of(i);
    opened |= bit;
    emitLevel(level + 1);
    opened &= ~bit;
    closeScope(scope);
    return Values();
  };
  int64_t step = isLane ? tiling.lanes * tiling.columns : isRow ? tiling.rows : 1;
  int64_t whole = range.lower + (range.upper - range.lower) / step * step;
  if (whole > range.lower) {
    if (isLane) {
      columns.clear();
      for (int64_t c = 0; c < tiling.columns; ++c) columns.push_back({c * tiling.lanes, tiling.lanes, tiling.lanes});
      tileWidth = step;
    }
    if (isRow) rows = static_cast<unsigned>(step);
    l.loop(range.lower, whole, step, {}, inside);
  }
  if (whole < range.upper) {
    if (isLane) {
      columns = columnsOf(range.upper - whole, tiling.lanes, l.options);
      tileWidth = columns.back().offset + columns.back().width;
    }
    if (isRow) rows = static_cast<unsigned>(range.upper - whole);
    inside(a.index(whole), {});
    if (isLane) padding += tileWidth - (range.upper - whole);
  }
}

SmallVector<Part> partsOf(Region &body, const Domain &domain, const Axis &lane, int64_t lanes) {
  Range all{0, lane.size}, inner = interiorOf(body, domain, lane);
  if (inner.lower <= 0 && inner.upper >= lane.size) return {{all, true}};
  if (lanes == 1 || inner.empty() || inner.upper - inner.lower < lanes) return {{all, false}};
  SmallVector<Part> parts;
  if (inner.lower > 0) parts.push_back({{0, inner.lower}, false});
  parts.push_back({inner, true});
  if (inner.upper < lane.size) parts.push_back({{inner.upper, lane.size}, false});
  return parts;
}

void Kernel::emitAxis(const Axis &axis, bool isLane, bool isRow, size_t level) {
  if (!isLane) return emitPart(axis, {0, axis.size}, false, isRow, level);
  padding = 0;
  for (const Part &part : partsOf(gen.getBody(), domain, axis, tiling.lanes)) {
    interior = part.interior;
    emitPart(axis, part.range, true, false, level);
  }
  interior = false;
}

void Kernel::emitLevel(size_t level) {
  emitReady(bodyOf(gen));
  if (level == order.size()) return emitResult();
  size_t axis = order[level];
  emitAxis(domain.axes[axis], static_cast<int>(axis) == tiling.lane, static_cast<int>(axis) == tiling.row, level);
}

void Kernel::emitResult() {
  Value yielded = bodyOf(gen).getTerminator()->getOperand(0);
  Type scalar = yielded.getType();
  Place to = l.place(gen.getResult());
  Value memref = l.memory.view(to.buffer);
  a.loc = gen.getLoc();
  forCopies(laneBit | rowBit, [&](unsigned r, unsigned c, int64_t width) -> Value {
    Linear at = to.at;
    for (const Axis &axis : domain.axes) at.add(indexOf(axis.arg, r, c).at, axis.stride);
    Value element = get(yielded, r, c, width);
    int64_t stride = tiling.lane < 0 ? 1 : domain.axes[static_cast<size_t>(tiling.lane)].stride;
    if (width == 1 || stride == 1) {
      l.memory.store(memref, at, scalar, element, columns[c].active);
      return {};
    }
    if (l.options.arrays) {
      l.memory.scatter(memref, at, laneVector({Linear(0), stride, {}}, width), scalar, element);
      return {};
    }
    for (int64_t k = 0; k < columns[c].active; ++k, at.add(Linear(stride)))
      l.memory.store(memref, at, scalar, vector::ExtractOp::create(a.b, a.loc, element, k));
    return {};
  });
}

/// A gen that Store has placed on what it copies.
static bool copiesOntoItself(Lowering &l, GenOp op, const Domain &domain) {
  auto read = dyn_cast_or_null<ReadOp>(bodyOf(op).getTerminator()->getOperand(0).getDefiningOp());
  if (!read || read->getBlock() != &bodyOf(op)) return false;
  auto linear = linearRead(read);
  if (!linear) return false;
  Place from = l.place(read.getSource()), to = l.place(op.getResult());
  from.at.add(Linear(linear->constant));
  for (auto [k, v] : llvm::enumerate(read.getIndices())) {
    bool own = llvm::is_contained(bodyOf(op).getArguments(), v);
    if (!own && linear->coefficients[k] != 0) {
      Value captured = v;
      if (auto convert = v.getDefiningOp<ConvertOp>(); convert && convert->getBlock() == &bodyOf(op))
        captured = convert.getValue();
      Operation *def = captured.getDefiningOp();
      if (def && op->isAncestor(def)) return false;
      from.at.add(Linear::of(l.indexOf(captured)), linear->coefficients[k]);
    }
  }
  for (const Axis &axis : domain.axes)
    if (coefficientOf(read, *linear, axis.arg) != axis.stride && axis.size > 1) return false;
  return from == to;
}

LogicalResult Kernel::emitGen(GenOp op) {
  auto type = cast<RankedTensorType>(op.getResult().getType());
  if (type.getNumElements() == 0) return success();
  gen = op;
  domain = domainOf(op.getBody(), type.getShape(), /*join=*/true);
  if (copiesOntoItself(l, op, domain)) return success();
  tiling = chooseTiling(l, op, domain);
  for (auto [k, axis] : llvm::enumerate(domain.axes)) {
    dependences[axis.arg] = uint64_t(1) << nextBit++;
    if (static_cast<int>(k) != tiling.lane && static_cast<int>(k) != tiling.row) order.push_back(k);
  }
  if (tiling.lane >= 0) {
    order.push_back(static_cast<size_t>(tiling.lane));
    laneArg = domain.axes[static_cast<size_t>(tiling.lane)].arg;
    laneBit = dependence(laneArg);
  }
  if (tiling.row >= 0) {
    order.push_back(static_cast<size_t>(tiling.row));
    rowArg = domain.axes[static_cast<size_t>(tiling.row)].arg;
    rowBit = dependence(rowArg);
  }
  for (BlockArgument arg : domain.zeros) indices[arg] = Linear(0);
  computeDependence(bodyOf(op));
  emitLevel(0);
  return success();
}

static LogicalResult checkBody(Lowering &l, Region &body) {
  WalkResult walk = body.walk([&](Operation *op) {
    bool known = isa<ConstOp, ReadOp, ReduceOp, YieldOp>(op) || (op->getNumResults() == 1 && op->getNumOperands() > 0);
    for (Value v : op->getOperands()) {
      bool inside = body.isAncestor(v.getParentRegion());
      if (isa<RankedTensorType>(v.getType())) known = known && l.hasPlace(v) && isa<ReadOp>(op);
      else if (!inside) known = known && l.scalar(v);
    }
    if (known) return WalkResult::advance();
    (void)l.fail(op, "not a scalar operation of known operands");
    return WalkResult::interrupt();
  });
  return failure(walk.wasInterrupted());
}

LogicalResult emitGen(Lowering &l, GenOp op) {
  if (failed(checkBody(l, op.getBody()))) return failure();
  return Kernel(l).emitGen(op);
}

LogicalResult emitReduce(Lowering &l, ReduceOp op) {
  if (failed(checkBody(l, op.getBody()))) return failure();
  l.setScalar(op.getResult(), Kernel(l).emitSingle(op));
  return success();
}

LogicalResult emitRead(Lowering &l, ReadOp op) {
  l.setScalar(op.getResult(), Kernel(l).emitSingle(op));
  return success();
}

Value Kernel::emitSingle(ReduceOp op) {
  dependences[op.getResult()] = 0;
  Block &body = bodyOf(op);
  reduceBits[&body] = 1;
  nextBit = 1;
  for (BlockArgument arg : body.getArguments()) dependences[arg] = 1;
  computeDependence(body);
  emitReduces(op);
  return raw(op.getResult(), 0, 0);
}

Value Kernel::emitSingle(ReadOp op) { return readElement(op, 0, 0, 1); }

} // namespace mlr::loops
