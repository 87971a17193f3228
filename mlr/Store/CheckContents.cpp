#include "mlr/Store/Check.h"
#include "mlr/Store/Footprint.h"
#include "mlr/Store/Memory.h"
#include "mlr/Store/Timeline.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::store {

namespace {

/// Bytes of a space.
struct Range {
  Space space;
  int64_t begin, end;
  bool operator==(const Range &) const = default;
  bool overlaps(const Range &o) const { return space == o.space && begin < o.end && o.begin < end; }
};

using Contents = SmallVector<Piece, 1>;

class Machine {
public:
  Machine(NodeOp node, const Plan &plan) : node(node), plan(plan) {}
  LogicalResult run();

private:
  // Addresses.
  Range address(const Location &l, int64_t elements) const;
  Range address(Value value) const { return address(at(value), elementCount(value.getType())); }
  const Location &at(Value value) const { return plan.locations.find(value)->second; }
  bool located(Value value) const { return plan.locations.contains(value); }
  bool tensor(Value value) const { return isa<RankedTensorType>(value.getType()); }
  Range rowOf(Value stack, int64_t from, int64_t to) const;

  // Memory.
  Contents write(const Range &range) {
    return {{range.space, range.begin, range.end, memory.write(range.space, range.begin, range.end)}};
  }
  LogicalResult intact(Operation *by, Value value, Range part);
  LogicalResult intact(Operation *by, Value value) {
    return tensor(value) || located(value) ? intact(by, value, address(value)) : success();
  }
  LogicalResult define(Operation *op, Value result);
  LogicalResult copyOrShare(Operation *op, Value from, const Range &to, Contents &contents);
  LogicalResult rename(Operation *op);

  // Execution.
  LogicalResult begin();
  LogicalResult instant(Block &block, bool firstExecuted);
  LogicalResult execute(Operation *op, bool firstExecuted);
  LogicalResult reads(Operation *op);
  LogicalResult concat(ConcatOp op);
  LogicalResult stack(StackOp op);
  LogicalResult end(Operation *op, bool firstExecuted);
  LogicalResult shift(WindowOp op);
  LogicalResult window(WindowOp op);
  LogicalResult scan(ScanOp op);
  LogicalResult outputs();
  LogicalResult slots(Block &block);
  LogicalResult initialise(ArrayRef<Operation *> slots);
  LogicalResult captures(ScanOp op, bool atEnd);
  SmallVector<int64_t> executedInstants(ScanOp op) const;
  SmallVector<std::pair<int64_t, int64_t>> otherRows(ScanOp op, ArrayRef<int64_t> executed) const;
  LogicalResult enterStacks(ScanOp op, ArrayRef<std::pair<int64_t, int64_t>> others);

