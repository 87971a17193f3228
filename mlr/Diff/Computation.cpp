// Contributions of gens, reductions and scalar operations.
#include "mlr/Diff/Derivative.h"

#include "mlr/Dataflow/Flags.h"

namespace mlr::diff {

Derivative::Computation &Derivative::computation(Operation *op) {
  std::unique_ptr<Computation> &known = computations[op];
  if (known) return *known;
  known = std::make_unique<Computation>();
  known->body = bodyOfComputation(op);
  const Body &body = known->body;
  known->conditions = std::make_unique<BodyConditions>(body, [&](Value v) { return activity.isActive(v); });
  llvm::SetVector<Value> scalars;
  for (Operation *inner : body.inside) {
    if (auto read = dyn_cast<ReadOp>(inner)) {
      if (activity.isActive(read.getSource())) known->leaves.push_back({read, read.getSource()});
      continue;
    }
    for (Value v : inner->getOperands())
      if (!body.isInside(v) && activity.isActive(v)) scalars.insert(v);
  }
  if (body.op->getNumRegions())
    for (Value v : body.yields)
      if (!body.isInside(v) && activity.isActive(v)) scalars.insert(v);
  for (Value v : scalars) known->leaves.push_back({nullptr, v});
  return *known;
}

LogicalResult Derivative::throughBody(Value y) {
  Computation &c = computation(y.getDefiningOp());
  if (llvm::is_contained(c.body.sizes, 0)) return success(); // it reads nothing
  for (const Leaf &leaf : c.leaves)
    if (failed(leafContribution(c.body, *c.conditions, leaf))) return failure();
  return success();
}

/// Of max and min over elements: the position of the one that was chosen.
Value Derivative::positionOfChosen(const Body &body) {
  Value &known = computations[body.op]->chosen;
  if (known) return known;
  OpBuilder b(body.op);
  bool isMax = body.reduce.getKind() == ReduceKind::Max;
  auto positionIn = [&](OpBuilder &at, ReduceOp reduce) -> Value {
    auto position = ReduceOp::create(at, reduce.getLoc(), b.getI32Type(), isMax ? ReduceKind::Argmax : ReduceKind::Argmin,
                                     reduce.getSizes(), /*tree=*/false);
    position.getBody().takeBody(reduce.getBody());
    reduce.erase();
    return position.getResult();
  };
  Operation *copy = b.clone(*body.op);
  auto gen = dyn_cast<GenOp>(copy);
  if (!gen) return known = positionIn(b, cast<ReduceOp>(copy));
  Operation *yield = dataflow::bodyOf(gen).getTerminator();
  auto reduce = yield->getOperand(0).getDefiningOp<ReduceOp>();
  yield->eraseOperand(0);
  OpBuilder inner(reduce);
  yield->insertOperands(0, positionIn(inner, reduce));
  auto made = GenOp::create(b, gen.getLoc(), RankedTensorType::get(tensorOf(gen).getShape(), b.getI32Type()));
  made.getBody().takeBody(gen.getBody());
  gen.erase();
  return known = made.getResult();
}

/// Up to how many factors each one's cotangent multiplies the others anew.
static constexpr int64_t fewFactors = 16;

/// Of a product of many factors: for each the product of the others, without division and in time linear in their number. Products of
/// pairs, pairs of pairs and so on go up to the root of a binary tree; from there down, what is outside of a node is what is outside
/// of its parent times its sibling.
Value Derivative::productsOfOthers(const Body &body) {
  Value &known = computations[body.op]->others;
  if (known) return known;
  OpBuilder b(body.op);
  Location loc = body.op->getLoc();
  Type element = elementOf(body.result.getType());
  ArrayRef<int64_t> outer = ArrayRef(body.sizes).take_front(body.outer), inner = ArrayRef(body.sizes).drop_front(body.outer);
  auto typeOf = [&](int64_t rows) {
    SmallVector<int64_t> shape{rows};
    llvm::append_range(shape, outer);
    return RankedTensorType::get(shape, element);
  };
  // Row `row`, an expression of the first index, at the other ones.
  auto rowOf = [&](Value tensor, AffineExpr row, ValueRange at) {
    SmallVector<AffineExpr> exprs{row};
    for (unsigned k = 1; k < at.size(); ++k) exprs.push_back(b.getAffineDimExpr(k));
    return createRead(b, loc, tensor, exprs, at);
  };
  AffineExpr row = b.getAffineDimExpr(0);
  int64_t factors = 1;
  for (int64_t size : inner) factors *= size;
  SmallVector<Value> levels{makeEach(b, loc, typeOf(factors), [&](ValueRange at) -> Value {
    SmallVector<AffineExpr> positions;
    for (unsigned k = 0; k < body.outer; ++k) positions.push_back(b.getAffineDimExpr(k + 1));
    int64_t stride = factors;
    for (int64_t size : inner) positions.push_back((row % stride).floorDiv(stride / size)), stride /= size;
    return BodyAdjoint(body, *computations[body.op]->conditions, constants, b, positions, SmallVector<Value>(at)).at(body.yields[0]);
  })};
  SmallVector<int64_t> counts{factors};
  while (counts.back() > 2) {
    int64_t pairs = counts.back() / 2;
    Value below = levels.back();
    Value products = makeEach(b, loc, typeOf(pairs), [&](ValueRange at) -> Value {
      return MulOp::create(b, loc, element, rowOf(below, row * 2, at), rowOf(below, row * 2 + 1, at));
    });
    if (counts.back() % 2) {
      Value alone = makeEach(b, loc, typeOf(1), [&](ValueRange at) { return rowOf(below, row + 2 * pairs, at); });
      products = ConcatOp::create(b, loc, typeOf(pairs + 1), {products, alone});
    }
    counts.push_back(pairs + counts.back() % 2);
    levels.push_back(products);
  }
  Value top = levels.pop_back_val();
  Value others = makeEach(b, loc, typeOf(2), [&](ValueRange at) { return rowOf(top, 1 - row, at); });
  while (!levels.empty()) {
    Value level = levels.pop_back_val(), outside = others;
    counts.pop_back();
    int64_t paired = counts.back() / 2 * 2;
    others = makeEach(b, loc, typeOf(paired), [&](ValueRange at) -> Value {
      return MulOp::create(b, loc, element, rowOf(outside, row.floorDiv(2), at), rowOf(level, row + 1 - (row % 2) * 2, at));
    });
    if (paired == counts.back()) continue;
    Value alone = makeEach(b, loc, typeOf(1), [&](ValueRange at) { return rowOf(outside, row + paired / 2, at); });
    others = ConcatOp::create(b, loc, typeOf(counts.back()), {others, alone});
  }
  return known = makeEach(b, loc, RankedTensorType::get(body.sizes, element), [&](ValueRange at) {
    AffineExpr flat = b.getAffineConstantExpr(0);
    for (unsigned k = body.outer; k < body.sizes.size(); ++k) flat = flat * body.sizes[k] + b.getAffineDimExpr(k);
    SmallVector<AffineExpr> exprs{flat};
    for (unsigned k = 0; k < body.outer; ++k) exprs.push_back(b.getAffineDimExpr(k));
    return createRead(b, loc, others, exprs, at);
  });
}

/// Of max and min over elements: whether the one at the adjoint's positions was chosen.
Value Derivative::isChosen(const Body &body, BodyAdjoint &adjoint) {
  OpBuilder &b = adjoint.builder();
  Value chosen = adjoint.readAtOuter(positionOfChosen(body), {}, body.outer);
  AffineExpr flat = b.getAffineConstantExpr(0);
  for (unsigned k = body.outer; k < body.arguments.size(); ++k) flat = flat * body.sizes[k] + adjoint.positionsOf()[k];
  return EqOp::create(b, body.op->getLoc(), b.getI1Type(), adjoint.integerAt(flat), chosen);
}

/// The cotangent of the result, handed to what the body yields.
LogicalResult Derivative::giveToYields(const Body &body, BodyAdjoint &adjoint, Value g) {
  OpBuilder &b = adjoint.builder();
  Location loc = body.op->getLoc();
  if (!body.reduce) {
    adjoint.add(body.yields[0], g);
    return success();
  }
  Type type = g.getType();
  switch (body.reduce.getKind()) {
  case ReduceKind::Sum:
    if (body.yields.size() == 1) {
      adjoint.add(body.yields[0], g);
    } else {
      adjoint.add(body.yields[0], MulOp::create(b, loc, type, g, adjoint.at(body.yields[1])));
      adjoint.add(body.yields[1], MulOp::create(b, loc, type, g, adjoint.at(body.yields[0])));
    }
    return success();
  case ReduceKind::Max:
  case ReduceKind::Min: adjoint.add(body.yields[0], adjoint.masked(g, {isChosen(body, adjoint), true})); return success();
  case ReduceKind::Prod: {
    int64_t factors = 1;
    for (unsigned k = body.outer; k < body.arguments.size(); ++k) factors *= body.sizes[k];
    if (factors > fewFactors) {
      Value others = adjoint.readAtOuter(productsOfOthers(body), {}, body.arguments.size());
      adjoint.add(body.yields[0], MulOp::create(b, loc, type, g, others));
      return success();
    }
    // The product of the others: no division, so zeros are no exception.
    auto others = ReduceOp::create(b, loc, type, ReduceKind::Prod, body.reduce.getSizes(), /*tree=*/false);
    Block *block = new Block;
    others.getBody().push_back(block);
    OpBuilder inner = OpBuilder::atBlockEnd(block);
    SmallVector<Value> operands(adjoint.operandsOf());
    SmallVector<AffineExpr> positions(adjoint.positionsOf());
    Value same;
    for (unsigned k = body.outer; k < body.arguments.size(); ++k) {
      positions[k] = b.getAffineDimExpr(operands.size());
      operands.push_back(block->addArgument(b.getIndexType(), loc));
    }
    BodyAdjoint there(body, *computations[body.op]->conditions, constants, inner, positions, operands);
    for (unsigned k = body.outer; k < body.arguments.size(); ++k) {
      Value i = materializeIndex(inner, loc, adjoint.positionsOf()[k], operands, constants), j = there.integerAt(positions[k]);
      Value equal = EqOp::create(inner, loc, b.getI1Type(), i, j);
      same = same ? AndOp::create(inner, loc, b.getI1Type(), same, equal).getResult() : equal;
    }
    Value one = constants.get(FloatAttr::get(type, 1.0));
    Value factor = there.at(body.yields[0]);
    if (same) factor = SelectOp::create(inner, loc, type, same, one, factor);
    YieldOp::create(inner, loc, factor);
    dropUnused(*block);
    adjoint.add(body.yields[0], MulOp::create(b, loc, type, g, others.getResult()));
    return success();
  }
  default: return body.op->emitError("`") << stringifyReduceKind(body.reduce.getKind()) << "` has no derivative";
  }
}

/// Whether the value is one element of a tensor or a constant, and nothing computed from them.
static bool isElement(Value v) {
  if (auto choice = v.getDefiningOp<SelectOp>()) return isElement(choice.getYes()) && isElement(choice.getNo());
  return v.getDefiningOp<ReadOp>() || v.getDefiningOp<ConstOp>();
}

/// What one read of a body adds to the cotangent of its source: for each element of the source the sum over the indices at which
/// it is read.
LogicalResult Derivative::leafContribution(const Body &body, const BodyConditions &conditions, const Leaf &leaf) {
  Value y = body.result;
  Block *from = body.op->getBlock();
  Location loc = body.op->getLoc();
  ArrayRef<Guard> ownGuards = conditions.of(leaf.inside());
  Padding padding;
  if (leaf.read) padding = paddingOf(body, cast<ReadOp>(leaf.read), ownGuards);
  Transposition t = leaf.read ? transpose(body, cast<ReadOp>(leaf.read), batch, levelFor(leaf.source), padding) : sumOver(body, batch);
  bool scatters = leaf.read && scatter(t, body, cast<ReadOp>(leaf.read), batch);
  if (scatters) padding.isAll = false; // it adds at the clamped place, too
  if (leaf.read && !scatters) restrictToRead(t, cast<ReadOp>(leaf.read), batch);
  SmallVector<int64_t> places; // the shape of the indices that choose the place
  for (unsigned i : t.choosing) places.push_back(body.sizes[i]);
  SmallVector<int64_t> shape(places);
  llvm::append_range(shape, batchShape);
  ArrayRef<int64_t> sourceShape = shapeOf(leaf.source.getType());
  for (unsigned a : t.axes) shape.push_back(a == t.restricted && t.count ? t.count : t.sizeOf(a, sourceShape));
  Type element = elementOf(leaf.source.getType());
  bool narrow = element.isF16() || element.isBF16();

  Guards of = *guards[y];
  size_t shared = guards[leaf.source] ? guards[leaf.source]->size() : 0;

  OpBuilder b = at(from);
  LogicalResult result = success();
  Value part = makeEach(b, loc, valueType(shape, element), [&](ValueRange indices) -> Value {
    SmallVector<Value> operands(indices);
    ReduceOp sum;
    OpBuilder inner = b;
    if (!t.free.empty()) {
      SmallVector<int64_t> sizes;
      for (unsigned i : t.free) sizes.push_back(body.sizes[i]);
      sum = ReduceOp::create(b, loc, narrow ? b.getF32Type() : element, ReduceKind::Sum, sizes, /*tree=*/false);
      Block *block = new Block;
      sum.getBody().push_back(block);
      for (size_t i = 0; i < sizes.size(); ++i) operands.push_back(block->addArgument(b.getIndexType(), loc));
      inner = OpBuilder::atBlockEnd(block);
    }
    BodyAdjoint adjoint(body, conditions, constants, inner, t.positions, operands);
    if (padding.isAll) adjoint.assume(ownGuards);
    ValueRange lead = indices.slice(places.size(), batch);
    Value g = adjoint.readAtOuter(cotangentOf(y), lead, body.outer);
    if (failed(giveToYields(body, adjoint, g)) || failed(adjoint.run())) {
      result = failure();
      return constants.get(cast<TypedAttr>(zeroAttr(element)));
    }
    Value c = adjoint.cotangentOf(leaf.inside());
    if (!c) c = constants.get(cast<TypedAttr>(zeroAttr(element)));
    bool isProduct = c.getDefiningOp<MulOp>();
    auto require = [&](Value condition, bool polarity) {
      c = adjoint.masked(c, {condition, polarity});
      isProduct = false;
    };
    // A contraction with elements of a tensor stays one: its factors are masked, both by conditions, the cotangent alone where the places are not
    // of the domain, since there an element is as finite as elsewhere.
    Value factor;
    if (auto product = c.getDefiningOp<MulOp>(); sum && product && isElement(product.getRhs()))
      c = product.getLhs(), factor = product.getRhs();
    auto requireOfBoth = [&](Value condition, bool polarity) {
      require(condition, polarity);
      if (factor) factor = adjoint.masked(factor, {condition, polarity});
    };
    // Masks: the conditions that this use does not share with all others, outer ones first.
    for (size_t k = shared; k < of.size(); ++k) requireOfBoth(adjoint.readAtOuter(of[k].value, {}, shapeOf(of[k].value.getType()).size()), of[k].polarity);
    for (size_t k = 0; k < ownGuards.size(); ++k)
      if (of.size() + k >= shared && !padding.isAll)
        requireOfBoth(adjoint.at(ownGuards[k].value), ownGuards[k].polarity);
    if (body.isChoice() && leaf.inside() != body.yields[0] && of.size() + ownGuards.size() >= shared) requireOfBoth(isChosen(body, adjoint), true);
    // A contraction is no reason for a mask of its own: its factors are as finite as the values are.
    if (Value condition = wanted.lookup(y); condition && c != g && !factor && !(isProduct && sum))
      requireOfBoth(adjoint.readAtOuter(condition, {}, shapeOf(condition.getType()).size()), true);
    // Places outside of the body's domain read nothing.
    Type i1 = b.getI1Type();
    auto number = [&](int64_t n) { return constants.get(b.getI32IntegerAttr(static_cast<int32_t>(n))); };
    for (auto &[e, size] : t.inside) {
      Value i = adjoint.integerAt(e);
      require(GeOp::create(inner, loc, i1, i, number(0)), true);
      require(LtOp::create(inner, loc, i1, i, number(size)), true);
    }
    for (auto &[e, of] : t.multiples) {
      Value rest = RemOp::create(inner, loc, inner.getI32Type(), adjoint.integerAt(e), number(of));
      require(EqOp::create(inner, loc, i1, rest, number(0)), true);
    }
    for (auto &equal : t.equal) {
      Value i = adjoint.indexOf(cast<ReadOp>(leaf.read), equal.axis);
      if (equal.clamp) {
        i = MaxOp::create(inner, loc, i.getType(), i, number(0));
        i = MinOp::create(inner, loc, i.getType(), i, number(equal.size - 1));
      }
      require(EqOp::create(inner, loc, i1, i, adjoint.integerAt(equal.element)), true);
    }
    if (factor) c = MulOp::create(inner, loc, c.getType(), c, factor), isProduct = true;
    if (!sum) {
      if (indices.size()) dropUnused(*inner.getInsertionBlock(), c);
      return c;
    }
    SmallVector<Value, 2> yields{c};
    if (auto product = c.getDefiningOp<MulOp>(); product && isProduct) yields = {product.getLhs(), product.getRhs()};
    if (narrow)
      for (Value &v : yields) v = ConvertOp::create(inner, loc, b.getF32Type(), v);
    YieldOp::create(inner, loc, yields);
    dropUnused(*inner.getInsertionBlock());
    return narrow ? ConvertOp::create(b, loc, element, sum.getResult()).getResult() : sum.getResult();
  });
  if (failed(result)) return result;
  if (scatters) {
    SmallVector<Value> chosen;
    for (unsigned axis : t.chosen)
      chosen.push_back(makeEach(b, loc, valueType(places, b.getI32Type()), [&](ValueRange indices) -> Value {
        OpBuilder inner = b;
        // Of the other arguments it makes no difference where they are.
        SmallVector<AffineExpr> positions(body.arguments.size(), b.getAffineConstantExpr(0));
        for (auto [k, i] : llvm::enumerate(t.choosing)) positions[i] = b.getAffineDimExpr(k);
        BodyAdjoint there(body, conditions, constants, inner, positions, indices);
        Value at = there.indexOf(cast<ReadOp>(leaf.read), axis);
        if (!indices.empty()) dropUnused(*inner.getInsertionBlock(), at);
        return at;
      }));
    giveScattered(leaf.source, t, part, chosen, from);
    return success();
  }
  part = foldWide(b, loc, t, part, batch, sourceShape, constants);
  give(leaf.source, {part, t.rows, t.begin, t.count, t.restricted}, from);
  return success();
}

} // namespace mlr::diff
