#include "mlr/Schedule/Emit.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::schedule {

Emitter::Emitter(const Graph &graph, const Plan &plan, Ranks &ranks)
    : graph(graph), plan(plan), ranks(ranks), builder(graph.node.getContext()), bodies(plan.parts.size()),
      nodeOpSeen(graph.vertices.size()) {
  bodies[0].block = &bodyOf(graph.node);
}

// On demand from the node's outputs. Cloned operations first keep their old operands and are connected from a
// work list, so that recurrences need no forward reference and the depth of the program no stack.
void Emitter::run() {
  connect(bodies[0].block->getTerminator(), 0, 0);
  for (int v = 0, n = graph.vertices.size(); v < n; ++v) {
    if (!graph.vertices[v].live || !graph.vertices[v].acts()) continue;
    int part = 0; // the one that executes it
    for (int inner; (inner = plan.within(v, part)) >= 0;) part = inner;
    getVertex(v, part, 0);
  }
  while (!toConnect.empty()) {
    auto [op, part, shift] = toConnect.back();
    toConnect.pop_back();
    connect(op, part, shift);
  }
  for (int part = plan.parts.size() - 1; part > 0; --part) finish(part);
  eraseSource();
}

void Emitter::connect(Operation *op, int part, int shift) {
  op->walk([&](Operation *inner) {
    for (OpOperand &operand : inner->getOpOperands()) {
      Operation *owner = operand.get().getParentRegion()->getParentOp();
      if (owner == op || op->isProperAncestor(owner)) continue;
      operand.set(get(graph.resolve(operand.get()), part, shift));
    }
  });
}

// `shift` is of the part's own time: what comes from further out is the same at every instant.
Value Emitter::get(Source source, int part, int shift) {
  if (source.vertex >= 0) {
    bool own = graph.scans[graph.vertices[source.vertex].scan].depth == plan.parts[part].depth;
    unsigned result = cast<OpResult>(source.value).getResultNumber();
    return getVertex(source.vertex, part, own ? shift : 0, graph.vertices[source.vertex].op ? result : 0);
  }
  auto argument = cast<BlockArgument>(source.value);
  Operation *owner = argument.getOwner()->getParentOp();
  if (isa<NodeOp>(owner)) return argument;
  int depth = graph.scans[graph.scanOf(owner)].depth;
  return index(plan.ancestor(part, depth), depth == plan.parts[part].depth ? shift : 0);
}

Value Emitter::getVertex(int vertex, int part, int shift, unsigned result) {
  const Vertex &v = graph.vertices[vertex];
  if (v.exit() && graph.within(plan.parts[part].scan, v.where)) {
    int around = plan.ancestor(part, graph.scans[v.where].depth);
    if (plan.within(vertex, plan.parts[around].parent) == around) return hold(vertex, around);
  }
  part = plan.ancestor(part, graph.scans[v.scan].depth);
  if (isa_and_nonnull<ConstOp>(v.op)) shift = 0;
  std::tuple key{vertex, part, shift, result};
  if (Value known = values.lookup(key)) return known;
  Found found = find(vertex, part, shift);
  Value value;
  switch (found.kind) {
  case Found::Node:
    value = v.op->getResult(result);
    if (!nodeOpSeen[vertex]) toConnect.push_back({v.op, 0, 0});
    nodeOpSeen[vertex] = true;
    ranks[v.op] = vertex;
    break;
  case Found::Here:
  case Found::Again:
    value = result ? getVertex(vertex, part, shift).getDefiningOp()->getResult(result) : execute(vertex, part, shift);
    break;
  case Found::Result: value = outOf(vertex, found.producer); break;
  case Found::Row: value = readRow(vertex, found.producer, part, shift, result); break;
  }
  values[key] = value;
  return value;
}

Emitter::Found Emitter::find(int vertex, int part, int shift) const {
  const Vertex &v = graph.vertices[vertex];
  if (v.exit()) {
    if (int inside = plan.within(vertex, part); inside >= 0) return {Found::Result, inside};
  } else if (part == 0) {
    return {Found::Node};
  } else if (shift == 0 && plan.within(vertex, plan.parts[part].parent) == part) {
    return {Found::Here};
  }
  for (int inner = part, outer; (outer = plan.parts[inner].parent) >= 0; inner = outer) {
    int producer = plan.within(vertex, outer);
    if (producer >= 0 && producer != inner && (!v.recomputable || plan.stored.count({vertex, outer})))
      return {Found::Row, producer};
  }
  return {Found::Again};
}

Value Emitter::execute(int vertex, int part, int shift) {
  Operation *op = graph.vertices[vertex].op;
  bool resume = graph.scans[plan.parts[part].scan].op.getResume(); // fby and window are state
  if (isa<FbyOp, EbyOp>(op)) {
    bool fby = isa<FbyOp>(op);
    Source value = graph.resolve(op->getOperand(fby ? 1 : 0));
    bool along = sameSweep(fby ? Access::Fby : Access::Eby, plan.parts[part].direction);
    if (!(fby && resume && shift <= 0) && (shift != 0 || !along || !streamHere(value, part)))
      return neighbour(vertex, part, shift);
  }
  if (auto window = dyn_cast<WindowOp>(op); window && !resume) {
    Source value = graph.resolve(window.getValue());
    if (plan.parts[part].direction == Direction::Down ||
        (value.vertex >= 0 && graph.vertices[value.vertex].scan == graph.vertices[vertex].scan &&
         find(value.vertex, part, 0).kind == Found::Row))
      return slideOver(vertex, part);
  }
  builder.setInsertionPoint(body(part).block->getTerminator());
  Operation *copy = builder.clone(*op);
  ranks[copy] = vertex;
  toConnect.push_back({copy, part, shift});
  return copy->getNumResults() ? copy->getResult(0) : Value();
}

