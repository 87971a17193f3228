#include "mlr/Check/ExposeDerivatives.h"

#include <algorithm>
#include <set>

namespace mlr {
namespace {

/// Adds the outputs of one node; its callees have theirs.
class Exposer {
public:
  Exposer(NodeInstance &node, bool isRule, ExposedDerivatives &all) : node(node), isRule(isRule), all(all) {}

  void run() {
    all.own[&node] = static_cast<uint32_t>(node.outputs.size());
    for (const Found &found : region(node.body, {})) {
      if (isRule) continue; // its outputs are given
      uint32_t number = static_cast<uint32_t>(node.outputs.size());
      if (found.derivative) all.outputOf[found.derivative] = number;
      else all.outputOfResult[{&node, found.result}] = number;
      Var &var = node.vars[found.var];
      VarId output = newVar("derivative", var.type, {}, Var::Kind::Output, found.span);
      define(node.body, output, variable(found.var, found.span), found.span);
      node.outputs.push_back(output);
    }
  }

private:
  /// A derivative, or a result of a call that is one inside, and the variable that has it in the region at hand.
  struct Found {
    const Expr *derivative = nullptr;
    VarId result = 0;
    VarId var = 0;
    Span span;
  };
  struct Where {
    const ScanTime *time = nullptr;
    const Clock *clock = nullptr;
  };
  using List = std::vector<Found>;

  Expr *newExpr(ExprKind kind, Type type, Span span) {
    Expr &e = node.arena.emplace_back();
    e.kind = kind;
    e.type = std::move(type);
    e.span = span;
    return &e;
  }
  const Expr *variable(VarId v, Span span) {
    Expr *e = newExpr(ExprKind::Var, node.vars[v].type, span);
    e->var = v;
    return e;
  }
  VarId newVar(const std::string &name, Type type, Where where, Var::Kind kind, Span span) {
    Var v;
    v.kind = kind;
    v.name = name + "." + std::to_string(node.vars.size());
    v.type = std::move(type);
    v.span = span;
    v.time = where.time;
    v.clock = where.clock;
    node.vars.push_back(v);
    return static_cast<VarId>(node.vars.size() - 1);
  }
  static void define(Region &body, VarId v, const Expr *value, Span span) {
    Equation &eq = body.equations.emplace_back();
    eq.kind = Equation::Kind::Define;
    eq.span = span;
    eq.targets = {v};
    eq.value = value;
  }

  /// Replaces the derivatives in an expression by variables of the region, and calls of funs that take some by equations.
  const Expr *collect(List &to, std::vector<Equation> &added, Where where, const Expr *old) {
    Expr &e = const_cast<Expr &>(*old);
    bool binds = e.kind == ExprKind::Build || e.kind == ExprKind::Reduce;
    if (binds) bound.insert(bound.end(), e.indices.begin(), e.indices.end());
    for (const Expr *&arg : e.args) arg = collect(to, added, where, arg);
    for (ReadIndex &r : e.reads)
      if (r.at) r.at = collect(to, added, where, r.at);
    if (binds) bound.resize(bound.size() - e.indices.size());
    if (e.kind == ExprKind::Vjp || e.kind == ExprKind::Jvp) {
      VarId v = newVar("derivative", e.type, where, Var::Kind::Hidden, e.span);
      Equation &eq = added.emplace_back();
      eq.kind = Equation::Kind::Define;
      eq.span = e.span;
      eq.targets = {v};
      eq.value = &e;
      to.push_back({&e, 0, v, e.span});
      return variable(v, e.span);
    }
    bool isCall = e.kind == ExprKind::Call && all.own.at(e.callee) < e.callee->outputs.size();
    return isCall ? callApart(to, added, where, e) : old;
  }

  const Expr *callApart(List &to, std::vector<Equation> &added, Where where, const Expr &e) {
    Equation eq;
    eq.kind = Equation::Kind::Call;
    eq.span = e.span;
    eq.callee = e.callee;
    eq.args = e.args;
    std::map<IndexId, IndexId> renamed;
    for (IndexId i : bound) {
      node.indices.push_back(node.indices[i]);
      eq.each.push_back(renamed[i] = static_cast<IndexId>(node.indices.size() - 1));
    }
    for (const Expr *arg : eq.args) rename(*arg, renamed);
    addTargets(to, eq, where, 0);
    const Expr *whole = variable(eq.targets[e.result], e.span);
    added.push_back(std::move(eq));
    // A tensor is read, as from an equation with one target: importing that takes the same course as importing the call,
    // which sums of contributions, to the bit, depend on.
    if (bound.empty() && e.type.isScalar()) return whole;
    Expr *read = newExpr(ExprKind::Read, e.type, e.span);
    read->args = {whole};
    for (IndexId i : bound) {
      Expr *index = newExpr(ExprKind::Index, {Scalar::I32, {}}, e.span);
      index->index = i;
      ReadIndex &at = read->reads.emplace_back();
      at.at = index;
      at.inBounds = true;
    }
    for (int64_t size : e.type.shape) {
      ReadIndex &range = read->reads.emplace_back();
      range.kind = ReadIndex::Kind::Range;
      range.count = size;
    }
    return read;
  }

