#include "mlr/Eval/Plan.h"

#include "mlr/Check/Instants.h"

#include <algorithm>

namespace mlr::eval {

constexpr int maxTermDepth =
    10'000; ///< evaluation recurses over one expression; some 5 MB of stack at this depth

class PlanBuilder {
public:
  PlanBuilder(Plans &plans, NodePlan &plan) : plans(plans), plan(plan), node(*plan.node) {}

  void run() {
    plan.env.assign(node.indices.size(), 0);
    plan.slotOf.assign(node.vars.size(), {nullptr, 0});
    plan.body.node = &plan;
    regionOf[nullptr] = &plan.body;
    openClocks(node.body, plan.body);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      RegionPlan &region = *regionOf[node.vars[node.inputs[i]].clock];
      Slot &slot = declare(region, node.inputs[i], Slot::Kind::Input);
      slot.part = static_cast<uint32_t>(i);
      slot.up = levels(region, plan.body);
    }
    if (node.isExtern)
      for (size_t i = 0; i < node.outputs.size(); ++i)
        declare(plan.body, node.outputs[i], Slot::Kind::Extern).result = static_cast<uint32_t>(i);
    declareRegion(node.body, plan.body);
    orderEffects(node.body, plan.body);
    fillRegion(node.body, plan.body);
    for (VarId v : node.inputs) plan.inputs.push_back(route(v, plan.body));
    for (VarId v : node.outputs) plan.outputs.push_back(output(v));
    plan.isConstant = node.isFun && node.inputs.empty();
    reachRegion(plan.body);
  }

private:
  // ---- slots
  // -----------------------------------------------------------------------------------------------

  Slot &addSlot(RegionPlan &region, const Type &type, Slot::Kind kind, Span span, std::string name) {
    Slot &slot = region.slots.emplace_back();
    slot.kind = kind;
    slot.type = type;
    slot.span = span;
    slot.name = std::move(name);
    if (!type.isScalar()) slot.tensor = static_cast<int32_t>(region.tensors++);
    return slot;
  }

  Slot &declare(RegionPlan &region, VarId v, Slot::Kind kind) {
    plan.slotOf[v] = {&region, static_cast<uint32_t>(region.slots.size())};
    return addSlot(region, node.vars[v].type, kind, node.vars[v].span, node.vars[v].name);
  }

  /// The regions of all clocks of one time, so that inputs and results of calls find theirs.
  void openClocks(const Region &body, RegionPlan &region) {
    for (const Equation &equation : body.equations)
      if (equation.kind == Equation::Kind::Clock) region.clocks.push_back({equation.clock.get(), {}, {}, {}});
    for (size_t i = 0; i < region.clocks.size(); ++i) {
      ClockPlan &clock = region.clocks[i];
      clock.body = std::make_unique<RegionPlan>();
      RegionPlan &inner = *clock.body;
      inner.node = &plan;
      inner.parent = &region;
      inner.clock = clock.clock;
      inner.number = static_cast<uint32_t>(i);
      inner.time = region.time;
      regionOf[clock.clock] = &inner;
      openClocks(clock.clock->body, inner);
    }
  }

  /// All variables first: equations are unordered.
  void declareRegion(const Region &body, RegionPlan &region) {
    size_t clock = 0;
    for (const Equation &equation : body.equations) {
      switch (equation.kind) {
      case Equation::Kind::Define: declare(region, equation.targets[0], Slot::Kind::Term); break;
      case Equation::Kind::Call: declareCall(equation, region); break;
      case Equation::Kind::Scan: declareScan(*equation.scan, region); break;
      case Equation::Kind::Clock: declareRegion(equation.clock->body, *region.clocks[clock++].body); break;
      case Equation::Kind::Monitor: break;
      }
    }
  }

  void declareCall(const Equation &equation, RegionPlan &region) {
    for (size_t i = 0; i < equation.targets.size(); ++i) {
      const Clock *clock = node.vars[equation.targets[i]].clock;
      RegionPlan &home = clock == region.clock ? region : *regionOf[clock];
      Slot &slot = declare(home, equation.targets[i], Slot::Kind::CallResult);
      slot.part = static_cast<uint32_t>(region.calls.size());
      slot.result = static_cast<uint32_t>(i);
      slot.up = levels(home, region);
    }
    CallPlan &call = region.calls.emplace_back();
    call.equation = &equation;
    call.callee = &plans.of(*equation.callee);
    call.first = region.instances;
    for (IndexId i : equation.each) call.instances *= static_cast<uint32_t>(node.indices[i].size);
    region.instances += call.instances;
    region.remembers |= call.callee->body.remembers;
  }

