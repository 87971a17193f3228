// Folding of single operations: constants, identities that hold to the bit, and reads whose source is simple.
#include "mlr/Dataflow/Rewrite.h"
#include "mlr/Dataflow/Scalars.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace mlr::dataflow {
namespace {

std::optional<Bits> constantBits(Value v) {
  auto op = v.getDefiningOp<ConstOp>();
  return op ? scalarBits(op.getValue()) : std::nullopt;
}

bool isInteger(mlir::Type t) { return isa<IntegerType>(t); }

/// The bits of a small number in a scalar type.
Bits bitsOf(mlir::Type t, int value) {
  if (auto f = dyn_cast<FloatType>(t)) {
    APFloat x(static_cast<double>(value));
    bool loses;
    x.convert(f.getFloatSemantics(), APFloat::rmNearestTiesToEven, &loses);
    return x.bitcastToAPInt().getZExtValue();
  }
  return APInt(t.getIntOrFloatBitWidth(), static_cast<uint64_t>(value), true, true).getZExtValue();
}

bool isNumber(Value v, int value) {
  auto bits = constantBits(v);
  return bits && !v.getType().isIndex() && *bits == bitsOf(v.getType(), value);
}
bool isNegativeZero(Value v) {
  auto bits = constantBits(v);
  auto f = dyn_cast<FloatType>(v.getType());
  return bits && f && *bits == Bits(1) << (f.getWidth() - 1);
}

class Folder {
public:
  Folder(NodeOp node, bool unfused) : node(node), constants(node), b(node.getContext()), unfused(unfused) {}

  bool run() {
    node.walk<WalkOrder::PreOrder>([&](Operation *op) { work.push_back(op); });
    std::reverse(work.begin(), work.end());
    // Each replacement revisits its users; the bound guards against rewrites that undo one another.
    int64_t steps = static_cast<int64_t>(work.size()) * 8 + 1000;
    while (!work.empty() && steps-- > 0) {
      Operation *op = work.pop_back_val();
      if (op->use_empty()) continue;
      Value replacement = fold(op);
      if (!replacement || replacement == op->getResult(0)) continue;
      for (Operation *user : op->getResult(0).getUsers()) work.push_back(user);
      if (Operation *def = replacement.getDefiningOp()) work.push_back(def);
      op->getResult(0).replaceAllUsesWith(replacement);
      changed = true;
    }
    return changed;
  }

private:
  Value number(mlir::Type type, int value) { return constants.get(scalarAttr(type, bitsOf(type, value))); }

  Value fold(Operation *op) {
    if (op->getNumResults() != 1 || isa<ConstOp, NodeOp>(op)) return {};
    b.setInsertionPoint(op);
    if (Value v = foldEmpty(op)) return v;
    if (Value v = foldConstantOperands(op)) return v;
    return llvm::TypeSwitch<Operation *, Value>(op)
        .Case<AddOp>([&](auto o) { return foldAdd(o); })
        .Case<SubOp>([&](auto o) { return foldSub(o); })
        .Case<MulOp>([&](auto o) { return foldMul(o); })
        .Case<DivOp>([&](auto o) { return isNumber(o.getRhs(), 1) ? o.getLhs() : Value(); })
        .Case<AndOp, OrOp, XorOp>([&](auto o) { return foldBitwise(o, o.getLhs(), o.getRhs()); })
        .Case<MinOp, MaxOp>([&](auto o) { return o.getLhs() == o.getRhs() ? o.getLhs() : Value(); })
        .Case<ShlOp, ShrOp>([&](auto o) { return isNumber(o.getRhs(), 0) ? o.getLhs() : Value(); })
        .Case<NotOp>([&](auto o) { return undo<NotOp>(o); })
        .Case<NegOp>([&](auto o) { return undo<NegOp>(o); })
        .Case<EqOp, NeOp, LtOp, GtOp, LeOp, GeOp>(
            [&](auto o) { return foldCompare(o, o.getLhs(), o.getRhs()); })
        .Case<SelectOp>([&](auto o) { return foldSelect(o); })
        .Case<ConvertOp>([&](auto o) { return foldConvert(o); })
        .Case<BitcastOp>(
            [&](BitcastOp o) { return o.getValue().getType() == o.getType() ? o.getValue() : Value(); })
        .Case<ReadOp>([&](auto o) { return foldRead(o); })
        .Case<ReshapeOp>([&](auto o) { return foldReshape(o); })
        .Case<ConcatOp>([&](ConcatOp o) { return o.getSources().size() == 1 ? o.getSources()[0] : Value(); })
        .Case<GenOp>([&](auto o) { return foldGen(o); })
        .Case<ReduceOp>([&](auto o) { return foldReduce(o); })
        .Case<FbyOp>([&](FbyOp o) { return foldState(o.getInit(), o.getValue(), o.getResult()); })
        .Case<EbyOp>([&](EbyOp o) { return foldState(o.getEnd(), o.getValue(), o.getResult()); })
        .Case<FinalOp, InitialOp>([&](auto o) { return foldEnd(o); })
        .Default([](auto) { return Value(); });
  }

