#include "mlr/Schedule/Plan.h"

#include "mlr/Schedule/Placement.h"
#include "mlr/Schedule/Storage.h"
#include "mlr/Schedule/Sweeps.h"

using namespace mlr::dataflow;

namespace mlr::schedule {

namespace {

/// Distributes the members of one part over sweeps of the scans directly inside it.
class PartPlanner {
public:
  PartPlanner(const Graph &graph, Plan &plan, int part)
      : graph(graph), plan(plan), part(part), scan(plan.parts[part].scan), depth(plan.parts[part].depth) {}

  bool run(int &why) {
    collect();
    link();
    if (!orderItems(why)) return false;
    for (const std::vector<int> &group : groups())
      if (!solve(group, why)) return false;
    return true;
  }

private:
  const Graph &graph;
  Plan &plan;
  const int part, scan, depth;

  struct Item {
    int child = 0; ///< scan directly inside; -1: an operation of this body
    bool cheap = false;
    uint8_t directions = mayRunUp | mayRunDown;
    std::vector<int> vertices;
    llvm::SmallVector<SweepProblem::Pred, 3> preds;
  };
  std::vector<Item> items;
  llvm::DenseMap<int, int> itemOf; ///< by vertex
  llvm::DenseMap<int, int> itemOfUnit;
  std::vector<int> order, orderOf; ///< items sources first

  // Whether `v`, which is not a member, comes from an earlier part as an array.
  bool arrives(int v) const {
    if (!graph.vertices[v].recomputable) return true;
    for (int inner = part, outer; (outer = plan.parts[inner].parent) >= 0; inner = outer)
      if (plan.stored.count({v, outer}) && plan.within(v, outer) != inner) return true;
    return false;
  }

  // Whether a recomputable member is executed here for others to read.
  bool pinned(int v) const {
    for (int inner = part, outer; (outer = plan.parts[inner].parent) >= 0; inner = outer)
      if (plan.stored.count({v, outer}) && plan.within(v, outer) == inner) return true;
    return false;
  }

  void add(int v, bool cheap) {
    const Vertex &vertex = graph.vertices[v];
    int child = vertex.where == scan ? -1 : graph.ancestor(vertex.where, depth + 1);
    int unit = child < 0 || cheap ? -1 : graph.unitOf(v, depth + 1);
    int id = items.size();
    if (unit >= 0) id = itemOfUnit.try_emplace(unit, id).first->second;
    itemOf[v] = id;
    if (id == int(items.size())) {
      Item &item = items.emplace_back();
      item.child = child;
      item.cheap = cheap && child >= 0;
      if (unit >= 0) item.directions = graph.units[unit].directions;
    }
    items[id].vertices.push_back(v);
  }

  // Members, and what they need that is computed again here. A recomputable member is on its own from here on
  // inwards if nothing further in ties it to others.
  void collect() {
    std::vector<int> work;
    for (int v : plan.parts[part].members) {
      const Vertex &vertex = graph.vertices[v];
      if (vertex.recomputable && vertex.where != scan && graph.units[graph.unitOf(v, depth + 1)].size == 1 &&
          !pinned(v))
        continue;
      add(v, false);
      work.push_back(v);
    }
    while (!work.empty()) {
      int v = work.back();
      work.pop_back();
      for (const Edge &e : graph.vertices[v].preds) {
        const Vertex &u = graph.vertices[e.from];
        if (e.access == Access::Order || itemOf.count(e.from) || !u.recomputable ||
            !graph.within(u.where, scan) || arrives(e.from))
          continue;
        add(e.from, true);
        work.push_back(e.from);
      }
    }
  }

  // A value of the instant executed before is no dependence within this body.
  bool carried(int from, const Edge &e) const {
    bool up = plan.parts[part].direction == Direction::Up;
    bool back = e.access == Access::Fby || e.access == Access::FbyAgain,
         ahead = e.access == Access::Eby || e.access == Access::EbyAgain;
    return e.time == scan && (up ? back : ahead) && graph.within(graph.vertices[from].where, scan);
  }

