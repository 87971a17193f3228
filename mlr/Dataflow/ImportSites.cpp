// Import: sites, the computations with an operation of their own at the level of a time. See Importer.h.
#include "mlr/Dataflow/Importer.h"
#include "mlr/Dataflow/Passes.h"

using namespace mlir;

namespace mlr::dataflow {

// ---- sites
// ---------------------------------------------------------------------------------------------------

Site *Importer::newSite(Position at, const Expr *e, Context ctx, mlir::Type type) {
  Site site;
  // A window stacks what is under the context, so the context stands behind its leading axis.
  site.contextAxis = e && e->kind == ExprKind::Window && !ctx.empty();
  SmallVector<int64_t> shape(shapeOf(type));
  for (auto [i, binder] : llvm::enumerate(ctx))
    shape.insert(shape.begin() + site.contextAxis + i, binder->size);
  site.type = valueType(shape, elementOf(type));
  site.context = std::move(ctx);
  site.position = at;
  site.expr = e;
  sites.push_back(std::move(site));
  return &sites.back();
}

Site *Importer::settledSite(mlir::Value value) {
  Site *site = newSite({}, nullptr, {}, value.getType());
  settle(site, value);
  return site;
}

void Importer::settle(Site *site, mlir::Value value) {
  site->value = value;
  site->resolved = true;
}

/// The site's value; a forward reference in its block, and a place in the queue, when it is not computed yet.
mlir::Value Importer::valueOf(Site *site) {
  if (site->value) return site->value;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(site->position.block);
  auto op = UnrealizedConversionCastOp::create(b, location, TypeRange{site->type}, ValueRange{});
  forwardReferences.push_back({op, site});
  site->value = op.getResult(0);
  queue.push_back(site);
  return site->value;
}

Site *Importer::siteOf(Position at, const Expr &e) {
  if (e.kind == ExprKind::Var && !at.frame->isRoot) return siteOf(*at.frame, e.var);
  Site *&site = at.frame->expressions[&e];
  if (!site && e.kind == ExprKind::Call && e.callee->isExtern)
    site = foreignSite(at, &e, *e.callee, e.args, e.span, nullptr, e.result);
  if (!site && isRule(e) && !isScalarRule(*e.callee)) site = foreignSite(at, &e, *e.callee, e.args, e.span, nullptr, e.result);
  if (!site) site = newSite(at, &e, contextOf(at, e), typeOf(e.type));
  return site;
}

/// The site that computes a variable, in any frame.
Site *Importer::siteOf(Frame &frame, VarId v) {
  if (Site *known = frame.sites[v]) return known;
  const Definition &d = frame.info->definitions[v];
  Site *site = nullptr;
  switch (d.kind) {
  case Definition::Kind::Input: site = siteOf(frame.caller, *frame.arguments[d.position]); break;
  case Definition::Kind::Define:
    site = siteOf(positionOf(frame, d), *d.value);
    if (!site->namedFrame && d.value->kind != ExprKind::Var) site->namedFrame = &frame, site->namedVar = v;
    break;
  case Definition::Kind::Call:
    if ((d.equation->callee->isExtern || d.equation->callee->derivative) && d.equation->each.empty()) {
      const Equation &call = *d.equation;
      site = foreignSite(positionOf(frame, d), &call, *call.callee, call.args, call.span, &call, d.position);
      site->namedFrame = &frame, site->namedVar = v;
    } else if (!d.equation->each.empty()) {
      site = newSite(positionOf(frame, d), &instanceResult(frame, d), contextOf(frame, v),
                     typeOf(frame.node->vars[v].type));
      site->namedFrame = &frame, site->namedVar = v;
    } else if (d.equation->callee->isFun || !frame.isRoot) {
      Frame &callee = calleeFrame(frame, *d.equation);
      site = siteOf(callee, callee.node->outputs[d.position]);
    } else {
      site = newSite(positionOf(frame, d), nullptr, {}, typeOf(frame.node->vars[v].type));
    }
    break;
  case Definition::Kind::ScanIndex: site = settledSite(scanOf(frame, *d.time).block->getArgument(0)); break;
  case Definition::Kind::ScanResult: {
    ScanState &scan = scanOf(frame, *d.equation->scan);
    site = scan.results[d.position];
    break;
  }
  case Definition::Kind::None:
    site = settledSite(fail(frame.node->vars[v].span,
                            "variable without a definition: " + frame.node->vars[v].name,
                            typeOf(frame.node->vars[v].type)));
  }
  return frame.sites[v] = frame.info->isVariable[v] ? cutSite(frame, v, site) : site;
}

void Importer::beginBody(Block *block) {
  levels.clear();
  dims.clear();
  clampedDims.clear();
  ranges.clear();
  dimOf.clear();
  levels.push_back(std::make_unique<Level>());
  levels.back()->block = block;
}

void Importer::resolve(Site *site) {
  if (site->resolved || failed || (!site->expr && !site->cutOf && !site->foreign && site->flag == Site::Flag::None)) return;
  site->resolved = true;
  ClockState *clock = site->position.clock;
  location = locationOf(site->cutOf     ? site->namedFrame->node->vars[site->namedVar].span
                        : site->expr    ? site->expr->span
                        : site->foreign ? site->foreign->span
                        : clock->scan   ? clock->scan->time->span
                                        : clock->clock->span);
  beginBody(site->position.block);
  computing = site;
  mlir::Value value = compute(site);
  site->value = value;
  Operation *op = value.getDefiningOp();
  if (!site->namedFrame || !op || isa<ConstOp, UnrealizedConversionCastOp>(op) || isa<NameLoc>(op->getLoc()))
    return;
  const Var &var = site->namedFrame->node->vars[site->namedVar];
  op->setLoc(NameLoc::get(b.getStringAttr(site->namedFrame->path + var.name), locationOf(var.span)));
}

void Importer::drain() {
  while (!failed && operations <= maxOperations) {
    if (!queue.empty()) {
      Site *site = queue.front();
      queue.pop_front();
      resolve(site);
    } else if (!openScans.empty()) {
      auto [frame, scan] = openScans.front();
      openScans.pop_front();
      computeResults(*frame, *scan);
    } else {
      return;
    }
  }
  failed = failed || operations > maxOperations;
}

mlir::Value Importer::compute(Site *site) {
  if (site->cutOf) return cutValue(site);
  if (site->foreign) return foreignValue(site);
  if (!site->expr) return computeFlag(site);
  const Expr &e = *site->expr;
  if (isTemporal(e.kind)) return temporal(site);
  if (site->context.empty()) return regionValue(site->position, e);
  return makeGen(site->position, e, site->context);
}

/// The value of an expression without context, at level 0.
mlir::Value Importer::regionValue(Position at, const Expr &e) {
  switch (e.kind) {
  case ExprKind::Var: return variableValue(*at.frame, e.var);
  case ExprKind::Stop:
    if (e.type.isScalar()) break;
    return emit<StopOp>(typeOf(e.type), regionValue(at, *e.args[0]));
  case ExprKind::Call: {
    if (isRule(e) && isScalarRule(*e.callee)) return element(at, e, {});
    if (e.callee->isExtern || isRule(e)) return valueOf(siteOf(at, e));
    Frame &callee = calleeFrame(at, e);
    return variableValue(callee, e.callee->outputs[e.result]);
  }
  case ExprKind::Const: return constantValue(e);
  case ExprKind::Broadcast:
    if (e.args[0]->type == e.type) return regionValue(at, *e.args[0]);
    break;
  case ExprKind::Reshape: {
    if (e.type.isScalar() || e.args[0]->type.isScalar()) break;
    mlir::Value source = regionValue(at, *e.args[0]);
    return source.getType() == typeOf(e.type) ? source : emit<ReshapeOp>(typeOf(e.type), source);
  }
  case ExprKind::Concat: {
    SmallVector<mlir::Value> parts;
    for (const Expr *arg : e.args) parts.push_back(regionValue(at, *arg));
    location = locationOf(e.span);
    return emit<ConcatOp>(typeOf(e.type), parts);
  }
  default:
    if (isTemporal(e.kind)) return valueOf(siteOf(at, e));
    break;
  }
  return e.type.isScalar() ? element(at, e, {}) : makeGen(at, e, {});
}

mlir::Value Importer::variableValue(Frame &frame, VarId v) { return valueOf(siteOf(frame, v)); }

/// The value of an expression with the axes of `ctx` in front, whether it depends on all of them or not.
mlir::Value Importer::valueIn(Position at, const Expr &e, const Context &ctx) {
  if (ctx.empty()) return regionValue(at, e);
  bool isStream = e.kind == ExprKind::Var || isTemporal(e.kind) || (e.kind == ExprKind::Call && e.callee->isExtern);
  if (isStream && contextOf(at, e) == ctx) {
    Site *site = siteOf(at, e);
    // What a fun makes of literals alone depends on no index although its arguments do.
    if (site->contextAxis == 0 && site->context == ctx) return valueOf(site);
  }
  return makeGen(at, e, ctx);
}

/// A gen over the context's indices and the expression's own axes.
mlir::Value Importer::makeGen(Position at, const Expr &e, const Context &ctx) {
  Location outer = location;
  location = locationOf(e.span);
  SmallVector<int64_t> shape;
  auto *body = new Block;
  auto level = std::make_unique<Level>();
  level->block = body;
  levels.push_back(std::move(level));
  SmallVector<AffineExpr> saved;
  for (Binder *binder : ctx) {
    saved.push_back(binder->current);
    binder->current = loopIndex(*levels.back(), binder->size);
    shape.push_back(binder->size);
  }
  Tuple indices;
  for (int64_t size : e.type.shape) {
    indices.push_back(loopIndex(*levels.back(), size));
    shape.push_back(size);
  }
  mlir::Value value = element(at, e, indices);
  YieldOp::create(builder(), location, value);
  for (auto [binder, current] : llvm::zip(ctx, saved)) binder->current = current;
  levels.pop_back();
  location = locationOf(e.span);
  auto gen = GenOp::create(builder(), location, RankedTensorType::get(shape, value.getType()));
  gen.getBody().push_back(body);
  ++operations;
  location = outer;
  return gen.getResult();
}

} // namespace mlr::dataflow