  /// A tensor without elements needs nothing: what it would read may go sooner.
  Value foldEmpty(Operation *op) {
    auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
    if (!type || type.getNumElements() || !isa<GenOp, ConcatOp, ScatterOp, ReshapeOp>(op)) return {};
    return ConstOp::create(b, op->getLoc(), zeroAttr(type));
  }

  Value foldConstantOperands(Operation *op) {
    ScalarFunction f = op->getNumOperands() <= 3 ? scalarFunction(op) : nullptr;
    if (!f) return {};
    Bits bits[3] = {0, 0, 0};
    for (auto [i, v] : llvm::enumerate(op->getOperands())) {
      auto known = constantBits(v);
      if (!known) return {};
      bits[i] = *known;
    }
    return constants.get(scalarAttr(op->getResult(0).getType(), f(bits[0], bits[1], bits[2])));
  }

  // x + -0 = x for every x; x + 0 would turn -0 into +0. Integers have one zero.
  Value foldAdd(AddOp o) {
    auto isZero = [&](Value v) { return isInteger(v.getType()) ? isNumber(v, 0) : isNegativeZero(v); };
    if (isZero(o.getRhs())) return o.getLhs();
    if (isZero(o.getLhs())) return o.getRhs();
    return {};
  }
  Value foldSub(SubOp o) {
    if (isNumber(o.getRhs(), 0)) return o.getLhs();
    if (isInteger(o.getType()) && o.getLhs() == o.getRhs()) return number(o.getType(), 0);
    return {};
  }
  Value foldMul(MulOp o) {
    if (isNumber(o.getRhs(), 1)) return o.getLhs();
    if (isNumber(o.getLhs(), 1)) return o.getRhs();
    if (isInteger(o.getType()) && (isNumber(o.getLhs(), 0) || isNumber(o.getRhs(), 0)))
      return number(o.getType(), 0);
    return {};
  }

  Value foldBitwise(Operation *op, Value x, Value y) {
    if (constantBits(x)) std::swap(x, y);
    mlir::Type type = op->getResult(0).getType();
    bool zero = isNumber(y, 0), ones = constantBits(y) && isNumber(y, type.isInteger(1) ? 1 : -1);
    if (isa<AndOp>(op)) return zero ? y : ones || x == y ? x : Value();
    if (isa<OrOp>(op)) return ones ? y : zero || x == y ? x : Value();
    if (x == y) return number(type, 0);
    return zero ? x : Value();
  }

  template <class Op> Value undo(Op o) {
    auto inner = o.getValue().template getDefiningOp<Op>();
    return inner ? inner.getValue() : Value();
  }

  Value foldCompare(Operation *op, Value x, Value y) {
    mlir::Type type = x.getType(), i1 = op->getResult(0).getType();
    if (x == y && !isa<FloatType>(type)) return number(i1, isa<EqOp, LeOp, GeOp>(op));
    if (type.isInteger(1) && isa<EqOp>(op)) {
      if (isNumber(y, 1)) return x;
      if (isNumber(x, 1)) return y;
    }
    return {};
  }

