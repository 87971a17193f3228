#include "mlr/Schedule/Placement.h"

#include <queue>

using namespace mlr::dataflow;

namespace mlr::schedule {

namespace {

constexpr int unbounded = INT_MAX;
constexpr size_t largestGroup = 512;

class Placer {
public:
  Placer(const SweepProblem &problem, const std::vector<int64_t> &bytes, SweepPlan &plan)
      : problem(problem), bytes(bytes), plan(plan), limit(problem.items.size(), unbounded),
        latest(problem.items.size(), 0), users(problem.items.size()) {
    for (size_t i = 0; i < problem.items.size(); ++i)
      for (const auto &p : problem.items[i].preds) users[p.item].push_back(i);
  }

  void run() {
    for (int i = int(problem.items.size()) - 1; i >= 0; --i) {
      if (waits(i)) tryMove(i);
      pass(i);
    }
    refresh();
  }

private:
  const SweepProblem &problem;
  const std::vector<int64_t> &bytes;
  SweepPlan &plan;
  /// Deadline by its users: 2j + 1 means in sweep j or before it, 2j before it.
  std::vector<int> limit;
  std::vector<int> latest; ///< last sweep that reads the item, perhaps through cheap ones
  std::vector<llvm::SmallVector<int, 4>> users;

  bool waits(int i) const { return problem.items[i].scan >= 0 && !problem.items[i].cheap; }
  Direction directionOf(int sweep) const { return plan.sweeps[sweep - 1].direction; }

  // Tells the operands of item i when they are needed.
  void pass(int i) {
    const auto &item = problem.items[i];
    int own = waits(i) ? 2 * plan.at[i] + 1 : limit[i], last = waits(i) ? plan.at[i] : latest[i];
    for (const auto &p : item.preds) {
      int due = own;
      if (own != unbounded && own % 2) {
        bool same = problem.items[p.item].scan == item.scan && item.scan >= 0;
        if (!same || !sameSweep(p.access, directionOf(own / 2))) --due;
      }
      limit[p.item] = std::min(limit[p.item], due);
      latest[p.item] = std::max(latest[p.item], last);
    }
  }

  void tryMove(int i) {
    const auto &item = problem.items[i];
    if (limit[i] == unbounded || bytes[i] == 0) return;
    int to = limit[i] % 2 ? limit[i] / 2 : limit[i] / 2 - 1;
    while (to > plan.at[i] &&
           (plan.sweeps[to - 1].scan != item.scan || !(item.directions & bit(directionOf(to)))))
      --to;
    if (to <= plan.at[i] || latest[i] > to || latest[i] <= plan.at[i]) return;
    llvm::DenseSet<int> group;
    int64_t cost = gather(i, to, group);
    if (cost >= bytes[i]) return;
    for (int member : group)
      if (waits(member)) plan.at[member] = to;
  }

  // What moves along with item i, and the bytes that newly cross to sweep `to`.
  int64_t gather(int i, int to, llvm::DenseSet<int> &group) const {
    llvm::DenseSet<int> seen{i};
    std::priority_queue<int> queue;
    int64_t cost = 0;
    auto pushOperands = [&](int item) {
      for (const auto &p : problem.items[item].preds)
        if (problem.items[p.item].scan == problem.items[i].scan && seen.insert(p.item).second)
          queue.push(p.item);
    };
    group.insert(i);
    pushOperands(i);
    while (!queue.empty()) {
      int u = queue.top();
      queue.pop();
      const auto &item = problem.items[u];
      if (seen.size() > largestGroup) return INT64_MAX;
      if (plan.at[u] == 0) continue;
      if (item.cheap || follows(u, to, group)) {
        if (!item.cheap || follows(u, to, group)) group.insert(u);
        pushOperands(u);
        continue;
      }
      if (plan.at[u] < to && !crossesAnyway(u, to, group)) cost += bytes[u];
    }
    return cost;
  }

  bool follows(int u, int to, const llvm::DenseSet<int> &group) const {
    const auto &item = problem.items[u];
    if (!item.cheap && !(item.directions & bit(directionOf(to)))) return false;
    for (int user : users[u]) {
      if (!group.contains(user)) return false;
      for (const auto &p : problem.items[user].preds)
        if (p.item == u && !sameSweep(p.access, directionOf(to))) return false;
    }
    return true;
  }

  // Some reader outside the group that is not cheap runs in a later sweep than u.
  bool crossesAnyway(int u, int to, const llvm::DenseSet<int> &group) const {
    return llvm::any_of(users[u], [&](int user) {
      return waits(user) && !group.contains(user) && plan.at[user] > plan.at[u];
    });
  }

  // Sweeps of cheap items and of operations of the body, after the moves.
  void refresh() {
    for (size_t i = 0; i < problem.items.size(); ++i) {
      if (waits(i)) continue;
      const auto &item = problem.items[i];
      int at = 0;
      for (const auto &p : item.preds) at = std::max(at, plan.at[p.item]);
      bool here = at > 0 && item.scan >= 0 && plan.sweeps[at - 1].scan == item.scan;
      for (const auto &p : item.preds) {
        if (plan.at[p.item] < at) continue;
        const auto &source = problem.items[p.item];
        here = here && source.scan == item.scan && sameSweep(p.access, directionOf(at)) &&
               (!source.cheap || plan.inSweep[p.item]);
      }
      plan.at[i] = at;
      plan.inSweep[i] = here;
    }
  }
};

} // namespace

void placeLate(const SweepProblem &problem, const std::vector<int64_t> &bytes, SweepPlan &plan) {
  if (plan.sweeps.size() > 1) Placer(problem, bytes, plan).run();
}

} // namespace mlr::schedule
