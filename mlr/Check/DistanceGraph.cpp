// From expressions to dependencies: the table of the language reference, "Causality".
#include "mlr/Check/DistanceGraph.h"

#include <algorithm>

namespace mlr::causality {

namespace {

int64_t add(int64_t a, int64_t b) {
  if (a == unbounded || b == unbounded) return unbounded;
  if (a == -unbounded || b == -unbounded) return -unbounded;
  int64_t sum;
  if (__builtin_add_overflow(a, b, &sum)) return a > 0 ? unbounded : -unbounded;
  return sum;
}

/// What stands between an expression and one of its leaves.
struct Distance {
  Interval interval;
  int64_t carried = 0;
  bool usesEnd = false;
};

class GraphBuilder {
public:
  GraphBuilder(const NodeInstance &node, const std::map<std::string, Summary> &summaries)
      : node(node), summaries(summaries) {}

  Graph run() {
    for (const Var &var : node.vars) {
      // What one arm makes of a variable has its name and a number; the memory of `last u` is "u#last".
      size_t mark = var.name.find('#');
      bool isMemory = mark != std::string::npos && std::string_view(var.name).substr(mark) == "#last";
      std::string name = isMemory ? "last " + var.name.substr(0, mark) : var.name.substr(0, mark);
      graph.vertices.push_back({name, var.span, var.time, var.kind == Var::Kind::Hidden || (mark != std::string::npos && !isMemory)});
    }
    resultOf.assign(node.vars.size(), {});
    findResults(node.body);
    if (node.hasEffects) effect = graph.allEffects = newEffect(nullptr, node.span);
    region(node.body, nullptr);
    for (VarId input : node.inputs) {
      if (!node.isExtern) break;
      for (VarId output : node.outputs) depend(input, output, nullptr, {}, node.span);
      if (node.hasEffects) depend(input, effect, nullptr, {}, node.span);
    }
    return std::move(graph);
  }

private:
  void findResults(const Region &body) {
    for (const Equation &equation : body.equations) {
      if (equation.kind == Equation::Kind::Clock) findResults(equation.clock->body);
      if (equation.kind != Equation::Kind::Scan) continue;
      const ScanTime &scan = *equation.scan;
      for (const ScanResult &result : scan.results) {
        resultOf[result.var] = {&scan, &result, static_cast<Vertex>(graph.vertices.size())};
        graph.vertices.push_back({node.vars[result.var].name, result.span, &scan, true});
      }
      if (scan.until) {
        graph.conditions[&scan] = static_cast<Vertex>(graph.vertices.size());
        graph.vertices.push_back({"until", scan.until->span, &scan});
      }
      findResults(scan.body);
    }
  }

  Vertex newEffect(const ScanTime *time, Span span) {
    graph.vertices.push_back({"effects", span, time, true});
    return static_cast<Vertex>(graph.vertices.size() - 1);
  }

  static bool callsEffects(const Region &body) {
    return std::any_of(body.equations.begin(), body.equations.end(), [](const Equation &e) {
      return (e.callee && e.callee->hasEffects) || (e.scan && callsEffects(e.scan->body)) ||
             (e.clock && callsEffects(e.clock->body));
    });
  }

  /// What the C functions of a scan need, for the time around it.
  void scanEffects(const Equation &equation, const ScanTime *time) {
    if (!node.hasEffects || !callsEffects(equation.scan->body)) return scan(*equation.scan);
    const ScanTime &inner = *equation.scan;
    Vertex outer = effect;
    effect = graph.effects[&equation] = newEffect(time, equation.span);
    depend(effect, outer, time, {}, equation.span);
    if (inner.until) depend(graph.conditions[&inner], effect, &inner, {}, equation.span);
    scan(inner);
    effect = outer;
  }

  void region(const Region &body, const ScanTime *time) {
    for (const Equation &equation : body.equations) {
      switch (equation.kind) {
      case Equation::Kind::Define:
        leaves(*equation.value, equation.targets[0], time, {});
        onSelectors(equation.targets[0], time, looksAhead(*equation.value), equation.value->span);
        break;
      case Equation::Kind::Call: call(equation, time); break;
      case Equation::Kind::Scan: {
        const Clock *outer = here;
        here = nullptr;
        scanEffects(equation, time);
        here = outer;
        if (auto own = graph.effects.find(&equation); own != graph.effects.end()) onSelectors(own->second, time, false, equation.span);
        for (const ScanResult &result : equation.scan->results) onSelectors(result.var, time, false, result.span);
        break;
      }
      case Equation::Kind::Clock: {
        const Clock *outer = here;
        here = equation.clock.get();
        region(here->body, time);
        here = outer;
        break;
      }
      case Equation::Kind::Monitor: break; // nothing needs it
      }
    }
  }

