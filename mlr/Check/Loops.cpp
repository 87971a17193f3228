// Instances side by side whose intermediate values would take too much memory are computed one after the other: of a call
// without state [f(x[b]) for b < B] becomes a scan over b, whose stacked results are those of all instances.
#include "mlr/Check/Analyses.h"

#include <unordered_map>

namespace mlr {
namespace {

/// Intermediate values of all instances, in bytes; more than that are computed one instance after the other.
constexpr uint64_t maxBytesSideBySide = uint64_t(256) << 20;

uint64_t bytesOf(const Type &type) {
  return static_cast<uint64_t>(type.elements()) * byteSize(type.scalar); // at most 2^31 elements of 8 bytes
}

uint64_t capped(uint64_t a, uint64_t b) {
  return b && a > (uint64_t(1) << 40) / b ? uint64_t(1) << 40 : a * b;
}

/// About what the scans of a node keep: stacked results, and where there is a look ahead all values of recurrences.
class Footprints {
public:
  uint64_t of(const NodeInstance &node) {
    auto [at, isNew] = known.try_emplace(&node, 0);
    if (!isNew) return at->second;
    uint64_t bytes = region(node, node.body);
    for (const Expr &e : node.arena)
      if (e.kind == ExprKind::Call) bytes = std::max(bytes, of(*e.callee));
    return known[&node] = bytes;
  }

private:
  uint64_t region(const NodeInstance &node, const Region &body) {
    uint64_t bytes = 0;
    for (const Equation &e : body.equations) {
      if (e.kind == Equation::Kind::Call) {
        uint64_t instances = 1;
        for (IndexId i : e.each) instances = capped(instances, static_cast<uint64_t>(node.indices[i].size));
        bytes += capped(of(*e.callee), instances);
      }
      if (e.clock) bytes += region(node, e.clock->body);
      if (e.scan) bytes += scan(node, *e.scan);
    }
    return bytes;
  }

  uint64_t scan(const NodeInstance &node, const ScanTime &time) {
    uint64_t bytes = region(node, time.body), kept = 0;
    bool looksAhead = false;
    for (const Equation &e : time.body.equations) {
      if (e.callee) looksAhead = looksAhead || e.callee->usesEnd;
      if (e.value) delays(*e.value, kept, looksAhead);
    }
    for (const ScanResult &r : time.results)
      if (r.kind == ScanResult::Kind::Stack) bytes += bytesOf(node.vars[r.var].type);
    return bytes + (looksAhead ? capped(kept, static_cast<uint64_t>(time.length)) : 0);
  }

  static void delays(const Expr &e, uint64_t &kept, bool &looksAhead) {
    if (e.kind == ExprKind::Fby || e.kind == ExprKind::Eby || e.kind == ExprKind::Pre) kept += bytesOf(e.type);
    looksAhead = looksAhead || e.kind == ExprKind::Eby || e.kind == ExprKind::Final;
    for (const Expr *arg : e.args) delays(*arg, kept, looksAhead);
  }

  std::unordered_map<const NodeInstance *, uint64_t> known; ///< looked up only
};

/// Makes the loop of one equation.
class Looper {
public:
  explicit Looper(NodeInstance &node) : node(node) {}

  Equation loop(Equation call) {
    std::vector<IndexId> indices = std::move(call.each);
    call.each.clear();
    const ScanTime *outer = node.vars[call.targets[0]].time;
    const Clock *clock = node.vars[call.targets[0]].clock;
    Span span = call.span;
    Equation made;
    std::vector<ScanTime *> times;
    for (IndexId i : indices) {
      Equation &at = times.empty() ? made : times.back()->body.equations.emplace_back();
      times.push_back(open(at, times.empty() ? outer : times.back(), times.empty() ? clock : nullptr, node.indices[i], span));
      positions[i] = times.back()->index;
    }
    for (const Expr *arg : call.args) replaceIndices(const_cast<Expr *>(arg));
    for (VarId &target : call.targets) target = results(target, times, span);
    times.back()->body.equations.push_back(std::move(call));
    return made;
  }

private:
  ScanTime *open(Equation &at, const ScanTime *parent, const Clock *clock, const IndexVar &over, Span span) {
    at.kind = Equation::Kind::Scan;
    at.span = span;
    at.scan = std::make_unique<ScanTime>();
    at.scan->parent = parent;
    at.scan->clock = clock;
    at.scan->span = over.span;
    at.scan->length = over.size;
    at.scan->index = variable(Var::Kind::ScanIndex, over.name, {Scalar::I32, {}}, at.scan.get(), over.span);
    return at.scan.get();
  }

  VarId variable(Var::Kind kind, const std::string &name, Type type, const ScanTime *time, Span span) {
    Var var{kind, name + "#" + std::to_string(node.vars.size()), std::move(type), span};
    var.time = time;
    node.vars.push_back(std::move(var));
    return static_cast<VarId>(node.vars.size() - 1);
  }

  /// The variable of one instance whose stacked values are `all`.
  VarId results(VarId all, const std::vector<ScanTime *> &times, Span span) {
    VarId outer = all;
    for (ScanTime *time : times) {
      Type type = node.vars[outer].type;
      type.shape.erase(type.shape.begin());
      VarId inner = variable(Var::Kind::Hidden, "instance", type, time, span);
      node.vars[inner].constructors = node.vars[all].constructors;
      Expr &value = node.arena.emplace_back();
      value.kind = ExprKind::Var;
      value.type = std::move(type);
      value.span = span;
      value.var = inner;
      time->results.push_back({ScanResult::Kind::Stack, outer, &value, span});
      outer = inner;
    }
    return outer;
  }

  void replaceIndices(Expr *e) {
    if (auto at = e->kind == ExprKind::Index ? positions.find(e->index) : positions.end(); at != positions.end()) {
      e->kind = ExprKind::Var;
      e->var = at->second;
      e->index = 0;
    }
    for (const Expr *arg : e->args) replaceIndices(const_cast<Expr *>(arg));
    for (const ReadIndex &read : e->reads)
      if (read.at) replaceIndices(const_cast<Expr *>(read.at));
  }

  NodeInstance &node;
  std::unordered_map<IndexId, VarId> positions;
};

void loopIn(NodeInstance &node, Region &body, Footprints &footprints) {
  for (Equation &e : body.equations) {
    if (e.clock) loopIn(node, e.clock->body, footprints);
    if (e.scan) loopIn(node, e.scan->body, footprints);
    if (e.each.empty() || e.callee->hasState || e.callee->hasEffects || e.callee->usesEnd || e.targets.empty()) continue;
    uint64_t instances = 1;
    for (IndexId i : e.each) instances = capped(instances, static_cast<uint64_t>(node.indices[i].size));
    if (capped(footprints.of(*e.callee), instances) > maxBytesSideBySide) e = Looper(node).loop(std::move(e));
  }
}

} // namespace

void loopLargeInstances(Program &program) {
  Footprints footprints;
  for (const auto &node : program.nodes) loopIn(*node, node->body, footprints); // callees first
}

} // namespace mlr
