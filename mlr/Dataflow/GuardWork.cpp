// Which work only the chosen side of a selection needs, found backwards from what is always needed. A value
// whose every use lies on one side of selections by the same condition need not be computed while the
// condition chooses the other side.
//
// A demand is the set of conditions under which an operation is looked at at all: the intersection over its
// uses. No condition in the demand of an operation can need its result at the same instant: followed from the
// condition to the outputs, some selection by it is not within another one.
#include "mlr/Dataflow/Effects.h"
#include "mlr/Dataflow/Flags.h"
#include "mlr/Dataflow/Guards.h"
#include "mlr/Dataflow/Order.h"
#include "mlr/Dataflow/Passes.h"
#include "mlr/Dataflow/Rewrite.h"

using namespace mlir;

namespace mlr::dataflow {
namespace {

/// Work below this many scalar operations is not worth a branch.
constexpr int64_t smallWork = 16;
/// Conditions beyond these are left out: the work is then done more often than needed.
constexpr size_t mostConditions = 4;

using Literal = std::pair<unsigned, bool>; ///< number of the condition, and what it has to be
using Demand = SmallVector<Literal, 2>;    ///< sorted; empty: always

class Guard {
public:
  explicit Guard(NodeOp node) : node(node) {}

  void analyse() {
    // The next instant looks at these values whatever the conditions are; such a use may stand before the value.
    node->walk([&](Operation *op) {
      if (isDelayed(op)) useDelayed(op);
    });
    visit(bodyOf(node));
  }

  /// The conditions that are true whenever the operation's result is looked at.
  SmallVector<Value> trueFor(Operation *op) {
    SmallVector<Value> out;
    for (auto [number, is] : demands.lookup(op))
      if (is) out.push_back(conditions[number]);
    return out;
  }

  bool run() {
    analyse();
    for (auto &[op, demand] : guarded) attach(op, demand);
    return !guarded.empty();
  }

private:
  static bool isTime(Block *block) { return isa<NodeOp, ScanOp>(block->getParentOp()); }

  static bool isDelayed(Operation *op) {
    return isa<FbyOp, EbyOp, WindowOp, UntilOp, StackOp, FinalOp, InitialOp>(op);
  }

  /// Operations are in order: users come after what they use at the same instant.
  void visit(Block &block) {
    for (Operation &op : llvm::reverse(block)) visit(&op);
  }

  void visit(Operation *op) {
    auto known = demands.find(op);
    bool isNeeded = known != demands.end();
    bool acts = hasEffects(op);
    Demand demand = isNeeded && !acts ? known->second : Demand();
    if (auto call = dyn_cast<ExternOp>(op); call && !acts && !call.getWhen() && !demand.empty()) guarded.push_back({op, demand});
    if (auto yield = dyn_cast<YieldOp>(op); yield && op->getParentOp() == node.getOperation()) return visitOutputs(yield);
    if (isDelayed(op)) return useDelayed(op);
    if (isa<YieldOp>(op) && isTime(op->getBlock())) {
      for (Value v : op->getOperands()) use(v, op, {});
      return;
    }
    if (auto scan = dyn_cast<ScanOp>(op)) {
      for (Value v : op->getOperands()) use(v, op, {});
      bool free = !scan.getResume() && !scan.getWhen() && !demand.empty();
      if (free) guarded.push_back({op, demand});
      if (scan.getWhen()) demand = withCondition(scan.getResume() ? Demand() : demand, scan.getWhen(), true);
      else if (scan.getResume()) demand = {};
      inScan[op] = demand;
      visit(bodyOf(op));
      return;
    }
    if (isa<YieldOp>(op)) demand = demands.lookup(op->getParentOp());
    if (isa<GenOp, ReduceOp>(op)) {
      if (isTime(op->getBlock()) && !demand.empty() && workOf(op) >= smallWork)
        guarded.push_back({op, demand});
      visit(bodyOf(op));
    }
    if (auto select = dyn_cast<SelectOp>(op)) {
      use(select.getCondition(), op, demand);
      use(select.getYes(), op, withCondition(demand, select.getCondition(), true));
      use(select.getNo(), op, withCondition(demand, select.getCondition(), false));
      return;
    }
    for (Value v : op->getOperands()) use(v, op, demand);
  }

  /// A window takes its value where it is active.
  void useDelayed(Operation *op) {
    auto window = dyn_cast<WindowOp>(op);
    for (Value v : op->getOperands()) {
      bool isValue = window && window.getWhen() && v == window.getValue() && v != window.getWhen();
      use(v, op, isValue ? withCondition({}, window.getWhen(), true) : Demand());
    }
  }