  // ---- clocks

  static bool looksAhead(const Expr &e) {
    if (e.kind == ExprKind::Eby) return true;
    return std::any_of(e.args.begin(), e.args.end(), [](const Expr *arg) { return looksAhead(*arg); });
  }

  /// A distance in instants of the clock at hand, in instants of its time: exact on periodic clocks, anything from
  /// the same number on under a condition.
  Interval scaled(Interval by, const ScanTime *time) const {
    for (const Clock *c = here; c; c = c->parent) {
      if (c->kind == Clock::Kind::Every) by = {times(by.lo, c->period), times(by.hi, c->period)};
      if (c->kind != Clock::Kind::When) continue;
      if (by.lo < 0) by.lo = std::min(by.lo, -span(time));
      if (by.hi > 0) by.hi = std::max(by.hi, span(time));
    }
    return by;
  }
  static int64_t times(int64_t a, int64_t n) {
    int64_t product;
    if (a == unbounded || a == -unbounded) return a;
    if (__builtin_mul_overflow(a, n, &product)) return a > 0 ? unbounded : -unbounded;
    return product;
  }
  /// What lies between two instants of a slower clock may be many runs of a scan that resumes.
  int64_t carriedOver(int64_t carried) const {
    for (const Clock *c = here; c && carried; c = c->parent)
      if (c->kind != Clock::Kind::Reset) return unbounded;
    return carried;
  }

  /// What stands under conditions, on these.
  void onSelectors(Vertex to, const ScanTime *time, bool ahead, Span at) {
    const Clock *before = here;
    for (const Clock *c = before; c; c = c->parent) {
      if (c->kind == Clock::Kind::Every) continue;
      here = c->parent;
      int64_t all = span(time);
      depend(c->selector, to, time, {{0, all}, unbounded, false}, at);
      if (ahead) depend(c->selector, to, time, {{-all, 0}, 0, true}, at);
      if (ahead && c->kind == Clock::Kind::Reset) depend(c->selector, to, time, {scaled({-1, -1}, time), 0, true}, at);
    }
    here = before;
  }

  void call(const Equation &equation, const ScanTime *time) {
    const Summary &callee = summaries.at(equation.callee->name);
    Vertex own = 0;
    bool acts = equation.callee->hasEffects;
    if (acts) {
      own = graph.effects[&equation] = newEffect(time, equation.span);
      depend(own, effect, time, {}, equation.span);
      onSelectors(own, time, false, equation.span);
    }
    for (size_t i = 0; i < equation.args.size(); ++i) {
      // A vertex for the argument keeps the number of dependencies at leaves + results.
      Vertex argument = static_cast<Vertex>(graph.vertices.size());
      const Var &input = equation.callee->vars[equation.callee->inputs[i]];
      graph.vertices.push_back(
          {equation.callee->name + "." + input.name, equation.args[i]->span, time, true});
      leaves(*equation.args[i], argument, time, {});
      for (size_t o = 0; o < equation.targets.size() + acts; ++o) {
        const Path &path = callee.paths[o][i];
        if (!path.exists) continue;
        Vertex result = o < equation.targets.size() ? equation.targets[o] : own;
        graph.dependencies.push_back({argument, result, time, scaled(path.interval, time),
                                      carriedOver(path.carried), path.usesEnd, equation.args[i]->span,
                                      equation.callee});
      }
    }
    for (VarId target : equation.targets) onSelectors(target, time, equation.callee->usesEnd, equation.span);
  }

  void scan(const ScanTime &scan) {
    region(scan.body, &scan);
    if (scan.until) leaves(*scan.until, graph.conditions[&scan], &scan, {});
    for (const ScanResult &result : scan.results) {
      Vertex inner = resultOf[result.var].inner;
      if (result.value) leaves(*result.value, inner, &scan, {});
      depend(inner, result.var, &scan, {}, result.span);
      if (scan.until) depend(graph.conditions[&scan], result.var, &scan, {}, result.span);
    }
  }

  void depend(Vertex from, Vertex to, const ScanTime *time, const Distance &distance, Span span) {
    graph.dependencies.push_back(
        {from, to, time, distance.interval, distance.carried, distance.usesEnd, span, nullptr});
  }

  /// By an interval in instants of the time.
  Distance shifted(Distance d, Interval by, int64_t carried, bool usesEnd = false) const {
    d.interval = d.interval + by;
    d.carried = add(d.carried, carriedOver(carried));
    d.usesEnd |= usesEnd;
    return d;
  }

