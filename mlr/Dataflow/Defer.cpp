// Sums of products over the instants of a scan, m = m + x y' at each, taken for a block of instants at once.
#include "mlr/Dataflow/Flags.h"
#include "mlr/Dataflow/Passes.h"
#include "mlr/Dataflow/Rewrite.h"

#include "mlir/IR/IRMapping.h"

#include <map>

using namespace mlir;

namespace mlr::dataflow {
namespace {

/// Instants of a block: the sum passes through memory once a block.
constexpr int64_t longestBlock = 32, shortestBlock = 8;
/// A smaller sum stays in the first cache anyway.
constexpr int64_t smallSum = 1024;

/// `sum = (0 fby sum) + x * y` (or `eby`), x and y over some of the axes of the sum each, of which nobody sees but the last value.
struct Update {
  GenOp gen;
  Value before;        ///< the result of fby or eby
  Operation *combine;  ///< mlr.fma or mlr.add
  Value factors[2];    ///< in the body
  bool isFused = false;
};

class Deferral {
public:
  Deferral(NodeOp node, bool unfused) : node(node), constants(node), unfused(unfused) {}

  void run() {
    SmallVector<Update> updates;
    node.walk([&](ScanOp scan) {
      if (!scan.getSweep() || scan.getResume() || scan.getUpto() || !bodyOf(scan).getOps<UntilOp>().empty()) return;
      for (auto gen : bodyOf(scan).getOps<GenOp>())
        if (auto update = match(scan, gen)) updates.push_back(*update);
    });
    for (Update &update : updates) defer(update);
  }

private:
  static bool isZero(Value v) {
    auto constant = v.getDefiningOp<ConstOp>();
    auto splat = constant ? dyn_cast<SplatElementsAttr>(constant.getValue()) : SplatElementsAttr();
    return splat && isa<FloatType>(splat.getElementType()) && splat.getSplatValue<APFloat>().isPosZero();
  }

  /// The memory of the sum, if the sum is seen by it and as what it is after the instant executed last, and nothing else.
  static Value memoryOf(ScanOp scan, GenOp gen) {
    bool down = scan.getSweep() == Direction::Down;
    Value memory;
    for (Operation *user : gen.getResult().getUsers()) {
      if (down ? isa<InitialOp>(user) : isa<FinalOp>(user)) continue;
      auto eby = dyn_cast<EbyOp>(user);
      auto fby = dyn_cast<FbyOp>(user);
      bool starts = down ? eby && isZero(eby.getEnd()) : fby && isZero(fby.getInit());
      if (!starts || memory || user->getBlock() != gen->getBlock()) return {};
      memory = user->getResult(0);
    }
    return memory;
  }

  static bool isOwnElement(Value v, Value memory, GenOp gen) {
    auto read = v.getDefiningOp<ReadOp>();
    return read && read.getSource() == memory && !read.getClamp() && read.getMap().isIdentity() &&
           llvm::equal(read.getIndices(), bodyOf(gen).getArguments());
  }

  std::optional<Update> match(ScanOp scan, GenOp gen) const {
    mlir::Type element = tensorOf(gen).getElementType();
    if (gen.getWhen() || !(element.isF32() || element.isF64()) || tensorOf(gen).getNumElements() < smallSum) return {};
    Update u{gen, memoryOf(scan, gen), bodyOf(gen).getTerminator()->getOperand(0).getDefiningOp(), {}, false};
    if (!u.before || !llvm::hasSingleElement(u.before.getUses()) || !u.combine) return {};
    if (auto fma = dyn_cast<FmaOp>(u.combine)) {
      if (unfused || !isOwnElement(fma.getC(), u.before, gen)) return {};
      u.factors[0] = fma.getA(), u.factors[1] = fma.getB();
      u.isFused = true;
    } else if (isa<AddOp>(u.combine)) {
      bool isFirst = isOwnElement(u.combine->getOperand(0), u.before, gen);
      if (!isFirst && !isOwnElement(u.combine->getOperand(1), u.before, gen)) return {};
      auto product = u.combine->getOperand(isFirst ? 1 : 0).getDefiningOp<MulOp>();
      if (!product || product->getBlock() != &bodyOf(gen)) return {};
      u.factors[0] = product.getLhs(), u.factors[1] = product.getRhs();
    } else {
      return {};
    }
    return blockLength(scan, u) >= shortestBlock ? std::optional<Update>(u) : std::nullopt;
  }

