// Reads of gens: the producer's body takes the place of the read.
#include "mlr/Dataflow/Passes.h"
#include "mlr/Dataflow/Rewrite.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace mlr::dataflow {
namespace {

/// A consumer does not grow beyond this many operations by producers that others need as well.
constexpr int64_t maxConsumer = 400;

class Composer {
public:
  explicit Composer(NodeOp node) : constants(node) {
    // Consumers first: a chain of n producers then costs n copies of one body, not of growing ones.
    node.walk([&](GenOp gen) {
      if (isa<NodeOp, ScanOp>(gen->getParentOp())) gens.push_back(gen);
    });
    std::reverse(gens.begin(), gens.end());
  }

  bool run() {
    bool changed = false;
    for (GenOp gen : gens) changed |= compose(gen);
    return changed;
  }

private:
  /// Only reads, moved or broadcast: no work to repeat.
  static bool isView(GenOp gen) {
    return llvm::all_of(bodyOf(gen).without_terminator(), [](Operation &op) {
      auto convert = dyn_cast<ConvertOp>(op);
      return isa<ReadOp>(op) || (convert && convert.getType().isIndex());
    });
  }

  bool compose(GenOp gen) {
    SmallVector<ReadOp> reads;
    bool onlyReads = true;
    for (Operation *user : gen.getResult().getUsers()) {
      auto read = dyn_cast<ReadOp>(user);
      if (read) reads.push_back(read);
      else onlyReads = false;
    }
    if (reads.empty() || !(isView(gen) || (onlyReads && isWorthwhile(gen, reads)))) return false;
    bool changed = false;
    for (ReadOp read : reads) changed |= replace(read, gen);
    return changed;
  }

  /// Without the buffer, does the program compute no more than before, or only a little more?
  static bool isWorthwhile(GenOp gen, ArrayRef<ReadOp> reads) {
    int64_t elements = tensorOf(gen).getNumElements(), total = 0, most = 0;
    int64_t cost = bodyCost(bodyOf(gen));
    bool crossesTime = false;
    for (ReadOp read : reads) {
      int64_t n = executions(read, gen->getBlock());
      total += n;
      most = std::max(most, n);
      Operation *scan = read->getParentOfType<ScanOp>(), *own = gen->getParentOfType<ScanOp>();
      crossesTime = crossesTime || scan != own;
    }
    // What the program computes before a scan, such as a product for all instants at once, stays there.
    if (crossesTime && cost > cheapBody) return false;
    if (losesLanes(gen, reads)) return false;
    if (total <= elements) return true;
    bool small = llvm::all_of(reads, [](ReadOp read) {
      return static_cast<int64_t>(read->getBlock()->getOperations().size()) < maxConsumer;
    });
    return small && cost <= cheapBody && most <= elements && total <= 2 * elements;
  }

  /// Sums side by side, such as the results of a matrix product, are lanes. As terms of another sum they would come one after the other:
  /// worth a buffer unless that sum has enough neighbours itself.
  static bool losesLanes(GenOp gen, ArrayRef<ReadOp> reads) {
    bool sums = false;
    gen.walk([&](ReduceOp reduce) { sums = sums || !reduce.getTree(); });
    if (!sums || tensorOf(gen).getNumElements() < enoughLanes) return false;
    return llvm::any_of(reads, [&](ReadOp read) {
      int64_t neighbours = executions(read, gen->getBlock());
      bool isTerm = false;
      for (auto reduce = read->getParentOfType<ReduceOp>(); reduce; reduce = reduce->getParentOfType<ReduceOp>()) {
        isTerm = isTerm || !reduce.getTree();
        for (int64_t size : reduce.getSizes()) neighbours /= std::max<int64_t>(size, 1);
      }
      return isTerm && neighbours < enoughLanes;
    });
  }