  void link() {
    for (size_t i = 0; i < items.size(); ++i) {
      Item &item = items[i];
      for (int v : item.vertices)
        for (const Edge &e : graph.vertices[v].preds) {
          auto it = itemOf.find(e.from);
          if (it == itemOf.end() || carried(e.from, e)) continue;
          if (it->second == int(i)) continue;
          item.preds.push_back({it->second, e.time == item.child ? e.access : Access::Same});
        }
    }
  }

  bool orderItems(int &why) {
    std::vector<llvm::SmallVector<int, 4>> preds(items.size());
    for (size_t i = 0; i < items.size(); ++i)
      for (const auto &p : items[i].preds) preds[i].push_back(p.item);
    std::vector<int> component = stronglyConnected(preds);
    order.assign(items.size(), -1);
    orderOf = component;
    for (size_t i = 0; i < items.size(); ++i) {
      if (order[component[i]] >= 0) {
        why = items[i].vertices.front();
        return false;
      }
      order[component[i]] = i;
    }
    return true;
  }

  // Scans that depend on one another's parts must be planned together; all others alone. Groups of items,
  // sources first.
  std::vector<std::vector<int>> groups() const {
    std::vector<int> node(items.size());
    std::vector<llvm::SmallVector<int, 4>> preds;
    llvm::DenseMap<int, int> nodeOfScan;
    for (int i : order) {
      int fresh = preds.size();
      node[i] = items[i].child < 0 ? fresh : nodeOfScan.try_emplace(items[i].child, fresh).first->second;
      if (node[i] == fresh) preds.emplace_back();
      for (const auto &p : items[i].preds)
        if (node[p.item] != node[i]) preds[node[i]].push_back(node[p.item]);
    }
    std::vector<int> component = stronglyConnected(preds);
    std::vector<std::vector<int>> result(
        component.empty() ? 0 : *std::max_element(component.begin(), component.end()) + 1);
    for (int i : order) result[component[node[i]]].push_back(i);
    return result;
  }

  bool solve(const std::vector<int> &group, int &why) {
    SweepProblem problem;
    llvm::DenseMap<int, int> label, local;
    std::vector<int> scanOfLabel;
    for (int i : group) {
      const Item &item = items[i];
      local[i] = problem.items.size();
      int l = -1;
      if (item.child >= 0) {
        l = label.try_emplace(item.child, scanOfLabel.size()).first->second;
        if (l == int(scanOfLabel.size())) scanOfLabel.push_back(item.child);
      }
      auto &mine = problem.items.emplace_back(SweepProblem::Item{l, item.cheap, item.directions, {}});
      for (const auto &p : item.preds)
        if (auto it = local.find(p.item); it != local.end()) mine.preds.push_back({it->second, p.access});
    }
    problem.scans = scanOfLabel.size();
    if (problem.scans == 0) return true;
    std::optional<SweepPlan> sweeps = planSweeps(problem);
    if (!sweeps) {
      why = impossible(group);
      return false;
    }
    std::vector<int64_t> bytes;
    for (int i : group) {
      int64_t sum = 0;
      for (int v : items[i].vertices) sum += storageOf(v);
      bytes.push_back(sum);
    }
    placeLate(problem, bytes, *sweeps);
    for (size_t l = 0; l < scanOfLabel.size(); ++l) commit(group, *sweeps, l, scanOfLabel[l]);
    return true;
  }

  int impossible(const std::vector<int> &group) const {
    for (int i : group)
      if (items[i].directions == 0) return items[i].vertices.front();
    return items[group.front()].vertices.front();
  }