  static void rename(const Expr &old, const std::map<IndexId, IndexId> &renamed) {
    Expr &e = const_cast<Expr &>(old);
    if (auto it = renamed.find(e.index); e.kind == ExprKind::Index && it != renamed.end()) e.index = it->second;
    for (const Expr *arg : e.args) rename(*arg, renamed);
    for (const ReadIndex &r : e.reads)
      if (r.at) rename(*r.at, renamed);
  }

  /// Targets for the results from `first` on, of which those that the callee exposes are noted.
  void addTargets(List &to, Equation &eq, Where where, size_t first) {
    for (size_t k = first; k < eq.callee->outputs.size(); ++k) {
      Type type = eq.callee->vars[eq.callee->outputs[k]].type;
      for (size_t i = eq.each.size(); i-- > 0;) type.shape.insert(type.shape.begin(), node.indices[eq.each[i]].size);
      VarId v = newVar("derivative", type, where, Var::Kind::Hidden, eq.span);
      eq.targets.push_back(v);
      if (k >= all.own.at(eq.callee)) to.push_back({nullptr, v, v, eq.span});
    }
  }

  List region(Region &body, Where where) {
    List found;
    std::vector<Equation> added;
    for (Equation &eq : body.equations) {
      if (eq.value) eq.value = collect(found, added, where, eq.value);
      bound = eq.each;
      for (const Expr *&arg : eq.args) arg = collect(found, added, where, arg);
      bound.clear();
      if (eq.kind == Equation::Kind::Call) addTargets(found, eq, where, eq.targets.size());
      if (eq.scan) scan(found, *eq.scan, where);
      if (eq.clock) slower(found, *eq.clock, added);
    }
    for (Equation &eq : added) body.equations.push_back(std::move(eq));
    return found;
  }

  void scan(List &outer, ScanTime &time, Where where) {
    Where inside{&time, nullptr};
    List inner = region(time.body, inside);
    std::vector<Equation> added;
    if (time.until) time.until = collect(inner, added, inside, time.until);
    for (ScanResult &r : time.results)
      if (r.value) r.value = collect(inner, added, inside, r.value);
    for (Equation &eq : added) time.body.equations.push_back(std::move(eq));
    for (Found &f : inner) {
      Type type = node.vars[f.var].type;
      type.shape.insert(type.shape.begin(), time.length);
      VarId stacked = newVar("derivative", type, where, Var::Kind::Hidden, f.span);
      time.results.push_back({ScanResult::Kind::Stack, stacked, variable(f.var, f.span), f.span});
      f.var = stacked;
      outer.push_back(f);
    }
  }

  /// A reset has the instants of the time around it.
  void slower(List &outer, Clock &clock, std::vector<Equation> &added) {
    for (Found &f : region(clock.body, {clock.time, &clock})) {
      Type type = node.vars[f.var].type;
      VarId held = newVar("derivative", type, {clock.time, clock.parent}, Var::Kind::Hidden, f.span);
      const Expr *value = variable(f.var, f.span);
      if (clock.kind != Clock::Kind::Reset) {
        Expr *zero = newExpr(ExprKind::Const, type, f.span);
        zero->constant = Array(type);
        Expr *hold = newExpr(ExprKind::Hold, type, f.span);
        hold->args = {value, zero};
        value = hold;
      }
      Equation &eq = added.emplace_back();
      eq.kind = Equation::Kind::Define;
      eq.span = f.span;
      eq.targets = {held};
      eq.value = value;
      f.var = held;
      outer.push_back(f);
    }
  }

  NodeInstance &node;
  bool isRule;
  ExposedDerivatives &all;
  std::vector<IndexId> bound; ///< comprehension indices around the expression at hand
};

} // namespace

ExposedDerivatives exposeDerivatives(Program &program) {
  ExposedDerivatives all;
  std::set<const NodeInstance *> rules; // functions that state their derivative, and these
  for (auto &node : program.nodes)
    if (node->derivative) rules.insert({node.get(), node->derivative});
  for (auto &node : program.nodes) Exposer(*node, rules.count(node.get()) != 0, all).run();
  return all;
}

} // namespace mlr
