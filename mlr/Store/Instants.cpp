#include "mlr/Store/Instants.h"
#include "mlr/Dataflow/Segments.h"

#include <map>

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::store {
namespace {

constexpr int64_t mostInstants = 1 << 16;
constexpr size_t mostChoices = 1 << 10;

/// A value that conditions depend on and that no clock determines: a bool, or an integer that is compared with constants.
struct Unknown {
  Value value;
  std::vector<int64_t> choices;
};

class Follower {
public:
  Follower(NodeOp node, const Plan &plan) : node(node), plan(plan) {}

  StepCounts run() {
    collect();
    StepCounts out;
    std::array<double, 7> sum{};
    int64_t instants = 0;
    do {
      known.clear();
      OperationCounts now = mostOf();
      if (totalOf(now) >= totalOf(out.worst)) out.worst = now;
      auto values = valuesOf(now);
      for (size_t k = 0; k < sum.size(); ++k) sum[k] += static_cast<double>(values[k]);
      ++instants;
      advance();
    } while (instants < mostInstants && !atStart());
    for (size_t k = 0; k < sum.size(); ++k) out.average[k] = sum[k] / static_cast<double>(instants);
    out.period = instants;
    out.isWhole = atStart();
    return out;
  }

private:
  static std::array<int64_t, 7> valuesOf(const OperationCounts &c) {
    return {c.flops, c.fmas, c.integer, c.comparisons, c.conversions, c.loads, c.stores};
  }
  static int64_t totalOf(const OperationCounts &c) {
    int64_t total = 0;
    for (int64_t n : valuesOf(c)) total += n;
    return total;
  }

  // ---- conditions

  void collect() {
    auto add = [&](Value flag) {
      if (!flag || flag.getParentBlock() != &bodyOf(node) || llvm::is_contained(flags, flag)) return;
      flags.push_back(flag);
      visit(flag);
    };
    node.walk([&](Operation *op) {
      if (auto o = dyn_cast<GenOp>(op)) add(o.getWhen());
      if (auto o = dyn_cast<ReduceOp>(op)) add(o.getWhen());
      if (auto o = dyn_cast<ScanOp>(op)) add(o.getWhen());
      if (auto o = dyn_cast<RowsOp>(op)) add(o.getWhen()), add(o.getFill());
    });
    size_t all = 1;
    for (Unknown &u : unknowns) all = std::min(mostChoices + 1, all * u.choices.size());
    follows = all <= mostChoices;
  }

  /// Finds the counters and the unknown values behind a condition.
  void visit(Value v) {
    if (!seen.insert(v).second) return;
    Operation *op = v.getDefiningOp();
    if (op && isa<ConstOp>(op)) return;
    if (auto counter = op ? periodicClock(v) : std::nullopt; counter && !counter->reset) {
      clocks.push_back(*counter);
      positions.push_back(0);
      if (counter->active) visit(counter->active);
      return;
    }
    if (op && isa<AndOp, OrOp, NotOp, XorOp, SelectOp>(op) && v.getType().isInteger(1)) {
      for (Value operand : op->getOperands()) visit(operand);
      return;
    }
    if (auto eq = v.getDefiningOp<EqOp>(); eq && integerOf(eq.getRhs())) {
      addChoice(eq.getLhs(), *integerOf(eq.getRhs()));
      return;
    }
    unknowns.push_back({v, {0, 1}});
  }

  static std::optional<int64_t> integerOf(Value v) {
    auto constant = v.getDefiningOp<ConstOp>();
    auto integer = constant ? dyn_cast<IntegerAttr>(constant.getValue()) : IntegerAttr();
    if (!integer) return std::nullopt;
    return integer.getType().isInteger(1) ? !integer.getValue().isZero() : integer.getValue().getSExtValue();
  }

  /// Besides the constants it is compared with, the value may be something else.
  void addChoice(Value v, int64_t choice) {
    auto it = llvm::find_if(unknowns, [&](Unknown &u) { return u.value == v; });
    if (it == unknowns.end()) {
      int64_t other = std::numeric_limits<int64_t>::min();
      it = unknowns.insert(unknowns.end(), {v, {other}});
    }
    if (!llvm::is_contained(it->choices, choice)) it->choices.push_back(choice);
  }

  /// Conditions that are no more than unknown count as true where there are too many to try.
  bool holds(Value v) {
    if (auto it = known.find(v); it != known.end()) return it->second;
    Operation *op = v.getDefiningOp();
    bool is = true;
    if (auto constant = integerOf(v)) is = *constant != 0;
    else if (auto k = clockOf(v)) is = positions[*k] == clocks[*k].phase && (!clocks[*k].active || holds(clocks[*k].active));
    else if (auto choice = chosen.find(v); choice != chosen.end()) is = choice->second != 0;
    else if (op && isa<AndOp>(op)) is = holds(op->getOperand(0)) && holds(op->getOperand(1));
    else if (op && isa<OrOp>(op)) is = holds(op->getOperand(0)) || holds(op->getOperand(1));
    else if (op && follows && isa<NotOp>(op)) is = !holds(op->getOperand(0));
    else if (op && follows && isa<XorOp>(op)) is = holds(op->getOperand(0)) != holds(op->getOperand(1));
    else if (op && follows && isa<SelectOp>(op))
      is = holds(op->getOperand(0)) ? holds(op->getOperand(1)) : holds(op->getOperand(2));
    else if (auto eq = v.getDefiningOp<EqOp>(); eq && follows)
      if (auto choice = chosen.find(eq.getLhs()); choice != chosen.end()) is = choice->second == *integerOf(eq.getRhs());
    return known[v] = is;
  }

  std::optional<size_t> clockOf(Value v) {
    for (size_t k = 0; k < clocks.size(); ++k)
      if (clocks[k].last == v) return k;
    return std::nullopt;
  }

  // ---- instants

  /// Instants at which the same clocks are active cost the same.
  const OperationCounts &mostOf() {
    std::vector<bool> active;
    for (size_t k = 0; k < clocks.size(); ++k) active.push_back(positions[k] == clocks[k].phase);
    auto [it, isNew] = mostAt.try_emplace(active);
    if (isNew) it->second = tryChoices();
    return it->second;
  }

  OperationCounts tryChoices() {
    OperationCounts most;
    std::vector<size_t> at(follows ? unknowns.size() : 0, 0);
    while (true) {
      for (size_t k = 0; k < at.size(); ++k) chosen[unknowns[k].value] = unknowns[k].choices[at[k]];
      known.clear();
      std::vector<bool> truth;
      for (Value flag : flags) truth.push_back(holds(flag));
      const OperationCounts &now = countOf(truth);
      if (totalOf(now) >= totalOf(most)) most = now;
      size_t k = 0;
      while (k < at.size() && ++at[k] == unknowns[k].choices.size()) at[k++] = 0;
      if (k == at.size()) return most;
    }
  }

  const OperationCounts &countOf(const std::vector<bool> &truth) {
    auto [it, isNew] = counted.try_emplace(truth);
    if (isNew)
      it->second = count(node, plan, [&](Value flag) {
        auto place = llvm::find(flags, flag);
        return place == flags.end() || truth[place - flags.begin()];
      });
    return it->second;
  }

  /// A clock that an unknown condition drives counts on.
  void advance() {
    std::vector<int64_t> next = positions;
    for (size_t k = 0; k < clocks.size(); ++k) {
      Value active = clocks[k].active;
      if (!active || !clockOf(active) || holds(active)) next[k] = (positions[k] + 1) % clocks[k].length;
    }
    positions = next;
  }

  bool atStart() const {
    return llvm::all_of(positions, [](int64_t p) { return p == 0; });
  }

  NodeOp node;
  const Plan &plan;
  std::vector<Value> flags;
  std::vector<Counter> clocks;
  std::vector<int64_t> positions; ///< of the clocks' counters
  std::vector<Unknown> unknowns;
  bool follows = true; ///< all choices of the unknown values are tried
  llvm::DenseSet<Value> seen;
  llvm::DenseMap<Value, bool> known;
  llvm::DenseMap<Value, int64_t> chosen;
  std::map<std::vector<bool>, OperationCounts> counted, mostAt; ///< by the conditions; by the clocks
};

} // namespace

StepCounts countSteps(NodeOp node, const Plan &plan) { return Follower(node, plan).run(); }

} // namespace mlr::store