  // Bytes that storing `v` for later sweeps of the scan directly inside takes: nothing if a result stacks it
  // anyway.
  int64_t storageOf(int v) const {
    const Vertex &vertex = graph.vertices[v];
    if (vertex.where == scan || (vertex.exit() && vertex.scan == scan)) return 0;
    int64_t bytes = vertex.bytes;
    for (int s = vertex.scan; graph.scans[s].depth > depth; s = graph.scans[s].parent)
      bytes *= std::max<int64_t>(graph.scans[s].length, 1);
    return bytes;
  }

  // Makes the parts of one scan, and decides what goes from one to the next.
  void commit(const std::vector<int> &group, const SweepPlan &sweeps, int label, int child) {
    std::vector<int> partOf(sweeps.sweeps.size() + 1, -1);
    int number = 0;
    for (size_t s = 0; s < sweeps.sweeps.size(); ++s) {
      if (sweeps.sweeps[s].scan != label) continue;
      partOf[s + 1] = plan.parts.size();
      plan.parts.push_back({child, part, depth + 1, ++number, sweeps.sweeps[s].direction, {}});
    }
    StorageProblem storage;
    std::vector<int> vertices; // by value of the problem
    llvm::DenseMap<int, int> valueOf;
    std::vector<bool> placed;
    for (size_t g = 0; g < group.size(); ++g) {
      const Item &item = items[group[g]];
      if (item.child != child) continue;
      for (int v : item.vertices) {
        valueOf[v] = vertices.size();
        vertices.push_back(v);
        placed.push_back(!item.cheap);
        bool recomputable = graph.vertices[v].recomputable;
        bool storable = (!item.cheap || sweeps.inSweep[g]) && !isIndex(graph.vertices[v].op);
        storage.values.push_back({sweeps.at[g], recomputable, storable, storageOf(v), {}});
        if (!item.cheap) place(v, partOf[sweeps.at[g]]);
      }
    }
    for (size_t i = 0; i < vertices.size(); ++i) {
      stackedAnyway(vertices[i], child, storage, valueOf);
      for (const Edge &e : graph.vertices[vertices[i]].preds) {
        auto it = valueOf.find(e.from);
        if (it == valueOf.end() || graph.vertices[e.from].scan == scan || e.access == Access::Order) continue;
        if (storage.values[i].recomputable) storage.values[i].operands.push_back(it->second);
        if (placed[i]) storage.needs.push_back({it->second, storage.values[i].sweep});
      }
    }
    std::vector<bool> stored = chooseStored(storage);
    for (size_t i = 0; i < vertices.size(); ++i) {
      if (!stored[i]) continue;
      plan.stored.insert({vertices[i], part});
      if (!placed[i]) place(vertices[i], partOf[storage.values[i].sweep]);
    }
  }

  void place(int v, int target) {
    plan.executes[{v, part}] = target;
    plan.parts[target].members.push_back(v);
  }

  // A value that a result of the scan stacks in the sweep that computes it costs nothing to store.
  void stackedAnyway(int v, int child, StorageProblem &storage,
                     const llvm::DenseMap<int, int> &valueOf) const {
    const Vertex &vertex = graph.vertices[v];
    auto stack = llvm::dyn_cast_or_null<StackOp>(vertex.op);
    if (!stack || vertex.where != child) return;
    auto it = valueOf.find(graph.resolve(stack.getValue()).vertex);
    if (it != valueOf.end() && storage.values[it->second].sweep == storage.values[valueOf.lookup(v)].sweep)
      storage.values[it->second].bytes = 0;
  }
};

} // namespace

std::optional<Plan> makePlan(const Graph &graph, int &why) {
  Plan plan;
  plan.parts.push_back({});
  for (int v = 0, n = graph.vertices.size(); v < n; ++v) {
    const Vertex &vertex = graph.vertices[v];
    if (vertex.live && (!vertex.recomputable || graph.units[graph.unitOf(v, 1)].size > 1))
      plan.parts[0].members.push_back(v);
  }
  for (size_t part = 0; part < plan.parts.size(); ++part)
    if (!PartPlanner(graph, plan, part).run(why)) return std::nullopt;
  return plan;
}

} // namespace mlr::schedule
