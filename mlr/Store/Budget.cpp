#include "mlr/Store/Budget.h"

#include "mlr/Store/Timeline.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace mlir;
using namespace mlr::dataflow;
using nlohmann::ordered_json;

namespace mlr::store {

namespace {

using schedule::Slots;
using Choice = std::vector<Slots>;

/// Bytes of a struct: its end is a multiple of the alignment of its members.
int64_t sizeOf(const Plan &made, Space space, int64_t bytes) {
  int64_t alignment = 1;
  for (const Buffer &b : made.buffers)
    if (b.space == space) alignment = std::max(alignment, elementBytes(b.element));
  return (bytes + alignment - 1) / alignment * alignment;
}

/// State and scratch of the node with so many checkpoints in each crossing.
int64_t measure(NodeOp node, const Choice &slots) {
  OwningOpRef<NodeOp> copy(cast<NodeOp>(node->clone()));
  schedule::checkpoint(schedule::findCrossings(*copy), slots);
  Plan made = plan(*copy);
  return sizeOf(made, Space::State, made.stateBytes) + sizeOf(made, Space::Scratch, made.scratchBytes);
}

class Fitter {
public:
  Fitter(NodeOp node, int64_t bytes) : node(node), limit(bytes), crossings(schedule::findCrossings(node, &result.kept)) {}

  /// Chooses; the node stays as it is.
  Budget choose() {
    slots.assign(crossings.size(), Slots{});
    result.plainBytes = result.bytes = measure(node, slots);
    result.fits = result.plainBytes <= limit;
    // No more crossings than are needed.
    for (size_t n = 1; n <= crossings.size() && !result.fits; ++n) {
      slots[n - 1] = {1, 1};
      int64_t bytes = measure(node, slots);
      result.bytes = std::min(result.bytes, bytes);
      result.fits = bytes <= limit;
      if (result.fits && n == 1) weigh(bytes);
      else if (result.fits) enlarge(n);
    }
    if (!result.fits) slots.assign(crossings.size(), Slots{});
    for (auto [c, chosen] : llvm::zip(crossings, slots))
      result.sweeps.push_back({c.producer.getLoc(), c.length, chosen, c.storedBytes, c.stateBytes,
                               chosen.slots ? schedule::recomputedInstants(c.length, chosen) : 0});
    return result;
  }

  void apply() { schedule::checkpoint(crossings, slots); }

private:
  NodeOp node;
  int64_t limit;
  Budget result;
  std::vector<schedule::Crossing> crossings;
  Choice slots;

  // One crossing: for each length of blocks, as many checkpoints as there is memory for; of these the fewest instants again.
  void weigh(int64_t least) {
    const schedule::Crossing &c = crossings[0];
    slots[0] = {1, 2};
    const int64_t taped = measure(node, slots), row = c.stateBytes + 4; // and its instant
    Slots best{1, 1};
    int64_t fewest = schedule::recomputedInstants(c.length, best);
    for (int64_t block = 1; block <= c.length; block += 1 + block / 64) {
      int64_t spare = block == 1 ? limit - least : limit - taped - (block - 2) * c.tapeBytes;
      if (spare < 0) break;
      Slots tried{std::min(1 + spare / row, (c.length + block - 1) / block), block};
      int64_t again = schedule::recomputedInstants(c.length, tried);
      if (again < fewest) best = tried, fewest = again;
    }
    settle(best, row);
  }

  // Alignment may take a little more, or leave room.
  void settle(Slots best, int64_t row) {
    auto bytesOf = [&](Slots tried) {
      slots[0] = tried;
      return measure(node, slots);
    };
    for (int64_t bytes; best.slots > 1 && (bytes = bytesOf(best)) > limit;)
      best.slots = std::max<int64_t>(1, best.slots - std::max<int64_t>(1, (bytes - limit) / row));
    if (bytesOf(best) > limit) best = {1, 1};
    int64_t places = (crossings[0].length + best.block - 1) / best.block;
    while (best.slots < places && bytesOf({best.slots + 1, best.block}) <= limit) ++best.slots;
    result.bytes = bytesOf(best);
  }

