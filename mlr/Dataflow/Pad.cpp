// Reads beyond the ends of a tensor in the sums of convolutions, and of their adjoints, become plain reads of a copy with what lies beyond
// the ends in it: neither clamped nor selected, so that lanes read neighbours.
#include "mlr/Dataflow/Passes.h"
#include "mlr/Dataflow/Rewrite.h"
#include "mlr/Dataflow/Truth.h"

#include <map>

using namespace mlir;

namespace mlr::dataflow {
namespace {

/// A copy pays from this many reads of each of its elements on.
constexpr int64_t fewReads = 2;
/// And as long as it is no longer than so many times its source.
constexpr int64_t mostGrowth = 8;

/// One axis of a copy: place p holds the source's element (p + low) floordiv step.
struct PaddedAxis {
  int64_t size = 0, low = 0, step = 1;
  /// The places that do not hold the constant: begin, begin + stride, .. up to last.
  int64_t begin = 0, last = 0, stride = 1;
  bool isPadded = false;
  auto key() const { return std::make_tuple(size, low, step, begin, last, stride, isPadded); }
  bool operator<(const PaddedAxis &o) const { return key() < o.key(); }
};

class Padder {
public:
  explicit Padder(NodeOp node) : node(node), constants(node) {}

  bool run() {
    SmallVector<ReadOp> reads;
    node.walk([&](ReadOp read) {
      if (read.getClamp() && isa<ReduceOp>(read->getParentOp())) reads.push_back(read);
    });
    bool changed = false;
    for (ReadOp read : reads) changed |= pad(read);
    return changed;
  }

private:
  /// A read, the selections between it and a constant that nobody else looks through, and their result.
  struct Chain {
    mutable ReadOp read;
    Value result;
    Attribute constant; ///< null: no selection
    SmallVector<std::pair<Value, bool>> conditions;
    SmallVector<Value> results; ///< in front of each condition's selection
    Operation *root = nullptr; ///< the gen or reduce of the level of time
  };

  static Chain chainOf(ReadOp read) {
    Chain chain{read, read.getResult(), {}, {}, {}, read};
    while (!isa<NodeOp, ScanOp>(chain.root->getParentOp())) chain.root = chain.root->getParentOp();
    while (chain.result.hasOneUse()) {
      auto select = dyn_cast<SelectOp>(*chain.result.user_begin());
      if (!select || select.getCondition() == chain.result) break;
      bool isYes = select.getYes() == chain.result;
      auto other = (isYes ? select.getNo() : select.getYes()).getDefiningOp<ConstOp>();
      if (!other || (chain.constant && chain.constant != other.getValue())) break;
      chain.constant = other.getValue();
      chain.conditions.push_back({select.getCondition(), isYes});
      chain.results.push_back(chain.result);
      chain.result = select.getResult();
    }
    return chain;
  }

  /// Splits an index into the dividend and the divisor of its only division.
  static std::pair<AffineExpr, int64_t> divided(AffineExpr e) {
    auto binary = dyn_cast<AffineBinaryOpExpr>(e);
    if (binary && e.getKind() == AffineExprKind::FloorDiv)
      if (auto by = dyn_cast<AffineConstantExpr>(binary.getRHS()); by && by.getValue() > 0) return {binary.getLHS(), by.getValue()};
    return {e, 1};
  }

  static bool isLinear(AffineExpr e) {
    bool linear = true;
    e.walk([&](AffineExpr x) {
      AffineExprKind k = x.getKind();
      linear = linear && k != AffineExprKind::Mod && k != AffineExprKind::FloorDiv && k != AffineExprKind::CeilDiv;
    });
    return linear;
  }

