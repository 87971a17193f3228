// Causality analysis by distance intervals: language reference, "Causality". For each time, innermost first,
// every strongly connected component must be a forward or a backward recurrence; an accepted component is one
// vertex of the enclosing time. Calls are looked through by summaries of their paths.
#include "mlr/Check/Analyses.h"
#include "mlr/Check/CausalityReport.h"
#include "mlr/Check/Effects.h"
#include "mlr/Check/Recurrences.h"
#include "support/DiagnosticKinds.h"

#include <algorithm>
#include <unordered_map>

namespace mlr::causality {

namespace {

class NodeCausality {
public:
  NodeCausality(const NodeInstance &node, const std::map<std::string, Summary> &summaries,
                Diagnostics &diagnostics)
      : node(node), diagnostics(diagnostics), graph(buildGraph(node, summaries)) {}

  bool run() {
    representative.resize(graph.vertices.size());
    for (Vertex v = 0; v < representative.size(); ++v) representative[v] = v;
    findTimes(node.body, nullptr);
    sortDependencies();
    checkConditions();
    for (size_t time = 0; time < times.size(); ++time) checkTime(time);
    return good;
  }

  const Graph &dependencies() const { return graph; }
  /// Of an accepted or reported node; its own time is the last one that was checked.
  Summary summarise();

private:
  struct Time {
    const ScanTime *scan = nullptr;
    size_t parent = 0;                  ///< number of the enclosing time; of the node's own time itself
    std::vector<uint32_t> dependencies; ///< with both ends inside
  };
  struct Component {
    std::vector<Vertex> members; ///< representatives of inner components
    std::vector<uint32_t> edges;
    Direction direction = Direction::Forward;
    bool isCyclic = false;
  };

  // ---- times
  // -----------------------------------------------------------------------------------------------

  void findScans(const Region &body) {
    for (const Equation &equation : body.equations) {
      if (equation.kind == Equation::Kind::Scan) findTimes(equation.scan->body, equation.scan.get());
      if (equation.kind == Equation::Kind::Clock) findScans(equation.clock->body);
    }
  }

  /// Numbers the times, inner ones first; the node's own is the last.
  void findTimes(const Region &body, const ScanTime *scan) {
    findScans(body);
    numbers[scan] = times.size();
    times.push_back({scan, 0, {}});
    if (scan) return;
    for (Time &time : times) time.parent = time.scan ? numbers[time.scan->parent] : times.size() - 1;
  }

  size_t common(size_t a, size_t b) const { // inner times have smaller numbers
    while (a != b) (a < b ? a : b) = times[std::min(a, b)].parent;
    return a;
  }

  void sortDependencies() {
    for (uint32_t i = 0; i < graph.dependencies.size(); ++i) {
      const Dependency &d = graph.dependencies[i];
      size_t time = common(numbers[graph.vertices[d.from].time], numbers[graph.vertices[d.to].time]);
      for (;; time = times[time].parent) {
        times[time].dependencies.push_back(i);
        if (!times[time].scan) break;
      }
    }
  }

  /// Whether state of the time `inner` lives on from one instant of `outer` to the next.
  static bool carries(const ScanTime *inner, const ScanTime *outer) {
    for (; inner && inner != outer; inner = inner->parent)
      if (!inner->resume) return false;
    return true;
  }

  // ---- one time
  // --------------------------------------------------------------------------------------------

  void checkTime(size_t number) {
    const Time &time = times[number];
    buildEdges(time);
    std::vector<uint32_t> componentOf(local.size());
    components_.clear();
    for (auto &members : components(static_cast<uint32_t>(local.size()), edges)) {
      for (uint32_t v : members) componentOf[v] = static_cast<uint32_t>(components_.size());
      Component &c = components_.emplace_back();
      c.members = std::move(members);
    }
    for (uint32_t i = 0; i < edges.size(); ++i)
      if (componentOf[edges[i].from] == componentOf[edges[i].to])
        components_[componentOf[edges[i].from]].edges.push_back(i);
    for (Component &c : components_) checkComponent(c, time);
    if (time.scan)
      for (Component &c : components_) merge(c);
  }