  /// All instants of a time but one: T - 1.
  static int64_t span(const ScanTime *time) {
    return time ? std::max<int64_t>(time->length - 1, 0) : unbounded;
  }

  /// Dependencies of the vertex `to` on the leaves of an expression of the time `time`.
  void leaves(const Expr &e, Vertex to, const ScanTime *time, const Distance &d) {
    switch (e.kind) {
    case ExprKind::Var: return leaf(e, to, time, d);
    case ExprKind::Fby:
      leaves(*e.args[0], to, time, d);
      return leaves(*e.args[1], to, time, shifted(d, scaled({1, 1}, time), 1));
    case ExprKind::Pre: return leaves(*e.args[0], to, time, shifted(d, scaled({1, 1}, time), 1));
    case ExprKind::Eby:
      onCondition(to, time, shifted(d, {0, 0}, 0, true), e.span);
      leaves(*e.args[1], to, time, shifted(d, {0, 0}, 0, true));
      return leaves(*e.args[0], to, time, shifted(d, scaled({-1, -1}, time), 0, true));
    case ExprKind::Window: // the init is that of the first instant
      leaves(*e.args[0], to, time, shifted(d, scaled({0, e.count - 1}, time), e.count > 1 ? unbounded : 0));
      return leaves(*e.args[1], to, time, shifted(d, {0, span(time)}, unbounded));
    case ExprKind::Hold:
      leaves(*e.args[0], to, time, shifted(d, {0, span(time)}, unbounded));
      return leaves(*e.args[1], to, time, shifted(d, {0, span(time)}, unbounded));
    case ExprKind::Final:
      onCondition(to, time, shifted(d, {-span(time), span(time)}, 0, true), e.span);
      return leaves(*e.args[0], to, time, shifted(d, {-span(time), 0}, 0, true));
    case ExprKind::Initial: return leaves(*e.args[0], to, time, shifted(d, {0, span(time)}, 0));
    case ExprKind::Count:
      return onCondition(to, time, shifted(d, {-span(time), span(time)}, 0, true), e.span);
    default: break;
    }
    for (const Expr *arg : e.args) leaves(*arg, to, time, d);
    for (const ReadIndex &read : e.reads)
      if (read.at) leaves(*read.at, to, time, d);
  }

  void onCondition(Vertex to, const ScanTime *time, const Distance &d, Span at) {
    if (time && time->until) depend(graph.conditions[time], to, time, d, at);
  }

  void leaf(const Expr &e, Vertex to, const ScanTime *time, const Distance &d) {
    const Var &var = node.vars[e.var];
    if (var.kind == Var::Kind::ScanIndex) return;
    const ResultPlace &place = resultOf[e.var];
    if (place.scan && isInside(time, place.scan)) return ownResult(e, to, place, d.carried);
    depend(e.var, to, time, d, e.span);
  }

  static bool isInside(const ScanTime *time, const ScanTime *scan) {
    for (; time; time = time->parent)
      if (time == scan) return true;
    return false;
  }

  /// What leaves a scan: its value inside is a vertex of its own, which uses inside the scan refer to.
  struct ResultPlace {
    const ScanTime *scan = nullptr;
    const ScanResult *result = nullptr;
    Vertex inner = 0;
  };

  /// A result of a scan, used again inside the same scan: known after the sweep that produces it.
  void ownResult(const Expr &use, Vertex to, const ResultPlace &place, int64_t carried) {
    int64_t all = span(place.scan);
    Interval interval{-all, all};
    if (place.result->kind == ScanResult::Kind::Final) interval.hi = 0;
    if (place.result->kind == ScanResult::Kind::Initial) interval.lo = 0;
    bool usesEnd = place.result->kind != ScanResult::Kind::Initial;
    depend(place.inner, to, place.scan, {interval, carried, usesEnd}, use.span);
    if (usesEnd) onCondition(to, place.scan, {{-all, all}, carried, true}, use.span);
  }

  const NodeInstance &node;
  const std::map<std::string, Summary> &summaries;
  Graph graph;
  std::vector<ResultPlace> resultOf; ///< by variable
  const Clock *here = nullptr;       ///< in whose region the expression at hand stands
  Vertex effect = 0;                 ///< of what stands around: the effects of the scan or node
};

} // namespace

Interval Interval::operator+(Interval other) const { return {add(lo, other.lo), add(hi, other.hi)}; }

Graph buildGraph(const NodeInstance &node, const std::map<std::string, Summary> &summaries) {
  return GraphBuilder(node, summaries).run();
}

} // namespace mlr::causality