  Value foldSelect(SelectOp o) {
    if (auto c = constantBits(o.getCondition())) return *c ? o.getYes() : o.getNo();
    if (o.getYes() == o.getNo()) return o.getYes();
    if (o.getType().isInteger(1) && isNumber(o.getYes(), 1) && isNumber(o.getNo(), 0))
      return o.getCondition();
    if (Value same = foldRepeatedSelect(o)) return same;
    if (auto inverse = o.getCondition().getDefiningOp<NotOp>())
      return SelectOp::create(b, o.getLoc(), o.getType(), inverse.getValue(), o.getNo(), o.getYes());
    return {};
  }

  /// What was selected by the same condition before.
  Value foldRepeatedSelect(SelectOp o) {
    Value c = o.getCondition(), yes = o.getYes(), no = o.getNo();
    if (auto inner = yes.getDefiningOp<SelectOp>(); inner && inner.getCondition() == c) yes = inner.getYes();
    if (auto inner = no.getDefiningOp<SelectOp>(); inner && inner.getCondition() == c) no = inner.getNo();
    if (yes != o.getYes() || no != o.getNo()) return SelectOp::create(b, o.getLoc(), o.getType(), c, yes, no);
    // The same of tensors: an element of one that was selected by the conditions of which this reads one.
    auto element = yes.getDefiningOp<ReadOp>(), condition = c.getDefiningOp<ReadOp>();
    if (!element || !condition || element.getMap() != condition.getMap() || element.getClamp() != condition.getClamp() ||
        element.getIndices() != condition.getIndices() || shapeOf(element.getSource().getType()) != shapeOf(condition.getSource().getType()))
      return {};
    auto elements = element.getSource().getDefiningOp<GenOp>(), conditions = condition.getSource().getDefiningOp<GenOp>();
    auto select = elements ? yieldOf(elements).getDefiningOp<SelectOp>() : SelectOp();
    auto z = no.getDefiningOp<ConstOp>(), outside = select ? select.getNo().getDefiningOp<ConstOp>() : ConstOp();
    if (!conditions || !z || !outside || z.getValue() != outside.getValue()) return {};
    if (isRead(select.getCondition(), conditions.getResult(), elements)) return yes;
    return isSame(select.getCondition(), elements, yieldOf(conditions), conditions) ? yes : Value();
  }

  static Value yieldOf(GenOp gen) { return bodyOf(gen).getTerminator()->getOperand(0); }

  /// Whether the value is the element of the tensor at the indices of the gen.
  static bool isRead(Value v, Value tensor, GenOp gen) {
    auto read = v.getDefiningOp<ReadOp>();
    return read && read.getSource() == tensor && !read.getClamp() && read.getMap().isIdentity() &&
           llvm::equal(read.getIndices(), bodyOf(gen).getArguments());
  }

  /// Whether values of two bodies are the same function of the indices; few operations deep.
  static bool isSame(Value x, GenOp of, Value y, GenOp with, int depth = 16) {
    if (x == y) return true;
    auto p = dyn_cast<BlockArgument>(x), q = dyn_cast<BlockArgument>(y);
    if (p || q) return p && q && p.getOwner() == &bodyOf(of) && q.getOwner() == &bodyOf(with) && p.getArgNumber() == q.getArgNumber();
    Operation *f = x.getDefiningOp(), *g = y.getDefiningOp();
    if (depth == 0 || f->getName() != g->getName() || f->getAttrDictionary() != g->getAttrDictionary() || f->getNumRegions() ||
        f->getResultTypes() != g->getResultTypes() || f->getNumOperands() != g->getNumOperands() || !isInstantaneous(f) ||
        !isa<GenOp>(f->getParentOp()) || !isa<GenOp>(g->getParentOp()))
      return false;
    return llvm::all_of(llvm::zip(f->getOperands(), g->getOperands()),
                        [&](auto pair) { return isSame(std::get<0>(pair), of, std::get<1>(pair), with, depth - 1); });
  }