  void declareScan(const ScanTime &scan, RegionPlan &region) {
    for (size_t i = 0; i < scan.results.size(); ++i) {
      Slot &slot = declare(region, scan.results[i].var, Slot::Kind::ScanResult);
      slot.part = static_cast<uint32_t>(region.scans.size());
      slot.result = static_cast<uint32_t>(i);
    }
    ScanPlan &scanPlan = region.scans.emplace_back();
    scanPlan.scan = &scan;
    scanPlan.body = std::make_unique<RegionPlan>();
    RegionPlan &body = *scanPlan.body;
    body.node = &plan;
    body.parent = &region;
    body.time = &scan;
    openClocks(scan.body, body);
    plan.slotOf[scan.index] = {&body, 0}; // read as the instant itself
    declareRegion(scan.body, body);
    orderEffects(scan.body, body);
  }

  // ---- effects

  void orderEffects(const Region &body, RegionPlan &time) {
    collectEffects(body, time, time);
    std::sort(time.effects.begin(), time.effects.end(), [](const EffectPlan &a, const EffectPlan &b) { return a.order < b.order; });
  }

  void collectEffects(const Region &body, RegionPlan &region, RegionPlan &time) {
    uint32_t call = 0, scan = 0, clock = 0;
    for (const Equation &equation : body.equations) {
      bool isScan = equation.kind == Equation::Kind::Scan;
      if (equation.kind == Equation::Kind::Clock) collectEffects(equation.clock->body, *region.clocks[clock++].body, time);
      if (equation.kind != Equation::Kind::Call && !isScan) continue;
      uint32_t part = isScan ? scan++ : call++;
      if (!equation.order) continue;
      EffectPlan effect{equation.order, {}, isScan, part};
      for (const RegionPlan *r = &region; r != &time; r = r->parent) effect.route.down.insert(effect.route.down.begin(), r->number);
      time.effects.push_back(std::move(effect));
    }
  }

  // ---- terms
  // -----------------------------------------------------------------------------------------------

  void fillRegion(const Region &body, RegionPlan &region) {
    size_t call = 0, scan = 0, clock = 0;
    for (const Equation &equation : body.equations) {
      switch (equation.kind) {
      case Equation::Kind::Define: {
        const Term *term = build(*equation.value, region, 0);
        region.slots[plan.slotOf[equation.targets[0]].second].term = term;
        break;
      }
      case Equation::Kind::Call:
        for (const Expr *arg : equation.args) {
          const Term *term = argument(*arg, region);
          region.calls[call].args.push_back(term);
        }
        ++call;
        break;
      case Equation::Kind::Scan: fillScan(region.scans[scan++]); break;
      case Equation::Kind::Clock: fillClock(region.clocks[clock++], region); break;
      case Equation::Kind::Monitor: {
        int32_t slot = slotFor(*build(*equation.value, region, 0), region, "a monitor");
        region.monitors.push_back({&equation, static_cast<uint32_t>(slot)});
        break;
      }
      }
    }
  }

  void fillClock(ClockPlan &clockPlan, RegionPlan &around) {
    const Clock &clock = *clockPlan.clock;
    if (clock.kind != Clock::Kind::Every) clockPlan.selector = variable(clock.selector, around);
    fillRegion(clock.body, *clockPlan.body);
    clockPlan.isNumbered = clock.kind == Clock::Kind::Every || clockPlan.body->remembers;
    around.remembers |= clockPlan.isNumbered;
  }

  void fillScan(ScanPlan &scanPlan) {
    const ScanTime &scan = *scanPlan.scan;
    RegionPlan &body = *scanPlan.body;
    fillRegion(scan.body, body);
    if (scan.resume) body.parent->remembers = true;
    if (scan.until) scanPlan.until = slotFor(*build(*scan.until, body, 0), body, "until");
    for (const ScanResult &result : scan.results)
      scanPlan.values.push_back(
          result.value ? slotFor(*build(*result.value, body, 0), body, node.vars[result.var].name) : -1);
  }

  /// The slot that remembers a term: the variable's own, or a new one.
  int32_t slotFor(const Term &term, RegionPlan &region, const std::string &name) {
    if (term.kind == ExprKind::Var && term.up == 0 && !term.isTime) return static_cast<int32_t>(term.slot);
    Slot &slot = addSlot(region, term.expr->type, Slot::Kind::Term, term.expr->span, "a value of " + name);
    slot.term = &term;
    return static_cast<int32_t>(region.slots.size() - 1);
  }

