// Which pairs of sweeps can run with checkpoints.
#include "mlr/Schedule/Checkpoint.h"
#include "mlr/Schedule/Graph.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::schedule {

namespace {

constexpr int64_t worthwhile = 64; ///< bytes of an array below which nothing is gained

bool isConstant(Value value, int64_t wanted) {
  auto constant = value.getDefiningOp<ConstOp>();
  auto number = constant ? dyn_cast<IntegerAttr>(constant.getValue()) : IntegerAttr();
  return number && number.getType().isInteger(32) && number.getInt() == wanted;
}

/// Operands of a commutative operation, the constant `wanted` and another one: that one. Null otherwise.
template <typename Op> Value besides(Value value, int64_t wanted) {
  auto op = value.getDefiningOp<Op>();
  if (!op) return {};
  if (isConstant(op.getRhs(), wanted)) return op.getLhs();
  return isConstant(op.getLhs(), wanted) ? op.getRhs() : Value();
}

enum class Row { Same, Before, Other };

/// The row that a read in the consumer takes: of the consumer's instant, or of the one that the producer executes before it.
Row rowOf(ReadOp read, ScanOp consumer) {
  auto dim = dyn_cast<AffineDimExpr>(read.getMap().getResult(0));
  auto convert = dim ? read.getIndices()[dim.getPosition()].getDefiningOp<ConvertOp>() : ConvertOp();
  if (!convert) return Row::Other;
  Value t = bodyOf(consumer).getArgument(0), row = convert.getValue();
  if (row == t) return Row::Same;
  bool down = consumer.getSweep() == Direction::Down;
  Value moved = down ? besides<MaxOp>(row, 0) : besides<MinOp>(row, int64_t(consumer.getLength()) - 1);
  return moved && besides<AddOp>(moved, down ? -1 : 1) == t ? Row::Before : Row::Other;
}

class Finder {
public:
  Finder(ScanOp producer, ScanOp consumer) : producer(producer), consumer(consumer) {
    found.producer = producer;
    found.consumer = consumer;
    found.length = producer.getLength();
  }

  /// Empty, or why the pair cannot run with checkpoints.
  std::string run(ArrayRef<unsigned> results) {
    if (std::string why = instants(); !why.empty()) return why;
    for (unsigned r : results)
      if (std::string why = add(r); !why.empty()) return why;
    for (Value v : wantedBefore) addBefore(v);
    for (Operation &op : bodyOf(producer))
      if (members.contains(&op)) {
        found.slice.push_back(&op);
        if (isa<FbyOp, EbyOp>(op)) found.states.push_back(&op);
      }
    for (Operation *state : found.states) found.stateBytes += bytesOf(state->getResult(0).getType());
    for (Value v : found.before) found.stateBytes += bytesOf(v.getType());
    found.tapeBytes = found.storedBytes / found.length;
    for (Value v : wantedBefore) found.tapeBytes += bytesOf(v.getType());
    if (found.stateBytes == 0) return "no recurrence computes it";
    return "";
  }

  Crossing found;

private:
  ScanOp producer, consumer;
  DenseSet<Operation *> members;
  llvm::SetVector<Value> wantedBefore;

  // Both run over the same instants, under the same condition.
  std::string instants() {
    if (producer.getLength() != consumer.getLength() || producer.getLength() < 2) return "the sweeps differ in length";
    if (producer.getWhen() && producer.getWhen() != consumer.getWhen()) return "the sweeps run under different conditions";
    bool until = llvm::any_of(bodyOf(producer), [](Operation &op) { return isa<UntilOp>(op); });
    if (!until) return producer.getUpto() == consumer.getUpto() ? "" : "the sweeps differ in length";
    Value count = consumer.getUpto();
    if (!count || count.getDefiningOp() != producer.getOperation()) return "the sweeps differ in length";
    Value yielded = bodyOf(producer).getTerminator()->getOperand(cast<OpResult>(count).getResultNumber());
    return yielded.getDefiningOp<CountOp>() ? "" : "the sweeps differ in length";
  }

  std::string add(unsigned r) {
    auto stack = bodyOf(producer).getTerminator()->getOperand(r).getDefiningOp<StackOp>();
    for (OpOperand &use : producer.getResult(r).getUses()) {
      auto read = cast<ReadOp>(use.getOwner());
      if (rowOf(read, consumer) == Row::Before) wantedBefore.insert(stack.getValue());
    }
    found.results.push_back(r);
    found.storedBytes += bytesOf(stack.getResult().getType());
    return addSlice(stack.getValue());
  }

  std::string addSlice(Value value) {
    std::vector<Value> work{value};
    while (!work.empty()) {
      Operation *op = work.back().getDefiningOp();
      work.pop_back();
      op = op ? bodyOf(producer).findAncestorOpInBlock(*op) : nullptr;
      if (!op || !members.insert(op).second) continue;
      if (std::string why = unfit(op); !why.empty()) return why;
      op->walk([&](Operation *inner) { work.insert(work.end(), inner->operand_begin(), inner->operand_end()); });
    }
    return "";
  }