  /// The vertices of this time are representatives, numbered in `local`.
  void buildEdges(const Time &time) {
    local.clear();
    edges.clear();
    std::unordered_map<Vertex, uint32_t> place;
    auto localOf = [&](Vertex v) {
      auto [at, isNew] = place.try_emplace(representative[v], static_cast<uint32_t>(local.size()));
      if (isNew) local.push_back(representative[v]);
      return at->second;
    };
    for (uint32_t i : time.dependencies) {
      const Dependency &d = graph.dependencies[i];
      uint32_t from = localOf(d.from), to = localOf(d.to);
      bool own = d.time == time.scan;
      if (own) edges.push_back({from, to, d.interval, i});
      else if (from != to) edges.push_back({from, to, {0, 0}, i}); // inside one component: accepted there
      if (!own && d.carried > 0 && carries(d.time, time.scan)) edges.push_back({from, to, {1, d.carried}, i});
    }
  }

  void checkComponent(Component &c, const Time &time) {
    c.isCyclic = !c.edges.empty();
    if (!c.isCyclic) return;
    std::vector<Edge> inner = innerEdges(c);
    c.direction = direction(static_cast<uint32_t>(c.members.size()), inner);
    if (c.direction != Direction::Neither || isExcused(c)) return;
    good = false;
    std::vector<std::vector<CycleStep>> cycles;
    for (auto &cycle : offendingCycles(static_cast<uint32_t>(c.members.size()), inner)) {
      for (uint32_t &e : cycle) e = c.edges[e];
      cycles.push_back(expand(cycle, time));
    }
    reportCycles(graph, cycles, diagnostics);
  }

  /// The component's edges between positions in `members`.
  std::vector<Edge> innerEdges(const Component &c) const {
    auto position = [&](uint32_t v) {
      return static_cast<uint32_t>(std::lower_bound(c.members.begin(), c.members.end(), v) -
                                   c.members.begin());
    };
    std::vector<Edge> inner;
    for (uint32_t e : c.edges)
      inner.push_back(
          {position(edges[e].from), position(edges[e].to), edges[e].interval, edges[e].dependency});
    return inner;
  }

  /// A condition of `until` that was reported: its cycles have the same cause.
  bool isExcused(const Component &c) const {
    return std::any_of(c.members.begin(), c.members.end(), [&](uint32_t v) {
      return std::any_of(badConditions.begin(), badConditions.end(),
                         [&](Vertex bad) { return representative[bad] == local[v]; });
    });
  }

  void merge(const Component &c) {
    if (c.members.size() < 2) return;
    Vertex first = local[c.members[0]];
    for (uint32_t v : c.members) first = std::min(first, local[v]);
    std::vector<Vertex> all;
    for (uint32_t v : c.members) {
      Vertex old = local[v];
      if (auto known = membersOf.find(old); known != membersOf.end()) {
        all.insert(all.end(), known->second.begin(), known->second.end());
        membersOf.erase(known);
      } else {
        all.push_back(old);
      }
    }
    for (Vertex v : all) representative[v] = first;
    membersOf[first] = std::move(all);
  }

  // ---- cycles for people
  // -----------------------------------------------------------------------------------

  /// The dependencies along a cycle; where it passes through an inner component, a path inside that.
  std::vector<CycleStep> expand(const std::vector<uint32_t> &cycle, const Time &time) const {
    std::vector<CycleStep> steps;
    for (size_t i = 0; i < cycle.size(); ++i) {
      const Dependency &d = graph.dependencies[edges[cycle[i]].dependency];
      const Dependency &next = graph.dependencies[edges[cycle[(i + 1) % cycle.size()]].dependency];
      steps.push_back({&d, d.time == time.scan});
      if (d.to != next.from) pathInside(d.to, next.from, time, steps);
    }
    return steps;
  }

  void pathInside(Vertex start, Vertex goal, const Time &time, std::vector<CycleStep> &steps) const {
    std::unordered_map<Vertex, std::vector<const Dependency *>> out;
    for (uint32_t i : time.dependencies) {
      const Dependency &d = graph.dependencies[i];
      if (representative[d.from] == representative[start] && representative[d.to] == representative[start])
        out[d.from].push_back(&d);
    }
    std::unordered_map<Vertex, const Dependency *> via{{start, nullptr}};
    std::vector<Vertex> queue{start};
    for (size_t k = 0; k < queue.size() && !via.count(goal); ++k)
      for (const Dependency *d : out[queue[k]])
        if (via.try_emplace(d->to, d).second) queue.push_back(d->to);
    std::vector<CycleStep> path;
    for (Vertex v = goal; via.count(v) && via[v]; v = via[v]->from) path.push_back({via[v], false});
    steps.insert(steps.end(), path.rbegin(), path.rend());
  }

