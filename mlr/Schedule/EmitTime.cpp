// Values of other instants: rows of stored arrays, neighbours in time, windows, ends.
#include "mlr/Schedule/Emit.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::schedule {

namespace {

/// A tensor, element by element: body(builder, indices) gives the element.
template <typename Body> Value generate(OpBuilder &builder, Location loc, RankedTensorType type, Body body) {
  auto gen = GenOp::create(builder, loc, type);
  OpBuilder::InsertionGuard guard(builder);
  SmallVector<Type> indexTypes(type.getRank(), builder.getIndexType());
  SmallVector<Location> locations(type.getRank(), loc);
  Block *block = builder.createBlock(&gen.getBody(), {}, indexTypes, locations);
  Value element = body(block->getArguments());
  YieldOp::create(builder, loc, element);
  return gen.getResult();
}

// Where an equation stands, without the name of its variable: for what fetches a value rather than computes
// it.
Location unnamed(Location location) {
  if (auto name = dyn_cast<NameLoc>(location)) return unnamed(name.getChildLoc());
  if (auto call = dyn_cast<CallSiteLoc>(location))
    return CallSiteLoc::get(unnamed(call.getCallee()), call.getCaller());
  return location;
}

Value read(OpBuilder &builder, Location loc, Value array, ValueRange indices) {
  auto type = cast<RankedTensorType>(array.getType());
  auto map = builder.getMultiDimIdentityMap(indices.size());
  return ReadOp::create(builder, loc, type.getElementType(), array, map, indices, DenseBoolArrayAttr());
}

} // namespace

Value Emitter::constant(int part, int64_t value) {
  if (Value known = constants.lookup({part, value})) return known;
  Value made = create<ConstOp>(part, 0, graph.node.getLoc(), builder.getI32IntegerAttr(value));
  return constants[{part, value}] = made;
}

// The part's index plus shift, kept within 0 .. T-1: an i32.
Value Emitter::index(int part, int shift) {
  Value argument = body(part).block->getArgument(0);
  if (shift == 0) return argument;
  if (Value known = indices.lookup({part, shift})) return known;
  Location loc = argument.getLoc();
  Value moved = create<AddOp>(part, 0, loc, argument, constant(part, shift));
  int64_t last = graph.scans[plan.parts[part].scan].length - 1;
  Value bound = constant(part, shift < 0 ? 0 : last);
  Value kept = shift < 0 ? create<MaxOp>(part, 0, loc, moved, bound).getResult()
                         : create<MinOp>(part, 0, loc, moved, bound).getResult();
  return indices[{part, shift}] = kept;
}

Value Emitter::position(int part, int shift) {
  Value known = positions.lookup({part, shift});
  if (known) return known;
  Value i = index(part, shift);
  Value made = create<ConvertOp>(part, 0, i.getLoc(), builder.getIndexType(), i);
  return positions[{part, shift}] = made;
}

// Whether instant t + shift of the part's time is its first (or last) one.
Value Emitter::isAt(int part, int rank, bool last, int shift, Location loc) {
  const Scan &scan = graph.scans[plan.parts[part].scan];
  Value argument = body(part).block->getArgument(0);
  if (!last) return create<EqOp>(part, rank, loc, builder.getI1Type(), argument, constant(part, -shift));
  if (Value count = body(part).op.getUpto()) {
    Value end = create<AddOp>(part, rank, loc, count, constant(part, -1 - shift));
    return create<EqOp>(part, rank, loc, builder.getI1Type(), argument, end);
  }
  return create<EqOp>(part, rank, loc, builder.getI1Type(), argument,
                      constant(part, scan.length - 1 - shift));
}

// The array of a value over the scans from its own time out to the time that the producer stands in.
Value Emitter::arrayOf(int vertex, int producer, unsigned result) {
  if (Value known = arrays.lookup({vertex, producer, result})) return known;
  const Vertex &v = graph.vertices[vertex];
  int part = producer, depth = graph.scans[v.scan].depth;
  while (plan.parts[part].depth < depth) part = plan.within(vertex, part);
  Value value = getVertex(vertex, part, 0, result);
  for (;; part = plan.parts[part].parent) {
    SmallVector<int64_t> shape{graph.scans[plan.parts[part].scan].length};
    if (auto tensor = dyn_cast<RankedTensorType>(value.getType()))
      llvm::append_range(shape, tensor.getShape());
    auto type = RankedTensorType::get(shape, getElementTypeOrSelf(value.getType()));
    Value stack = stacks.lookup({value, part});
    if (!stack) stack = out(part, nullptr, value, type);
    stacks[{value, part}] = stack;
    value = stack;
    if (part == producer) break;
  }
  return arrays[{vertex, producer, result}] = value;
}

Value Emitter::readRow(int vertex, int producer, int part, int shift, unsigned result) {
  Value array = arrayOf(vertex, producer, result);
  const Vertex &v = graph.vertices[vertex];
  Type type = v.op ? v.op->getResult(result).getType() : builder.getI32Type();
  Location loc = unnamed(v.op ? v.op->getLoc() : array.getLoc());
  SmallVector<Value> row;
  for (int depth = plan.parts[producer].depth; depth <= plan.parts[part].depth; ++depth)
    row.push_back(position(plan.ancestor(part, depth), depth == plan.parts[part].depth ? shift : 0));
  builder.setInsertionPoint(body(part).block->getTerminator());
  Value value;
  if (auto tensor = dyn_cast<RankedTensorType>(type)) {
    value = generate(builder, loc, tensor, [&](ValueRange at) {
      llvm::append_range(row, at);
      return read(builder, loc, array, row);
    });
  } else {
    value = read(builder, loc, array, row);
  }
  ranks[value.getDefiningOp()] = vertex;
  return value;
}