  /// The axes of the copy; none if the read cannot be one of a copy, or should not.
  SmallVector<PaddedAxis> axesOf(const Chain &chain) {
    ReadOp read = chain.read;
    ArrayRef<int64_t> shape = cast<RankedTensorType>(read.getSource().getType()).getShape();
    SmallVector<Value> arguments;
    for (Value v : read.getIndices())
      if (isa<BlockArgument>(v)) arguments.push_back(v);
    SmallVector<PaddedAxis> axes(shape.size());
    SmallVector<AffineExpr> dividends(shape.size());
    int64_t elements = 1, source = 1;
    for (auto [a, size] : llvm::enumerate(shape)) {
      PaddedAxis &axis = axes[a];
      axis.size = size;
      axis.isPadded = (*read.getClamp())[a];
      source *= size;
      if (axis.isPadded) {
        auto [dividend, step] = divided(read.getMap().getResult(a));
        if (!isLinear(dividend)) return {};
        SmallVector<Range> ranges;
        for (Value v : read.getIndices()) ranges.push_back(rangeOfIndex(v));
        Range range = rangeOf(dividend, ranges);
        axis.low = range.low;
        axis.step = step;
        axis.size = range.high - range.low + 1;
        dividends[a] = dividend;
      }
      if (axis.size <= 0 || axis.size > INT32_MAX / elements) return {};
      elements *= axis.size;
    }
    if (elements > mostGrowth * source + 64 || executions(read, chain.root->getBlock()) < fewReads * elements) return {};
    std::optional<Truth> truth = truthOf(chain.root, chain.conditions, onlyPadded(read, axes, arguments));
    if (!truth || !fit(*truth, read, dividends, axes)) return {};
    return axes;
  }

  static SmallVector<Value> onlyPadded(ReadOp read, ArrayRef<PaddedAxis> axes, ArrayRef<Value> arguments) {
    SmallVector<Value> out;
    for (auto [k, v] : llvm::enumerate(read.getIndices()))
      for (auto [a, axis] : llvm::enumerate(axes))
        if (axis.isPadded && read.getMap().getResult(a).isFunctionOfDim(static_cast<unsigned>(k)) && !llvm::is_contained(out, v))
          out.push_back(v);
    return out;
  }

  /// Finds on each axis the places that do not hold the constant. False: whether one does is no matter of its axes alone.
  static bool fit(const Truth &truth, ReadOp read, ArrayRef<AffineExpr> dividends, MutableArrayRef<PaddedAxis> axes) {
    SmallVector<AffineExpr> exprs(axes.size());
    SmallVector<AffineExpr> dims;
    for (Value v : read.getIndices()) {
      auto at = llvm::find(truth.arguments, v);
      dims.push_back(getAffineDimExpr(at == truth.arguments.end() ? truth.arguments.size() : at - truth.arguments.begin(), read.getContext()));
    }
    for (auto [a, e] : llvm::enumerate(dividends)) {
      if (!e) continue;
      exprs[a] = e.replaceDims(dims) - axes[a].low;
      if (exprs[a].isFunctionOfDim(static_cast<unsigned>(truth.arguments.size()))) return false;
    }
    // What is known of a place of an axis: that some element there is the source's, or that all are the constant.
    enum : char { Unknown, Constant, Element };
    SmallVector<std::vector<char>> places(axes.size());
    for (auto [a, axis] : llvm::enumerate(axes))
      if (axis.isPadded) places[a].assign(axis.size, Unknown);
    auto forEach = [&](llvm::function_ref<void(size_t, int64_t, bool)> f) {
      truth.forEach([&](ArrayRef<int64_t> at, bool holds) {
        for (size_t a = 0; a < axes.size(); ++a)
          if (exprs[a]) f(a, valueAt(exprs[a], at), holds);
      });
    };
    forEach([&](size_t a, int64_t p, bool holds) {
      char &place = places[a][p];
      place = std::max<char>(place, holds ? Element : Constant);
    });
    for (auto [a, axis] : llvm::enumerate(axes)) {
      if (!axis.isPadded) continue;
      ArrayRef<char> at(places[a]);
      auto first = llvm::find(at, Element);
      if (first == at.end()) return false;
      axis.begin = first - at.begin();
      axis.last = axis.size - 1;
      while (at[axis.last] != Element) --axis.last;
      if (llvm::is_contained(at.slice(axis.begin, axis.last - axis.begin), Constant))
        axis.stride = llvm::find(at.drop_front(axis.begin + 1), Element) - at.begin() - axis.begin;
    }
    bool fits = true;
    truth.forEach([&](ArrayRef<int64_t> at, bool holds) {
      bool isElement = true;
      for (auto [a, axis] : llvm::enumerate(axes)) {
        if (!axis.isPadded) continue;
        int64_t p = valueAt(exprs[a], at);
        isElement = isElement && p >= axis.begin && p <= axis.last && (p - axis.begin) % axis.stride == 0;
      }
      fits = fits && isElement == holds;
    });
    return fits;
  }

