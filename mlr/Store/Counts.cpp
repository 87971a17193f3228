#include "mlr/Store/Counts.h"
#include "mlr/Store/Timeline.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::store {

OperationCounts &OperationCounts::operator+=(const OperationCounts &o) {
  flops += o.flops, fmas += o.fmas, integer += o.integer, comparisons += o.comparisons;
  conversions += o.conversions, loads += o.loads, stores += o.stores;
  return *this;
}

OperationCounts OperationCounts::operator*(int64_t n) const {
  return {flops * n, fmas * n, integer * n, comparisons * n, conversions * n, loads * n, stores * n};
}

namespace {

bool isFloat(Type type) { return isa<FloatType>(type); }

/// A constant that is stored rather than copied.
bool isSplat(Value v) {
  auto constant = v.getDefiningOp<ConstOp>();
  return constant && isa<SplatElementsAttr>(constant.getValue());
}

OperationCounts copies(int64_t elements) {
  OperationCounts c;
  c.loads = c.stores = elements;
  return c;
}

OperationCounts scalar(Operation *op) {
  OperationCounts c;
  bool index = llvm::any_of(op->getOperandTypes(), [](Type t) { return t.isIndex(); }) ||
               (op->getNumResults() && op->getResult(0).getType().isIndex());
  if (isa<ReadOp>(op)) c.loads = 1;
  if (isa<ReadOp>(op) || index || op->getNumResults() != 1 || op->getNumOperands() == 0) return c;
  if (isa<LtOp, GtOp, LeOp, GeOp, EqOp, NeOp, MinOp, MaxOp>(op)) c.comparisons = 1;
  else if (isa<FmaOp>(op)) c.fmas = 1;
  else if (isa<ConvertOp>(op)) c.conversions = 1;
  else if (isa<BitcastOp>(op)) return c;
  else if (isa<SelectOp>(op) || !isFloat(op->getResult(0).getType())) c.integer = 1;
  else c.flops = 1;
  return c;
}

/// The sweep that advances from checkpoints knows the sum of its instants over all runs.
bool isCheckpointed(Operation *op) { return isa<ScanOp>(op) && op->hasAttr("mlr.total"); }

int64_t instantsOf(ScanOp op) {
  auto total = op->getAttrOfType<IntegerAttr>("mlr.total");
  return total ? total.getInt() : static_cast<int64_t>(op.getLength());
}

class Counter {
public:
  Counter(const Plan &plan, Condition holds) : plan(plan), holds(holds) {}
  OperationCounts operation(Operation *op);
  /// The operations of a body, and the copies at the end of its instant.
  OperationCounts body(Block &block);

  OperationCounts scan(ScanOp op);

private:
  OperationCounts reduce(ReduceOp op);
  OperationCounts slot(Operation *op);
  bool located(Value v) const { return plan.locations.contains(v); }
  const Location *at(Value v) const {
    auto it = plan.locations.find(v);
    return it == plan.locations.end() ? nullptr : &it->second;
  }
  /// `value` is at this location, with a row of `depth` if it has one there.
  bool inPlace(Value value, Location target, std::optional<Location::Row> row, int64_t offset) const;

