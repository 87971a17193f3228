// Selections become branches. Selections by one condition that can stand at one place form a group; its two
// cones are the operations that nobody needs but the values of one side. A group whose cones are worth it
// becomes an `scf.if`, and the cones its arms.
#include "mlr/Loops/Branches.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "llvm/ADT/SetVector.h"

#include <set>

using namespace mlir;

namespace mlr::loops {
namespace {

/// Work of both arms together, in simple operations, below which a branch costs more than it saves.
constexpr int smallWork = 4;
/// Work that is not told apart from more.
constexpr int muchWork = 256;
/// Branches within branches; compilers of C take 127 blocks within another.
constexpr int deepest = 32;

/// Simple machine operations, about.
int costOf(Operation *op) {
  if (isa<arith::ConstantOp, memref::ViewOp, memref::GetGlobalOp>(op)) return 0;
  if (isa<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp, arith::DivFOp, math::SqrtOp>(op))
    return 6;
  if (isa<arith::RemFOp, func::CallOp>(op)) return 20;
  return op->getNumRegions() ? 20 : 1;
}

enum class Effect { None, Reads, Writes };

/// Calls have no effect but for C functions that are kept.
Effect effectOf(Operation *op) {
  if (isa<memref::LoadOp>(op)) return Effect::Reads;
  if (isa<func::CallOp>(op)) {
    bool hasMemory = llvm::any_of(op->getOperandTypes(), [](Type t) { return isa<MemRefType>(t); });
    return hasMemory || op->hasAttr("mlr.keep") ? Effect::Writes : Effect::None;
  }
  if (!op->getNumRegions()) return isMemoryEffectFree(op) ? Effect::None : Effect::Writes;
  Effect most = Effect::None;
  op->walk([&](Operation *inner) {
    if (inner != op && !inner->getNumRegions()) most = std::max(most, effectOf(inner));
  });
  return most;
}

/// A selection, as one by the condition that its own condition is the negation of.
struct Choice {
  Operation *op;
  bool negated = false;

  static Choice of(arith::SelectOp op, Value &condition) {
    Choice c{op};
    condition = op.getCondition();
    while (auto negation = condition.getDefiningOp<arith::XOrIOp>()) {
      if (!matchPattern(negation.getRhs(), m_One())) break;
      condition = negation.getLhs();
      c.negated = !c.negated;
    }
    return c;
  }
  unsigned operandOf(bool side) const { return side != negated ? 1 : 2; }
  Value valueOf(bool side) const { return op->getOperand(operandOf(side)); }
  Value result() const { return op->getResult(0); }
};

/// The selections that became branches. They live on until the function is done: others may still speak of
/// them.
class Replaced {
public:
  ~Replaced() {
    for (Operation *op : operations) op->destroy();
  }
  void add(Operation *op, Value by) {
    if (by) values[op->getResult(0)] = by;
    op->remove();
    op->dropAllReferences();
    operations.push_back(op);
  }
  Value now(Value v) const {
    for (auto at = values.find(v); at != values.end(); at = values.find(v)) v = at->second;
    return v;
  }

private:
  std::vector<Operation *> operations;
  DenseMap<Value, Value> values;
};

/// The order of a block, kept while operations move: MLIR would number the whole block anew after each move.
class Order {
public:
  explicit Order(Block &block) : block(block) { number(); }
  bool isBefore(Operation *x, Operation *y) const { return numbers.lookup(x) < numbers.lookup(y); }
  /// Says that `added` now stand behind `op`.
  void insertBehind(Operation *op, ArrayRef<Operation *> added) {
    Operation *next = added.back()->getNextNode();
    uint64_t from = numbers.lookup(op),
             step = ((next ? numbers.lookup(next) : from + gap) - from) / (added.size() + 1);
    if (!step) return number();
    for (Operation *o : added) numbers[o] = from += step;
  }

private:
  static constexpr uint64_t gap = uint64_t(1) << 32;
  void number() {
    uint64_t n = 0;
    for (Operation &op : block) numbers[&op] = n += gap;
  }

  Block &block;
  DenseMap<Operation *, uint64_t> numbers;
};

class Group {
public:
  /// Stops looking for work beyond `enough`.
  Group(Block &block, Order &order, ArrayRef<Operation *> writers, Value condition, ArrayRef<Choice> all,
        int enough = INT_MAX)
      : block(block), order(order), writers(writers), condition(condition), choices(all) {
    findCones(enough);
  }

  int work() const { return cost; }
  size_t size() const { return choices.size(); }

