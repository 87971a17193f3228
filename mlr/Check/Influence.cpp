#include "mlr/Check/Influence.h"

#include <deque>
#include <functional>

namespace mlr::influence {

using Kind = Obstacle::Kind;

static bool isFloatType(const Type &type) { return isFloat(type.scalar); }
static bool isIntegerType(const Type &type) { return !isFloat(type.scalar) && type.scalar != Scalar::Bool; }

/// The operands of one definition that matter, each with what is asked of it.
class Graph::Walk {
public:
  Walk(const Graph &graph, bool isConstantTime, const std::function<void(Place, Span, const Obstacle &)> &meet)
      : graph(graph), isConstantTime(isConstantTime), meet(meet) {}

  void go(const Expr &e, State state, const Obstacle &met) {
    if (state != State::Any && !(state == State::Bits ? isIntegerType(e.type) : isFloatType(e.type))) return;
    switch (e.kind) {
    case ExprKind::Const:
    case ExprKind::Index:
    case ExprKind::Count: return;
    case ExprKind::Var: return meet({e.var, state}, e.span, met);
    case ExprKind::Op: return operation(e, state, met);
    case ExprKind::Call: return call(*e.callee, e.args, e.result, e.span, state, met);
    case ExprKind::Stop: return blocked(e, state, met, Kind::Stop, "stop_gradient");
    case ExprKind::Fby:
    case ExprKind::Eby:
    case ExprKind::Pre:
    case ExprKind::Window:
    case ExprKind::Final:
    case ExprKind::Initial:
      if (isConstantTime) return otherInstant(e, state, met);
      break;
    case ExprKind::Merge:
      for (size_t k = 1; k < e.args.size(); ++k) go(*e.args[k], state, met);
      return blocked(*e.args[0], state, met, Kind::Condition, "merge");
    case ExprKind::Reduce:
    case ExprKind::ReduceAll:
      if (e.reduce == ReduceKind::Argmax || e.reduce == ReduceKind::Argmin || e.type.scalar == Scalar::Bool)
        return blocked(e, state, met, Kind::Integer, name(e.reduce));
      break;
    default: break;
    }
    for (const Expr *arg : e.args) go(*arg, state, met);
    indices(e, state, met);
  }

  void call(const NodeInstance &callee, const std::vector<const Expr *> &args, uint32_t output, Span span, State state,
            const Obstacle &met) {
    if (state == State::Any) {
      for (const Expr *arg : args) go(*arg, state, met);
      return;
    }
    if (callee.derivative && state != State::Bits) {
      for (const Expr *arg : args) go(*arg, state, met);
      return;
    }
    if (callee.isExtern) {
      Obstacle here{Kind::Foreign, span, callee.symbol};
      for (const Expr *arg : args)
        if (state != State::Bits) go(*arg, State::Broken, met.kind == Kind::None ? here : met);
      return;
    }
    for (const Reach &reach : graph.nodes.at(&callee).summary[output][isConstantTime]) {
      Obstacle here = met.kind == Kind::None ? reach.obstacle : met;
      if (met.kind == Kind::None && here.kind != Kind::None) here.calls.push_back({span, callee.display});
      go(*args[reach.input], state == State::Broken && reach.state == State::Float ? state : reach.state, here);
    }
  }

private:
  static const char *nameOf(ExprKind kind) {
    switch (kind) {
    case ExprKind::Fby: return "fby";
    case ExprKind::Eby: return "eby";
    case ExprKind::Pre: return "pre";
    case ExprKind::Window: return "window";
    case ExprKind::Final: return "final";
    default: return "initial";
    }
  }

  void indices(const Expr &e, State state, const Obstacle &met) {
    for (const ReadIndex &read : e.reads)
      if (read.at) blocked(*read.at, state, met, Kind::Index, "");
  }

