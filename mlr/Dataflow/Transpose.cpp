// Matrices that a scan multiplies with at each of its instants, copied once before it so that neighbouring results read neighbouring
// elements; kernels of convolutions likewise, which are read at every place of an image.
#include "mlr/Dataflow/Passes.h"
#include "mlr/Dataflow/Rewrite.h"

#include <map>

using namespace mlir;

namespace mlr::dataflow {
namespace {

/// Instants from which on a copy, which costs about as much as one product with the matrix, pays.
constexpr int64_t fewInstants = 8;
/// Elements in a row of the copy from which on vectors of them pay.
constexpr int64_t shortRow = 4;

/// Reads of each element from which on a copy pays where no scan is.
constexpr int64_t fewReads = 16;

/// Replaces reads like W[i, k], in a sum over k for each i, by reads of a copy [k, i].
class Transposer {
public:
  explicit Transposer(NodeOp node) : node(node) {}

  void run() {
    SmallVector<ReadOp> reads;
    node.walk([&](ReadOp read) { reads.push_back(read); });
    for (ReadOp read : reads)
      if (auto axis = resultAxis(read))
        if (ScanOp scan = outermostScan(read)) replace(read, *axis, scan);
  }

  void runReused() {
    SmallVector<ReadOp> reads;
    node.walk([&](ReadOp read) { reads.push_back(read); });
    for (ReadOp read : reads)
      if (auto axis = resultAxis(read); axis && isReused(read)) replace(read, *axis, placeOf(read));
  }

private:
  static Operation *rootOf(Operation *op) {
    while (!isa<NodeOp, ScanOp>(op->getParentOp())) op = op->getParentOp();
    return op;
  }

  /// Whether the index of a gen walks along neighbours in memory.
  static bool hasNeighbours(ReadOp read) {
    AffineDimExpr last = shiftedDim(read.getMap().getResults().back());
    auto i = last ? dyn_cast<BlockArgument>(read.getIndices()[last.getPosition()]) : BlockArgument();
    return i && isa<GenOp>(i.getOwner()->getParentOp()) && rangeOfIndex(i).high + 1 >= shortRow;
  }

  /// A kernel: its innermost index runs over few elements, so that rows of it are too short to be turned in registers, and no other
  /// factor has lanes of its own.
  static bool isReused(ReadOp read) {
    auto reduce = cast<ReduceOp>(read->getParentOp());
    if (read.getSource().getDefiningOp<ConstOp>() || reduce.getSizes().back() >= enoughLanes) return false;
    int64_t elements = cast<RankedTensorType>(read.getSource().getType()).getNumElements();
    if (executions(read, rootOf(read)->getBlock()) < fewReads * std::max<int64_t>(elements, 1)) return false;
    for (auto other : bodyOf(reduce).getOps<ReadOp>())
      if (other != read && hasNeighbours(other)) return false;
    return true;
  }

  /// Before the outermost scan in which the source does not change.
  static Operation *placeOf(ReadOp read) {
    Operation *place = rootOf(read);
    while (place->getBlock() != read.getSource().getParentBlock() && isa<ScanOp>(place->getParentOp())) place = place->getParentOp();
    return place;
  }

  /// The axis of the source that counts results, if the last one counts the terms of a sum.
  static std::optional<unsigned> resultAxis(ReadOp read) {
    auto reduce = dyn_cast<ReduceOp>(read->getParentOp());
    if (!reduce || reduce.getTree() || reduce.getSizes().empty() || read.getClamp()) return {};
    AffineMap map = read.getMap();
    unsigned rank = map.getNumResults();
    if (rank < 2) return {};
    auto last = dyn_cast<AffineDimExpr>(map.getResult(rank - 1));
    if (!last || read.getIndices()[last.getPosition()] != bodyOf(reduce).getArguments().back()) return {};
    for (unsigned axis = rank - 1; axis-- > 0;) {
      AffineDimExpr dim = shiftedDim(map.getResult(axis));
      auto i = dim ? dyn_cast<BlockArgument>(read.getIndices()[dim.getPosition()]) : BlockArgument();
      if (!i || !isa<GenOp>(i.getOwner()->getParentOp())) continue;
      bool isLong = tensorOf(cast<GenOp>(i.getOwner()->getParentOp())).getDimSize(i.getArgNumber()) >= shortRow;
      auto uses = [&](AffineExpr e) { return e.isFunctionOfDim(dim.getPosition()); };
      if (isLong && llvm::count_if(map.getResults(), uses) == 1) return axis;
    }
    return {};
  }