  // ---- until
  // -----------------------------------------------------------------------------------------------

  /// The condition of `until` must be known going forward: nothing behind it, inside the scan, may look
  /// ahead.
  void checkConditions() {
    if (graph.conditions.empty()) return;
    std::vector<std::vector<uint32_t>> into(graph.vertices.size());
    for (uint32_t i = 0; i < graph.dependencies.size(); ++i) into[graph.dependencies[i].to].push_back(i);
    for (const Time &time : times)
      if (time.scan && time.scan->until) checkCondition(time.scan, graph.conditions.at(time.scan), into);
  }

  void checkCondition(const ScanTime *scan, Vertex condition,
                      const std::vector<std::vector<uint32_t>> &into) {
    std::vector<bool> seen(graph.vertices.size(), false);
    std::vector<Vertex> work{condition};
    seen[condition] = true;
    const Dependency *ahead = nullptr;
    for (size_t k = 0; k < work.size() && (!ahead || ahead->from == condition); ++k)
      for (uint32_t i : into[work[k]]) {
        const Dependency &d = graph.dependencies[i];
        if (d.usesEnd && d.time == scan) { // a value that lies ahead explains more than the end itself
          if (!ahead || ahead->from == condition) ahead = &d;
          continue;
        }
        const ScanTime *time = graph.vertices[d.from].time;
        while (time && time != scan) time = time->parent;
        if (!time || seen[d.from]) continue;
        seen[d.from] = true;
        work.push_back(d.from);
      }
    if (!ahead) return;
    good = false;
    badConditions.push_back(condition);
    reportCondition(graph, *scan, *ahead, diagnostics);
  }

  // ---- summaries
  // -------------------------------------------------------------------------------------------

  void relax(const Component &c, std::vector<Path> &reached) const;

