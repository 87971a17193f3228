#include "mlr/Store/Reasons.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::store {

static std::string describeConstant(Value value) {
  auto constant = value.getDefiningOp<ConstOp>();
  if (!constant) return "a captured value";
  Attribute attr = constant.getValue();
  if (auto dense = dyn_cast<DenseElementsAttr>(attr)) {
    if (!dense.isSplat()) return "a constant tensor";
    attr = dense.getSplatValue<Attribute>();
  }
  if (auto number = dyn_cast<FloatAttr>(attr)) return fmt::format("{:g}", number.getValueAsDouble());
  if (auto number = dyn_cast<IntegerAttr>(attr)) {
    if (number.getType().isInteger(1)) return number.getValue().isZero() ? "false" : "true";
    SmallString<24> digits;
    number.getValue().toString(digits, 10, !number.getType().isUnsignedInteger());
    return digits.str().str();
  }
  return "a constant";
}

static std::string operandName(Value value) {
  Operation *def = value.getDefiningOp();
  StringRef name = def ? sourceName(def) : StringRef();
  return name.empty() ? "..." : name.str();
}

std::string describeSlot(Operation *slot) {
  if (auto fby = dyn_cast<FbyOp>(slot))
    return fmt::format("state of `{} fby {}`", describeConstant(fby.getInit()), operandName(fby.getValue()));
  if (auto eby = dyn_cast<EbyOp>(slot))
    return fmt::format("state of `{} eby {}`", operandName(eby.getValue()), describeConstant(eby.getEnd()));
  if (auto window = dyn_cast<WindowOp>(slot))
    return fmt::format("last {} values of `{}`", shapeOf(window.getType()).front(),
                       operandName(window.getValue()));
  if (auto rows = dyn_cast<RowsOp>(slot)) {
    int64_t n = shapeOf(rows.getResult().getType()).front();
    std::string of = operandName(rows.getValue());
    if (rows.getMirror()) return fmt::format("ring of the last {} values of `{}`, twice", n / 2, of);
    return fmt::format("{} of {} values of `{}`", rows->hasAttr("mlr.segment") ? "segment" : "ring", n, of);
  }
  return "true at the first instant";
}

Reasons::Reasons(NodeOp node) {
  node->walk<WalkOrder::PreOrder>([&](Block *block) {
    unsigned n = 0;
    for (Operation &op : *block)
      if (isa<ScanOp>(op)) ordinal[&op] = ++n;
  });
}

std::string Reasons::sweep(ScanOp scan) const {
  bool down = scan.getSweep() && *scan.getSweep() == Direction::Down;
  return fmt::format("{} ({})", ordinal.lookup(scan), down ? "down" : "up");
}

/// The result of the scan through which a stack, final or initial leaves it; null if none.
static Value resultOf(Operation *end) {
  auto scan = cast<ScanOp>(end->getParentOp());
  for (OpOperand &use : end->getResult(0).getUses())
    if (use.getOwner() == bodyOf(scan).getTerminator()) return scan.getResult(use.getOperandNumber());
  return {};
}

std::string Reasons::name(Value value) const {
  Operation *def = value.getDefiningOp();
  if (!def) return "";
  if (auto attr = def->getAttrOfType<StringAttr>("name")) return attr.getValue().str();
  StringRef own = sourceName(def);
  if (own.empty() && isa<StackOp, FinalOp, InitialOp>(def)) own = sourceName(def->getParentOp());
  if (own.empty() && isa<StackOp, FinalOp, InitialOp>(def) && def->getOperand(0).getDefiningOp())
    own = sourceName(def->getOperand(0).getDefiningOp());
  return own.str();
}

std::string Reasons::describe(Value value) const {
  Operation *def = value.getDefiningOp();
  std::string quoted = name(value);
  quoted = quoted.empty() ? "" : " `" + quoted + "`";
  if (isa<FbyOp, EbyOp, WindowOp, RowsOp, FirstOp>(def)) return describeSlot(def);
  if (isa<FinalOp, InitialOp>(def))
    return fmt::format("{} value{}", isa<FinalOp>(def) ? "final" : "initial", quoted);
  if (isa<CellOp>(def)) return "checkpoints of" + (quoted.empty() ? " a state" : quoted);
  if (!isa<StackOp>(def)) return "value" + quoted;
  // A stack that a later scan of the same time reads carries a value from one sweep to another.
  auto scan = cast<ScanOp>(def->getParentOp());
  if (Value result = resultOf(def))
    for (OpOperand &use : result.getUses())
      if (auto reader = dyn_cast_or_null<ScanOp>(scan->getBlock()->findAncestorOpInBlock(*use.getOwner())))
        return fmt::format("{}crosses from sweep {} to {}", quoted.empty() ? "" : quoted.substr(1) + " ",
                           sweep(scan), sweep(reader));
  return "stacked result" + quoted;
}

} // namespace mlr::store
