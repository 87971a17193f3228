// Import of scalars at indices: the bodies of gens and reductions, and scalar operations at the level of a
// time.
#include "mlr/Dataflow/Importer.h"
#include "mlr/Dataflow/Passes.h"

using namespace mlir;

namespace mlr::dataflow {

/// The element of `e` at `indices` (one an axis, inside the shape), emitted at the innermost level or a level
/// around it.
mlir::Value Importer::element(Position at, const Expr &e, Indices indices) {
  if (failed) return fail(e.span, "", scalarType(e.type.scalar, &context));
  switch (e.kind) {
  case ExprKind::Const: return constantElement(e, indices);
  case ExprKind::Var: return variable(*at.frame, e.var, indices);
  case ExprKind::Index: return indexAsInteger(binderOf(*at.frame, e.index)->current);
  case ExprKind::Op:
  case ExprKind::Arrow: return operation(at, e, indices);
  case ExprKind::Broadcast: {
    const Shape &from = e.args[0]->type.shape;
    Tuple inner(indices.take_back(from.size()));
    for (size_t i = 0; i < from.size(); ++i)
      if (from[i] == 1) inner[i] = number(0);
    return element(at, *e.args[0], inner);
  }
  case ExprKind::Reshape: {
    auto inner = reshapeIndices(indices, e.type.shape, e.args[0]->type.shape, ranges, &context);
    return element(at, *e.args[0], inner);
  }
  case ExprKind::Concat: return concatElement(at, e, indices);
  case ExprKind::Read: return readElement(at, e, indices);
  case ExprKind::ReadOr: return readOrElement(at, e, indices);
  case ExprKind::Build: {
    SmallVector<AffineExpr, 4> saved;
    for (auto [i, id] : llvm::enumerate(e.indices)) {
      Binder *binder = binderOf(*at.frame, id);
      saved.push_back(binder->current);
      binder->current = indices[i];
    }
    mlir::Value value = element(at, *e.args[0], indices.drop_front(e.indices.size()));
    for (auto [i, id] : llvm::enumerate(e.indices)) binderOf(*at.frame, id)->current = saved[i];
    return value;
  }
  case ExprKind::Reduce:
  case ExprKind::ReduceAll: return reduction(at, e, indices);
  case ExprKind::Stop: {
    mlir::Value x = element(at, *e.args[0], indices);
    return emit<StopOp>(x.getType(), x);
  }
  case ExprKind::Call:
    if (isRule(e)) return callRule(at, e, indices);
    if (e.callee->isExtern) return readSite(siteOf(at, e), indices);
    return variable(calleeFrame(at, e), e.callee->outputs[e.result], indices);
  case ExprKind::Count: return countElement(at.block);
  case ExprKind::Merge: return mergeElement(at, e, indices);
  default: return readSite(siteOf(at, e), indices);
  }
}

mlir::Value Importer::lookup(const MemoKey &key) {
  for (auto &level : levels) {
    auto it = level->memo.find(key);
    if (it != level->memo.end()) return it->second;
  }
  return {};
}

unsigned Importer::levelOf(Indices tuple) {
  unsigned level = 0;
  llvm::SmallSetVector<unsigned, 4> used;
  for (AffineExpr e : tuple) collectDims(e, used);
  for (unsigned d : used) level = std::max(level, dims[d].level);
  return level;
}

/// Whether the bodies around evaluate the same tuple more than once: a loop index does not stand in it alone.
bool Importer::isRepeated(Indices tuple) {
  for (auto &level : levels)
    for (unsigned d : level->loops)
      if (!llvm::is_contained(tuple, dim(d))) return true;
  return false;
}

/// Whether elements of a tensor of this type, side by side if it is computed apart, would come one after the other here, as terms of a
/// sum that has few neighbours.
bool Importer::losesLanes(const Type &type) {
  int64_t elements = 1, neighbours = 1;
  for (int64_t size : type.shape) elements = std::min(elements * std::min(size, enoughLanes), enoughLanes);
  bool isTerm = false;
  for (auto &level : levels) {
    isTerm = isTerm || level->sums;
    if (!level->sums) neighbours = std::min(neighbours * level->elements, enoughLanes);
  }
  return isTerm && elements >= enoughLanes && neighbours < enoughLanes;
}

Importer::Tuple Importer::tupleOf(const Context &ctx, Indices indices) {
  Tuple tuple;
  for (Binder *binder : ctx) tuple.push_back(binder->current ? binder->current : number(0));
  tuple.append(indices.begin(), indices.end());
  return tuple;
}

static bool isTrivial(const Expr &e) {
  return e.kind == ExprKind::Var || e.kind == ExprKind::Index ||
         (e.kind == ExprKind::Const && e.type.isScalar());
}

mlir::Value Importer::variable(Frame &frame, VarId v, Indices indices) {
  if (Site *site = frame.sites[v]) return readSite(site, indices);
  if (frame.info->isVariable[v]) return readSite(siteOf(frame, v), indices);
  const Definition &d = frame.info->definitions[v];
  const Expr *e = nullptr;
  if (d.kind == Definition::Kind::Input) e = frame.arguments[d.position];
  else if (d.kind == Definition::Kind::Define && !frame.isRoot) e = d.value;
  else if (d.kind == Definition::Kind::Call && (!d.equation->each.empty() || d.equation->callee->derivative))
    return readSite(siteOf(frame, v), indices);
  else if (d.kind == Definition::Kind::Call && !d.equation->callee->isExtern && (d.equation->callee->isFun || !frame.isRoot)) {
    Frame &callee = calleeFrame(frame, *d.equation);
    return variable(callee, callee.node->outputs[d.position], indices);
  }
  if (!e || isTemporal(e->kind)) return readSite(siteOf(frame, v), indices);
  Position at = positionOf(frame, d);
  return isTrivial(*e) ? element(at, *e, indices) : local(frame, v, at, *e, indices);
}

/// A local or argument of an expanded call at an index tuple: computed apart when that saves repeating costly
/// work, otherwise emitted here, once a tuple, at the outermost level that knows the tuple.
mlir::Value Importer::local(Frame &frame, VarId v, Position at, const Expr &e, Indices indices) {
  const Context &ctx = contextOf(frame, v);
  MemoKey key{&frame, v, tupleOf(ctx, indices)};
  if (mlir::Value known = lookup(key)) return known;
  bool isInput = frame.info->definitions[v].kind == Definition::Kind::Input;
  bool apart = (ctx.empty() && e.type.isScalar()) || frame.info->isDeep[v];
  if (!apart && (isInput ? infos.cost(e) : frame.info->cost[v]) > cheapCost) {
    auto [first, isNew] = frame.inlinedIn.try_emplace(v, computing);
    apart = frame.info->shared[v] || first->second != computing || isRepeated(key.indices) || losesLanes(e.type);
  }
  if (apart) return readSite(siteOf(frame, v), indices);
  unsigned level = levelOf(key.indices);
  mlir::Value value = level + 1 == levels.size() ? element(at, e, indices)
                                                 : atLevel(level, [&] { return element(at, e, indices); });
  levels[level]->memo[key] = value;
  return value;
}

/// An element of a site. The flags (one an own axis) ask the read to clamp.
mlir::Value Importer::readSite(Site *site, Indices indices, ArrayRef<bool> clamp) {
  mlir::Value source = valueOf(site);
  if (!isa<RankedTensorType>(site->type)) return source;
  Tuple tuple(indices.begin(), indices.end());
  SmallVector<bool> flags(clamp);
  for (auto [i, binder] : llvm::enumerate(site->context)) {
    AffineExpr current = binder->current;
    if (!current)
      return fail(site->expr ? site->expr->span : Span(), "internal: index outside of its comprehension",
                  elementOf(site->type));
    tuple.insert(tuple.begin() + site->contextAxis + i, current);
    if (!flags.empty()) flags.insert(flags.begin() + site->contextAxis + i, false);
  }
  // What was clamped on the way here, through slices, is left to the read after all.
  for (auto [axis, size] : llvm::enumerate(cast<RankedTensorType>(source.getType()).getShape())) {
    auto d = dyn_cast<AffineDimExpr>(tuple[axis]);
    auto known = d ? clampedDims.find(d.getPosition()) : clampedDims.end();
    if (known == clampedDims.end() || known->second.high != size - 1) continue;
    tuple[axis] = known->second.expr;
    flags.resize(tuple.size(), false);
    flags[axis] = true;
  }
  MemoKey key{site, llvm::hash_combine_range(flags.begin(), flags.end()) | 1, tuple};
  if (mlir::Value known = lookup(key)) return known;
  llvm::SmallSetVector<unsigned, 4> used;
  for (AffineExpr &e : tuple) {
    e = simplifyIndex(e, ranges);
    collectDims(e, used);
  }
  SmallVector<AffineExpr> replacement(dims.size(), number(0));
  SmallVector<mlir::Value> operands;
  for (auto [i, d] : llvm::enumerate(used)) {
    replacement[d] = dim(i);
    operands.push_back(dims[d].value);
  }
  for (AffineExpr &e : tuple) e = e.replaceDimsAndSymbols(replacement, {});
  auto map = AffineMap::get(used.size(), 0, tuple, &context);
  auto clampAttr = llvm::is_contained(flags, true) ? b.getDenseBoolArrayAttr(flags) : DenseBoolArrayAttr();
  mlir::Value value =
      emit<ReadOp>(elementOf(site->type), source, AffineMapAttr::get(map), operands, clampAttr);
  levels.back()->memo[key] = value;
  return value;
}

mlir::Value Importer::constantElement(const Expr &e, Indices indices) {
  if (e.type.isScalar()) return constantValue(e);
  int64_t position = 0;
  bool isKnown = true;
  for (auto [index, size] : llvm::zip(indices, e.type.shape)) {
    auto c = dyn_cast<AffineConstantExpr>(index);
    isKnown = isKnown && c;
    position = position * size + (c ? c.getValue() : 0);
  }
  size_t width = byteSize(e.type.scalar), count = e.constant.bytes() / width;
  const char *bytes = reinterpret_cast<const char *>(e.constant.data());
  bool splat = count > 0 && std::memcmp(bytes, bytes + width, (count - 1) * width) == 0;
  if (splat) position = 0;
  if (splat || (isKnown && position >= 0 && static_cast<size_t>(position) < count)) {
    Bits bits = 0;
    std::memcpy(&bits, bytes + position * width, width);
    return constant(scalarAttr(scalarType(e.type.scalar, &context), bits));
  }
  return readSite(siteOf({root, root->block}, e), indices);
}

// ---- operators
// -------------------------------------------------------------------------------------------------

mlir::Value Importer::operation(Position at, const Expr &e, Indices indices) {
  SmallVector<mlir::Value, 3> x;
  for (const Expr *arg : e.args) x.push_back(element(at, *arg, indices));
  location = locationOf(e.span);
  mlir::Type type = scalarType(e.type.scalar, &context), i1 = b.getI1Type();
  if (e.kind == ExprKind::Arrow) return emit<SelectOp>(type, firstElement(at), x[0], x[1]);
  switch (e.op) {
  case OpKind::Add: return emit<AddOp>(type, x[0], x[1]);
  case OpKind::Sub: return emit<SubOp>(type, x[0], x[1]);
  case OpKind::Mul: return emit<MulOp>(type, x[0], x[1]);
  case OpKind::Div: return emit<DivOp>(type, x[0], x[1]);
  case OpKind::Rem: return emit<RemOp>(type, x[0], x[1]);
  case OpKind::Neg: return emit<NegOp>(type, x[0]);
  case OpKind::Min: return emit<MinOp>(type, x[0], x[1]);
  case OpKind::Max: return emit<MaxOp>(type, x[0], x[1]);
  case OpKind::Abs: return emit<AbsOp>(type, x[0]);
  case OpKind::Fma: return emit<FmaOp>(type, x[0], x[1], x[2]);
  case OpKind::Sqrt: return emit<SqrtOp>(type, x[0]);
  case OpKind::Floor: return emit<FloorOp>(type, x[0]);
  case OpKind::Ceil: return emit<CeilOp>(type, x[0]);
  case OpKind::Trunc: return emit<TruncOp>(type, x[0]);
  case OpKind::RoundEven: return emit<RoundEvenOp>(type, x[0]);
  case OpKind::Lt: return emit<LtOp>(i1, x[0], x[1]);
  case OpKind::Gt: return emit<GtOp>(i1, x[0], x[1]);
  case OpKind::Le: return emit<LeOp>(i1, x[0], x[1]);
  case OpKind::Ge: return emit<GeOp>(i1, x[0], x[1]);
  case OpKind::Eq: return emit<EqOp>(i1, x[0], x[1]);
  case OpKind::Ne: return emit<NeOp>(i1, x[0], x[1]);
  case OpKind::And:
  case OpKind::BitAnd: return emit<AndOp>(type, x[0], x[1]);
  case OpKind::Or:
  case OpKind::BitOr: return emit<OrOp>(type, x[0], x[1]);
  case OpKind::BitXor: return emit<XorOp>(type, x[0], x[1]);
  case OpKind::Not:
  case OpKind::BitNot: return emit<NotOp>(type, x[0]);
  case OpKind::Select: return emit<SelectOp>(type, x[0], x[1], x[2]);
  case OpKind::Shl: return emit<ShlOp>(type, x[0], x[1]);
  case OpKind::Shr: return emit<ShrOp>(type, x[0], x[1]);
  case OpKind::Bitcast:
    if (x[0].getType() == type) return x[0];
    return emit<BitcastOp>(type, x[0]);
  case OpKind::Convert:
    if (x[0].getType() == type) return x[0];
    return emit<ConvertOp>(type, x[0]);
  }
  return fail(e.span, "internal: unknown operator", type);
}

/// An element of a concatenation: of the part that the index certainly lies in, else of the whole, computed
/// apart.
mlir::Value Importer::concatElement(Position at, const Expr &e, Indices indices) {
  Range range = rangeOf(indices[0], ranges);
  int64_t start = 0;
  for (const Expr *part : e.args) {
    int64_t size = part->type.shape[0];
    if (range.within(start, start + size - 1)) {
      Tuple inner(indices);
      inner[0] = indices[0] - start;
      return element(at, *part, inner);
    }
    start += size;
  }
  if (contextOf(at, e).empty()) return readSite(siteOf(at, e), indices);
  // Within a body the parts are inlined: the one that the index falls into is selected. The remainder keeps the indices of
  // the others inside their parts.
  mlir::Value index = indexAsInteger(indices[0]), value;
  for (auto part = e.args.rbegin(); part != e.args.rend(); ++part) {
    int64_t size = (*part)->type.shape[0], end = start;
    start -= size;
    if (size == 0) continue;
    Tuple inner(indices);
    inner[0] = size == 1 ? number(0) : (indices[0] - start) % size;
    mlir::Value here = element(at, **part, inner);
    if (!value) {
      value = here;
      continue;
    }
    mlir::Value inside = emit<LtOp>(b.getI1Type(), index, constant(b.getI32IntegerAttr(static_cast<int32_t>(end))));
    value = emit<SelectOp>(here.getType(), inside, here, value);
  }
  return value;
}

// ---- reductions
// ------------------------------------------------------------------------------------------------

static dataflow::ReduceKind kindOf(mlr::ReduceKind kind) {
  switch (kind) {
  case mlr::ReduceKind::Sum:
  case mlr::ReduceKind::Mean: return ReduceKind::Sum;
  case mlr::ReduceKind::Prod: return ReduceKind::Prod;
  case mlr::ReduceKind::Max: return ReduceKind::Max;
  case mlr::ReduceKind::Min: return ReduceKind::Min;
  case mlr::ReduceKind::All: return ReduceKind::All;
  case mlr::ReduceKind::Any: return ReduceKind::Any;
  case mlr::ReduceKind::Argmax: return ReduceKind::Argmax;
  case mlr::ReduceKind::Argmin: return ReduceKind::Argmin;
  }
  return ReduceKind::Sum;
}

mlir::Value Importer::reduction(Position at, const Expr &e, Indices indices) {
  if (levels.size() > 1 && isRepeated(tupleOf(contextOf(at, e), indices)))
    return readSite(siteOf(at, e), indices);
  bool whole = e.kind == ExprKind::ReduceAll;
  const Expr &body = *e.args[0];
  Scalar scalar = body.type.scalar;
  bool isSum = e.reduce == mlr::ReduceKind::Sum || e.reduce == mlr::ReduceKind::Mean;
  bool isPosition = e.reduce == mlr::ReduceKind::Argmax || e.reduce == mlr::ReduceKind::Argmin;
  bool narrow = scalar == Scalar::F16 || scalar == Scalar::BF16;
  mlir::Type wide = narrow ? b.getF32Type() : scalarType(scalar, &context);

  levels.push_back(std::make_unique<Level>());
  auto *block = levels.back()->block = new Block;
  levels.back()->sums = isSum && !whole;
  SmallVector<int64_t> sizes;
  Tuple inner(indices);
  SmallVector<AffineExpr, 4> saved;
  auto addLoop = [&](int64_t size) {
    sizes.push_back(size);
    return loopIndex(*levels.back(), size);
  };
  if (whole) {
    for (int64_t size : body.type.shape) inner.push_back(addLoop(size));
    if (sizes.empty()) addLoop(1);
  }
  for (IndexId id : e.indices) {
    Binder *binder = binderOf(*at.frame, id);
    saved.push_back(binder->current);
    binder->current = addLoop(binder->size);
  }
  SmallVector<mlir::Value, 2> yields;
  bool fused = e.fused && isSum && isFloat(scalar) && body.kind == ExprKind::Op && body.op == OpKind::Mul;
  if (fused) {
    for (const Expr *factor : body.args) yields.push_back(element(at, *factor, inner));
  } else {
    yields.push_back(element(at, body, inner));
  }
  location = locationOf(e.span);
  if (narrow)
    for (mlir::Value &v : yields) v = emit<ConvertOp>(wide, v);
  YieldOp::create(builder(), location, yields);
  for (auto [id, current] : llvm::zip(e.indices, saved)) binderOf(*at.frame, id)->current = current;
  levels.pop_back();

  auto op = ReduceOp::create(builder(), location, isPosition ? b.getI32Type() : wide, kindOf(e.reduce), sizes,
                             whole && isSum && isFloat(scalar));
  op.getBody().push_back(block);
  ++operations;
  mlir::Value value = op.getResult();
  if (isPosition) return value;
  if (e.reduce == mlr::ReduceKind::Mean) {
    int64_t count = 1;
    for (int64_t size : sizes) count *= size;
    APFloat n(cast<FloatType>(wide).getFloatSemantics());
    n.convertFromAPInt(APInt(64, count), /*IsSigned=*/true, APFloat::rmNearestTiesToEven);
    value = emit<DivOp>(wide, value, constant(FloatAttr::get(wide, n)));
  }
  return narrow ? emit<ConvertOp>(scalarType(scalar, &context), value) : value;
}

// ---- indexing
// --------------------------------------------------------------------------------------------------

mlir::Value Importer::readElement(Position at, const Expr &e, Indices indices) {
  const Expr &source = *e.args[0];
  Site *direct = directSource(at, source);
  Tuple inner;
  SmallVector<bool> clamp;
  size_t next = 0;
  for (auto [r, size] : llvm::zip(e.reads, source.type.shape)) {
    AffineExpr own = r.kind == ReadIndex::Kind::At ? number(0) : indices[next++];
    AxisIndex axis = axisIndex(at, r, size, own, direct);
    inner.push_back(axis.expr);
    clamp.push_back(axis.clamp);
  }
  location = locationOf(e.span);
  if (direct && llvm::is_contained(clamp, true)) return readSite(direct, inner, clamp);
  return element(at, source, inner);
}

mlir::Value Importer::readOrElement(Position at, const Expr &e, Indices indices) {
  const Expr &source = *e.args[0];
  Site *direct = directSource(at, source);
  mlir::Value inside;
  Tuple inner;
  SmallVector<bool> clamp;
  auto require = [&](mlir::Value condition) {
    inside = inside ? emit<AndOp>(b.getI1Type(), inside, condition) : condition;
  };
  for (auto [r, size] : llvm::zip(e.reads, source.type.shape)) {
    auto affine = affineOf(at, *r.at);
    AxisIndex axis = axisIndex(at, r, size, number(0), direct);
    inner.push_back(axis.expr);
    clamp.push_back(axis.clamp);
    if (r.inBounds || (affine && affine->range.within(0, size - 1))) continue;
    mlir::Value integer = element(at, *r.at, {});
    location = locationOf(e.span);
    mlir::Type type = integer.getType(), i1 = b.getI1Type();
    Scalar scalar = *scalarOf(type);
    bool mayBeNegative = isSigned(scalar) && !(affine && affine->range.low >= 0);
    bool mayExceed =
        !(affine && affine->range.high < size) && llvm::isUIntN(bitWidth(scalar) - isSigned(scalar), size);
    if (mayBeNegative) require(emit<GeOp>(i1, integer, constant(scalarAttr(type, 0))));
    if (mayExceed) require(emit<LtOp>(i1, integer, constant(scalarAttr(type, size))));
  }
  mlir::Value value = direct ? readSite(direct, inner, clamp) : element(at, source, inner);
  if (!inside) return value;
  mlir::Value otherwise = element(at, *e.args[1], {});
  location = locationOf(e.span);
  return emit<SelectOp>(value.getType(), inside, value, otherwise);
}

} // namespace mlr::dataflow
