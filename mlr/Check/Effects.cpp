// The order of effects. Each time (a node's own, or a scan's) is a sequence of items: calls of nodes with effects, and scans
// that hold some. The rule is textual order, but an item comes after those whose results it needs at the same instant: a
// depth-first search over the items in textual order.
#include "mlr/Check/Effects.h"
#include "support/DiagnosticKinds.h"

#include <algorithm>
#include <fmt/format.h>
#include <unordered_map>

namespace mlr::causality {

namespace {

class EffectOrder {
public:
  EffectOrder(const Graph &graph, Diagnostics &diagnostics) : graph(graph), diagnostics(diagnostics), into(graph.vertices.size()) {
    for (uint32_t i = 0; i < graph.dependencies.size(); ++i) into[graph.dependencies[i].to].push_back(i);
  }

  bool run(NodeInstance &node) { return time(node.body, nullptr); }

private:
  struct Item {
    Equation *equation;
    Vertex effect;
    enum class State : uint8_t { New, Open, Done } state = State::New;
  };

  void collect(Region &body, std::vector<Item> &items) {
    for (Equation &equation : body.equations) {
      if (equation.kind == Equation::Kind::Clock) collect(equation.clock->body, items);
      auto effect = graph.effects.find(&equation);
      if (effect != graph.effects.end()) items.push_back({&equation, effect->second});
    }
  }

  bool time(Region &body, const ScanTime *scan) {
    std::vector<Item> items;
    collect(body, items);
    std::stable_sort(items.begin(), items.end(), [](const Item &a, const Item &b) {
      return std::pair(a.equation->span.file, a.equation->span.begin) < std::pair(b.equation->span.file, b.equation->span.begin);
    });
    bool good = true;
    for (Item &item : items)
      if (item.equation->scan) good = time(item.equation->scan->body, item.equation->scan.get()) && good;
    for (Item &item : items) good = good && looksBack(item, scan);
    provider.clear();
    for (Item &item : items) {
      if (item.equation->scan)
        for (const ScanResult &result : item.equation->scan->results) provider[result.var] = &item;
      for (VarId target : item.equation->targets) provider[target] = &item;
    }
    uint32_t next = 0;
    for (Item &item : items) good = good && place(item, scan, next);
    return good;
  }

  bool isWithin(Vertex v, const ScanTime *scan) const {
    const ScanTime *time = graph.vertices[v].time;
    while (time && time != scan) time = time->parent;
    return time == scan;
  }

  /// Calls visit(dependency) for all that the item needs within the scan, until it gives true.
  template <class Visit> const Dependency *search(const Item &item, const ScanTime *scan, Visit visit) const {
    std::vector<bool> seen(graph.vertices.size(), false);
    std::vector<Vertex> work{item.effect};
    seen[item.effect] = true;
    for (size_t k = 0; k < work.size(); ++k)
      for (uint32_t i : into[work[k]]) {
        const Dependency &d = graph.dependencies[i];
        auto action = visit(d);
        if (action == Action::Stop) return &d;
        if (action == Action::Skip || seen[d.from] || !isWithin(d.from, scan)) continue;
        seen[d.from] = true;
        work.push_back(d.from);
      }
    return nullptr;
  }
  enum class Action : uint8_t { Go, Skip, Stop };

  /// Whether nothing that the item needs, at any instant of its time, lies ahead.
  bool looksBack(const Item &item, const ScanTime *scan) {
    const Dependency *ahead = search(item, scan, [&](const Dependency &d) {
      return d.usesEnd && d.time == scan ? Action::Stop : Action::Go;
    });
    if (!ahead) return true;
    Diagnostic &d = diagnostics.report(kinds::externAhead, item.equation->span, titleOf(item) + " needs a value that lies ahead",
                                       "happens at this instant, before the later ones");
    const auto &from = graph.vertices[ahead->from];
    d.labels.push_back({ahead->span, from.isHidden ? "this looks ahead" : "this needs `" + from.name + "` of a later instant, or the end of the scan", false});
    d.notes.push_back("a C function with effects is called once at each instant, in the order of time; what it is given must be "
                      "known by then");
    return false;
  }

  std::string titleOf(const Item &item) const {
    return item.equation->callee ? "the call of `" + item.equation->callee->display + "`" : "a call of a C function in this scan";
  }

  /// What the item needs at the same instant first, then the item.
  bool place(Item &item, const ScanTime *scan, uint32_t &next) {
    if (item.state == Item::State::Done) return true;
    item.state = Item::State::Open;
    std::vector<Item *> needed;
    search(item, scan, [&](const Dependency &d) {
      if (d.time == scan && d.interval.lo > 0) return Action::Skip; // of an earlier instant
      auto by = provider.find(d.from);
      if (by != provider.end() && std::find(needed.begin(), needed.end(), by->second) == needed.end())
        needed.push_back(by->second);
      return Action::Go;
    });
    std::sort(needed.begin(), needed.end(), [](const Item *a, const Item *b) { return a < b; }); // one vector: textual order
    for (Item *other : needed) {
      if (other->state == Item::State::Open) return reportCycle(item, *other);
      if (!place(*other, scan, next)) return false;
    }
    item.state = Item::State::Done;
    item.equation->order = ++next;
    if (item.equation->scan) item.equation->scan->order = next;
    return true;
  }

  bool reportCycle(const Item &item, const Item &other) {
    Diagnostic &d = diagnostics.report(kinds::externAhead, item.equation->span,
                                       titleOf(item) + (&item == &other ? " needs its own results" : " needs results that need it"),
                                       "needs, at the same instant, what comes of it");
    if (&item != &other) d.labels.push_back({other.equation->span, "this needs it in turn", false});
    d.notes.push_back("all C functions of a call, or of a scan, are called before those of the next one");
    d.helps.push_back("put the C functions in nodes of their own, or delay one of the values: `0 fby ..`");
    return false;
  }

  const Graph &graph;
  Diagnostics &diagnostics;
  std::vector<std::vector<uint32_t>> into;     ///< dependencies, by what needs
  std::unordered_map<VarId, Item *> provider; ///< of the time at hand; looked up only
};

} // namespace

bool orderEffects(NodeInstance &node, const Graph &graph, Diagnostics &diagnostics) {
  return EffectOrder(graph, diagnostics).run(node);
}

} // namespace mlr::causality