  Value foldConvert(ConvertOp o) {
    if (o.getValue().getType() == o.getType()) return o.getValue();
    if (isa<BlockArgument>(o.getValue()) && o.getValue().getType().isIndex() && isa<GenOp, ReduceOp>(o.getValue().getParentBlock()->getParentOp()))
      if (Range range = rangeOfIndex(o.getValue()); range.low == range.high && isa<IntegerType>(o.getType()))
        return constants.get(cast<TypedAttr>(scalarAttr(o.getType(), bitsOf(o.getType(), 0))));
    auto inner = o.getValue().getDefiningOp<ConvertOp>();
    if (!inner) return {};
    mlir::Type from = inner.getValue().getType(), middle = inner.getType(), to = o.getType();
    // Index values fit their integers, and back.
    if (from == to && (from.isIndex() || middle.isIndex()) && isInteger(from.isIndex() ? middle : from))
      return inner.getValue();
    // A wider float holds a narrower one, so the way back is exact.
    auto f = dyn_cast<FloatType>(from), m = dyn_cast<FloatType>(middle);
    if (from == to && f && m && m.getWidth() > f.getWidth()) return inner.getValue();
    return {};
  }

  // x = c fby x and x = c fby c are c.
  Value foldState(Value start, Value next, Value result) {
    if (next != result && next != start) return {};
    return start.getDefiningOp<ConstOp>() ? start : Value();
  }

  Value foldEnd(Operation *op) {
    auto scan = cast<ScanOp>(op->getParentOp());
    Value v = op->getOperand(0);
    bool captured = v.getParentRegion() != &scan.getBody();
    return captured && scan.getLength() > 0 ? v : Value();
  }

  // ---- tensors
  // -----------------------------------------------------------------------------------------------

  Value foldRead(ReadOp o) {
    if (Value v = foldIndices(o)) return v;
    Operation *source = o.getSource().getDefiningOp();
    if (!source) return {};
    if (auto constant = dyn_cast<ConstOp>(source)) return readConstant(o, constant);
    bool clamps = o.getClamp() && llvm::is_contained(*o.getClamp(), true);
    if (clamps) return dropClamps(o);
    if (auto reshape = dyn_cast<ReshapeOp>(source)) {
      auto indices = reshapeIndices(o.getMap().getResults(), shapeOf(reshape.getType()),
                                    shapeOf(reshape.getSource().getType()), ranges(o), o.getContext());
      // A reshape costs nothing, while lanes that divide their indices are gathered.
      bool divides = llvm::any_of(indices, divisions) && llvm::none_of(o.getMap().getResults(), divisions);
      if (divides && !reshape.getSource().getDefiningOp<ConstOp>()) return {};
      return createRead(b, o.getLoc(), reshape.getSource(), indices, o.getIndices());
    }
    if (auto concat = dyn_cast<ConcatOp>(source)) return readConcat(o, concat);
    return {};
  }

  static bool divisions(AffineExpr e) {
    bool found = false;
    e.walk([&](AffineExpr part) {
      found |= part.getKind() == AffineExprKind::FloorDiv || part.getKind() == AffineExprKind::Mod;
    });
    return found;
  }

  static SmallVector<Range> ranges(ReadOp o) {
    SmallVector<Range> out;
    for (Value v : o.getIndices()) out.push_back(rangeOfIndex(v));
    return out;
  }

  /// Constant operands move into the map.
  Value foldIndices(ReadOp o) {
    SmallVector<AffineExpr> replacement;
    bool any = false;
    for (auto [k, v] : llvm::enumerate(o.getIndices())) {
      auto bits = constantBits(v);
      any = any || bits;
      replacement.push_back(bits ? getAffineConstantExpr(static_cast<int64_t>(*bits), o.getContext())
                                 : getAffineDimExpr(k, o.getContext()));
    }
    if (!any) return {};
    SmallVector<AffineExpr> indices;
    for (AffineExpr e : o.getMap().getResults()) indices.push_back(e.replaceDimsAndSymbols(replacement, {}));
    return createRead(b, o.getLoc(), o.getSource(), indices, o.getIndices(),
                      o.getClamp().value_or(ArrayRef<bool>{}));
  }

