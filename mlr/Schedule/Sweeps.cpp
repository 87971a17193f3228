#include "mlr/Schedule/Sweeps.h"

using namespace mlr::dataflow;

namespace mlr::schedule {

namespace {

constexpr int unknown = INT_MAX;
constexpr int exactSweeps = 12;
constexpr int64_t searchSteps = 20'000'000;

/// Executes sweeps on a problem, item by item.
struct Runner {
  const SweepProblem *problem;
  std::vector<int> at;       // unknown, or as in SweepPlan
  std::vector<bool> inSweep; // as in SweepPlan, of the sweep in which `at` was set
  int64_t left = 0;          // items that are not cheap and wait
  int64_t steps = 0;

  explicit Runner(const SweepProblem &p) : problem(&p), at(p.items.size(), unknown), inSweep(p.items.size()) {
    for (const auto &item : p.items) left += item.scan >= 0 && !item.cheap;
    known(0);
  }

  // What needs no sweep but those until `now`.
  void known(int now) {
    for (size_t i = 0; i < at.size(); ++i)
      if (const auto &item = problem->items[i]; at[i] == unknown && (item.scan < 0 || item.cheap))
        settle(i, item, now);
  }

  void settle(size_t i, const SweepProblem::Item &item, int now) {
    int latest = 0;
    for (const auto &p : item.preds) latest = std::max(latest, at[p.item]);
    if (latest <= now) at[i] = latest;
  }

  bool available(const SweepProblem::Item &item, const SweepProblem::Pred &p, const Sweep &sweep,
                 int now) const {
    int when = at[p.item];
    const auto &source = problem->items[p.item];
    // A window needs a true stream: one computed in this sweep, or stored by an earlier one.
    if (when < now)
      return p.access != Access::Window || !source.cheap || sweep.direction == Direction::Up ||
             source.scan < 0;
    if (when != now || source.scan != item.scan) return false;
    return sameSweep(p.access, sweep.direction) && (!source.cheap || inSweep[p.item]);
  }

  // Sweep number `now` (1-based) takes all that is ready. Returns how many items that are not cheap.
  int64_t run(const Sweep &sweep, int now) {
    int64_t taken = 0;
    steps += at.size();
    for (size_t i = 0; i < at.size(); ++i) {
      const auto &item = problem->items[i];
      if (at[i] != unknown) continue;
      bool ready = item.scan == sweep.scan && (item.cheap || (item.directions & bit(sweep.direction)));
      if (ready)
        for (const auto &p : item.preds)
          if (!available(item, p, sweep, now)) {
            ready = false;
            break;
          }
      if (item.scan < 0 || item.cheap) {
        settle(i, item, now);
        inSweep[i] = ready && at[i] == now;
      } else if (ready) {
        at[i] = now;
        ++taken;
      }
    }
    left -= taken;
    return taken;
  }
};

/// The same problem with items merged that every plan runs in the same sweep, and without those known from
/// the start.
struct Reduced {
  SweepProblem problem;

  explicit Reduced(const SweepProblem &full) {
    problem.scans = full.scans;
    std::vector<int> to(full.items.size(), -1); // -1: known from the start
    for (size_t i = 0; i < full.items.size(); ++i) {
      const auto &item = full.items[i];
      bool free = item.scan < 0 || item.cheap;
      SweepProblem::Item kept{item.scan, item.cheap, item.directions, {}};
      bool merge = item.cheap || item.directions == (mayRunUp | mayRunDown);
      for (const auto &p : item.preds) {
        if (to[p.item] < 0 && p.access != Access::Window) continue;
        if (to[p.item] < 0) { // a window over what is known: up only
          kept.directions &= mayRunUp;
          merge = false;
          continue;
        }
        merge &= p.access == Access::Same;
        bool twice = llvm::any_of(
            kept.preds, [&](const auto &q) { return q.item == to[p.item] && q.access == p.access; });
        if (!twice) kept.preds.push_back({to[p.item], p.access});
      }
      if (free && kept.preds.empty()) continue;
      if (merge && kept.preds.size() == 1) {
        const auto &source = problem.items[kept.preds[0].item];
        if (source.scan == item.scan && (!source.cheap || item.cheap)) {
          to[i] = kept.preds[0].item;
          continue;
        }
      }
      to[i] = problem.items.size();
      problem.items.push_back(std::move(kept));
    }
  }
};

class Search {
public:
  explicit Search(const SweepProblem &problem) : problem(problem) {}