  // Several crossings: first all of the first n alike, then one after the other.
  void enlarge(size_t n) {
    int64_t longest = 1;
    for (size_t i = 0; i < n; ++i) longest = std::max(longest, crossings[i].length);
    grow(longest, [&](Choice &s, int64_t count) {
      for (size_t i = 0; i < n; ++i) s[i].slots = std::min(count, crossings[i].length);
    });
    for (size_t i = 0; i < n; ++i)
      grow(crossings[i].length, [&](Choice &s, int64_t count) { s[i].slots = std::max(count, s[i].slots); });
  }

  // The largest count that fits, by bisection; 1 does.
  template <typename Set> void grow(int64_t most, Set set) {
    int64_t fitting = 1, beyond = most + 1;
    while (fitting + 1 < beyond) {
      int64_t middle = fitting + (beyond - fitting) / 2;
      Choice tried = slots;
      set(tried, middle);
      (measure(node, tried) <= limit ? fitting : beyond) = middle;
    }
    set(slots, fitting);
    result.bytes = measure(node, slots);
  }
};

} // namespace

Budget fitBudget(NodeOp node, int64_t bytes) {
  Fitter fitter(node, bytes);
  Budget result = fitter.choose();
  if (result.fits) fitter.apply();
  return result;
}

static double factorOf(int64_t recomputed, int64_t length) {
  return 1 + static_cast<double>(recomputed) / static_cast<double>(std::max<int64_t>(length, 1));
}

static std::string instants(int64_t n) { return fmt::format("{} instant{}", n, n == 1 ? "" : "s"); }

std::string budgetText(const Budget &budget, int64_t limit) {
  std::string out = fmt::format("\nbudget of {} bytes: state and scratch take {}\n", limit, budget.bytes);
  for (const Checkpoints &s : budget.sweeps)
    if (s.chosen.slots)
      out += fmt::format("  {} checkpoints of {} bytes over {} in blocks of {}, instead of {} bytes; {} again, the forward sweep "
                         "{:.2f}x\n",
                         s.chosen.slots, s.stateBytes, instants(s.length), s.chosen.block, s.storedBytes, instants(s.recomputed),
                         factorOf(s.recomputed, s.length));
  return out;
}

std::string budgetJson(const Budget &budget, int64_t limit) {
  ordered_json sweeps = ordered_json::array();
  for (const Checkpoints &s : budget.sweeps)
    if (s.chosen.slots)
      sweeps.push_back({{"checkpoints", s.chosen.slots},
                        {"bytes_each", s.stateBytes},
                        {"instants", s.length},
                        {"block", s.chosen.block},
                        {"bytes_stored_without", s.storedBytes},
                        {"instants_again", s.recomputed},
                        {"forward", factorOf(s.recomputed, s.length)}});
  return ordered_json{{"limit", limit}, {"bytes", budget.bytes}, {"sweeps", sweeps}}.dump();
}

std::vector<Trade> trades(NodeOp node) {
  Budget least = Fitter(node, 0).choose();
  if (least.fits || least.bytes >= least.plainBytes) return {};
  std::vector<Trade> all;
  double step = std::max(1.5, std::pow(static_cast<double>(least.plainBytes) / static_cast<double>(least.bytes), 0.1));
  for (double at = static_cast<double>(least.bytes); at < static_cast<double>(least.plainBytes); at *= step) {
    Budget made = Fitter(node, static_cast<int64_t>(at)).choose();
    Trade t{made.sweeps.front().chosen, made.bytes, 0, 1};
    int64_t length = 0;
    for (const Checkpoints &s : made.sweeps) {
      t.recomputed += s.recomputed;
      length += s.length;
    }
    t.factor = factorOf(t.recomputed, length);
    if (all.empty() || all.back().recomputed > t.recomputed) all.push_back(t);
  }
  all.push_back({{}, least.plainBytes, 0, 1});
  return all;
}

namespace {

/// Arrays that stay stored for the same reason, of one variable, or of values without a name on one line.
struct KeptGroup {
  std::string name;
  unsigned line = 0; ///< 0: unknown
  int64_t count = 0, bytes = 0;
  std::string why;
};

unsigned lineOf(mlir::Location loc) {
  while (true) {
    if (auto call = dyn_cast<CallSiteLoc>(loc)) loc = call.getCallee();
    else if (auto name = dyn_cast<NameLoc>(loc)) loc = name.getChildLoc();
    else if (auto fused = dyn_cast<FusedLoc>(loc); fused && !fused.getLocations().empty()) loc = fused.getLocations()[0];
    else break;
  }
  auto file = dyn_cast<FileLineColLoc>(loc);
  return file ? file.getLine() : 0;
}

std::vector<KeptGroup> grouped(ArrayRef<schedule::Kept> kept) {
  std::vector<KeptGroup> groups;
  for (const schedule::Kept &k : kept) {
    KeptGroup one{sourceName(k.location).str(), lineOf(k.location), 0, 0, k.why};
    auto same = [&](const KeptGroup &g) { return g.name == one.name && g.line == one.line && g.why == one.why; };
    auto at = llvm::find_if(groups, same);
    if (at == groups.end()) at = groups.insert(at, one);
    ++at->count;
    at->bytes += k.bytes;
  }
  return groups;
}

} // namespace

std::string keptText(ArrayRef<schedule::Kept> kept) {
  std::vector<KeptGroup> groups = grouped(kept);
  std::string out;
  for (size_t i = 0; i < groups.size(); ++i) {
    auto alike = [&](const KeptGroup &g) { return g.why == groups[i].why; };
    if (std::any_of(groups.begin(), groups.begin() + static_cast<ptrdiff_t>(i), alike)) continue; // said
    int64_t bytes = 0;
    std::string what;
    for (const KeptGroup &g : groups) {
      if (!alike(g)) continue;
      bytes += g.bytes;
      std::string times = g.count > 1 ? fmt::format("{} arrays, ", g.count) : "";
      std::string line = g.line ? fmt::format("line {}", g.line) : "no line";
      std::string place = g.name.empty() ? line + " (" : fmt::format("`{}` ({}, ", g.name, line);
      what += fmt::format("{}{}{}{} bytes)", what.empty() ? "" : ", ", place, times, g.bytes);
    }
    out += fmt::format("  {} bytes stay stored ({}): {}\n", bytes, groups[i].why, what);
  }
  return out;
}

std::string tradeJson(NodeOp node) {
  std::vector<Trade> all = trades(node);
  if (all.empty()) return "";
  std::vector<schedule::Kept> kept;
  schedule::findCrossings(node, &kept);
  ordered_json points = ordered_json::array(), stored = ordered_json::array();
  for (const Trade &t : all)
    points.push_back({{"bytes", t.bytes},
                      {"checkpoints", t.chosen.slots},
                      {"block", t.chosen.slots ? t.chosen.block : 0},
                      {"instants_again", t.recomputed},
                      {"forward", t.factor}});
  for (const KeptGroup &g : grouped(kept))
    stored.push_back({{"name", g.name}, {"line", g.line}, {"arrays", g.count}, {"bytes", g.bytes}, {"why", g.why}});
  return ordered_json{{"points", points}, {"stored", stored}}.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string tradeText(NodeOp node) {
  std::vector<Trade> all = trades(node);
  std::vector<schedule::Kept> kept;
  schedule::findCrossings(node, &kept);
  if (all.empty()) return "";
  std::string out = fmt::format("\nmemory budgets (--ram)\n  {:>12} {:>12} {:>8} {:>14} {:>8}\n", "bytes", "checkpoints", "blocks of",
                                "instants again", "forward");
  for (const Trade &t : all)
    out += fmt::format("  {:>12} {:>12} {:>8} {:>14} {:>7.2f}x\n", t.bytes, t.chosen.slots ? std::to_string(t.chosen.slots) : "none",
                       t.chosen.slots ? std::to_string(t.chosen.block) : "-", t.recomputed, t.factor);
  out += keptText(kept);
  return out;
}

} // namespace mlr::store
