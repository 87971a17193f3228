#include "mlr/Dataflow/ImportInfo.h"

#include <functional>

namespace mlr::dataflow {
namespace {

/// Chains of inlined locals longer than this are cut by computing one of them apart.
constexpr uint32_t maxDepth = 500;

void defineRegion(NodeInfo &info, const Region &region, const ScanTime *time, const Clock *clock) {
  for (const Equation &eq : region.equations) {
    switch (eq.kind) {
    case Equation::Kind::Define:
      info.definitions[eq.targets[0]] = {Definition::Kind::Define, eq.value, &eq, time, clock, 0};
      break;
    case Equation::Kind::Call:
      for (uint32_t i = 0; i < eq.targets.size(); ++i)
        info.definitions[eq.targets[i]] = {Definition::Kind::Call, nullptr, &eq, time, clock, i};
      break;
    case Equation::Kind::Scan:
      info.definitions[eq.scan->index] = {
          Definition::Kind::ScanIndex, nullptr, &eq, eq.scan.get(), nullptr, 0};
      for (uint32_t i = 0; i < eq.scan->results.size(); ++i)
        info.definitions[eq.scan->results[i].var] = {
            Definition::Kind::ScanResult, eq.scan->results[i].value, &eq, time, clock, i};
      defineRegion(info, eq.scan->body, eq.scan.get(), nullptr);
      break;
    case Equation::Kind::Clock: defineRegion(info, eq.clock->body, time, eq.clock.get()); break;
    case Equation::Kind::Monitor: break;
    }
  }
}

/// Everything that is evaluated in a node: the roots of its expressions and the variable that each computes
/// (or ~0).
void forEachRoot(const Region &region, const std::function<void(VarId, const Expr &)> &f) {
  constexpr VarId none = ~0u;
  for (const Equation &eq : region.equations) {
    if (eq.kind == Equation::Kind::Define) f(eq.targets[0], *eq.value);
    for (const Expr *arg : eq.args) f(none, *arg);
    if (eq.clock) forEachRoot(eq.clock->body, f);
    if (!eq.scan) continue;
    forEachRoot(eq.scan->body, f);
    if (eq.scan->until) f(none, *eq.scan->until);
    for (const ScanResult &r : eq.scan->results)
      if (r.value) f(r.var, *r.value);
  }
}

uint32_t weight(OpKind op) {
  switch (op) {
  case OpKind::Div:
  case OpKind::Rem:
  case OpKind::Sqrt: return 4;
  default: return 1;
  }
}

uint32_t capped(uint64_t cost) { return static_cast<uint32_t>(std::min<uint64_t>(cost, heavyCost)); }

/// A call of a C function: like an operator of time a computation of its own.
bool isForeign(const Expr &e) { return e.kind == ExprKind::Call && e.callee->isExtern; }

template <class F> void forEachChild(const Expr &e, F f) {
  for (const Expr *arg : e.args) f(*arg);
  for (const ReadIndex &r : e.reads)
    if (r.at) f(*r.at);
}

} // namespace

bool isTemporal(ExprKind kind) {
  switch (kind) {
  case ExprKind::Fby:
  case ExprKind::Eby:
  case ExprKind::Pre:
  case ExprKind::Window:
  case ExprKind::Vjp:
  case ExprKind::Jvp:
  case ExprKind::Hold:
  case ExprKind::Final:
  case ExprKind::Initial: return true;
  default: return false;
  }
}

bool knowsClock(const Expr &e) {
  if (isTemporal(e.kind) || e.kind == ExprKind::Arrow || e.kind == ExprKind::Count || isForeign(e)) return true;
  bool knows = false;
  forEachChild(e, [&](const Expr &child) { knows = knows || knowsClock(child); });
  return knows;
}

bool isSlower(const Clock *clock) {
  while (clock && clock->kind == Clock::Kind::Reset) clock = clock->parent;
  return clock;
}

InfoCache::Entry &InfoCache::entry(const NodeInstance &node) {
  Entry &e = entries[&node];
  if (e.info.node) return e;
  e.info.node = &node;
  e.info.definitions.resize(node.vars.size());
  for (uint32_t i = 0; i < node.inputs.size(); ++i)
    e.info.definitions[node.inputs[i]] = {Definition::Kind::Input, nullptr, nullptr, nullptr, nullptr, i};
  defineRegion(e.info, node.body, nullptr, nullptr);
  e.info.isVariable.assign(node.vars.size(), 0);
  std::function<void(const Expr &)> find = [&](const Expr &x) {
    if (x.kind == ExprKind::Vjp || x.kind == ExprKind::Jvp)
      for (size_t k = 2; k < x.args.size(); k += x.kind == ExprKind::Jvp ? 2 : 1) e.info.isVariable[x.args[k]->var] = 1;
    forEachChild(x, find);
  };
  forEachRoot(node.body, [&](VarId, const Expr &x) { find(x); });
  return e;
}

const NodeInfo &InfoCache::definitions(const NodeInstance &node) { return entry(node).info; }

const NodeInfo &InfoCache::full(const NodeInstance &node) {
  Entry &e = entry(node);
  if (!e.isFull) {
    e.isFull = true;
    sumCosts(e);
    findUses(e);
    closeInputs(e);
  }
  return e.info;
}

uint32_t InfoCache::cost(const Expr &e) {
  if (isTemporal(e.kind) || isForeign(e)) return 0;
  uint64_t sum = 0;
  if (e.kind == ExprKind::Op) sum += weight(e.op);
  if (e.kind == ExprKind::Arrow) sum += 1;
  if (e.kind == ExprKind::ReadOr) sum += 3;
  if (e.kind == ExprKind::Merge) sum += e.args.size() - 2;
  if (e.kind == ExprKind::Reduce || e.kind == ExprKind::ReduceAll) return heavyCost;
  if (e.kind == ExprKind::Call) {
    const NodeInfo &callee = full(*e.callee);
    sum += callee.cost[e.callee->outputs[e.result]];
  }
  forEachChild(e, [&](const Expr &child) {
    if (sum < heavyCost) sum += cost(child);
  });
  return capped(sum);
}

/// Cost of each variable: its own expression plus those of the locals that it reaches, each once. The search
/// is cut when the sum is heavy anyway.
void InfoCache::sumCosts(Entry &entry) {
  NodeInfo &info = entry.info;
  size_t n = info.definitions.size();
  std::vector<uint32_t> own(n, 0), depth(n, 0);
  std::vector<std::vector<VarId>> reads(n);
  std::function<void(const Expr &, std::vector<VarId> &)> collect = [&](const Expr &e,
                                                                        std::vector<VarId> &out) {
    if (isTemporal(e.kind) || isForeign(e)) return;
    if (e.kind == ExprKind::Var) out.push_back(e.var);
    forEachChild(e, [&](const Expr &child) { collect(child, out); });
  };
  for (size_t v = 0; v < n; ++v) {
    const Definition &d = info.definitions[v];
    if (d.kind == Definition::Kind::Define) {
      own[v] = cost(*d.value);
      collect(*d.value, reads[v]);
    } else if (d.kind == Definition::Kind::Call && !d.equation->callee->isExtern) {
      own[v] = full(*d.equation->callee).cost[d.equation->callee->outputs[d.position]];
      for (const Expr *arg : d.equation->args) {
        own[v] = capped(uint64_t(own[v]) + cost(*arg));
        collect(*arg, reads[v]);
      }
    }
  }
  info.cost.assign(n, 0);
  for (size_t v = 0; v < n; ++v) {
    std::vector<VarId> stack{static_cast<VarId>(v)};
    std::vector<VarId> seen;
    uint64_t sum = 0;
    while (!stack.empty() && sum < heavyCost && seen.size() < 256) {
      VarId u = stack.back();
      stack.pop_back();
      if (std::find(seen.begin(), seen.end(), u) != seen.end()) continue;
      seen.push_back(u);
      sum += own[u];
      stack.insert(stack.end(), reads[u].begin(), reads[u].end());
    }
    info.cost[v] = capped(sum);
  }
  // Depth of inlining, by an explicit depth-first search; a variable at the limit starts anew.
  info.isDeep.assign(n, 0);
  std::vector<char> state(n, 0);
  for (size_t root = 0; root < n; ++root) {
    std::vector<VarId> stack{static_cast<VarId>(root)};
    while (!stack.empty()) {
      VarId v = stack.back();
      if (state[v] == 0) {
        state[v] = 1;
        for (VarId u : reads[v])
          if (state[u] == 0) stack.push_back(u);
        continue;
      }
      stack.pop_back();
      if (state[v] == 2) continue;
      state[v] = 2;
      for (VarId u : reads[v]) depth[v] = std::max(depth[v], depth[u] + 1);
      if (depth[v] > maxDepth) {
        depth[v] = 0;
        info.isDeep[v] = 1;
      }
    }
  }
}

namespace {

/// A use of a variable: `root` is what the expression around it computes (a variable, or a fresh number).
struct Use {
  VarId root;
  bool pointwise;
};

struct UseFinder {
  InfoCache &cache;
  std::vector<std::vector<Use>> uses;
  VarId fresh; ///< next number that stands for no variable

