// Addresses, memory and the operations that read and write tensors.
#include "mlr/Store/Footprint.h"
#include "mlr/Store/Machine.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::store {

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

/// A C function reads all its arguments and writes all its results in any order: they share no memory.
LogicalResult Machine::foreign(Operation *call) {
  for (Value operand : call->getOperands())
    if (failed(intact(call, operand))) return failure();
  for (auto [i, result] : llvm::enumerate(call->getResults())) {
    if (!tensor(result)) continue;
    Range to = address(result);
    auto overlaps = [&](Value other) { return tensor(other) && address(other).overlaps(to); };
    if (llvm::any_of(call->getOperands(), overlaps) || llvm::any_of(call->getResults().drop_front(i + 1), overlaps))
      return call->emitError("buffer plan: a C function writes to memory that it reads");
    if (failed(define(call, result))) return failure();
  }
  return success();
}

LogicalResult Machine::concat(ConcatOp op) {
  Range whole = address(op.getResult());
  if (op.runs() > 1) { // runs of each operand are copied: none is in place
    for (Value source : op.getSources()) {
      if (failed(intact(op, source))) return failure();
      if (address(source).overlaps(whole)) return op->emitError("buffer plan: copies between memory that overlaps");
    }
    return define(op, op.getResult());
  }
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

/// Adds in place, or to a copy of what it starts from.
LogicalResult Machine::scatter(ScatterOp op) {
  Range to = address(op.getResult());
  for (auto [k, operand] : llvm::enumerate(op->getOperands())) {
    if (failed(intact(op, operand))) return failure();
    if (!tensor(operand) || (k == 0 && address(operand) == to)) continue;
    if (address(operand).overlaps(to)) return op->emitError("buffer plan: overwrites elements that it still reads");
  }
  return define(op, op.getResult());
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

/// A row is written, the others are as they were.
LogicalResult Machine::rows(RowsOp op) {
  for (Value operand : op->getOperands())
    if (failed(intact(op, operand))) return failure();
  if (failed(intact(op, op.getResult()))) return failure();
  return define(op, op.getResult());
}

/// The same: which row is not known here.
LogicalResult Machine::put(PutOp op) {
  for (Value operand : op->getOperands())
    if (failed(intact(op, operand))) return failure();
  if (tensor(op.getValue()) && address(op.getValue()).overlaps(address(op.getCell())))
    return op->emitError("buffer plan: copies between memory that overlaps");
  return define(op, op.getCell());
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

} // namespace mlr::store