  /// What a factor takes of the body, in order, and the indices that it depends on.
  struct Slice {
    SmallVector<Operation *> operations;
    SmallVector<unsigned> axes;
    bool isPlain = true;
  };

  static Slice sliceOf(GenOp gen, Value factor) {
    Block &body = bodyOf(gen);
    llvm::SetVector<Operation *> found;
    llvm::SmallSetVector<unsigned, 4> axes;
    SmallVector<Value> work{factor};
    Slice slice;
    while (!work.empty()) {
      Value v = work.pop_back_val();
      if (auto argument = dyn_cast<BlockArgument>(v); argument && argument.getOwner() == &body) axes.insert(argument.getArgNumber());
      Operation *def = v.getDefiningOp();
      if (!def || def->getBlock() != &body || !found.insert(def)) continue;
      slice.isPlain = slice.isPlain && def->getNumRegions() == 0;
      llvm::append_range(work, def->getOperands());
    }
    for (Operation &op : body)
      if (found.contains(&op)) slice.operations.push_back(&op);
    slice.axes.assign(axes.begin(), axes.end());
    llvm::sort(slice.axes);
    return slice;
  }

  /// Instants of a block, all blocks alike but for the first executed one; 0 where deferring does not pay.
  static int64_t blockLength(ScanOp scan, const Update &u) {
    int64_t row = 0, instants = static_cast<int64_t>(scan.getLength());
    for (Value factor : u.factors) {
      Slice slice = sliceOf(u.gen, factor);
      if (!slice.isPlain) return 0;
      int64_t n = 1;
      for (unsigned axis : slice.axes) n *= tensorOf(u.gen).getDimSize(axis);
      row += n;
    }
    int64_t most = std::min({longestBlock, tensorOf(u.gen).getNumElements() / row, instants});
    return most < shortestBlock ? 0 : ceilDiv(instants, ceilDiv(instants, most));
  }

  static int64_t ceilDiv(int64_t x, int64_t y) { return (x + y - 1) / y; }

  // ---- rewriting ------------------------------------------------------------------------------------------------

  Value number(int64_t n) { return constants.get(OpBuilder(node.getContext()).getI32IntegerAttr(static_cast<int32_t>(n))); }

  /// The place of an instant in its block, in the order of execution, and whether it is the last one; the last instant executed
  /// ends a block.
  struct Place {
    Value row, isLast;
  };
  Place placeIn(ScanOp scan, int64_t length) {
    Place &known = places[{scan, length}];
    if (known.row) return known;
    Block &body = bodyOf(scan);
    OpBuilder b(&body, body.begin());
    Location loc = scan.getLoc();
    mlir::Type i32 = b.getI32Type();
    auto instants = static_cast<int64_t>(scan.getLength());
    Value t = body.getArgument(0);
    if (scan.getSweep() == Direction::Down) {
      Value rest = RemOp::create(b, loc, i32, t, number(length));
      known.row = SubOp::create(b, loc, i32, number(length - 1), rest);
    } else {
      Value moved = AddOp::create(b, loc, i32, t, number((length - instants % length) % length));
      known.row = RemOp::create(b, loc, i32, moved, number(length));
    }
    known.isLast = EqOp::create(b, loc, b.getI1Type(), known.row, number(length - 1));
    return known;
  }