  const NodeInstance &node;
  Diagnostics &diagnostics;
  Graph graph;
  std::vector<Time> times;
  std::unordered_map<const ScanTime *, size_t> numbers;      ///< looked up only
  std::vector<Vertex> representative;                        ///< of each vertex's component in inner times
  std::unordered_map<Vertex, std::vector<Vertex>> membersOf; ///< by representative; looked up only
  std::vector<Vertex> badConditions;
  bool good = true;
  // Of the time under check, in the end the node's own:
  std::vector<Vertex> local;
  std::vector<Edge> edges;
  std::vector<Component> components_;
};

void join(Path &into, const Path &from, Interval interval, int64_t carried, bool usesEnd, bool &changed) {
  Interval sum = from.interval + interval;
  int64_t carriedSum = (Interval{from.carried, from.carried} + Interval{carried, carried}).hi;
  Path next = into;
  next.exists = true;
  next.interval.lo = into.exists ? std::min(into.interval.lo, sum.lo) : sum.lo;
  next.interval.hi = into.exists ? std::max(into.interval.hi, sum.hi) : sum.hi;
  next.carried = std::max(into.carried, carriedSum);
  next.usesEnd = into.usesEnd || from.usesEnd || usesEnd;
  changed |= !into.exists || next.interval.lo != into.interval.lo || next.interval.hi != into.interval.hi ||
             next.carried != into.carried || next.usesEnd != into.usesEnd;
  into = next;
}

/// Spreads what reaches a cyclic component over it. Around a forward recurrence distances grow without bound,
/// around a backward one they fall; the other ends converge as in Bellman-Ford.
void NodeCausality::relax(const Component &c, std::vector<Path> &reached) const {
  bool carried = false, usesEnd = false, any = false;
  for (uint32_t e : c.edges) {
    carried |= graph.dependencies[edges[e].dependency].carried > 0;
    usesEnd |= graph.dependencies[edges[e].dependency].usesEnd;
  }
  for (uint32_t v : c.members) any |= reached[v].exists;
  if (!any) return;
  auto widen = [&](Path &p) {
    if (!p.exists) return;
    if (c.direction != Direction::Backward) p.interval.hi = unbounded;
    if (c.direction != Direction::Forward) p.interval.lo = -unbounded;
    if (carried) p.carried = unbounded;
    p.usesEnd |= usesEnd;
  };
  for (uint32_t v : c.members) widen(reached[v]);
  bool changed = true;
  for (size_t pass = 0; changed && pass <= c.members.size(); ++pass) {
    changed = false;
    for (uint32_t e : c.edges) {
      if (!reached[edges[e].from].exists) continue;
      Path next = reached[edges[e].to];
      bool moved = false;
      join(next, reached[edges[e].from], edges[e].interval, 0, false, moved);
      widen(next);
      const Path &old = reached[edges[e].to];
      changed |= !old.exists || next.interval.lo != old.interval.lo || next.interval.hi != old.interval.hi ||
                 next.carried != old.carried;
      reached[edges[e].to] = next;
    }
  }
}

Summary NodeCausality::summarise() {
  std::unordered_map<Vertex, uint32_t> place;
  for (uint32_t v = 0; v < local.size(); ++v) place[local[v]] = v;
  std::vector<uint32_t> componentOf(local.size());
  for (uint32_t c = 0; c < components_.size(); ++c)
    for (uint32_t v : components_[c].members) componentOf[v] = c;
  std::vector<std::vector<uint32_t>> leaving(components_.size());
  for (uint32_t e = 0; e < edges.size(); ++e)
    if (componentOf[edges[e].from] != componentOf[edges[e].to])
      leaving[componentOf[edges[e].from]].push_back(e);
  Summary summary;
  std::vector<Vertex> ends(node.outputs.begin(), node.outputs.end());
  if (node.hasEffects) ends.push_back(graph.allEffects);
  summary.paths.assign(ends.size(), std::vector<Path>(node.inputs.size()));
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    auto start = place.find(representative[node.inputs[i]]);
    if (start == place.end()) continue;
    std::vector<Path> reached(local.size());
    reached[start->second].exists = true;
    for (uint32_t c = 0; c < components_.size(); ++c) { // sources first
      if (components_[c].isCyclic) relax(components_[c], reached);
      for (uint32_t e : leaving[c]) {
        const Dependency &d = graph.dependencies[edges[e].dependency];
        bool ignored = false;
        if (!reached[edges[e].from].exists) continue;
        int64_t carried = carries(d.time, nullptr) ? d.carried : 0;
        join(reached[edges[e].to], reached[edges[e].from], edges[e].interval, carried, d.usesEnd && !d.time,
             ignored);
      }
    }
    for (size_t o = 0; o < ends.size(); ++o) {
      auto end = place.find(representative[ends[o]]);
      if (end != place.end()) summary.paths[o][i] = reached[end->second];
    }
  }
  return summary;
}

} // namespace

} // namespace mlr::causality

namespace mlr {

namespace {

void findCallees(NodeInstance &node, const Region &body, std::map<std::string, bool> &called) {
  for (const Equation &equation : body.equations) {
    if (equation.kind == Equation::Kind::Call) called[equation.callee->name] = true;
    if (equation.kind == Equation::Kind::Call) node.hasEffects |= equation.callee->hasEffects;
    if (equation.kind == Equation::Kind::Scan) findCallees(node, equation.scan->body, called);
    if (equation.kind == Equation::Kind::Clock) findCallees(node, equation.clock->body, called);
  }
}

} // namespace

bool checkCausality(const Program &program, Diagnostics &diagnostics) {
  std::map<std::string, causality::Summary> summaries;
  std::map<std::string, bool> called;
  for (const auto &node : program.nodes) findCallees(*node, node->body, called); // callees first
  bool good = true;
  for (const auto &node : program.nodes) {
    causality::NodeCausality analysis(*node, summaries, diagnostics);
    bool ordered = analysis.run();
    if (ordered && node->hasEffects) ordered = orderEffects(*node, analysis.dependencies(), diagnostics);
    good = ordered && good;
    if (called.count(node->name)) summaries.emplace(node->name, analysis.summarise());
  }
  return good;
}

} // namespace mlr
