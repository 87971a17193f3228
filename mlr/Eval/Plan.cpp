#include "mlr/Eval/Plan.h"

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
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      Slot &slot = declare(plan.body, node.inputs[i], Slot::Kind::Input);
      slot.part = static_cast<uint32_t>(i);
    }
    declareRegion(node.body, plan.body);
    fillRegion(node.body, plan.body);
    for (VarId v : node.inputs) plan.inputs.push_back(plan.slotOf[v].second);
    for (VarId v : node.outputs) plan.outputs.push_back(plan.slotOf[v].second);
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

  /// All variables first: equations are unordered.
  void declareRegion(const Region &body, RegionPlan &region) {
    for (const Equation &equation : body.equations) {
      switch (equation.kind) {
      case Equation::Kind::Define: declare(region, equation.targets[0], Slot::Kind::Term); break;
      case Equation::Kind::Call: declareCall(equation, region); break;
      case Equation::Kind::Scan: declareScan(*equation.scan, region); break;
      case Equation::Kind::Clock:
      case Equation::Kind::Monitor: break;
      }
    }
  }

  void declareCall(const Equation &equation, RegionPlan &region) {
    for (size_t i = 0; i < equation.targets.size(); ++i) {
      Slot &slot = declare(region, equation.targets[i], Slot::Kind::CallResult);
      slot.part = static_cast<uint32_t>(region.calls.size());
      slot.result = static_cast<uint32_t>(i);
    }
    CallPlan &call = region.calls.emplace_back();
    call.equation = &equation;
    call.callee = &plans.of(*equation.callee);
    call.resultSlots = call.callee->outputs;
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
    plan.slotOf[scan.index] = {&body, 0}; // read as the instant itself
    declareRegion(scan.body, body);
  }

  // ---- terms
  // -----------------------------------------------------------------------------------------------

  void fillRegion(const Region &body, RegionPlan &region) {
    size_t call = 0, scan = 0;
    for (const Equation &equation : body.equations) {
      switch (equation.kind) {
      case Equation::Kind::Define: {
        const Term *term = build(*equation.value, region, 0);
        region.slots[plan.slotOf[equation.targets[0]].second].term = term;
        break;
      }
      case Equation::Kind::Call:
        for (const Expr *arg : equation.args) {
          const Term *term = build(*arg, region, 0);
          region.calls[call].args.push_back(term);
        }
        ++call;
        break;
      case Equation::Kind::Scan: fillScan(region.scans[scan++]); break;
      case Equation::Kind::Clock:
      case Equation::Kind::Monitor: break;
      }
    }
  }

  void fillScan(ScanPlan &scanPlan) {
    const ScanTime &scan = *scanPlan.scan;
    RegionPlan &body = *scanPlan.body;
    fillRegion(scan.body, body);
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
      plans.tooDeep = true;
      term.kind = ExprKind::Const;
      return &term;
    }
    bool binds = e.kind == ExprKind::Build || e.kind == ExprKind::Reduce;
    if (binds) bound += e.indices.size();
    std::vector<Term *> args;
    for (const Expr *arg : e.args) args.push_back(build(*arg, region, depth + 1));
    if (binds) bound -= e.indices.size();
    for (Term *arg : args) inherit(term, *arg);
    for (const ReadIndex &read : e.reads) {
      const Term *at = read.at ? build(*read.at, region, depth + 1) : nullptr;
      if (at) inherit(term, *at);
      term.at.push_back(at);
    }
    term.args.assign(args.begin(), args.end());
    if (!args.empty()) term.operand = args[0]->scalar;
    finish(term, args, region);
    return &term;
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
    switch (e.kind) {
    case ExprKind::Const:
      if (term.isScalar && e.constant.data()) term.constant = load(term.scalar, e.constant.data(), 0);
      break;
    case ExprKind::Var: resolve(term, region); break;
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
      term.isHeavy = true;
      break;
    case ExprKind::Fby: keep(*args[1], region, "fby"); break;
    case ExprKind::Eby: keep(*args[0], region, "eby"); break;
    case ExprKind::Pre: keep(*args[0], region, "pre"); break;
    case ExprKind::Final: keep(*args[0], region, "final"); break;
    case ExprKind::Initial: keep(*args[0], region, "initial"); break;
    case ExprKind::Window: window(term, args, region); break;
    default: break;
    }
    bool trivial = e.kind == ExprKind::Const || e.kind == ExprKind::Var || e.kind == ExprKind::Index;
    if (bound > term.free.size() && !trivial && (!term.isScalar || term.isHeavy))
      term.cache = static_cast<int32_t>(plans.cacheCount++);
  }

  void resolve(Term &term, RegionPlan &region) {
    auto [home, slot] = plan.slotOf[term.expr->var];
    term.slot = slot;
    term.isTime = node.vars[term.expr->var].kind == Var::Kind::ScanIndex;
    for (RegionPlan *r = &region; r && r != home; r = r->parent) ++term.up;
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
      if (slot.kind == Slot::Kind::Latch) slot.reach = std::max<int64_t>(slot.reach, 1);
      if (slot.term) reachTerm(*slot.term, region, 0);
    }
    for (CallPlan &call : region.calls)
      for (const Term *arg : call.args) reachTerm(*arg, region, 0);
    for (ScanPlan &scan : region.scans) reachRegion(*scan.body);
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
    if (term.kind == ExprKind::Var && !term.isTime) {
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
