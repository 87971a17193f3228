// The scalar rules. Where a function is not smooth: abs has derivative 0 at 0, max(a, b) and min(a, b) give the cotangent to b
// on a tie, floor, ceil, trunc, round and conversions to integers are constant.
#include "mlr/Diff/Scalars.h"

namespace mlr::diff {

void dropUnused(Block &block, Value keep) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (op.use_empty() && !isa<YieldOp>(op) && (isInstantaneous(&op) || isa<CallOp>(op)) &&
        (!keep || keep.getDefiningOp() != &op))
      op.erase();
}

void meet(std::optional<Guards> &to, ArrayRef<Guard> with) {
  if (!to) {
    to = Guards(with);
    return;
  }
  size_t n = 0;
  while (n < to->size() && n < with.size() && (*to)[n] == with[n]) ++n;
  to->truncate(n);
}

bool coversAll(ArrayRef<ArrayRef<Guard>> lists) {
  if (llvm::any_of(lists, [](ArrayRef<Guard> list) { return list.empty(); })) return true;
  for (size_t i = 0; i < lists.size(); ++i) {
    Value condition = lists[i][0].value;
    SmallVector<ArrayRef<Guard>> yes, no;
    bool isNew = true;
    for (auto [k, list] : llvm::enumerate(lists)) {
      if (list[0].value != condition) continue;
      isNew = isNew && k >= i;
      (list[0].polarity ? yes : no).push_back(list.drop_front());
    }
    if (isNew && !yes.empty() && !no.empty() && coversAll(yes) && coversAll(no)) return true;
  }
  return false;
}

// ---- conditions ------------------------------------------------------------------------------------------------

BodyConditions::BodyConditions(const Body &body, llvm::function_ref<bool(Value)> isActiveOutside) {
  for (Operation *op : body.inside)
    for (Value v : op->getOperands())
      if (!body.isInside(v) && isActiveOutside(v)) active.insert(v);
  for (Operation *op : body.inside) {
    if (isa<StopOp>(op) || !mlr::diff::isFloat(op->getResult(0))) continue;
    if (llvm::any_of(op->getOperands(), [&](Value v) { return active.contains(v); })) active.insert(op->getResult(0));
  }
  DenseMap<Value, std::optional<Guards>> found;
  DenseMap<Value, SmallVector<Use, 2>> uses;
  for (Value v : body.yields) meet(found[v], {});
  for (Operation *op : llvm::reverse(body.inside)) {
    Value result = op->getResult(0);
    if (!active.contains(result)) continue;
    auto &known = found[result];
    guards[result] = known ? *known : Guards();
    for (unsigned k = 0; k < op->getNumOperands(); ++k)
      if (active.contains(op->getOperand(k))) {
        Guards use = ofUse(op, k);
        meet(found[op->getOperand(k)], use);
        uses[op->getOperand(k)].push_back({op, k});
      }
  }
  for (Value v : active)
    if (auto it = found.find(v); it != found.end() && it->second) guards[v] = *it->second;
  // Users before what they use.
  for (Operation *op : llvm::reverse(body.inside)) {
    Value v = op->getResult(0);
    if (!active.contains(v) || llvm::is_contained(body.yields, v)) continue;
    SmallVector<Guards, 4> lists;
    for (Use &use : uses[v]) {
      Guards list(ofUse(use.first, use.second));
      list.erase(list.begin(), list.begin() + guards[v].size());
      if (partial.contains(use.first->getResult(0))) list.push_back({use.first->getResult(0), true});
      lists.push_back(std::move(list));
    }
    SmallVector<ArrayRef<Guard>> all(lists.begin(), lists.end());
    if (!all.empty() && !coversAll(all)) partial[v] = std::move(uses[v]);
  }
}

ArrayRef<BodyConditions::Use> BodyConditions::partialUses(Value v) const {
  auto it = partial.find(v);
  return it == partial.end() ? ArrayRef<Use>() : ArrayRef<Use>(it->second);
}