  /// Gives an operand that other instants ask for a slot, unless it is at hand there or depends on an index.
  void keep(Term &term, RegionPlan &region, const char *name) {
    bool atHand = term.kind == ExprKind::Var || term.kind == ExprKind::Const;
    if (!atHand && term.free.empty()) term.kept = slotFor(term, region, name);
  }

  Term *build(const Expr &e, RegionPlan &region, int depth) {
    Term &term = plan.terms.emplace_back();
    term.expr = &e;
    term.kind = e.kind;
    term.op = e.op;
    term.scalar = e.type.scalar;
    term.isScalar = e.type.isScalar();
    term.elements = e.type.elements();
    if (depth > maxTermDepth) {
      plans.refusal = "an expression is nested too deeply for the interpreter";
      term.kind = ExprKind::Const;
      return &term;
    }
    bool binds = e.kind == ExprKind::Build || e.kind == ExprKind::Reduce;
    if (binds) bound += e.indices.size();
    std::vector<Term *> args;
    RegionPlan *inside = &region; // end values are those of the scan, whatever clock they are read on
    bool isEnd = e.kind == ExprKind::Final || e.kind == ExprKind::Initial || e.kind == ExprKind::Count;
    for (; isEnd && inside->clock; inside = inside->parent) ++term.up;
    for (size_t i = 0; i < e.args.size(); ++i)
      args.push_back(isOnOtherClock(e, i) ? argument(*e.args[i], region)
                                          : build(*e.args[i], *inside, depth + 1));
    if (binds) bound -= e.indices.size();
    for (Term *arg : args) inherit(term, *arg);
    for (const ReadIndex &read : e.reads) {
      const Term *at = read.at ? build(*read.at, region, depth + 1) : nullptr;
      if (at) inherit(term, *at);
      term.at.push_back(at);
    }
    term.args.assign(args.begin(), args.end());
    if (!args.empty()) term.operand = args[0]->scalar;
    finish(term, args, *inside);
    return hasSlot(e.kind) ? remembered(term, region) : &term;
  }

  static bool isDerivative(ExprKind kind) { return kind == ExprKind::Vjp || kind == ExprKind::Jvp; }
  static bool hasSlot(ExprKind kind) { return kind == ExprKind::Merge || kind == ExprKind::Hold || isDerivative(kind); }

  static bool isOnOtherClock(const Expr &e, size_t arg) {
    return (e.kind == ExprKind::Merge && arg > 0) || (e.kind == ExprKind::Hold && arg == 0);
  }

  /// An operand that is a variable may be on another clock than the region.
  Term *argument(const Expr &e, RegionPlan &region) {
    if (e.kind != ExprKind::Var || isThere(e.var, region)) return build(e, region, 0);
    Term &term = plan.terms.emplace_back();
    term.expr = &e;
    term.kind = e.kind;
    term.scalar = e.type.scalar;
    term.isScalar = e.type.isScalar();
    term.elements = e.type.elements();
    term.route = &plan.routes.emplace_back(route(e.var, region));
    return &term;
  }

  /// Merge and hold have slots of their own, as only there is it known at which instant what is absent; derivatives, as they
  /// take many evaluations.
  Term *remembered(Term &term, RegionPlan &region) {
    if (!term.free.empty())
      plans.refusal = "the interpreter has no hold with an init for each comprehension index";
    Slot::Kind kind = term.kind == ExprKind::Hold    ? Slot::Kind::Hold
                      : isDerivative(term.kind) ? Slot::Kind::Derivative
                                                : Slot::Kind::Term;
    const char *name = kind == Slot::Kind::Hold ? "a hold" : kind == Slot::Kind::Term ? "a merge" : "a derivative";
    addSlot(region, term.expr->type, kind, term.expr->span, name).term = &term;
    Term &use = plan.terms.emplace_back();
    use.expr = term.expr;
    use.kind = ExprKind::Var;
    use.scalar = term.scalar;
    use.isScalar = term.isScalar;
    use.elements = term.elements;
    use.slot = static_cast<uint32_t>(region.slots.size() - 1);
    return &use;
  }

  void inherit(Term &term, const Term &part) {
    term.isHeavy |= part.isHeavy;
    std::vector<IndexId> both;
    std::set_union(term.free.begin(), term.free.end(), part.free.begin(), part.free.end(),
                   std::back_inserter(both));
    term.free = std::move(both);
  }

