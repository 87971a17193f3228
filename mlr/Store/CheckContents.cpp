// Execution: instants, scans, slots, outputs.
#include "mlr/Store/Check.h"
#include "mlr/Store/Footprint.h"
#include "mlr/Store/Machine.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::store {

LogicalResult Machine::execute(Operation *op, bool firstExecuted) {
  if (isa<FbyOp, EbyOp, FirstOp, YieldOp>(op)) return success();
  if (isa<ConstOp>(op)) return success();
  if (auto o = dyn_cast<ScanOp>(op)) return scan(o);
  if (auto o = dyn_cast<ConcatOp>(op)) return concat(o);
  if (auto o = dyn_cast<ScatterOp>(op)) return scatter(o);
  if (auto o = dyn_cast<StackOp>(op)) return stack(o);
  if (auto o = dyn_cast<WindowOp>(op)) return window(o);
  if (auto o = dyn_cast<RowsOp>(op)) return rows(o);
  if (isa<FinalOp, InitialOp>(op)) return end(op, firstExecuted);
  if (auto o = dyn_cast<PutOp>(op)) return put(o);
  if (isa<ReshapeOp>(op)) return rename(op);
  if (isa<ExternOp>(op)) return foreign(op);
  for (Value operand : op->getOperands())
    if (!tensor(operand) && failed(intact(op, operand))) return failure();
  if (failed(reads(op))) return failure();
  for (Value result : op->getResults())
    if (tensor(result) && failed(define(op, result))) return failure();
  return success();
}

SmallVector<int64_t> Machine::executedInstants(ScanOp op) const {
  int64_t length = op.getLength(), most = instants.size() < 2 ? 4 : 2;
  SmallVector<int64_t> chosen;
  bool early = op.getUpto() || llvm::any_of(bodyOf(op), [](Operation &o) { return isa<UntilOp>(o); });
  if (early) {
    for (int64_t t = 0; t < std::min<int64_t>(most - 1, std::max<int64_t>(1, length - 1)) && t < length; ++t)
      chosen.push_back(t);
  } else if (length <= most) {
    for (int64_t t = 0; t < length; ++t) chosen.push_back(t);
  } else {
    chosen = {0, length - 1};
    if (most == 4) chosen = {0, 1, length / 2, length - 1};
    chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  }
  if (op.getSweep() && *op.getSweep() == Direction::Down) std::reverse(chosen.begin(), chosen.end());
  return chosen;
}

SmallVector<std::pair<int64_t, int64_t>> Machine::otherRows(ScanOp op, ArrayRef<int64_t> executed) const {
  SmallVector<int64_t> sorted(executed);
  llvm::sort(sorted);
  SmallVector<std::pair<int64_t, int64_t>> runs;
  int64_t next = 0;
  for (int64_t t : sorted) {
    if (t > next) runs.push_back({next, t});
    next = t + 1;
  }
  if (next < static_cast<int64_t>(op.getLength())) runs.push_back({next, op.getLength()});
  return runs;
}

/// The rows of instants that are not simulated count as written from the start to the end of the scan.
LogicalResult Machine::enterStacks(ScanOp op, ArrayRef<std::pair<int64_t, int64_t>> others) {
  instants.push_back(0);
  for (Operation &inner : bodyOf(op))
    if (auto stack = dyn_cast<StackOp>(inner)) {
      Contents all;
      for (auto [from, to] : others) all.append(write(rowOf(stack.getResult(), from, to)));
      contents[stack.getResult()] = all;
    }
  instants.pop_back();
  return success();
}

/// What instants that are not simulated read of captured values is there when the scan starts and, unless its
/// stacks are computed there, when it ends.
LogicalResult Machine::captures(ScanOp op, bool atEnd) {
  SmallVector<Range> stacks;
  instants.push_back(0);
  for (Operation &inner : bodyOf(op))
    if (auto stack = dyn_cast<StackOp>(inner)) stacks.push_back(address(stack.getResult()));
  instants.pop_back();
  WalkResult walked = op.walk([&](ReadOp read) {
    Value source = read.getSource();
    if (op.getBody().isAncestor(source.getParentRegion())) return WalkResult::advance();
    Range all = address(source);
    int64_t size = elementBytes(elementOf(source.getType()));
    Footprint f = footprint(read, instants);
    Range part{all.space, all.begin + f.first * size, all.begin + (f.last + 1) * size};
    if (atEnd && llvm::any_of(stacks, [&](const Range &stack) { return stack.overlaps(part); }))
      return WalkResult::advance();
    return failed(intact(read, source, part)) ? WalkResult::interrupt() : WalkResult::advance();
  });
  return failure(walked.wasInterrupted());
}