  /// A factor as a value of the instant over its own axes.
  Value valueOf(GenOp gen, const Slice &slice, Value factor) {
    SmallVector<int64_t> shape;
    for (unsigned axis : slice.axes) shape.push_back(tensorOf(gen).getDimSize(axis));
    if (auto read = factor.getDefiningOp<ReadOp>(); read && slice.operations.size() == 1 && !shape.empty()) {
      Value source = read.getSource();
      bool isWhole = source.getParentBlock() == gen->getBlock() && !read.getClamp() && read.getMap().isIdentity() &&
                     llvm::equal(shapeOf(source.getType()), shape);
      for (auto [k, index] : llvm::enumerate(read.getIndices()))
        isWhole = isWhole && k < slice.axes.size() && index == bodyOf(gen).getArgument(slice.axes[k]);
      if (isWhole) return source;
    }
    OpBuilder b(gen);
    mlir::Type element = tensorOf(gen).getElementType();
    return makeEach(b, gen.getLoc(), shape.empty() ? element : RankedTensorType::get(shape, element), [&](ValueRange at) -> Value {
      IRMapping mapping;
      for (auto [axis, index] : llvm::zip(slice.axes, at)) mapping.map(bodyOf(gen).getArgument(axis), index);
      for (Operation *op : slice.operations) b.clone(*op, mapping);
      return mapping.lookupOrDefault(factor);
    });
  }

  /// The values of a factor at the instants of the block.
  Value rowsOf(GenOp gen, Value value, int64_t length, Value row) {
    Value &known = rows[{value.getAsOpaquePointer(), length}];
    if (known) return known;
    OpBuilder b(gen);
    SmallVector<int64_t> shape{length};
    llvm::append_range(shape, shapeOf(value.getType()));
    Value zero;
    if (auto zeros = zeroAttr(value.getType()); isa<RankedTensorType>(value.getType())) {
      OpBuilder atStart = OpBuilder::atBlockBegin(&bodyOf(node));
      zero = ConstOp::create(atStart, gen.getLoc(), zeros);
    } else {
      zero = constants.get(cast<TypedAttr>(zeros));
    }
    return known = RowsOp::create(b, gen.getLoc(), RankedTensorType::get(shape, elementOf(value.getType())), value, row, zero, Value(),
                                  Value(), false, b.getStringAttr("block"));
  }

  /// Rows of instants before the first one are zeros: they add +0 to a sum that is never -0.
  void defer(const Update &u) {
    GenOp gen = u.gen;
    auto scan = cast<ScanOp>(gen->getParentOp());
    int64_t length = blockLength(scan, u);
    Place place = placeIn(scan, length);
    Location loc = gen.getLoc();
    Value kept[2];
    SmallVector<unsigned> axes[2];
    for (int k : {0, 1}) {
      Slice slice = sliceOf(gen, u.factors[k]);
      kept[k] = rowsOf(gen, valueOf(gen, slice, u.factors[k]), length, place.row);
      axes[k] = slice.axes;
    }
    OpBuilder b(gen);
    mlir::Type element = tensorOf(gen).getElementType();
    Value made = makeEach(b, loc, gen.getType(), [&](ValueRange at) -> Value {
      Value before = readLeading(b, loc, u.before, at);
      auto sum = ReduceOp::create(b, loc, element, Value(), before, ReduceKindAttr::get(b.getContext(), ReduceKind::Sum),
                                  b.getDenseI64ArrayAttr({length}), UnitAttr());
      Block *block = new Block;
      sum.getBody().push_back(block);
      Value r = block->addArgument(b.getIndexType(), loc);
      OpBuilder inner = OpBuilder::atBlockEnd(block);
      SmallVector<Value> terms;
      for (int k : {0, 1}) {
        SmallVector<Value> indices{r};
        for (unsigned axis : axes[k]) indices.push_back(at[axis]);
        terms.push_back(readLeading(inner, loc, kept[k], indices));
      }
      if (!u.isFused) terms = {MulOp::create(inner, loc, element, terms[0], terms[1])};
      YieldOp::create(inner, loc, terms);
      return SelectOp::create(b, loc, element, place.isLast, sum.getResult(), before);
    });
    gen.getResult().replaceAllUsesWith(made);
    gen.erase();
  }

  NodeOp node;
  ConstantPool constants;
  bool unfused;
  std::map<std::pair<Operation *, int64_t>, Place> places; ///< looked up only
  std::map<std::pair<const void *, int64_t>, Value> rows;
};

} // namespace

LogicalResult deferUpdates(ModuleOp module) {
  for (NodeOp node : module.getOps<NodeOp>()) Deferral(node, module->hasAttr("mlr.unfused")).run();
  return success();
}

} // namespace mlr::dataflow