ArrayRef<Guard> BodyConditions::of(Value v) const {
  auto it = guards.find(v);
  return it == guards.end() ? ArrayRef<Guard>() : ArrayRef<Guard>(it->second);
}

Guards BodyConditions::ofUse(Operation *op, unsigned k) const {
  Guards use(of(op->getResult(0)));
  if (isa<SelectOp>(op) && k > 0) use.push_back({op->getOperand(0), k == 1});
  return use;
}

// ---- adjoint ---------------------------------------------------------------------------------------------------

BodyAdjoint::BodyAdjoint(const Body &body, const BodyConditions &conditions, ConstantPool &constants, OpBuilder &b,
                         ArrayRef<AffineExpr> positions, ValueRange operands)
    : body(body), conditions(conditions), constants(constants), b(b), loc(body.op->getLoc()),
      positions(positions), operands(operands.begin(), operands.end()) {
  // What a function made of the result is there already: its derivative reads it rather than calling it again.
  bool isCall = !body.reduce && body.yields.size() == 1 && body.yields[0].getDefiningOp<CallOp>();
  for (Operation *op : body.inside) {
    if (isCall && op == body.yields[0].getDefiningOp() && op->getNumResults() == 1)
      mapping[body.yields[0]] = readAtOuter(body.result, {}, body.outer);
    else
      copy(op);
  }
}

static SmallVector<bool> outsideOf(ArrayRef<AffineExpr> exprs, ValueRange operands, ArrayRef<int64_t> shape) {
  SmallVector<Range> ranges;
  for (Value v : operands) ranges.push_back(rangeOfIndex(v));
  SmallVector<bool> out;
  for (auto [e, size] : llvm::zip(exprs, shape)) out.push_back(!rangeOf(e, ranges).within(0, size - 1));
  return out;
}

/// The indices of a read at the new positions; computed ones are appended to the operands `all`.
SmallVector<AffineExpr> BodyAdjoint::indicesOf(ReadOp read, SmallVectorImpl<Value> &all) {
  SmallVector<AffineExpr> dims, exprs;
  for (Value index : read.getIndices()) {
    auto place = llvm::find(body.arguments, index);
    if (place != body.arguments.end()) {
      dims.push_back(positions[place - body.arguments.begin()]);
      continue;
    }
    dims.push_back(b.getAffineDimExpr(all.size()));
    all.push_back(at(index));
  }
  for (AffineExpr e : read.getMap().getResults()) exprs.push_back(e.replaceDims(dims));
  return exprs;
}

Value BodyAdjoint::indexOf(ReadOp read, unsigned axis) {
  SmallVector<Value> all(operands);
  SmallVector<AffineExpr> exprs = indicesOf(read, all);
  return materializeIndex(b, loc, exprs[axis], all, constants);
}

void BodyAdjoint::copy(Operation *op) {
  if (auto read = dyn_cast<ReadOp>(op)) {
    SmallVector<Value> all(operands);
    SmallVector<AffineExpr> exprs = indicesOf(read, all);
    // Indices are known to lie inside where the body is evaluated; elsewhere its value is masked, but the read must not leave
    // the tensor. An index that was computed was clamped before where that is needed.
    SmallVector<bool> clamp(exprs.size(), false);
    SmallVector<bool> leaves = outsideOf(exprs, all, cast<RankedTensorType>(read.getSource().getType()).getShape());
    for (size_t a = 0; a < exprs.size(); ++a) {
      bool wasClamped = read.getClamp() && (*read.getClamp())[a];
      bool isComputed = false;
      llvm::SmallSetVector<unsigned, 4> used;
      collectDims(exprs[a], used);
      for (unsigned d : used) isComputed = isComputed || d >= operands.size();
      clamp[a] = wasClamped || (leaves[a] && (!isComputed || used.size() > 1));
    }
    mapping[op->getResult(0)] = createRead(b, op->getLoc(), read.getSource(), exprs, all, clamp);
    return;
  }
  if (auto convert = dyn_cast<ConvertOp>(op); convert && convert.getValue().getType().isIndex()) {
    auto at = llvm::find(body.arguments, convert.getValue());
    if (at != body.arguments.end()) {
      Value i = integerAt(positions[at - body.arguments.begin()]);
      mapping[op->getResult(0)] = i.getType() == convert.getType() ? i : ConvertOp::create(b, op->getLoc(), convert.getType(), i).getResult();
      return;
    }
  }
  Operation *copy = b.clone(*op);
  for (OpOperand &operand : copy->getOpOperands()) operand.set(at(operand.get()));
  for (auto [old, made] : llvm::zip(op->getResults(), copy->getResults())) mapping[old] = made;
}