  void visit(const Expr &e, VarId root, bool pointwise) {
    if (e.kind == ExprKind::Var) {
      uses[e.var].push_back({root, pointwise});
      return;
    }
    if (isTemporal(e.kind) || isForeign(e)) {
      VarId own = fresh++;
      for (const Expr *arg : e.args) visit(*arg, own, true);
      return;
    }
    for (size_t i = 0; i < e.args.size(); ++i) visit(*e.args[i], root, pointwise && keeps(e, i));
    for (const ReadIndex &r : e.reads)
      if (r.at) visit(*r.at, root, false);
  }

  /// Whether element i of `e` needs only element i of its argument.
  bool keeps(const Expr &e, size_t argument) {
    switch (e.kind) {
    case ExprKind::Op:
    case ExprKind::Arrow: return true;
    case ExprKind::Merge: return argument > 0;
    case ExprKind::Broadcast: return e.args[0]->type.shape == e.type.shape;
    case ExprKind::Call:
      return e.args[argument]->type.shape == e.type.shape && cache.full(*e.callee).pointwise[argument];
    default: return false;
    }
  }
};

} // namespace

/// A variable is shared when its uses, followed through the locals that are inlined in turn, end in more than
/// one computation, or in one but at different indices.
void InfoCache::findUses(Entry &entry) {
  NodeInfo &info = entry.info;
  const NodeInstance &node = *info.node;
  size_t n = info.definitions.size();
  UseFinder finder{*this, std::vector<std::vector<Use>>(n), static_cast<VarId>(n)};
  forEachRoot(node.body, [&](VarId root, const Expr &e) {
    finder.visit(e, root == ~0u ? finder.fresh++ : root, root != ~0u);
  });
  for (const Var &v : node.vars)
    for (const Clock *c = v.clock; c; c = c->parent)
      if (c->kind != Clock::Kind::Every) finder.uses[c->selector].push_back({finder.fresh++, false});
  // The results of one call are mostly used together, so they count as one computation.
  VarId caller = finder.fresh++;
  for (VarId output : node.outputs) finder.uses[output].push_back({caller, true});

  // Users before the variables that they use: count the uses by variables, take a variable when all of them
  // are done.
  std::vector<uint32_t> open(n, 0);
  std::vector<std::vector<VarId>> reads(n);
  for (size_t v = 0; v < n; ++v)
    for (const Use &use : finder.uses[v])
      if (use.root < n) {
        ++open[v];
        reads[use.root].push_back(static_cast<VarId>(v));
      }
  std::vector<VarId> ready, where(n, ~0u);
  std::vector<char> keeps(n, 0);
  info.shared.assign(n, 1);
  for (size_t v = 0; v < n; ++v)
    if (!open[v]) ready.push_back(static_cast<VarId>(v));
  while (!ready.empty()) {
    VarId v = ready.back();
    ready.pop_back();
    VarId root = ~0u;
    bool same = true, pointwise = true;
    for (const Use &use : finder.uses[v]) {
      VarId r = use.root < n ? where[use.root] : use.root;
      bool p = use.pointwise && (use.root >= n || keeps[use.root]);
      if (root != ~0u && r != root) same = false;
      root = r;
      pointwise = pointwise && use.pointwise;
      keeps[v] = (&use == &finder.uses[v].front() || keeps[v]) && p;
    }
    bool shared = finder.uses[v].size() > 1 && !(same && pointwise);
    info.shared[v] = shared;
    bool apart =
        info.definitions[v].kind != Definition::Kind::Define || (shared && info.cost[v] > cheapCost) || !same;
    where[v] = apart || root == ~0u ? v : root;
    if (apart) keeps[v] = false;
    for (VarId u : reads[v])
      if (--open[u] == 0) ready.push_back(u);
  }
  info.pointwise.assign(node.inputs.size(), 0);
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    VarId v = node.inputs[i];
    bool all = open[v] == 0;
    for (const Use &use : finder.uses[v]) all = all && use.pointwise && (use.root >= n || keeps[use.root]);
    info.pointwise[i] = all;
  }
}

