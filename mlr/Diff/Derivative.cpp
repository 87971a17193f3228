#include "mlr/Diff/Derivative.h"

#include "mlr/Dataflow/EachCall.h"
#include "mlr/Dataflow/Flags.h"

#include "mlir/IR/IRMapping.h"

namespace mlr::diff {

Derivative::Derivative(NodeOp node, Block *block, ArrayRef<Value> variables, unsigned batch)
    : node(node), block(block), variables(variables.begin(), variables.end()), batch(batch), constants(node),
      activity(block, variables) {}

Operation *Derivative::blocker(Value value) {
  Activity found(block, variables);
  return found.run(value) ? nullptr : found.blocker;
}

Block *Derivative::levelFor(Value v) const {
  Block *level = levelOf(v);
  return block->getParentOp()->isAncestor(level->getParentOp()) ? level : block;
}

OpBuilder Derivative::at(Block *block) const { return OpBuilder(block, std::prev(block->end())); }

Type Derivative::cotangentType(Value v) const {
  SmallVector<int64_t> shape(batchShape);
  llvm::append_range(shape, shapeOf(v.getType()));
  return valueType(shape, elementOf(v.getType()));
}

Value Derivative::cotangentOf(Value v) {
  UnrealizedConversionCastOp &known = references[v];
  if (!known) {
    Block *level = levelFor(v);
    OpBuilder b(level, level->begin());
    known = UnrealizedConversionCastOp::create(b, v.getLoc(), TypeRange{cotangentType(v)}, ValueRange{});
  }
  return known.getResult(0);
}

LogicalResult Derivative::prepare(Value &value) {
  if (!activity.run(value)) return activity.blocker->emitError("depends on itself");
  auto inside = bringInside(block, activity, value, variables);
  if (failed(inside)) return failure();
  value = *inside;
  Activity split(block, variables);
  split.run(value);
  llvm::SetVector<Operation *> owners;
  for (Value v : split.values())
    if (!llvm::is_contained(variables, v)) owners.insert(v.getDefiningOp());
  // Fission may replace the operation of the value itself.
  OpBuilder b = at(block);
  Operation *kept = CutOp::create(b, value.getLoc(), value.getType(), value);
  for (Operation *op : owners) splitBody(op);
  value = kept->getResult(0);
  activity = Activity(block, variables);
  return success(activity.run(value));
}

/// With a batch: one derivative for each of its elements, so the cotangent is zero but on the diagonal.
Value Derivative::seed(Value value, Value cotangent) {
  if (batch == 0) return cotangent;
  OpBuilder b = at(block);
  Location loc = value.getLoc();
  Value zero = constants.get(cast<TypedAttr>(zeroAttr(elementOf(value.getType()))));
  return makeEach(b, loc, cotangentType(value), [&](ValueRange indices) -> Value {
    Value same;
    for (unsigned k = 0; k < batch; ++k) {
      auto number = [&](unsigned i) { return ConvertOp::create(b, loc, b.getI32Type(), indices[i]).getResult(); };
      Value x = number(k), y = number(batch + k);
      Value equal = EqOp::create(b, loc, b.getI1Type(), x, y);
      same = same ? AndOp::create(b, loc, b.getI1Type(), same, equal).getResult() : equal;
    }
    Value given = readLeading(b, loc, cotangent, indices.drop_front(batch));
    return SelectOp::create(b, loc, given.getType(), same, given, zero);
  });
}

LogicalResult Derivative::run(Value value, Value cotangent, SmallVectorImpl<Value> &gradients) {
  ArrayRef<int64_t> shape = shapeOf(value.getType());
  batchShape.assign(shape.begin(), shape.begin() + batch);
  if (failed(prepare(value))) return failure();
  findGuards(value);
  findWanted(value);
  if (activity.isActive(value)) {
    cotangentOf(value);
    contributions[value].push_back(seed(value, cotangent));
  }
  for (Value y : activity.values())
    if (!llvm::is_contained(variables, y) && failed(contribute(y))) return failure();
  for (Value v : variables) cotangentOf(v);
  settle();
  OpBuilder b = at(block);
  for (Value v : variables) { // extending scans replaces values
    Guards common = guards[v].value_or(Guards()); // nobody else masks what stands on all ways to the variable
    gradients.push_back(CutOp::create(b, v.getLoc(), cotangentType(v), masked(contributions[v][0], common, b)));
  }
  extendScans();
  return success();
}

/// Whether the operation is never executed: it stands in a scan without instants.
static bool isIdle(Operation *op) {
  for (auto scan = op->getParentOfType<ScanOp>(); scan; scan = scan->getParentOfType<ScanOp>())
    if (scan.getLength() == 0) return true;
  return false;
}

LogicalResult Derivative::contribute(Value y) {
  Operation *op = y.getDefiningOp();
  if (isIdle(op)) return success();
  OpBuilder b = at(op->getBlock());
  if (auto cut = dyn_cast<CutOp>(op)) {
    if (activity.isActive(cut.getValue())) give(cut.getValue(), {passed(y, cut.getValue(), b), {}}, op->getBlock());
  } else if (auto scan = dyn_cast<ScanOp>(op)) {
    Value inner = dataflow::bodyOf(scan).getTerminator()->getOperand(cast<OpResult>(y).getResultNumber());
    if (activity.isActive(inner)) give(inner, {passed(y, inner, b), {}}, op->getBlock());
  } else if (auto reshape = dyn_cast<ReshapeOp>(op)) {
    throughReshape(reshape);
  } else if (auto concat = dyn_cast<ConcatOp>(op)) {
    throughConcat(concat);
  } else if (auto scatter = dyn_cast<ScatterOp>(op)) {
    throughScatter(scatter);
  } else if (auto fby = dyn_cast<FbyOp>(op)) {
    throughFby(fby);
  } else if (auto eby = dyn_cast<EbyOp>(op)) {
    throughEby(eby);
  } else if (auto window = dyn_cast<WindowOp>(op)) {
    throughWindow(window);
  } else if (isa<FinalOp, InitialOp, StackOp>(op)) {
    throughEnd(op);
  } else if (isWholeCall(op)) {
    return throughCall(cast<CallOp>(op));
  } else {
    return throughBody(y);
  }
  return success();
}

void Derivative::throughReshape(ReshapeOp op) {
  OpBuilder b = at(op->getBlock());
  Value g = passed(op.getResult(), op.getSource(), b);
  give(op.getSource(), {ReshapeOp::create(b, op.getLoc(), cotangentType(op.getSource()), g), {}}, op->getBlock());
}

void Derivative::throughConcat(ConcatOp op) {
  OpBuilder b = at(op->getBlock());
  int64_t offset = 0;
  for (Value source : op.getSources()) {
    if (activity.isActive(source)) {
      Value g = passed(op.getResult(), source, b);
      Value part = makeEach(b, op.getLoc(), cotangentType(source), [&](ValueRange indices) -> Value {
        SmallVector<AffineExpr> exprs;
        for (unsigned k = 0; k < indices.size(); ++k)
          exprs.push_back(b.getAffineDimExpr(k) + (k == batch + op.getAxis() ? offset : 0));
        return createRead(b, op.getLoc(), g, exprs, indices);
      });
      give(source, {part, {}}, op->getBlock());
    }
    offset += cast<RankedTensorType>(source.getType()).getDimSize(op.getAxis());
  }
}

/// A function with tensors that has a derivative of its own.
LogicalResult Derivative::throughCall(CallOp op) {
  auto callee = SymbolTable::lookupNearestSymbolFrom<NodeOp>(op, op.getCalleeAttr());
  auto rule = callee ? callee->getAttrOfType<FlatSymbolRefAttr>("derivative") : FlatSymbolRefAttr();
  if (!rule) return op.emitError("the call of `") << op.getCallee() << "` has no derivative";
  if (!transposed.insert(op).second) return success(); // all results at once
  OpBuilder b = at(op->getBlock());
  SmallVector<Value> inputs(op.getInputs());
  llvm::append_range(inputs, op.getResults());
  // What holds for all results masks what comes out, what holds for one of them its cotangent.
  std::optional<Guards> common;
  for (Value y : op.getResults())
    if (activity.isActive(y)) meet(common, *guards[y]);
  auto isTensor = [](const Guard &g) { return isa<RankedTensorType>(g.value.getType()); };
  common->erase(llvm::find_if(*common, isTensor), common->end());
  for (Value y : op.getResults()) {
    Value g = activity.isActive(y) ? masked(cotangentOf(y), ArrayRef<Guard>(*guards[y]).drop_front(common->size()), b) : zeros(y.getType());
    inputs.push_back(g);
  }
  SmallVector<Type> types;
  for (Value x : op.getInputs()) types.push_back(x.getType());
  Value condition = isWanted(op);
  SmallVector<Type> own(types);
  for (unsigned turn = 0; turn < 2; ++turn) llvm::append_range(own, op.getResultTypes());
  SmallVector<Value> made = callEach(b, op.getLoc(), rule.getValue(), inputs, own, types, batchShape);
  for (auto [x, g] : llvm::zip(op.getInputs(), made)) {
    if (!activity.isActive(x)) continue;
    size_t shared = guards[x] ? guards[x]->size() : 0;
    Guards masks(ArrayRef<Guard>(*common).drop_front(std::min(shared, common->size())));
    if (condition) masks.push_back({condition, true});
    give(x, {masked(g, masks, b), {}}, op->getBlock());
  }
  return success();
}

Value Derivative::addTo(OpBuilder &b, Location loc, Value x, Value y) {
  return makeEach(b, loc, x.getType(), [&](ValueRange indices) -> Value {
    Value u = readLeading(b, loc, x, indices), v = readLeading(b, loc, y, indices);
    return AddOp::create(b, loc, u.getType(), u, v);
  });
}

/// x + y; fused where x is a product, as in reductions.
Value Derivative::addProductTo(OpBuilder &b, Location loc, Value x, Value y) {
  Type element = elementOf(x.getType());
  auto gen = x.getDefiningOp<GenOp>();
  Operation *product = gen ? dataflow::bodyOf(gen).getTerminator()->getOperand(0).getDefiningOp() : x.getDefiningOp();
  bool isProduct = product && isa<MulOp>(product) && (!gen || product->getBlock() == &dataflow::bodyOf(gen));
  bool isUnfused = node->getParentOfType<ModuleOp>()->hasAttr("mlr.unfused");
  if (!isProduct || isUnfused || !(element.isF32() || element.isF64())) return addTo(b, loc, x, y);
  return makeEach(b, loc, x.getType(), [&](ValueRange indices) -> Value {
    IRMapping mapping;
    if (gen) {
      mapping.map(dataflow::bodyOf(gen).getArguments(), indices);
      for (Operation &op : dataflow::bodyOf(gen).without_terminator())
        if (&op != product) b.clone(op, mapping);
    }
    auto factor = [&](unsigned k) { return mapping.lookupOrDefault(product->getOperand(k)); };
    return FmaOp::create(b, loc, element, factor(0), factor(1), readLeading(b, loc, y, indices));
  });
}

/// A contribution to a part of an axis as one to the whole: zero elsewhere.
Value Derivative::padSlice(const Contribution &part, Type type, OpBuilder &b, Location loc) {
  unsigned axis = batch + part.axis;
  int64_t size = shapeOf(type)[axis];
  Value zero = constants.get(cast<TypedAttr>(zeroAttr(elementOf(type))));
  return makeEach(b, loc, type, [&](ValueRange at) -> Value {
    SmallVector<AffineExpr> exprs;
    SmallVector<bool> clamp(at.size(), false);
    for (unsigned k = 0; k < at.size(); ++k) exprs.push_back(b.getAffineDimExpr(k));
    exprs[axis] = exprs[axis] - part.begin;
    clamp[axis] = true;
    Value e = createRead(b, loc, part.value, exprs, at, clamp);
    Value i = ConvertOp::create(b, loc, b.getI32Type(), at[axis]);
    auto number = [&](int64_t n) { return constants.get(b.getI32IntegerAttr(static_cast<int32_t>(n))); };
    if (part.begin > 0)
      e = SelectOp::create(b, loc, e.getType(), GeOp::create(b, loc, b.getI1Type(), i, number(part.begin)), e, zero);
    if (part.begin + part.count < size)
      e = SelectOp::create(b, loc, e.getType(), LtOp::create(b, loc, b.getI1Type(), i, number(part.begin + part.count)), e, zero);
    return e;
  });
}

/// Contributions to parts of an axis become contributions to the whole: those that cover it one after the other are
/// concatenated, others are zero elsewhere.
void Derivative::joinSlices(Value source, OpBuilder &b) {
  auto given = slices.find(source);
  if (given == slices.end()) return;
  Location loc = source.getLoc();
  SmallVector<Contribution> parts;
  for (const Contribution &next : given->second) {
    auto same = llvm::find_if(parts, [&](const Contribution &p) {
      return p.axis == next.axis && p.begin == next.begin && p.count == next.count;
    });
    if (same == parts.end()) parts.push_back(next);
    else same->value = addTo(b, loc, same->value, next.value);
  }
  llvm::stable_sort(parts, [](const Contribution &x, const Contribution &y) { return std::tie(x.axis, x.begin) < std::tie(y.axis, y.begin); });
  Type type = cotangentType(source);
  for (auto at = parts.begin(); at != parts.end();) {
    unsigned axis = at->axis;
    auto last = std::find_if(at, parts.end(), [&](const Contribution &p) { return p.axis != axis; });
    SmallVector<Value> chain;
    SmallVector<Contribution> rest;
    int64_t end = 0;
    for (const Contribution &part : llvm::make_range(at, last)) {
      if (part.begin == end) chain.push_back(part.value), end += part.count;
      else rest.push_back(part);
    }
    bool isCovered = end == shapeOf(source.getType())[axis];
    if (isCovered) contributions[source].push_back(ConcatOp::create(b, loc, type, chain, batch + axis));
    for (const Contribution &part : isCovered ? ArrayRef<Contribution>(rest) : ArrayRef<Contribution>(at, last))
      contributions[source].push_back(padSlice(part, type, b, loc));
    at = last;
  }
}

/// Sums take the place of the forward references.
void Derivative::settle() {
  DenseMap<Value, Value> sums; // by reference
  for (auto &[v, reference] : references) {
    OpBuilder b = at(levelFor(v));
    joinSlices(v, b);
    SmallVector<Value, 2> &parts = contributions[v];
    Type type = reference.getResult(0).getType();
    Value sum;
    for (Value part : parts) sum = sum ? addTo(b, v.getLoc(), sum, part) : part;
    if (auto own = scattered.find(v); own != scattered.end()) sum = addScattered(sum, type, own->second, levelFor(v), /*apart=*/true);
    if (!sum) sum = zeros(type);
    sums[reference.getResult(0)] = sum;
    parts.assign(1, sum);
  }
  // A sum may be another forward reference.
  auto resolved = [&](Value v) {
    for (size_t steps = 0; steps <= sums.size(); ++steps) {
      auto it = sums.find(v);
      if (it == sums.end()) break;
      v = it->second;
    }
    return v;
  };
  for (auto &[v, reference] : references) {
    Value sum = resolved(reference.getResult(0));
    contributions[v].assign(1, sum);
    reference.getResult(0).replaceAllUsesWith(sum);
  }
  for (auto &[op, extension] : extensions)
    for (auto &[inner, outer] : extension.yields) inner = resolved(inner);
  for (auto &[v, reference] : references) reference.erase();
}

} // namespace mlr::diff
