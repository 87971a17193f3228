// Import of the operators of time and of scans.
#include "mlr/Dataflow/Flags.h"
#include "mlr/Dataflow/Importer.h"

using namespace mlir;

namespace mlr::dataflow {

/// What the state is called: the variable whose past or future it holds, otherwise the one that it defines.
StringAttr Importer::stateName(Site *site, const Expr *value) {
  if (value && value->kind == ExprKind::Var) {
    Frame *frame = site->position.frame;
    return b.getStringAttr(frame->path + frame->node->vars[value->var].name);
  }
  if (site->namedFrame)
    return b.getStringAttr(site->namedFrame->path + site->namedFrame->node->vars[site->namedVar].name);
  return b.getStringAttr(site->position.frame->path + "state");
}

mlir::Value Importer::temporal(Site *site) {
  const Expr &e = *site->expr;
  if (e.kind == ExprKind::Vjp || e.kind == ExprKind::Jvp) return derivative(site);
  Position at = site->position;
  // The operands are imported under the site's context, which counts as bound meanwhile.
  const Context &ctx = site->context;
  SmallVector<mlir::Value> operands;
  for (const Expr *arg : e.args) operands.push_back(valueIn(at, *arg, ctx));
  mlir::Value on = at.clock ? flagIn(at.clock->on, ctx) : mlir::Value();
  mlir::Value reset = at.clock ? flagIn(at.clock->reset, ctx) : mlir::Value();
  location = locationOf(e.span);
  StringAttr name = stateName(site, e.args[e.kind == ExprKind::Fby]);
  switch (e.kind) {
  case ExprKind::Fby: return emit<FbyOp>(site->type, operands[0], operands[1], on, reset, name);
  case ExprKind::Eby: return emit<EbyOp>(site->type, operands[0], operands[1], on, reset, name);
  case ExprKind::Pre: return emit<PreOp>(site->type, operands[0], on, reset, name);
  case ExprKind::Window: return emit<WindowOp>(site->type, operands[0], operands[1], on, reset, name);
  case ExprKind::Hold: {
    // The value where it is present, else what was shown before, at first the init.
    const Var &held = at.frame->node->vars[e.args[0]->var];
    ClockState *slow = clockOf(*at.frame, held.clock, held.time);
    if (!slow || !slow->on) return operands[0];
    auto before = FbyOp::create(builder(), location, site->type, operands[1], operands[1], on, reset, name);
    mlir::Value value = selectValue(builder(), location, flagIn(slow->on, ctx), operands[0], before);
    before.getValueMutable().assign(value);
    operations += 2;
    return value;
  }
  case ExprKind::Final: return emit<FinalOp>(site->type, heldAtEnd(at.block, operands[0], ctx));
  default: return emit<InitialOp>(site->type, operands[0]);
  }
}

mlir::Value Importer::firstIn(Block *block) {
  mlir::Value &first = firsts[block];
  if (first) return first;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(block);
  return first = FirstOp::create(b, location, b.getI1Type());
}

mlir::Value Importer::countIn(Block *block) {
  mlir::Value &count = counts[block];
  if (count) return count;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(block);
  return count = CountOp::create(b, location, b.getI32Type());
}

/// The scan's operation, made at the first mention of anything inside; its results are computed later.
ScanState &Importer::scanOf(Frame &frame, const ScanTime &time) {
  ScanState &s = frame.scans[&time];
  if (s.op) return s;
  s.time = &time;
  Block *outer = blockOf(frame, time.parent);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(outer);
  SmallVector<mlir::Type> types;
  for (const ScanResult &r : time.results) {
    Site *site =
        newSite({&frame, outer}, nullptr, contextOf(frame, r.var), typeOf(frame.node->vars[r.var].type));
    if (r.kind == ScanResult::Kind::Stack && !site->context.empty()) {
      // Stacking puts time in front of the context.
      SmallVector<int64_t> shape{time.length};
      for (Binder *binder : site->context) shape.push_back(binder->size);
      llvm::append_range(shape, ArrayRef<int64_t>(frame.node->vars[r.var].type.shape).drop_front());
      site->type = RankedTensorType::get(shape, elementOf(site->type));
      site->contextAxis = 1;
    }
    // A scan that resumes may be a matter of the instances, its count the same in all.
    bool isSame = r.kind == ScanResult::Kind::Count && !time.until;
    types.push_back(isSame ? b.getI32Type() : site->type);
    s.results.push_back(site);
  }
  const std::string &name = frame.node->vars[time.index].name;
  s.op = ScanOp::create(b, locationOf(time.span), types, /*upto=*/nullptr, /*when=*/nullptr, /*reset=*/nullptr,
                        time.length, time.resume, DirectionAttr(),
                        name.empty() ? StringAttr() : b.getStringAttr(name));
  s.block = b.createBlock(&s.op.getBody());
  s.block->addArgument(b.getI32Type(), locationOf(frame.node->vars[time.index].span));
  s.position = ConvertOp::create(b, locationOf(time.span), b.getIndexType(), s.block->getArgument(0));
  b.setInsertionPointAfter(s.op);
  for (auto [site, result] : llvm::zip(s.results, s.op.getResults()))
    settle(site, result.getType() == site->type ? result : makeEach(b, s.op.getLoc(), site->type, [&](ValueRange) { return result; }));
  scans.push_back({&frame, &s});
  scanOfBlock[s.block] = {&frame, &s};
  // A clock around that differs among instances becomes the base clock of the body.
  ClockState *clock = clockOf(frame, time.clock, time.parent);
  if (clock && clock->context.empty())
    setFlags(s.op, {flagIn(clock->on, clock->context),
                    time.resume ? flagIn(clock->reset, clock->context) : mlir::Value()});
  openScans.push_back({&frame, &s});
  return s;
}

void Importer::computeResults(Frame &frame, ScanState &s) {
  Position at{&frame, s.block, baseOf(frame, *s.time)};
  bool apart = s.endsApart();
  if (s.time->until && !apart) {
    location = locationOf(s.time->until->span);
    beginBody(s.block);
    mlir::Value condition = regionValue(at, *s.time->until);
    UntilOp::create(builder(), location, condition);
  }
  for (auto [r, site] : llvm::zip(s.time->results, s.results)) {
    beginBody(s.block);
    if (r.kind == ScanResult::Kind::Count) {
      s.yields.push_back(apart ? flagIn(s.base->count, site->context) : countIn(s.block));
      continue;
    }
    mlir::Value value = valueIn(at, *r.value, site->context);
    location = locationOf(r.span);
    if (apart && r.kind == ScanResult::Kind::Stack) value = zeroAfterEnd(*s.base, value, site->context);
    if (apart && r.kind == ScanResult::Kind::Final) value = heldAtEnd(s.block, value, site->context);
    if (r.kind == ScanResult::Kind::Stack) s.yields.push_back(emit<StackOp>(site->type, value));
    else if (r.kind == ScanResult::Kind::Final) s.yields.push_back(emit<FinalOp>(site->type, value));
    else s.yields.push_back(emit<InitialOp>(site->type, value));
    const Var &var = frame.node->vars[r.var];
    s.yields.back().getDefiningOp()->setLoc(
        NameLoc::get(b.getStringAttr(frame.path + var.name), locationOf(var.span)));
  }
}

} // namespace mlr::dataflow