  /// The dimension in `d` and `d + constant`.
  static AffineDimExpr shiftedDim(AffineExpr e) {
    auto sum = dyn_cast<AffineBinaryOpExpr>(e);
    if (sum && e.getKind() == AffineExprKind::Add && isa<AffineConstantExpr>(sum.getRHS())) e = sum.getLHS();
    return dyn_cast<AffineDimExpr>(e);
  }

  /// The outermost scan in which the source is invariant, if enough instants of it are sure to come.
  ScanOp outermostScan(ReadOp read) {
    Value source = read.getSource();
    if (source.getDefiningOp<ConstOp>()) return {}; // back ends lay constants out
    ScanOp outermost;
    int64_t instants = 1;
    for (auto scan = read->getParentOfType<ScanOp>(); scan && !scan->isAncestor(source.getParentBlock()->getParentOp());
         scan = scan->getParentOfType<ScanOp>()) {
      if (scan.getUpto() || !bodyOf(scan).getOps<UntilOp>().empty()) break;
      outermost = scan;
      instants *= std::min<int64_t>(scan.getLength(), fewInstants);
    }
    return instants >= fewInstants ? outermost : ScanOp();
  }

  /// The source with `axis` moved to the end.
  Value copyBefore(Operation *scan, Value source, unsigned axis) {
    // Copies stand before the first scan that wants them: scans of one block are visited in order.
    Value &known = copies[{scan->getBlock(), source.getAsOpaquePointer(), axis}];
    if (known) return known;
    auto type = cast<RankedTensorType>(source.getType());
    SmallVector<int64_t> shape(type.getShape());
    shape.erase(shape.begin() + axis);
    shape.push_back(type.getDimSize(axis));
    OpBuilder b(scan);
    auto gen = GenOp::create(b, source.getLoc(), RankedTensorType::get(shape, type.getElementType()));
    gen->setAttr(readByLines, b.getUnitAttr());
    Block *body = b.createBlock(&gen.getBody());
    SmallVector<AffineExpr> exprs;
    for (unsigned k = 0; k < shape.size(); ++k) {
      body->addArgument(b.getIndexType(), source.getLoc());
      exprs.push_back(b.getAffineDimExpr(k < axis ? k : k == axis ? shape.size() - 1 : k - 1));
    }
    YieldOp::create(b, source.getLoc(), createRead(b, source.getLoc(), source, exprs, body->getArguments()).getResult());
    return known = gen.getResult();
  }

  void replace(ReadOp read, unsigned axis, Operation *scan) {
    SmallVector<AffineExpr> exprs(read.getMap().getResults());
    AffineExpr moved = exprs[axis];
    exprs.erase(exprs.begin() + axis);
    exprs.push_back(moved);
    OpBuilder b(read);
    ReadOp made = createRead(b, read.getLoc(), copyBefore(scan, read.getSource(), axis), exprs, read.getIndices());
    read.getResult().replaceAllUsesWith(made.getResult());
    read.erase();
  }

  NodeOp node;
  std::map<std::tuple<Block *, const void *, unsigned>, Value> copies; ///< looked up only
};

} // namespace

LogicalResult transposeInvariants(ModuleOp module) {
  for (NodeOp node : module.getOps<NodeOp>()) Transposer(node).run();
  return success();
}

LogicalResult transposeReused(ModuleOp module) {
  for (NodeOp node : module.getOps<NodeOp>()) Transposer(node).runReused();
  return success();
}

} // namespace mlr::dataflow