LogicalResult Machine::scan(ScanOp op) {
  Block &body = bodyOf(op);
  for (Value operand : op->getOperands())
    if (failed(intact(op, operand))) return failure();
  SmallVector<int64_t> executed = executedInstants(op);
  auto others = otherRows(op, executed);
  bool early = op.getUpto() || llvm::any_of(body, [](Operation &o) { return isa<UntilOp>(o); });
  if (failed(initialise(slotsOf.lookup(op)))) return failure();
  if (op.getLength() && failed(captures(op, false))) return failure();
  if (!early && failed(enterStacks(op, others))) return failure();
  if (early && failed(enterStacks(op, {}))) return failure();
  for (auto [n, t] : llvm::enumerate(executed)) {
    instants.push_back(t);
    if (failed(instant(body, n == 0))) return failure();
    instants.pop_back();
  }
  if (op.getLength() && failed(captures(op, true))) return failure();
  instants.push_back(0);
  for (Operation &inner : body)
    if (auto stack = dyn_cast<StackOp>(inner)) {
      if (early)
        for (auto [from, to] : others)
          contents[stack.getResult()].append(write(rowOf(stack.getResult(), from, to)));
      if (failed(intact(stack, stack.getResult()))) return failure();
    }
  instants.pop_back();
  for (auto [result, yielded] : llvm::zip(op.getResults(), body.getTerminator()->getOperands())) {
    if (!tensor(result)) continue;
    if (!(at(result) == at(yielded)))
      return op.emitError("buffer plan: a result is not where the body leaves it");
    if (auto it = contents.find(yielded); it != contents.end()) {
      Contents copy = it->second;
      contents[result] = copy;
    }
  }
  return success();
}

/// In textual order; a slot may start where its init is.
LogicalResult Machine::initialise(ArrayRef<Operation *> slots) {
  SmallVector<int64_t> outside = instants;
  LogicalResult result = success();
  for (Operation *slot : slots) {
    Value init, value = slot->getResult(0);
    if (auto fby = dyn_cast<FbyOp>(slot)) init = fby.getInit();
    if (auto eby = dyn_cast<EbyOp>(slot)) init = eby.getEnd();
    if (auto window = dyn_cast<WindowOp>(slot)) init = window.getInit();
    if (auto rows = dyn_cast<RowsOp>(slot); rows && rows.getInit().getDefiningOp<ConstOp>()) init = rows.getInit();
    if (init && located(init) && failed(intact(slot, init))) return failure();
    // A slot of a scan further inside has no rows of the scans between.
    instants.resize(scanDepth(slot), 0);
    bool inPlace =
        init && tensor(init) && init.getType() == value.getType() && address(init) == address(value);
    if (inPlace) {
      Contents pieces = contents.lookup(init);
      contents[value] = pieces;
    } else {
      result = define(slot, value);
    }
    instants = outside;
    if (failed(result)) return failure();
  }
  for (Operation *slot : slots) {
    instants.resize(scanDepth(slot), 0);
    result = intact(slot, slot->getResult(0));
    instants = outside;
    if (failed(result)) return failure();
  }
  return success();
}

LogicalResult Machine::outputs() {
  auto operands = bodyOf(node).getTerminator()->getOperands();
  std::vector<Contents> written(operands.size());
  for (auto [i, value] : llvm::enumerate(operands)) {
    Range to = address(plan.outputs[i], elementCount(value.getType()));
    if (tensor(value)) {
      if (failed(copyOrShare(node, value, to, written[i]))) return failure();
    } else {
      if (failed(intact(node, value))) return failure();
      written[i] = write(to);
    }
  }
  for (const Contents &output : written)
    for (const Piece &piece : output)
      if (!memory.holds(piece))
        return node.emitError("buffer plan: an output is overwritten before the step ends");
  return success();
}

