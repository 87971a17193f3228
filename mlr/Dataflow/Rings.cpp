// Windows as rings: one row is written an instant, and nothing moves.
#include "mlr/Dataflow/Flags.h"
#include "mlr/Dataflow/Guards.h"
#include "mlr/Dataflow/Order.h"
#include "mlr/Dataflow/Passes.h"
#include "mlr/Dataflow/Rewrite.h"
#include "mlr/Dataflow/Segments.h"

#include <map>

using namespace mlir;

namespace mlr::dataflow {
namespace {

/// A window of at most so many bytes is moved by a row in a few instructions: less than the upkeep of a ring.
constexpr int64_t smallWindow = 64;
/// Rows of so many bytes are read one by one: finding each in the circle costs little beside reading it. Smaller ones are read
/// along the window, which then has to stand in one piece.
constexpr int64_t largeRow = 64;

int64_t bytesOf(mlir::Type type) {
  int64_t n = (elementOf(type).getIntOrFloatBitWidth() + 7) / 8;
  for (int64_t size : shapeOf(type)) n *= size;
  return n;
}

class RingMaker {
public:
  explicit RingMaker(NodeOp node) : node(node), constants(node), looked(trueForWindows(node)) {}

  bool run() {
    // All segments first: a condition may be a read of a window, which its ring replaces.
    SmallVector<std::pair<WindowOp, std::optional<Counter>>> windows;
    node.walk([&](WindowOp window) {
      auto scan = dyn_cast<ScanOp>(window->getParentOp());
      if (scan && !scan.getResume()) return;
      auto segment = segmentOf(window);
      if (segment || !isBetterMoved(window)) windows.emplace_back(window, segment);
    });
    for (auto &[window, segment] : windows) replace(window, segment);
    return !windows.empty();
  }

private:
  static bool isBetterMoved(WindowOp window) {
    bool isPlain = !window.getWhen() && !window.getReset() && window.getInit().getDefiningOp<ConstOp>();
    return isPlain && bytesOf(window.getType()) <= smallWindow;
  }

  Value number(int64_t n) { return constants.get(OpBuilder(node.getContext()).getI32IntegerAttr(static_cast<int32_t>(n))); }

  /// The clock at whose last instants alone the window is looked at, if its segments are those of the window.
  std::optional<Counter> segmentOf(WindowOp window) {
    for (Value condition : looked.lookup(window)) {
      auto clock = periodicClock(condition);
      if (!clock || clock->length != shapeOf(window.getType())[0] || clock->phase != clock->length - 1) continue;
      if (clock->now.getParentBlock() != window->getBlock() || clock->active != window.getWhen()) continue;
      if (!window.getReset() || window.getReset() == clock->reset) return clock;
    }
    return std::nullopt;
  }

  void replace(WindowOp window, const std::optional<Counter> &segment) {
    OpBuilder b(window);
    auto type = cast<RankedTensorType>(window.getResult().getType());
    if (segment) {
      auto rows = RowsOp::create(b, window.getLoc(), type, window.getValue(), segment->now, zeroLike(b, window), window.getWhen(),
                                 Value(), false, window.getNameAttr());
      rows->setAttr("mlr.segment", b.getUnitAttr()); // for the report
      window.getResult().replaceAllUsesWith(rows.getResult());
      window.erase();
      return;
    }
    SmallVector<int64_t> shape(type.getShape());
    bool mirror = bytesOf(window.getValue().getType()) < largeRow;
    if (mirror) shape[0] *= 2;
    Value place = placeOf(window);
    auto rows = RowsOp::create(b, window.getLoc(), RankedTensorType::get(shape, type.getElementType()), window.getValue(), place,
                               window.getInit(), window.getWhen(), fill(b, window), mirror, window.getNameAttr());
    Value next = AddOp::create(b, window.getLoc(), b.getI32Type(), place, number(1));
    Value first = mirror ? ConvertOp::create(b, window.getLoc(), b.getIndexType(), next).getResult() : next;
    if (llvm::any_of(window.getResult().getUsers(), [](Operation *user) { return !isa<ReadOp>(user); })) {
      Value whole = copy(b, type, window.getResult());
      window.getResult().replaceUsesWithIf(whole, [](OpOperand &use) { return !isa<ReadOp>(use.getOwner()); });
    }
    for (OpOperand &use : llvm::make_early_inc_range(window.getResult().getUses()))
      shift(cast<ReadOp>(use.getOwner()), rows, first);
    window.erase();
  }

  /// Every row is written before it is looked at.
  static Value zeroLike(OpBuilder &b, WindowOp window) {
    if (window.getInit().getDefiningOp<ConstOp>()) return window.getInit();
    return ConstOp::create(b, window.getLoc(), zeroAttr(window.getInit().getType()));
  }

  using Key = std::tuple<Block *, const void *, int64_t>;

  /// 0, 1, .. n-1, 0, ..: the row that this instant writes.
  Value placeOf(WindowOp window) {
    int64_t n = cast<RankedTensorType>(window.getResult().getType()).getDimSize(0);
    Value when = window.getWhen();
    Value &known = places[{window->getBlock(), when.getAsOpaquePointer(), n}];
    if (known) return known;
    OpBuilder b = OpBuilder::atBlockBegin(window->getBlock());
    Location loc = window.getLoc();
    mlir::Type i32 = b.getI32Type(), i1 = b.getI1Type();
    auto memory = FbyOp::create(b, loc, i32, number(0), number(0), b.getStringAttr("row" + std::to_string(n)));
    known = memory;
    b.setInsertionPoint(window->getBlock()->getTerminator());
    Value next = AddOp::create(b, loc, i32, memory, number(1));
    Value end = EqOp::create(b, loc, i1, next, number(n));
    next = SelectOp::create(b, loc, i32, end, number(0), next);
    if (when) next = SelectOp::create(b, loc, i32, when, next, memory);
    memory.getValueMutable().assign(next);
    return known;
  }

