// Import of instances side by side: [f(x[b], w) for b < B] where f keeps state or contains scans. The call is expanded
// once, with the indices as its context: each stream inside that depends on them has an axis in front for each, what does
// not is shared. Their scans run together. Where instances are active at different instants, flags say so: off an
// instance's instants its state stands still. See Importer.h.
#include "mlr/Dataflow/Flags.h"
#include "mlr/Dataflow/Importer.h"

using namespace mlir;

namespace mlr::dataflow {

/// A result of all instances, as a comprehension over the result of one.
const Expr &Importer::instanceResult(Frame &frame, const Definition &d) {
  const Equation &eq = *d.equation;
  Expr &call = instanceResults.emplace_back();
  call.kind = ExprKind::Call;
  call.span = eq.span;
  call.callee = eq.callee;
  call.result = d.position;
  call.type = eq.callee->vars[eq.callee->outputs[d.position]].type;
  if (eq.callee->derivative) call.args = eq.args; // it stays a call
  if (eq.callee->isExtern)
    frame.expressions[&call] = foreignSite(positionOf(frame, d), &eq, *eq.callee, eq.args, eq.span, &eq, d.position);
  else frame.calls[&call] = &calleeFrame(frame, eq);
  Expr &all = instanceResults.emplace_back();
  all.kind = ExprKind::Build;
  all.span = eq.span;
  all.type = frame.node->vars[eq.targets[d.position]].type;
  all.indices = eq.each;
  all.args = {&call};
  return all;
}

// ---- scans that are not the same for all instances -----------------------------------------------------------

/// The base clock of a scan that ends, or goes on from the last run, at different instants for different instances;
/// null: all instants.
ClockState *Importer::baseOf(Frame &frame, const ScanTime &time) {
  ScanState &s = scanOf(frame, time);
  if (s.isOpen) return s.base ? &*s.base : nullptr;
  s.isOpen = true;
  ClockState *outer = time.resume ? clockOf(frame, time.clock, time.parent) : nullptr;
  Context ctx = outer ? outer->context : Context();
  bool isApart = !ctx.empty();
  if (time.until) addContext(ctx, contextOf({&frame, s.block}, *time.until));
  if (ctx.empty()) return nullptr;
  sortContext(ctx);
  ClockState &base = s.base.emplace();
  base.scan = &s;
  base.around = {&frame, s.block, isApart ? outer : nullptr};
  base.context = std::move(ctx);
  if (time.until || (isApart && outer->on)) base.on = newFlag(base, Site::Flag::On);
  if (isApart && outer->reset) {
    base.reset = newFlag(base, Site::Flag::Reset);
    if (!outer->first) outer->first = newFlag(*outer, Site::Flag::First);
  }
  if (time.until) base.count = newFlag(base, Site::Flag::Count);
  return &base;
}

mlir::Value Importer::baseFlag(Site *flag) {
  ClockState &base = *flag->position.clock;
  ClockState *outer = base.around.clock;
  mlir::Type i1 = b.getI1Type();
  if (flag->flag == Site::Flag::Count) return countInstants(base);
  if (flag->flag == Site::Flag::Reset) // a segment that began since the last run begins with this one
    return makeFlags(base.context, i1, [&] {
      mlir::Value start =
          emit<EqOp>(i1, base.around.block->getArgument(0), constant(b.getI32IntegerAttr(0)));
      return emit<AndOp>(i1, readSite(outer->first, {}), start);
    });
  if (base.scan->time->until) return runningFlag(base);
  return makeFlags(base.context, i1, [&] { return readSite(outer->on, {}); });
}

/// Which instances have not ended before this instant; those that are not active in this run execute none.
mlir::Value Importer::runningFlag(ClockState &base) {
  ScanState &s = *base.scan;
  Position at = base.around;
  ClockState *outer = at.clock;
  at.clock = &base;
  mlir::Type i1 = b.getI1Type();
  mlir::Value always = makeFlags(base.context, i1, [&] { return constant(b.getBoolAttr(true)); });
  auto before = FbyOp::create(builder(), location, always.getType(), always, always,
                              b.getStringAttr(at.frame->path + "running"));
  ++operations;
  auto siteFor = [&](mlir::Value value) {
    Site *site = newSite(at, nullptr, base.context, i1);
    settle(site, value);
    return site;
  };
  Site *wasRunning = siteFor(before);
  mlir::Value running = makeFlags(base.context, i1, [&] {
    mlir::Value on = readSite(wasRunning, {});
    if (s.time->resume) {
      mlir::Value start = emit<EqOp>(i1, s.block->getArgument(0), constant(b.getI32IntegerAttr(0)));
      on = emit<OrOp>(i1, on, start);
    }
    return outer && outer->on ? emit<AndOp>(i1, on, readSite(outer->on, {})) : on;
  });
  Site *isRunning = siteFor(running);
  mlir::Value goesOn = makeFlags(base.context, i1, [&] {
    mlir::Value stops = element(at, *s.time->until, {});
    return emit<AndOp>(i1, readSite(isRunning, {}), emit<NotOp>(i1, stops));
  });
  before.getValueMutable().assign(goesOn);
  endTogether(base, siteFor(goesOn));
  return running;
}

/// The scan stops when no instance goes on.
void Importer::endTogether(ClockState &base, Site *goesOn) {
  levels.push_back(std::make_unique<Level>());
  auto *body = levels.back()->block = new Block;
  SmallVector<AffineExpr> saved;
  SmallVector<int64_t> sizes;
  for (Binder *binder : base.context) {
    saved.push_back(binder->current);
    binder->current = loopIndex(*levels.back(), binder->size);
    sizes.push_back(binder->size);
  }
  YieldOp::create(builder(), location, emit<NotOp>(b.getI1Type(), readSite(goesOn, {})));
  for (auto [binder, current] : llvm::zip(base.context, saved)) binder->current = current;
  levels.pop_back();
  auto all = ReduceOp::create(builder(), location, b.getI1Type(), ReduceKind::All, sizes, false);
  all.getBody().push_back(body);
  UntilOp::create(builder(), location, all.getResult());
  operations += 2;
}

/// Instants that each instance executes, as constants of the scan.
mlir::Value Importer::countInstants(ClockState &base) {
  mlir::Type i32 = b.getI32Type(), i1 = b.getI1Type();
  mlir::Value zero = constant(b.getI32IntegerAttr(0)), one = constant(b.getI32IntegerAttr(1));
  mlir::Value none = makeFlags(base.context, i32, [&] { return zero; });
  auto before = FbyOp::create(builder(), location, none.getType(), none, none,
                              b.getStringAttr(base.around.frame->path + "count"));
  Site *sofar = newSite(base.around, nullptr, base.context, i32);
  settle(sofar, before);
  mlir::Value count = makeFlags(base.context, i32, [&] {
    mlir::Value start = emit<EqOp>(i1, base.around.block->getArgument(0), zero);
    mlir::Value n = emit<SelectOp>(i32, start, zero, readSite(sofar, {}));
    return emit<SelectOp>(i32, readSite(base.on, {}), emit<AddOp>(i32, n, one), n);
  });
  before.getValueMutable().assign(count);
  return emit<FinalOp>(count.getType(), count);
}

/// The scan of the block, if its instances end at different instants.
ScanState *Importer::endingApart(Block *block) {
  auto [frame, scan] = scanOfBlock.lookup(block);
  if (!scan || !scan->time->until) return nullptr;
  baseOf(*frame, *scan->time);
  return scan->endsApart() ? scan : nullptr;
}

mlir::Value Importer::countElement(Block *block) {
  ScanState *apart = endingApart(block);
  return apart ? readSite(apart->base->count, {}) : countIn(block);
}

/// A stream that keeps its value after an instance's last instant.
mlir::Value Importer::heldAtEnd(Block *block, mlir::Value value, const Context &ctx) {
  ScanState *apart = endingApart(block);
  if (!apart) return value;
  mlir::Value running = flagIn(apart->base->on, ctx);
  mlir::Value zero = constant(zeroAttr(value.getType()));
  auto before = FbyOp::create(builder(), location, value.getType(), zero, zero, StringAttr());
  mlir::Value held = selectValue(builder(), location, running, value, before);
  before.getValueMutable().assign(held);
  operations += 2;
  return held;
}

mlir::Value Importer::zeroAfterEnd(ClockState &base, mlir::Value value, const Context &ctx) {
  mlir::Value running = flagIn(base.on, ctx), zero = constant(zeroAttr(value.getType()));
  ++operations;
  return selectValue(builder(), location, running, value, zero);
}

} // namespace mlr::dataflow
