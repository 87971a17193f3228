// Clock inference on the text of a body, before its types: every variable gets the clock of its definition, and
// every expression that changes clocks a mark that elaboration follows.
#include "mlr/Check/AstWalk.h"
#include "mlr/Check/Body.h"

#include <algorithm>
#include <fmt/format.h>

namespace mlr::checking {

/// Callees before callers of variables, so that most clocks are known where they are read; an explicit stack.
std::vector<Unit *> Body::clockOrder() {
  std::unordered_map<const Unit *, std::vector<Unit *>> sources;
  for (Unit &u : units) {
    scope = u.scope;
    std::vector<Unit *> &of = sources[&u];
    walk(u.expr, [&](const ast::Expr &e) {
      const SymbolId *id = variableRead(e);
      if (id && symbols[*id].definition) of.push_back(symbols[*id].definition);
    });
  }
  std::vector<Unit *> order;
  std::unordered_map<const Unit *, size_t> next;
  for (Unit &root : units) {
    std::vector<Unit *> stack;
    auto open = [&](Unit *u) {
      if (next.emplace(u, 0).second) stack.push_back(u);
    };
    for (open(&root); !stack.empty();) {
      Unit *u = stack.back();
      size_t &at = next[u];
      if (at < sources[u].size()) {
        open(sources[u][at++]);
        continue;
      }
      order.push_back(u);
      stack.pop_back();
    }
  }
  return order;
}

void Body::inferClocks() {
  for (auto &[block, clock] : blocks) inferBlock(*block, *clock);
  for (Unit *u : clockOrder()) inferUnit(*u);
  inferring = nullptr;
  for (SymbolId id = 0; id < symbols.size(); ++id) {
    scope = symbols[id].scope;
    clockOf(id);
    for (VarId leaf : symbols[id].leaves) setClock(leaf, symbols[id].clock);
  }
}

/// Where a condition reads what another block defines, that one comes first; a circle is one of causality.
void Body::inferBlock(Scope &block, const ast::ClockExpr &clock) {
  if (block.base) return;
  Scope *before = scope;
  scope = block.parent;
  ClockTerm *open = clocks.unknown(block.parent);
  block.base = open;
  ClockTerm *base = onCondition(clock, block.outer);
  if (block.kind == Scope::Kind::Reset && base->condition) { // a value, which `not` in front does not turn round
    ClockCondition &c = *base->condition;
    c.kind = Clock::Kind::Reset;
    c.expr = clock.condition.get();
    c.key = canonical(*c.expr);
    c.shown = c.selectorShown = text(*c.expr);
  }
  clocks.unify(open, base);
  block.base = base;
  scope = before;
}

ClockTerm *Body::baseOf(Scope &block) {
  for (auto &[other, clock] : blocks)
    if (!block.base && other == &block) inferBlock(block, *clock);
  return block.base;
}

// ---- statements ------------------------------------------------------------------------------------------

/// Whether a parameter can be the condition of another one's clock: a bool, or an enum with that constructor.
bool Body::selectsByType(const Symbol &selector, const ast::ClockExpr &clock) {
  const Ty &ty = selector.ty;
  if (ty.kind == Ty::Kind::Unknown) return false; // reported
  bool isEnum = ty.kind == Ty::Kind::Plain && ty.nominal && ty.type.isScalar();
  bool isCondition = ty.kind == Ty::Kind::Plain && !ty.nominal && ty.type == Type{Scalar::Bool, {}};
  if (clock.kind == ast::ClockExpr::Kind::WhenIs && isEnum) return constructorOf(*ty.nominal, clock.constructor).has_value();
  if (clock.kind != ast::ClockExpr::Kind::WhenIs && isCondition) return true;
  bool wantsEnum = clock.kind == ast::ClockExpr::Kind::WhenIs;
  Diagnostic &d = error(kinds::typeMismatch, clock.condition->span,
                        fmt::format("the condition of a clock must be {}, but `{}` is {}", wantsEnum ? "an enum" : "one bool",
                                    selector.name, toString(ty)),
                        toString(ty));
  d.labels.push_back({selector.span, "declared here", false});
  return false;
}

/// That of the condition of a parameter's clock, which is a parameter itself. Null: an error was reported.
ClockTerm *Body::clockAbove(const Symbol &symbol) {
  const ast::ClockExpr &clock = *symbol.declaredClock;
  if (!clock.condition) return scopes.front().base;
  const SymbolId *id = clock.condition->kind == ast::ExprKind::Name ? lookup(clock.condition->text) : nullptr;
  if (!id || !symbols[*id].isParameter) {
    Diagnostic &d = error(kinds::clockMismatch, clock.condition->span,
                          fmt::format("the clock of `{}` is no input or output", symbol.name), "shows outside");
    d.notes.push_back("a caller knows the instants of a stream by the inputs and outputs of the node");
    if (!id || clock.condition->kind != ast::ExprKind::Name)
      d.helps.push_back(fmt::format("make it an output:  `c: bool, {}: {} when c`", symbol.name, toString(symbol.ty)));
    return nullptr;
  }
  if (!selectsByType(symbols[*id], clock)) return nullptr;
  // One that a reset block defines is read outside of it.
  ClockTerm *above = seenFrom(clockOf(*id), symbols[*id].scope, &scopes.front(), clock.condition.get());
  if (ClockSolver::root(above) != ClockSolver::find(symbol.clock)) return above;
  Diagnostic &d = error(kinds::clockMismatch, clock.span, fmt::format("the clock of `{}` is that of itself", symbol.name),
                        "leads back");
  d.labels.push_back({symbols[*id].span, "declared here", false});
  return nullptr;
}

/// The caller of a step gives the inputs before it: what selects their instants is among them.
void Body::checkInputClock(const Symbol &symbol) {
  const ast::Expr *selector = symbol.declaredClock->condition.get();
  const SymbolId *by = selector && selector->kind == ast::ExprKind::Name ? lookup(selector->text) : nullptr;
  if (symbol.kind != Var::Kind::Input || !by || symbols[*by].kind != Var::Kind::Output) return;
  Diagnostic &d = error(kinds::clockMismatch, selector->span,
                        fmt::format("the clock of the input `{}` is an output", symbol.name), "known only after the step");
  d.labels.push_back({symbol.span, "has to be given before it", false});
}

ClockTerm *Body::clockOf(SymbolId id) {
  Symbol &symbol = symbols[id];
  if (symbol.clock) return symbol.clock;
  symbol.clock = clocks.unknown(symbol.scope);
  if (symbol.kind == Var::Kind::ScanIndex) symbol.clock = symbol.scope->base;
  ClockTerm *declared = symbol.isParameter ? scopes.front().base : nullptr;
  if (symbol.declaredClock) {
    Scope *before = scope;
    scope = symbol.isParameter ? &scopes.front() : symbol.scope;
    ClockTerm *parent = symbol.isParameter ? clockAbove(symbol) : clocks.unknown(symbol.scope);
    declared = parent ? onCondition(*symbol.declaredClock, parent) : clocks.faulty(scope);
    symbol.declaredTerm = declared;
    checkInputClock(symbol);
    scope = before;
  }
  if (!declared) return symbol.clock;
  // A block may define what is declared outside: reset blocks hide their clock.
  ClockTerm *outside = symbol.clock;
  const Scope *reset = nullptr;
  for (Scope *s = symbol.scope; symbol.isParameter && s != &scopes.front(); s = s->parent) {
    if (s->kind != Scope::Kind::Reset) continue;
    clocks.unify(outside, baseOf(*s));
    outside = s->outer;
    reset = s;
  }
  if (clocks.unify(outside, declared)) return symbol.clock;
  if (reset && ClockSolver::find(outside)->kind != ClockTerm::Kind::Unknown) {
    symbol.clock = clocks.faulty(symbol.scope);
    Diagnostic &d = error(kinds::clockMismatch, symbol.span, "a stream slower than the clock of a `reset` block leaves it", describeClock(declared));
    if (symbol.definition && symbol.definition->expr) d.labels.push_back({symbol.definition->expr->span, "defined in the block", false});
    d.notes.push_back("its instants would depend on the resets");
    return symbol.clock;
  }
  if (ClockSolver::find(outside)->kind == ClockTerm::Kind::Unknown)
    error(kinds::clockMismatch, symbol.span, fmt::format("the clock of `{}` is that of itself", symbol.name),
          fmt::format("present only when `{}`, which is present only when `{}` is",
                      text(*symbol.declaredClock->condition), symbol.name));
  return symbol.clock;
}

void Body::inferUnit(Unit &u) {
  inferring = &u;
  scope = u.scope;
  Scope &time = u.scope->ofTime();
  if (u.kind == Unit::Kind::Scan || u.kind == Unit::Kind::Condition) return;
  if (u.kind == Unit::Kind::Equation) return inferTargets(u);
  // What leaves a scan, and its condition, are of its base clock.
  ClockTerm *found = clockOf(*u.expr);
  u.clock = time.base;
  if (found && u.scope != &time) found = seenFrom(found, u.scope, &time, u.expr);
  if (found && !clocks.unify(found, time.base))
    reportPosition(*u.expr, found, time.base,
                   u.kind == Unit::Kind::Until ? "the condition of `until` is absent at some instants of the scan"
                                               : "a result of a scan is absent at some of its instants",
                   "needed at every instant of the scan");
  for (SymbolId id : u.targets) clocks.unify(clockOf(id), time.outer);
}

/// Of an equation, component by component where both sides are written as tuples.
void Body::inferTargets(Unit &u) {
  const ast::Expr &e = *u.expr;
  std::vector<ClockTerm *> found(u.targets.size(), nullptr);
  std::vector<const ast::Expr *> where(u.targets.size(), &e);
  if (e.kind == ast::ExprKind::Tuple && e.args.size() == u.targets.size() && u.targets.size() > 1) {
    for (size_t i = 0; i < found.size(); ++i) found[i] = clockOf(*e.args[i]), where[i] = e.args[i].get();
    ClockMark &mark = marks[&e];
    for (SymbolId id : u.targets) mark.each.push_back(clockOf(id));
  } else {
    ClockTerm *all = clockOf(e);
    const ast::Expr *call = &e; // or a comprehension over one
    while (call->kind == ast::ExprKind::Comprehension) call = call->args[0].get();
    auto mark = marks.find(call);
    bool several = mark != marks.end() && mark->second.results.size() == found.size() && found.size() > 1;
    for (size_t i = 0; i < found.size(); ++i) found[i] = several ? mark->second.results[i] : all;
  }
  for (size_t i = 0; i < found.size(); ++i) {
    ClockTerm *target = clockOf(u.targets[i]);
    // The target's clock as the equation, inside blocks that it may stand in, sees it.
    if (found[i] && !clocks.unify(target, found[i])) reportDefinedClock(u, u.targets[i], found[i], *where[i]);
  }
  u.clock = u.targets.empty() ? clocks.unknown(u.scope) : clockOf(u.targets[0]);
  if (u.targets.empty() && found.empty()) // a monitor
    if (ClockTerm *t = clockOf(e)) u.clock = t;
}

// ---- expressions -----------------------------------------------------------------------------------------

/// The clock of an expression in `scope`; null: a constant, which has every clock.
ClockTerm *Body::clockOf(const ast::Expr &e) {
  using K = ast::ExprKind;
  switch (e.kind) {
  case K::Number:
  case K::String:
  case K::Bool: return nullptr;
  case K::Name: return clockOfName(e, e.text);
  case K::When: return clockOfWhen(e);
  case K::MergeBool:
  case K::MergeEnum: return clockOfMerge(e);
  case K::Unary:
    if (e.op == ast::Op::Last) return clockOfName(e, "last " + e.text);
    if (e.op == ast::Op::Final || e.op == ast::Op::Initial) {
      ClockTerm *t = clockOf(*e.args[0]);
      if (t && scope->ofTime().time && !clocks.unify(t, scope->ofTime().base))
        reportPosition(e, t, scope->ofTime().base, "an end value of a stream that is absent at some instants",
                       "needed at every instant of the scan");
      return nullptr;
    }
    break;
  case K::Call:
    if (const ast::Decl *decl = calledDeclaration(e)) return clockOfCall(e, *decl);
    if (const StaticValue *f = e.every ? env.find(e.text) : nullptr; f && f->kind == StaticValue::Kind::Function)
      return clockOfResetParameter(e);
    if (e.text == "hold" && e.args.size() == 2) return clockOfHold(e);
    if (e.text == "pack" && !e.args.empty()) return clockOfPack(e);
    if (e.text == "unpack") return clockOfUnpack(e);
    break;
  default: break;
  }
  std::vector<const ast::Expr *> operands;
  for (const ast::ExprPtr &arg : e.args) operands.push_back(arg.get());
  for (const ast::Index &index : e.indices) {
    if (index.a) operands.push_back(index.a.get());
    if (index.b) operands.push_back(index.b.get());
  }
  for (const ast::For &f : e.fors) indexNames.push_back(f.index.text);
  ClockTerm *result = combine(e, operands);
  indexNames.resize(indexNames.size() - e.fors.size());
  return result;
}

/// Streams combine only on equal clocks.
ClockTerm *Body::combine(const ast::Expr &e, const std::vector<const ast::Expr *> &operands) {
  ClockTerm *all = nullptr;
  const ast::Expr *first = nullptr;
  bool reported = false;
  for (const ast::Expr *operand : operands) {
    ClockTerm *t = clockOf(*operand);
    if (!t) continue;
    if (!all) all = t, first = operand;
    else if (!clocks.unify(all, t) && !reported) reportClocks(e, first, all, operand, t), reported = true;
  }
  return reported ? clocks.faulty(scope) : all; // one cause, one error
}

ClockTerm *Body::clockOfName(const ast::Expr &e, std::string_view name) {
  for (std::string_view index : indexNames)
    if (index == name) return nullptr;
  const SymbolId *id = lookup(name);
  return id ? seenFrom(clockOf(*id), symbols[*id].scope, scope, &e) : nullptr;
}

/// A variable's clock as a reader sees it: reset blocks hide theirs, the enclosing clock of a block is sampled
/// in it, and everything around a scan is a constant in it.
ClockTerm *Body::seenFrom(ClockTerm *t, Scope *from, Scope *to, const ast::Expr *at) {
  auto isAround = [](const Scope *outer, const Scope *inner) {
    while (inner && inner != outer) inner = inner->parent;
    return inner == outer;
  };
  for (; !isAround(from, to); from = from->parent) {
    if (from->kind == Scope::Kind::Time) return nullptr;
    if (from->kind != Scope::Kind::Reset) continue;
    if (ClockTerm *base = baseOf(*from); !clocks.unify(t, base))
      reportPosition(*at, t, base, "a stream slower than the clock of a `reset` block leaves it",
                     "defined in the block");
    t = from->outer;
  }
  std::vector<Scope *> path;
  for (; to != from; to = to->parent) path.push_back(to);
  for (; !path.empty(); path.pop_back()) {
    Scope &inner = *path.back();
    if (inner.kind != Scope::Kind::Time) {
      t = enter(t, inner, at);
      continue;
    }
    if (!clocks.unify(t, inner.outer))
      reportPosition(*at, t, inner.outer, "the scan needs values that are present at different instants",
                     "read inside the scan");
    return nullptr;
  }
  return t;
}

// ---- operators that change clocks ------------------------------------------------------------------------

ClockTerm *Body::clockOfWhen(const ast::Expr &e) {
  ClockTerm *operand = clockOf(*e.args[0]);
  bool isConstant = !operand;
  if (isConstant) operand = clocks.unknown(scope);
  const ast::ClockExpr &clock = *e.clock;
  if (clock.condition) {
    ClockTerm *t = clockOf(*clock.condition);
    if (t && !clocks.unify(operand, t)) {
      reportClocks(e, e.args[0].get(), operand, clock.condition.get(), t);
      return clocks.faulty(scope);
    }
  }
  ClockMark mark;
  mark.operand = operand;
  mark.condition = condition(clock);
  if (!mark.condition) return clocks.faulty(scope);
  marks[&e] = mark;
  return clocks.on(operand, mark.condition);
}

ClockTerm *Body::clockOfMerge(const ast::Expr &e) {
  const ast::Expr &selector = *e.args[0];
  ClockTerm *parent = clockOf(selector);
  if (!parent) parent = clocks.unknown(scope);
  ClockMark mark;
  mark.operand = parent;
  for (size_t i = 1; i < e.args.size(); ++i) {
    ClockCondition &c = clocks.newCondition();
    bool isBool = e.kind == ast::ExprKind::MergeBool;
    c.value = i == 1;
    c.expr = isBool ? &selectorOf(selector, c.value) : &selector;
    c.key = canonical(*c.expr);
    c.span = selector.span;
    c.selectorShown = text(*c.expr);
    c.scope = scope;
    if (isBool) {
      c.shown = (i == 1 ? "" : "not ") + text(selector);
    } else {
      c.constructor = e.argNames[i - 1].text;
      c.shown = c.selectorShown + " == " + c.constructor;
      if (c.constructor.starts_with("#")) c.shown = fmt::format("in state {}", checker.sources.text(e.argNames[i - 1].span));
      if (size_t dot = c.constructor.rfind('.'); dot != std::string::npos) c.constructor.erase(0, dot + 1);
      c.span = e.argNames[i - 1].span;
    }
    ClockTerm *arm = clocks.on(parent, &c);
    ClockTerm *found = clockOf(*e.args[i]);
    if (found && !clocks.unify(found, arm))
      reportPosition(*e.args[i], found, arm, fmt::format("an operand of `merge` is not present when `{}`", c.shown),
                     fmt::format("needed when `{}`", c.shown));
    mark.each.push_back(arm);
    mark.conditions.push_back(&c);
  }
  marks[&e] = mark;
  return parent;
}

ClockTerm *Body::clockOfHold(const ast::Expr &e) {
  ClockTerm *operand = clockOf(*e.args[0]);
  ClockMark mark;
  mark.operand = operand ? operand : clocks.unknown(scope);
  ClockTerm *result = clocks.unknown(scope);
  Later hold{Later::Kind::Hold, mark.operand, result, scope, &e};
  mark.results = {result};
  marks[&e] = mark;
  if (!tryLater(hold)) later.push_back(hold);
  ClockTerm *init = clockOf(*e.args[1]);
  if (init && !clocks.unify(result, init)) reportClocks(e, &e, result, e.args[1].get(), init);
  return result;
}

/// Nodes are polymorphic in their base clock; inputs and outputs on clocks of the callee are on those of the
/// caller's variables in the place of its own.
ClockTerm *Body::clockOfCall(const ast::Expr &e, const ast::Decl &decl) {
  bool plain = true;
  for (const ast::Param &p : decl.inputs) plain &= !p.clock;
  for (const ast::Param &p : decl.outputs) plain &= !p.clock;
  std::vector<const ast::Expr *> operands;
  for (const ast::ExprPtr &arg : e.args) operands.push_back(arg.get());
  if (e.every) operands.push_back(e.every.get());
  if (plain && !e.every) {
    ClockTerm *all = combine(e, operands);
    return !all && decl.kind == ast::DeclKind::Node ? clocks.unknown(scope) : all; // its state counts instants
  }
  return clockOfClockedCall(e, decl);
}

// ---- conditions ------------------------------------------------------------------------------------------

/// canonical() of an expression that is this variable.
std::string Body::variableKey(SymbolId id) { return fmt::format("({},0,0,0 v{})", static_cast<int>(ast::ExprKind::Name), id); }

/// The text of an expression with its variables resolved: equal texts are equal streams, on one clock.
std::string Body::canonical(const ast::Expr &e) const {
  std::string out;
  bool hasState = false;
  walk(&e, [&](const ast::Expr &part) {
    out += fmt::format("({},{},{},{}", static_cast<int>(part.kind), static_cast<int>(part.op), part.args.size(),
                       part.statics.size());
    const SymbolId *id = variableRead(part);
    bool isIndex = std::find(indexNames.begin(), indexNames.end(), part.text) != indexNames.end();
    if (id && !isIndex) out += fmt::format(" v{}", *id);
    else if (!part.text.empty()) out += fmt::format(" {}:{}", part.text.size(), part.text);
    for (const ast::Name &name : part.argNames) out += fmt::format(" {}", name.text);
    for (const ast::StaticArg &arg : part.statics)
      out += fmt::format(" s{}{}{}{}", arg.name.text, arg.value != nullptr, arg.isShape, arg.shape.size());
    for (const ast::Index &index : part.indices)
      out += fmt::format(" i{}{}{}", static_cast<int>(index.kind), index.a != nullptr, index.b != nullptr);
    for (const ast::For &f : part.fors) out += fmt::format(" f{}", f.index.text);
    if (part.every) out += " e";
    if (part.clock)
      out += fmt::format(" c{}{}{}", static_cast<int>(part.clock->kind), part.clock->phase != nullptr,
                         part.clock->constructor.text);
    const ast::Decl *decl = calledDeclaration(part);
    if (decl && decl->isExtern && decl->kind == ast::DeclKind::Node)
      out += fmt::format(" {}", static_cast<const void *>(&part)); // hidden state: equal to nothing else
    out += ")";
    hasState |= remembers(part);
  });
  // State inside a reset is not that outside.
  const Scope *reset = scope;
  while (reset && reset->kind != Scope::Kind::Reset) reset = reset->kind == Scope::Kind::Time ? nullptr : reset->parent;
  return hasState && reset ? fmt::format("{} in {}", out, static_cast<const void *>(reset)) : out;
}

/// Whether the expression, apart from its parts, may have state: an operator of time, or a call of more than a fun.
bool Body::remembers(const ast::Expr &e) const {
  using O = ast::Op;
  if (e.op == O::Fby || e.op == O::Eby || e.op == O::Arrow || e.op == O::Pre) return true;
  if (e.every || (e.clock && e.clock->period)) return true;
  if (e.kind != ast::ExprKind::Call) return false;
  if (const ast::Decl *decl = calledDeclaration(e)) return decl->kind == ast::DeclKind::Node || !decl->statics.empty();
  static constexpr std::string_view keeping[] = {"window", "hold", "pack", "unpack"};
  return env.find(e.text) || std::find(std::begin(keeping), std::end(keeping), e.text) != std::end(keeping);
}

/// What selects by a condition: `not c` selects by `c` when that is false. Negates `value` as often as needed.
const ast::Expr &Body::selectorOf(const ast::Expr &condition, int64_t &value) {
  const ast::Expr *e = &condition;
  for (; e->kind == ast::ExprKind::Unary && e->op == ast::Op::Not; e = e->args[0].get()) value = !value;
  return *e;
}

ClockCondition *Body::condition(const ast::ClockExpr &clock) {
  auto [at, isNew] = conditionOf.try_emplace(&clock, nullptr);
  if (!isNew) return at->second;
  ClockCondition &c = clocks.newCondition();
  c.span = clock.span;
  c.scope = scope;
  using K = ast::ClockExpr::Kind;
  if (clock.kind == K::Every) {
    c.kind = Clock::Kind::Every;
    auto period = statics.size(*clock.period);
    if (!period) return nullptr;
    c.period = *period;
    auto phase = clock.phase ? statics.size(*clock.phase) : std::optional<int64_t>(c.period - 1);
    if (!phase) return nullptr;
    c.phase = *phase;
    c.shown = c.selectorShown = c.phase == c.period - 1 ? fmt::format("every {}", c.period)
                                                        : fmt::format("every {} at {}", c.period, c.phase);
    if (c.period >= 1 && c.phase >= 0 && c.phase < c.period) return at->second = &c;
    error(kinds::invalidSize, clock.span,
          c.period < 1 ? "the period of a clock must be at least 1"
                       : fmt::format("the phase of a clock of period {} must be 0 to {}", c.period, c.period - 1),
          fmt::format("this is {}", c.period < 1 ? c.period : c.phase));
    return nullptr;
  }
  c.value = clock.kind == K::When;
  c.expr = clock.kind == K::WhenIs ? clock.condition.get() : &selectorOf(*clock.condition, c.value);
  c.key = canonical(*c.expr);
  c.selectorShown = text(*c.expr);
  c.shown = (clock.kind == K::WhenNot ? "not " : "") + text(*clock.condition);
  if (clock.kind == K::WhenIs) {
    c.constructor = c.written = clock.constructor.text;
    c.shown += " == " + c.constructor;
    if (c.constructor.starts_with("#")) c.shown = fmt::format("in state {}", checker.sources.text(clock.constructor.span));
    if (size_t dot = c.constructor.rfind('.'); dot != std::string::npos) c.constructor.erase(0, dot + 1);
  }
  return at->second = &c;
}

/// The clock under a condition, which stands in `scope` and is itself on `parent`.
ClockTerm *Body::onCondition(const ast::ClockExpr &clock, ClockTerm *parent) {
  if (clock.condition) {
    ClockTerm *t = clockOf(*clock.condition);
    if (t && !clocks.unify(t, parent))
      reportPosition(*clock.condition, t, parent, "the condition of a clock is absent at some instants",
                     "needed at every instant of the clock above");
  }
  ClockCondition *c = condition(clock);
  return c ? clocks.on(parent, c) : clocks.faulty(scope);
}

} // namespace mlr::checking