  NodeOp node;
  const Plan &plan;
  Memory memory;
  llvm::DenseMap<Value, Contents> contents;
  llvm::DenseMap<Operation *, SmallVector<Operation *>>
      slotsOf; ///< initialised at the start of a scan (or at reset)
  SmallVector<int64_t> instants;
};

Range Machine::address(const Location &l, int64_t elements) const {
  const Buffer &b = plan.buffers[l.buffer];
  int64_t element = l.offset;
  for (const Location::Row &row : l.rows) element += row.stride * instants[row.depth];
  int64_t size = elementBytes(b.element), begin = b.offset + element * size;
  return {b.space, begin, begin + elements * size};
}

Range Machine::rowOf(Value stack, int64_t from, int64_t to) const {
  Range r = address(stack);
  int64_t rows = shapeOf(stack.getType()).front();
  int64_t bytes = rows ? (r.end - r.begin) / rows : 0;
  return {r.space, r.begin + from * bytes, r.begin + to * bytes};
}

/// What the definition of `value` wrote in `part` of it is still there.
LogicalResult Machine::intact(Operation *by, Value value, Range part) {
  if (part.begin >= part.end) return success();
  auto it = contents.find(value);
  if (it == contents.end()) return by->emitError("buffer plan: reads a value that has not been written");
  int64_t seen = 0;
  for (Piece piece : it->second) {
    if (piece.space != part.space) continue;
    piece.begin = std::max(piece.begin, part.begin);
    piece.end = std::min(piece.end, part.end);
    if (piece.begin >= piece.end) continue;
    seen += piece.end - piece.begin;
    if (!memory.holds(piece)) {
      InFlightDiagnostic d =
          by->emitError("buffer plan: reads a value after its memory has been overwritten (")
          << name(piece.space) << " bytes " << piece.begin << " to " << piece.end << ")";
      d.attachNote(value.getLoc()) << "the value";
      return d;
    }
  }
  if (seen != part.end - part.begin)
    return by->emitError("buffer plan: reads memory that its value never wrote");
  return success();
}

LogicalResult Machine::define(Operation *op, Value result) {
  Range range = address(result);
  if (range.space == Space::In || range.space == Space::Rom)
    return op->emitError("buffer plan: writes to ") << name(range.space);
  contents[result] = write(range);
  return success();
}

/// The contents of `to` after `from` has been put there: the same if it is there already.
LogicalResult Machine::copyOrShare(Operation *op, Value from, const Range &to, Contents &result) {
  if (failed(intact(op, from))) return failure();
  Range range = address(from);
  if (range == to) {
    auto it = contents.find(from);
    result = it == contents.end() ? Contents() : it->second;
    return success();
  }
  if (range.overlaps(to)) return op->emitError("buffer plan: copies between memory that overlaps");
  if (to.space == Space::In || to.space == Space::Rom)
    return op->emitError("buffer plan: writes to ") << name(to.space);
  result = write(to);
  return success();
}

LogicalResult Machine::reads(Operation *op) {
  auto gen = dyn_cast<GenOp>(op);
  std::optional<Range> target;
  if (gen) target = address(gen.getResult());
  WalkResult walked = op->walk([&](ReadOp read) {
    Value source = read.getSource();
    Range all = address(source);
    int64_t size = elementBytes(elementOf(source.getType()));
    Footprint f = footprint(read, instants);
    Range part{all.space, all.begin + f.first * size, all.begin + (f.last + 1) * size};
    if (failed(intact(op, source, part))) return WalkResult::interrupt();
    if (!target || !target->overlaps(part)) return WalkResult::advance();
    auto shift = elementShift(read, gen, instants);
    if (shift && all.begin + *shift * size == target->begin &&
        elementOf(source.getType()) == elementOf(gen.getType()))
      return WalkResult::advance();
    op->emitError("buffer plan: overwrites elements that it still reads");
    return WalkResult::interrupt();
  });
  return failure(walked.wasInterrupted());
}

LogicalResult Machine::concat(ConcatOp op) {
  Range whole = address(op.getResult());
  Contents all;
  int64_t begin = whole.begin;
  for (Value source : op.getSources()) {
    Range range = address(source), part{whole.space, begin, begin + (range.end - range.begin)};
    Contents pieces;
    if (failed(copyOrShare(op, source, part, pieces))) return failure();
    all.append(pieces);
    begin = part.end;
  }
  contents[op.getResult()] = all;
  return intact(op, op.getResult());
}

/// The pieces of a stack without those of a range of its bytes.
static void removeRange(Contents &pieces, const Range &range) {
  Contents kept;
  for (const Piece &p : pieces) {
    if (p.begin < range.begin) kept.push_back({p.space, p.begin, std::min(p.end, range.begin), p.write});
    if (p.end > range.end) kept.push_back({p.space, std::max(p.begin, range.end), p.end, p.write});
  }
  pieces = std::move(kept);
}

LogicalResult Machine::stack(StackOp op) {
  Value value = op.getValue();
  Range row = rowOf(op.getResult(), instants.back(), instants.back() + 1);
  Contents pieces;
  if (tensor(value)) {
    if (failed(copyOrShare(op, value, row, pieces))) return failure();
  } else {
    if (failed(intact(op, value))) return failure();
    pieces = write(row);
  }
  Contents &all = contents[op.getResult()];
  removeRange(all, row);
  all.append(pieces);
  return success();
}

/// reshape, final and initial: an alias is no read, what matters is whoever reads it later.
LogicalResult Machine::rename(Operation *op) {
  Value value = op->getOperand(0), result = op->getResult(0);
  Contents pieces;
  if (address(value) == address(result)) {
    if (auto it = contents.find(value); it != contents.end()) pieces = it->second;
  } else if (failed(copyOrShare(op, value, address(result), pieces))) {
    return failure();
  }
  contents[result] = pieces;
  return success();
}

/// final and initial: at the instant that they name, final in execution upwards at every one.
LogicalResult Machine::end(Operation *op, bool firstExecuted) {
  if (!tensor(op->getOperand(0))) return success();
  auto scan = cast<ScanOp>(op->getParentOp());
  bool up = !scan.getSweep() || *scan.getSweep() == Direction::Up;
  return isa<FinalOp>(op) == up || firstExecuted ? rename(op) : success();
}

LogicalResult Machine::shift(WindowOp op) {
  if (failed(intact(op, op.getResult()))) return failure();
  contents[op.getResult()] = write(address(op.getResult()));
  return success();
}

LogicalResult Machine::window(WindowOp op) {
  int64_t rows = shapeOf(op.getType()).front();
  Range newest = rowOf(op.getResult(), rows - 1, rows);
  Contents pieces;
  if (tensor(op.getValue())) {
    if (failed(copyOrShare(op, op.getValue(), newest, pieces))) return failure();
  } else {
    if (failed(intact(op, op.getValue()))) return failure();
    pieces = write(newest);
  }
  Contents &all = contents[op.getResult()];
  removeRange(all, newest);
  all.append(pieces);
  return success();
}

LogicalResult Machine::execute(Operation *op, bool firstExecuted) {
  if (isa<FbyOp, EbyOp, FirstOp, YieldOp>(op)) return success();
  if (isa<ConstOp>(op)) return success();
  if (auto o = dyn_cast<ScanOp>(op)) return scan(o);
  if (auto o = dyn_cast<ConcatOp>(op)) return concat(o);
  if (auto o = dyn_cast<StackOp>(op)) return stack(o);
  if (auto o = dyn_cast<WindowOp>(op)) return window(o);
  if (isa<FinalOp, InitialOp>(op)) return end(op, firstExecuted);
  if (isa<ReshapeOp>(op)) return rename(op);
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
    if (!isa<FbyOp, EbyOp, WindowOp, FirstOp>(op) || !located(op->getResult(0))) return;
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

} // namespace

LogicalResult checkContents(NodeOp node, const Plan &plan) { return Machine(node, plan).run(); }

} // namespace mlr::store
