#include "mlr/Schedule/Storage.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

#include <algorithm>
#include <climits>

namespace mlr::schedule {

namespace {

constexpr int exactValues = 15;
constexpr int64_t exactSteps = 30'000'000;
constexpr size_t cutValues = 4096; ///< beyond, all recomputable values are computed again
constexpr int64_t infinite = INT64_MAX / 4;

using Need = StorageProblem::Need;

/// Calls visit(value, sweep) once for every value that a sweep after its own needs, given what is stored.
template <typename Visit>
void forEachNeed(const StorageProblem &p, const std::vector<bool> &stored, Visit visit) {
  llvm::DenseSet<std::pair<int, int>> seen;
  llvm::DenseSet<int> computed; // stored recomputable values whose operands their own sweep needs
  std::vector<Need> work(p.needs.rbegin(), p.needs.rend());
  while (!work.empty()) {
    Need need = work.back();
    work.pop_back();
    const auto &value = p.values[need.value];
    bool isStored = stored[need.value];
    if (need.sweep <= value.sweep) {
      // Executed in this sweep. A recomputable value passes the need on; others have listed theirs.
      if (!value.recomputable || !seen.insert({need.value, need.sweep}).second) continue;
      for (int u : value.operands) work.push_back({u, need.sweep});
      continue;
    }
    if (!seen.insert({need.value, need.sweep}).second) continue;
    visit(need.value, need.sweep);
    if (!value.recomputable) continue;
    if (!isStored) {
      for (int u : value.operands) work.push_back({u, need.sweep});
    } else if (computed.insert(need.value).second) {
      for (int u : value.operands) work.push_back({u, value.sweep});
    }
  }
}

/// Maximum flow by shortest augmenting paths on unit-split vertices.
class Flow {
public:
  explicit Flow(int nodes) : first(nodes, -1) {}

  void edge(int from, int to, int64_t capacity) {
    arcs.push_back({to, first[from], capacity});
    first[from] = arcs.size() - 1;
    arcs.push_back({from, first[to], 0});
    first[to] = arcs.size() - 1;
  }

  void run(int source, int sink) {
    while (augment(source, sink)) {
    }
  }

  // Nodes from which the sink can still be reached: the cut nearest to the sink lies before them.
  std::vector<bool> reachesSink(int sink) const {
    std::vector<bool> seen(first.size());
    std::vector<int> stack{sink};
    seen[sink] = true;
    while (!stack.empty()) {
      int to = stack.back();
      stack.pop_back();
      for (int a = first[to]; a >= 0; a = arcs[a].next)
        if (int from = arcs[a].to; !seen[from] && arcs[a ^ 1].capacity > 0) {
          seen[from] = true;
          stack.push_back(from);
        }
    }
    return seen;
  }

private:
  struct Arc {
    int to, next;
    int64_t capacity;
  };
  std::vector<Arc> arcs;
  std::vector<int> first;

  bool augment(int source, int sink) {
    std::vector<int> via(first.size(), -1), queue{source};
    for (size_t i = 0; i < queue.size() && via[sink] < 0; ++i)
      for (int a = first[queue[i]]; a >= 0; a = arcs[a].next)
        if (int to = arcs[a].to; arcs[a].capacity > 0 && via[to] < 0 && to != source) {
          via[to] = a;
          queue.push_back(to);
        }
    if (via[sink] < 0) return false;
    int64_t amount = infinite;
    for (int v = sink; v != source; v = arcs[via[v] ^ 1].to) amount = std::min(amount, arcs[via[v]].capacity);
    for (int v = sink; v != source; v = arcs[via[v] ^ 1].to) {
      arcs[via[v]].capacity -= amount;
      arcs[via[v] ^ 1].capacity += amount;
    }
    return true;
  }
};

/// Cuts what sweep `sweep` needs from what it cannot compute, and stores the cut.
void cutForSweep(const StorageProblem &p, int sweep, std::vector<bool> &stored) {
  llvm::DenseMap<int, int> node;
  std::vector<int> order;
  auto nodeOf = [&](int value) {
    auto [it, fresh] = node.try_emplace(value, 2 + 2 * order.size());
    if (fresh) order.push_back(value);
    return it->second;
  };
  constexpr int source = 0, sink = 1;
  struct Link {
    int from, to;
    int64_t capacity;
  };
  std::vector<Link> links;
  for (const Need &need : p.needs)
    if (need.sweep == sweep) links.push_back({nodeOf(need.value) + 1, sink, infinite});
  for (size_t i = 0; i < order.size(); ++i) {
    const auto &value = p.values[order[i]];
    int in = nodeOf(order[i]);
    bool here = value.sweep >= sweep, choice = !here && value.sweep > 0 && value.storable;
    int64_t bytes = stored[order[i]] ? 0 : value.bytes;
    if (!value.recomputable && here) continue; // at hand
    links.push_back({in, in + 1, choice ? bytes : infinite});
    if (!value.recomputable) links.push_back({source, in, infinite});
    else
      for (int u : value.operands) links.push_back({nodeOf(u) + 1, in, infinite});
  }
  Flow flow(2 + 2 * order.size());
  for (const Link &l : links) flow.edge(l.from, l.to, l.capacity);
  flow.run(source, sink);
  std::vector<bool> after = flow.reachesSink(sink);
  for (int value : order) {
    int in = node[value];
    const auto &v = p.values[value];
    if (after[in + 1] && !after[in] && v.sweep > 0 && v.sweep < sweep && v.storable) stored[value] = true;
  }
}

/// The values that matter to the choice, renumbered.
struct Relevant {
  StorageProblem problem;
  std::vector<int> original;

