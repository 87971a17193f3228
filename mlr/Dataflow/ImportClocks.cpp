// Import: clocks. Equations of a clock's region stand flat in the block of its time; what the clock says are
// flags, sites of their own, that the operators of time in its region take as operands. See Importer.h.
#include "mlr/Dataflow/Importer.h"

using namespace mlir;

namespace mlr::dataflow {

/// The clock of a region of the frame; null: all instants of its time. The base clock of an expanded call is
/// that of the call.
ClockState *Importer::clockOf(Frame &frame, const Clock *clock, const ScanTime *time) {
  if (!clock) return time ? baseOf(frame, *time) : frame.caller.clock;
  auto [known, isNew] = frame.clocks.try_emplace(clock);
  ClockState &state = known->second;
  if (!isNew) return &state;
  state.clock = clock;
  state.around = {&frame, blockOf(frame, time), clockOf(frame, clock->parent, time)};
  ClockState *parent = state.around.clock;
  if (parent) state.context = parent->context;
  if (clock->kind != Clock::Kind::Every) {
    for (Binder *binder : contextOf(frame, clock->selector))
      if (!llvm::is_contained(state.context, binder)) state.context.push_back(binder);
    llvm::sort(state.context, [](Binder *a, Binder *b) { return a->order < b->order; });
  }
  bool isReset = clock->kind == Clock::Kind::Reset;
  state.on = isReset ? (parent ? parent->on : nullptr) : newFlag(state, Site::Flag::On);
  state.reset = isReset ? newFlag(state, Site::Flag::Reset) : (parent ? parent->reset : nullptr);
  return &state;
}

Site *Importer::newFlag(ClockState &clock, Site::Flag flag) {
  Position at = clock.around;
  at.clock = &clock;
  mlir::Type type = flag == Site::Flag::Count ? mlir::Type(b.getI32Type()) : mlir::Type(b.getI1Type());
  Site *site = newSite(at, nullptr, clock.context, type);
  site->flag = flag;
  return site;
}

/// A value for each tuple of the context's indices: a scalar, or a gen of `f()`, which reads the binders.
mlir::Value Importer::makeFlags(const Context &ctx, mlir::Type element, llvm::function_ref<mlir::Value()> f) {
  if (ctx.empty()) return f();
  levels.push_back(std::make_unique<Level>());
  auto *body = levels.back()->block = new Block;
  SmallVector<AffineExpr> saved;
  SmallVector<int64_t> shape;
  for (Binder *binder : ctx) {
    saved.push_back(binder->current);
    binder->current = loopIndex(*levels.back(), binder->size);
    shape.push_back(binder->size);
  }
  mlir::Value value = f();
  YieldOp::create(builder(), location, value);
  for (auto [binder, current] : llvm::zip(ctx, saved)) binder->current = current;
  levels.pop_back();
  auto gen = GenOp::create(builder(), location, RankedTensorType::get(shape, element));
  gen.getBody().push_back(body);
  ++operations;
  return gen.getResult();
}

/// The flag as an operand of an operator with the axes of `ctx` in front.
mlir::Value Importer::flagIn(Site *flag, const Context &ctx) {
  if (!flag) return {};
  bool leads = flag->context.size() <= ctx.size() &&
               std::equal(flag->context.begin(), flag->context.end(), ctx.begin());
  if (leads) return valueOf(flag);
  return makeFlags(ctx, elementOf(flag->type), [&] { return readSite(flag, {}); });
}

mlir::Value Importer::computeFlag(Site *site) {
  ClockState &clock = *site->position.clock;
  if (site->flag == Site::Flag::First)
    return emit<FirstOp>(site->type, flagIn(clock.on, site->context), flagIn(clock.reset, site->context),
                         StringAttr());
  if (clock.scan) return baseFlag(site);
  if (site->flag == Site::Flag::On && clock.clock->kind == Clock::Kind::Every) return everyElement(clock);
  return makeFlags(site->context, b.getI1Type(), [&] { return flagElement(site); });
}

/// The flag at the binders' current indices.
mlir::Value Importer::flagElement(Site *site) {
  ClockState &state = *site->position.clock;
  const Clock &clock = *state.clock;
  ClockState *parent = state.around.clock;
  mlir::Type i1 = b.getI1Type();
  mlir::Value selector = variable(*state.around.frame, clock.selector, {});
  if (clock.kind == Clock::Kind::When && selector.getType() != i1) {
    selector = emit<EqOp>(i1, selector, constant(b.getI32IntegerAttr(static_cast<int32_t>(clock.value))));
  } else if (clock.kind == Clock::Kind::When && clock.value == 0) {
    selector = emit<NotOp>(i1, selector);
  }
  if (parent && parent->on) selector = emit<AndOp>(i1, readSite(parent->on, {}), selector);
  if (clock.kind == Clock::Kind::Reset && parent && parent->reset)
    selector = emit<OrOp>(i1, readSite(parent->reset, {}), selector);
  return selector;
}

/// A counter of the instants of the clock around, which starts afresh where a segment does.
mlir::Value Importer::everyElement(ClockState &state) {
  const Clock &clock = *state.clock;
  ClockState *parent = state.around.clock;
  const Context &ctx = state.context;
  bool isWide = clock.period > INT32_MAX;
  mlir::Type integer = isWide ? b.getI64Type() : b.getI32Type(), i1 = b.getI1Type();
  mlir::Value zero = constant(b.getIntegerAttr(integer, 0)), one = constant(b.getIntegerAttr(integer, 1));
  mlir::Value period = constant(b.getIntegerAttr(integer, clock.period));
  mlir::Value phase = constant(b.getIntegerAttr(integer, clock.phase));
  auto scan = dyn_cast<ScanOp>(state.around.block->getParentOp());
  if (scan && !scan.getResume() && !parent && !isWide) {
    mlir::Value place = emit<RemOp>(integer, state.around.block->getArgument(0), period);
    return emit<EqOp>(i1, place, phase);
  }
  mlir::Value on = parent ? flagIn(parent->on, ctx) : mlir::Value();
  mlir::Value reset = parent ? flagIn(parent->reset, ctx) : mlir::Value();
  auto perLane = [&](mlir::Type type, auto f) { return makeFlags(ctx, type, f); };
  mlir::Value start = perLane(integer, [&] { return zero; });
  auto counter =
      FbyOp::create(builder(), location, start.getType(), start, start, on, reset,
                    b.getStringAttr(state.around.frame->path + "every" + std::to_string(clock.period)));
  ++operations;
  Site *count = newSite(state.around, nullptr, ctx, integer), *active = parent ? parent->on : nullptr;
  settle(count, counter.getResult());
  counter.getValueMutable().assign(perLane(integer, [&] {
    mlir::Value next = emit<AddOp>(integer, readSite(count, {}), one);
    return emit<SelectOp>(integer, emit<EqOp>(i1, next, period), zero, next);
  }));
  return perLane(i1, [&] {
    mlir::Value now = emit<EqOp>(i1, readSite(count, {}), phase);
    return active ? emit<AndOp>(i1, readSite(active, {}), now) : now;
  });
}

/// Whether this is the first instant of the clock, or of a segment of it.
mlir::Value Importer::firstElement(Position at) {
  if (!at.clock || (!at.clock->on && !at.clock->reset)) return firstIn(at.block);
  Site *&first = at.clock->first;
  if (!first) first = newFlag(*at.clock, Site::Flag::First);
  return readSite(first, {});
}

/// An element of the alternative that the selector names.
mlir::Value Importer::mergeElement(Position at, const Expr &e, Indices indices) {
  mlir::Value selector = element(at, *e.args[0], {});
  ArrayRef<const Expr *> values = ArrayRef<const Expr *>(e.args).drop_front();
  bool isBool = e.args[0]->type.scalar == Scalar::Bool;
  mlir::Value value = element(at, *values.back(), indices);
  for (size_t v = values.size() - 1; v-- > 0;) {
    mlir::Value here = element(at, *values[v], indices);
    location = locationOf(e.span);
    if (isBool) return emit<SelectOp>(here.getType(), selector, value, here);
    mlir::Value isHere =
        emit<EqOp>(b.getI1Type(), selector, constant(b.getI32IntegerAttr(static_cast<int32_t>(v))));
    value = emit<SelectOp>(here.getType(), isHere, here, value);
  }
  return value;
}

/// The flag that says when an output on a slower clock is present.
mlir::Value Importer::presenceOf(Frame &frame, VarId v) {
  const Var &var = frame.node->vars[v];
  ClockState *clock = clockOf(frame, var.clock, var.time);
  return clock && clock->on ? valueOf(clock->on) : constant(b.getBoolAttr(true));
}

} // namespace mlr::dataflow