  const Plan &plan;
  Condition holds;
};

bool Counter::inPlace(Value value, Location target, std::optional<Location::Row> row, int64_t offset) const {
  const Location *own = at(value);
  if (row) target.rows.push_back(*row);
  target.offset += offset;
  return own && *own == target;
}

OperationCounts Counter::reduce(ReduceOp op) {
  int64_t domain = 1;
  for (int64_t size : op.getSizes()) domain *= size;
  OperationCounts total = body(bodyOf(op)) * domain, step;
  bool fused = bodyOf(op).getTerminator()->getNumOperands() == 2;
  bool number = isFloat(op.getResult().getType());
  switch (op.getKind()) {
  case ReduceKind::Sum:
  case ReduceKind::Prod:
    (number ? (fused ? step.fmas : step.flops) : step.integer) = fused && !number ? 2 : 1;
    break;
  case ReduceKind::All:
  case ReduceKind::Any: step.integer = 1; break;
  default: step.comparisons = 1;
  }
  total += step * domain;
  // The sixteen partials come together in fifteen additions.
  if (op.getTree()) (number ? total.flops : total.integer) += 15;
  return total;
}

OperationCounts Counter::scan(ScanOp op) {
  OperationCounts total = body(bodyOf(op)) * instantsOf(op);
  for (Operation &inner : bodyOf(op)) {
    if (isCheckpointed(&inner) && op.getLength()) total += scan(cast<ScanOp>(inner));
    // Slots take their init once a run of the scan, unless they are kept.
    Value init;
    if (auto fby = dyn_cast<FbyOp>(inner); fby && !op.getResume()) init = fby.getInit();
    if (auto eby = dyn_cast<EbyOp>(inner)) init = eby.getEnd();
    if (init && located(inner.getResult(0)) && !inPlace(init, *at(inner.getResult(0)), std::nullopt, 0))
      total += copies(elementCount(init.getType()));
    bool early = op.getUpto() || llvm::any_of(bodyOf(op), [](Operation &o) { return isa<UntilOp>(o); });
    if (isa<FinalOp, InitialOp>(inner) && located(inner.getResult(0)) &&
        !inPlace(inner.getOperand(0), *at(inner.getResult(0)), std::nullopt, 0))
      total += copies(elementCount(inner.getResult(0).getType())) *
               (early && isa<FinalOp>(inner) ? op.getLength() : 1);
  }
  return total;
}

OperationCounts Counter::slot(Operation *op) {
  Value result = op->getResult(0);
  OperationCounts c;
  if (!located(result)) return c;
  if (auto window = dyn_cast<WindowOp>(op)) {
    int64_t all = elementCount(window.getType()), row = elementCount(window.getValue().getType());
    c += copies(all - row);
    if (!inPlace(window.getValue(), *at(result), std::nullopt, all - row)) c.stores += row;
    return c;
  }
  if (auto rows = dyn_cast<RowsOp>(op)) {
    int64_t row = elementCount(rows.getValue().getType());
    c.loads = isa<RankedTensorType>(rows.getValue().getType()) ? row : 0;
    c.stores = rows.getMirror() ? 2 * row : row;
    if (rows.getFill() && holds(rows.getFill())) c.stores += elementCount(rows.getResult().getType());
    return c;
  }
  if (isa<FirstOp>(op) || !isa<RankedTensorType>(result.getType())) return copies(1);
  Value value = isa<FbyOp>(op) ? op->getOperand(1) : op->getOperand(0);
  return inPlace(value, *at(result), std::nullopt, 0) ? c : copies(elementCount(value.getType()));
}

/// The condition under which the operation is executed; null: always.
static Value guardOf(Operation *op) {
  if (auto o = dyn_cast<GenOp>(op)) return o.getWhen();
  if (auto o = dyn_cast<ReduceOp>(op)) return o.getWhen();
  if (auto o = dyn_cast<ScanOp>(op)) return o.getWhen();
  if (auto o = dyn_cast<RowsOp>(op)) return o.getWhen();
  return {};
}

OperationCounts Counter::operation(Operation *op) {
  if (Value guard = guardOf(op); (guard && !holds(guard)) || isCheckpointed(op)) return {};
  if (auto o = dyn_cast<ScanOp>(op)) return scan(o);
  if (auto o = dyn_cast<ReduceOp>(op)) return reduce(o);
  if (auto o = dyn_cast<GenOp>(op)) {
    OperationCounts element = body(bodyOf(o));
    element.stores += 1;
    return element * elementCount(o.getType());
  }
  if (isa<FbyOp, EbyOp, WindowOp, RowsOp, FirstOp>(op)) return slot(op);
  OperationCounts c;
  if (auto o = dyn_cast<StackOp>(op)) {
    int64_t elements = elementCount(o.getValue().getType());
    if (!isa<RankedTensorType>(o.getValue().getType())) c.stores = 1;
    else if (!inPlace(o.getValue(), *at(o.getResult()), Location::Row{scanDepth(op) - 1, elements}, 0))
      c = copies(elements);
    return c;
  }
  if (auto o = dyn_cast<ConcatOp>(op)) {
    int64_t offset = 0;
    for (Value source : o.getSources()) {
      if (o.runs() > 1 || !inPlace(source, *at(o.getResult()), std::nullopt, offset))
        c += copies(elementCount(source.getType()));
      offset += elementCount(source.getType());
    }
    return c;
  }
  if (auto o = dyn_cast<ScatterOp>(op)) {
    // Each update is loaded and added to an element in memory; places are loaded once a tuple.
    int64_t updates = elementCount(o.getUpdates().getType()), places = elementCount(o.getPlaces().front().getType());
    auto number = static_cast<int64_t>(o.getPlaces().size());
    bool arePlacesInMemory = isa<RankedTensorType>(o.getPlaces().front().getType());
    (isFloat(elementOf(o.getType())) ? c.flops : c.integer) = updates;
    c.loads = updates + (isa<RankedTensorType>(o.getUpdates().getType()) ? updates : 0) + (arePlacesInMemory ? number * places : 0);
    c.stores = updates;
    c.comparisons = 2 * number * places;
    if (!inPlace(o.getInit(), *at(o.getResult()), std::nullopt, 0)) {
      int64_t elements = elementCount(o.getType());
      c.stores += elements;
      if (!isSplat(o.getInit())) c.loads += elements;
    }
    return c;
  }
  if (auto o = dyn_cast<PutOp>(op)) return copies(elementCount(o.getValue().getType()));
  if (isa<FinalOp, InitialOp, ReshapeOp, ConstOp, YieldOp, CountOp, UntilOp, CellOp>(op)) return c;
  return scalar(op);
}

OperationCounts Counter::body(Block &block) {
  OperationCounts total;
  for (Operation &op : block) total += operation(&op);
  return total;
}

} // namespace

OperationCounts count(Operation *op, const Plan &plan) {
  auto always = [](Value) { return true; };
  Counter counter(plan, always);
  return isCheckpointed(op) ? counter.scan(cast<ScanOp>(op)) : counter.operation(op);
}

OperationCounts count(NodeOp node, const Plan &plan) {
  return count(node, plan, [](Value) { return true; });
}

OperationCounts count(NodeOp node, const Plan &plan, Condition holds) {
  OperationCounts total = Counter(plan, holds).body(bodyOf(node));
  for (auto [value, output] : llvm::zip(bodyOf(node).getTerminator()->getOperands(), plan.outputs)) {
    auto it = plan.locations.find(value);
    if (!isa<RankedTensorType>(value.getType())) total.stores += 1;
    else if (it == plan.locations.end() || !(it->second == output))
      total += copies(elementCount(value.getType()));
  }
  for (BlockArgument arg : bodyOf(node).getArguments()) total.loads += !isa<RankedTensorType>(arg.getType());
  return total;
}

} // namespace mlr::store