  static std::string unfit(Operation *op) {
    std::string why;
    op->walk([&](Operation *inner) {
      if (auto call = dyn_cast<ExternOp>(inner); call && !call.getPure()) why = "a C function with effects computes it";
      if (isa<WindowOp, RowsOp>(inner)) why = "a window computes it";
      if (isa<CellOp, PutOp>(inner)) why = "it comes from checkpoints itself";
      if (isa<FirstOp>(inner)) why = "it depends on the first instant of all runs";
      if (auto scan = dyn_cast<ScanOp>(inner); scan && scan.getResume()) why = "a scan inside keeps state";
    });
    if (isa<FinalOp, InitialOp, CountOp, StackOp>(op)) why = "it depends on the end of its own sweep";
    return why;
  }

  // The value one instant before is a state: the one that there is, else one more.
  void addBefore(Value value) {
    for (OpOperand &use : value.getUses()) {
      Operation *op = use.getOwner();
      if (op->getBlock() != &bodyOf(producer)) continue;
      if ((isa<FbyOp>(op) && use.getOperandNumber() == 1) || (isa<EbyOp>(op) && use.getOperandNumber() == 0)) {
        members.insert(op);
        return;
      }
    }
    found.before.push_back(value);
  }
};

/// The scan among the operations of the producer's block that holds all uses of an array, each of which reads a row; null if
/// there is none.
ScanOp readerOf(ScanOp producer, Value array) {
  ScanOp reader;
  for (OpOperand &use : array.getUses()) {
    Operation *at = producer->getBlock()->findAncestorOpInBlock(*use.getOwner());
    auto scan = dyn_cast_or_null<ScanOp>(at);
    if (!scan || scan == at->getBlock()->getParentOp() || (reader && scan != reader) || !isa<ReadOp>(use.getOwner()) ||
        use.getOperandNumber() != 0)
      return {};
    reader = scan;
    if (scan.getSweep() == producer.getSweep() || rowOf(cast<ReadOp>(use.getOwner()), scan) == Row::Other) return {};
  }
  return reader;
}

bool overlap(ScanOp a, ScanOp b) { return a->isAncestor(b) || b->isAncestor(a); }

} // namespace

std::vector<Crossing> findCrossings(NodeOp node, std::vector<Kept> *kept) {
  std::vector<Crossing> all;
  auto keep = [&](Value array, StringRef why) {
    int64_t bytes = bytesOf(array.getType());
    if (!kept || bytes < worthwhile) return;
    Operation *stack = bodyOf(cast<ScanOp>(array.getDefiningOp())).getTerminator()->getOperand(cast<OpResult>(array).getResultNumber()).getDefiningOp();
    Operation *value = stack ? stack->getOperand(0).getDefiningOp() : nullptr;
    kept->push_back({value ? value->getLoc() : array.getLoc(), bytes, why.str()});
  };
  node->walk<WalkOrder::PreOrder>([&](ScanOp producer) {
    llvm::MapVector<Operation *, SmallVector<unsigned>> byReader;
    Operation *end = bodyOf(producer).getTerminator();
    for (auto [r, value] : llvm::enumerate(end->getOperands())) {
      auto stack = value.getDefiningOp<StackOp>();
      if (!stack || producer.getResult(r).use_empty()) continue;
      Value array = producer.getResult(r);
      bool output = llvm::any_of(array.getUsers(), [](Operation *user) { return isa<YieldOp>(user); });
      if (ScanOp reader = readerOf(producer, array)) byReader[reader].push_back(r);
      else if (!output) keep(array, "it is read otherwise than at the same instant in one sweep back");
    }
    for (auto &[reader, results] : byReader) {
      Finder finder(producer, cast<ScanOp>(reader));
      std::string why = finder.run(results);
      if (why.empty()) {
        all.push_back(std::move(finder.found));
      } else {
        for (unsigned r : results) keep(producer.getResult(r), why);
      }
    }
  });
  llvm::stable_sort(all, [](const Crossing &a, const Crossing &b) { return a.storedBytes > b.storedBytes; });
  std::vector<Crossing> chosen;
  for (Crossing &c : all) {
    bool free = llvm::none_of(chosen, [&](const Crossing &d) {
      return overlap(c.producer, d.producer) || overlap(c.producer, d.consumer) || overlap(c.consumer, d.producer) ||
             overlap(c.consumer, d.consumer);
    });
    if (free) {
      chosen.push_back(std::move(c));
    } else {
      for (unsigned r : c.results) keep(c.producer.getResult(r), "a sweep between the same instants has checkpoints already");
    }
  }
  return chosen;
}

} // namespace mlr::schedule