// ---- parts
// -------------------------------------------------------------------------------------------------------

Emitter::Body &Emitter::body(int part) {
  if (bodies[part].block) return bodies[part];
  const Part &p = plan.parts[part];
  const Scan &scan = graph.scans[p.scan];
  body(p.parent);
  builder.setInsertionPoint(bodies[p.parent].block->getTerminator());
  dataflow::ScanOp source = scan.op;
  auto sweep = DirectionAttr::get(builder.getContext(), p.direction);
  bool resume = source.getResume() &&
                llvm::any_of(p.members, [&](int v) { return graph.vertices[v].upFrom < p.depth; });
  auto op = ScanOp::create(builder, source.getLoc(), TypeRange{}, Value(), scan.length, resume, sweep,
                           source.getIndexNameAttr());
  for (NamedAttribute attribute : source->getDiscardableAttrs())
    op->setDiscardableAttr(attribute.getName(), attribute.getValue());
  op->setDiscardableAttr("mlr.scan", builder.getI64IntegerAttr(p.scan));
  Block *block = builder.createBlock(&op.getBody(), {}, builder.getI32Type(), source.getLoc());
  builder.setInsertionPointToEnd(block);
  YieldOp::create(builder, source.getLoc(), ValueRange{});
  ranks[op] = p.members.empty() ? 0 : p.members.front();
  bodies[part].op = op;
  bodies[part].block = block;
  bool conditional = scan.until >= 0 && plan.within(scan.until, p.parent) == part;
  if (conditional) execute(scan.until, part, 0);
  Value upto;
  if (!conditional && scan.until >= 0) upto = getVertex(scan.count, p.parent, 0);
  if (source.getUpto()) upto = get(graph.resolve(source.getUpto()), p.parent, 0);
  if (upto) op.getUptoMutable().assign(upto);
  if (source.getWhen()) op.getWhenMutable().assign(get(graph.resolve(source.getWhen()), p.parent, 0));
  return bodies[part];
}

// A constant of a part, handed to the time around it. `end` is the operation in the source, null for a count.
Value Emitter::outOf(int exit, int part) {
  if (Value known = outsOfExits.lookup({exit, part})) return known;
  const Vertex &v = graph.vertices[exit];
  Value result;
  if (!v.op) {
    auto count = create<CountOp>(part, exit, body(part).op.getLoc(), builder.getI32Type());
    result = out(part, count, Value(), builder.getI32Type());
  } else {
    Value value = get(graph.resolve(v.op->getOperand(0)), part, 0);
    if (isa<StackOp>(v.op)) {
      result = stacks.lookup({value, part});
      if (!result) result = out(part, v.op, value, v.op->getResult(0).getType());
      stacks[{value, part}] = result;
    } else {
      result = out(part, v.op, value, v.op->getResult(0).getType());
    }
  }
  return outsOfExits[{exit, part}] = result;
}

// `like` is the source's final, initial or stack (cloned), an operation already in the part (value null), or
// null: a new stack.
Value Emitter::out(int part, Operation *like, Value value, Type type) {
  Body &b = body(part);
  Value inner;
  Location loc = like ? like->getLoc() : value.getLoc();
  int rank = INT_MAX;
  if (like && !value) {
    inner = like->getResult(0);
  } else if (like) {
    builder.setInsertionPoint(b.block->getTerminator());
    IRMapping mapping;
    mapping.map(like->getOperand(0), value);
    Operation *copy = builder.clone(*like, mapping);
    ranks[copy] = rank;
    inner = copy->getResult(0);
  } else {
    inner = create<StackOp>(part, rank, loc, type, value).getResult();
  }
  builder.setInsertionPoint(bodies[plan.parts[part].parent].block->getTerminator());
  auto standIn = UnrealizedConversionCastOp::create(builder, loc, TypeRange{type}, ValueRange{});
  b.outs.push_back({inner, standIn});
  return standIn.getResult(0);
}

// Parts inside are finished. Gives the part its results.
void Emitter::finish(int part) {
  Body &b = bodies[part];
  if (!b.block) return;
  SmallVector<Value> yielded;
  SmallVector<Type> types;
  for (auto &[value, standIn] : b.outs) {
    yielded.push_back(value);
    types.push_back(value.getType());
  }
  b.block->getTerminator()->setOperands(yielded);
  builder.setInsertionPoint(b.op);
  ScanOp old = b.op;
  auto op = ScanOp::create(builder, old.getLoc(), types, old.getUpto(), old.getWhen(), /*reset=*/Value(), old.getLength(),
                           old.getResume(), old.getSweepAttr(), old.getIndexNameAttr());
  for (NamedAttribute attribute : old->getDiscardableAttrs())
    op->setDiscardableAttr(attribute.getName(), attribute.getValue());
  op.getBody().takeBody(old.getBody());
  ranks[op] = ranks.lookup(old);
  for (auto [out, result] : llvm::zip(b.outs, op.getResults())) {
    out.second->getResult(0).replaceAllUsesWith(result);
    out.second->erase();
  }
  ranks.erase(old);
  old->erase();
  b.op = op;
}

void Emitter::eraseSource() {
  SmallVector<Operation *> dead;
  for (Operation &op : *bodies[0].block)
    if (!ranks.contains(&op) && !isa<YieldOp>(op)) dead.push_back(&op);
  for (Operation *op : dead) op->dropAllReferences();
  for (Operation *op : dead) {
    op->dropAllUses();
    op->erase();
  }
}

} // namespace mlr::schedule