  explicit Relevant(const StorageProblem &p) {
    llvm::DenseMap<int, int> to;
    llvm::DenseSet<std::pair<int, int>> seen;
    auto number = [&](int value) {
      auto [it, fresh] = to.try_emplace(value, original.size());
      if (fresh) original.push_back(value);
      return it->second;
    };
    for (const Need &need : p.needs) {
      const auto &v = p.values[need.value];
      bool matters = need.sweep > v.sweep ? v.sweep > 0 || v.recomputable : v.recomputable;
      if (matters && v.sweep > 0 && seen.insert({need.value, need.sweep}).second)
        problem.needs.push_back({number(need.value), need.sweep});
    }
    for (size_t i = 0; i < original.size(); ++i) {
      StorageProblem::Value v = p.values[original[i]];
      for (int &u : v.operands) u = number(u);
      if (v.sweep == 0) v.operands.clear();
      problem.values.push_back(std::move(v));
    }
  }
};

std::vector<bool> choose(const StorageProblem &p) {
  std::vector<bool> none(p.values.size());
  std::vector<int> choices;
  int lastSweep = 0;
  forEachNeed(p, none, [&](int value, int sweep) {
    const auto &v = p.values[value];
    if (v.recomputable && v.storable && v.sweep > 0) choices.push_back(value);
    lastSweep = std::max(lastSweep, sweep);
  });
  std::sort(choices.begin(), choices.end());
  choices.erase(std::unique(choices.begin(), choices.end()), choices.end());
  std::vector<bool> best = none;
  int64_t bestRecomputed = 0, bestBytes = closeStored(p, best, &bestRecomputed);
  auto offer = [&](std::vector<bool> stored) {
    int64_t recomputed = 0, bytes = closeStored(p, stored, &recomputed);
    if (std::pair(bytes, recomputed) >= std::pair(bestBytes, bestRecomputed)) return;
    bestBytes = bytes;
    bestRecomputed = recomputed;
    best = std::move(stored);
  };
  if (int(choices.size()) <= exactValues &&
      int64_t(p.values.size() + p.needs.size()) << choices.size() <= exactSteps) {
    for (uint32_t subset = 1; subset < 1u << choices.size(); ++subset) {
      std::vector<bool> stored = none;
      for (size_t i = 0; i < choices.size(); ++i) stored[choices[i]] = subset >> i & 1;
      offer(std::move(stored));
    }
    return best;
  }
  if (choices.size() > cutValues) return best;
  std::vector<bool> stored = none;
  for (int sweep = 2; sweep <= lastSweep; ++sweep) cutForSweep(p, sweep, stored);
  offer(std::move(stored));
  return best;
}

} // namespace

int64_t closeStored(const StorageProblem &p, std::vector<bool> &stored, int64_t *recomputed) {
  int64_t bytes = 0;
  forEachNeed(p, stored, [&](int value, int sweep) {
    if (!p.values[value].recomputable) stored[value] = true;
    else if (!stored[value] && recomputed) ++*recomputed;
  });
  for (size_t v = 0; v < stored.size(); ++v)
    if (stored[v]) bytes += p.values[v].bytes;
  return bytes;
}

std::vector<bool> chooseStored(const StorageProblem &problem) {
  Relevant relevant(problem);
  std::vector<bool> chosen = choose(relevant.problem), stored(problem.values.size());
  for (size_t i = 0; i < chosen.size(); ++i) stored[relevant.original[i]] = chosen[i];
  return stored;
}

} // namespace mlr::schedule
