// Time to space and back: pack, unpack, split, join. What a segment needs is a window, a counter and a clock.
#include "mlr/Check/Body.h"

#include <fmt/format.h>

namespace mlr::checking {

/// The static size of `pack<<T>>`; reported otherwise.
std::optional<int64_t> Body::segmentLength(const ast::Expr &e) {
  if (e.statics.size() == 1 && e.statics[0].value && !e.statics[0].isShape) {
    auto count = statics.size(*e.statics[0].value);
    if (!count || *count >= 1) return count;
    error(kinds::invalidSize, e.statics[0].span, fmt::format("`{}` needs at least one element", e.text),
          fmt::format("this is {}", *count));
    return std::nullopt;
  }
  Diagnostic &d = error(kinds::wrongArguments, e.nameSpan, fmt::format("`{}` needs its length", e.text), "no length");
  d.helps.push_back(e.text == "unpack" ? "`unpack<<8>>(xs, 0)`: one element of xs an instant"
                                       : fmt::format("`{}<<8>>(x)`", e.text));
  return std::nullopt;
}

bool Body::isPackUntil(const ast::Expr &e) const {
  return e.kind == ast::ExprKind::Call && e.text == "pack" && e.args.size() == 2;
}

// ---- clocks ----------------------------------------------------------------------------------------------

ClockCondition &Body::everyCondition(int64_t period, Span span) {
  ClockCondition &c = clocks.newCondition();
  c.kind = Clock::Kind::Every;
  c.period = period;
  c.phase = period - 1;
  c.shown = c.selectorShown = fmt::format("every {}", period);
  c.span = span;
  return c;
}

/// pack: from a clock to its `every T`; with `until` to the clock of its third result.
ClockTerm *Body::clockOfPack(const ast::Expr &e) {
  std::vector<const ast::Expr *> operands;
  for (const ast::ExprPtr &arg : e.args) operands.push_back(arg.get());
  ClockMark mark;
  mark.operand = combine(e, operands);
  if (!mark.operand) mark.operand = clocks.unknown(scope);
  if (isPackUntil(e)) {
    bool direct = inferring && inferring->expr == &e && inferring->targets.size() == 3;
    if (!direct) return mark.operand; // reported when it is elaborated
    ClockCondition &c = clocks.newCondition();
    c.isSymbol = true;
    c.symbol = inferring->targets[2];
    c.key = variableKey(c.symbol);
    c.selectorShown = c.shown = std::string(symbols[c.symbol].name);
    c.span = e.span;
    ClockTerm *ends = clocks.on(mark.operand, &c);
    mark.results = {ends, ends, mark.operand};
    marks[&e] = mark;
    return mark.operand;
  }
  auto period = segmentLength(e);
  if (!period) return clocks.faulty(scope);
  mark.condition = &everyCondition(*period, e.span);
  marks[&e] = mark;
  return clocks.on(mark.operand, mark.condition);
}

/// unpack: from the clock `every T` to the clock above.
ClockTerm *Body::clockOfUnpack(const ast::Expr &e) {
  auto period = segmentLength(e);
  if (e.args.size() != 2 || !period) return clocks.faulty(scope);
  ClockTerm *above = clocks.unknown(scope);
  ClockTerm *wanted = clocks.on(above, &everyCondition(*period, e.span));
  ClockTerm *found = clockOf(*e.args[0]);
  if (found && !clocks.unify(wanted, found)) {
    reportPosition(*e.args[0], found, wanted, fmt::format("`unpack<<{}>>` takes a stream on `every {}`", *period, *period),
                   fmt::format("needed on `every {}`", *period));
    return clocks.faulty(scope);
  }
  ClockTerm *init = clockOf(*e.args[1]);
  if (init && !clocks.unify(above, init)) reportClocks(e, &e, above, e.args[1].get(), init);
  ClockMark mark;
  mark.operand = wanted;
  mark.results = {above};
  marks[&e] = mark;
  return above;
}

// ---- pack ------------------------------------------------------------------------------------------------

Value Body::zeroOf(const Value &v) {
  if (v.plain()) {
    Value zero = plain(makeConst(Array(v.type()), v.expr->span));
    zero.nominal = v.nominal;
    return zero;
  }
  Value out = v;
  for (Value &part : out.parts) part = zeroOf(part);
  return out;
}

Value Body::windowOf(Value x, int64_t count, const Ty *, Span span) {
  forceDefault(x);
  std::vector<Value> operands{x, zeroOf(x)};
  return inTime(ExprKind::Window, std::move(operands), span, count);
}

Value Body::elabPack(const ast::Expr &e, const Ty *want) {
  if (isPackUntil(e)) return elabPackUntil(e);
  auto mark = marks.find(&e);
  bool allowed = allowState(e, "pack");
  if (e.args.size() != 1 || mark == marks.end()) {
    std::vector<Value> values;
    if (unit) elabArguments(e, 1, values);
    return Value();
  }
  int64_t count = mark->second.condition->period;
  Ty element;
  if (want && want->isKnown()) element = checking::element(count, *want);
  ClockTerm *before = here;
  here = mark->second.operand;
  Value x = elab(*e.args[0], element.isKnown() ? &element : nullptr);
  if (!x.unknown() && (allowed || report.isQuiet())) x = windowOf(std::move(x), count, want, e.span);
  here = before;
  if (report.isQuiet() || x.unknown() || !allowed) return report.isQuiet() ? x : Value();
  return onVariable(std::move(x), mark->second.operand);
}

/// (xs, n, end): `end` where done or after T instants, `n` instants since the last end, `xs` their values and zeros.
Value Body::elabPackUntil(const ast::Expr &e) {
  auto mark = marks.find(&e);
  bool named = e.argNames.size() == 2 && e.argNames[1].text == "until";
  if (!named || mark == marks.end() || mark->second.results.size() != 3 || !comprehended.empty()) {
    Diagnostic &d = error(kinds::wrongArguments, e.span, "`pack` with `until` has three results", "used here");
    d.helps.push_back("(xs, n, end) = pack<<8>>(x, until = done);");
    return Value();
  }
  auto count = segmentLength(e);
  ClockTerm *before = here;
  here = mark->second.operand;
  Value x = elab(*e.args[0]);
  Expr *done = nullptr;
  bool ok = elabScalarCondition(*e.args[1], "the end of a segment", done);
  if (x.unknown() || !count) {
    here = before;
    return Value();
  }
  Type number{Scalar::I32, {}}, truth{Scalar::Bool, {}};
  Value window = windowOf(std::move(x), *count, nullptr, e.span);
  Value out;
  out.kind = Ty::Kind::Tuple;
  if (report.isQuiet()) {
    out.parts = {window, plain(make(ExprKind::Var, number, e.span)), plain(make(ExprKind::Var, truth, e.span))};
    here = before;
    return out;
  }
  if (!ok || !allowState(e, "pack")) {
    here = before;
    return Value();
  }
  auto integer = [&](int64_t value) { return makeConst(scalarArray(Scalar::I32, static_cast<uint64_t>(value)), e.span); };
  auto equation = [&](VarId target, Expr *value) {
    Equation &eq = unit->equations.emplace_back();
    eq.span = e.span;
    eq.targets = {target};
    eq.value = value;
  };
  VarId position = newHidden(number, e.span, "position"), end = newHidden(truth, e.span, "end");
  Expr *next = makeOp(OpKind::Select, number, e.span,
                      {makeVar(end, e.span), integer(0),
                       makeOp(OpKind::Add, number, e.span, {makeVar(position, e.span), integer(1)})});
  equation(position, make(ExprKind::Fby, number, e.span, {integer(0), next}));
  equation(end, makeOp(OpKind::Or, truth, e.span,
                       {done, makeOp(OpKind::Ge, truth, e.span, {makeVar(position, e.span), integer(*count - 1)})}));
  Value all = onVariable(std::move(window), here);
  out.parts = {segmentOf(all, position, *count, e.span),
               plain(makeOp(OpKind::Add, number, e.span, {makeVar(position, e.span), integer(1)})),
               plain(makeVar(end, e.span))};
  here = before;
  return out;
}

/// The last position + 1 elements of a window, zeros behind them.
Value Body::segmentOf(const Value &window, VarId position, int64_t count, Span span) {
  if (!window.plain()) {
    Value out = window;
    for (Value &part : out.parts) part = segmentOf(part, position, count, span);
    return out;
  }
  Type number{Scalar::I32, {}};
  IndexId i = newIndex("i", count, span);
  auto integer = [&](int64_t value) { return makeConst(scalarArray(Scalar::I32, static_cast<uint64_t>(value)), span); };
  // window[count - 1 - position + i] for i <= position
  Expr *at = makeOp(OpKind::Add, number, span,
                    {makeOp(OpKind::Sub, number, span, {integer(count - 1), makeVar(position, span)}), makeIndex(i, span)});
  std::vector<ReadIndex> reads(window.shape().size());
  for (size_t k = 0; k < reads.size(); ++k) {
    reads[k].inBounds = k > 0;
    if (k == 0) {
      reads[k].at = at;
      continue;
    }
    reads[k].kind = ReadIndex::Kind::Range;
    reads[k].count = window.shape()[k];
  }
  Expr *element = read(clone(window.expr), std::move(reads), span);
  Expr *inside = makeOp(OpKind::Le, {Scalar::Bool, {}}, span, {makeIndex(i, span), makeVar(position, span)});
  Expr *chosen = makeOp(OpKind::Select, element->type, span,
                        {broadcastTo(inside, element->type.shape), element, makeConst(Array(element->type), span)});
  Expr *build = make(ExprKind::Build, window.type(), span, {chosen});
  build->indices = {i};
  Value out = plain(build);
  out.nominal = window.nominal;
  return out;
}

// ---- unpack ----------------------------------------------------------------------------------------------

Value Body::elabUnpack(const ast::Expr &e, const Ty *want) {
  auto mark = marks.find(&e);
  bool allowed = allowState(e, "unpack");
  if (e.args.size() != 2 || mark == marks.end()) {
    std::vector<Value> values;
    if (unit) elabArguments(e, 2, values);
    return Value();
  }
  ClockTerm *before = here;
  here = mark->second.operand;
  Value xs = elab(*e.args[0]);
  here = before;
  forceDefault(xs);
  Ty element = xs.unknown() ? Ty() : checking::element(*segmentLength(e), xs.ty());
  Value init = elab(*e.args[1], element.isKnown() ? &element : want);
  if (!element.isKnown()) {
    if (!xs.unknown())
      error(kinds::shapeMismatch, e.args[0]->span, fmt::format("`unpack<<{}>>` needs {} elements along the leading axis", *segmentLength(e), *segmentLength(e)),
            toString(xs.ty()));
    return Value();
  }
  if (report.isQuiet()) return tupleOf({element}, {}, e.span);
  if (init.unknown() || !allowed || !fit(init, element, *e.args[1], "an element")) return Value();
  int64_t count = *segmentLength(e);
  Type number{Scalar::I32, {}};
  auto integer = [&](int64_t value) { return makeConst(scalarArray(Scalar::I32, static_cast<uint64_t>(value)), e.span); };
  // instant + 1 modulo T: 0 where a segment arrives
  VarId position = newHidden(number, e.span, "position");
  Expr *next = makeOp(OpKind::Rem, number, e.span,
                      {makeOp(OpKind::Add, number, e.span, {makeVar(position, e.span), integer(1)}), integer(count)});
  Equation &equation = unit->equations.emplace_back();
  equation.span = e.span;
  equation.targets = {position};
  equation.value = make(ExprKind::Fby, number, e.span, {integer(1 % count), next});
  return elementOf(xs, init, mark->second.operand, position, count, e.span);
}

Value Body::elementOf(const Value &xs, const Value &init, ClockTerm *clock, VarId position, int64_t count, Span span) {
  if (!xs.plain()) {
    Value out = init;
    for (size_t i = 0; i < xs.parts.size(); ++i)
      out.parts[i] = elementOf(xs.parts[i], init.parts[i], clock, position, count, span);
    return out;
  }
  Value filled = init;
  filled.expr = broadcastTo(init.expr, xs.shape());
  Expr *hold = holdValue(xs, filled, clock, span).expr; // in a comprehension an element of a variable already
  Expr *held = comprehended.empty() ? define(hold, "segment") : hold;
  std::vector<ReadIndex> reads(xs.shape().size());
  for (size_t k = 0; k < reads.size(); ++k) {
    reads[k].inBounds = true;
    if (k == 0) {
      reads[k].at = makeVar(position, span);
      continue;
    }
    reads[k].kind = ReadIndex::Kind::Range;
    reads[k].count = xs.shape()[k];
  }
  Value out = plain(read(held, std::move(reads), span));
  out.nominal = xs.nominal;
  return out;
}

// ---- split, join -----------------------------------------------------------------------------------------

Value Body::reshaped(Value v, bool split, int64_t block) {
  for (Value &part : v.parts) part = reshaped(std::move(part), split, block);
  if (!v.plain()) {
    if (!v.lead.empty()) v.lead = reshapedLead(v.lead, split, block);
    return v;
  }
  v.expr = make(ExprKind::Reshape, {v.type().scalar, reshapedLead(v.shape(), split, block)}, v.expr->span, {v.expr});
  return v;
}

Shape Body::reshapedLead(Shape shape, bool split, int64_t block) {
  if (split) {
    int64_t n = shape[0];
    shape[0] = block;
    shape.insert(shape.begin(), n / block);
  } else {
    shape[1] *= shape[0];
    shape.erase(shape.begin());
  }
  return shape;
}

Value Body::elabSplit(const ast::Expr &e) {
  bool split = e.text == "split";
  auto block = split ? segmentLength(e) : std::optional<int64_t>(1);
  std::vector<Value> args;
  if (!elabArguments(e, 1, args) || !block || args[0].unknown()) return Value();
  forceDefault(args[0]);
  const Shape &shape = args[0].plain() ? args[0].shape() : args[0].lead;
  if (shape.size() < (split ? 1 : 2) || (split && shape[0] % *block != 0)) {
    error(kinds::shapeMismatch, e.args[0]->span,
          split ? fmt::format("`split<<{}>>` needs a leading axis that {} divides", *block, *block)
                : "`join` needs two leading axes",
          toString(args[0].ty()));
    return Value();
  }
  return reshaped(std::move(args[0]), split, *block);
}

} // namespace mlr::checking