  /// Drops the selections that cannot stand beside the first ones: those that take what is computed from them
  /// outside of the arms, and those behind an operation on their values that has to stay where it is.
  void settle() {
    while (Operation *limit = conflict()) {
      llvm::erase_if(choices, [&](const Choice &c) { return !order.isBefore(c.op, limit); });
      findCones();
    }
  }

  scf::IfOp build(Replaced &replaced);

private:
  /// The value that an arm sees for one that may be of the group.
  Value seenBy(bool side, Value v) const {
    for (const Choice *c = choiceOf(v); c; c = choiceOf(v)) v = c->valueOf(side);
    return v;
  }
  const Choice *choiceOf(Value v) const {
    auto at = v.getDefiningOp() ? members.find(v.getDefiningOp()) : members.end();
    return at == members.end() ? nullptr : &choices[at->second];
  }

  bool isOnlyFor(bool side, OpOperand &use) const {
    Operation *user = use.getOwner();
    if (cones[side].contains(user)) return true;
    auto at = members.find(user);
    return at != members.end() && use.getOperandNumber() == choices[at->second].operandOf(side);
  }

  void findCones(int enough = INT_MAX) {
    members.clear();
    for (auto [k, c] : llvm::enumerate(choices)) members[c.op] = k;
    cost = 0;
    for (bool side : {false, true}) {
      cones[side].clear();
      if (choices.empty()) continue;
      auto isLater = [&](Operation *x, Operation *y) { return order.isBefore(y, x); };
      std::set<Operation *, decltype(isLater)> work(isLater);
      auto add = [&](Value v) {
        Operation *def = v.getDefiningOp();
        if (def && def->getBlock() == &block && !members.count(def)) work.insert(def);
      };
      for (const Choice &c : choices) add(c.valueOf(side));
      // Last first: the users of an operation are decided before it.
      while (!work.empty() && cost < enough) {
        Operation *op = *work.begin();
        work.erase(work.begin());
        if (op->getNumRegions() || isPlaceless(op) || !canMove(op) ||
            !llvm::all_of(op->getUses(), [&](OpOperand &use) { return isOnlyFor(side, use); }))
          continue;
        cones[side].insert(op);
        cost += costOf(op);
        for (Value v : op->getOperands()) add(v);
      }
    }
  }

  /// Constants and names of memory stay where they are.
  static bool isPlaceless(Operation *op) {
    return isa<memref::ViewOp, memref::GetGlobalOp, arith::ConstantOp>(op);
  }

  /// Whether the operation may stand behind the last selection instead: nothing in between writes what it may
  /// read.
  bool canMove(Operation *op) const {
    Effect effect = effectOf(op);
    if (effect != Effect::Reads) return effect == Effect::None;
    auto next =
        llvm::upper_bound(writers, op, [&](Operation *x, Operation *y) { return order.isBefore(x, y); });
    return next == writers.end() || order.isBefore(choices.back().op, *next);
  }

  bool takes(Operation *op, const DenseSet<Operation *> &from) const {
    bool found = false;
    op->walk([&](Operation *inner) {
      found = found || llvm::any_of(inner->getOperands(), [&](Value v) {
                return v.getDefiningOp() && from.contains(v.getDefiningOp());
              });
    });
    return found;
  }

  /// The first operation that is in the way of one branch for all; fills `moved` up to there.
  Operation *conflict() {
    moved.clear();
    if (choices.size() < 2) return nullptr;
    DenseSet<Operation *> after, seen;
    for (Operation *op = choices.front().op; op; op = op->getNextNode()) {
      bool inside = members.count(op) || cones[0].contains(op) || cones[1].contains(op);
      if (takes(op, after)) {
        if (inside || !canMove(op)) return op;
      } else if (inside || !takes(op, seen)) {
        if (members.count(op)) seen.insert(op);
        if (op == choices.back().op) break;
        continue;
      } else if (!canMove(op)) {
        return op;
      }
      after.insert(op);
      moved.push_back(op);
    }
    return nullptr;
  }