  /// Flags of axes whose index is inside anyway.
  Value dropClamps(ReadOp o) {
    SmallVector<bool> flags(*o.getClamp());
    bool any = false;
    for (auto [i, e] : llvm::enumerate(o.getMap().getResults())) {
      bool inside = rangeOf(e, ranges(o)).within(0, shapeOf(o.getSource().getType())[i] - 1);
      any = any || (flags[i] && inside);
      flags[i] = flags[i] && !inside;
    }
    return any ? createRead(b, o.getLoc(), o.getSource(), o.getMap().getResults(), o.getIndices(), flags)
               : Value();
  }

  Value readConstant(ReadOp o, ConstOp source) {
    Attribute value = source.getValue();
    if (auto dense = dyn_cast<DenseElementsAttr>(value); dense && dense.isSplat())
      return constants.get(scalarAttr(o.getType(), *elementBits(value, 0)));
    int64_t place = 0;
    for (auto [e, size] : llvm::zip(o.getMap().getResults(), shapeOf(o.getSource().getType()))) {
      auto c = dyn_cast<AffineConstantExpr>(e);
      if (!c) return {};
      place = place * size + std::clamp<int64_t>(c.getValue(), 0, std::max<int64_t>(size - 1, 0));
    }
    auto bits = elementBits(value, place);
    return bits ? constants.get(scalarAttr(o.getType(), *bits)) : Value();
  }

  Value readConcat(ReadOp o, ConcatOp concat) {
    SmallVector<AffineExpr> indices(o.getMap().getResults());
    AffineExpr &along = indices[concat.getAxis()];
    Range range = rangeOf(along, ranges(o));
    int64_t start = 0;
    for (Value part : concat.getSources()) {
      int64_t size = shapeOf(part.getType())[concat.getAxis()];
      if (range.within(start, start + size - 1)) {
        along = along - start;
        return createRead(b, o.getLoc(), part, indices, o.getIndices());
      }
      start += size;
    }
    return {};
  }

  Value foldReshape(ReshapeOp o) {
    if (o.getSource().getType() == o.getType()) return o.getSource();
    if (auto inner = o.getSource().getDefiningOp<ReshapeOp>())
      return ReshapeOp::create(b, o.getLoc(), o.getType(), inner.getSource());
    if (auto constant = o.getSource().getDefiningOp<ConstOp>())
      if (auto dense = dyn_cast<DenseElementsAttr>(constant.getValue()); dense && !constant.getName())
        return constants.get(cast<TypedAttr>(Attribute(dense.reshape(cast<ShapedType>(o.getType())))));
    return {};
  }

  /// A gen that reads every element of a tensor of its own type at its own place is that tensor; one that
  /// yields a constant is a constant.
  Value foldGen(GenOp o) {
    Value v = bodyOf(o).getTerminator()->getOperand(0);
    if (auto bits = constantBits(v); bits && tensorOf(o).getNumElements() > 0)
      return constants.get(DenseElementsAttr::get(tensorOf(o), Attribute(scalarAttr(v.getType(), *bits))));
    auto read = v.getDefiningOp<ReadOp>();
    if (!read || read->getBlock() != &bodyOf(o) || read.getSource().getType() != tensorOf(o)) return {};
    for (auto [axis, e] : llvm::enumerate(read.getMap().getResults())) {
      if (tensorOf(o).getDimSize(axis) == 1) continue;
      auto d = dyn_cast<AffineDimExpr>(e);
      if (!d || read.getIndices()[d.getPosition()] != bodyOf(o).getArgument(axis)) return {};
    }
    return read.getSource();
  }

