// Conditions under which cotangents may differ from zero.
#include "mlr/Diff/Derivative.h"

#include "mlr/Dataflow/Flags.h"

namespace mlr::diff {

static bool isTensor(const Guard &c) { return isa<RankedTensorType>(c.value.getType()); }

/// The guards that stay. Each of a list may be left out alone: a cotangent is zero where any of them does not hold.
static Guards without(ArrayRef<Guard> guards, llvm::function_ref<bool(const Guard &)> drop) {
  Guards out;
  llvm::copy_if(guards, std::back_inserter(out), [&](const Guard &c) { return !drop(c); });
  return out;
}

static bool isInside(Guard c, Operation *scan) { return scan->isAncestor(c.value.getParentBlock()->getParentOp()); }

/// Whether a scan stands between the condition of a use by `op` and the instants `level` of what it uses.
static bool isBeyond(const Guard &g, Operation *op, Block *level) {
  for (Operation *at = op; at->getBlock() != level; at = at->getParentOp())
    if (isInside(g, at->getParentOp())) return true;
  return false;
}

/// Whether each element of the source is read at its own place of the body's domain and nowhere else.
static bool isElementwise(const Leaf &leaf, const Body &body) {
  if (!leaf.read) return body.arguments.empty();
  auto read = cast<ReadOp>(leaf.read);
  return !read.getClamp() && read.getMap().isIdentity() &&
         llvm::equal(read.getIndices(), body.arguments) &&
         llvm::equal(cast<RankedTensorType>(read.getSource().getType()).getShape(), body.sizes);
}

/// The value outside of a body that `v` has at every element: a computation that is there already, where there is one, so that one
/// condition is one value. Null if `v` depends on the element.
static Value invariantOutside(const Body &body, Value v, OpBuilder &b) {
  if (!body.isInside(v)) return v;
  Operation *op = v.getDefiningOp();
  if (!op || op->getNumResults() != 1 || op->getNumRegions() != 0 || op->getNumOperands() == 0 || !isInstantaneous(op) || isa<ReadOp>(op))
    return {};
  IRMapping outside;
  for (Value operand : op->getOperands()) {
    Value same = invariantOutside(body, operand, b);
    if (!same) return {};
    outside.map(operand, same);
  }
  for (Operation *user : outside.lookup(op->getOperand(0)).getUsers())
    if (user->getBlock() == b.getInsertionBlock() && user->getName() == op->getName() && user->getResultTypes() == op->getResultTypes() &&
        user->getAttrDictionary() == op->getAttrDictionary() &&
        llvm::equal(user->getOperands(), llvm::map_range(op->getOperands(), [&](Value o) { return outside.lookup(o); })))
      return user->getResult(0);
  return b.clone(*op, outside)->getResult(0);
}

Value Derivative::conditionOutside(const Body &body, Value condition) {
  if (!body.isInside(condition)) return condition;
  if (condition.getType().isInteger(1)) {
    OpBuilder b = at(body.op->getBlock());
    if (Value same = invariantOutside(body, condition, b)) return same;
  }
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

Value Derivative::chosenOutside(const Body &body) {
  Value &known = computations[body.op]->isChosen;
  if (known) return known;
  OpBuilder b = at(body.op->getBlock());
  SmallVector<AffineExpr> positions;
  for (unsigned k = 0; k < body.arguments.size(); ++k) positions.push_back(b.getAffineDimExpr(k));
  return known = makeEach(b, body.op->getLoc(), valueType(body.sizes, b.getI1Type()), [&](ValueRange indices) -> Value {
    OpBuilder inner = b;
    BodyAdjoint copy(body, *computations[body.op]->conditions, constants, inner, positions, indices);
    Value c = isChosen(body, copy);
    if (!indices.empty()) dropUnused(*inner.getInsertionBlock(), c);
    return c;
  });
}

/// What may pass through one use of a source by a body.
Guards Derivative::guardsAt(const Leaf &leaf, Operation *op, ArrayRef<Guard> of, bool &whole) {
  whole = false;
  Computation &c = computation(op);
  bool same = isElementwise(leaf, c.body);
  Block *level = levelFor(leaf.source);
  auto leaves = [&](const Guard &g) { return isBeyond(g, op, level); };
  Guards out = without(of, [&](const Guard &g) { return (isTensor(g) && (!same || c.body.reduce)) || leaves(g); });
  if (out.size() < of.size()) return out;
  for (const Guard &own : c.conditions->of(leaf.inside())) {
    Guard g{conditionOutside(c.body, own.value), own.polarity};
    if (leaves(g) || (isTensor(g) && !same)) break;
    out.push_back(g);
  }
  size_t all = of.size() + c.conditions->of(leaf.inside()).size();
  bool isWhole = out.size() == all;
  if (c.body.isChoice()) {
    ++all;
    // Only where the source is computed element by element: a product would lose more than the mask gives.
    bool isEach = leaf.source.getDefiningOp<GenOp>() && !bodyOfComputation(leaf.source.getDefiningOp()).reduce;
    if (isWhole && same && isEach) {
      Guard g{chosenOutside(c.body), true};
      if (!leaves(g)) out.push_back(g);
    }
  }
  whole = out.size() == all;
  return out;
}

void Derivative::forEachUse(Value y, ArrayRef<Guard> own, UseFunction f) {
  Operation *op = y.getDefiningOp();
  auto use = [&](Value source, Guards g) {
    bool whole = g.size() == own.size() && !isa<FbyOp, EbyOp, WindowOp>(op);
    if (activity.isActive(source)) f(source, std::move(g), whole);
  };
  Operation *scan = op->getBlock()->getParentOp();
  auto useBy = [&](Operation *user, Value source, llvm::function_ref<bool(const Guard &)> drop) {
    if (!activity.isActive(source)) return;
    use(source, without(own, [&](const Guard &g) { return drop(g) || isBeyond(g, user, levelFor(source)); }));
  };
  auto useHere = [&](Value source, llvm::function_ref<bool(const Guard &)> drop) { useBy(op, source, drop); };
  auto none = [](const Guard &) { return false; };
  if (isa<CutOp>(op)) {
    useHere(op->getOperand(0), none);
  } else if (isa<ScanOp>(op)) {
    Operation *end = dataflow::bodyOf(op).getTerminator();
    useBy(end, end->getOperand(cast<OpResult>(y).getResultNumber()), none);
  } else if (isa<FbyOp, EbyOp>(op)) {
    for (Value v : op->getOperands()) useHere(v, [&](const Guard &c) { return isInside(c, scan); });
  } else if (isa<WindowOp>(op)) {
    for (Value v : op->getOperands()) use(v, {});
  } else if (isa<FinalOp, InitialOp>(op)) {
    useHere(op->getOperand(0), none);
  } else if (isa<ReshapeOp, ConcatOp, ScatterOp, StackOp>(op) || isWholeCall(op)) {
    for (Value v : op->getOperands()) useHere(v, isTensor);
  } else {
    Guards of(own);
    for (const Leaf &leaf : computation(op).leaves) {
      bool whole;
      Guards g = guardsAt(leaf, op, of, whole);
      f(leaf.source, std::move(g), whole);
    }
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
    Guards own = *guards[y];
    forEachUse(y, own, [&](Value source, Guards g, bool) {
      std::optional<Guards> &known = guards[source];
      size_t before = known ? known->size() : SIZE_MAX;
      meet(known, g);
      if (known->size() != before) work.push_back(source);
    });
  }
}

/// Whether one of the lists holds, at the level of `y` and element by element where a condition is.
Value Derivative::anyOf(Value y, ArrayRef<Guards> lists) {
  bool isScalar = llvm::none_of(lists, [](const Guards &list) { return llvm::any_of(list, isTensor); });
  OpBuilder b = at(levelFor(y));
  Location loc = y.getLoc();
  Type i1 = b.getI1Type();
  return makeEach(b, loc, isScalar ? i1 : valueType(shapeOf(y.getType()), i1), [&](ValueRange indices) -> Value {
    Value any;
    for (const Guards &list : lists) {
      Value all;
      for (const Guard &g : list) {
        Value c = readLeading(b, loc, g.value, indices);
        if (!g.polarity) c = NotOp::create(b, loc, i1, c);
        all = all ? AndOp::create(b, loc, i1, all, c).getResult() : c;
      }
      any = any ? OrOp::create(b, loc, i1, any, all).getResult() : all;
    }
    return any;
  });
}

/// Values that several computations look at, each under other conditions: what all have in common says too little.
void Derivative::findWanted(Value value) {
  struct Uses {
    SmallVector<Value, 2> users;
    SmallVector<Guards, 2> lists;
    bool isAlways = false;
    bool isDone = false;
  };
  DenseMap<Value, Uses> uses;
  SmallVector<Value> order; // users before what they use
  SmallVector<Value> active;
  for (Value v : activity.values())
    if (guards[v]) active.push_back(v);
  for (Value y : active) uses[y];
  uses[value].isAlways = true;
  for (Value y : active) {
    if (llvm::is_contained(variables, y)) continue;
    bool isTime = isa<FbyOp, EbyOp, WindowOp>(y.getDefiningOp());
    Guards own = *guards[y];
    forEachUse(y, own, [&](Value source, Guards, bool) {
      if (isTime) uses[source].isAlways = true; // at another instant nothing is known of the condition
      else uses[source].users.push_back(y);
    });
  }
  SmallVector<Value> stack;
  DenseSet<Value> seen;
  for (Value root : active) {
    stack.push_back(root);
    while (!stack.empty()) {
      Value v = stack.back();
      if (seen.insert(v).second) {
        for (Value user : uses[v].users)
          if (!seen.contains(user)) stack.push_back(user);
        continue;
      }
      stack.pop_back();
      if (std::exchange(uses[v].isDone, true)) continue;
      order.push_back(v);
    }
  }
  for (Value y : order) {
    Uses &mine = uses[y];
    if (llvm::is_contained(variables, y)) continue;
    Guards own = *guards[y];
    size_t common = own.size();
    if (!mine.isAlways && !mine.lists.empty()) {
      SmallVector<Guards, 2> tails;
      for (Guards &list : mine.lists) tails.push_back(Guards(ArrayRef<Guard>(list).drop_front(common)));
      SmallVector<ArrayRef<Guard>> all(tails.begin(), tails.end());
      if (!coversAll(all)) own.push_back({wanted[y] = anyOf(y, tails), true});
    }
    forEachUse(y, own, [&](Value source, Guards g, bool whole) {
      if (whole) uses[source].lists.push_back(std::move(g));
      else uses[source].isAlways = true;
    });
  }
}

Value Derivative::isWanted(Operation *op) {
  OpBuilder b = at(op->getBlock());
  Location loc = op->getLoc();
  Type i1 = b.getI1Type();
  Value any;
  for (Value y : op->getResults()) {
    if (!activity.isActive(y)) continue;
    Value condition = wanted.lookup(y);
    if (!condition) return {};
    if (auto tensor = dyn_cast<RankedTensorType>(condition.getType())) {
      auto one = ReduceOp::create(b, loc, i1, ReduceKind::Any, tensor.getShape(), /*tree=*/false);
      auto *block = new Block;
      one.getBody().push_back(block);
      for (int64_t k = 0; k < tensor.getRank(); ++k) block->addArgument(b.getIndexType(), loc);
      OpBuilder inner = OpBuilder::atBlockEnd(block);
      YieldOp::create(inner, loc, readLeading(inner, loc, condition, block->getArguments()));
      condition = one.getResult();
    }
    any = any ? OrOp::create(b, loc, i1, any, condition).getResult() : condition;
  }
  return any;
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
  const std::optional<Guards> &later = guards[source];
  Guards own = without(*guards[y], [&](const Guard &g) { return later && llvm::is_contained(*later, g); });
  return masked(cotangentOf(y), own, b);
}

} // namespace mlr::diff
