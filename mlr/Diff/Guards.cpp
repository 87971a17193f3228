// Conditions under which cotangents may differ from zero.
#include "mlr/Diff/Derivative.h"

#include "mlr/Dataflow/Flags.h"

namespace mlr::diff {

static bool isTensor(const Guard &c) { return isa<RankedTensorType>(c.value.getType()); }

static Guards prefix(ArrayRef<Guard> guards, llvm::function_ref<bool(const Guard &)> drop) {
  Guards out;
  for (const Guard &c : guards) {
    if (drop(c)) break;
    out.push_back(c);
  }
  return out;
}

static bool isInside(Guard c, Operation *scan) { return scan->isAncestor(c.value.getParentBlock()->getParentOp()); }

/// Whether each element of the source is read at its own place of the body's domain and nowhere else.
static bool isElementwise(const Leaf &leaf, const Body &body) {
  if (!leaf.read) return body.arguments.empty();
  auto read = cast<ReadOp>(leaf.read);
  return !read.getClamp() && read.getMap().isIdentity() &&
         llvm::equal(read.getIndices(), body.arguments) &&
         llvm::equal(cast<RankedTensorType>(read.getSource().getType()).getShape(), body.sizes);
}

Value Derivative::conditionOutside(const Body &body, Value condition) {
  if (!body.isInside(condition)) return condition;
  Value &known = computations[body.op]->outside[condition];
  if (known) return known;
  OpBuilder b = at(body.op->getBlock());
  SmallVector<AffineExpr> positions;
  for (unsigned k = 0; k < body.arguments.size(); ++k) positions.push_back(b.getAffineDimExpr(k));
  known = makeEach(b, body.op->getLoc(), valueType(body.sizes, b.getI1Type()), [&](ValueRange indices) -> Value {
    OpBuilder inner = b;
    BodyAdjoint copy(body, *computations[body.op]->conditions, constants, inner, positions, indices);
    Value c = copy.at(condition);
    if (!indices.empty()) dropUnused(*inner.getInsertionBlock(), c);
    return c;
  });
  return known;
}

/// What may pass through one use of a source by a body.
Guards Derivative::guardsAt(const Leaf &leaf, Operation *op, ArrayRef<Guard> of) {
  Computation &c = computation(op);
  bool same = isElementwise(leaf, c.body);
  Block *level = levelFor(leaf.source);
  auto leaves = [&](const Guard &g) { // a scan between condition and source
    for (Operation *at = op; at->getBlock() != level; at = at->getParentOp())
      if (isInside(g, at->getParentOp())) return true;
    return false;
  };
  Guards out = prefix(of, [&](const Guard &g) { return (isTensor(g) && (!same || c.body.reduce)) || leaves(g); });
  if (out.size() < of.size()) return out;
  for (const Guard &own : c.conditions->of(leaf.inside())) {
    if (c.body.isInside(own.value) && !same) break;
    Guard g{conditionOutside(c.body, own.value), own.polarity};
    if (leaves(g)) break;
    out.push_back(g);
  }
  return out;
}

void Derivative::forEachUse(Value y, llvm::function_ref<void(Value, Guards)> f) {
  Operation *op = y.getDefiningOp();
  ArrayRef<Guard> own = *guards[y];
  auto use = [&](Value source, Guards g) {
    if (activity.isActive(source)) f(source, std::move(g));
  };
  Operation *scan = op->getBlock()->getParentOp();
  if (isa<CutOp>(op)) {
    use(op->getOperand(0), Guards(own));
  } else if (isa<ScanOp>(op)) {
    use(dataflow::bodyOf(op).getTerminator()->getOperand(cast<OpResult>(y).getResultNumber()), Guards(own));
  } else if (isa<FbyOp, EbyOp>(op)) {
    for (Value v : op->getOperands()) use(v, prefix(own, [&](const Guard &c) { return isInside(c, scan); }));
  } else if (isa<WindowOp>(op)) {
    for (Value v : op->getOperands()) use(v, {});
  } else if (isa<FinalOp, InitialOp>(op)) {
    use(op->getOperand(0), Guards(own));
  } else if (isa<ReshapeOp, ConcatOp, StackOp>(op) || isWholeCall(op)) {
    for (Value v : op->getOperands()) use(v, prefix(own, isTensor));
  } else {
    Guards of(own);
    for (const Leaf &leaf : computation(op).leaves) f(leaf.source, guardsAt(leaf, op, of));
  }
}

/// The greatest fixed point: lists only become shorter.
void Derivative::findGuards(Value value) {
  SmallVector<Value> work;
  if (!activity.isActive(value)) return;
  guards[value] = Guards();
  work.push_back(value);
  while (!work.empty()) {
    Value y = work.pop_back_val();
    if (llvm::is_contained(variables, y)) continue;
    forEachUse(y, [&](Value source, Guards g) {
      std::optional<Guards> &known = guards[source];
      size_t before = known ? known->size() : SIZE_MAX;
      meet(known, g);
      if (known->size() != before) work.push_back(source);
    });
  }
}

Value Derivative::masked(Value v, ArrayRef<Guard> guards, OpBuilder &b) {
  if (guards.empty()) return v;
  Location loc = v.getLoc();
  Value zero = constants.get(cast<TypedAttr>(zeroAttr(elementOf(v.getType()))));
  return makeEach(b, loc, v.getType(), [&](ValueRange indices) -> Value {
    Value e = readLeading(b, loc, v, indices);
    for (const Guard &g : guards) {
      Value c = readLeading(b, loc, g.value, indices.drop_front(batch));
      e = SelectOp::create(b, loc, e.getType(), c, g.polarity ? e : zero, g.polarity ? zero : e);
    }
    return e;
  });
}

Value Derivative::passed(Value y, Value source, OpBuilder &b) {
  ArrayRef<Guard> own = *guards[y];
  size_t shared = guards[source] ? guards[source]->size() : 0;
  return masked(cotangentOf(y), own.drop_front(std::min(shared, own.size())), b);
}

} // namespace mlr::diff