LogicalResult Machine::slots(Block &block) {
  SmallVector<Operation *> slots;
  for (Operation &op : block)
    if (isa<FbyOp, EbyOp, FirstOp>(op) && located(op.getResult(0))) slots.push_back(&op);
  auto valueOf = [](Operation *op) -> Value {
    if (auto fby = dyn_cast<FbyOp>(op)) return fby.getValue();
    if (auto eby = dyn_cast<EbyOp>(op)) return eby.getValue();
    return {};
  };
  // Slots that are written, by address: an operand that overlaps one has the very same range.
  std::vector<std::pair<std::pair<int, int64_t>, Range>> written;
  for (Operation *op : slots) {
    Range slot = address(op->getResult(0));
    Value value = valueOf(op);
    if (slot.begin < slot.end && !(value && tensor(value) && address(value) == slot))
      written.push_back({{static_cast<int>(slot.space), slot.begin}, slot});
  }
  llvm::sort(written, [](auto &a, auto &b) { return a.first < b.first; });
  for (Operation *op : slots) {
    Value value = valueOf(op);
    if (!value) continue;
    if (failed(intact(op, value))) return failure();
    if (!tensor(value)) continue;
    Range range = address(value);
    auto it = llvm::lower_bound(written, std::pair(static_cast<int>(range.space), range.begin + 1),
                                [](auto &entry, auto key) { return entry.first < key; });
    if (it != written.begin() && std::prev(it)->second.overlaps(range) && !(std::prev(it)->second == range))
      return op->emitError("buffer plan: a slot overlaps another one's operand in part");
    if (it != written.end() && it->second.overlaps(range))
      return op->emitError("buffer plan: a slot overlaps another one's operand in part");
  }
  SmallVector<Contents> next;
  for (Operation *op : slots) {
    Value value = valueOf(op);
    bool inPlace = value && tensor(value) && address(value) == address(op->getResult(0));
    next.push_back(inPlace ? contents.lookup(value) : write(address(op->getResult(0))));
  }
  for (auto [op, pieces] : llvm::zip(slots, next)) contents[op->getResult(0)] = pieces;
  for (Operation *op : slots)
    if (failed(intact(op, op->getResult(0)))) return failure();
  return success();
}

LogicalResult Machine::instant(Block &block, bool firstExecuted) {
  for (Operation &op : block)
    if (auto window = dyn_cast<WindowOp>(op); window && failed(shift(window))) return failure();
  for (Operation &op : block)
    if (failed(execute(&op, firstExecuted))) return failure();
  if (&block == &bodyOf(node) && failed(outputs())) return failure();
  return slots(block);
}

LogicalResult Machine::begin() {
  // One buffer for equal constants: written once, the same contents for all.
  llvm::DenseMap<int64_t, std::pair<Attribute, Contents>> roms;
  WalkResult walked = node->walk([&](ConstOp op) {
    if (!tensor(op.getResult())) return WalkResult::advance();
    auto [it, fresh] = roms.try_emplace(at(op.getResult()).buffer);
    if (fresh) it->second = {op.getValue(), write(address(op.getResult()))};
    if (it->second.first != op.getValue()) {
      op.emitError("buffer plan: different constants share a buffer");
      return WalkResult::interrupt();
    }
    contents[op.getResult()] = it->second.second;
    return WalkResult::advance();
  });
  if (walked.wasInterrupted()) return failure();
  for (BlockArgument arg : bodyOf(node).getArguments()) contents[arg] = write(address(arg));
  walkInTime(bodyOf(node), [&](Operation *op) {
    if (!isa<FbyOp, EbyOp, WindowOp, RowsOp, FirstOp>(op) || !located(op->getResult(0))) return;
    Operation *home = op->getParentOp();
    if (!isa<EbyOp>(op))
      while (isa<ScanOp>(home) && cast<ScanOp>(home).getResume()) home = home->getParentOp();
    slotsOf[home].push_back(op);
  });
  return initialise(slotsOf.lookup(node));
}

LogicalResult Machine::run() {
  if (failed(begin())) return failure();
  for (int step = 0; step < 2; ++step) {
    memory.write(Space::Scratch, 0, plan.scratchBytes);
    memory.write(Space::Out, 0, plan.outBytes);
    if (failed(instant(bodyOf(node), step == 0))) return failure();
  }
  return success();
}

LogicalResult checkContents(NodeOp node, const Plan &plan) { return Machine(node, plan).run(); }

} // namespace mlr::store
