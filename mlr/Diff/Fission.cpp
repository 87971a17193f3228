#include "mlr/Dataflow/EachCall.h"
#include "mlr/Dataflow/Flags.h"
#include "mlr/Diff/Scalars.h"

#include "mlir/IR/IRMapping.h"

namespace mlr::diff {

bool Body::isInside(Value v) const {
  return op->getNumRegions() ? op->isAncestor(v.getParentBlock()->getParentOp()) : v.getDefiningOp() == op;
}

Body bodyOfComputation(Operation *op) {
  Body body;
  body.op = op;
  body.result = op->getResult(0);
  auto addBlock = [&](Block &block) {
    for (Operation &inner : block.without_terminator())
      if (&inner != body.reduce.getOperation()) body.inside.push_back(&inner);
  };
  if (auto gen = dyn_cast<GenOp>(op)) {
    Block &block = dataflow::bodyOf(gen);
    body.reduce = block.getTerminator()->getOperand(0).getDefiningOp<ReduceOp>();
    if (body.reduce && body.reduce->getBlock() != &block) body.reduce = nullptr;
    body.arguments.append(block.args_begin(), block.args_end());
    llvm::append_range(body.sizes, tensorOf(gen).getShape());
    body.outer = body.arguments.size();
    addBlock(block);
    body.yields.assign(block.getTerminator()->operand_begin(), block.getTerminator()->operand_end());
  } else if (auto reduce = dyn_cast<ReduceOp>(op)) {
    body.reduce = reduce;
  } else {
    body.inside.push_back(op);
    body.yields.push_back(body.result);
  }
  if (!body.reduce) return body;
  Block &block = dataflow::bodyOf(body.reduce);
  body.arguments.append(block.args_begin(), block.args_end());
  llvm::append_range(body.sizes, body.reduce.getSizes());
  addBlock(block);
  body.yields.assign(block.getTerminator()->operand_begin(), block.getTerminator()->operand_end());
  return body;
}

bool isWholeCall(Operation *op) {
  if (!isa<CallOp>(op)) return false;
  auto isTensor = [](Type t) { return isa<RankedTensorType>(t); };
  return op->getNumResults() != 1 || llvm::any_of(op->getOperandTypes(), isTensor) || llvm::any_of(op->getResultTypes(), isTensor);
}

namespace {

/// Makes one operation inside a body a tensor over the indices that it depends on.
class Extraction {
public:
  Extraction(Operation *root, Operation *inner) : root(root), inner(inner) {
    for (Operation *op = inner->getParentOp();; op = op->getParentOp()) {
      around.insert(around.begin(), op);
      if (op == root) break;
    }
  }

  void run() {
    auto [indices, shape] = findIndices();
    Location loc = inner->getLoc();
    Type element = inner->getResult(0).getType();
    OpBuilder b(root);
    IRMapping mapping;
    if (indices.empty()) {
      copyInto(b, mapping);
      replace(mapping.lookup(inner->getResult(0)));
      return;
    }
    auto gen = GenOp::create(b, loc, RankedTensorType::get(shape, element));
    Block *block = b.createBlock(&gen.getBody());
    for (Value index : indices) mapping.map(index, block->addArgument(b.getIndexType(), loc));
    copyInto(b, mapping);
    YieldOp::create(b, loc, mapping.lookup(inner->getResult(0)));
    b.setInsertionPoint(inner);
    SmallVector<AffineExpr> exprs;
    for (unsigned i = 0; i < indices.size(); ++i) exprs.push_back(b.getAffineDimExpr(i));
    replace(createRead(b, loc, gen.getResult(), exprs, indices));
  }

  /// Of a call: its operands become tensors, and the call is made for each of their elements.
  void runCall() {
    auto call = cast<CallOp>(inner);
    auto [indices, shape] = findIndices();
    Location loc = inner->getLoc();
    OpBuilder b(root);
    auto outside = [&](Value operand) -> Value {
      return makeEach(b, loc, valueType(shape, operand.getType()), [&](ValueRange at) {
        IRMapping mapping;
        for (auto [index, i] : llvm::zip(indices, at)) mapping.map(index, i);
        copyNeeded(b, mapping);
        return mapping.lookupOrDefault(operand);
      });
    };
    SmallVector<Value> operands;
    for (Value operand : call.getInputs()) operands.push_back(outside(operand));
    SmallVector<Type> inputs(call.getInputs().getTypes()), results(call.getResultTypes());
    SmallVector<Value> made = callEach(b, loc, call.getCallee(), operands, inputs, results, shape);
    b.setInsertionPoint(inner);
    for (auto [result, all] : llvm::zip(inner->getResults(), made))
      if (!result.use_empty()) result.replaceAllUsesWith(readLeading(b, loc, all, indices));
    inner->erase();
  }

private:
  static int64_t sizeOf(BlockArgument a) {
    Operation *owner = a.getOwner()->getParentOp();
    if (auto gen = dyn_cast<GenOp>(owner)) return tensorOf(gen).getDimSize(a.getArgNumber());
    return cast<ReduceOp>(owner).getSizes()[a.getArgNumber()];
  }