  /// Where the copy is made: before the outermost scan in which its source does not change.
  static Operation *placeOf(const Chain &chain) {
    Operation *place = chain.root;
    Block *home = chain.read.getSource().getParentBlock();
    while (place->getBlock() != home && isa<ScanOp>(place->getParentOp())) place = place->getParentOp();
    return place;
  }

  Value copyOf(const Chain &chain, ArrayRef<PaddedAxis> axes) {
    Value source = chain.read.getSource();
    Operation *place = placeOf(chain);
    Value &known = copies[{place->getBlock(), source.getAsOpaquePointer(), chain.constant.getAsOpaquePointer(),
                           std::vector<PaddedAxis>(axes.begin(), axes.end())}];
    if (known) return known;
    Location loc = source.getLoc();
    OpBuilder b(place);
    mlir::Type type = chain.read.getType(), i1 = b.getI1Type(), i32 = b.getI32Type();
    SmallVector<int64_t> shape;
    for (const PaddedAxis &axis : axes) shape.push_back(axis.size);
    auto gen = GenOp::create(b, loc, RankedTensorType::get(shape, type));
    Block *body = b.createBlock(&gen.getBody());
    SmallVector<AffineExpr> exprs;
    SmallVector<bool> clamp;
    Value all;
    auto number = [&](int64_t n) { return constants.get(b.getI32IntegerAttr(static_cast<int32_t>(n))); };
    auto require = [&](Value c) { all = all ? AndOp::create(b, loc, i1, all, c).getResult() : c; };
    for (auto [a, axis] : llvm::enumerate(axes)) {
      Value at = body->addArgument(b.getIndexType(), loc);
      AffineExpr d = b.getAffineDimExpr(static_cast<unsigned>(a));
      exprs.push_back(axis.isPadded ? (d + axis.low).floorDiv(axis.step) : d);
      clamp.push_back(axis.isPadded);
      if (!axis.isPadded || !chain.constant) continue;
      Value i = ConvertOp::create(b, loc, i32, at);
      if (axis.begin > 0) require(GeOp::create(b, loc, i1, i, number(axis.begin)));
      if (axis.last < axis.size - 1) require(LeOp::create(b, loc, i1, i, number(axis.last)));
      if (axis.stride == 1) continue;
      Value rest = RemOp::create(b, loc, i32, i, number(axis.stride));
      require(EqOp::create(b, loc, i1, rest, number(axis.begin % axis.stride)));
    }
    Value element = createRead(b, loc, source, exprs, body->getArguments(), clamp);
    if (all) element = SelectOp::create(b, loc, type, all, element, constants.get(cast<TypedAttr>(chain.constant)));
    YieldOp::create(b, loc, element);
    return known = gen.getResult();
  }

  bool pad(ReadOp read) {
    if (read.getSource().getDefiningOp<ConstOp>()) return false;
    Chain chain = chainOf(read);
    SmallVector<PaddedAxis> axes = axesOf(chain);
    // Selections by anything else than places stay, behind those by places.
    while (axes.empty() && !chain.conditions.empty()) {
      chain.conditions.pop_back();
      chain.result = chain.results.pop_back_val();
      if (chain.conditions.empty()) chain.constant = {};
      axes = axesOf(chain);
    }
    if (axes.empty()) return false;
    SmallVector<AffineExpr> exprs;
    for (auto [a, axis] : llvm::enumerate(axes)) {
      AffineExpr e = read.getMap().getResult(static_cast<unsigned>(a));
      exprs.push_back(axis.isPadded ? divided(e).first - axis.low : e);
    }
    Value copy = copyOf(chain, axes);
    OpBuilder b(read);
    chain.result.replaceAllUsesWith(createRead(b, read.getLoc(), copy, exprs, read.getIndices()).getResult());
    return true;
  }

  NodeOp node;
  ConstantPool constants;
  std::map<std::tuple<Block *, const void *, const void *, std::vector<PaddedAxis>>, Value> copies; ///< looked up only
};

} // namespace

LogicalResult padReads(ModuleOp module) {
  for (NodeOp node : module.getOps<NodeOp>())
    if (Padder(node).run()) dropDead(node);
  return success();
}

} // namespace mlr::dataflow