  /// An output on a slower clock is looked at when its flag, the output behind it, is true.
  void visitOutputs(YieldOp yield) {
    DenseMap<int64_t, Value> flags;
    if (auto presence = node.getPresence())
      for (auto [flag, of] : llvm::enumerate(*presence))
        if (of >= 0) flags[of] = yield.getOperand(flag);
    for (auto [k, v] : llvm::enumerate(yield.getOperands())) {
      Value flag = flags.lookup(static_cast<int64_t>(k));
      use(v, yield, flag ? withCondition({}, flag, true) : Demand());
    }
  }

  /// What a scan captures is needed when the scan runs.
  void use(Value v, Operation *user, const Demand &demand) {
    Operation *def = v.getDefiningOp();
    if (!def || isa<ConstOp>(def)) return;
    const Demand *seen = &demand;
    for (Operation *p = user; p && p->getBlock() != def->getBlock(); p = p->getParentOp())
      if (isa<ScanOp>(p->getParentOp())) seen = &inScan[p->getParentOp()];
    auto [it, isFirst] = demands.try_emplace(def, *seen);
    if (!isFirst) llvm::erase_if(it->second, [&](Literal l) { return !llvm::is_contained(*seen, l); });
  }

  /// Conditions that change from element to element say nothing of the whole.
  Demand withCondition(Demand demand, Value condition, bool is) {
    if (!isTime(condition.getParentBlock()) || condition.getDefiningOp<ConstOp>()) return demand;
    auto [it, isNew] = numbers.try_emplace(condition, conditions.size());
    if (isNew) conditions.push_back(condition);
    Literal literal{it->second, is};
    if (!llvm::is_contained(demand, literal)) demand.insert(llvm::upper_bound(demand, literal), literal);
    return demand;
  }

  static int64_t workOf(Operation *op) {
    constexpr int64_t most = int64_t(1) << 40;
    int64_t times = 1;
    auto multiply = [&](int64_t size) {
      times = std::min(most, times * std::min(size, most / std::max<int64_t>(times, 1) + 1));
    };
    if (auto gen = dyn_cast<GenOp>(op)) multiply(tensorOf(gen).getNumElements());
    else
      for (int64_t size : cast<ReduceOp>(op).getSizes()) multiply(size);
    return std::min(most, times * std::max<int64_t>(1, bodyCost(bodyOf(op))));
  }

  void attach(Operation *op, ArrayRef<Literal> demand) {
    OpBuilder b(op);
    Value all;
    for (auto [number, is] : demand.take_front(mostConditions)) {
      Value one = conditions[number];
      // Within its own scan a condition of that scan's time is no use to the scan.
      if (Operation *around = one.getParentBlock()->getParentOp(); !around->isProperAncestor(op)) continue;
      if (!is) one = negated(one, op);
      all = all ? AndOp::create(b, op->getLoc(), b.getI1Type(), all, one).getResult() : one;
    }
    if (!all) return;
    if (auto gen = dyn_cast<GenOp>(op)) gen.getWhenMutable().assign(all);
    if (auto reduce = dyn_cast<ReduceOp>(op)) reduce.getWhenMutable().assign(all);
    if (auto scan = dyn_cast<ScanOp>(op)) scan.getWhenMutable().assign(all);
    if (auto call = dyn_cast<ExternOp>(op)) call.getWhenMutable().assign(all);
  }

  Value negated(Value condition, Operation *user) {
    Value &known = negations[{condition, user->getBlock()}];
    if (known) return known;
    OpBuilder b(user);
    b.setInsertionPointToStart(user->getBlock());
    return known = NotOp::create(b, condition.getLoc(), b.getI1Type(), condition);
  }

  NodeOp node;
  DenseMap<Operation *, Demand> demands; ///< of those with a use so far
  DenseMap<Operation *, Demand> inScan;  ///< of what a scan captures
  SmallVector<Value> conditions;
  DenseMap<Value, unsigned> numbers;
  DenseMap<std::pair<Value, Block *>, Value> negations;
  std::vector<std::pair<Operation *, Demand>> guarded;
};

} // namespace

DenseMap<Operation *, SmallVector<Value>> trueForWindows(NodeOp node) {
  DenseMap<Operation *, SmallVector<Value>> out;
  Guard guard(node);
  guard.analyse();
  node->walk([&](WindowOp window) { out[window] = guard.trueFor(window); });
  return out;
}

LogicalResult guardWork(ModuleOp module) {
  for (NodeOp node : module.getOps<NodeOp>()) {
    orderOperations(node);
    if (Guard(node).run()) orderOperations(node);
  }
  return success();
}

} // namespace mlr::dataflow