Value BodyAdjoint::integerAt(AffineExpr e) { return materializeIndex(b, loc, e, operands, constants); }

Value BodyAdjoint::readAtOuter(Value tensor, ValueRange lead, unsigned axes) {
  if (!isa<RankedTensorType>(tensor.getType())) return tensor;
  SmallVector<Value> all(operands);
  SmallVector<AffineExpr> exprs;
  for (Value v : lead) {
    exprs.push_back(b.getAffineDimExpr(all.size()));
    all.push_back(v);
  }
  for (unsigned k = 0; k < axes; ++k) exprs.push_back(positions[k]);
  SmallVector<bool> clamp = outsideOf(exprs, all, cast<RankedTensorType>(tensor.getType()).getShape());
  return createRead(b, loc, tensor, exprs, all, clamp);
}

Value BodyAdjoint::number(Type type, double value) { return constants.get(FloatAttr::get(type, value)); }

void BodyAdjoint::add(Value v, Value cotangent) {
  Value &sum = cotangents[v];
  sum = sum ? emit<AddOp>(sum, cotangent) : cotangent;
}

void BodyAdjoint::assume(ArrayRef<Guard> conditions) {
  for (const Guard &g : conditions) assumed.push_back({at(g.value), g.polarity});
}

Value BodyAdjoint::masked(Value v, const Guard &guard) {
  if (llvm::is_contained(assumed, guard)) return v;
  Value zero = number(v.getType(), 0), c = guard.value;
  return SelectOp::create(b, loc, v.getType(), c, guard.polarity ? v : zero, guard.polarity ? zero : v);
}

Value BodyAdjoint::wanted(Value v) {
  ArrayRef<std::pair<Operation *, unsigned>> uses = conditions.partialUses(v);
  if (uses.empty()) return {};
  if (Value known = wantedOf.lookup(v)) return known;
  Type i1 = b.getI1Type();
  Value any;
  for (auto [op, k] : uses) {
    Value all = wanted(op->getResult(0));
    Guards list = conditions.ofUse(op, k);
    for (const Guard &guard : ArrayRef<Guard>(list).drop_front(conditions.of(v).size())) {
      Value c = at(guard.value);
      if (!guard.polarity) c = NotOp::create(b, loc, i1, c);
      all = all ? AndOp::create(b, loc, i1, all, c).getResult() : c;
    }
    any = any ? OrOp::create(b, loc, i1, any, all).getResult() : all;
  }
  return wantedOf[v] = any;
}

/// Whether cotangents pass the operation as they are, but for their sign: zero stays zero whatever its operands are.
static bool isLinear(Operation *op) { return isa<AddOp, SubOp, NegOp, SelectOp, ConvertOp, CutOp>(op); }

/// The contribution of operation `op` to its operand `k`, masked by what the other uses of the operand do not share.
void BodyAdjoint::give(Operation *op, unsigned k, Value g) {
  Value operand = op->getOperand(k);
  if (!g || !conditions.isActive(operand)) return;
  Guards use = conditions.ofUse(op, k);
  bool isChoice = isa<SelectOp>(op);
  if (!isLinear(op))
    if (Value condition = wanted(op->getResult(0))) g = masked(g, {condition, true});
  for (const Guard &guard : ArrayRef<Guard>(use).drop_front(conditions.of(operand).size()))
    if (!isChoice || !(guard == use.back())) g = masked(g, {at(guard.value), guard.polarity});
  if (isChoice) g = masked(g, {at(use.back().value), use.back().polarity});
  add(operand, g);
}

