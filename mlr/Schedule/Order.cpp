#include "mlr/Schedule/Order.h"

#include "mlr/Dataflow/Effects.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::schedule {

namespace {

constexpr int64_t inPlaceSteps = 4'000'000; ///< of search for cycles, a body

class BodyOrder {
public:
  BodyOrder(Operation *owner, const Ranks &ranks) : owner(owner), block(bodyOf(owner)) {
    for (Operation &op : block)
      if (!op.hasTrait<OpTrait::IsTerminator>()) ops.push_back(&op);
    llvm::stable_sort(ops, [&](Operation *a, Operation *b) { return ranks.lookup(a) < ranks.lookup(b); });
    for (size_t i = 0; i < ops.size(); ++i) indexOf[ops[i]] = i;
  }

  bool run(Operation *&culprit) {
    link();
    orderEffects();
    keepInPlace();
    emitAll();
    if (order.size() == ops.size()) {
      for (int i : order) ops[i]->moveBefore(block.getTerminator());
      return true;
    }
    for (size_t i = 0; i < ops.size(); ++i)
      if (state[i] != emitted) culprit = ops[i];
    return false;
  }

private:
  Operation *owner;
  Block &block;
  std::vector<Operation *> ops;
  llvm::DenseMap<Operation *, int> indexOf;
  std::vector<SmallVector<int, 4>> preds;
  std::vector<bool> read;                ///< by another operation of this body, at the same instant
  std::vector<SmallVector<int, 1>> ends; ///< stack, final, initial of a value
  enum State : uint8_t { fresh, open, emitted };
  std::vector<State> state;
  std::vector<int> order;

  // The operand that comes from the instant executed before, or null.
  OpOperand *carried(Operation *op) const {
    auto scan = dyn_cast<ScanOp>(owner);
    bool up = !scan || scan.getSweep() == Direction::Up;
    if (auto fby = dyn_cast<FbyOp>(op); fby && up) return &fby.getValueMutable();
    if (auto eby = dyn_cast<EbyOp>(op); eby && !up) return &eby.getValueMutable();
    return nullptr;
  }

  int definition(Value value) const {
    Operation *def = value.getDefiningOp();
    auto it = def ? indexOf.find(def) : indexOf.end();
    return it == indexOf.end() ? -1 : it->second;
  }

  void link() {
    preds.resize(ops.size());
    read.resize(ops.size());
    ends.resize(ops.size());
    for (size_t i = 0; i < ops.size(); ++i) {
      OpOperand *before = carried(ops[i]);
      ops[i]->walk([&](Operation *inner) {
        for (OpOperand &operand : inner->getOpOperands()) {
          int def = &operand == before ? -1 : definition(operand.get());
          if (def < 0 || (def == int(i) && inner != ops[i])) continue;
          if (!llvm::is_contained(preds[i], def)) preds[i].push_back(def);
          bool end = isa<StackOp, FinalOp, InitialOp>(ops[i]);
          if (end) ends[def].push_back(i);
          else read[def] = true;
        }
      });
    }
  }

  /// What has effects, in the order of ranks.
  void orderEffects() {
    std::vector<std::pair<SmallVector<int64_t>, int>> effects;
    for (size_t i = 0; i < ops.size(); ++i)
      if (auto rank = effectRank(ops[i])) effects.push_back({*rank, static_cast<int>(i)});
    llvm::stable_sort(effects);
    for (size_t k = 1; k < effects.size(); ++k) preds[effects[k].second].push_back(effects[k - 1].second);
  }

  // Adds "reader of the old value before the new value", unless the reader needs the new one.
  void keepInPlace() {
    int64_t steps = 0;
    for (Operation *op : ops) {
      OpOperand *before = carried(op);
      if (!before || !isa<RankedTensorType>(before->get().getType())) continue;
      int value = definition(before->get());
      if (value < 0) continue;
      for (Operation *user : op->getResult(0).getUsers()) {
        Operation *reader = block.findAncestorOpInBlock(*user);
        auto it = indexOf.find(reader);
        if (it == indexOf.end() || it->second == value || steps > inPlaceSteps) continue;
        if (!needs(it->second, value, steps) && !llvm::is_contained(preds[value], it->second))
          preds[value].push_back(it->second);
      }
    }
  }

  bool needs(int from, int what, int64_t &steps) const {
    llvm::DenseSet<int> seen{from};
    std::vector<int> stack{from};
    while (!stack.empty()) {
      int v = stack.back();
      stack.pop_back();
      if (v == what || ++steps > inPlaceSteps) return true;
      for (int u : preds[v])
        if (seen.insert(u).second) stack.push_back(u);
    }
    return false;
  }

  void emitAll() {
    state.assign(ops.size(), fresh);
    for (size_t i = 0; i < ops.size(); ++i)
      if (!read[i] && !isa<StackOp, FinalOp, InitialOp>(ops[i])) emit(i);
    for (size_t i = 0; i < ops.size(); ++i)
      if (state[i] == fresh) emit(i);
  }

  void emit(int root) {
    std::vector<std::pair<int, size_t>> stack;
    if (state[root] == fresh) stack.push_back({root, 0});
    while (!stack.empty()) {
      auto &[v, next] = stack.back();
      state[v] = open;
      if (next < preds[v].size()) {
        int u = preds[v][next++];
        if (state[u] == fresh) stack.push_back({u, 0});
        else if (state[u] == open) return; // a cycle: it stays open
        continue;
      }
      int done = v;
      stack.pop_back();
      state[done] = emitted;
      order.push_back(done);
      for (int end : ends[done])
        if (state[end] == fresh && llvm::all_of(preds[end], [&](int u) { return state[u] == emitted; })) {
          state[end] = emitted;
          order.push_back(end);
        }
    }
  }
};

} // namespace

bool orderOperations(NodeOp node, const Ranks &ranks, Operation *&culprit) {
  SmallVector<Operation *> bodies{node};
  node.walk([&](ScanOp scan) { bodies.push_back(scan); });
  for (Operation *body : bodies)
    if (!BodyOrder(body, ranks).run(culprit)) return false;
  return true;
}

} // namespace mlr::schedule