Value Emitter::choose(int part, int rank, Value condition, Value yes, Value no, Location loc) {
  builder.setInsertionPoint(body(part).block->getTerminator());
  auto tensor = dyn_cast<RankedTensorType>(yes.getType());
  Value result = tensor ? generate(builder, loc, tensor,
                                   [&](ValueRange at) -> Value {
                                     Value y = read(builder, loc, yes, at), n = read(builder, loc, no, at);
                                     return SelectOp::create(builder, loc, condition, y, n);
                                   })
                        : SelectOp::create(builder, loc, condition, yes, no).getResult();
  ranks[result.getDefiningOp()] = rank;
  return result;
}

// An fby or eby without a slot: the operand one instant earlier or later, its end value at the border.
Value Emitter::neighbour(int vertex, int part, int shift) {
  Operation *op = graph.vertices[vertex].op;
  bool fby = isa<FbyOp>(op);
  // Ahead of the first instant (or before the last one) there is no border.
  if (fby ? shift > 0 : shift < 0)
    return get(graph.resolve(op->getOperand(fby ? 1 : 0)), part, shift + (fby ? -1 : 1));
  Value border = get(graph.resolve(op->getOperand(fby ? 0 : 1)), part, shift);
  Value beside = get(graph.resolve(op->getOperand(fby ? 1 : 0)), part, shift + (fby ? -1 : 1));
  Value atBorder = isAt(part, vertex, !fby, shift, op->getLoc());
  return choose(part, vertex, atBorder, border, beside, op->getLoc());
}

// A stream that changes from instant to instant and is computed in this part.
bool Emitter::streamHere(Source source, int part) const {
  if (source.vertex < 0) return false;
  const Vertex &v = graph.vertices[source.vertex];
  if (v.scan != plan.parts[part].scan) return false;
  return find(source.vertex, part, 0).kind != Found::Row;
}

// A window over an array that an earlier part has stored: rows t - n + 1 .. t, `init` before the start.
Value Emitter::slideOver(int vertex, int part) {
  auto window = cast<WindowOp>(graph.vertices[vertex].op);
  Location loc = window.getLoc();
  auto type = cast<RankedTensorType>(window.getResult().getType());
  Source source = graph.resolve(window.getValue());
  int producer = find(source.vertex, part, 0).producer;
  Value array = arrayOf(source.vertex, producer, cast<OpResult>(source.value).getResultNumber()), init = get(graph.resolve(window.getInit()), part, 0);
  int64_t size = type.getDimSize(0);
  SmallVector<Value> outer;
  for (int depth = plan.parts[producer].depth; depth < plan.parts[part].depth; ++depth)
    outer.push_back(position(plan.ancestor(part, depth), 0));
  Value now = position(part, 0), first = constant(part, size - 1);
  Value t = body(part).block->getArgument(0);
  builder.setInsertionPoint(body(part).block->getTerminator());
  Value result = generate(builder, loc, type, [&](ValueRange at) -> Value {
    int rank = cast<RankedTensorType>(array.getType()).getRank(), k = outer.size();
    SmallVector<AffineExpr> exprs;
    for (int d = 0; d < k; ++d) exprs.push_back(builder.getAffineDimExpr(d));
    exprs.push_back(builder.getAffineDimExpr(k) + builder.getAffineDimExpr(k + 1) - (size - 1));
    for (int d = k + 2; d < rank + 1; ++d) exprs.push_back(builder.getAffineDimExpr(d));
    SmallVector<bool> clamp(rank, false);
    clamp[k] = true;
    SmallVector<Value> indices(outer);
    indices.push_back(now);
    llvm::append_range(indices, at);
    Value element = ReadOp::create(builder, loc, type.getElementType(), array,
                                   AffineMap::get(rank + 1, 0, exprs, builder.getContext()), indices,
                                   builder.getDenseBoolArrayAttr(clamp));
    Value before = isa<RankedTensorType>(init.getType()) ? read(builder, loc, init, at.drop_front()) : init;
    Value i = ConvertOp::create(builder, loc, builder.getI32Type(), at.front());
    Value sum = AddOp::create(builder, loc, t, i);
    Value early = LtOp::create(builder, loc, builder.getI1Type(), sum, first);
    return SelectOp::create(builder, loc, early, before, element);
  });
  ranks[result.getDefiningOp()] = vertex;
  return result;
}

// The value at the instant that the sweep comes to first, kept from there on.
Value Emitter::hold(int exit, int part) {
  if (Value known = held.lookup({exit, part})) return known;
  Operation *op = graph.vertices[exit].op;
  Location loc = unnamed(op->getLoc());
  Type type = op->getResult(0).getType();
  bool up = plan.parts[part].direction == Direction::Up;
  Value value = get(graph.resolve(op->getOperand(0)), part, 0);
  TypedAttr zero = isa<RankedTensorType>(type)
                       ? TypedAttr(DenseElementsAttr::get(cast<RankedTensorType>(type),
                                                          builder.getZeroAttr(getElementTypeOrSelf(type))))
                       : builder.getZeroAttr(type);
  Value zeros = create<ConstOp>(part, exit, loc, zero);
  Operation *kept = up ? create<FbyOp>(part, exit, loc, type, zeros, zeros, StringAttr()).getOperation()
                       : create<EbyOp>(part, exit, loc, type, zeros, zeros, StringAttr()).getOperation();
  Value first = isAt(part, exit, !up, 0, loc);
  Value result = choose(part, exit, first, value, kept->getResult(0), loc);
  kept->setOperand(up ? 1 : 0, result);
  return held[{exit, part}] = result;
}

} // namespace mlr::schedule
