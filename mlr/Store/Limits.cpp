#include "mlr/Store/Limits.h"

#include <algorithm>
#include <optional>

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::store {

static std::optional<int64_t> numberOf(Value v) {
  auto constant = v.getDefiningOp<ConstOp>();
  auto number = constant ? dyn_cast<IntegerAttr>(constant.getValue()) : IntegerAttr();
  return number ? std::optional(number.getInt()) : std::nullopt;
}

namespace {

/// An invariant 0 <= memory < limit, from the first value on, through everything that the next one is selected from.
class Invariant {
public:
  explicit Invariant(FbyOp memory) : memory(memory) {}

  int64_t find() {
    if (!follow(memory.getInit()) || !follow(memory.getValue())) return 0;
    // `memory + 1 != n` keeps what is below n there, and nothing else.
    return stops == 0 || stops == limit ? limit : 0;
  }

private:
  bool follow(Value v) {
    constexpr int most = 500; // selections share operands
    if (++steps > most) return false;
    if (v == memory.getResult()) return true;
    if (auto number = numberOf(v)) {
      limit = std::max(limit, *number + 1);
      return *number >= 0;
    }
    if (auto select = v.getDefiningOp<SelectOp>()) {
      if (!select.getCondition().getType().isInteger(1)) return false;
      return under(select.getCondition(), true, select.getYes()) && under(select.getCondition(), false, select.getNo());
    }
    auto add = v.getDefiningOp<AddOp>();
    return add && add.getLhs() == memory.getResult() && numberOf(add.getRhs()) == 1 && countsTo(v);
  }

  bool under(Value condition, bool holds, Value v) {
    size_t before = known.size();
    learn(condition, holds);
    bool isGood = follow(v);
    known.resize(before);
    return isGood;
  }

  void learn(Value condition, bool holds) {
    Operation *op = condition.getDefiningOp();
    if (op && (holds ? isa<AndOp>(op) : isa<OrOp>(op))) {
      learn(op->getOperand(0), holds);
      learn(op->getOperand(1), holds);
    } else if (op) {
      known.push_back({op, holds});
    }
  }

  /// `next`, the memory plus 1, where a condition ends it.
  bool countsTo(Value next) {
    for (auto [op, holds] : known) {
      if (op->getNumOperands() != 2) continue;
      auto number = numberOf(op->getOperand(1));
      bool ofNext = op->getOperand(0) == next, ofMemory = op->getOperand(0) == memory.getResult();
      if (!number || !(ofNext || ofMemory)) continue;
      bool isBelow = holds ? isa<LtOp>(op) : isa<GeOp>(op), isUpTo = holds ? isa<LeOp>(op) : isa<GtOp>(op);
      if (isBelow || isUpTo) return limit = std::max(limit, *number + isUpTo + ofMemory), true;
      bool isOther = holds ? isa<NeOp>(op) : isa<EqOp>(op);
      if (!isOther) continue;
      int64_t stop = *number + ofMemory;
      if (stops != 0 && stops != stop) return false;
      stops = stop;
      return limit = std::max(limit, stop), true;
    }
    return false;
  }

  FbyOp memory;
  int64_t limit = 0, stops = 0;
  int steps = 0;
  SmallVector<std::pair<Operation *, bool>> known; ///< comparisons on the way
};

} // namespace

int64_t limitOf(FbyOp memory) { return isa<IntegerType>(memory.getType()) && !memory.getType().isInteger(1) ? Invariant(memory).find() : 0; }

} // namespace mlr::store
