// Calls of nodes whose inputs or outputs have clocks, and calls with a reset. Nodes are polymorphic in their base
// clock; a clock of the callee becomes one of the caller's arguments and results.
#include "mlr/Check/AstWalk.h"
#include "mlr/Check/Body.h"

#include <fmt/format.h>
#include <map>

namespace mlr::checking {

/// The position of a parameter in a list; its size where there is none.
static size_t positionOf(const std::vector<ast::Param> &params, std::string_view name) {
  size_t i = 0;
  while (i < params.size() && params[i].name.text != name) ++i;
  return i;
}

static const ast::Param *parameterNamed(const ast::Decl &decl, std::string_view name) {
  for (const auto *params : {&decl.inputs, &decl.outputs})
    if (size_t at = positionOf(*params, name); at < params->size()) return &(*params)[at];
  return nullptr;
}

static std::vector<const ast::Expr *> byInput(const ast::Decl &decl, const ast::Expr &e) {
  std::vector<const ast::Expr *> out(decl.inputs.size(), nullptr);
  for (size_t i = 0; i < e.args.size(); ++i) {
    bool named = i < e.argNames.size() && !e.argNames[i].text.empty();
    size_t at = named ? positionOf(decl.inputs, e.argNames[i].text) : i;
    if (at < out.size()) out[at] = e.args[i].get();
  }
  return out; // what is wrong is reported when the call is elaborated
}

/// The caller's condition in the place of one of the callee's; null where it names nothing.
ClockCondition *Body::conditionOfCall(const ast::Expr &e, const ast::Decl &decl, const ast::ClockExpr &clock) {
  if (!clock.condition || clock.condition->kind != ast::ExprKind::Name) return nullptr;
  std::string_view formal = clock.condition->text;
  ClockCondition &c = clocks.newCondition();
  c.span = e.span;
  c.scope = scope;
  c.value = clock.kind == ast::ClockExpr::Kind::When;
  if (clock.kind == ast::ClockExpr::Kind::WhenIs) {
    c.constructor = clock.constructor.text;
    if (size_t dot = c.constructor.rfind('.'); dot != std::string::npos) c.constructor.erase(0, dot + 1);
  }
  size_t input = positionOf(decl.inputs, formal), output = positionOf(decl.outputs, formal);
  if (input < decl.inputs.size()) {
    const ast::Expr *given = byInput(decl, e)[input];
    if (!given) return nullptr;
    c.expr = c.constructor.empty() ? &selectorOf(*given, c.value) : given;
    c.key = canonical(*c.expr);
    c.selectorShown = text(*c.expr);
  } else if (output < decl.outputs.size()) {
    bool direct = inferring && inferring->expr == &e && inferring->targets.size() == decl.outputs.size();
    c.output = static_cast<int>(output);
    c.key = direct ? variableKey(inferring->targets[output])
                   : fmt::format("output {} of {}", output, static_cast<const void *>(&e));
    c.isSymbol = direct;
    if (direct) c.symbol = inferring->targets[output];
    c.selectorShown = direct ? std::string(symbols[c.symbol].name) : std::string(formal);
  } else {
    return nullptr;
  }
  c.shown = (c.constructor.empty() && !c.value ? "not " : "") + c.selectorShown;
  if (!c.constructor.empty()) c.shown += " == " + c.constructor;
  return &c;
}

/// `every r` of a call on the clock `mark.operand`, which is that of the argument `first` if there is one.
void Body::markReset(const ast::Expr &e, ClockMark &mark, const ast::Expr *first) {
  ClockTerm *t = clockOf(*e.every);
  if (t && !clocks.unify(mark.operand, t)) reportClocks(e, first ? first : &e, mark.operand, e.every.get(), t);
  ClockCondition &c = clocks.newCondition();
  c.kind = Clock::Kind::Reset;
  c.expr = e.every.get();
  c.scope = scope;
  c.span = e.every->span;
  c.selectorShown = text(*e.every);
  mark.condition = &c;
}

/// `f(x) every r` where f is a static parameter, whose inputs and outputs are on one clock.
ClockTerm *Body::clockOfResetParameter(const ast::Expr &e) {
  std::vector<const ast::Expr *> operands;
  for (const ast::ExprPtr &arg : e.args) operands.push_back(arg.get());
  ClockMark mark;
  mark.operand = combine(e, operands);
  if (!mark.operand) mark.operand = clocks.unknown(scope);
  markReset(e, mark, operands.empty() ? nullptr : operands[0]);
  mark.each.assign(e.args.size(), mark.operand);
  ClockTerm *result = mark.operand;
  marks[&e] = std::move(mark);
  return result;
}

ClockTerm *Body::clockOfClockedCall(const ast::Expr &e, const ast::Decl &decl) {
  ClockMark mark;
  mark.operand = clocks.unknown(scope);
  std::map<const ast::Param *, ClockTerm *> known;
  std::function<ClockTerm *(const ast::Param &)> clockOfParam = [&](const ast::Param &p) -> ClockTerm * {
    if (!p.clock) return mark.operand;
    auto [at, isNew] = known.try_emplace(&p, mark.operand);
    if (!isNew) return at->second;
    // A period may need the static parameters of the call: it follows when they are known.
    ClockCondition *c = p.clock->period ? nullptr : conditionOfCall(e, decl, *p.clock);
    if (!c) return known[&p] = clocks.unknown(scope);
    const ast::Param *selector = parameterNamed(decl, p.clock->condition->text);
    ClockTerm *above = selector ? clockOfParam(*selector) : mark.operand;
    mark.conditions.push_back(c);
    mark.above.push_back(above);
    return known[&p] = clocks.on(above, c);
  };
  std::vector<const ast::Expr *> args = byInput(decl, e);
  const ast::Expr *first = nullptr;
  for (size_t i = 0; i < args.size(); ++i) {
    ClockTerm *wanted = clockOfParam(decl.inputs[i]);
    mark.each.push_back(wanted);
    ClockTerm *t = args[i] ? clockOf(*args[i]) : nullptr;
    if (!t || clocks.unify(wanted, t)) {
      if (t && !first && !decl.inputs[i].clock) first = args[i];
      continue;
    }
    if (!decl.inputs[i].clock && first) reportClocks(e, first, wanted, args[i], t);
    else
      reportPosition(*args[i], t, wanted,
                     fmt::format("the input `{}` of `{}` gets a stream that is present at other instants",
                                 decl.inputs[i].name.text, decl.name.text),
                     describeClock(wanted));
  }
  for (const ast::Param &p : decl.outputs) mark.results.push_back(clockOfParam(p));
  if (e.every) {
    markReset(e, mark, first);
    for (const ast::Param &p : decl.outputs) {
      if (!p.clock) continue;
      Diagnostic &d = error(kinds::clockMismatch, e.span,
                            fmt::format("the output `{}` is slower than the call, which is reset", p.name.text),
                            "reset here");
      d.labels.push_back({p.name.span, "declared here", false});
      d.notes.push_back("no stream slower than the clock of a reset leaves it: its instants would depend on it");
    }
  }
  ClockTerm *result = mark.results.size() == 1 ? mark.results[0] : mark.operand;
  marks[&e] = std::move(mark);
  return result;
}

/// The periods of the callee's clocks, now that its static parameters are known.
void Body::finishCallClocks(const ast::Expr &e, const Signature &callee, ClockMark &mark) {
  Reporter quiet = report;
  StaticEvaluator evaluator(checker, callee.env, quiet, report.isQuiet());
  auto finish = [&](const ast::Param &p, ClockTerm *&t, const ast::Expr &where) {
    if (!p.clock || !p.clock->period) return;
    auto period = evaluator.size(*p.clock->period);
    auto phase = p.clock->phase ? evaluator.size(*p.clock->phase) : period;
    if (!period || !phase) return;
    ClockCondition &c = clocks.newCondition();
    c.kind = Clock::Kind::Every;
    c.period = *period;
    c.phase = p.clock->phase ? *phase : *period - 1;
    c.span = p.name.span;
    if (c.period < 1 || c.phase < 0 || c.phase >= c.period) return; // reported in the callee
    c.shown = c.selectorShown = c.phase == c.period - 1 ? fmt::format("every {}", c.period)
                                                        : fmt::format("every {} at {}", c.period, c.phase);
    ClockTerm *is = clocks.on(mark.operand, &c);
    if (!clocks.unify(t, is))
      reportPosition(where, t, is, fmt::format("`{}` of `{}` is on another clock", p.name.text, callee.decl->name.text),
                     describeClock(is));
    else t = is; // directly below the clock of the instance, whatever chain the caller's variable is on
  };
  std::vector<const ast::Expr *> args = byInput(*callee.decl, e);
  for (size_t i = 0; i < args.size(); ++i)
    if (args[i]) finish(callee.decl->inputs[i], mark.each[i], *args[i]);
  for (size_t i = 0; i < mark.results.size(); ++i) finish(callee.decl->outputs[i], mark.results[i], e);
}

/// What a clocked input gets: the callee looks at it at its instants only, so that any value does between them.
Value Body::presentAlways(Value v, ClockTerm *clock) {
  for (Value &part : v.parts) part = presentAlways(std::move(part), clock);
  if (!v.plain() || v.expr->kind == ExprKind::Const) return v;
  ClockTerm *before = here;
  for (clock = ClockSolver::find(clock); clock->kind == ClockTerm::Kind::On && !ClockSolver::equal(clock, before);) {
    here = ClockSolver::find(clock->parent);
    v = holdValue(v, plain(makeConst(Array(v.type()), v.expr->span)), clock, v.expr->span);
    clock = here;
  }
  here = before;
  return v;
}

/// Whether the expression contains an index of the comprehensions around it.
bool Body::mentionsIndex(const ast::Expr &e) const {
  bool found = false;
  walk(&e, [&](const ast::Expr &part) {
    for (const Comprehended &c : comprehended) found |= part.kind == ast::ExprKind::Name && part.text == c.name;
  });
  return found;
}

/// In a comprehension all instances have the same clocks: nothing that selects one may depend on the indices.
bool Body::sharesClocks(const ast::Expr &e, const ast::Decl &decl, const ClockMark &mark) {
  auto refuse = [&](Span span, std::string title, std::string label) {
    Diagnostic &d = error(kinds::clockMismatch, span, std::move(title), std::move(label));
    d.labels.push_back({decl.name.span, "declared here", false});
    d.notes.push_back("all elements of a tensor are present at the same instants");
    return false;
  };
  for (const ClockCondition *c : mark.conditions) {
    if (c && c->output >= 0)
      return refuse(e.nameSpan,
                    fmt::format("an output of `{}` is on a clock that each instance has for itself", decl.name.text),
                    fmt::format("present when its own `{}`", c->shown));
    if (c && c->expr && mentionsIndex(*c->expr))
      return refuse(c->expr->span, fmt::format("the clock of an instance of `{}` depends on its index", decl.name.text),
                    "selects the instants of one instance");
  }
  return true;
}

/// `f(x[b]) every r[b]`: each instance is reset for itself, by an argument of its own. Outputs have no clocks here.
Value Body::resetInstances(PreparedCall &call, const ast::Expr &e, ClockMark &mark) {
  Expr *condition = nullptr;
  if (!elabScalarCondition(*mark.condition->expr, "the condition of a reset", condition)) return Value();
  std::vector<const Expr *> args;
  std::vector<Type> inputs, outputs;
  for (const Value &arg : call.args) flatten(arg, args);
  for (const Expr *arg : args) inputs.push_back(arg->type);
  for (const Ty &ty : call.signature.outputs) leafTypes(ty, outputs);
  NodeInstance *callee = call.instance;
  call.instance = checker.resettable(*callee, inputs, outputs);
  checker.noteCall(instance, *call.instance);
  call.args.push_back(plain(condition));
  args.push_back(condition);
  return hoistCall(call, e, freeIndices(args));
}

/// The call on hidden variables, on the clock of the instance or in a reset region of its own.
Value Body::clockedCall(PreparedCall &call, const ast::Expr &e, ClockMark &mark) {
  const ast::Decl &decl = *call.signature.decl;
  if (!comprehended.empty() && !sharesClocks(e, decl, mark)) return Value();
  ClockTerm *before = here;
  here = mark.operand;
  for (size_t i = 0; i < call.args.size(); ++i)
    call.args[i] = decl.inputs[i].clock ? presentAlways(std::move(call.args[i]), mark.each[i])
                                        : onVariable(std::move(call.args[i]), mark.operand);
  if (mark.condition && mentionsIndex(*mark.condition->expr)) {
    Value result = resetInstances(call, e, mark);
    here = before;
    return result;
  }
  if (mark.condition) {
    if (!elabSelector(*mark.condition, mark.operand)) {
      here = before;
      return Value();
    }
    here = clocks.on(mark.operand, mark.condition);
  }
  for (size_t i = 0; i < mark.conditions.size(); ++i)
    if (ClockCondition *c = mark.conditions[i]; c->output < 0 && !elabSelector(*c, mark.above[i])) {
      here = before;
      return Value();
    }
  std::vector<const Expr *> args;
  for (const Value &arg : call.args) flatten(arg, args);
  Value result = hoistCall(call, e, freeIndices(args));
  if (result.unknown()) {
    here = before;
    return result;
  }
  const std::vector<VarId> targets = unit->equations.back().targets;
  auto target = targets.begin();
  for (size_t i = 0; i < mark.results.size(); ++i) {
    std::vector<const Expr *> leaves;
    flatten(mark.results.size() == 1 ? result : result.parts[i], leaves);
    for (size_t leaf = 0; leaf < leaves.size(); ++leaf, ++target)
      if (decl.outputs[i].clock) setClock(*target, mark.results[i]);
  }
  for (ClockCondition *c : mark.conditions)
    if (c->output >= 0 && !c->isSymbol) {
      const Value &v = call.signature.outputs.size() == 1 ? result : result.parts[static_cast<size_t>(c->output)];
      if (v.plain() && v.expr->kind == ExprKind::Var) c->selector = v.expr->var;
    }
  here = before;
  return result;
}

} // namespace mlr::checking
