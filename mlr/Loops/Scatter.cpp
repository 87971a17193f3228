// Updates added at computed places, one after the other; the elements of one update side by side in vectors.
#include "mlr/Loops/Kernel.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::loops {
namespace {

class ScatterLowering {
public:
  ScatterLowering(Lowering &l, ScatterOp op)
      : l(l), a(l.a), op(op), along(op.getAlong()), shape(cast<RankedTensorType>(op.getType()).getShape()),
        element(getElementTypeOrSelf(op.getType())) {
    if (auto type = dyn_cast<RankedTensorType>(op.getPlaces().front().getType())) tuples.append(type.getShape().begin(), type.getShape().end());
    // The last axes, as long as no place is chosen along them, are one run of elements.
    for (contiguous = shape.size(); contiguous > 0 && !isChosen(contiguous - 1); --contiguous) run *= shape[contiguous - 1];
  }

  void emit() {
    to = l.place(op.getResult());
    if (isa<RankedTensorType>(op.getUpdates().getType())) from = l.place(op.getUpdates());
    overTuples(0, Linear(0));
  }

private:
  bool isChosen(size_t axis) const { return llvm::is_contained(along, static_cast<int64_t>(axis)); }

  /// `flat`: the tuple's number, from the sizes before `level`.
  void overTuples(size_t level, const Linear &flat) {
    if (level < tuples.size()) {
      l.loop(0, tuples[level], 1, {}, [&](Value i, ValueRange) {
        Linear next;
        next.add(flat, tuples[level]);
        next.add(Linear::of(i));
        overTuples(level + 1, next);
        return Values();
      });
      return;
    }
    SmallVector<Value> places;
    for (auto [k, axis] : llvm::enumerate(along)) places.push_back(placeAt(op.getPlaces()[k], flat, shape[axis]));
    overAxes(0, places, Linear(0), flat);
  }

  /// A place as an index on its axis.
  Value placeAt(Value place, const Linear &tuple, int64_t size) {
    Value i;
    if (isa<RankedTensorType>(place.getType())) {
      Place at = l.place(place);
      at.at.add(tuple);
      i = l.memory.load(at, a.b.getI32Type());
    } else {
      i = l.scalar(place);
    }
    i = a.make<arith::MaxSIOp>(i, a.integer(0, i.getType()));
    i = a.make<arith::MinSIOp>(i, a.integer(size - 1, i.getType()));
    return a.make<arith::IndexCastOp>(a.b.getIndexType(), i);
  }

  /// `at`, `update`: the element's number in the result and in the updates, from the axes before.
  void overAxes(size_t axis, ArrayRef<Value> places, const Linear &at, const Linear &update) {
    if (axis == contiguous) return addRun(at, update);
    Linear next;
    next.add(at, shape[axis]);
    if (isChosen(axis)) {
      next.add(Linear::of(places.front()));
      return overAxes(axis + 1, places.drop_front(), next, update);
    }
    l.loop(0, shape[axis], 1, {}, [&](Value i, ValueRange) {
      Linear here = next, mine;
      here.add(Linear::of(i));
      mine.add(update, shape[axis]);
      mine.add(Linear::of(i));
      overAxes(axis + 1, places, here, mine);
      return Values();
    });
  }

  void addRun(const Linear &row, const Linear &update) {
    Place target = to;
    target.at.add(row, run);
    int64_t lanes = isHalf(element) ? 1 : std::min<int64_t>(lanesFor(element, l.options), std::max<int64_t>(run, 1));
    int64_t whole = run / lanes * lanes;
    auto add = [&](const Linear &offset, int64_t width, int64_t active) {
      Value out = l.memory.view(to.buffer);
      Linear at = target.at;
      at.add(offset);
      Value old = l.memory.load(out, at, element, width, active);
      l.memory.store(out, at, element, emitAdd(a, element, old, updateAt(update, offset, width, active), l.options), active);
    };
    l.loop(0, whole, lanes, {}, [&](Value i, ValueRange) {
      add(Linear::of(i), lanes, lanes);
      return Values();
    });
    for (Column c : columnsOf(run - whole, lanes, l.options)) add(Linear(whole + c.offset), c.width, c.active);
  }

  Value updateAt(const Linear &update, const Linear &offset, int64_t width, int64_t active) {
    if (!isa<RankedTensorType>(op.getUpdates().getType())) return a.splat(l.scalar(op.getUpdates()), width);
    Linear at = from.at;
    at.add(update, run);
    at.add(offset);
    return l.memory.load(l.memory.view(from.buffer), at, element, width, active);
  }

  Lowering &l;
  Arith &a;
  ScatterOp op;
  ArrayRef<int64_t> along, shape;
  Type element;
  SmallVector<int64_t> tuples; ///< sizes of the indices that choose
  size_t contiguous = 0;       ///< axes from this one on are one run
  int64_t run = 1;             ///< elements of it
  Place to, from;
};

} // namespace

LogicalResult emitScatter(Lowering &l, ScatterOp op) {
  if (cast<RankedTensorType>(op.getType()).getNumElements() == 0) return success();
  Place to = l.place(op.getResult());
  bool isThere = l.hasPlace(op.getInit()) && l.place(op.getInit()) == to;
  if (!isThere && failed(l.fillFrom(to, op.getInit(), 1, op))) return failure();
  ScatterLowering(l, op).emit();
  return success();
}

} // namespace mlr::loops