  std::vector<Sweep> best;
  bool found = false;

  void all() {
    Runner start(problem);
    if (start.left == 0) {
      found = true;
      return;
    }
    for (Direction first : {Direction::Up, Direction::Down})
      if (problem.scans == 1) alternate(first);
    greedy();
    if (!found) return;
    int least = scansLeft(start);
    for (int depth = least; depth < int(best.size()) && depth <= exactSweeps; ++depth) {
      std::vector<Sweep> path;
      if (deepen(start, path, depth)) {
        best = path;
        return;
      }
      if (steps > searchSteps) return;
    }
  }

private:
  const SweepProblem &problem;
  int64_t steps = 0;

  void keep(const std::vector<Sweep> &sweeps) {
    if (!found || sweeps.size() < best.size()) best = sweeps;
    found = true;
  }

  // The rule: directions alternate; a sweep that would be empty is left out.
  void alternate(Direction direction) {
    Runner runner(problem);
    std::vector<Sweep> sweeps;
    for (int idle = 0; runner.left && idle < 2;) {
      Sweep sweep{0, direction};
      direction = direction == Direction::Up ? Direction::Down : Direction::Up;
      Runner before = runner;
      if (runner.run(sweep, sweeps.size() + 1) == 0) {
        runner = std::move(before);
        ++idle;
        continue;
      }
      idle = 0;
      sweeps.push_back(sweep);
    }
    if (!runner.left) keep(sweeps);
  }

  // The sweep that takes most, each time.
  void greedy() {
    Runner runner(problem);
    std::vector<Sweep> sweeps;
    while (runner.left) {
      std::optional<Runner> most;
      Sweep chosen{};
      int64_t mostTaken = 0;
      for (int scan = 0; scan < problem.scans; ++scan)
        for (Direction direction : {Direction::Up, Direction::Down}) {
          Runner next = runner;
          int64_t taken = next.run({scan, direction}, sweeps.size() + 1);
          if (taken <= mostTaken) continue;
          mostTaken = taken;
          chosen = {scan, direction};
          most.emplace(std::move(next));
        }
      if (!most) return;
      runner = std::move(*most);
      sweeps.push_back(chosen);
    }
    keep(sweeps);
  }

  int scansLeft(const Runner &runner) const {
    std::vector<bool> seen(problem.scans);
    for (size_t i = 0; i < runner.at.size(); ++i)
      if (const auto &item = problem.items[i]; item.scan >= 0 && !item.cheap && runner.at[i] == unknown)
        seen[item.scan] = true;
    return llvm::count(seen, true);
  }

  // Whether `depth` more sweeps do. A sweep that takes nothing helps nobody.
  bool deepen(const Runner &runner, std::vector<Sweep> &path, int depth) {
    if (runner.left == 0) return true;
    if (scansLeft(runner) > depth || steps > searchSteps) return false;
    for (int scan = 0; scan < problem.scans; ++scan)
      for (Direction direction : {Direction::Up, Direction::Down}) {
        Runner next = runner;
        steps += problem.items.size();
        if (next.run({scan, direction}, path.size() + 1) == 0) continue;
        path.push_back({scan, direction});
        if (deepen(next, path, depth - 1)) return true;
        path.pop_back();
      }
    return false;
  }
};

} // namespace

std::optional<SweepPlan> runSweeps(const SweepProblem &problem, llvm::ArrayRef<Sweep> sweeps) {
  Runner runner(problem);
  int now = 0;
  for (const Sweep &sweep : sweeps) runner.run(sweep, ++now);
  if (runner.left) return std::nullopt;
  runner.known(now);
  return SweepPlan{sweeps.vec(), std::move(runner.at), std::move(runner.inSweep)};
}

std::optional<SweepPlan> planSweeps(const SweepProblem &problem) {
  Reduced reduced(problem);
  Search search(reduced.problem);
  search.all();
  if (!search.found) return std::nullopt;
  return runSweeps(problem, search.best);
}

} // namespace mlr::schedule