  /// Finds what `inner` needs of the bodies around it; the indices among it, outermost first, and their sizes.
  std::pair<SmallVector<Value>, SmallVector<int64_t>> findIndices() {
    need(inner);
    while (!work.empty()) need(work.pop_back_val());
    std::pair<SmallVector<Value>, SmallVector<int64_t>> found;
    for (Operation *op : around)
      for (BlockArgument a : dataflow::bodyOf(op).getArguments()) {
        if (!used.contains(a)) continue;
        found.first.push_back(a);
        found.second.push_back(sizeOf(a));
      }
    return found;
  }

  void need(Operation *op) {
    op->walk([&](Operation *o) {
      for (Value v : o->getOperands()) {
        if (auto a = dyn_cast<BlockArgument>(v)) {
          if (llvm::is_contained(around, a.getOwner()->getParentOp())) used.insert(a);
          continue;
        }
        Operation *source = v.getDefiningOp();
        bool inBody = root != source && root->isAncestor(source) && !inner->isAncestor(source);
        if (inBody && needed.insert(source)) work.push_back(source);
      }
    });
  }

  void copyNeeded(OpBuilder &b, IRMapping &mapping) {
    for (Operation *op : around)
      for (Operation &o : dataflow::bodyOf(op))
        if (needed.contains(&o)) b.clone(o, mapping);
  }

  void copyInto(OpBuilder &b, IRMapping &mapping) {
    copyNeeded(b, mapping);
    b.clone(*inner, mapping);
  }

  void replace(Value v) {
    inner->getResult(0).replaceAllUsesWith(v);
    inner->erase();
  }

  Operation *root, *inner;
  SmallVector<Operation *> around; ///< gens and reductions, outermost first
  llvm::SmallSetVector<Value, 4> used;
  llvm::SetVector<Operation *> needed;
  SmallVector<Operation *> work;
};

} // namespace

void takeOut(CallOp call) {
  Operation *root = call->getParentOp();
  while (isa<GenOp, ReduceOp>(root->getParentOp())) root = root->getParentOp();
  Extraction(root, call).runCall();
}

/// max(a, b) as the selection that it is: a where a > b or a is NaN. Its derivative is that of the selection.
static void expandChoice(Operation *op) {
  OpBuilder b(op);
  Location loc = op->getLoc();
  Type i1 = b.getI1Type();
  Value x = op->getOperand(0), y = op->getOperand(1);
  Value before = isa<MaxOp>(op) ? GtOp::create(b, loc, i1, x, y).getResult() : LtOp::create(b, loc, i1, x, y).getResult();
  Value first = OrOp::create(b, loc, i1, before, NeOp::create(b, loc, i1, x, x));
  op->getResult(0).replaceAllUsesWith(SelectOp::create(b, loc, x.getType(), first, x, y));
  op->erase();
}

void splitBody(Operation *op) {
  if (isa<ScanOp>(op)) return; // what is active in it has its own turn
  // What nothing reads, such as a side of a selection by a constant, may read a reduction that else only the body's end does.
  if (isa<GenOp, ReduceOp>(op)) dropUnused(dataflow::bodyOf(op));
  SmallVector<Operation *> choices;
  op->walk([&](Operation *o) {
    if (isa<MaxOp, MinOp>(o) && isFloat(o->getResult(0))) choices.push_back(o);
  });
  for (Operation *o : choices) expandChoice(o);
  if (llvm::is_contained(choices, op) || !isa<GenOp, ReduceOp>(op)) return;
  SmallVector<Operation *> inner;
  op->walk([&](Operation *o) { // inner ones first
    if (o != op && isa<ReduceOp, CallOp>(o)) inner.push_back(o);
  });
  for (Operation *o : inner) {
    bool isYielded = o->getParentOp() == op && isa<GenOp>(op) &&
                     dataflow::bodyOf(op).getTerminator()->getOperand(0) == o->getResult(0);
    if (!isYielded) Extraction(op, o).run();
  }
  // What was read for them only is no use any more.
  op->walk([](Operation *o) {
    if (isa<GenOp, ReduceOp>(o)) dropUnused(dataflow::bodyOf(o));
  });
}

} // namespace mlr::diff
