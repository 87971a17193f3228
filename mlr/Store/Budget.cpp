#include "mlr/Store/Budget.h"

#include "mlr/Store/Timeline.h"

#include <fmt/format.h>

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::store {

namespace {

using Slots = std::vector<int64_t>;

/// Bytes of a struct: its end is a multiple of the alignment of its members.
int64_t sizeOf(const Plan &made, Space space, int64_t bytes) {
  int64_t alignment = 1;
  for (const Buffer &b : made.buffers)
    if (b.space == space) alignment = std::max(alignment, elementBytes(b.element));
  return (bytes + alignment - 1) / alignment * alignment;
}

/// State and scratch of the node with so many checkpoints in each crossing.
int64_t measure(NodeOp node, const Slots &slots) {
  OwningOpRef<NodeOp> copy(cast<NodeOp>(node->clone()));
  schedule::checkpoint(schedule::findCrossings(*copy), slots);
  Plan made = plan(*copy);
  return sizeOf(made, Space::State, made.stateBytes) + sizeOf(made, Space::Scratch, made.scratchBytes);
}

class Fitter {
public:
  Fitter(NodeOp node, int64_t bytes) : node(node), limit(bytes), crossings(schedule::findCrossings(node, &result.kept)) {}

  Budget run() {
    Slots slots(crossings.size(), 0);
    result.plainBytes = result.bytes = measure(node, slots);
    result.fits = result.plainBytes <= limit;
    // No more crossings than are needed.
    for (size_t n = 1; n <= crossings.size() && !result.fits; ++n) {
      slots[n - 1] = 1;
      int64_t bytes = measure(node, slots);
      result.bytes = std::min(result.bytes, bytes);
      result.fits = bytes <= limit;
      if (result.fits) enlarge(slots, n);
    }
    if (!result.fits) slots.assign(crossings.size(), 0);
    for (auto [c, n] : llvm::zip(crossings, slots))
      result.sweeps.push_back({c.producer.getLoc(), c.length, n, c.storedBytes, c.stateBytes,
                               n ? schedule::recomputedInstants(c, n) : 0});
    if (result.fits) schedule::checkpoint(crossings, slots);
    return result;
  }

private:
  NodeOp node;
  int64_t limit;
  Budget result;
  std::vector<schedule::Crossing> crossings;

  // First all of the first n alike, then one after the other.
  void enlarge(Slots &slots, size_t n) {
    int64_t longest = 1;
    for (size_t i = 0; i < n; ++i) longest = std::max(longest, crossings[i].length);
    grow(slots, longest, [&](Slots &s, int64_t count) {
      for (size_t i = 0; i < n; ++i) s[i] = std::min(count, crossings[i].length);
    });
    for (size_t i = 0; i < n && n > 1; ++i)
      grow(slots, crossings[i].length, [&](Slots &s, int64_t count) { s[i] = std::max(count, s[i]); });
  }

  // The largest count that fits, by bisection; 1 does.
  template <typename Set> void grow(Slots &slots, int64_t most, Set set) {
    int64_t fitting = 1, beyond = most + 1;
    while (fitting + 1 < beyond) {
      int64_t middle = fitting + (beyond - fitting) / 2;
      Slots tried = slots;
      set(tried, middle);
      (measure(node, tried) <= limit ? fitting : beyond) = middle;
    }
    set(slots, fitting);
    result.bytes = measure(node, slots);
  }
};

} // namespace

Budget fitBudget(NodeOp node, int64_t bytes) { return Fitter(node, bytes).run(); }

std::string budgetText(const Budget &budget, int64_t limit) {
  std::string out = fmt::format("\nbudget of {} bytes: state and scratch take {}\n", limit, budget.bytes);
  for (const Checkpoints &s : budget.sweeps)
    if (s.slots)
      out += fmt::format("  {} checkpoints of {} bytes over {} instants instead of {} bytes; {} instants computed again, the "
                         "forward sweep {:.2f}x\n",
                         s.slots, s.stateBytes, s.length, s.storedBytes, s.recomputed,
                         1 + static_cast<double>(s.recomputed) / static_cast<double>(s.length));
  return out;
}

std::vector<Trade> trades(NodeOp node) {
  auto crossings = schedule::findCrossings(node);
  if (crossings.empty()) return {};
  int64_t longest = 0, instants = 0;
  for (auto &c : crossings) {
    longest = std::max(longest, c.length);
    instants += c.length;
  }
  int64_t plain = measure(node, Slots(crossings.size(), 0));
  std::vector<Trade> all;
  double step = std::max(2.0, std::pow(static_cast<double>(longest), 0.1));
  for (double at = 1; at <= static_cast<double>(longest); at *= step) {
    Trade t;
    t.slots = static_cast<int64_t>(at);
    Slots slots;
    for (auto &c : crossings) {
      slots.push_back(std::min(t.slots, c.length));
      t.recomputed += schedule::recomputedInstants(c, slots.back());
    }
    t.bytes = measure(node, slots);
    if (t.bytes >= plain) break;
    t.factor = 1 + static_cast<double>(t.recomputed) / static_cast<double>(instants);
    all.push_back(t);
  }
  if (!all.empty()) all.push_back({0, plain, 0, 1});
  return all;
}

std::string tradeText(NodeOp node) {
  std::vector<Trade> all = trades(node);
  std::vector<schedule::Kept> kept;
  schedule::findCrossings(node, &kept);
  if (all.empty()) return "";
  std::string out = fmt::format("\nmemory budgets (--ram)\n  {:>12} {:>12} {:>14} {:>8}\n", "checkpoints", "bytes", "recomputed", "forward");
  for (const Trade &t : all)
    out += fmt::format("  {:>12} {:>12} {:>14} {:>7.2f}x\n", t.slots ? std::to_string(t.slots) : "none", t.bytes, t.recomputed, t.factor);
  for (const schedule::Kept &k : kept) out += fmt::format("  {} bytes stay stored: {}\n", k.bytes, k.why);
  return out;
}

} // namespace mlr::store