/// Which inputs a variable depends on, through state as well: a fixed point, reached fast because most reads
/// go backwards.
void InfoCache::closeInputs(Entry &entry) {
  NodeInfo &info = entry.info;
  const NodeInstance &node = *info.node;
  size_t n = info.definitions.size();
  std::vector<std::vector<VarId>> readers(n);
  auto addSelectors = [&](const Clock *clock, VarId reader) {
    for (const Clock *c = clock; c; c = c->parent)
      if (c->kind != Clock::Kind::Every) readers[c->selector].push_back(reader);
  };
  std::function<void(const Expr &, VarId)> collect = [&](const Expr &e, VarId reader) {
    if (e.kind == ExprKind::Var) readers[e.var].push_back(reader);
    if (e.kind == ExprKind::Hold) addSelectors(node.vars[e.args[0]->var].clock, reader);
    forEachChild(e, [&](const Expr &child) { collect(child, reader); });
  };
  // What knows its clock depends on what selects the clock's instants, and those of the times around it in which it
  // lives on.
  std::vector<VarId> atCall; // the clock of the call is among them
  std::vector<VarId> acting; // results of calls with effects
  auto select = [&](VarId reader, bool knows) {
    if (!knows) return;
    const Clock *clock = info.definitions[reader].clock;
    const ScanTime *time = info.definitions[reader].time;
    for (;; clock = time->clock, time = time->parent) {
      addSelectors(clock, reader);
      if (!time) return atCall.push_back(reader);
      if (time->until) collect(*time->until, reader);
      if (!time->resume) return;
    }
  };
  std::function<void(const Region &)> visit = [&](const Region &region) {
    for (const Equation &eq : region.equations) {
      if (eq.kind == Equation::Kind::Define) {
        collect(*eq.value, eq.targets[0]);
        select(eq.targets[0], knowsClock(*eq.value));
      }
      if (eq.kind == Equation::Kind::Call)
        for (VarId target : eq.targets) {
          select(target, !eq.callee->isFun);
          if (eq.callee->hasEffects) acting.push_back(target);
        }
      if (eq.clock) visit(eq.clock->body);
      for (const Expr *arg : eq.args)
        for (VarId target : eq.targets) collect(*arg, target);
      if (!eq.scan) continue;
      visit(eq.scan->body);
      for (const ScanResult &r : eq.scan->results) {
        select(r.var, eq.scan->resume);
        if (r.value) collect(*r.value, r.var);
        if (eq.scan->until) collect(*eq.scan->until, r.var);
      }
    }
  };
  visit(node.body);
  info.inputs.assign(n, llvm::BitVector(node.inputs.size() + 2));
  std::vector<VarId> work(atCall);
  work.insert(work.end(), acting.begin(), acting.end());
  for (VarId v : atCall) info.inputs[v].set(node.inputs.size());
  for (VarId v : acting) info.inputs[v].set(node.inputs.size() + 1);
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    info.inputs[node.inputs[i]].set(i);
    work.push_back(node.inputs[i]);
  }
  while (!work.empty()) {
    VarId v = work.back();
    work.pop_back();
    for (VarId reader : readers[v]) {
      if (!info.inputs[v].test(info.inputs[reader])) continue;
      info.inputs[reader] |= info.inputs[v];
      work.push_back(reader);
    }
  }
}

} // namespace mlr::dataflow
