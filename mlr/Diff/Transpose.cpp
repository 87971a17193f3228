#include "mlr/Diff/Transpose.h"

#include "mlr/Dataflow/Flags.h"
#include "mlr/Dataflow/Truth.h"

namespace mlr::diff {
namespace {

/// Coefficients of an expression that is linear in its dimensions.
bool addLinear(AffineExpr e, int64_t factor, SmallVectorImpl<int64_t> &coefficients, int64_t &constant) {
  if (auto c = dyn_cast<AffineConstantExpr>(e)) return constant += factor * c.getValue(), true;
  if (auto d = dyn_cast<AffineDimExpr>(e)) {
    if (coefficients.size() <= d.getPosition()) coefficients.resize(d.getPosition() + 1);
    coefficients[d.getPosition()] += factor;
    return true;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(e);
  if (!binary) return false;
  if (e.getKind() == AffineExprKind::Add)
    return addLinear(binary.getLHS(), factor, coefficients, constant) &&
           addLinear(binary.getRHS(), factor, coefficients, constant);
  if (e.getKind() != AffineExprKind::Mul) return false;
  auto by = dyn_cast<AffineConstantExpr>(binary.getRHS());
  return by && addLinear(binary.getLHS(), factor * by.getValue(), coefficients, constant);
}

/// The scan of whose index the value is the index; null: of none.
ScanOp indexedScan(Value index) {
  auto convert = index.getDefiningOp<ConvertOp>();
  auto argument = convert ? dyn_cast<BlockArgument>(convert.getValue()) : BlockArgument();
  return argument ? dyn_cast<ScanOp>(argument.getOwner()->getParentOp()) : ScanOp();
}

/// Solves index(arguments) = element for the arguments, an axis at a time.
class Solver {
public:
  Solver(const Body &body, ReadOp read, Block *level, const Padding &padding)
      : body(body), read(read), level(level), padding(padding), context(read.getContext()),
        shape(shapeOf(read.getSource().getType())), low(shape.size(), 0), solved(body.arguments.size()) {}

  Transposition run(unsigned batch) {
    for (unsigned a = 0; a < shape.size(); ++a) visit(a);
    return number(batch);
  }

private:
  // While solving, dimension i is argument i of the body and dimension n + a the element's index on axis a.
  AffineExpr argument(unsigned i) { return getAffineDimExpr(i, context); }
  AffineExpr element(unsigned a) { return getAffineDimExpr(body.arguments.size() + a, context) + low[a]; }

  void visit(unsigned a) {
    AffineExpr e = read.getMap().getResult(a);
    bool clamp = read.getClamp() && (*read.getClamp())[a] && !padding.inside[a];
    llvm::SmallSetVector<unsigned, 4> used;
    collectDims(e, used);
    SmallVector<AffineExpr> dims;
    bool isComputed = false;
    for (auto [k, index] : llvm::enumerate(read.getIndices())) {
      auto at = llvm::find(body.arguments, index);
      bool isArgument = at != body.arguments.end();
      if (used.contains(k)) isComputed = isComputed || !isArgument;
      dims.push_back(isArgument ? argument(at - body.arguments.begin()) : getAffineConstantExpr(0, context));
    }
    if (isComputed) {
      if (used.size() == 1 && isRow(a, e, read.getIndices()[used[0]], clamp)) return;
      t.equal.push_back({a, element(a), clamp, shape[a]});
      return;
    }
    e = e.replaceDims(dims);
    bool isUnclamped = !clamp || widen(a, e);
    if (!isUnclamped || !solve(a, substitute(e))) t.equal.push_back({a, element(a), !isUnclamped, shape[a]});
  }

  /// Takes the axis as wide as the index gets where it leaves the axis by few elements; what lies outside is added to the ends later.
  bool widen(unsigned a, AffineExpr e) {
    SmallVector<Range> ranges;
    for (int64_t size : body.sizes) ranges.push_back({0, size - 1});
    Range range = rangeOf(e, ranges);
    int64_t from = std::min<int64_t>(range.low, 0), to = std::max(range.high + 1, shape[a]);
    constexpr int64_t few = 8;
    if (shape[a] == 0 || from < -(shape[a] + few) || to > 2 * shape[a] + few) return false;
    if (to - from > shape[a]) t.wide.push_back({a, from, to - from});
    low[a] = from;
    shape[a] = to - from;
    return true;
  }

  bool isRow(unsigned a, AffineExpr e, Value index, bool clamp) {
    ScanOp scan = indexedScan(index);
    if (!scan || clamp || !level->getParentOp()->isProperAncestor(scan)) return false;
    for (const ScanAxis &row : t.rows)
      if (row.scan == scan) return false;
    SmallVector<int64_t> coefficients;
    int64_t offset = 0;
    if (!addLinear(e, 1, coefficients, offset) || llvm::count(coefficients, 0) + 1 != int64_t(coefficients.size()) ||
        coefficients.back() != 1)
      return false;
    t.rows.push_back({a, scan, offset});
    return true;
  }

  AffineExpr substitute(AffineExpr e) {
    SmallVector<AffineExpr> dims;
    for (unsigned i = 0; i < solved.size(); ++i) dims.push_back(solved[i] ? solved[i] : argument(i));
    for (unsigned a = 0; a < shape.size(); ++a) dims.push_back(getAffineDimExpr(body.arguments.size() + a, context));
    return e.replaceDims(dims);
  }

  /// Splits e into a sum over open arguments, with factors c, and the rest; false: an open argument stands otherwise.
  bool addTerms(AffineExpr e, int64_t factor, SmallVectorImpl<int64_t> &c, AffineExpr &rest) {
    auto binary = dyn_cast<AffineBinaryOpExpr>(e);
    if (binary && e.getKind() == AffineExprKind::Add)
      return addTerms(binary.getLHS(), factor, c, rest) && addTerms(binary.getRHS(), factor, c, rest);
    if (auto d = dyn_cast<AffineDimExpr>(e); d && d.getPosition() < c.size()) return c[d.getPosition()] += factor, true;
    auto by = binary && e.getKind() == AffineExprKind::Mul ? dyn_cast<AffineConstantExpr>(binary.getRHS()) : AffineConstantExpr();
    if (by) return addTerms(binary.getLHS(), factor * by.getValue(), c, rest);
    for (unsigned i = 0; i < c.size(); ++i)
      if (e.isFunctionOfDim(i)) return false;
    rest = rest + e * factor;
    return true;
  }

  /// Whether each factor exceeds what the terms before it come to: then a sum of terms has one solution at most, as digits have.
  bool areDigits(ArrayRef<unsigned> open, ArrayRef<int64_t> c) const {
    int64_t most = 0;
    for (unsigned i : open) {
      if (c[i] <= most) return false;
      most += c[i] * std::max<int64_t>(body.sizes[i] - 1, 0);
    }
    return true;
  }

  /// The quotient, on condition that there is no remainder.
  AffineExpr divide(AffineExpr e, int64_t by) {
    if (by == 1) return e;
    t.multiples.push_back({e, by});
    return e.floorDiv(by);
  }

  bool solve(unsigned a, AffineExpr e) {
    SmallVector<int64_t> c(solved.size());
    AffineExpr rest = getAffineConstantExpr(0, context);
    if (!addTerms(e, 1, c, rest)) return false;
    SmallVector<unsigned> open; // a smaller factor first
    for (unsigned i = 0; i < c.size(); ++i)
      if (c[i]) open.push_back(i);
    if (open.empty()) return false;
    llvm::stable_sort(open, [&](unsigned x, unsigned y) { return std::abs(c[x]) < std::abs(c[y]); });
    AffineExpr left = element(a) - rest;
    if (areDigits(open, c)) {
      for (unsigned i : llvm::reverse(ArrayRef(open).drop_front())) {
        solved[i] = left.floorDiv(c[i]);
        left = left % c[i];
      }
      solved[open[0]] = divide(left, c[open[0]]);
    } else {
      // The sum runs over the others, so it is the longest one; of equal ones that of the smallest factor.
      unsigned best = open[0];
      for (unsigned i : open)
        if (body.sizes[i] > body.sizes[best]) best = i;
      for (unsigned i : open)
        if (i != best) left = left - getAffineDimExpr(i, context) * c[i];
      solved[best] = divide(c[best] > 0 ? left : -left, std::abs(c[best]));
    }
    for (AffineExpr &s : solved)
      if (s) s = substitute(s);
    return true;
  }

  /// From the dimensions of the solver to those of the result.
  Transposition number(unsigned batch) {
    unsigned n = body.arguments.size();
    SmallVector<AffineExpr> dims(n + shape.size(), getAffineConstantExpr(0, context));
    SmallVector<Range> ranges(batch);
    unsigned next = batch;
    for (unsigned a = 0; a < shape.size(); ++a) {
      if (llvm::any_of(t.rows, [&](const ScanAxis &row) { return row.axis == a; })) continue;
      t.axes.push_back(a);
      dims[n + a] = getAffineDimExpr(next++, context);
      ranges.push_back({0, std::max<int64_t>(shape[a] - 1, 0)});
    }
    for (unsigned i = 0; i < n; ++i)
      if (!solved[i]) {
        t.free.push_back(i);
        dims[i] = getAffineDimExpr(next++, context);
        ranges.push_back({0, std::max<int64_t>(body.sizes[i] - 1, 0)});
      }
    for (unsigned i = 0; i < n; ++i) {
      AffineExpr e = solved[i] ? substitute(solved[i]).replaceDims(dims) : dims[i];
      t.positions.push_back(e);
      if (solved[i] && !rangeOf(e, ranges).within(0, body.sizes[i] - 1)) t.inside.push_back({e, body.sizes[i]});
    }
    for (auto &m : t.multiples) m.e = substitute(m.e).replaceDims(dims);
    for (auto &e : t.equal) e.element = e.element.replaceDims(dims);
    return std::move(t);
  }

  const Body &body;
  ReadOp read;
  Block *level;
  const Padding &padding;
  MLIRContext *context;
  SmallVector<int64_t> shape, low;
  SmallVector<AffineExpr> solved; ///< by argument; null: not fixed (yet)
  Transposition t;
};

} // namespace

Padding paddingOf(const Body &body, ReadOp read, ArrayRef<Guard> conditions) {
  Padding padding;
  ArrayRef<int64_t> shape = cast<RankedTensorType>(read.getSource().getType()).getShape();
  padding.inside.assign(shape.size(), false);
  SmallVector<std::pair<Value, bool>> literals;
  for (const Guard &g : conditions)
    if (body.isInside(g.value)) literals.push_back({g.value, g.polarity});
  if (!read.getClamp() || literals.empty()) return padding;
  SmallVector<Value> arguments;
  for (Value v : read.getIndices())
    if (llvm::is_contained(body.arguments, v)) arguments.push_back(v);
  std::optional<Truth> truth = truthOf(body.op, literals, arguments);
  if (!truth) return padding;
  SmallVector<AffineExpr> exprs(shape.size());
  for (unsigned a = 0; a < shape.size(); ++a)
    if ((*read.getClamp())[a]) padding.inside[a] = bool(exprs[a] = indexOver(*truth, read, a));
  auto isInside = [&](unsigned a, ArrayRef<int64_t> at) {
    int64_t i = valueAt(exprs[a], at);
    return i >= 0 && i < shape[a];
  };
  truth->forEach([&](ArrayRef<int64_t> at, bool holds) {
    for (unsigned a = 0; holds && a < shape.size(); ++a)
      padding.inside[a] = padding.inside[a] && isInside(a, at);
  });
  padding.isAll = literals.size() == conditions.size();
  truth->forEach([&](ArrayRef<int64_t> at, bool holds) {
    bool isWithin = true;
    for (unsigned a = 0; a < shape.size(); ++a) isWithin = isWithin && (!padding.inside[a] || isInside(a, at));
    padding.isAll = padding.isAll && (holds || !isWithin);
  });
  return padding;
}

Transposition transpose(const Body &body, ReadOp read, unsigned batch, Block *level, const Padding &padding) {
  return Solver(body, read, level, padding).run(batch);
}

/// Whether less than the whole axis is read; then the transposition is of that part.
static bool restrictAxis(Transposition &t, ReadOp read, unsigned axis, AffineExpr element) {
  int64_t size = cast<RankedTensorType>(read.getSource().getType()).getDimSize(axis), begin = 0, end = size;
  auto offsetOf = [&](AffineExpr e) { return dyn_cast<AffineConstantExpr>(e - element); };
  for (auto &[e, length] : t.inside)
    if (auto offset = offsetOf(e)) {
      begin = std::max(begin, -offset.getValue());
      end = std::min(end, length - offset.getValue());
    }
  auto constant = dyn_cast<AffineConstantExpr>(read.getMap().getResult(axis));
  auto isThatOne = [&](const Transposition::Equal &equal) { return constant && equal.axis == axis && !equal.clamp; };
  if (llvm::any_of(t.equal, isThatOne)) {
    begin = std::max(begin, constant.getValue());
    end = std::min(end, constant.getValue() + 1);
  }
  if (begin >= end || end - begin == size) return false;
  llvm::erase_if(t.inside, [&](const Transposition::Between &between) { return bool(offsetOf(between.e)); });
  llvm::erase_if(t.equal, isThatOne);
  auto shift = [&](AffineExpr &e) { e = e.replace(element, element + begin); };
  for (AffineExpr &e : t.positions) shift(e);
  for (auto &between : t.inside) shift(between.e);
  for (auto &multiple : t.multiples) shift(multiple.e);
  for (auto &equal : t.equal) shift(equal.element);
  t.begin = begin;
  t.count = end - begin;
  t.restricted = axis;
  return true;
}

void restrictToRead(Transposition &t, ReadOp read, unsigned batch) {
  if (!t.rows.empty() || !t.wide.empty()) return;
  for (unsigned axis : t.axes) // all of the source's: none is a row
    if (restrictAxis(t, read, axis, getAffineDimExpr(batch + axis, read.getContext()))) return;
}

int64_t Transposition::sizeOf(unsigned axis, ArrayRef<int64_t> sourceShape) const {
  for (const Wide &w : wide)
    if (w.axis == axis) return w.size;
  return sourceShape[axis];
}

Value foldWide(OpBuilder &b, Location loc, const Transposition &t, Value part, unsigned batch, ArrayRef<int64_t> sourceShape,
               ConstantPool &constants) {
  auto number = [&](int64_t n) { return constants.get(b.getI32IntegerAttr(static_cast<int32_t>(n))); };
  for (const Transposition::Wide &w : t.wide) {
    auto type = cast<RankedTensorType>(part.getType());
    auto axis = static_cast<unsigned>(batch + (llvm::find(t.axes, w.axis) - t.axes.begin()));
    int64_t size = sourceShape[w.axis], before = -w.low, after = w.size - before - size;
    SmallVector<int64_t> shape(type.getShape());
    shape[axis] = size;
    part = makeEach(b, loc, RankedTensorType::get(shape, type.getElementType()), [&](ValueRange at) -> Value {
      // The element `from` on, plus a further index if there is one, of the wide axis.
      auto read = [&](OpBuilder &inner, int64_t from, Value further) -> Value {
        SmallVector<AffineExpr> exprs;
        SmallVector<Value> indices(at);
        for (unsigned k = 0; k < at.size(); ++k) exprs.push_back(inner.getAffineDimExpr(k));
        exprs[axis] = (further ? inner.getAffineDimExpr(at.size()) : exprs[axis]) + from;
        if (further) indices.push_back(further);
        return createRead(inner, loc, part, exprs, indices);
      };
      Value sum = read(b, before, {});
      auto addAt = [&](int64_t end, int64_t from, int64_t count) {
        if (count == 0) return;
        auto beyond = ReduceOp::create(b, loc, type.getElementType(), ReduceKind::Sum, {count}, /*tree=*/false);
        Block *block = new Block;
        beyond.getBody().push_back(block);
        OpBuilder inner = OpBuilder::atBlockEnd(block);
        YieldOp::create(inner, loc, read(inner, from, block->addArgument(b.getIndexType(), loc)));
        Value here = EqOp::create(b, loc, b.getI1Type(), ConvertOp::create(b, loc, b.getI32Type(), at[axis]), number(end));
        Value with = AddOp::create(b, loc, type.getElementType(), sum, beyond.getResult());
        sum = SelectOp::create(b, loc, type.getElementType(), here, with, sum);
      };
      addAt(0, 0, before);
      addAt(size - 1, before + size, after);
      return sum;
    });
  }
  return part;
}

Transposition sumOver(const Body &body, unsigned batch) {
  Transposition t;
  for (unsigned i = 0; i < body.arguments.size(); ++i) {
    t.free.push_back(i);
    t.positions.push_back(getAffineDimExpr(batch + i, body.op->getContext()));
  }
  return t;
}

} // namespace mlr::diff