  Block &block;
  Order &order;
  ArrayRef<Operation *> writers; ///< of the block, in order
  Value condition;
  SmallVector<Choice> choices; ///< in order
  DenseMap<Operation *, size_t> members;
  llvm::SmallSetVector<Operation *, 16> cones[2]; ///< last first
  SmallVector<Operation *> moved;                 ///< to behind the branch, in order
  int cost = 0;
};

scf::IfOp Group::build(Replaced &replaced) {
  SmallVector<Choice> results;
  SmallVector<Type> types;
  for (const Choice &c : choices) {
    bool seen = llvm::any_of(c.op->getUses(),
                             [&](OpOperand &use) { return !isOnlyFor(false, use) && !isOnlyFor(true, use); });
    if (!seen) continue;
    results.push_back(c);
    types.push_back(c.result().getType());
  }
  OpBuilder b(&block, std::next(choices.back().op->getIterator()));
  auto branch = scf::IfOp::create(b, choices.front().op->getLoc(), types, condition, /*addThenBlock=*/true,
                                  /*addElseBlock=*/true);
  SmallVector<Operation *> placed{branch};
  for (Operation *op : moved) {
    op->remove();
    block.getOperations().insertAfter(placed.back()->getIterator(), op);
    placed.push_back(op);
  }
  order.insertBehind(choices.back().op, placed);
  for (bool side : {true, false}) {
    Block *arm = side ? branch.thenBlock() : branch.elseBlock();
    if (arm->mightHaveTerminator()) arm->getTerminator()->erase();
    SmallVector<Value> yielded;
    for (const Choice &c : results) yielded.push_back(seenBy(side, c.result()));
    for (Operation *op : llvm::reverse(cones[side])) {
      op->moveBefore(arm, arm->end());
      for (OpOperand &operand : op->getOpOperands()) operand.set(seenBy(side, operand.get()));
    }
    OpBuilder at = OpBuilder::atBlockEnd(arm);
    scf::YieldOp::create(at, branch.getLoc(), yielded);
  }
  for (auto [c, result] : llvm::zip(results, branch.getResults())) c.result().replaceAllUsesWith(result);
  auto result = branch.result_begin();
  for (const Choice &c : choices) {
    bool isSeen = result != branch.result_end() && results[result.getIndex()].op == c.op;
    replaced.add(c.op, isSeen ? *result++ : Value());
  }
  return branch;
}

class BlockBranches {
public:
  BlockBranches(Block &block, int depth, Replaced &replaced)
      : block(block), depth(depth), replaced(replaced), order(block) {
    for (Operation &op : block)
      if (effectOf(&op) == Effect::Writes) writers.push_back(&op);
  }

  void run() {
    llvm::MapVector<Value, SmallVector<Choice>> byCondition;
    for (auto select : block.getOps<arith::SelectOp>()) {
      Value condition;
      Choice choice = Choice::of(select, condition);
      if (condition.getType().isInteger(1) && !matchPattern(condition, m_Constant()))
        byCondition[condition].push_back(choice);
    }
    struct Candidate {
      Value condition;
      ArrayRef<Choice> choices;
      int work;
    };
    std::vector<Candidate> candidates;
    for (auto &[condition, choices] : byCondition)
      if (int work = Group(block, order, writers, condition, choices, muchWork).work(); work >= smallWork)
        candidates.push_back({condition, choices, std::min(work, muchWork)});
    // The most work first: what is within it follows in its arms. Of equal work the last, which is around the
    // others.
    llvm::stable_sort(candidates, [&](const Candidate &x, const Candidate &y) {
      if (x.work != y.work) return x.work > y.work;
      return order.isBefore(y.choices.back().op, x.choices.back().op);
    });
    for (const Candidate &c : candidates) branchBy(replaced.now(c.condition), c.choices);
  }

private:
  /// Branches by one condition, one behind the other where one cannot be for all.
  void branchBy(Value condition, ArrayRef<Choice> all) {
    SmallVector<Choice> choices;
    for (const Choice &c : all)
      if (c.op->getBlock() == &block) choices.push_back(c);
    llvm::sort(choices, [&](const Choice &x, const Choice &y) { return order.isBefore(x.op, y.op); });
    for (ArrayRef<Choice> rest = choices; !rest.empty();) {
      Group group(block, order, writers, condition, rest);
      if (group.work() < smallWork) return;
      group.settle();
      rest = rest.drop_front(group.size());
      if (group.work() < smallWork) continue;
      scf::IfOp branch = group.build(replaced);
      if (depth < deepest)
        for (Block *arm : {branch.thenBlock(), branch.elseBlock()})
          BlockBranches(*arm, depth + 1, replaced).run();
    }
  }

  Block &block;
  int depth;
  Replaced &replaced;
  Order order;
  SmallVector<Operation *> writers;
};

} // namespace

void makeBranches(func::FuncOp function) {
  Replaced replaced;
  BlockBranches(function.getBody().front(), 0, replaced).run();
}

} // namespace mlr::loops