LogicalResult BodyAdjoint::run() {
  for (Operation *op : llvm::reverse(body.inside)) {
    Value result = op->getResult(0), g = cotangents.lookup(result);
    if (!g || !conditions.isActive(result) || isa<ReadOp>(op)) continue;
    if (failed(reverse(op, mapping.lookup(result), g))) return failure();
  }
  return success();
}

LogicalResult BodyAdjoint::reverse(Operation *op, Value y, Value g) {
  Type type = g.getType();
  SmallVector<Value, 3> x;
  for (Value v : op->getOperands()) x.push_back(at(v));
  auto negated = [&](Value v) -> Value { return NegOp::create(b, loc, v.getType(), v); };
  auto needs = [&](unsigned k) { return conditions.isActive(op->getOperand(k)); };
  if (isa<AddOp>(op)) {
    give(op, 0, g), give(op, 1, g);
  } else if (isa<SubOp>(op)) {
    give(op, 0, g);
    if (needs(1)) give(op, 1, negated(g));
  } else if (isa<MulOp>(op)) {
    if (needs(0)) give(op, 0, emit<MulOp>(g, x[1]));
    if (needs(1)) give(op, 1, emit<MulOp>(g, x[0]));
  } else if (isa<DivOp>(op)) {
    Value q = emit<DivOp>(g, x[1]);
    if (needs(0)) give(op, 0, q);
    if (needs(1)) give(op, 1, negated(emit<MulOp>(q, y)));
  } else if (isa<RemOp>(op)) {
    give(op, 0, g);
    if (needs(1)) {
      Value whole = TruncOp::create(b, loc, type, emit<DivOp>(x[0], x[1]));
      give(op, 1, negated(emit<MulOp>(g, whole)));
    }
  } else if (isa<NegOp>(op)) {
    give(op, 0, negated(g));
  } else if (isa<AbsOp>(op)) {
    Value zero = number(type, 0);
    Value below = LtOp::create(b, loc, b.getI1Type(), x[0], zero), above = GtOp::create(b, loc, b.getI1Type(), x[0], zero);
    Value right = SelectOp::create(b, loc, type, above, g, zero);
    give(op, 0, SelectOp::create(b, loc, type, below, negated(g), right));
  } else if (isa<SqrtOp>(op)) {
    give(op, 0, emit<DivOp>(emit<MulOp>(g, number(type, 0.5)), y));
  } else if (isa<FmaOp>(op)) {
    if (needs(0)) give(op, 0, emit<MulOp>(g, x[1]));
    if (needs(1)) give(op, 1, emit<MulOp>(g, x[0]));
    give(op, 2, g);
  } else if (isa<SelectOp>(op)) {
    give(op, 1, g), give(op, 2, g);
  } else if (isa<ConvertOp>(op)) {
    give(op, 0, ConvertOp::create(b, loc, x[0].getType(), g));
  } else if (isa<CutOp>(op)) {
    give(op, 0, g);
  } else if (auto call = dyn_cast<CallOp>(op)) {
    auto callee = SymbolTable::lookupNearestSymbolFrom<NodeOp>(op, call.getCalleeAttr());
    auto rule = callee ? callee->getAttrOfType<FlatSymbolRefAttr>("derivative") : FlatSymbolRefAttr();
    if (!rule || op->getNumResults() != 1)
      return op->emitError("the call of `") << call.getCallee() << "` has no derivative";
    SmallVector<Value> inputs(x.begin(), x.end());
    inputs.push_back(y), inputs.push_back(g);
    SmallVector<Type> types;
    for (Value v : x) types.push_back(v.getType());
    auto made = CallOp::create(b, loc, types, rule.getValue(), inputs, nullptr, nullptr);
    for (unsigned k = 0; k < x.size(); ++k) give(op, k, made.getResult(k));
  } else if (!isa<FloorOp, CeilOp, TruncOp, RoundEvenOp>(op)) {
    return op->emitError("`") << op->getName().stripDialect() << "` has no derivative";
  }
  return success();
}

} // namespace mlr::diff