  /// No derivative comes from here: the operands matter in another way only.
  void blocked(const Expr &e, State state, const Obstacle &met, Kind kind, std::string operatorName) {
    if (state != State::Any) return;
    Obstacle here = met.kind == Kind::None ? Obstacle{kind, e.span, std::move(operatorName)} : met;
    if (kind == Kind::Condition || kind == Kind::Index || e.kind == ExprKind::Var) return go(e, state, here);
    for (const Expr *arg : e.args) go(*arg, state, here);
    indices(e, state, here);
  }

  /// What the operator gives of this instant: the value at an end of time, the newest element of a window.
  void otherInstant(const Expr &e, State state, const Obstacle &met) {
    if (e.kind == ExprKind::Fby || e.kind == ExprKind::Window) go(*e.args[0], state, met);
    if (e.kind == ExprKind::Eby || e.kind == ExprKind::Window) go(*e.args[1], state, met);
    blocked(e, state, met, Kind::OtherInstant, nameOf(e.kind));
  }

  void operation(const Expr &e, State state, const Obstacle &met) {
    switch (e.op) {
    case OpKind::Floor:
    case OpKind::Ceil:
    case OpKind::Trunc:
    case OpKind::RoundEven: return blocked(e, state, met, Kind::Step, name(e.op));
    case OpKind::Lt:
    case OpKind::Gt:
    case OpKind::Le:
    case OpKind::Ge:
    case OpKind::Eq:
    case OpKind::Ne: return blocked(e, state, met, Kind::Step, "comparison");
    case OpKind::Select:
      go(*e.args[1], state, met), go(*e.args[2], state, met);
      return blocked(*e.args[0], state, met, Kind::Condition, "if");
    case OpKind::Bitcast: return bitcast(e, state, met);
    case OpKind::Convert: {
      const Type &from = e.args[0]->type;
      if (isFloatType(from) && !isFloatType(e.type)) return blocked(e, state, met, Kind::Integer, name(e.type.scalar));
      if (isIntegerType(from) && isFloatType(e.type) && state != State::Any) return go(*e.args[0], State::Bits, met);
      return go(*e.args[0], state, met);
    }
    default:
      for (const Expr *arg : e.args) go(*arg, state, met);
    }
  }

  void bitcast(const Expr &e, State state, const Obstacle &met) {
    const Expr &arg = *e.args[0];
    if (state == State::Any) return go(arg, state, met);
    if (!isFloatType(arg.type)) return go(arg, State::Bits, met); // from_bits
    Obstacle here{Kind::Bits, e.span, "bits"};
    go(arg, State::Broken, met.kind == Kind::None ? here : met);
  }