  /// Whether this instant, if active, is the first one of its segment, or of all where the first value is computed.
  Value fill(OpBuilder &b, WindowOp window) {
    Value when = window.getWhen(), reset = window.getReset();
    if (!reset && window.getInit().getDefiningOp<ConstOp>()) return {};
    Location loc = window.getLoc();
    Value &pending = fresh[{window->getBlock(), when.getAsOpaquePointer(), reset.getAsOpaquePointer()}];
    mlir::Type i1 = b.getI1Type();
    if (!pending) {
      Value yes = constants.get(b.getBoolAttr(true));
      Value no = constants.get(b.getBoolAttr(false));
      OpBuilder atStart = OpBuilder::atBlockBegin(window->getBlock());
      auto memory = FbyOp::create(atStart, loc, i1, yes, no, b.getStringAttr("fresh"));
      pending = reset ? OrOp::create(b, loc, i1, reset, memory).getResult() : memory.getResult();
      if (when) {
        Value idle = NotOp::create(b, loc, i1, when);
        memory.getValueMutable().assign(AndOp::create(b, loc, i1, pending, idle));
      }
    }
    return pending;
  }

  /// Row i of the window is row `first` + i of the ring: of the circle of n, or of the piece in a mirrored one.
  void shift(ReadOp read, RowsOp rows, Value first) {
    OpBuilder b(read);
    Location loc = read.getLoc();
    SmallVector<Value> operands(read.getIndices());
    SmallVector<AffineExpr> exprs(read.getMap().getResults());
    SmallVector<bool> clamp;
    if (read.getClamp()) clamp.assign(read.getClamp()->begin(), read.getClamp()->end());
    bool isClamped = !clamp.empty() && clamp[0], mirror = rows.getMirror();
    mlir::Type i32 = b.getI32Type();
    int64_t n = shapeOf(rows.getResult().getType())[0] / (mirror ? 2 : 1);
    if (Value row = mirror || isClamped ? Value() : knownRow(b, loc, exprs[0], operands, rows, first)) {
      exprs[0] = b.getAffineDimExpr(operands.size());
      operands.push_back(ConvertOp::create(b, loc, b.getIndexType(), row));
    } else if (isClamped || !mirror) {
      Value i = materializeIndex(b, loc, exprs[0], operands, constants);
      if (isClamped) {
        i = MinOp::create(b, loc, i32, i, number(n - 1));
        i = MaxOp::create(b, loc, i32, i, number(0));
        clamp[0] = false;
      }
      if (!mirror) i = around(b, loc, i, first, n);
      exprs[0] = b.getAffineDimExpr(operands.size());
      operands.push_back(ConvertOp::create(b, loc, b.getIndexType(), i));
    }
    if (mirror) {
      exprs[0] = exprs[0] + b.getAffineDimExpr(operands.size());
      operands.push_back(first);
    }
    ReadOp moved = createRead(b, loc, rows.getResult(), exprs, operands, clamp);
    read.getResult().replaceAllUsesWith(moved.getResult());
    read.erase();
  }

  /// Row i of the circle that starts at row `first`.
  Value around(OpBuilder &b, Location loc, Value i, Value first, int64_t n) {
    mlir::Type i32 = b.getI32Type();
    Value place = AddOp::create(b, loc, i32, i, first);
    Value back = SubOp::create(b, loc, i32, place, number(n));
    Value isPast = GeOp::create(b, loc, b.getI1Type(), place, number(n));
    return SelectOp::create(b, loc, i32, isPast, back, place);
  }

  /// The row that a read at a constant or at a loop's index comes to, computed once an instant: a number or, for all rows,
  /// a table.
  Value knownRow(OpBuilder &b, Location loc, AffineExpr e, ValueRange operands, RowsOp rows, Value first) {
    OpBuilder outside(rows);
    outside.setInsertionPointAfter(first.getDefiningOp());
    int64_t n = shapeOf(rows.getResult().getType())[0];
    if (auto constant = dyn_cast<AffineConstantExpr>(e)) return around(outside, loc, number(constant.getValue()), first, n);
    auto dim = dyn_cast<AffineDimExpr>(e);
    auto loop = dim ? dyn_cast<BlockArgument>(operands[dim.getPosition()]) : BlockArgument();
    if (!loop || !isa<GenOp, ReduceOp>(loop.getOwner()->getParentOp())) return {};
    Value &table = tables[first];
    if (!table)
      table = makeEach(outside, loc, RankedTensorType::get({n}, b.getI32Type()), [&](ValueRange at) {
        return around(outside, loc, ConvertOp::create(outside, loc, outside.getI32Type(), at[0]), first, n);
      });
    return readLeading(b, loc, table, ValueRange(loop));
  }

  /// The window itself, for what wants it as a tensor.
  static Value copy(OpBuilder &b, RankedTensorType type, Value window) {
    return makeEach(b, window.getLoc(), type, [&](ValueRange at) { return readLeading(b, window.getLoc(), window, at); });
  }

  NodeOp node;
  ConstantPool constants;
  DenseMap<Operation *, SmallVector<Value>> looked;
  std::map<Key, Value> places;
  DenseMap<Value, Value> tables; ///< by the first row: where the rows of a window are
  std::map<std::tuple<Block *, const void *, const void *>, Value> fresh;
};

} // namespace

LogicalResult makeRings(ModuleOp module) {
  for (NodeOp node : module.getOps<NodeOp>()) {
    orderOperations(node);
    if (RingMaker(node).run()) orderOperations(node);
  }
  return success();
}

} // namespace mlr::dataflow
