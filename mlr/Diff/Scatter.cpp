// The adjoint of reads at computed places: what each of them gives is added where it was read, in time linear in the number of reads.
#include "mlr/Diff/Derivative.h"

#include "mlr/Dataflow/Flags.h"

namespace mlr::diff {

// ---- which axes are chosen -------------------------------------------------------------------------------------

namespace {

/// Divides the axes of a read between arguments that run along one of them and arguments that choose places.
class Chooser {
public:
  Chooser(const Body &body, ReadOp read) : body(body), read(read), map(read.getMap()) {}

  /// The arguments of the body that an axis' index depends on, by way of computed values too.
  llvm::SmallSetVector<unsigned, 4> argumentsOf(unsigned axis) const {
    llvm::SmallSetVector<unsigned, 4> found, used;
    collectDims(map.getResult(axis), used);
    llvm::SmallSetVector<Value, 8> needed;
    for (unsigned d : used) needed.insert(read.getIndices()[d]);
    for (size_t next = 0; next < needed.size(); ++next) {
      Value v = needed[next];
      if (auto at = llvm::find(body.arguments, v); at != body.arguments.end()) found.insert(at - body.arguments.begin());
      else if (Operation *def = v.getDefiningOp(); def && body.isInside(v))
        needed.insert(def->operand_begin(), def->operand_end());
    }
    return found;
  }

  bool isComputed(unsigned axis) const {
    llvm::SmallSetVector<unsigned, 4> used;
    collectDims(map.getResult(axis), used);
    return llvm::any_of(used, [&](unsigned d) { return !llvm::is_contained(body.arguments, read.getIndices()[d]); });
  }