  const Graph &graph;
  bool isConstantTime; ///< values of other instants of this time are constants
  const std::function<void(Place, Span, const Obstacle &)> &meet;
};

// ---- what a program has ------------------------------------------------------------------------------------------

void Graph::collect(const Expr &e, const ScanTime *time, Node &of) {
  if (e.kind == ExprKind::Vjp || e.kind == ExprKind::Jvp) of.derivatives.push_back({&e, time});
  if (e.kind == ExprKind::Call) of.callees.push_back(e.callee);
  for (const Expr *arg : e.args) collect(*arg, time, of);
  for (const ReadIndex &read : e.reads)
    if (read.at) collect(*read.at, time, of);
}

void Graph::collect(const Region &region, const ScanTime *time, Node &of) {
  for (const Equation &e : region.equations) {
    if (e.value) collect(*e.value, time, of);
    for (const Expr *arg : e.args) collect(*arg, time, of);
    if (e.kind == Equation::Kind::Define) of.definitions[e.targets[0]] = {e.value, nullptr, 0, time, nullptr};
    if (e.kind == Equation::Kind::Call) {
      of.callees.push_back(e.callee);
      for (uint32_t i = 0; i < e.targets.size(); ++i) of.definitions[e.targets[i]] = {nullptr, &e, i, time, nullptr};
    }
    if (e.clock) collect(e.clock->body, time, of);
    if (!e.scan) continue;
    if (e.scan->until) collect(*e.scan->until, e.scan.get(), of);
    for (const ScanResult &r : e.scan->results) {
      of.definitions[r.var] = {r.value, nullptr, 0, e.scan.get(), e.scan.get()};
      if (r.value) collect(*r.value, e.scan.get(), of);
    }
    collect(e.scan->body, e.scan.get(), of);
  }
}

Graph::Graph(const Program &program) {
  for (const auto &node : program.nodes) {
    Node &of = nodes[node.get()];
    of.definitions.resize(node->vars.size());
    collect(node->body, nullptr, of);
  }
  // What instances with derivatives call, at any depth: callers stand behind their callees.
  std::set<const NodeInstance *> wanted; // membership only
  for (size_t i = program.nodes.size(); i-- > 0;) {
    const Node &of = nodes[program.nodes[i].get()];
    if (of.derivatives.empty() && !wanted.count(program.nodes[i].get())) continue;
    wanted.insert(of.callees.begin(), of.callees.end());
  }
  for (const auto &node : program.nodes)
    if (wanted.count(node.get())) nodes[node.get()].summary = summarise(*node);
}

Graph::Summary Graph::summarise(const NodeInstance &node) const {
  Summary summary(node.outputs.size());
  if (node.isExtern) return summary;
  for (size_t o = 0; o < node.outputs.size(); ++o) {
    const Type &type = node.vars[node.outputs[o]].type;
    if (type.scalar == Scalar::Bool) continue;
    State state = isFloatType(type) ? State::Float : State::Bits;
    for (int isConstantTime = 0; isConstantTime < 2; ++isConstantTime) {
      std::set<const ScanTime *> constant;
      if (isConstantTime) constant.insert(nullptr);
      Found found = run(node, {node.outputs[o], state}, constant, {});
      for (uint32_t i = 0; i < node.inputs.size(); ++i)
        for (State s : {State::Float, State::Bits, State::Broken}) {
          auto at = found.find({node.inputs[i], s});
          if (at == found.end()) continue;
          Obstacle obstacle;
          for (auto step = at; obstacle.kind == Kind::None; step = found.find(step->second.by)) {
            obstacle = step->second.obstacle;
            if (step->second.isRoot) break;
          }
          summary[o][isConstantTime].push_back({i, s, obstacle});
        }
    }
  }
  return summary;
}

const std::vector<std::pair<const Expr *, const ScanTime *>> &Graph::derivativesOf(const NodeInstance &node) const {
  return nodes.at(&node).derivatives;
}

const std::vector<const NodeInstance *> &Graph::calleesOf(const NodeInstance &node) const { return nodes.at(&node).callees; }

// ---- searches ----------------------------------------------------------------------------------------------------

Found Graph::search(const NodeInstance &node, VarId value, const ScanTime *time, const std::set<VarId> &cut, State state) const {
  std::set<const ScanTime *> constant{nullptr}; // the times around the derivative
  for (; time; time = time->parent) constant.insert(time);
  return run(node, {value, state}, constant, cut);
}

Found Graph::run(const NodeInstance &node, Place from, const std::set<const ScanTime *> &constant, const std::set<VarId> &cut) const {
  const Node &of = nodes.at(&node);
  Found found;
  std::deque<Place> work{from};
  found[from] = {from, true, Span(), {}};
  while (!work.empty()) {
    Place at = work.front();
    work.pop_front();
    if (cut.count(at.var)) continue;
    const Definition &d = of.definitions[at.var];
    std::function<void(Place, Span, const Obstacle &)> meet = [&](Place next, Span mention, const Obstacle &obstacle) {
      if (found.try_emplace(next, Step{at, false, mention, obstacle}).second) work.push_back(next);
    };
    Walk walk(*this, constant.count(d.time) > 0, meet);
    Obstacle none;
    if (d.resultOf && constant.count(d.resultOf)) {
      if (at.state != State::Any) continue;
      none = {Kind::End, d.value ? d.value->span : Span(), node.vars[at.var].name};
    }
    if (d.value) walk.go(*d.value, at.state, none);
    if (d.call) walk.call(*d.call->callee, d.call->args, d.output, d.call->span, at.state, none);
  }
  return found;
}

} // namespace mlr::influence