  /// Of no element: what the chain starts from. Of one: a single step from there, which a sum needs, because
  /// +0 + -0 is +0.
  Value foldReduce(ReduceOp o) {
    int64_t count = 1;
    for (int64_t size : o.getSizes()) count *= size;
    ReduceKind kind = o.getKind();
    bool isPosition = kind == ReduceKind::Argmax || kind == ReduceKind::Argmin;
    bool isChoice = isPosition || kind == ReduceKind::Max || kind == ReduceKind::Min;
    mlir::Type type = o.getType();
    if (count > 1 || (count == 0 && isChoice) || o.getInit()) return {};
    Value start = isChoice ? Value() : constants.get(scalarAttr(type, neutralBits(kind, type)));
    if (count == 0) return start;
    if (isPosition) return number(type, 0);
    Location loc = o.getLoc();
    IRMapping mapping;
    Value zero = constants.get(b.getIndexAttr(0));
    for (BlockArgument a : bodyOf(o).getArguments()) mapping.map(a, zero);
    for (Operation &op : bodyOf(o).without_terminator()) work.push_back(b.clone(op, mapping));
    SmallVector<Value> x;
    for (Value v : bodyOf(o).getTerminator()->getOperands()) x.push_back(mapping.lookupOrDefault(v));
    bool isSum = kind == ReduceKind::Sum && isa<FloatType>(type);
    if (x.size() == 1) return isSum ? AddOp::create(b, loc, type, start, x[0]) : x[0];
    if (!isSum || unfused) return {};
    Value fused = FmaOp::create(b, loc, type, x[0], x[1], start);
    return o.getTree() ? AddOp::create(b, loc, type, fused, start).getResult() : fused;
  }

  NodeOp node;
  ConstantPool constants;
  OpBuilder b;
  bool unfused;
  SmallVector<Operation *> work;
  bool changed = false;
};

} // namespace

bool foldOperations(NodeOp node, bool unfused) { return Folder(node, unfused).run(); }

/// Elements of constants at computed places, which take no more memory than these constants: a table saves the computation.
static bool isSelection(Operation *op) {
  auto elements = [](mlir::Type type) { return cast<RankedTensorType>(type).getNumElements(); };
  int64_t from = 0;
  op->walk([&](ReadOp read) {
    bool isComputed = llvm::any_of(read.getIndices(), [](Value v) { return !isa<BlockArgument>(v); });
    if (isComputed && read.getSource().getDefiningOp<ConstOp>()) from += elements(read.getSource().getType());
  });
  return isa<GenOp>(op) && from > 0 && elements(op->getResult(0).getType()) <= from;
}

bool foldConstantTensor(Operation *op, const EvaluationLimits &limits, bool all) {
  if (!isa<NodeOp, ScanOp>(op->getParentOp()) || !isa<GenOp, ReduceOp>(op) || op->use_empty()) return false;
  bool constantsOnly = true;
  op->walk([&](Operation *inner) {
    for (Value v : inner->getOperands())
      if (!op->isAncestor(v.getParentRegion()->getParentOp()) && !v.getDefiningOp<ConstOp>())
        constantsOnly = false;
  });
  bool isCheap = isa<GenOp>(op) && bodyCost(bodyOf(op)) <= cheapBody;
  if (!constantsOnly || (isCheap && !all && !isSelection(op))) return false;
  TypedAttr value = evaluateConstant(op, limits);
  if (!value) return false;
  OpBuilder b(op);
  // Resources are per operation, so they do not go through the pool.
  op->getResult(0).replaceAllUsesWith(ConstOp::create(b, op->getLoc(), value));
  return true;
}

bool foldConstantTensors(NodeOp node, const EvaluationLimits &limits, bool all) {
  SmallVector<Operation *> candidates;
  node.walk([&](Operation *op) {
    if (isa<GenOp, ReduceOp>(op)) candidates.push_back(op);
  });
  bool changed = false;
  for (Operation *op : candidates) changed |= foldConstantTensor(op, limits, all);
  return changed;
}

} // namespace mlr::dataflow