  bool replace(ReadOp read, GenOp gen) {
    Block &body = bodyOf(gen);
    SmallVector<AffineExpr> at(read.getMap().getResults());
    SmallVector<bool> clamp(read.getClamp().value_or(ArrayRef<bool>{}));
    if (llvm::is_contained(clamp, true) && !passesClamps(gen, clamp)) return false;
    OpBuilder b(read);
    // The producer's arguments become stand-ins, whose uses are then rewritten one by one.
    IRMapping mapping;
    SmallVector<Operation *> standIns;
    for (BlockArgument a : body.getArguments()) {
      standIns.push_back(
          UnrealizedConversionCastOp::create(b, read.getLoc(), TypeRange{b.getIndexType()}, ValueRange{}));
      mapping.map(a, standIns.back()->getResult(0));
    }
    for (Operation &op : body.without_terminator()) b.clone(op, mapping);
    Value result = mapping.lookupOrDefault(body.getTerminator()->getOperand(0));
    read.replaceAllUsesWith(result);
    for (auto [k, standIn] : llvm::enumerate(standIns))
      for (OpOperand &use : llvm::make_early_inc_range(standIn->getResult(0).getUses())) {
        if (auto convert = dyn_cast<ConvertOp>(use.getOwner()))
          rewriteConvert(convert, at[k], read.getIndices());
        else if (!isa<ReadOp>(use.getOwner())) rewriteIndex(use, at[k], read.getIndices());
      }
    llvm::SmallSetVector<Operation *, 8> users;
    for (Operation *standIn : standIns)
      for (Operation *user : standIn->getResult(0).getUsers()) users.insert(user);
    for (Operation *user : users) rewriteRead(cast<ReadOp>(user), standIns, at, read.getIndices(), clamp);
    for (Operation *standIn : standIns) standIn->erase();
    read.erase();
    return true;
  }

  /// Clamped axes can be handed on when the producer uses that index only as the whole index of axes of the
  /// same size.
  static bool passesClamps(GenOp gen, ArrayRef<bool> clamp) {
    Block &body = bodyOf(gen);
    for (auto [axis, flag] : llvm::enumerate(clamp)) {
      if (!flag) continue;
      for (Operation *user : body.getArgument(axis).getUsers()) {
        auto read = dyn_cast<ReadOp>(user);
        if (!read) return false;
        for (auto [i, e] : llvm::enumerate(read.getMap().getResults())) {
          bool uses = false;
          for (auto [k, v] : llvm::enumerate(read.getIndices()))
            uses = uses || (v == body.getArgument(axis) && e.isFunctionOfDim(k));
          bool whole = isa<AffineDimExpr>(e) &&
                       shapeOf(read.getSource().getType())[i] == tensorOf(gen).getDimSize(axis);
          if (uses && !whole) return false;
        }
      }
    }
    return true;
  }

  void rewriteConvert(ConvertOp op, AffineExpr at, ValueRange operands) {
    OpBuilder b(op);
    Value integer = materializeIndex(b, op.getLoc(), at, operands, constants);
    Value value = integer;
    if (op.getType() != integer.getType()) value = ConvertOp::create(b, op.getLoc(), op.getType(), integer);
    op.replaceAllUsesWith(value);
    op.erase();
  }

  /// An index that is computed with as an index.
  void rewriteIndex(OpOperand &use, AffineExpr at, ValueRange operands) {
    OpBuilder b(use.getOwner());
    Value integer = materializeIndex(b, use.getOwner()->getLoc(), at, operands, constants);
    use.set(ConvertOp::create(b, use.getOwner()->getLoc(), b.getIndexType(), integer));
  }

  void rewriteRead(ReadOp op, ArrayRef<Operation *> standIns, ArrayRef<AffineExpr> at, ValueRange outer,
                   ArrayRef<bool> clampOuter) {
    OpBuilder b(op);
    SmallVector<Value> operands(outer);
    SmallVector<AffineExpr> replacement;
    SmallVector<int> axisOf; // of the producer, for each operand of the read; -1: its own
    for (Value v : op.getIndices()) {
      auto it = llvm::find(standIns, v.getDefiningOp());
      if (it == standIns.end()) {
        replacement.push_back(b.getAffineDimExpr(operands.size()));
        operands.push_back(v);
        axisOf.push_back(-1);
      } else {
        axisOf.push_back(it - standIns.begin());
        replacement.push_back(at[axisOf.back()]);
      }
    }
    SmallVector<AffineExpr> indices;
    SmallVector<bool> clamp(op.getClamp().value_or(ArrayRef<bool>{}));
    clamp.resize(op.getMap().getNumResults(), false);
    for (auto [i, e] : llvm::enumerate(op.getMap().getResults())) {
      indices.push_back(e.replaceDimsAndSymbols(replacement, {}));
      if (auto d = dyn_cast<AffineDimExpr>(e); d && axisOf[d.getPosition()] >= 0 && !clampOuter.empty())
        clamp[i] = clamp[i] || clampOuter[axisOf[d.getPosition()]];
    }
    ReadOp read = createRead(b, op.getLoc(), op.getSource(), indices, operands, clamp);
    op.replaceAllUsesWith(read.getResult());
    op.erase();
  }

  ConstantPool constants;
  SmallVector<GenOp> gens;
};

} // namespace

bool composeReads(NodeOp node) { return Composer(node).run(); }

} // namespace mlr::dataflow