  void finish(Term &term, const std::vector<Term *> &args, RegionPlan &region) {
    const Expr &e = *term.expr;
    region.remembers |= looksAround(e.kind);
    switch (e.kind) {
    case ExprKind::Const:
      if (term.isScalar && e.constant.data()) term.constant = load(term.scalar, e.constant.data(), 0);
      break;
    case ExprKind::Var: resolve(term, e.var, region); break;
    case ExprKind::Index: term.free = {e.index}; break;
    case ExprKind::Read:
    case ExprKind::ReadOr: axes(term); break;
    case ExprKind::Build:
    case ExprKind::Reduce:
      std::erase_if(term.free,
                    [&](IndexId i) { return std::count(e.indices.begin(), e.indices.end(), i) != 0; });
      term.isHeavy = true;
      break;
    case ExprKind::ReduceAll:
    case ExprKind::Concat: term.isHeavy = true; break;
    case ExprKind::Call:
      term.callee = &plans.of(*e.callee);
      if (e.callee->derivative) term.rule = &plans.of(*e.callee->derivative);
      term.isHeavy = true;
      break;
    case ExprKind::Fby: keep(*args[1], region, "fby"); break;
    case ExprKind::Eby: keep(*args[0], region, "eby"); break;
    case ExprKind::Pre: keep(*args[0], region, "pre"); break;
    case ExprKind::Final: keep(*args[0], region, "final"); break;
    case ExprKind::Initial: keep(*args[0], region, "initial"); break;
    case ExprKind::Window: window(term, args, region); break;
    case ExprKind::Vjp:
    case ExprKind::Jvp: plans.takesDerivatives = true; break;
    default: break;
    }
    bool trivial = e.kind == ExprKind::Const || e.kind == ExprKind::Var || e.kind == ExprKind::Index;
    if (bound > term.free.size() && !trivial && (!term.isScalar || term.isHeavy))
      term.cache = static_cast<int32_t>(plans.cacheCount++);
  }

  // ---- other regions
  // ----------------------------------------------------------------------------------------

  static bool holds(const RegionPlan &outer, const RegionPlan *inner) {
    while (inner && inner != &outer) inner = inner->parent;
    return inner != nullptr;
  }

  static uint32_t levels(const RegionPlan &inner, const RegionPlan &outer) {
    uint32_t count = 0;
    for (const RegionPlan *r = &inner; r && r != &outer; r = r->parent) ++count;
    return count;
  }

  Route route(VarId v, const RegionPlan &from) {
    auto [home, slot] = plan.slotOf[v];
    Route way;
    way.slot = slot;
    way.isTime = node.vars[v].kind == Var::Kind::ScanIndex;
    const RegionPlan *common = &from;
    for (; common->parent && !holds(*common, home); common = common->parent) ++way.up;
    for (const RegionPlan *r = home; r && r != common; r = r->parent) way.down.push_back(r->number);
    std::reverse(way.down.begin(), way.down.end());
    return way;
  }

  /// Whether a variable has a value at every instant of a region: only resets lie on the way inwards.
  bool isThere(VarId v, const RegionPlan &from) {
    for (const RegionPlan *r = plan.slotOf[v].first; r && !holds(*r, &from); r = r->parent)
      if (r->clock && r->clock->kind != Clock::Kind::Reset) return isPresent(v, from);
    return true;
  }

  /// Whether the region has instants of the variable's clock only.
  bool isPresent(VarId v, const RegionPlan &from) {
    const RegionPlan *r = &from;
    while (r->parent && r->time != node.vars[v].time) r = r->parent;
    return isWithin(r->clock, node.vars[v].clock);
  }

  /// An output on a slower clock is at the end of its route; one that is always there has a slot in the body.
  Route output(VarId v) {
    if (!isThere(v, plan.body)) return route(v, plan.body);
    Route here;
    here.slot = locate(v, plan.body).second;
    return here;
  }

  /// The region from `from` outwards, no clock in between, and the slot there that has the variable's value.
  std::pair<RegionPlan *, uint32_t> locate(VarId v, RegionPlan &from) {
    auto [home, slot] = plan.slotOf[v];
    RegionPlan *at = &from;
    while (at != home && !at->clock && at->parent && !holds(*at, home)) at = at->parent;
    if (at == home) return {home, slot};
    auto [known, isNew] = samples.try_emplace({at, v}, static_cast<uint32_t>(at->slots.size()));
    if (isNew)
      addSlot(*at, node.vars[v].type, Slot::Kind::Sample, node.vars[v].span, node.vars[v].name).route =
          &plan.routes.emplace_back(route(v, *at));
    return {at, known->second};
  }