  /// The argument that runs along the whole axis.
  std::optional<unsigned> runnerOf(unsigned axis) const {
    auto dim = dyn_cast<AffineDimExpr>(map.getResult(axis));
    auto at = dim ? llvm::find(body.arguments, read.getIndices()[dim.getPosition()]) : body.arguments.end();
    if (at == body.arguments.end()) return {};
    auto i = static_cast<unsigned>(at - body.arguments.begin());
    if (body.sizes[i] != cast<RankedTensorType>(read.getSource().getType()).getDimSize(axis)) return {};
    return i;
  }

private:
  const Body &body;
  mutable ReadOp read;
  AffineMap map;
};

} // namespace

bool scatter(Transposition &t, const Body &body, ReadOp read, unsigned batch) {
  Chooser chooser(body, read);
  auto isFree = [&](unsigned i) { return llvm::is_contained(t.free, i); };
  // One place, the same for all, is compared with no more often than the source has elements.
  bool isNeeded = llvm::any_of(t.equal, [&](const Transposition::Equal &e) {
    return chooser.isComputed(e.axis) || llvm::any_of(chooser.argumentsOf(e.axis), isFree);
  });
  if (!isNeeded) return false;
  Transposition made;
  made.rows = t.rows;
  std::set<unsigned> choosing;
  SmallVector<std::pair<unsigned, unsigned>> running; // axes with the arguments along them
  auto choose = [&](unsigned axis) {
    made.chosen.push_back(axis);
    for (unsigned i : chooser.argumentsOf(axis)) choosing.insert(i);
  };
  for (unsigned a = 0; a < read.getMap().getNumResults(); ++a) {
    if (llvm::any_of(t.rows, [&](const ScanAxis &row) { return row.axis == a; })) continue;
    if (auto i = chooser.runnerOf(a)) running.push_back({a, *i});
    else choose(a);
  }
  for (bool any = true; any;) {
    any = false;
    for (auto &[axis, i] : running) {
      bool isShared = llvm::count_if(running, [&, i = i](auto &other) { return other.second == i; }) > 1;
      if (!isShared && !choosing.contains(i)) continue;
      choose(axis);
      running.erase(llvm::find_if(running, [&, axis = axis](auto &other) { return other.first == axis; }));
      any = true;
      break;
    }
  }
  llvm::sort(made.chosen);
  made.choosing.assign(choosing.begin(), choosing.end());
  MLIRContext *context = read.getContext();
  made.positions.resize(body.arguments.size());
  unsigned next = 0;
  for (unsigned i : made.choosing) made.positions[i] = getAffineDimExpr(next++, context);
  next += batch;
  for (auto &[axis, i] : running) {
    made.axes.push_back(axis);
    made.positions[i] = getAffineDimExpr(next++, context);
  }
  for (unsigned i = 0; i < body.arguments.size(); ++i)
    if (!made.positions[i]) {
      made.free.push_back(i);
      made.positions[i] = getAffineDimExpr(next++, context);
    }
  t = std::move(made);
  return true;
}

// ---- contributions ---------------------------------------------------------------------------------------------

/// The elements of a tensor, or the scalar, as ones of another type.
static Value converted(OpBuilder &b, Location loc, Value v, Type element) {
  return makeEach(b, loc, valueType(shapeOf(v.getType()), element),
                  [&](ValueRange at) -> Value { return ConvertOp::create(b, loc, element, readLeading(b, loc, v, at)); });
}

void Derivative::giveScattered(Value source, const Transposition &t, Value updates, ArrayRef<Value> places, Block *from) {
  if (!activity.isActive(source)) return;
  SmallVector<int64_t> shape(batchShape), along;
  for (auto [axis, size] : llvm::enumerate(shapeOf(source.getType()))) {
    if (llvm::any_of(t.rows, [&](const ScanAxis &row) { return row.axis == axis; })) continue;
    if (llvm::is_contained(t.chosen, axis)) along.push_back(static_cast<int64_t>(shape.size()));
    shape.push_back(size);
  }
  Type element = elementOf(source.getType());
  bool isNarrow = (element.isF16() || element.isBF16()) && !t.choosing.empty();
  if (t.rows.empty() && !isNarrow) {
    cotangentOf(source);
    scattered[source].push_back({from, updates, SmallVector<Value>(places), along});
    return;
  }
  // Sums of narrow floats are rounded once. What is stacked is a tensor of its own at each instant.
  OpBuilder b = at(from);
  Location loc = updates.getLoc();
  if (isNarrow) updates = converted(b, loc, updates, b.getF32Type());
  auto zero = zeros(RankedTensorType::get(shape, elementOf(updates.getType())));
  Value sum = ScatterOp::create(b, loc, zero.getType(), zero, updates, places, along);
  if (isNarrow) sum = converted(b, loc, sum, element);
  give(source, {sum, t.rows}, from);
}

/// The outermost scan below `level` in which the block lies; null if it is the level itself.
static ScanOp scanBelow(Block *level, Block *block) {
  ScanOp scan;
  for (; block != level; block = scan->getBlock()) scan = cast<ScanOp>(block->getParentOp());
  return scan;
}

/// `to`, a cotangent or null for zero, with all parts added in their order. `level` is the block of both, the parts are of it or of scans
/// in it. Those of one scan come together, at the place of the first; with `apart` each scan starts from zero, so that none
/// waits for another, else it goes on in place from what there is.
Value Derivative::addScattered(Value to, Type type, ArrayRef<Scattered> parts, Block *level, bool apart) {
  llvm::MapVector<Operation *, SmallVector<Scattered>> byScan;
  for (const Scattered &part : parts) byScan[scanBelow(level, part.from)].push_back(part);
  OpBuilder b = at(level);
  for (auto &[op, own] : byScan) {
    if (!op) continue;
    auto scan = cast<ScanOp>(op);
    bool isStart = !to || (!apart && !scan.getWhen());
    Value sum = addScatteredIn(scan, isStart && to ? to : zeros(type), own);
    to = isStart ? sum : addTo(b, scan.getLoc(), to, sum);
  }
  if (!to) to = zeros(type);
  for (const Scattered &part : byScan.lookup(nullptr))
    to = ScatterOp::create(b, part.updates.getLoc(), type, to, part.updates, part.places, part.along);
  return to;
}

/// A recurrence over the instants of the scan, from `to` on.
Value Derivative::addScatteredIn(ScanOp scan, Value to, ArrayRef<Scattered> parts) {
  Block *body = &dataflow::bodyOf(scan);
  OpBuilder b = at(body);
  Location loc = scan.getLoc();
  Type type = to.getType();
  bool up = runsUp(scan) && !scan.getResume(); // a state that survives would go on from the run before
  StringAttr name = b.getStringAttr("gradient");
  Value before = up ? FbyOp::create(b, loc, type, to, to, name).getResult() : EbyOp::create(b, loc, type, to, to, name).getResult();
  Value sum = addScattered(before, type, parts, body, /*apart=*/false);
  if (up) before.getDefiningOp<FbyOp>().getValueMutable().assign(sum);
  else before.getDefiningOp<EbyOp>().getValueMutable().assign(sum);
  return yieldFrom(scan, up ? FinalOp::create(b, loc, type, sum).getResult() : InitialOp::create(b, loc, type, sum).getResult());
}

// ---- its own adjoint -------------------------------------------------------------------------------------------

void Derivative::throughScatter(ScatterOp op) {
  Block *block = op->getBlock();
  OpBuilder b = at(block);
  Location loc = op.getLoc();
  if (activity.isActive(op.getInit())) give(op.getInit(), {passed(op.getResult(), op.getInit(), b), {}}, block);
  if (!activity.isActive(op.getUpdates())) return;
  Value g = passed(op.getResult(), op.getUpdates(), b);
  size_t choosing = shapeOf(op.getPlaces().front().getType()).size(), rank = shapeOf(op.getType()).size();
  Value part = makeEach(b, loc, cotangentType(op.getUpdates()), [&](ValueRange indices) -> Value {
    ValueRange own = indices.drop_front(batch);
    SmallVector<Value> operands(indices);
    SmallVector<AffineExpr> exprs;
    SmallVector<bool> clamp(batch + rank, false);
    for (unsigned k = 0; k < batch; ++k) exprs.push_back(b.getAffineDimExpr(k));
    unsigned running = batch + choosing;
    for (size_t axis = 0; axis < rank; ++axis) {
      auto at = llvm::find(op.getAlong(), static_cast<int64_t>(axis));
      if (at == op.getAlong().end()) {
        exprs.push_back(b.getAffineDimExpr(running++));
        continue;
      }
      Value place = readLeading(b, loc, op.getPlaces()[at - op.getAlong().begin()], own.take_front(choosing));
      clamp[batch + axis] = true;
      exprs.push_back(b.getAffineDimExpr(operands.size()));
      operands.push_back(ConvertOp::create(b, loc, b.getIndexType(), place));
    }
    return createRead(b, loc, g, exprs, operands, clamp);
  });
  give(op.getUpdates(), {part, {}}, block);
}

} // namespace mlr::diff