  void resolve(Term &term, VarId v, RegionPlan &region) {
    auto [home, slot] = locate(v, region);
    term.slot = slot;
    term.isTime = node.vars[v].kind == Var::Kind::ScanIndex && home == plan.slotOf[v].first;
    term.up = levels(region, *home);
  }

  Term *variable(VarId v, RegionPlan &region) {
    Term &term = plan.terms.emplace_back();
    term.kind = ExprKind::Var;
    term.scalar = node.vars[v].type.scalar;
    resolve(term, v, region);
    return &term;
  }

  void axes(Term &term) {
    const Shape &shape = term.expr->args[0]->type.shape;
    term.sizes.assign(shape.begin(), shape.end());
    term.strides.assign(shape.size(), 1);
    for (size_t k = shape.size(); k-- > 1;) term.strides[k - 1] = term.strides[k] * shape[k];
  }

  void window(Term &term, const std::vector<Term *> &args, RegionPlan &region) {
    keep(*args[0], region, "window");
    if (args[1]->kind == ExprKind::Const || !args[1]->free.empty()) return;
    addSlot(region, args[1]->expr->type, Slot::Kind::Latch, args[1]->expr->span, "the init of a window")
        .term = args[1];
    term.latch = static_cast<int32_t>(region.slots.size() - 1);
  }

  // ---- how far back
  // ----------------------------------------------------------------------------------------

  void reachRegion(RegionPlan &region) {
    for (size_t i = 0; i < region.slots.size(); ++i) {
      Slot &slot = region.slots[i];
      if (slot.kind == Slot::Kind::Latch || slot.kind == Slot::Kind::Hold)
        slot.reach = std::max<int64_t>(slot.reach, 1);
      if (slot.term) reachTerm(*slot.term, region, 0);
    }
    for (CallPlan &call : region.calls)
      for (const Term *arg : call.args) reachTerm(*arg, region, 0);
    for (ScanPlan &scan : region.scans) reachRegion(*scan.body);
    for (ClockPlan &clock : region.clocks) reachRegion(*clock.body);
    for (RegionPlan *r = &region; r; r = r->parent) {
      for (const Slot &slot : r->slots) r->reach = std::max(r->reach, slot.reach);
      plan.reach = std::max(plan.reach, r->reach);
    }
    plans.maxReach = std::max(plans.maxReach, plan.reach);
  }

  void reachOperand(const Term &term, RegionPlan &region, int64_t back) {
    region.reach = std::max(region.reach, back); // the way there is walked even to a constant
    if (term.kept < 0) return reachTerm(term, region, back);
    Slot &slot = region.slots[static_cast<size_t>(term.kept)];
    slot.reach = std::max(slot.reach, back);
  }

  void reachTerm(const Term &term, RegionPlan &region, int64_t back) {
    if (term.kind == ExprKind::Var && !term.isTime && !term.route) {
      RegionPlan *home = &region;
      for (uint32_t up = term.up; up > 0 && home->parent; --up) home = home->parent;
      Slot &slot = home->slots[term.slot];
      slot.reach = std::max(slot.reach, back);
      home->reach = std::max(home->reach, slot.reach);
    }
    for (size_t i = 0; i < term.args.size(); ++i) {
      bool past = (term.kind == ExprKind::Fby && i == 1) || term.kind == ExprKind::Pre;
      if (past) reachOperand(*term.args[i], region, back + 1);
      else if (term.kind == ExprKind::Window && i == 0)
        reachOperand(*term.args[i], region, back + term.expr->count - 1);
      else if (term.args[i]->kept >= 0) reachOperand(*term.args[i], region, back);
      else reachTerm(*term.args[i], region, back);
    }
    for (const Term *at : term.at)
      if (at) reachTerm(*at, region, back);
  }

  Plans &plans;
  NodePlan &plan;
  const NodeInstance &node;
  std::map<const Clock *, RegionPlan *> regionOf;                   ///< looked up only
  std::map<std::pair<const RegionPlan *, VarId>, uint32_t> samples; ///< looked up only
  size_t bound = 0; ///< comprehension indices around the term that is being built
};

NodePlan &Plans::of(const NodeInstance &node) {
  auto [place, isNew] = plans.try_emplace(node.name);
  if (!isNew) return *place->second;
  place->second = std::make_unique<NodePlan>();
  NodePlan &plan = *place->second;
  plan.node = &node;
  plan.id = static_cast<uint32_t>(plans.size() - 1);
  PlanBuilder(*this, plan).run();
  return plan;
}

} // namespace mlr::eval
